"""Tell several wishes in one message from one. Calls no model: it is handed what the parts were read as.

The message as a whole stays the authority: its parts count only where two of them are surely wishes of their
own, so that "my name and number" is not two. A STOP in a part is never lost and a right never either; what
the whole does not bear out is asked back, not done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from bot.domain import keywords
from bot.domain.conversation import Wish
from bot.domain.folding import Word, words_of
from bot.domain.keywords import Act, Words
from bot.domain.readings import OTHERS, SMALL_TALK, Reading, wish_of

SURELY_NONE = 0.75
"""The confidence from which a message as a whole is nothing to us, whatever its parts look like."""

MOST = 3
"""Parts of a message at most: with the whole, sixteen messages still fit into one request to the model."""

_SENTENCE, _JOIN, _COMMA = 3, 2, 1

# Folded words that join two wishes. German "und", Ukrainian "та" …; the Polish "i" looks like the English "I".
_JOINS = frozenset(
    "i oraz takze rowniez ponadto dodatkowo ale and also plus but then und ausserdem sowie aber "
    "і й та також але и также но плюс".split()
)
# After a comma these go on with what was said: "the company that writes", "weil ich das nicht will".
_GOES_ON = frozenset(
    "ze zeby aby bo gdyz poniewaz ktory ktora ktore ktorzy ktorych ktorego ktorej ktorym co jak jakie jaki jaka gdzie "
    "kiedy dopoki jesli jezeli gdy wiec niech dlatego albo lub ani czy a "
    "that which who whose because so if when where while until or since though as what how why please "
    "dass das die der den dem weil wenn ob als wie wo wer damit da oder sondern welche welcher bitte "
    "що щоб бо який яка яке які якщо коли де чи тому або як "
    "что чтобы который которая которые потому если когда где или как".split()
)
_AFTER_ENGLISH_I = frozenset(
    "am m have ve had do dont did didnt don can cant could will ll wont would want wanna need get got was just "
    "never ask asked said told think know like love only already still don t".split()
)

#: In which order several wishes are taken: what stops and protects, who it was, rights, questions; a human last,
#: for then the bot is silent.
_ORDER = ("opt_out", "opt_in", "report_scam", "who_sent", "number_source", "rights_", "faq/")
_AT_THE_END = ("opt_out_unsure", "human")
ASKED_BY_WORDS = frozenset({"opt_out_unsure", "opt_out_how"})
"""What the words alone made a question of."""
_NO_WISH = SMALL_TALK | {"out_of_scope", "not_understood", "not_read", "did_you_mean", "help", "menu"}
#: Said beside the second, the first asks for nothing more.
_HELD_IN = (("opt_in", "opt_out"), ("who_sent", "number_source"), ("rights_terminate_contract", "rights_"))


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a message that may hold a wish of its own, and where it stands in it."""

    text: str
    start: int
    end: int


def parts_of(text: str, words: Words) -> tuple[Part, ...]:
    """Two or three pieces of a message, cut where sentences end, at conjunctions and commas; none: it is one piece.

    A piece has two words at least, or is a keyword ("STOP"). Of more pieces neighbours are joined again, across
    the weakest cut first.
    """
    found, _ = words_of(text)
    pieces = [[word] for word in found[:1]]
    cuts: list[int] = []
    for place, word in enumerate(found[1:], start=1):
        strength = _cut(found, place, text)
        if strength:
            pieces.append([])
            cuts.append(strength)
        pieces[-1].append(word)
    _join_small(pieces, cuts, words)
    while len(pieces) > MOST:
        together = [len(one) + len(other) for one, other in pairwise(pieces)]
        _join(pieces, cuts, min(range(len(cuts)), key=lambda n: (cuts[n], together[n])))
    if len(pieces) < 2:
        return ()
    return tuple(_part(piece, text) for piece in pieces)


def beside_stop(text: str, words: Words, span: tuple[int, int] | None = None) -> tuple[Part, ...]:
    """What else a message says beside its STOP: those of its parts in which nothing of that stands.

    span: where the STOP stands, if it is known already.
    """
    if span is None:
        span = keywords.match(text, words).span
    return tuple(part for part in parts_of(text, words) if part.end <= span[0] or span[1] <= part.start)


def wishes_of(
    whole: Wish, text: str, parts: Sequence[tuple[Part, Reading | None]], words: Words
) -> tuple[Wish, ...]:
    """What a message asks for, in the order in which it is taken; `whole` alone where it asks for one thing.

    whole: what the message as a whole was taken for. parts: each with its reading, None where there is none.
    """
    sure = [wish for part, reading in parts if (wish := _sure(part, reading, text, words)) is not None]
    several = _distinct(sure)
    if len(several) > 1 and not _is_surely_none(whole):
        if whole.intent.startswith("rights_") and not any(w.intent.startswith("rights_") for w in several):
            several = (*several, whole)
        return _ordered([wish if _is_borne_out(wish, whole) else _asked_back(wish) for wish in several])
    stop = next((wish for wish in several if wish.intent == "opt_out"), None)
    if stop is None or whole.intent == "opt_out" or whole.intent in ASKED_BY_WORDS:
        return (whole,)
    if _is_wish(whole) and whole.intent != "opt_in":
        return _ordered((stop, whole))
    return (_asked_back(stop),)


