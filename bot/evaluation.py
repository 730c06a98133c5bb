"""What `whosent understand` and `whosent evaluate` say of lines. Carries nothing out, keeps no line.

It goes the way a message goes: words without doubt first, then the model's reading, each by the same tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rich.table import Table

from bot.domain import follow_ups
from bot.domain.errors import BadInput
from bot.domain.keywords import NOTHING, Act, Verdict
from bot.domain.language import detect
from bot.domain.readings import OTHERS, SMALL_TALK, Reading, wish_of
from bot.services.contracts import Understanding
from bot.understanding import INTENTS, TEXTS_AT_ONCE, reported

__all__ = ["Report", "Tally", "evaluate", "tables", "understand_lines"]

DEFAULT_LANGUAGE = "pl"
ALTERNATIVES = 2
NOT_UNDERSTOOD = "out_of_scope"

#: The acts of CONTRACT.md; an explanation is given before anything is done, so it counts as asking back.
ACTS = {Act.DO: "do", Act.ASK: "ask", Act.EXPLAIN: "ask", Act.NONE: "none"}

#: How `wish_of` says that a reading is asked back first. A start needs a code, however sure the model is.
ASKED_BACK = frozenset({"opt_out_unsure", "did_you_mean", "opt_in"})

#: Doing one of these unasked cannot be taken back by the person.
IRREVERSIBLE = frozenset({"opt_out", "opt_in"})
NO_WISH = SMALL_TALK | {NOT_UNDERSTOOD}

Matcher = Callable[[str], Verdict]


@dataclass(slots=True)
class Tally:
    """How many lines there were and how often the first, and one of the first three intents, was accepted."""

    lines: int = 0
    top1: int = 0
    top3: int = 0

    def add(self, *, first: bool, among_three: bool) -> None:
        self.lines += 1
        self.top1 += first
        self.top3 += among_three

    def as_json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "top1": _share(self.top1, self.lines),
            "top3": _share(self.top3, self.lines),
        }


@dataclass(slots=True)
class Report:
    """How well a file of labelled lines is understood. Holds line numbers, no line.

    by_label counts a line under its first label. wrong_irreversible: lines where an opt-out or opt-in would
    be carried out that is no accepted label. out_of_scope: lines with that label; answered: those of them
    answered as if understood. confusion: (label, intent) → lines, for those with no accepted intent.
    """

    total: Tally = field(default_factory=Tally)
    by_label: dict[str, Tally] = field(default_factory=dict)
    by_language: dict[str, Tally] = field(default_factory=dict)
    decided_by: Counter[str] = field(default_factory=Counter)
    wrong_irreversible: list[int] = field(default_factory=list)
    out_of_scope: int = 0
    answered: list[int] = field(default_factory=list)
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, *, line: int, labels: Sequence[str], language: str, understood: Mapping[str, Any]) -> None:
        """Count one line; `understood` is what `understand_lines` said of it."""
        intent = understood["intent"]
        first = intent in labels
        among_three = first or not set(labels).isdisjoint(understood["alternatives"])
        by_label = self.by_label.setdefault(labels[0], Tally())
        by_language = self.by_language.setdefault(language, Tally())
        for tally in (self.total, by_label, by_language):
            tally.add(first=first, among_three=among_three)
        self.decided_by[understood["by"]] += 1
        if not first:
            self.confusion[labels[0], intent] += 1
        if understood["act"] == "do" and intent in IRREVERSIBLE and not first:
            self.wrong_irreversible.append(line)
        if NOT_UNDERSTOOD in labels:
            self.out_of_scope += 1
            if intent not in NO_WISH and understood["by"] != "fallback":
                self.answered.append(line)

    def as_json(self) -> dict[str, Any]:
        """The report as `--json` prints it: shares from 0 to 1, line numbers from 1."""
        return {
            **self.total.as_json(),
            "labels": {name: tally.as_json() for name, tally in sorted(self.by_label.items())},
            "languages": {name: tally.as_json() for name, tally in sorted(self.by_language.items())},
            "by": dict(sorted(self.decided_by.items())),
            "wrong_irreversible": {"count": len(self.wrong_irreversible), "at": self.wrong_irreversible},
            "out_of_scope": {
                "lines": self.out_of_scope,
                "answered_as_if_understood": len(self.answered),
                "at": self.answered,
            },
            "confusion": [
                {"label": label, "intent": intent, "lines": lines}
                for (label, intent), lines in sorted(
                    self.confusion.items(), key=lambda item: (-item[1], item[0])
                )
            ],
        }


def understand_lines(
    lines: Iterable[str], matcher: Matcher, understanding: Understanding | None, language: str = "auto"
) -> Iterator[dict[str, Any]]:
    """Say of each line what the bot makes of it, in order, in the form of CONTRACT.md.

    lines: messages, a line end at their end is not theirs. matcher: `keywords.match` with its words.
    understanding: None leaves the model out. language: a code, or `auto` to tell it from each text.
    """
    source = (line.rstrip("\r\n") for line in lines)
    while texts := list(islice(source, TEXTS_AT_ONCE)):
        readings = understanding.read(texts) if understanding else [None] * len(texts)
        for text, reading in zip(texts, readings, strict=True):
            verdict = matcher(text)
            spoken = language if language != "auto" else detect(text) or verdict.language or DEFAULT_LANGUAGE
            yield {"text": text, "language": spoken, **_decided(verdict, reading, text)}


def evaluate(
    path: Path, matcher: Matcher, understanding: Understanding | None, language: str = "auto"
) -> Report:
    """Measure the understanding on a file of `label[|label2]⇥lang⇥text` lines; more labels are all accepted.

    Arguments as of `understand_lines`. Raises BadInput with the line, OSError if it cannot be read.
    """
    rows = list(_rows(path))
    report = Report()
    understood = understand_lines((text for _, _, _, text in rows), matcher, understanding, language)
    for (line, labels, spoken, _), said in zip(rows, understood, strict=True):
        report.add(line=line, labels=labels, language=spoken, understood=said)
    return report


def tables(report: Report) -> list[Table]:
    """The report for a terminal."""
    summary = Table("measure", "value", title="Understanding", title_justify="left")
    for measure, value in {
        "lines": str(report.total.lines),
        "top-1": _percent(report.total.top1, report.total.lines),
        "top-3": _percent(report.total.top3, report.total.lines),
        "wrong irreversible acts": _places(report.wrong_irreversible),
        "out of scope, answered as if understood": f"{len(report.answered)} of {report.out_of_scope}",
        "decided by": ", ".join(f"{by} {lines}" for by, lines in sorted(report.decided_by.items())),
    }.items():
        summary.add_row(measure, value)
    confusion = Table("label", "taken for", "lines", title="Confusion", title_justify="left")
    for row in report.as_json()["confusion"]:
        confusion.add_row(row["label"], row["intent"], str(row["lines"]))
    return [
        summary,
        _tally_table("By language", report.by_language),
        _tally_table("By label", report.by_label),
        confusion,
    ]


def _decided(verdict: Verdict, reading: Reading | None, text: str) -> dict[str, Any]:
    if verdict.act is not Act.NONE:
        return _from_words(verdict, reading)
    if follow_ups.asks_who(text):
        ranking = reading.ranking if reading else ()
        return _answer("who_sent", 1.0, by="phrase", act="do", ranking=ranking)
    if reading is not None:
        return _from_model(reading, text)
    if verdict != NOTHING and verdict.intent:
        return _from_words(verdict, reading)
    return _answer(NOT_UNDERSTOOD, 0.0, by="fallback", act="none")


def _from_words(verdict: Verdict, reading: Reading | None) -> dict[str, Any]:
    return _answer(
        reported(verdict.intent),
        1.0,
        by=verdict.by,
        act=ACTS[verdict.act],
        scope=verdict.scope.value if verdict.scope else None,
        sender=verdict.sender,
        ranking=reading.ranking if reading else (),
    )


def _from_model(reading: Reading, text: str) -> dict[str, Any]:
    wish = wish_of(reading, text).intent
    is_sure_of_none = reading.intent == NOT_UNDERSTOOD and reading.confidence >= OTHERS.ask
    if wish == "not_understood" and not is_sure_of_none:
        return _answer(NOT_UNDERSTOOD, reading.confidence, by="fallback", act="none", ranking=reading.ranking)
    intent = reported(reading.intent)
    # "Did you mean 1, 2, 3?" is what the bot falls back to; it answers nothing as if it had understood.
    by = "fallback" if wish == "did_you_mean" else "model"
    act = "none" if intent in NO_WISH else "ask" if wish in ASKED_BACK else "do"
    return _answer(intent, reading.confidence, by=by, act=act, ranking=reading.ranking)


def _answer(
    intent: str,
    confidence: float,
    *,
    by: str,
    act: str,
    scope: str | None = None,
    sender: str | None = None,
    ranking: Iterable[tuple[str, float]] = (),
) -> dict[str, Any]:
    others = dict.fromkeys(name for name in (reported(inside) for inside, _ in ranking) if name != intent)
    return {
        "intent": intent,
        "confidence": round(confidence, 4),
        "by": by,
        "act": act,
        "scope": scope,
        "sender": sender,
        "alternatives": list(others)[:ALTERNATIVES],
    }


def _rows(path: Path) -> Iterator[tuple[int, list[str], str, str]]:
    """(line number, labels, language, text) of each line that is not blank."""
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            cells = line.rstrip("\r\n").split("\t", 2)
            if len(cells) != 3:
                raise BadInput(f"line {number}", "label, language and text parted by tabs are needed")
            labels = cells[0].split("|")
            unknown = [label for label in labels if label not in INTENTS]
            if unknown:
                raise BadInput(f"line {number}", f"no such intent: {unknown[0]}")
            yield number, labels, cells[1], cells[2]


def _tally_table(title: str, tallies: Mapping[str, Tally]) -> Table:
    table = Table("", "lines", "top-1", "top-3", title=title, title_justify="left")
    for name, tally in sorted(tallies.items()):
        table.add_row(
            name, str(tally.lines), _percent(tally.top1, tally.lines), _percent(tally.top3, tally.lines)
        )
    return table


def _places(lines: Sequence[int]) -> str:
    return f"{len(lines)} (line {', '.join(map(str, lines))})" if lines else "0"


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _percent(part: int, whole: int) -> str:
    return f"{100 * _share(part, whole):.1f} %"
