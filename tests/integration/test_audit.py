"""What the chain promises: every act is in it, nothing leaves it unseen, and what goes by right may go."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.domain import chain
from bot.domain.chain import Fault
from bot.ledger import evidence, heads, people, tables
from bot.ledger import keys as key_files
from bot.ledger.audit import Deed, act
from bot.ledger.book import Ledger
from bot.services import audit, rotate_keys
from bot.services.erase import erase
from bot.services.purge import purge
from bot.services.rotate_keys import rotate
from bot.services.seal import ChainBroken, seal
from tests.audit_house import House
from tests.conftest import Clock
from tests.world import ALA, SHOP_NUMBER

ROOT = Path(__file__).parents[2]


# --- sealing -----------------------------------------------------------------------------------------


def test_sealing_twice_seals_once(sealed: House) -> None:
    lines = sealed.file.read_text()
    assert sealed.seal() == 0
    assert sealed.file.read_text() == lines


def test_fifty_writers_and_three_sealers_make_one_unbroken_chain(house: House) -> None:
    """Some roll back, so that ids have gaps; on PostgreSQL they commit in another order than ids were given."""
    over, start = threading.Event(), threading.Barrier(53)
    faults: list[BaseException] = []
    committed: list[int] = []

    def write(writer: int) -> None:
        start.wait(30)
        for turn in range(4):
            try:
                with house.ledger.write() as book:
                    act(book, Deed.CLAIMED, at=house.clock.now, staff=writer, turn=turn)
                    if (writer + turn) % 7 == 0:
                        raise KeyError
                    if writer % 5 == 0:
                        over.wait(0.02)  # others are faster
                committed.append(writer)
            except KeyError:
                pass

    def keep(step: Callable[[], object]) -> Callable[[], None]:
        def kept() -> None:
            try:
                step()
            except BaseException as fault:
                faults.append(fault)

        return kept

    def sealing(file: Path) -> None:
        start.wait(30)
        while not over.is_set():
            seal(house.ledger, file, now=house.clock.now)
            over.wait(0.01)

    files = [house.file, house.file, house.file.with_name("other-host.jsonl")]
    sealers = [threading.Thread(target=keep(lambda file=f: sealing(file))) for f in files]  # type: ignore[misc]
    writers = [threading.Thread(target=keep(lambda n=n: write(n))) for n in range(50)]  # type: ignore[misc]
    for thread in [*sealers, *writers]:
        thread.start()
    for thread in writers:
        thread.join(60)
    over.set()
    for thread in sealers:
        thread.join(60)
    assert faults == []
    house.seal()
    found = audit.verify(house.ledger, list(dict.fromkeys(files)))
    assert found.finding is None
    assert found.places == len(committed) == house.count(tables.acts)
    assert found.waiting == 0
    assert found.signed_to == found.places
    seals = house.rows(tables.seals)
    assert [s["seq"] for s in seals] == list(range(1, len(committed) + 1))
    assert len({s["row_id"] for s in seals}) == len(committed)


@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
def test_a_row_that_commits_late_is_sealed_late_and_nothing_moves(house: House) -> None:
    with house.ledger.write() as slow:
        act(slow, Deed.SIGNED_IN, at=house.clock.now, staff=1)
        house.acts(1)  # a greater id, committed before
        assert house.seal() == 1
        before = house.rows(tables.seals)
    assert house.seal() == 1
    assert house.rows(tables.seals)[:1] == before
    ids = [s["row_id"] for s in house.rows(tables.seals)]
    assert ids == sorted(ids, reverse=True)
    assert house.finding() is None


DIES = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from bot.ledger import audit, keys
from bot.ledger.audit import Deed, act
from bot.ledger.book import Ledger
ledger = Ledger(sys.argv[1], keys.read(Path(sys.argv[2])))
with ledger.write() as book:
    act(book, Deed.SIGNED_IN, at=datetime(2026, 11, 20, tzinfo=UTC), staff=1)
with ledger.write() as book:
    assert audit.seal_next(book, limit=10)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_committed_before_a_kill_is_sealed_after_it(house: House, keys_file: Path) -> None:
    url = house.ledger.engine.url.render_as_string(hide_password=False)
    ended = subprocess.run([sys.executable, "-c", DIES, url, str(keys_file)], cwd=ROOT, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    assert (house.count(tables.acts), house.count(tables.seals)) == (1, 0)
    assert house.seal() == 1
    assert house.finding() is None


def test_a_head_that_a_crash_kept_from_being_signed_is_signed_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.acts(2)

    def is_full(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(heads.Heads, "append", is_full)
        with pytest.raises(OSError, match="disk full"):
            house.seal()
    assert house.count(tables.seals) == 2
    house.seal()
    found = audit.verify(house.ledger, [house.file])
    assert (found.finding, found.signed_to) == (None, 2)


def test_a_line_that_a_crash_tore_is_replaced(house: House) -> None:
    house.acts(1)
    house.seal()
    with house.file.open("ab") as file:
        file.write(b'{"at":"2026-')
    house.acts(1)
    house.seal()
    assert len(house.file.read_text().splitlines()) == 2
    assert house.finding() is None


def test_nothing_is_signed_on_top_of_a_chain_that_was_changed(sealed: House) -> None:
    sealed.run(delete(tables.seals).where(tables.seals.c.seq == 9))
    sealed.acts(1)
    with pytest.raises(ChainBroken):
        sealed.seal()
    assert sealed.count(tables.seals) == 8


# --- what cannot be done unseen ----------------------------------------------------------------------


def swap(house: House, first: int, second: int) -> None:
    seals = {s["seq"]: s for s in house.rows(tables.seals)}
    for place in (first, second):
        house.run(delete(tables.seals).where(tables.seals.c.seq == place))
    for place, other in ((first, second), (second, first)):
        house.run(insert(tables.seals).values({**seals[other], "seq": place}))


def drop_tail(house: House, after: int) -> None:
    """Seals and rows, as if they had never been."""
    house.run(delete(tables.seals).where(tables.seals.c.seq > after))
    house.run(delete(tables.acts).where(tables.acts.c.seq > after))
    house.run(delete(tables.evidence).where(tables.evidence.c.seq > after, tables.evidence.c.act == "repeat"))


def put_in(house: House, at: int) -> None:
    """A row of one's own between two others, all places after it moved by one, its seal made well."""
    seals = house.rows(tables.seals)
    for seal_ in reversed(seals[at - 1 :]):
        place = tables.seals.c.seq == seal_["seq"]
        house.run(update(tables.seals).where(place).values(seq=seal_["seq"] + 1))
        rows = {"acts": tables.acts, "evidence": tables.evidence, "tellings": tables.tellings}[seal_["kind"]]
        house.run(update(rows).where(rows.c.id == seal_["row_id"]).values(seq=seal_["seq"] + 1))
    now = house.clock.now
    house.run(insert(tables.acts).values(id=5000, act="erased", detail="", at=now, seq=at))
    row = {"id": 5000, "act": "erased", "staff": None, "conversation": None, "detail": "", "at": now}
    digest = chain.digest_of("acts", row)
    link = chain.link_after(seals[at - 2]["link"], digest, now)
    values = {"seq": at, "kind": "acts", "row_id": 5000, "version": 1, "at": now}
    house.run(insert(tables.seals).values(**values, digest=digest, link=link))


