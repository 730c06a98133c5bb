"""What a STOP covers: every row of the table in the design, from every channel it can come from."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.consent import MessageClass
from bot.domain.messages import Medium
from bot.ledger import people
from bot.ledger.tables import evidence
from tests.conftest import Clock
from tests.conversations.test_stop import allowed
from tests.world import ALA, BOT_NUMBER, CLINIC_NUMBER, SHARED_NUMBER, SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
MESSENGER = {"as_": "messenger:48500100200", "to": "messenger:1065400", "medium": Medium.MESSENGER}
USER_ID = {"as_": "whatsapp:PL.500100200", "to": f"whatsapp:{BOT_NUMBER}", "medium": Medium.WHATSAPP}
"""A WhatsApp user who shows no number; the digits are no number's either."""

KNOWN = ["sms", "whatsapp", "telegram"]  # channels on which a number can be known
UNKNOWN = {"telegram": TELEGRAM, "messenger": MESSENGER, "whatsapp user id": USER_ID}
EVERY_CLASS = ["marketing", "", "service", "code"]


def from_(world: World, channel: str, to: str = BOT_NUMBER) -> dict[str, object]:
    """How Ala writes on a channel to a number; on Telegram to the bot, which knows her contact."""
    if channel == "telegram":
        world.shares(ALA, **TELEGRAM)
        return dict(TELEGRAM)
    if channel == "whatsapp":
        return {"to": f"whatsapp:{to}", "medium": Medium.WHATSAPP}
    return {"to": to}


def reach(world: World, client: str) -> list[str]:
    """The classes that a client may still send to Ala."""
    return [c.value for c in MessageClass if allowed(world, client, message_class=c.value)]


NO_ADS = ["service", "code"]


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_a_number_of_one_client_covers_that_client(channel: str, world: World) -> None:
    world.sent("books", "STRONICA")
    [receipt] = world.says("STOP", **from_(world, channel, SHOP_NUMBER))
    assert "Agrest Moda" in receipt
    assert reach(world, "shop") == NO_ADS
    assert len(reach(world, "books")) == len(MessageClass)


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_a_shared_number_covers_who_wrote_from_it_within_thirty_days(channel: str, world: World) -> None:
    world.sent("shop", SHARED_NUMBER, ago=timedelta(days=31))
    world.sent("books", SHARED_NUMBER, ago=timedelta(days=29))
    world.says("STOP", **from_(world, channel, SHARED_NUMBER))
    assert reach(world, "books") == NO_ADS
    assert len(reach(world, "shop")) == len(MessageClass)


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_a_shared_number_from_which_nobody_wrote_covers_every_client(channel: str, world: World) -> None:
    [receipt] = world.says("STOP", **from_(world, channel, SHARED_NUMBER))
    assert "en nadawca" in receipt
    assert reach(world, "shop") == reach(world, "books") == reach(world, "clinic") == NO_ADS


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_with_a_sensitive_client_among_them_the_receipt_names_nobody(channel: str, world: World) -> None:
    for client in ("shop", "clinic"):
        world.sent(client, SHARED_NUMBER)
    [receipt] = world.says("STOP", **from_(world, channel, SHARED_NUMBER))
    assert "en nadawca" in receipt
    assert "Agrest" not in receipt
    assert "Jasna" not in receipt
    assert reach(world, "shop") == reach(world, "clinic") == NO_ADS


@pytest.mark.parametrize("channel", KNOWN)
@pytest.mark.parametrize(
    ("name", "holders"),
    [
        ("STRONICA", {"books"}),
        ("NOWOSCI", {"shop", "books"}),
        ("JASNA", {"clinic"}),
        ("j.a.s.n.a", {"clinic"}),
    ],
)
def test_stop_and_a_name_covers_its_holders(channel: str, name: str, holders: set[str], world: World) -> None:
    [receipt] = world.says(f"STOP {name}", **from_(world, channel))
    assert "nadawcy o tej nazwie" in receipt
    assert "Jasna" not in receipt
    stopped = {c for c in ("shop", "books", "clinic") if reach(world, c) == NO_ADS}
    assert stopped == holders


@pytest.mark.parametrize("channel", KNOWN)
def test_a_near_name_is_asked_back_only_of_senders_that_wrote_to_this_number(
    channel: str, world: World
) -> None:
    world.sent("shop", "AGREST")
    texts = world.says("STOP STRONCIA", **from_(world, channel))
    assert "STRONICA" not in " ".join(texts)


