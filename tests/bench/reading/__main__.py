"""Hold pipelines, calibrations, thresholds and amounts of data side by side, on lines held back from training.

`python -m tests.bench.reading` prints the tables; `--write docs/understanding.md` puts them between its marks and
leaves the words around them alone. Each pipeline is trained in the model's own environment, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from bot import nlu_process, training_data
from bot.domain import keywords
from bot.understanding import masked
from tests.bench.reading import scores
from tests.bench.reading.scores import Line, Read

SEED = 20240229
HELD_BACK = 0.2
BLOCK = 10
PENALTIES = (0.1, 0.25, 1.0)  #: beside the 0.5 that is shipped
CURVE = (50, 100, 200, 300, 400, 600)
FEW = 40  #: lines an intent for the pipeline that takes longest, and for the one it is held against
EPOCHS = 25
IN_MODEL = Path(__file__).with_name("in_model.py")

Table = list[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Trained:
    """What a pipeline read of the lines held back, from how many lines, at what cost."""

    readings: Sequence[Read]
    lines: int
    training: float
    reading: float


class Comparison:
    """The lines, parted once; each pipeline is trained when it is first asked for."""

    def __init__(self, quick: bool, block: int = BLOCK) -> None:
        self.most = 30 if quick else 0
        self.lines, self.held_back = parted(block)

    def trained(self, pipeline: str, most: int = 0, few: int = 0, **how: Any) -> Mapping[str, Trained]:
        """most: lines of an intent; 0: all. few: read only so many of the lines held back; 0: all."""
        lines = random.Random(SEED).sample(self.held_back, few) if few else self.held_back
        asked = {
            "pipeline": pipeline, "how": how, "most": min(filter(None, (most, self.most)), default=0),
            "lines": [(line.text, line.intent) for line in self.lines], "texts": [line.text for line in lines],
        }  # fmt: skip
        told = in_model(asked)
        return {
            name: Trained(
                scores.read(lines, one["labels"], one["confidences"]),
                told["lines"],
                one["training"],
                one["reading"],
            )
            for name, one in told["read"].items()
        }

    def one(self, pipeline: str, most: int = 0, few: int = 0, **how: Any) -> Trained:
        return self.trained(pipeline, most, few, **how)[""]

    @cached_property
    def linear(self) -> Trained:
        return self.one("linear")


def parted(block: int) -> tuple[list[Line], list[Line]]:
    """What is learned from, and what is held back: blocks of so many neighbouring lines of one file and intent.

    Who wrote a line wrote its neighbours, so neighbours on both sides would flatter.
    """
    chance, blocks = random.Random(SEED), {}
    for line in training_data.read(nlu_process.DATA):
        blocks.setdefault((line.place, line.intent), []).append(line)
    learned: list[Line] = []
    held_back: list[Line] = []
    for (place, intent), lines in blocks.items():
        for start in range(0, len(lines), block):
            into = held_back if chance.random() < HELD_BACK else learned
            language = Path(place).parent.name
            into += [Line(masked(one.text), intent, language) for one in lines[start : start + block]]
    return learned, held_back


def in_model(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Let the model's environment train and read."""
    print(
        f"training {asked['pipeline']} {asked['how'] or ''} {asked['most'] or ''}",
        file=sys.stderr,
        flush=True,
    )
    with tempfile.TemporaryDirectory() as place:
        question, answer = Path(place) / "asked.json", Path(place) / "read.json"
        question.write_text(json.dumps(asked), encoding="utf-8")
        command = [str(nlu_process.PYTHON), str(IN_MODEL), str(question), str(answer)]
        environment = {**nlu_process._sealed(), "HOME": place}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return dict(json.loads(answer.read_text(encoding="utf-8")))


# --- tables ------------------------------------------------------------------------------------------------


