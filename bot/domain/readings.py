"""Say what a model's reading is worth. Calls no model and authorises nothing: that is the services' to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.conversation import Wish
from bot.domain.folding import fold


@dataclass(frozen=True, slots=True)
class Reading:
    """One text as the model reads it: intents by their outside names, confidence from 0 to 1."""

    intent: str
    confidence: float
    ranking: tuple[tuple[str, float], ...]
    model: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which confidence a reading is carried out, and from which it is put as a question."""

    do: float
    ask: float


THRESHOLDS: Mapping[str, Threshold] = {
    "opt_out": Threshold(do=0.96, ask=0.65),  # irreversible for the client, so asked back when unsure
    "opt_in": Threshold(do=0.75, ask=0.40),  # never lifts by itself: a code is asked for
    "report_scam": Threshold(do=0.60, ask=0.30),
    "human": Threshold(do=0.75, ask=0.30),
}
OTHERS = Threshold(do=0.75, ask=0.25)
"""Chosen so that of ordinary messages, none of which the model was trained on, under 5 % are answered as if
understood; what falls between is put as "did you mean", which costs the person one digit."""
SMALL_TALK = frozenset({"greet", "thanks", "goodbye", "affirm", "deny"})
SURE = 0.6  #: free text for a slot is taken as the answer unless the model is this sure of another wish


# Folded beginnings of the words in which people speak of messages, of sending them and of lists.
_STEMS = (
    # Polish
    "sms esemes mms wiadom widom powiadom reklam spam newsletter mail ofert promo kupon marketing pisz pisa pisuj "
    "wysyl przysyl przesyl nadsyl sle slij slac wysl dzwon kontakt numer lista listy baz subsk wypis wyrejestr "
    "odsubs zgod "
    # English
    "text txt msg messag send sent contact number list subsc unsub opt coupon offer advert ads news notif "
    "alert consent "
    # German
    "nachricht werb schick schreib zusend angebot abmeld abbestell austrag nummer "
    # Ukrainian and Russian, and Ukrainian in Latin letters
    "смс повідом сообщ реклам спам надсил присил висил шліт слат пиш писа відпис отпис розсил рассыл номер "
    "пропозиц prysyl pysh povidom vidpys"
).split()
_MESSAGING = re.compile(r"\b(?:" + "|".join(_STEMS) + ")")


def speaks_of_messages(text: str) -> bool:
    """Is there a word about messages or sending in a text? The second witness of an opt-out that a model reads.

    Classifiers take "no more already" and "don't care enough to stop me" for opt-outs with great confidence:
    private chat has the same small words. An opt-out in free words almost always names what is to stop.
    """
    return _MESSAGING.search(fold(text[:1000])) is not None


def wish_of(reading: Reading, text: str) -> Wish:
    """What to make of a reading: the wish itself, `did_you_mean` with the likely ones, or `not_understood`.

    text: what was read; an opt-out is carried out only if the text itself speaks of messages, else asked back.
    """
    threshold = THRESHOLDS.get(reading.intent, OTHERS)
    others = tuple(name for name, _ in reading.ranking if name not in ("out_of_scope", *SMALL_TALK))[:3]
    if reading.intent == "out_of_scope":
        return Wish("not_understood", "model", reading.confidence, alternatives=others)
    is_sure = reading.confidence >= threshold.do
    if is_sure and (reading.intent != "opt_out" or speaks_of_messages(text)):
        return Wish(reading.intent, "model", reading.confidence, alternatives=others)
    if reading.intent == "opt_out" and reading.confidence >= threshold.ask:
        return Wish("opt_out_unsure", "model", reading.confidence, alternatives=others)
    if reading.confidence >= min(threshold.ask, OTHERS.ask) and reading.intent not in SMALL_TALK and others:
        return Wish("did_you_mean", "model", reading.confidence, alternatives=others)
    return Wish("not_understood", "model", reading.confidence, alternatives=others)
