"""Reach clients' own accounts at their provider, and note how they do. Reads and changes none of their lists."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from bot.domain.client_lists import ClientLists
from bot.domain.errors import SendFailed
from bot.ledger import client_accounts
from bot.ledger.book import Book
from bot.ledger.client_accounts import Account

log = structlog.get_logger()

RESTS = 30.0  #: seconds for which an account that does not answer well is left alone
BOTS_OWN = "the bot's own account"


@dataclass(frozen=True, slots=True)
class Reach:
    """How an account is reached by its token. own_token: what the bot itself answers with; empty: it does not."""

    connect: Callable[[str], ClientLists] = field(repr=False)
    own_token: str = field(default="", repr=False)

    @contextmanager
    def open(self, token: str) -> Iterator[ClientLists]:
        """The lists of an account. Raises SendFailed for the one that the bot answers from.

        A number on that one's blacklist could not be answered any more: a STOP would make the bot mute.
        """
        if hmac.compare_digest(token.encode(), self.own_token.encode()):
            raise SendFailed(BOTS_OWN, alarm=True)
        lists = self.connect(token)
        try:
            yield lists
        finally:
            lists.close()

    def refuse_bots_own(self, lists: ClientLists) -> None:
        """Look whose account it is, since one account may have several tokens. Raises SendFailed."""
        if not self.own_token:
            return
        own = self.connect(self.own_token)
        try:
            login = own.login()
        except SendFailed as failure:  # ours is at fault, not the client's
            raise SendFailed(f"the bot's own: {failure.code}", retryable=True) from failure
        finally:
            own.close()
        if lists.login() == login:
            raise SendFailed(BOTS_OWN, alarm=True)


def went_well(book: Book, account: Account, *, now: datetime) -> None:
    """It did what it was asked to."""
    client_accounts.answered(book, account.id, now=now)


def failed(book: Book, account: Account, failure: SendFailed, *, now: datetime) -> None:
    """It did not: it rests, and if it refuses us altogether somebody must look."""
    code = failure.code
    log.warning("client account failed", client=account.client, code=code, alarm=failure.alarm)
    if failure.alarm:
        client_accounts.refuse(book, account.id, code=code)
    elif failure.retryable:
        until = now + timedelta(seconds=max(RESTS, failure.retry_after or 0))
        client_accounts.rest(book, account.id, code=code, until=until)
