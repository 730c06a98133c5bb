"""Run the measurements and print their tables. Each is a module of its own; nothing is measured here."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from tests.bench import acknowledgement, gate, imports, saturation, start, turns
from tests.bench.figures import Measurement, as_markdown, as_text, is_met
from tests.bench.houses import DATABASES, versions
from tests.bench.run import OPT_OUTS, Run

MEASUREMENTS: dict[str, Callable[[Run], Measurement]] = {
    "acknowledgement": acknowledgement.measure,
    "saturation": saturation.measure,
    "turns": turns.measure,
    "stock": turns.measure_stock,
    "gate": gate.measure,
    "import": imports.measure,
    "start": start.measure,
}
QUICK = {"seconds": 4.0, "rounds": 1, "long_rounds": 1, "burst": 1.0, "turns": 48, "rows": 2_000, "opt_outs": 20_000}
BUSY = 2.0  #: load average from which on the figures are those of a shared machine


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _asked(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that processes and schemas go, too
    # The bot's own lines, of the parts that run in here, would stand between the progress.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.ERROR)
    servers = versions()
    machine = _machine(servers)
    measured: list[Measurement] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="whosent-bench-") as folder:
        databases = tuple(name for name in DATABASES if servers[name])
        run = Run(Path(folder), databases, seconds=asked.seconds, opt_outs=asked.opt_outs)
        if asked.quick:
            run = replace(run, **QUICK)
        for line in machine:
            print(line)
        for name in asked.only or MEASUREMENTS:
            try:
                measured.append(MEASUREMENTS[name](run))
            except Exception as error:  # one that fails must not cost the others their minutes
                failed.append(f"not measured: {name}: {type(error).__name__}: {error}")
                print(f"\n{failed[-1]}", flush=True)
                continue
            print(f"\n{as_text(measured[-1])}", flush=True)
        run.say("done")
    machine += failed
    if asked.json:
        asked.json.write_text(_as_json(machine, measured), encoding="utf-8")
    if asked.write:
        asked.write.parent.mkdir(parents=True, exist_ok=True)
        asked.write.write_text(_as_page(machine, measured, asked), encoding="utf-8")
    return 1 if failed else 0


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=tuple(MEASUREMENTS), metavar="NAME", help=", ".join(MEASUREMENTS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of the open load (60)")
    parser.add_argument(
        "--opt-outs", type=int, default=OPT_OUTS, metavar="COUNT", help="in the gate's ledger (10 000 000, 5 GB)"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean little")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write them there as a page")
    return parser.parse_args(arguments)


def _machine(servers: dict[str, str]) -> list[str]:
    """What the figures were taken on, a line each."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    told = [f"{name} {servers[name]}" for name in DATABASES if servers[name]]
    lines = [
        f"machine: {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GB",
        f"software: Python {platform.python_version()}, {', '.join(told)}",
        f"load average at the start: {load:.1f}",
    ]
    if load > BUSY:
        lines.append("others were at work on this machine: rates are lower and latencies higher than on a free one")
    lines += [f"not measured on {name}: none answers" for name in DATABASES if not servers[name]]
    return lines


def _as_json(machine: list[str], measured: list[Measurement]) -> str:
    told = [
        {**asdict(m), "figures": [{**asdict(f), "is_met": is_met(f)} for f in m.figures]} for m in measured
    ]
    return json.dumps({"machine": machine, "measurements": told}, indent=1, ensure_ascii=False) + "\n"


def _as_page(machine: list[str], measured: list[Measurement], asked: argparse.Namespace) -> str:
    """The page of docs/: the machine and the command, then the tables."""
    only = f" --only {' '.join(asked.only)}" if asked.only else ""
    quick = " --quick" if asked.quick else ""
    seconds = "" if math.isclose(asked.seconds, 60.0) else f" --seconds {asked.seconds:g}"
    opt_outs = "" if asked.opt_outs == OPT_OUTS else f" --opt-outs {asked.opt_outs}"
    head = [
        "# Measurements",
        "",
        f"Written by `python -m tests.bench{only}{quick}{seconds}{opt_outs} --write {asked.write.as_posix()}` "
        f"(`make bench` prints the same) on {datetime.now(UTC):%Y-%m-%d}. Not edited by hand.",
        "",
        *(f"- {line}" for line in machine),
    ]
    return "\n\n".join(["\n".join(head), *map(as_markdown, measured)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
