"""Say what a model's reading is worth. Calls no model and authorises nothing: that is the services' to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.conversation import Wish


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
    "opt_out": Threshold(do=0.90, ask=0.40),  # irreversible for the client, so asked back when unsure
    "opt_in": Threshold(do=0.60, ask=0.40),  # never lifts by itself: a code is asked for
    "report_scam": Threshold(do=0.45, ask=0.30),
    "human": Threshold(do=0.45, ask=0.30),
}
OTHERS = Threshold(do=0.45, ask=0.25)
SMALL_TALK = frozenset({"greet", "thanks", "goodbye", "affirm", "deny"})
SURE = 0.6  #: free text for a slot is taken as the answer unless the model is this sure of another wish


def wish_of(reading: Reading) -> Wish:
    """What to make of a reading: the wish itself, `did_you_mean` with the likely ones, or `not_understood`."""
    threshold = THRESHOLDS.get(reading.intent, OTHERS)
    others = tuple(name for name, _ in reading.ranking if name not in ("out_of_scope", *SMALL_TALK))[:3]
    if reading.intent == "out_of_scope":
        return Wish("not_understood", "model", reading.confidence, alternatives=others)
    if reading.confidence >= threshold.do:
        return Wish(reading.intent, "model", reading.confidence, alternatives=others)
    if reading.confidence >= threshold.ask:
        if reading.intent == "opt_out":
            return Wish("opt_out_unsure", "model", reading.confidence, alternatives=others)
        if reading.intent not in SMALL_TALK and others:
            return Wish("did_you_mean", "model", reading.confidence, alternatives=others)
    return Wish("not_understood", "model", reading.confidence, alternatives=others)