@pytest.mark.parametrize("channel", KNOWN)
@pytest.mark.parametrize(("covers", "left"), [("all", []), ("marketing", NO_ADS)])
def test_stop_all_covers_every_client_as_widely_as_the_operator_has_set(
    channel: str, covers: str, left: list[str], world: World
) -> None:
    world.house = replace(world.house, stop_all_covers=covers)
    assert len(world.says("STOP ALL", **from_(world, channel))) == 1
    assert all(reach(world, client) == left for client in ("shop", "books", "clinic"))


def test_stop_all_after_a_stop_widens_it_and_a_stop_after_it_narrows_nothing(world: World) -> None:
    world.says("STOP")
    assert len(world.says("STOP ALL")) == 1
    assert world.says("STOP") == []
    assert reach(world, "shop") == reach(world, "books") == []


@pytest.mark.parametrize("channel", list(UNKNOWN))
@pytest.mark.parametrize("text", ["STOP", "STOP STRONICA", "STOP ALL"])
def test_a_chat_with_no_proven_number_is_told_that_its_stop_waits(
    channel: str, text: str, world: World
) -> None:
    world.sent("shop", "AGREST")
    [answer] = world.says(text, **UNKNOWN[channel])
    assert "24 godziny" in answer
    assert len(reach(world, "shop")) == len(reach(world, "books")) == len(MessageClass)


@pytest.mark.parametrize("channel", ["messenger", "whatsapp user id"])
def test_digits_of_an_id_are_nobodys_number(channel: str, world: World) -> None:
    world.says("STOP ALL", **UNKNOWN[channel])
    with world.house.ledger.read() as book:
        assert people.find(book, ALA) is None
        assert people.find(book, "+48" + str(UNKNOWN[channel]["as_"])[-9:]) is None


@pytest.mark.parametrize("second", ["STOP", "STOP STRONICA"])
def test_of_several_stops_that_wait_each_is_carried_out(second: str, world: World) -> None:
    world.sent("shop", "AGREST")
    world.says("STOP ALL", **TELEGRAM)
    world.says(second, **TELEGRAM)
    world.shares(ALA, **TELEGRAM)
    assert reach(world, "shop") == reach(world, "books") == reach(world, "clinic") == []


def test_two_names_that_wait_are_both_stopped(world: World) -> None:
    world.says("STOP STRONICA", **TELEGRAM)
    world.says("STOP AGREST", **TELEGRAM)
    receipts = world.shares(ALA, **TELEGRAM)
    assert len(receipts) == 2
    assert reach(world, "shop") == reach(world, "books") == NO_ADS
    assert len(reach(world, "clinic")) == len(MessageClass)


def test_in_a_chat_stop_covers_every_client_that_wrote_lately(world: World) -> None:
    world.sent("shop", "AGREST", ago=timedelta(days=31))
    world.sent("books", "STRONICA")
    world.sent("clinic", "JASNA")
    [receipt] = world.says("STOP", **from_(world, "telegram"))
    assert "Jasna" not in receipt
    assert "Stronica" not in receipt
    assert reach(world, "books") == reach(world, "clinic") == NO_ADS
    assert len(reach(world, "shop")) == len(MessageClass)


def test_in_a_chat_the_one_client_that_wrote_is_named(world: World) -> None:
    world.sent("books", "STRONICA")
    [receipt] = world.says("STOP", **from_(world, "telegram"))
    assert "Stronica" in receipt


RIGHTS = ["rights_objection", "rights_withdraw_consent", "rights_erasure"]


@pytest.mark.parametrize("channel", KNOWN)
@pytest.mark.parametrize("right", RIGHTS)
def test_an_objection_a_withdrawal_and_an_erasure_stop_in_the_same_turn(
    channel: str, right: str, world: World
) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.model.known["prosze"] = (right, 0.97)
    answers = " ".join(world.says("prosze", **from_(world, channel, SHOP_NUMBER)))
    assert "Agrest Moda nie wy" in answers
    assert reach(world, "shop") == NO_ADS
    assert ("zostaje" in answers.casefold()) == (right == "rights_erasure")


