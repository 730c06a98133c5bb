"""What leaves, what leaves once, and what leaves no more: through our real channel and Twilio's stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from bot.channels.twilio import Twilio
from bot.domain.conversation import Owner
from bot.domain.errors import SendFailed
from bot.domain.messages import Address, Delivery, Medium, Outgoing, Taken
from bot.ledger import conversations, people, queues, staff
from bot.ledger.book import Ledger
from bot.ledger.tables import conversations as conversation_rows
from bot.ledger.tables import outbox
from bot.services import escalate
from bot.services.deliver import BACK_OFF, LEAST_TRIES, LOOK_UP_AFTER, TRIED_FOR, deliver
from bot.settings import TwilioSettings
from tests.conftest import START, Clock
from tests.standins import Answer
from tests.standins.twilio import ACCOUNT, NUMBER, TOKEN, TwilioStandIn, error
from tests.world import ALA, World


@dataclass(slots=True)
class Post:
    """The outbox of one person's conversation with us over Twilio."""

    world: World
    provider: TwilioStandIn
    channel: Twilio
    clock: Clock
    conversation: int

    def put(self, text: str, *, kind: str = "reply", lasts: timedelta | None = None) -> int:
        expires_at = self.clock.now + lasts if lasts is not None else None
        draft = queues.Draft(conversation=self.conversation, kind=kind, text=text, expires_at=expires_at)
        with self.world.house.ledger.write() as book:
            number = queues.put(book, draft, now=self.clock.now)
        assert number is not None
        return number

    def deliver(self) -> int:
        return deliver(self.world.house, {"twilio": self.channel}, now=self.clock.now, limit=8)

    def state(self, number: int) -> tuple[str, str | None, str]:
        """State, delivery, code."""
        query = select(outbox.c.state, outbox.c.delivery, outbox.c.code).where(outbox.c.id == number)
        with self.world.house.ledger.read() as book:
            row = book.row(query)
        assert row is not None
        return row["state"], row["delivery"], row["code"]

    def arrived(self) -> list[str]:
        return [m["body"] for m in self.provider.messages if m["direction"] == "outbound-api"]


@pytest.fixture
def provider() -> Iterator[TwilioStandIn]:
    with TwilioStandIn() as provider:
        yield provider


@pytest.fixture
def post(
    ledger: Ledger, clock: Clock, provider: TwilioStandIn, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Post]:
    channel = Twilio(TwilioSettings(ACCOUNT, (TOKEN,), provider.url, NUMBER, "https://bot.example"))
    world = World(ledger, clock, tmp_path_factory.mktemp("world"))
    with ledger.write() as book:
        person = people.ensure(book, ALA)
        address = Address("twilio", ACCOUNT, Medium.SMS, ALA, NUMBER)
        conversation = conversations.open_for(book, address, person=person, now=clock.now).id
    yield Post(world, provider, channel, clock, conversation)
    channel.close()


def test_it_arrives_once_with_our_id_in_its_status_address(post: Post) -> None:
    number = post.put("Dzien dobry")
    assert post.deliver() == 1
    assert post.deliver() == 0
    [sent] = post.provider.sent
    assert (sent["To"], sent["From"], sent["Body"]) == (ALA, NUMBER, "Dzien dobry")
    assert sent["StatusCallback"].endswith(f"o={number}")
    assert post.state(number) == ("sent", "accepted", "")


def test_texts_of_a_conversation_leave_in_order_also_when_the_first_must_wait(post: Post) -> None:
    post.put("pierwszy")
    post.put("drugi")
    post.provider.fail_next(error(429, 20429, "Too Many Requests"))
    assert post.deliver() == 1
    assert post.deliver() == 0
    post.clock.move(timedelta(minutes=5))
    while post.deliver():
        pass
    assert post.arrived() == ["pierwszy", "drugi"]


def _waits(post: Post, number: int, until: datetime) -> list[timedelta]:
    """Try whenever it is due until then; the pauses between."""
    waits = []
    while post.state(number)[0] in ("ready", "unknown") and (due := _due(post, number)) <= until:
        post.clock.move(max(due - post.clock.now, timedelta()))
        assert post.deliver() == 1
        waits.append(_due(post, number) - post.clock.now)
    return waits


def _due(post: Post, number: int) -> datetime:
    with post.world.house.ledger.read() as book:
        ready_at: datetime = book.scalar(select(outbox.c.ready_at).where(outbox.c.id == number))
    return ready_at


