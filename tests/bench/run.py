"""How long and how often a run of the bench measures, where it may write, and how it tells of its progress."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

OPT_OUTS = 10_000_000  #: in the gate's ledger


@dataclass(frozen=True, slots=True)
class Run:
    """seconds: of the open load. rounds: how often short measurements are repeated, taking turns with their
    reference; long_rounds: the same for those that take long by themselves. burst: seconds of one short
    measurement. turns, rows: how many a round. opt_outs: in the gate's ledger. databases: those that answer.
    """

    folder: Path
    databases: tuple[str, ...]
    seconds: float = 60.0
    rounds: int = 5
    long_rounds: int = 3
    burst: float = 2.0
    turns: int = 180
    rows: int = 50_000
    opt_outs: int = OPT_OUTS
    began: float = field(default_factory=time.perf_counter)

    def say(self, text: str) -> None:
        """One line of progress on stderr, with the seconds since the start."""
        print(f"{time.perf_counter() - self.began:6.0f} s  {text}", file=sys.stderr, flush=True)