def pipelines(bench: Comparison) -> Table:
    logistic = bench.one("logistic")
    words, characters = (bench.one("linear", views=[view]) for view in ("words", "characters"))
    bayes = bench.one("bayes")
    both = Trained(
        scores.together(bench.linear.readings, logistic.readings), bench.linear.lines,
        bench.linear.training + logistic.training, bench.linear.reading + logistic.reading,
    )  # fmt: skip
    apart = Trained(
        scores.together(words.readings, characters.readings), words.lines,
        words.training + characters.training, words.reading + characters.reading,
    )  # fmt: skip
    rows = {
        "linear over words and characters, calibrated (shipped)": bench.linear,
        "linear, words alone": words,
        "linear, characters alone": characters,
        "the mean of these two": apart,
        "logistic regression": logistic,
        "the mean of linear and logistic regression": both,
        "complement naive Bayes": bayes,
        **{f"linear, penalty {penalty:g}": bench.one("linear", penalty=penalty) for penalty in PENALTIES},
        "linear, n-grams of a single line too": bench.one("linear", at_least=1),
    }
    return [HEAD, *(_row(name, trained) for name, trained in rows.items())]


def few_lines(bench: Comparison) -> Table:
    """The pipeline that takes longest, on as many lines as a quarter of an hour allows."""
    return [
        HEAD,
        _row("linear over words and characters, calibrated", bench.one("linear", FEW, 1000)),
        _row(f"DIET, {EPOCHS} epochs", bench.one("diet", FEW, 1000, epochs=EPOCHS)),
    ]


HEAD = (
    *("pipeline", "learned from", "first", "among three", "worst language"),
    *("right at once at 5 % false", "training", "a text"),
)


def _row(name: str, trained: Trained) -> Sequence[str]:
    readings = trained.readings
    languages = {
        spoken: scores.top(held) for spoken, held in scores.by(readings, lambda line: line.language).items()
    }
    worst = min(languages, key=lambda spoken: languages[spoken])
    right, _ = scores.at_once(readings, scores.lowest_threshold(readings))
    return (
        *(name, f"{trained.lines}", _percent(scores.top(readings)), _percent(scores.top(readings, 3))),
        *(f"{_percent(languages[worst])} ({worst})", _percent(right)),
        *(f"{trained.training:.0f} s", f"{trained.reading:.1f} ms"),
    )


def languages(bench: Comparison) -> Table:
    rows = scores.by(bench.linear.readings, lambda line: line.language)
    return [
        ("language", "lines", "first", "among three"),
        *(
            (k, f"{len(held)}", _percent(scores.top(held)), _percent(scores.top(held, 3)))
            for k, held in rows.items()
        ),
    ]


def intents(bench: Comparison) -> Table:
    """The ten hardest, with what they are taken for."""
    held = scores.by(bench.linear.readings, lambda line: line.intent)
    hardest = sorted(held, key=lambda intent: scores.top(held[intent]))[:10]
    return [
        ("intent", "lines", "first", "among three", "taken for"),
        *((i, f"{len(held[i])}", _percent(scores.top(held[i])), _percent(scores.top(held[i], 3)), _taken(held[i]))
          for i in hardest),
    ]  # fmt: skip


def _taken(readings: Sequence[Read]) -> str:
    wrong = [one.intent for one in readings if not one.is_right]
    often = sorted(set(wrong), key=lambda name: (-wrong.count(name), name))[:2]
    return ", ".join(f"{name} ({wrong.count(name)})" for name in often)


def parting(bench: Comparison) -> Table:
    """How much neighbours on both sides flatter."""
    alone = Comparison(bool(bench.most), block=1)
    rows = {f"blocks of {BLOCK} neighbours": bench, "single lines": alone}
    return [
        ("held back by", "first", "among three", "right at once at 5 % false"),
        *((name, *_curve_cells(one.linear)) for name, one in rows.items()),
    ]


def calibrations(bench: Comparison) -> Table:
    rows = bench.trained("calibrations").items()
    return [
        ("confidences", "first", "log loss", "calibration error", "right at once at 5 % false"),
        *((name, _percent(scores.top(one.readings)), f"{scores.log_loss(one.readings):.3f}",
           f"{scores.calibration_error(one.readings):.3f}",
           _percent(scores.at_once(one.readings, scores.lowest_threshold(one.readings))[0])) for name, one in rows),
    ]  # fmt: skip


