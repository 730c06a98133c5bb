"""Chain rows by their digests so that no later change goes unseen. Reads no row, keeps no key, writes no file.

Version 1, which bot/check_bundle.py and docs/evidence.md repeat for third parties:

- canonical row  JSON in ASCII, members sorted, no blanks, of {"kind", "row": {column: value}, "version"}, the
                 version being that of the list of columns;
  bytes in hexadecimal, moments in UTC as 2026-11-20T12:00:00.000000Z, numbers and null as they are
- digest         SHA-256(canonical row)
- link           SHA-256(link before + digest + the row's moment, written as above); 32 zero bytes before the first
- head           {"at", "key", "link", "seq", "version"} in the same JSON, signed with Ed25519
- commitment     SHA-256(salt of 32 bytes + text in UTF-8): stands in a row for what must be erasable; with the
                 salt gone nobody can try texts against it

A digest and a moment outlive their row, so a purged row leaves the chain whole; the certificate of the purge
says which places it emptied.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

VERSION = 1
GENESIS = bytes(32)  #: the link before the first


@dataclass(frozen=True, slots=True)
class Seal:
    """One place of the chain. seq: counted from 1 without a gap; kind and row: what was sealed here."""

    seq: int
    kind: str
    row: int
    version: int
    at: datetime
    digest: bytes = field(repr=False)
    link: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """What is signed: the link at a place, when it was signed, and with which key."""

    seq: int
    link: str
    at: str
    key: str
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """What the signature is made over."""
        return _json({"at": self.at, "key": self.key, "link": self.link, "seq": self.seq, "version": VERSION})

    def line(self) -> str:
        """As it stands in the file of heads, without a line end."""
        return _json({**json.loads(self.signed_bytes()), "signature": self.signature}).decode()


class Fault(StrEnum):
    """What is wrong at a place."""

    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    BROKEN = "broken"  #: does not follow from the place before, and nothing tells why
    REWRITTEN = "rewritten"  #: whole in itself, but not what was signed
    TRUNCATED = "truncated"
    BAD_SIGNATURE = "bad signature"
    UNSIGNED = "unsigned"


@dataclass(frozen=True, slots=True)
class Finding:
    """The first bad row. place: its number in the chain; what: the row or the line of the file; why: a sentence."""

    place: int
    fault: Fault
    what: str
    why: str

    def __str__(self) -> str:
        return f"place {self.place}, {self.what}: {self.fault}: {self.why}"


@dataclass(frozen=True, slots=True)
class Found:
    """A sealed row as it stands now. seq: the place that the row itself claims."""

    seq: int | None
    digest: bytes


def canonical(kind: str, row: Mapping[str, object], *, version: int = VERSION) -> bytes:
    """The one form of a row. Raises TypeError for a value that has none, ValueError for a time without a zone."""
    return _json({"kind": kind, "row": {n: _plain(v) for n, v in row.items()}, "version": version})


def digest_of(kind: str, row: Mapping[str, object], *, version: int = VERSION) -> bytes:
    return hashlib.sha256(canonical(kind, row, version=version)).digest()


def link_after(before: bytes, digest: bytes, at: datetime) -> bytes:
    return hashlib.sha256(before + digest + moment(at).encode()).digest()


def commitment(salt: bytes, text: str) -> bytes:
    """What stands in a row for a text that must be erasable. salt: 32 random bytes, kept where it can be erased."""
    if len(salt) != 32:
        raise ValueError("a salt of 32 bytes, or two texts could share a commitment")
    return hashlib.sha256(salt + text.encode()).digest()


def moment(at: datetime) -> str:
    """A moment in its one form. Raises ValueError without a zone."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_head(line: str) -> Head:
    """Read a line of the file of heads. Raises ValueError for what is none; checks no signature."""
    value = json.loads(line)
    if not isinstance(value, dict) or set(value) != {"at", "key", "link", "seq", "signature", "version"}:
        raise ValueError("not the members of a head")
    if value.pop("version") != VERSION or type(value["seq"]) is not int or value["seq"] < 1:
        raise ValueError("a version or a place that does not exist")
    if not all(isinstance(value[n], str) for n in ("at", "key", "link", "signature")):
        raise ValueError("not the values of a head")
    return Head(**value)


class Walk:
    """Goes along the chain from its beginning, one place after the other, and says what is wrong at each."""

    def __init__(self) -> None:
        self.seq = 0
        self.link = GENESIS
        self._link_before = GENESIS

    def step(self, seal: Seal, found: Found | None, *, may_be_gone: bool = False) -> Finding | None:
        """Look at the next place; None if all is well there.

        found: the row as it stands; None: there is none, which only `may_be_gone` excuses.
        The walk cannot go on after a finding: what follows a break proves nothing.
        """
        what = f"{seal.kind} {seal.row}"
        if seal.seq != self.seq + 1:
            return Finding(self.seq + 1, Fault.DELETED, f"before {what}", "the seal of this place is missing")
        link = link_after(self.link, seal.digest, seal.at)
        if found is not None and found.digest != seal.digest:
            return Finding(seal.seq, Fault.EDITED, what, "the row is not the one that was sealed")
        if found is not None and found.seq != seal.seq:
            return Finding(seal.seq, Fault.REORDERED, what, f"the row was sealed at place {found.seq}")
        if link != seal.link:
            return self._break(seal, what)
        if found is None and not may_be_gone:
            return Finding(seal.seq, Fault.DELETED, what, "the row is gone and no purge says so")
        self.seq, self.link, self._link_before = seal.seq, link, self.link
        return None

    def _break(self, seal: Seal, what: str) -> Finding:
        if self.seq and link_after(self._link_before, seal.digest, seal.at) == seal.link:
            why = f"place {seal.seq} follows from the place before this one"
            return Finding(self.seq, Fault.INSERTED, f"the row before {what}", why)
        return Finding(seal.seq, Fault.BROKEN, what, "the seal does not follow from the place before")


def as_ranges(places: Iterable[int]) -> str:
    """Places as a certificate of a purge lists them: `3-5,9`."""
    runs: list[list[int]] = []
    for place in sorted(set(places)):
        if runs and place == runs[-1][1] + 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def read_ranges(ranges: str) -> list[tuple[int, int]]:
    """What `as_ranges` wrote, as first and last places; what it did not write is left out."""
    runs = (re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", run) for run in ranges.split(","))
    return [(int(run[1]), int(run[2] or run[1])) for run in runs if run]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"no canonical form for {type(value).__name__}")


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
