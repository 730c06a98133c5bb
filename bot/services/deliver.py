"""Send what is in the outbox, each thing once. Writes no text and decides no opt-out.

Owner, consent and expiry are looked at again in the transaction that claims a row (invariants 4 and 8).
A sending that ended unclear is looked up at the provider before anything is sent again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from bot.domain.channel import Channel
from bot.domain.consent import may_write_first
from bot.domain.conversation import Owner
from bot.domain.errors import SendFailed
from bot.domain.messages import Delivery, Outgoing, Taken
from bot.ledger import consents, conversations, people, queues
from bot.ledger.book import Book
from bot.ledger.conversations import Conversation
from bot.ledger.queues import Waiting
from bot.services.contracts import House
from bot.services.take_block import take_block

log = structlog.get_logger()

TRIED_FOR = timedelta(hours=24)  #: a provider may be away that long, and every receipt is still given
LEAST_TRIES = 8  #: also of what has waited longer than that for its first
BACK_OFF = (2, 5, 15, 60, 300, 900)  #: seconds before each further try
LOOK_UP_AFTER = 20.0  #: seconds; a provider lists a message a little after it took it
HOLD = 20.0
"""Seconds after which no further message of a claim is begun: sending one must end before the lease does, or
somebody else looks it up too early and sends it a second time."""
MUTE_FOR_HUMAN = frozenset({"reply", "notice"})


def deliver(
    house: House, channels: Mapping[str, Channel], *, now: datetime, limit: int = 1, hold: float = HOLD
) -> int:
    """Claim and send up to `limit` messages, one a conversation. Returns how many were claimed.

    hold: seconds after which the rest of the claim is given back.
    """
    began = time.monotonic()
    with house.ledger.read() as book:
        if not queues.has_outbox(book, now=now):
            return 0
    with house.ledger.write() as book:
        rows = queues.claim_outbox(book, now=now, limit=limit)
        found = [(row, conversations.get(book, row.conversation)) for row in rows]
        _hold(book, found)
        claimed = [(row, conversation, _may_go(book, row, conversation, now)) for row, conversation in found]
    waiting = [(row, conversation) for row, conversation, may_go in claimed if may_go]
    while waiting:
        row, conversation = waiting.pop(0)
        _send(house, channels, row, conversation, now)
        if waiting and time.monotonic() - began > hold:
            with house.ledger.write() as book:
                for row, _ in waiting:
                    queues.give_back(book, row, now=now)
            break
    return len(claimed)


def _hold(book: Book, claimed: Sequence[tuple[Waiting, Conversation]]) -> None:
    """Hold the people who would get something unprompted: a STOP under way commits first, or waits for this claim.

    In the order of their ids, since two workers that hold them in different orders would wait for each other.
    """
    unprompted = {c.person for row, c in claimed if row.kind == "unprompted" and c.person is not None}
    for person in sorted(unprompted):
        people.lock(book, person)


def _may_go(book: Book, row: Waiting, conversation: Conversation, now: datetime) -> bool:
    """May it still go? Decided and written down in the claiming transaction.

    The conversation is read and not locked: who claims it as an agent locks it first and the outbox after,
    here the outbox is locked already, and the two would wait for each other.
    """
    refusal = _refusal(book, row, conversation, now)
    if refusal is None:
        return True
    state = "expired" if refusal == "expired" else "cancelled"
    queues.settle_outbox(book, row, state, now=now, code=refusal)
    return False


def _refusal(book: Book, row: Waiting, conversation: Conversation, now: datetime) -> str | None:
    if row.expires_at is not None and now >= row.expires_at:
        return "expired"
    if row.kind in MUTE_FOR_HUMAN and conversation.owner is Owner.HUMAN:
        return "human owns"
    if row.kind == "unprompted" and conversation.platform_blocked_at is not None:
        return "platform blocked"
    if row.kind != "unprompted" or conversation.person is None:
        return None
    return None if may_write_first(consents.standing(book, conversation.person)) else "opted out"


def _send(
    house: House, channels: Mapping[str, Channel], row: Waiting, conversation: Conversation, now: datetime
) -> None:
    channel = channels.get(conversation.address.provider)
    if channel is None:
        _settle(house, row, "failed", now, code="no channel")
        return
    message = Outgoing(
        outbox_id=str(row.id),
        address=conversation.address,
        text=row.text,
        buttons=row.buttons,
        asks_contact=row.asks_contact,
    )
    try:
        taken = _found(channel, message, row) if row.was_unclear else None
        if taken is None:
            taken = channel.send(message)
    except SendFailed as failure:
        _failed(house, row, conversation, failure, now)
        return
    except Exception as error:  # noqa: BLE001  # ours: it may have gone out, so it is looked up first
        log.error("sending broke", message=row.id, error=type(error).__name__)
        _failed(house, row, conversation, SendFailed("fault", ambiguous=True), now)
        return
    with house.ledger.write() as book:
        queues.settle_outbox(
            book, row, "sent", now=now, provider_id=taken.provider_id, delivery=taken.delivery
        )
    log.info("sent", message=row.id, channel=conversation.address.provider)


def _found(channel: Channel, message: Outgoing, row: Waiting) -> Taken | None:
    """What became of an earlier try that ended unclear. While that cannot be seen, it stays unclear."""
    try:
        return channel.find(message, row.tried_at or row.created_at)
    except SendFailed as failure:
        if not failure.retryable:
            raise
        # That the look-up may be tried again does not make the sending one that surely failed.
        raise SendFailed(failure.code, ambiguous=True, alarm=failure.alarm) from failure


def _failed(
    house: House, row: Waiting, conversation: Conversation, failure: SendFailed, now: datetime
) -> None:
    log.warning(
        "not sent",
        message=row.id,
        channel=conversation.address.provider,
        code=failure.code,
        alarm=failure.alarm,
    )
    if failure.stopped:
        with house.ledger.write() as book:
            take_block(
                house,
                book,
                conversation.id,
                code=failure.code,
                is_opt_out=failure.opted_out,
                signature="platform",
                now=now,
            )
            queues.settle_outbox(book, row, "failed", now=now, code=failure.code, delivery=Delivery.FAILED)
        return
    is_over = row.tries >= LEAST_TRIES and now - row.created_at >= TRIED_FOR
    pause = BACK_OFF[min(row.tries, len(BACK_OFF)) - 1] * random.uniform(0.8, 1.2)
    if failure.ambiguous and not is_over:
        ready_at = now + timedelta(seconds=max(LOOK_UP_AFTER, pause))
        _settle(house, row, "unknown", now, code=failure.code, ready_at=ready_at)
        return
    if failure.retryable and not is_over:
        ready_at = now + timedelta(seconds=failure.retry_after or pause)
        _settle(house, row, "ready", now, code=failure.code, ready_at=ready_at)
        return
    _settle(house, row, "failed", now, code=failure.code)


def _settle(
    house: House, row: Waiting, state: str, now: datetime, *, code: str, ready_at: datetime | None = None
) -> None:
    delivery = Delivery.FAILED if state == "failed" else None
    with house.ledger.write() as book:
        queues.settle_outbox(book, row, state, now=now, code=code, ready_at=ready_at, delivery=delivery)