def thresholds(bench: Comparison) -> Table:
    """Of what the keywords leave to the model."""
    readings = _left_to_model(bench)
    none = [one for one in readings if one.line.intent == scores.OUT_OF_SCOPE]
    rows = []
    for t in (0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9):
        right, wrong = scores.at_once(readings, t)
        rows.append(
            (
                f"{t:g}",
                _percent(right),
                _percent(wrong),
                _percent(scores.share(scores.is_answered(one, t) for one in none)),
            )
        )
    return [("from", "wishes answered rightly", "wrongly", "out of scope, answered"), *rows]


def opt_outs(bench: Comparison) -> Table:
    readings = _left_to_model(bench)
    rows = []
    for t in (0.65, 0.75, 0.85, 0.9, 0.93, 0.96, 0.98, 0.99):
        with_, bare = (scores.opt_outs(readings, t, needs_witness=needed) for needed in (True, False))
        rights = scores.stopping_rights(readings, t)
        rows.append((f"{t:g}", _percent(with_[0]), f"{with_[1]}", _percent(bare[0]), f"{bare[1]}",
                     _percent(rights[0]), f"{rights[1]}"))  # fmt: skip
    head = ("from", "opt-outs done, with a witness", "wrong", "without", "wrong", "rights that stop", "wrong")
    return [head, *rows]


def curve(bench: Comparison) -> Table:
    rows = {most: bench.one("linear", most) for most in CURVE}
    biggest = bench.linear
    return [
        ("lines of an intent", "in all", "first", "among three", "right at once at 5 % false"),
        *((f"≤ {most}", f"{one.lines}", *_curve_cells(one)) for most, one in rows.items()),
        ("all", f"{biggest.lines}", *_curve_cells(biggest)),
    ]


def _curve_cells(one: Trained) -> Sequence[str]:
    right, _ = scores.at_once(one.readings, scores.lowest_threshold(one.readings))
    return _percent(scores.top(one.readings)), _percent(scores.top(one.readings, 3)), _percent(right)


def _left_to_model(bench: Comparison) -> list[Read]:
    words = keywords.load_words(nlu_process.ROOT / "data" / "keywords.toml")
    return [one for one in bench.linear.readings if not keywords.match(one.line.text, words).intent]


def run(bench: Comparison) -> Table:
    """What the figures were taken on."""
    every = sum(len(lines) for lines in (bench.lines, bench.held_back))
    return [
        ("", ""),
        ("lines", f"{every}: {len(bench.lines)} to learn from, {len(bench.held_back)} held back"),
        ("seed", f"{SEED}"),
        ("standard error of a share", f"at most {50 / len(bench.held_back) ** 0.5:.1f} points"),
        ("model of this data", nlu_process.model_hash()),
        ("machine", f"{os.cpu_count()} cores ({platform.machine()}), processor time"),
        ("on", f"{datetime.now(UTC):%Y-%m-%d}"),
    ]


TABLES: Mapping[str, Callable[[Comparison], Table]] = {
    "run": run,
    "pipelines": pipelines,
    "few": few_lines,
    "parting": parting,
    "languages": languages,
    "intents": intents,
    "calibrations": calibrations,
    "thresholds": thresholds,
    "opt-outs": opt_outs,
    "curve": curve,
}


def _percent(part: float) -> str:
    return f"{100 * part:.1f} %"


def as_markdown(table: Table) -> str:
    head, *rows = table
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def written_into(page: str, tables: Mapping[str, Table]) -> str:
    """The page with each table between its marks; what is written around them stays. Raises KeyError for no marks."""
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, mark, rest = page.partition(begin)
        if not mark:
            raise KeyError(name)
        page = f"{before}{begin}{as_markdown(table)}\n{end}{rest.partition(end)[2]}"
    return page


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.reading", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(TABLES), metavar="NAME", help=", ".join(TABLES))
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run on few lines; its figures mean nothing"
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="also put the tables between the marks of this page"
    )
    asked = parser.parse_args()
    nlu_process.ensure_environment()
    bench, tables = Comparison(asked.quick), {}
    for name in asked.only or TABLES:
        tables[name] = TABLES[name](bench)
        print(f"\n{name}\n{as_markdown(tables[name])}", flush=True)
    if asked.write:
        asked.write.write_text(
            written_into(asked.write.read_text(encoding="utf-8"), tables), encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
