"""Hold the training data to account: how much the lines of an intent share, and what must not stand in it.

Reads files and counts; trains nothing. Lines made from a template look like thousands and teach like one, so
the share of lines of an intent that begin alike is bounded; lines of an exam would make its figure worthless.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.table import Table

from bot.domain.folding import fold

OPENING = 3  #: words
MOST_ALIKE = 0.04  #: share of an intent's lines that may begin with the same three words
FEWEST_TO_JUDGE = 50  #: lines; below it a share says nothing


@dataclass(frozen=True, slots=True)
class Line:
    intent: str
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Counts for a look, faults to mend; each fault names its place."""

    lines: Counter[str]
    languages: Counter[str]
    alike: dict[str, tuple[float, str]]
    faults: tuple[str, ...]

    def table(self) -> Table:
        table = Table(
            "intent", "lines", "begin alike", "most often with", title="Training data", title_justify="left"
        )
        for intent, count in sorted(self.lines.items()):
            share, opening = self.alike[intent]
            table.add_row(intent, str(count), f"{share:.1%}", opening)
        table.add_section()
        for language, count in sorted(self.languages.items()):
            table.add_row(f"in {language}", str(count), "", "")
        return table


def check(folder: Path, against: Sequence[Path]) -> Findings:
    """Read every file under a folder of Rasa YAML and judge it.

    against: files or folders whose lines must not stand in the data; of tab-separated lines the last field
    counts. Raises OSError for a path that is not there.
    """
    lines = list(read(folder))
    by_intent: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_intent[line.intent].append(line)
    alike = {intent: _alike(held) for intent, held in by_intent.items()}
    faults = [*_twice(lines), *_shared(by_intent, alike), *_leaked(lines, against)]
    languages = Counter(Path(line.place).parent.name for line in lines)
    counts = Counter({intent: len(held) for intent, held in by_intent.items()})
    return Findings(counts, languages, alike, tuple(faults))


def read(folder: Path) -> Iterator[Line]:
    """Every example under a folder, with its file."""
    for path in sorted(folder.rglob("*.yml")):
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for block in content.get("nlu", ()):
            for example in str(block.get("examples", "")).splitlines():
                if example.strip().startswith("- "):
                    yield Line(block["intent"], example.strip()[2:].strip(), str(path))


def _alike(lines: Sequence[Line]) -> tuple[float, str]:
    openings = Counter(" ".join(fold(line.text).split()[:OPENING]) for line in lines)
    opening, count = openings.most_common(1)[0]
    return count / len(lines), opening


def _twice(lines: Iterable[Line]) -> Iterator[str]:
    seen: dict[str, Line] = {}
    for line in lines:
        before = seen.setdefault(fold(line.text), line)
        if before is not line:
            yield f"{line.place}: {line.intent}: stands in {before.place} as {before.intent} too: {line.text}"


def _shared(by_intent: dict[str, list[Line]], alike: dict[str, tuple[float, str]]) -> Iterator[str]:
    for intent, (share, opening) in alike.items():
        if share > MOST_ALIKE and len(by_intent[intent]) >= FEWEST_TO_JUDGE:
            yield f"{intent}: {share:.1%} of its lines begin with “{opening}”, more than {MOST_ALIKE:.0%}"


def _leaked(lines: Iterable[Line], against: Sequence[Path]) -> Iterator[str]:
    held = {fold(text) for path in against for text in _texts(path)}
    held.discard("")
    for line in lines:
        if len(line.text.split()) > 1 and fold(line.text) in held:
            yield f"{line.place}: {line.intent}: stands in a file that is for measuring: {line.text}"


def _texts(path: Path) -> Iterator[str]:
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            yield line.rpartition("\t")[2]