def rewrite(house: House, at: int) -> None:
    """Change an act and make every seal after it anew, as whoever knows the code would."""
    house.run(update(tables.acts).where(tables.acts.c.seq == at).values(staff=77))
    seals = house.rows(tables.seals)
    link = seals[at - 2]["link"]
    for seal_ in seals[at - 1 :]:
        digest = seal_["digest"]
        if seal_["seq"] == at:
            (row,) = [r for r in house.rows(tables.acts) if r["seq"] == at]
            row.pop("seq")
            digest = chain.digest_of("acts", row)
        link = chain.link_after(link, digest, seal_["at"])
        place = tables.seals.c.seq == seal_["seq"]
        house.run(update(tables.seals).where(place).values(digest=digest, link=link))


def edit(table: Any, place: int, **values: Any) -> Callable[[House], int]:
    def edited(house: House) -> int:
        house.run(update(table).where(table.c.seq == place).values(values))
        return place

    return edited


def _then(step: Callable[[House], object], place: int) -> Callable[[House], int]:
    def done(house: House) -> int:
        step(house)
        return place

    return done


def _other_words(house: House) -> int:
    """The sealed words of one row put into another: the database alone cannot tell, the keys can."""
    stop, again, _ = house.rows(tables.evidence)
    sealed_ = {name: again[name] for name in ("text_key_enc", "text_enc")}
    house.run(update(tables.evidence).where(tables.evidence.c.id == stop["id"]).values(sealed_))
    return int(stop["seq"])


