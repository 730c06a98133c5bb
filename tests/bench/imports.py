"""Measure `whosent import sent` beside the database taking the same file bare. Judges no row."""

from __future__ import annotations

import csv
import itertools
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bot import sample
from bot.domain.imports import SENT
from tests.bench.commits import bare_rows_per_second
from tests.bench.figures import Figure, Measurement, median, ratio_of_pairs
from tests.bench.houses import FIRST_NUMBER, BenchHouse, command, house
from tests.bench.run import Run

PEOPLE = 20_000  #: recipients of the file
BARE = {"SQLite": "bare executemany", "PostgreSQL": "bare COPY"}


def measure(run: Run) -> Measurement:
    rates: dict[str, list[float]] = {name: [] for name in run.databases}
    bare: dict[str, list[float]] = {name: [] for name in run.databases}
    for number in range(run.long_rounds):
        file = _file(run, number)
        for database in run.databases:
            run.say(f"import: {database}, round {number + 1} of {run.long_rounds}")
            with house(database, run.folder) as made:
                bare[database].append(bare_rows_per_second(made, file, run.rows))
                rates[database].append(_import(made, file, run.rows))
        file.unlink()
    figures = [
        Figure(
            f"{name}: import", median(rates[name]), "rows/s", median(bare[name]), BARE[name],
            ratio_of_pairs(rates[name], bare[name]),
        )
        for name in run.databases
    ]  # fmt: skip
    return Measurement(
        "import",
        f"sent messages imported a second, {run.rows} rows",
        tuple(figures),
        (
            "The whole command, its start included: numbers read and encrypted, clients and senders checked, texts "
            "turned into fingerprints, duplicates recognised, all of it indexed.",
            "Bare: the same file into a table of texts without an index.",
        ),
    )


def _import(made: BenchHouse, file: Path, rows: int) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        command("import", "sent", str(file), "--no-progress"),
        env=made.environment(port=8000),
        cwd=made.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode != 0 or f"new {rows}" not in done.stdout:
        raise RuntimeError(f"the import failed: {(done.stdout + done.stderr)[-300:]}")
    return rows / seconds


def _file(run: Run, number: int) -> Path:
    """A file of sample messages with ids and seeds of this round, to many people."""
    file = run.folder / f"sent-{number}.csv"
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, (*SENT.needed, *SENT.optional))
        writer.writeheader()
        for place, row in enumerate(itertools.islice(_messages(number), run.rows)):
            recipient = f"+{FIRST_NUMBER + (place * 7919) % PEOPLE}"
            writer.writerow({**row, "message_id": f"bench-{number}-{place}", "recipient": recipient})
    return file


def _messages(number: int) -> Iterator[dict[str, str]]:
    now = datetime.now(UTC)
    for seed in itertools.count(1000 * number):
        yield from sample.sent_rows(now, seed)