@pytest.mark.parametrize("channel", list(UNKNOWN))
@pytest.mark.parametrize("right", RIGHTS)
def test_of_a_chat_with_no_proven_number_such_a_right_waits_to_stop_too(
    channel: str, right: str, world: World
) -> None:
    world.model.known["prosze"] = (right, 0.97)
    answers = world.says("prosze", **UNKNOWN[channel])
    assert any("24 godziny" in answer for answer in answers)
    if channel == "telegram":
        world.sent("shop", "AGREST")
        world.shares(ALA, **TELEGRAM)
        assert reach(world, "shop") == NO_ADS


@pytest.mark.parametrize("right", RIGHTS)
def test_a_direct_client_who_objects_is_stopped_too(right: str, world: World) -> None:
    contact = "+48500100290"
    world.model.known["prosze"] = (right, 0.97)
    world.says("prosze", as_=contact, to=BOT_NUMBER)
    assert not allowed(world, "books", number=contact)


# --- a STOP and a START, in time ---------------------------------------------------------------------


def code_in(texts: list[str]) -> str:
    [asks] = [text for text in texts if "START " in text]
    return asks.split("START ")[1][:2]


def test_a_stop_closes_the_code_that_was_asked_for_before_it(world: World, clock: Clock) -> None:
    world.says("STOP")
    code = code_in(world.says("START"))
    clock.move(timedelta(minutes=10))
    assert world.says("STOP") == []
    clock.move(timedelta(minutes=1))
    assert code_in(world.says(f"START {code}"))  # asked anew
    assert not allowed(world, "shop")


def test_a_stop_that_comes_after_the_start_that_answered_it_changes_nothing(
    world: World, clock: Clock
) -> None:
    world.says("STOP")
    late = replace(world.inbound("STOP"), is_late=True)
    clock.move(timedelta(minutes=10))
    world.says(code_in(world.says("START")))
    assert allowed(world, "shop")
    clock.move(timedelta(hours=1))
    world.receive(replace(late, received_at=clock.now))
    assert world.answers() == []
    assert allowed(world, "shop")
    with world.house.ledger.read() as book:
        acts = [row["act"] for row in book.rows(evidence.select().order_by(evidence.c.id))]
    assert acts == ["stop", "start", "repeat"]


def test_a_stop_that_comes_late_but_was_said_after_the_start_holds(world: World, clock: Clock) -> None:
    world.says("STOP")
    world.says(code_in(world.says("START")))
    clock.move(timedelta(minutes=1))
    said = world.inbound("STOP")
    clock.move(timedelta(hours=5))
    world.receive(replace(said, received_at=clock.now))
    assert len(world.answers()) == 1
    assert not allowed(world, "shop")


def test_a_provider_whose_clock_is_ahead_cannot_make_a_stop_of_tomorrow(world: World, clock: Clock) -> None:
    ahead = replace(world.inbound("STOP"), sent_at=clock.now + timedelta(days=1))
    world.receive(ahead)
    clock.move(timedelta(minutes=1))
    world.answers()
    world.says(code_in(world.says("START")))
    assert allowed(world, "shop")


def test_start_at_another_number_leaves_the_stop_said_under_a_stop_all(world: World) -> None:
    world.says("STOP ALL", to=BOT_NUMBER)
    assert world.says("STOP") == []
    world.says(code_in(world.says("START", to=CLINIC_NUMBER)), to=CLINIC_NUMBER)
    assert reach(world, "shop") == NO_ADS
    assert len(reach(world, "books")) == len(MessageClass)


# --- a number that changed hands ---------------------------------------------------------------------


def change_hands(world: World, clock: Clock) -> None:
    clock.move(timedelta(days=1))
    with world.house.ledger.write() as book:
        people.set_holder_since(book, people.ensure(book, ALA), clock.now)
    clock.move(timedelta(days=1))


def test_a_number_that_changed_hands_stays_stopped_and_its_holder_gets_a_receipt_once(
    world: World, clock: Clock
) -> None:
    world.says("STOP")
    change_hands(world, clock)
    assert not allowed(world, "shop")
    assert len(world.says("STOP")) == 1
    assert world.says("STOP") == []
    assert not allowed(world, "shop")


def test_the_receipt_names_nobody_who_wrote_to_whoever_had_the_number_before(
    world: World, clock: Clock
) -> None:
    world.sent("books", "STRONICA")
    change_hands(world, clock)
    [receipt] = world.says("STOP", to=BOT_NUMBER)
    assert "Stronica" not in receipt
    assert not allowed(world, "books")
