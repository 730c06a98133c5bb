"""Start processes, hear when they are ready, weigh them, stop them. Measures no speed."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

READY_WITHIN = 180.0  #: seconds; Rasa needs 20 when two cores are free
STOP_WITHIN = 20.0
LOOK_EVERY = 0.01  #: seconds between two tries of a port: nothing tells of another process's port


class DidNotStart(Exception):
    """A process of the bench ended, or was not ready in time; the last it said follows."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: resident, and the process's fair share of what it shares (None if the kernel hides it)."""

    resident: float
    share: float | None


class Child:
    """One process of the bench, stopped at the end of a `with`.

    command, environment, folder: as for subprocess; the environment is all it gets. Output is kept by lines,
    the last few only.
    """

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> None:
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._lines: list[str] = []
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready_at_port(self, port: int) -> float:
        """Wait until something accepts connections there. Seconds since the start. Raises DidNotStart."""

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        return self._ready(answers)

    def ready_when(self, is_ready: Callable[[], bool]) -> float:
        """Wait until a question of the caller's own is answered by yes. As `ready_at_port`."""
        return self._ready(is_ready)

    def ready_at_line(self, part: str) -> float:
        """Wait until the process prints a line with `part` in it. As `ready_at_port`."""
        until = self.began + READY_WITHIN
        with self._heard:
            while not any(part in line for line in self._lines):
                left = until - time.perf_counter()
                if left <= 0 or (self._process.poll() is not None and not self._reader.is_alive()):
                    raise DidNotStart(self._last())
                self._heard.wait(min(left, 0.5))
        return time.perf_counter() - self.began

    def memory(self) -> Memory:
        """Of the process and those it started."""
        pids = [self.pid, *_below(self.pid)]
        shares = [_sum_of(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") for pid in pids]
        resident = sum(_sum_of(Path(f"/proc/{pid}/status"), "VmRSS:") or 0.0 for pid in pids)
        return Memory(resident, None if None in shares else sum(s for s in shares if s is not None))

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(STOP_WITHIN)

    def _ready(self, is_ready: Callable[[], bool]) -> float:
        until = self.began + READY_WITHIN
        while not is_ready():
            if self._process.poll() is not None or time.perf_counter() > until:
                raise DidNotStart(self._last())
            time.sleep(LOOK_EVERY)
        return time.perf_counter() - self.began

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                with self._heard:
                    self._lines = [*self._lines[-19:], line.decode(errors="replace").strip()]
                    self._heard.notify_all()

    def _last(self) -> str:
        return next((line for line in reversed(self._lines) if line), "no word of it")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def plain_environment() -> dict[str, str]:
    """What a process of the bench needs of ours to find programs and write letters; no setting of the bot."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _below(pid: int) -> list[int]:
    try:
        children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [p for child in children for p in (child, *_below(child))]


def _sum_of(file: Path, name: str) -> float | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return sum(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
