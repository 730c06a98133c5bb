"""Say how long each kind of record is kept. Deletes nothing (services.purge does)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum


class Category(StrEnum):
    """What is kept and, in time, is not."""

    TEXTS = "texts"  #: inbox, outbox and what clients were told, from receipt, writing and settling
    EVIDENCE_TEXTS = "evidence_texts"  #: the words of an opt-out; act, time and digest stay
    TURN_MEMORY = "turn_memory"  #: open question and topic memory, from the last message
    WAITING_STOPS = "waiting_stops"  #: STOPs of chats without a number, from their own end
    CODES = "codes"  #: and the messages that bore them, from the code's own end
    COUNTS = "counts"  #: from the counter's own end
    SENT = "sent"  #: what clients sent, from its sending
    TEMPLATES = "templates"  #: fingerprints, from the last message that bore them
    CLOSED_CASES = "closed_cases"  #: with notes and notices, from closing
    LIFTED_OPT_OUTS = "lifted_opt_outs"  #: from lifting; those that stand stay as long as they hold
    ACTS = "acts"  #: what staff and operators did, certificates of a purge excepted
    CONVERSATIONS = "conversations"  #: the empty shell: address, language, from the last message
    SESSIONS = "sessions"  #: desk sign-ins, from the last click
    REVOKED_TOKENS = "revoked_tokens"  #: from revoking
    PEOPLE = "people"  #: numbers that nothing refers to any more


PERIODS: Mapping[Category, timedelta] = {
    Category.TEXTS: timedelta(days=90),
    Category.EVIDENCE_TEXTS: timedelta(days=90),
    Category.TURN_MEMORY: timedelta(hours=24),
    Category.WAITING_STOPS: timedelta(0),
    Category.CODES: timedelta(minutes=10),
    Category.COUNTS: timedelta(0),
    Category.SENT: timedelta(days=365),
    Category.TEMPLATES: timedelta(days=365),
    Category.CLOSED_CASES: timedelta(days=3 * 365),
    Category.LIFTED_OPT_OUTS: timedelta(days=3 * 365),
    Category.ACTS: timedelta(days=3 * 365),
    Category.CONVERSATIONS: timedelta(days=365),
    Category.SESSIONS: timedelta(hours=24),
    Category.REVOKED_TOKENS: timedelta(days=90),
    Category.PEOPLE: timedelta(0),
}
"""One period each. In the order in which a purge goes: what refers to people before the people."""