def test_what_was_surely_not_taken_is_sent_again_later_and_later_and_then_fails(post: Post) -> None:
    number = post.put("Dzien dobry")
    post.provider.fail_next(error(429, 20429, "Too Many Requests"), times=200)
    began = post.clock.now
    waits = _waits(post, number, began + 2 * TRIED_FOR)
    growing = waits[: len(BACK_OFF)]
    assert growing == sorted(growing)
    assert TRIED_FOR <= post.clock.now - began < TRIED_FOR + timedelta(minutes=20)
    assert post.state(number)[:2] == ("failed", "failed")
    assert post.arrived() == []


@pytest.mark.parametrize("how", ["refuses", "hangs up", "answers 500"])
def test_a_receipt_is_given_when_the_provider_is_back_after_most_of_a_day(how: str, post: Post) -> None:
    number = post.put("Nie napiszemy", kind="receipt", lasts=timedelta(hours=24))
    for _ in range(200):
        if how == "hangs up":
            post.provider.drop_next(taken=False)
        else:
            post.provider.fail_next(
                Answer(500) if how == "answers 500" else error(429, 20429, "Too Many Requests")
            )
    _waits(post, number, post.clock.now + timedelta(hours=23))
    assert post.state(number)[0] in ("ready", "unknown")
    post.provider.recovers()
    _waits(post, number, post.clock.now + timedelta(minutes=40))
    assert post.state(number)[0] == "sent"
    assert post.arrived() == ["Nie napiszemy"]


def test_what_waited_for_more_than_a_day_for_its_first_try_has_some_more(post: Post) -> None:
    number = post.put("Dzien dobry")
    post.clock.move(2 * TRIED_FOR)
    post.provider.fail_next(error(429, 20429, "Too Many Requests"), times=LEAST_TRIES - 1)
    _waits(post, number, post.clock.now + timedelta(hours=3))
    assert post.state(number)[0] == "sent"


@pytest.mark.parametrize("taken", [True, False])
def test_an_unclear_end_is_looked_up_before_anything_is_sent_again(taken: bool, post: Post) -> None:
    number = post.put("Dzien dobry")
    post.provider.drop_next(taken=taken)
    assert post.deliver() == 1
    assert post.state(number)[0] == "unknown"
    assert post.deliver() == 0
    calls = len(post.provider.calls)
    post.clock.move(timedelta(seconds=LOOK_UP_AFTER))
    assert post.deliver() == 1
    assert [c.method for c in post.provider.calls[calls:]] == (["GET"] if taken else ["GET", "POST"])
    assert post.state(number)[0] == "sent"
    assert post.arrived() == ["Dzien dobry"]


@pytest.mark.parametrize("taken", [True, False])
def test_an_answer_of_500_is_unclear_as_well(taken: bool, post: Post) -> None:
    post.put("Dzien dobry")
    post.provider.fail_next(Answer(500), after_taking=taken)
    for _ in range(3):
        post.deliver()
        post.clock.move(timedelta(seconds=LOOK_UP_AFTER))
    assert post.arrived() == ["Dzien dobry"]


def test_a_worker_that_died_while_sending_leaves_it_to_be_looked_up(post: Post) -> None:
    number = post.put("Dzien dobry")
    with post.world.house.ledger.write() as book:
        [lost] = queues.claim_outbox(book, now=post.clock.now)
    address = Address("twilio", ACCOUNT, Medium.SMS, ALA, NUMBER)
    post.channel.send(Outgoing(str(lost.id), address, lost.text))
    post.clock.move(queues.LEASE + timedelta(seconds=1))
    assert post.deliver() == 1
    assert post.arrived() == ["Dzien dobry"]
    assert post.state(number)[0] == "sent"


class Provider:
    """A channel that loses each sending and tells what it was asked; `look_up` is how looking up ends."""

    name = "twilio"
    routes = ()

    def __init__(self, look_ups: list[Taken | SendFailed | None]) -> None:
        self.look_ups = look_ups
        self.sent = 0
        self.looked_since: list[object] = []

    def send(self, message: Outgoing) -> Taken:
        self.sent += 1
        raise SendFailed("gone", ambiguous=True)

    def find(self, message: Outgoing, since: object) -> Taken | None:
        self.looked_since.append(since)
        found = self.look_ups.pop(0)
        if isinstance(found, SendFailed):
            raise found
        return found


def test_a_look_up_that_fails_leaves_it_unclear_and_looks_from_the_first_try_on(post: Post) -> None:
    number = post.put("Dzien dobry")
    away = [
        SendFailed("503", retryable=True),
        SendFailed("gone", ambiguous=True),
        SendFailed("503", retryable=True),
    ]
    channel = Provider([*away, Taken("SM1", Delivery.SENT)])
    began = post.clock.now
    for _ in range(5):
        deliver(post.world.house, {"twilio": channel}, now=post.clock.now)  # type: ignore[dict-item]
        post.clock.move(timedelta(minutes=5))
    assert channel.sent == 1
    assert channel.looked_since == [began] * 4
    assert post.state(number)[:2] == ("sent", "sent")


