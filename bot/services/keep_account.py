"""Try a client's own account at its provider and keep it. Refuses the one that the bot itself answers from."""

from __future__ import annotations

from datetime import datetime

from bot.domain.errors import BadInput, NotKnown, SendFailed
from bot.ledger import audit, client_accounts, clients
from bot.ledger.audit import Deed
from bot.ledger.book import Ledger
from bot.services.reach_account import BOTS_OWN, Reach

SHORTEST = 16  #: characters of a token


def keep_account(
    ledger: Ledger, reach: Reach, client_id: str, provider: str, token: str, *, now: datetime
) -> bool:
    """Keep it if it answers; the next comparison puts on its blacklist what stands already.

    Returns whether the provider keeps opt-outs for it. Raises NotKnown for an unknown client, BadInput for a token
    that is none, with which nothing can be read, or which is the bot's own.
    """
    if not (len(token) >= SHORTEST and token.isascii() and token.isprintable() and " " not in token):
        raise BadInput("token", f"{SHORTEST} characters or more, without blanks")
    with ledger.read() as book:
        client = clients.find(book, client_id)
    if client is None:
        raise NotKnown(f"no client {client_id}")
    try:
        with reach.open(token) as lists:
            reach.refuse_bots_own(lists)
            next(iter(lists.blacklist()), None)  # a token may lack the right to it
            has_opt_outs = lists.opt_outs() is not None
    except SendFailed as failure:
        reason = "its blacklist would make the bot mute" if failure.code == BOTS_OWN else "it does not serve"
        raise BadInput("token", f"{reason} ({failure.code})") from failure
    with ledger.write() as book:
        client_accounts.keep(book, client, provider, token, now=now)
        audit.act(book, Deed.ACCOUNT_KEPT, at=now, client=client)
    return has_opt_outs


def forget_account(ledger: Ledger, client_id: str, provider: str, *, now: datetime) -> None:
    """Take it away; what is on its blacklist stays there. Raises NotKnown if there is none."""
    with ledger.write() as book:
        client = clients.find(book, client_id)
        if client is None or not client_accounts.forget(book, client, provider):
            raise NotKnown(f"no account of {client_id} at {provider}")
        audit.act(book, Deed.ACCOUNT_FORGOTTEN, at=now, client=client)
