"""What is written down of an opt-out and of what staff and operators do."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from bot.domain import chain
from bot.domain.conversation import Owner
from bot.domain.keywords import MATCHER_VERSION
from bot.domain.messages import Medium
from bot.ledger import clients, conversations, evidence, notices, tables, tokens
from bot.services import escalate, sign_in
from bot.services.erase import erase
from tests.audit_house import House
from tests.world import ALA, SHOP_NUMBER

PASSWORD = "a long password of ours"


# --- evidence ----------------------------------------------------------------------------------------


def test_evidence_says_who_when_where_how_and_what_was_confirmed(house: House) -> None:
    house.world.sent("shop", SHOP_NUMBER)
    received = house.clock.now
    house.world.receive(house.world.inbound("Stop, proszę!", provider_id="sms-77"))
    (receipt,) = house.world.answers()
    (row,) = house.rows(tables.evidence)
    with house.ledger.read() as book:
        opened = evidence.opened(book, book.row(select(tables.evidence)))  # type: ignore[arg-type]
        client = clients.ids(book, ["shop"])["shop"]
        (out,) = book.rows(select(tables.outbox))
    assert opened.text == "Stop, proszę!"
    assert json.loads(opened.subject or "") == {
        "account": "demo",
        "number": ALA,
        "ours": SHOP_NUMBER,
        "person": ALA,
        "provider_id": "sms-77",
    }
    assert (row["received_at"], row["effective_at"]) == (received, house.clock.now)
    assert (row["medium"], row["provider"], row["signature"]) == ("sms", "simulator", "simulator")
    assert (row["matcher"], row["clients"], row["act"]) == (MATCHER_VERSION, str(client), "stop")
    assert (row["scope"], row["covers"]) == ("sender", "marketing")
    assert row["rule"]
    assert (row["span_from"], row["span_to"]) != (0, 0)
    assert row["receipt"] == out["id"]
    assert row["receipt_digest"] == hashlib.sha256(receipt.encode()).digest()
    assert row["confirmed"] == "opt_out.one_client/pl"
    assert opened.text_salt is not None
    assert row["text_digest"] == chain.commitment(opened.text_salt, "Stop, proszę!")


def test_a_stop_that_waited_for_its_number_keeps_when_it_was_said(house: House) -> None:
    said = house.clock.now
    at = {"as_": "4711", "to": "bot", "medium": Medium.TELEGRAM}
    house.world.receive(house.world.inbound("STOP", provider_id="tg-1", **at))  # type: ignore[arg-type]
    house.clock.move(timedelta(hours=3))
    house.world.shares(ALA, **at)
    (row,) = house.rows(tables.evidence)
    assert (row["received_at"], row["effective_at"]) == (said, house.clock.now)
    with house.ledger.read() as book:
        opened = evidence.opened(book, book.row(select(tables.evidence)))  # type: ignore[arg-type]
    subject = json.loads(opened.subject or "")
    assert (subject["person"], subject["number"], subject["provider_id"]) == ("4711", ALA, "tg-1")
    assert row["receipt"] is not None


def test_a_stop_is_written_with_its_evidence_and_receipt_or_not_at_all(house: House) -> None:
    """The process dies at each statement of the transaction in turn."""
    house.world.sent("shop", SHOP_NUMBER)
    message = house.world.inbound("STOP")
    dies_at = 0
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == dies_at:
            raise RuntimeError("power failure")

    event.listen(house.ledger.engine, "before_cursor_execute", count)
    whole = False
    try:
        while not whole:
            dies_at, seen = dies_at + 1, 0
            try:
                house.world.receive(message)
                whole = True
            except RuntimeError:
                event.remove(house.ledger.engine, "before_cursor_execute", count)
                left = [tables.inbox, tables.evidence, tables.opt_outs, tables.outbox]
                assert [house.count(table) for table in left] == [0, 0, 0, 0], dies_at
                event.listen(house.ledger.engine, "before_cursor_execute", count)
    finally:
        event.remove(house.ledger.engine, "before_cursor_execute", count)
    assert dies_at > 6
    assert [house.count(t) for t in (tables.evidence, tables.opt_outs, tables.outbox)] == [1, 1, 1]


def test_what_a_client_was_told_and_when_stands_beside_the_evidence(house: House) -> None:
    house.world.sent("shop", SHOP_NUMBER)
    house.world.says("STOP")
    said_at = []
    for state, ready_at in (("ready", house.clock.now), ("sent", None)):
        said_at.append(house.clock.move(timedelta(minutes=5)))
        with house.ledger.write() as book:
            held = notices.claim_digest(book, now=house.clock.now)
            assert len(held) == 1
            notices.settle(book, held, state, now=house.clock.now, ready_at=ready_at)
    (stop,) = house.rows(tables.evidence)
    tellings = house.rows(tables.tellings)
    assert [(t["evidence"], t["status"], t["at"]) for t in tellings] == [
        (stop["id"], "failed", said_at[0]),
        (stop["id"], "mailed", said_at[1]),
    ]
    assert tellings[0]["event"] == tellings[1]["event"]
    assert house.seal() == 3
    assert house.finding() is None


# --- acts --------------------------------------------------------------------------------------------


def deeds(house: House) -> list[tuple[str, int | None]]:
    return [(row["act"], row["staff"]) for row in house.rows(tables.acts)]


def test_what_staff_and_operators_do_is_written_down(house: House) -> None:
    now = house.clock.now
    anna = sign_in.create(house.ledger, "Anna", "agent", PASSWORD, now=now)
    assert sign_in.sign_in(house.ledger, "Anna", "wrong", now=now) is None
    assert sign_in.sign_in(house.ledger, "Nobody", "my password by mistake", now=now) is None
    token = sign_in.sign_in(house.ledger, "Anna", PASSWORD, now=now)
    assert token is not None
    house.world.receive(house.world.inbound("człowiek"))
    house.world.answers()
    (talk,) = house.rows(tables.conversations)
    escalate.claim(house.world.house, talk["id"], staff=anna, now=now)
    escalate.hand_back(house.world.house, talk["id"], staff=anna, now=now)
    with house.ledger.write() as book:
        conversations.give_to(book, talk["id"], Owner.HUMAN, staff=anna)
    escalate.close(house.world.house, talk["id"], staff=anna, now=now)
    sign_in.sign_out(house.ledger, token, now=now)
    sign_in.sign_out(house.ledger, token, now=now)
    with house.ledger.write() as book:
        tokens.add(book, "gate", tokens.Right.GATE, now=now)
        tokens.revoke(book, "gate", now=now)
    erase(house.ledger, ALA, now)
    assert deeds(house) == [
        ("staff_added", None),
        ("sign_in_refused", anna),
        ("sign_in_refused", None),
        ("signed_in", anna),
        ("claimed", anna),
        ("handed_back", anna),
        ("closed", anna),
        ("signed_out", anna),
        ("token_made", None),
        ("token_revoked", None),
        ("erased", None),
    ]
    said = "".join(row["detail"] for row in house.rows(tables.acts))
    assert not any(secret in said for secret in (ALA, ALA[1:], "Nobody", "password", "Anna"))
    assert house.seal() == len(deeds(house))
    assert house.finding() is None


def test_an_act_goes_with_what_it_is_about(house: House) -> None:
    def fails() -> None:
        with house.ledger.write() as book:
            tokens.add(book, "gate", tokens.Right.GATE, now=house.clock.now)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert deeds(house) == []
