"""Keep the signed heads of the chain in a file outside the database, one JSON line each. Checks no signature.

A line once there is never changed. One that a crash left without its end was never relied on: it is cut off
before the next is written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bot.domain import chain
from bot.domain.chain import Head
from bot.domain.errors import BadSetting

_LONGEST = 4096  #: bytes; a line has under 400


class Heads:
    """The file, held by one process at a time."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file

    def last(self) -> Head | None:
        """The newest head. Raises BadSetting when the last line is none."""
        lines = self._tail().splitlines()
        if not lines:
            return None
        try:
            return chain.read_head(lines[-1].decode())
        except ValueError as error:
            raise BadSetting(f"{self._path}: its last line is no head: {error}") from None

    def append(self, head: Head) -> None:
        """Write a head down; it is on the disk when this returns."""
        whole = self._size() - len(self._torn())
        if whole != self._size():
            self._file.truncate(whole)
        is_new = whole == 0
        self._file.seek(whole)
        self._file.write(head.line().encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        if is_new:
            _sync_folder(self._path.parent)

    def _size(self) -> int:
        return self._file.seek(0, os.SEEK_END)

    def _tail(self) -> bytes:
        """The last lines that are whole."""
        return self._end().rpartition(b"\n")[0]

    def _torn(self) -> bytes:
        return self._end().rpartition(b"\n")[2]

    def _end(self) -> bytes:
        size = self._size()
        self._file.seek(max(0, size - _LONGEST))
        return self._file.read()


@contextmanager
def held(path: Path) -> Iterator[Heads | None]:
    """The file, made if there is none; None while another process has it. Raises OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o640), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield Heads(path, file)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Every whole line with its number, from 1. Nothing if there is no file."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                yield number, line[:-1].decode("utf-8", "replace")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