def _other_person(house: House) -> int:
    with house.ledger.write() as book:
        other = people.ensure(book, "+48500100999")
        book.run(update(tables.evidence).where(tables.evidence.c.act == "stop").values(person=other))
    return 1


TOMORROW = Clock().now + timedelta(days=1)

# Places: 1 stop · 2 to 6 repeat, three acts, telling, by kind at one moment · 7 to 9 two acts, start.
TAMPERING: dict[str, tuple[Callable[[House], int], Fault]] = {
    "evidence edited": (edit(tables.evidence, 1, rule="a better one"), Fault.EDITED),
    "when it took effect edited": (
        edit(tables.evidence, 1, effective_at=Clock().now + timedelta(days=1)),
        Fault.EDITED,
    ),
    "clients covered edited": (edit(tables.evidence, 1, clients=""), Fault.EDITED),
    "what was confirmed edited": (edit(tables.evidence, 1, receipt_digest=b"r" * 32), Fault.EDITED),
    "words replaced": (_other_words, Fault.EDITED),
    "put down to another person": (_other_person, Fault.EDITED),
    "act edited": (edit(tables.acts, 2, staff=99), Fault.EDITED),
    "telling edited": (edit(tables.tellings, 6, status="refused"), Fault.EDITED),
    "seal edited": (edit(tables.seals, 4, digest=b"d" * 32), Fault.EDITED),
    "link edited": (edit(tables.seals, 4, link=b"l" * 32), Fault.BROKEN),
    "act deleted": (
        _then(lambda h: h.run(delete(tables.acts).where(tables.acts.c.seq == 3)), 3),
        Fault.DELETED,
    ),
    "telling deleted": (_then(lambda h: h.run(delete(tables.tellings)), 6), Fault.DELETED),
    "seal deleted": (
        _then(lambda h: h.run(delete(tables.seals).where(tables.seals.c.seq == 5)), 5),
        Fault.DELETED,
    ),
    "row put in": (_then(lambda h: put_in(h, 3), 3), Fault.INSERTED),
    "row that claims a place": (
        _then(lambda h: h.run(insert(tables.acts).values(act="erased", detail="", at=h.clock.now, seq=4)), 4),
        Fault.INSERTED,
    ),
    "places swapped": (_then(lambda h: swap(h, 3, 7), 3), Fault.REORDERED),
    "tail cut off": (_then(lambda h: drop_tail(h, 7), 8), Fault.TRUNCATED),
    "seals of the tail cut off": (
        _then(lambda h: h.run(delete(tables.seals).where(tables.seals.c.seq > 7)), 8),
        Fault.TRUNCATED,
    ),
    "all cut off": (_then(lambda h: drop_tail(h, 0), 1), Fault.TRUNCATED),
    "made anew from a place on": (_then(lambda h: rewrite(h, 3), 6), Fault.REWRITTEN),
    "heads taken away": (_then(lambda h: h.file.unlink(), 1), Fault.UNSIGNED),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_whoever_tampers_is_named_with_place_and_reason(sealed: House, how: str) -> None:
    tamper, fault = TAMPERING[how]
    sealed.clock.move(timedelta(minutes=1))
    place = tamper(sealed)
    finding = sealed.finding()
    assert finding is not None
    assert (finding.place, finding.fault) == (place, fault), finding
    assert str(place) in str(finding)


@pytest.mark.parametrize("change", ["signature", "link", "key", "order", "garbage"])
def test_a_changed_head_is_named_with_its_line(sealed: House, change: str) -> None:
    lines = sealed.file.read_text().splitlines()
    head = json.loads(lines[1])
    if change in head:
        head[change] = ("0" if head[change][0] != "0" else "1") + head[change][1:]
    lines[1] = "garbage" if change == "garbage" else json.dumps(head)
    if change == "order":
        lines = [lines[0], lines[2], json.dumps(head)]
    sealed.file.write_text("\n".join(lines) + "\n")
    finding = sealed.finding()
    assert finding is not None
    assert finding.fault is (Fault.REORDERED if change == "order" else Fault.BAD_SIGNATURE)
    assert f"line {3 if change == 'order' else 2} of audit.jsonl" in str(finding)


def test_the_evidence_of_a_stop_cannot_be_deleted_while_the_stop_stands(house: House) -> None:
    house.world.sent("shop", SHOP_NUMBER)
    house.world.says("STOP")
    with pytest.raises(IntegrityError):
        house.run(delete(tables.evidence))


# --- what goes by right ------------------------------------------------------------------------------


def test_erasing_a_person_leaves_the_chain_whole_and_the_words_gone(sealed: House) -> None:
    sealed.world.says("STOP")
    erase(sealed.ledger, ALA, sealed.clock.now)
    sealed.seal()
    assert sealed.finding() is None
    with sealed.ledger.read() as book:
        rows = book.rows(select(tables.evidence).order_by(tables.evidence.c.id))
        shown = [evidence.opened(book, row) for row in rows]
    assert [o.text for o in shown] == [None] * 4
    # Only the STOP that stands still says whose it is.
    assert [o.subject is not None for o in shown] == [False, False, False, True]


def test_a_purge_leaves_the_chain_whole(sealed: House) -> None:
    sealed.clock.move(timedelta(days=3 * 365 + 1))
    removed = purge(sealed.ledger, sealed.clock.now)
    assert sum(removed.values()) > 5
    assert sealed.count(tables.evidence) == sealed.count(tables.tellings) == 0
    sealed.seal()
    found = audit.verify(sealed.ledger, [sealed.file])
    assert (found.finding, found.gone) == (None, 9)
    assert {row["act"] for row in sealed.rows(tables.acts)} == {"purged"}


def test_a_forged_purge_excuses_nothing_that_was_not_due(sealed: House) -> None:
    sealed.clock.move(timedelta(days=3 * 365 - 1))
    sealed.run(delete(tables.acts).where(tables.acts.c.seq == 3))
    with sealed.ledger.write() as book:
        act(book, Deed.PURGED, at=sealed.clock.now, category="acts", table="acts", rows=1, places="3")
    sealed.seal()
    finding = sealed.finding()
    assert finding is not None
    assert (finding.place, finding.fault) == (3, Fault.DELETED)


def test_rotating_keys_keeps_the_old_signatures_and_the_evidence(
    sealed: House, keys_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_keys, "GRACE", 0.0)
    path = Path(shutil.copy(keys_file, tmp_path / "own-keys.json"))
    old = key_files.signing(path)
    url = sealed.ledger.engine.url.render_as_string(hide_password=False)
    ledger = Ledger(url, key_files.read(path))
    try:
        rotate(ledger, path, now=sealed.clock.now)
        new = key_files.signing(path)
        assert new.key != old.key
        assert old.key in new.publics
        assert "retired" in path.read_text()
        assert seal(ledger, sealed.file, now=sealed.clock.now) == 1
        found = audit.verify(ledger, [sealed.file])
        assert found.finding is None
        assert json.loads(sealed.file.read_text().splitlines()[-1])["key"] == new.key
        sealed.ledger.keys = ledger.keys
        assert sealed.rows(tables.acts)[-1]["act"] == "keys_rotated"
    finally:
        ledger.close()


def test_a_keys_file_from_before_is_given_a_key_to_sign_with(
    house: House, keys_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "old-keys.json"
    content = json.loads(keys_file.read_text())
    del content["signing"]
    path.write_text(json.dumps(content))
    url = house.ledger.engine.url.render_as_string(hide_password=False)
    ledger = Ledger(url, key_files.read(path))
    try:
        house.acts(1)
        assert seal(ledger, house.file, now=house.clock.now) == 1
        assert audit.verify(ledger, [house.file]).finding is None
        after = json.loads(path.read_text())
        assert after.pop("signing")["retired"] == []
        assert after == content
    finally:
        ledger.close()


def test_evidence_of_the_version_before_is_sealed_too(house: House) -> None:
    """Rows that were written before there was a chain, or by a process that does not know of it yet."""
    moment = house.clock.now
    old = {
        "act": "stop",
        "provider": "simulator",
        "scope": "all",
        "rule": "keyword:stop",
        "matcher": "1",
        "signature": "signed",
        "text_digest": b"t" * 32,
        "received_at": moment,
        "effective_at": moment,
    }
    house.run(insert(tables.evidence).values(old))
    assert house.seal() == 1
    assert house.finding() is None
    house.run(update(tables.evidence).values(scope="sender"))
    assert house.finding() is not None
