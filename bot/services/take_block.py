"""Take the provider's word that it carries nothing more to somebody. Sends nothing.

A platform's block (Telegram `kicked`, WhatsApp 63014 and 63033, a blacklist) is a stop of that one address. That the
person told the provider STOP (Twilio 21610) is an opt-out from our sender, confirmed by the provider.
"""

from __future__ import annotations

from datetime import datetime

from bot.ledger import consents, conversations
from bot.ledger.book import Book
from bot.services.contracts import House
from bot.services.opt_out import Cause, take_provider_stop


def take_block(
    house: House,
    book: Book,
    conversation: int,
    *,
    code: str,
    is_opt_out: bool,
    signature: str,
    provider_id: str = "",
    now: datetime,
) -> None:
    """Note a refusal, once: the same block is met by every further message until something is delivered again.

    conversation: its row id. code: the provider's. signature: how its word was vouched for, as in the evidence.
    provider_id: of the message it refused.
    """
    refused = conversations.get(book, conversation, lock=True)
    if refused.platform_blocked_at is not None:
        return
    conversations.mark(book, conversation, platform_blocked_at=now)
    cause = Cause(
        message=None,
        text="",
        rule=f"provider:{code}",
        span=(0, 0),
        signature=signature,
        received_at=now,
        provider_id=provider_id,
    )
    if is_opt_out and refused.person is not None:
        take_provider_stop(house, book, refused, cause=cause, now=now)
        return
    consents.record(
        book,
        consents.Act(
            act="platform_stop",
            person=refused.person,
            conversation=conversation,
            cause=None,
            provider=refused.address.provider,
            scope="channel",
            rule=cause.rule,
            span=cause.span,
            matcher="",
            signature=signature,
            text="",
            clients=(),
            received_at=now,
            effective_at=now,
            address=refused.address,
            provider_id=provider_id,
        ),
    )