def test_a_provider_that_cannot_be_asked_ends_it(post: Post) -> None:
    number = post.put("Dzien dobry")
    channel = Provider([SendFailed("cannot be asked")])
    for _ in range(3):
        deliver(post.world.house, {"twilio": channel}, now=post.clock.now)  # type: ignore[dict-item]
        post.clock.move(timedelta(minutes=5))
    assert (channel.sent, post.state(number)[0]) == (1, "failed")


def test_a_person_whom_the_provider_has_stopped_is_known_as_blocked(post: Post) -> None:
    number = post.put("Dzien dobry")
    post.provider.unsubscribed.add(ALA)
    assert post.deliver() == 1
    assert post.state(number) == ("failed", "failed", "21610")
    with post.world.house.ledger.read() as book:
        assert book.scalar(select(conversation_rows.c.platform_blocked_at)) == post.clock.now
    post.clock.move(timedelta(days=1))
    assert post.deliver() == 0


def test_once_an_agent_has_it_the_bot_says_no_more_but_the_receipt_and_the_agent_do(post: Post) -> None:
    with post.world.house.ledger.write() as book:
        agent = staff.add(book, name="ola", role="agent", password_hash="x", now=post.clock.now)
        conversations.give_to(book, post.conversation, Owner.WAITING)
    kinds = {kind: post.put(kind, kind=kind) for kind in ("reply", "notice", "receipt", "code")}
    with post.world.house.ledger.write() as book:  # the one that was being sent when the agent came
        queues.claim_outbox(book, now=post.clock.now)
    escalate.claim(post.world.house, post.conversation, staff=agent, now=post.clock.now)
    escalate.answer(
        post.world.house, post.conversation, "Dzien dobry, tu Ola", staff=agent, now=post.clock.now
    )
    post.clock.move(queues.LEASE + timedelta(seconds=1))
    while post.deliver():
        pass
    assert post.arrived() == ["receipt", "code", "Dzien dobry, tu Ola"]
    assert {k: post.state(n)[0] for k, n in kinds.items()} == {
        "reply": "cancelled", "notice": "cancelled", "receipt": "sent", "code": "sent",
    }  # fmt: skip


def test_what_came_too_late_is_not_said_and_keeps_nothing_waiting(post: Post) -> None:
    late = post.put("late", kind="receipt", lasts=timedelta(hours=24))
    post.put("after it")
    post.clock.move(timedelta(hours=24))
    while post.deliver():
        pass
    assert post.arrived() == ["after it"]
    assert post.state(late)[0] == "expired"


@pytest.mark.parametrize("kind", ["unprompted", "reply", "receipt", "code"])
def test_after_a_stop_nothing_unprompted_is_sent_and_what_is_owed_still_is(kind: str, post: Post) -> None:
    number = post.put("Dzien dobry", kind=kind)
    stop = post.world.inbound("STOP WSZYSTKO", to="+48732000009")
    post.world.receive(stop)
    assert post.deliver() >= 1
    is_sent = kind != "unprompted"
    assert post.state(number)[0] == ("sent" if is_sent else "cancelled")
    assert post.arrived() == (["Dzien dobry"] if is_sent else [])


def test_unprompted_is_sent_while_nothing_was_stopped(post: Post) -> None:
    post.put("Dzien dobry", kind="unprompted")
    assert post.deliver() == 1
    assert post.arrived() == ["Dzien dobry"]


def test_a_slow_provider_leaves_the_rest_to_others_before_the_lease_is_over(post: Post) -> None:
    numbers = [post.put("Dzien dobry")]
    with post.world.house.ledger.write() as book:
        for n in range(2):
            address = Address("twilio", ACCOUNT, Medium.SMS, f"+4850010099{n}", NUMBER)
            other = conversations.open_for(book, address, person=None, now=START)
            draft = queues.Draft(conversation=other.id, kind="reply", text=f"other {n}")
            numbers.append(queues.put(book, draft, now=post.clock.now) or 0)
    channels = {"twilio": post.channel}
    assert deliver(post.world.house, channels, now=post.clock.now, limit=8, hold=0) == 3
    assert [post.state(n)[0] for n in numbers] == ["sent", "ready", "ready"]
    with post.world.house.ledger.read() as book:
        assert book.connection.execute(select(outbox.c.tries).order_by(outbox.c.id)).scalars().all() == [
            1,
            0,
            0,
        ]
    assert post.deliver() == 2
    assert len(post.arrived()) == 3


def test_a_channel_that_was_taken_away_ends_it(post: Post) -> None:
    number = post.put("Dzien dobry")
    assert deliver(post.world.house, {}, now=post.clock.now) == 1
    assert post.state(number) == ("failed", "failed", "no channel")
