"""Say how good readings are. Pure: trains nothing, reads no file.

A reading is a confidence for each intent; intents have their names inside Rasa.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from bot.domain.readings import SMALL_TALK, speaks_of_messages

OUT_OF_SCOPE = "out_of_scope"
NO_WISH = SMALL_TALK | {OUT_OF_SCOPE}
ANSWERED_AT_MOST = 0.05  #: of what is no wish of ours may be answered as if it were understood
BINS = 10
STOPS_TOO = ("rights_objection", "rights_withdraw_consent", "rights_erasure")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that was held back: what it says, what it means, its language."""

    text: str = field(repr=False)
    intent: str
    language: str


@dataclass(frozen=True, slots=True)
class Read:
    """A line with its intents, the surest first."""

    line: Line
    ranking: tuple[tuple[str, float], ...]

    @property
    def intent(self) -> str:
        return self.ranking[0][0]

    @property
    def confidence(self) -> float:
        return self.ranking[0][1]

    @property
    def is_right(self) -> bool:
        return self.intent == self.line.intent

    def of(self, intent: str) -> float:
        return dict(self.ranking).get(intent, 0.0)


def read(lines: Sequence[Line], labels: Sequence[str], confidences: Sequence[Sequence[float]]) -> list[Read]:
    return [
        Read(line, tuple(sorted(zip(labels, row, strict=True), key=lambda pair: -pair[1])))
        for line, row in zip(lines, confidences, strict=True)
    ]


def together(*each: Sequence[Read]) -> list[Read]:
    """An ensemble: the mean of what several say."""
    found = []
    for same in zip(*each, strict=True):
        labels = [name for name, _ in same[0].ranking]
        mean = [sum(one.of(name) for one in same) / len(same) for name in labels]
        found += read([same[0].line], labels, [mean])
    return found


def top(readings: Iterable[Read], among: int = 1) -> float:
    return share(any(n == r.line.intent for n, _ in r.ranking[:among]) for r in readings)


def share(claims: Iterable[bool]) -> float:
    held = list(claims)
    return sum(held) / len(held) if held else math.nan


def by(readings: Iterable[Read], what: Callable[[Line], str]) -> Mapping[str, list[Read]]:
    found: dict[str, list[Read]] = {}
    for one in readings:
        found.setdefault(what(one.line), []).append(one)
    return dict(sorted(found.items()))


def is_answered(one: Read, threshold: float) -> bool:
    """Is it answered as if it were understood?"""
    return one.intent not in NO_WISH and one.confidence >= threshold


def lowest_threshold(readings: Sequence[Read]) -> float:
    """The threshold from which on at most 5 % of what is out of scope is answered."""
    wrong = sorted(
        (r.confidence for r in readings if r.line.intent == OUT_OF_SCOPE and is_answered(r, 0)), reverse=True
    )
    most = int(ANSWERED_AT_MOST * sum(r.line.intent == OUT_OF_SCOPE for r in readings))
    return 0.0 if len(wrong) <= most else math.nextafter(wrong[most], 1.0)


def at_once(readings: Sequence[Read], threshold: float) -> tuple[float, float]:
    """Of the lines with a wish: how many are answered rightly without asking back, and how many wrongly."""
    wishes = [r for r in readings if r.line.intent not in NO_WISH]
    right = share(is_answered(r, threshold) and r.is_right for r in wishes)
    return right, share(is_answered(r, threshold) and not r.is_right for r in wishes)


def opt_outs(readings: Sequence[Read], threshold: float, *, needs_witness: bool) -> tuple[float, int]:
    """How many of the opt-outs are carried out at once, and how many lines that ask for no stop at all."""

    def is_done(one: Read) -> bool:
        is_sure = one.intent == "opt_out" and one.confidence >= threshold
        return is_sure and (not needs_witness or speaks_of_messages(one.line.text))

    meant = [r for r in readings if r.line.intent == "opt_out"]
    others = [r for r in readings if r.line.intent not in (*STOPS_TOO, "opt_out")]
    return share(map(is_done, meant)), sum(map(is_done, others))


def stopping_rights(readings: Sequence[Read], threshold: float) -> tuple[float, int]:
    """How many of the requests that stop messages too do so at once, and how many lines that ask for no stop."""

    def is_done(one: Read) -> bool:
        return one.intent in STOPS_TOO and one.confidence >= threshold

    meant = [r for r in readings if r.line.intent in STOPS_TOO]
    others = [r for r in readings if r.line.intent not in (*STOPS_TOO, "opt_out")]
    return share(map(is_done, meant)), sum(map(is_done, others))


def log_loss(readings: Sequence[Read]) -> float:
    return -sum(math.log(max(r.of(r.line.intent), 1e-12)) for r in readings) / len(readings)


def calibration_error(readings: Sequence[Read]) -> float:
    """The expected one: how far confidence and being right lie apart, over ten bins of as many lines each."""
    ordered = sorted(readings, key=lambda one: one.confidence)
    edges = [len(ordered) * place // BINS for place in range(BINS + 1)]
    apart = 0.0
    for start, end in pairwise(edges):
        held = ordered[start:end]
        sure = sum(one.confidence for one in held) / len(held)
        apart += len(held) * abs(sure - share(one.is_right for one in held))
    return apart / len(ordered)