def wishes_beside_stop(
    text: str, parts: Sequence[tuple[Part, Reading | None]], words: Words
) -> tuple[Wish, ...]:
    """What else a message asks for whose STOP was carried out on receipt; often nothing."""
    sure = [wish for part, reading in parts if (wish := _sure(part, reading, text, words)) is not None]
    return _ordered(_distinct([wish for wish in sure if wish.intent not in ("opt_out", "opt_in")]))


def _cut(found: Sequence[Word], place: int, text: str) -> int:
    """How surely something new begins with the word at `place`; 0: it goes on."""
    before, word = found[place - 1], found[place]
    is_number = text[before.end - 1].isdigit() and text[word.start].isdigit()
    if word.mark in ".?" and not is_number:
        return _SENTENCE
    is_pronoun = word.text == "i" and {w.text for w in found[place + 1 : place + 2]} <= _AFTER_ENGLISH_I
    if word.text in _JOINS and not is_pronoun:
        return _JOIN
    return _COMMA if word.mark == "," and not is_number and word.text not in _GOES_ON else 0


def _join_small(pieces: list[list[Word]], cuts: list[int], words: Words) -> None:
    """A single word is no wish unless it is a keyword: it goes to the neighbour that it is least parted from."""
    place = 0
    while place < len(pieces):
        if len(pieces) == 1 or _may_stand_alone(pieces[place], words):
            place += 1
            continue
        left = cuts[place - 1] if place else _SENTENCE + 1
        right = cuts[place] if place < len(cuts) else _SENTENCE + 1
        _join(pieces, cuts, place if right <= left else place - 1)
        place = max(0, place - 1)


def _may_stand_alone(piece: list[Word], words: Words) -> bool:
    said = [word.text for word in piece if word.text not in _JOINS]
    return len(said) > 1 or "".join(said) in words.keywords


def _join(pieces: list[list[Word]], cuts: list[int], place: int) -> None:
    """Make one of the piece at `place` and the next."""
    pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
    del cuts[place]


def _part(piece: list[Word], text: str) -> Part:
    first = next((n for n, word in enumerate(piece) if word.text not in _JOINS), 0)
    start, end = piece[first].start, piece[-1].end
    return Part(text[start:end], start, end)


def _sure(part: Part, reading: Reading | None, text: str, words: Words) -> Wish | None:
    """The wish that a part surely holds, by its keyword or by the model."""
    verdict = keywords.match(part.text, words)
    if verdict.act is Act.DO and verdict.intent not in _NO_WISH:
        slots = {} if verdict.sender is None else {"sender": verdict.sender}
        if verdict.scope is not None:
            slots["scope"] = verdict.scope.value
        return Wish(verdict.intent, verdict.by, slots=slots, said=part.text)
    if reading is None:
        return None
    # The witness of an opt-out may stand in another part: "who sent this text and please stop it".
    wish = wish_of(reading, text)
    return replace(wish, said=part.text) if _is_wish(wish) and wish.confidence >= OTHERS.do else None


def _is_wish(wish: Wish) -> bool:
    return wish.intent not in _NO_WISH and wish.intent not in ASKED_BY_WORDS


def _is_borne_out(wish: Wish, whole: Wish) -> bool:
    """May it be carried out? A STOP that the model reads in a part, in talk that as a whole is no sure wish to us, may
    be about anybody."""
    return wish.intent != "opt_out" or wish.by in ("keyword", "phrase") or _is_wish(whole)


def _asked_back(stop: Wish) -> Wish:
    return replace(stop, intent="opt_out_unsure")


def _is_surely_none(wish: Wish) -> bool:
    """Is the whole, as far as the model is sure, nothing to us? Then its parts are talk among others."""
    return wish.intent == "not_understood" and wish.confidence >= SURELY_NONE


def _distinct(wishes: Sequence[Wish]) -> tuple[Wish, ...]:
    """One of each kind, the surest; without those that another holds in itself."""
    by_intent: dict[str, Wish] = {}
    for wish in wishes:
        known = by_intent.get(wish.intent)
        if known is None or wish.confidence > known.confidence:
            by_intent[wish.intent] = wish
    for held, by in _HELD_IN:
        if any(intent.startswith(by) for intent in by_intent if intent != held):
            by_intent.pop(held, None)
    return tuple(by_intent.values())


def _ordered(wishes: Sequence[Wish]) -> tuple[Wish, ...]:
    return tuple(sorted(wishes, key=lambda wish: _rank(wish.intent))[:MOST])


def _rank(intent: str) -> int:
    if intent in _AT_THE_END:
        return len(_ORDER) + 1 + _AT_THE_END.index(intent)
    return next((n for n, name in enumerate(_ORDER) if intent.startswith(name)), len(_ORDER))
