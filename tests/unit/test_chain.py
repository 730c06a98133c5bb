"""What the chain promises by itself: one form of a row for ever, and no change goes unseen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import chain
from bot.domain.chain import Fault, Finding, Found, Head, Seal, Walk

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LINKS = 8


def test_the_form_of_a_row_never_changes() -> None:
    """If this fails, every seal in the world breaks: make a new version instead."""
    row = {"id": 7, "act": "stop", "digest": b"\x00\xff", "at": AT, "cause": None, "detail": "zażółć\n"}
    expected = (
        b'{"kind":"evidence","row":{"act":"stop","at":"2026-11-20T12:00:00.000000Z","cause":null,'
        b'"detail":"za\\u017c\\u00f3\\u0142\\u0107\\n","digest":"00ff","id":7},"version":1}'
    )
    assert chain.canonical("evidence", row) == expected
    assert chain.canonical("evidence", dict(reversed(row.items()))) == expected
    assert chain.digest_of("evidence", row) == hashlib.sha256(expected).digest()
    known = chain.link_after(chain.GENESIS, b"d" * 32, AT)
    assert known == hashlib.sha256(bytes(32) + b"d" * 32 + b"2026-11-20T12:00:00.000000Z").digest()
    assert Head(3, "ab", "t", "k").signed_bytes() == b'{"at":"t","key":"k","link":"ab","seq":3,"version":1}'


def test_a_moment_is_the_same_in_every_zone_and_needs_one() -> None:
    warsaw = AT.astimezone(timezone(timedelta(hours=1)))
    assert chain.moment(warsaw) == chain.moment(AT)
    with pytest.raises(ValueError, match="zone"):
        chain.moment(datetime(2026, 11, 20))


def test_what_has_no_one_form_is_refused() -> None:
    with pytest.raises(TypeError):
        chain.canonical("acts", {"share": 0.1})


def test_a_commitment_needs_its_whole_salt() -> None:
    assert chain.commitment(b"s" * 32, "STOP") == hashlib.sha256(b"s" * 32 + b"STOP").digest()
    assert chain.commitment(b"s" * 32, "STOP") != chain.commitment(b"t" * 32, "STOP")
    with pytest.raises(ValueError, match="salt"):
        chain.commitment(b"s" * 31, "STOP")


def chained(count: int = LINKS) -> tuple[list[Seal], dict[int, Found]]:
    """A whole chain and the rows it seals."""
    seals, found, link = [], {}, chain.GENESIS
    for seq in range(1, count + 1):
        at = AT + timedelta(seconds=seq)
        digest = chain.digest_of("acts", {"id": 100 + seq, "at": at})
        link = chain.link_after(link, digest, at)
        seals.append(Seal(seq, "acts", 100 + seq, 1, at, digest, link))
        found[seq] = Found(seq, digest)
    return seals, found


def walked(
    seals: list[Seal], found: dict[int, Found], *, gone: frozenset[int] = frozenset()
) -> Finding | None:
    walk = Walk()
    for seal in seals:
        finding = walk.step(seal, found.get(seal.seq), may_be_gone=seal.seq in gone)
        if finding is not None:
            return finding
    return None


def test_a_whole_chain_has_nothing_to_find() -> None:
    assert walked(*chained()) is None
    assert walked([], {}) is None


@given(st.integers(1, LINKS), st.sampled_from(["digest", "link", "at", "seq"]))
def test_a_changed_seal_is_named(place: int, column: str) -> None:
    seals, found = chained()
    changes = {"digest": b"x" * 32, "link": b"x" * 32, "at": AT - timedelta(1), "seq": place + LINKS}
    seals[place - 1] = replace(seals[place - 1], **{column: changes[column]})
    finding = walked(seals, found)
    assert finding is not None
    assert finding.place == place


@given(st.integers(1, LINKS))
def test_a_changed_row_is_named(place: int) -> None:
    seals, found = chained()
    found[place] = Found(place, b"x" * 32)
    finding = walked(seals, found)
    assert finding is not None
    assert (finding.place, finding.fault, finding.what) == (place, Fault.EDITED, f"acts {100 + place}")


@given(st.integers(1, LINKS))
def test_a_row_that_is_gone_is_named_unless_a_purge_took_it(place: int) -> None:
    seals, found = chained()
    del found[place]
    finding = walked(seals, found)
    assert finding is not None
    assert (finding.place, finding.fault) == (place, Fault.DELETED)
    assert walked(seals, found, gone=frozenset({place})) is None


@given(st.integers(1, LINKS - 1))
def test_a_seal_that_is_gone_is_named(place: int) -> None:
    seals, found = chained()
    del seals[place - 1]
    finding = walked(seals, found)
    assert finding is not None
    assert (finding.place, finding.fault) == (place, Fault.DELETED)


@given(st.integers(1, LINKS - 1), st.integers(1, LINKS - 1))
def test_two_places_that_were_swapped_are_named(first: int, by: int) -> None:
    seals, found = chained()
    second = min(first + by, LINKS)
    one, other = seals[first - 1], seals[second - 1]
    seals[first - 1], seals[second - 1] = replace(other, seq=first), replace(one, seq=second)
    found[first], found[second] = Found(second, other.digest), Found(first, one.digest)
    finding = walked(seals, found)
    assert finding is not None
    assert (finding.place, finding.fault) == (first, Fault.REORDERED)


@given(st.integers(1, LINKS - 1))
def test_a_row_put_in_between_is_named(place: int) -> None:
    seals, _ = chained()
    before = seals[place - 2].link if place > 1 else chain.GENESIS
    digest = b"i" * 32
    put_in = Seal(place, "acts", 999, 1, AT, digest, chain.link_after(before, digest, AT))
    later = [replace(s, seq=s.seq + 1) for s in seals[place - 1 :]]
    rows = {s.seq: Found(s.seq, s.digest) for s in [*seals[: place - 1], put_in, *later]}
    finding = walked([*seals[: place - 1], put_in, *later], rows)
    assert finding is not None
    assert (finding.place, finding.fault) == (place, Fault.INSERTED)


@given(st.sets(st.integers(1, 200)))
def test_ranges_are_read_as_they_were_written(places: set[int]) -> None:
    runs = chain.read_ranges(chain.as_ranges(places))
    assert {place for first, last in runs for place in range(first, last + 1)} == places
    assert runs == sorted(runs)


@pytest.mark.parametrize("ranges", ["", "x", "3-", "-3", "1,,2x", "9" * 40])
def test_ranges_that_nobody_wrote_excuse_nothing_more(ranges: str) -> None:
    assert chain.read_ranges(ranges) in ([], [(1, 1)])


HEAD = Head(3, "ab" * 32, chain.moment(AT), "0123456789abcdef", "cd" * 64)


def test_a_head_is_read_as_it_was_written() -> None:
    assert chain.read_head(HEAD.line()) == HEAD


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[]",
        "null",
        HEAD.line()[:-1],
        HEAD.line().replace('"seq":3', '"seq":0'),
        HEAD.line().replace('"seq":3', '"seq":"3"'),
        HEAD.line().replace('"seq":3', '"seq":true'),
        HEAD.line().replace('"version":1', '"version":2'),
        HEAD.line().replace('"version":1', '"more":1,"version":1'),
    ],
)
def test_what_is_no_head_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        chain.read_head(line)
