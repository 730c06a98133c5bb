"""Say what an adversarial message must not have done: to the ledger, and in what left the house.

Everything is forbidden but what stands here: the attacker's own messages, the attacker's own conversation
without a level or a person it had not before, and effects on the attacker's own rows that a kind may have.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.conversation import Level
from bot.domain.messages import Outgoing
from bot.ledger.keys import Keys
from tests.adversarial.difference import Change, Row, Tables
from tests.adversarial.messages import ASKS_PROOF, ASKS_START, FILES, HANDED_OVER, MARK, STOP, TRIES_CODE
from tests.adversarial.people import Somebody

INNARDS = ("{", "}", "Traceback", "sqlite", "psycopg", "None", "<", "1337", "SELECT")
"""Never in an answer: slots that were not filled, templates that were, what errors look like."""

UNSEEN = ("Cf", "Cs", "Co", "Cc")
"""Kinds of characters that nobody sees, or that turn a text around."""

TALK = frozenset("asked_enc memory_enc language noticed_at waiting_since last_at version limited_at".split())
STOP_WAITS = frozenset({"stop_waiting_enc", "stop_waiting_until"})


@dataclass(frozen=True, slots=True)
class Whose:
    """The attacker's own rows, by their ids; None: there is none (yet).

    level: of the conversation. counted: what stands for it where look-ups and codes are counted.
    """

    conversation: int | None
    person: int | None
    level: int
    cases: frozenset[int]
    counted: frozenset[bytes]
    is_mute: bool


def whose(after: Tables, attacker: Somebody, keys: Keys, *, is_mute: bool) -> Whose:
    talk: Row = next(
        (
            row
            for row in after["conversations"].values()
            if row["provider"] == attacker.provider
            and json.loads(row["address_enc"]) == {"person": attacker.address, "ours": attacker.ours}
        ),
        {},
    )
    conversation = talk.get("id")
    person = next((r["id"] for r in after["people"].values() if r["number_enc"] == attacker.number), None)
    cases = {
        r["id"]
        for r in after["cases"].values()
        if conversation is not None and r["conversation"] == conversation
    }
    counted = {keys.find(f"{what}\n{conversation}") for what in ("names", "codes_asked")}
    counted.add(keys.find("names\nall"))
    return Whose(conversation, person, talk.get("level", 0), frozenset(cases), frozenset(counted), is_mute)


def forbidden(changes: Iterable[Change], own: Whose, may: frozenset[str]) -> list[str]:
    """The changes that must not be, each told by its table and columns."""
    return [
        f"{change.table}: {'new' if change.is_new else 'gone' if not change.after else sorted(change.columns)}"
        for change in changes
        if not _ALLOWED.get(change.table, _nothing)(change, own, may)
    ]


def disclosed(
    sent: Sequence[Outgoing], attacker: Somebody, canaries: Iterable[str], may: frozenset[str]
) -> list[str]:
    """What left that must not: to somebody else, with a canary in any dress, with the innards of the house.

    A code that is asked for goes to the phone whose number was typed, and is told to nobody else.
    """
    found, secret = [], list(canaries)
    for message in sent:
        code = re.search(r"\b\d{6}\b", message.text)
        if not _is_to(message, attacker):
            secret += [code[0]] if code else []
            if code is None or ASKS_PROOF not in may:
                found.append("an answer to somebody else")
    for message in sent:
        shown = "\n".join((message.text, *(part for button in message.buttons for part in button)))
        bare = _bare(shown)
        untold = secret if _is_to(message, attacker) else canaries
        found += [f"{what} told" for what in (*untold, MARK) if _bare(what) in bare]
        found += [f"{what!r} shown" for what in INNARDS if what in shown]
        found += [f"{hex(ord(c))} sent" for c in shown if unicodedata.category(c) in UNSEEN and c != "\n"]
    return found


def _is_to(message: Outgoing, somebody: Somebody) -> bool:
    to = message.address
    return (to.provider, to.person, to.ours) == (somebody.provider, somebody.address, somebody.ours)


def _bare(text: str) -> str:
    """A text as a reader would join it: no case, no blanks, no marks between digits and letters."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKD", text)).casefold()


def _inbox(change: Change, own: Whose, may: frozenset[str]) -> bool:
    is_left = change.after.get("state") not in ("settled", "recorded")
    return change.is_new and change.after["conversation"] in (own.conversation, None) and not is_left


def _outbox(change: Change, own: Whose, may: frozenset[str]) -> bool:
    if not change.is_new:
        return False
    if change.after["kind"] == "code":
        return ASKS_PROOF in may
    kinds = {"receipt"} if own.is_mute else {"reply", "receipt", "notice"}
    return change.after["conversation"] == own.conversation and change.after["kind"] in kinds


def _conversation(change: Change, own: Whose, may: frozenset[str]) -> bool:
    """What was said last, and nothing of who it is: neither person nor level, address nor who has the word."""
    after = change.after
    if after.get("id") != own.conversation:
        is_for_code = (
            change.is_new and ASKS_PROOF in may and not after["asked_enc"] and after["owner"] == "bot"
        )
        return is_for_code and after["level"] <= Level.ASSERTED
    if change.is_new:
        return after["level"] <= 1 and after["person"] == (own.person if after["level"] else None)
    is_handed_over = HANDED_OVER in may and change.before["owner"] == "bot" and after["owner"] == "waiting"
    allowed = TALK | (STOP_WAITS if STOP in may else set()) | ({"owner"} if is_handed_over else set())
    return change.columns <= allowed


def _person(change: Change, own: Whose, may: frozenset[str]) -> bool:
    return change.is_new and (change.after["id"] == own.person or ASKS_PROOF in may)


def _case(change: Change, own: Whose, may: frozenset[str]) -> bool:
    """A wish for a human and a report of fraud are anybody's, so is what may be a right and waits for a look; a right
    itself only where the kind claims one. Verified is who proved a number, and never by what was written."""
    case = change.after
    if case.get("conversation") != own.conversation or case["person"] not in (None, own.person):
        return False
    if not change.is_new:
        is_claimed = change.before["state"] == "possible" and case["state"] == "open" and FILES in may
        return is_claimed and change.columns <= {"state", "audience", "client", "due_on"}
    if case["is_verified"] and own.level < Level.CONTACT:
        return False
    return FILES in may or case["state"] == "possible" or case["topic"] in ("human", "report_scam", "limited")


def _note(change: Change, own: Whose, may: frozenset[str]) -> bool:
    is_ours = change.is_new and change.after["case_id"] in own.cases
    return is_ours and change.after["author"] in ("person", "bot") and change.after["staff"] is None


def _code(change: Change, own: Whose, may: frozenset[str]) -> bool:
    """One's own are made, closed and tried; none comes true, and none gets a try back."""
    if change.after.get("conversation") != own.conversation:
        return False
    if change.is_new:
        return {"start": ASKS_START, "proof": ASKS_PROOF}.get(change.after["purpose"]) in may
    is_fewer = change.after["tries_left"] < change.before["tries_left"]
    is_tried = is_fewer and change.columns <= {"tries_left", "ready_at"}
    return is_tried and bool(may & {TRIES_CODE, ASKS_START, STOP})


def _count(change: Change, own: Whose, may: frozenset[str]) -> bool:
    is_to_number = ASKS_PROOF in may and change.after.get("what") == "codes_to_number"
    return is_to_number or change.after.get("whom_key") in own.counted


def _evidence(change: Change, own: Whose, may: frozenset[str]) -> bool:
    is_stop = change.is_new and change.after["act"] in ("stop", "repeat")
    return STOP in may and is_stop and change.after["person"] == own.person


def _opt_out(change: Change, own: Whose, may: frozenset[str]) -> bool:
    is_new = change.is_new and change.after["lifted_at"] is None and change.after["covers"] == "marketing"
    return STOP in may and is_new and change.after["person"] == own.person


def _notice(change: Change, own: Whose, may: frozenset[str]) -> bool:
    is_told = change.is_new and change.after["event_type"] == "optout.created"
    return STOP in may and is_told and change.after["person"] == own.person


def _nothing(change: Change, own: Whose, may: frozenset[str]) -> bool:
    return False


_ALLOWED: Mapping[str, Callable[[Change, Whose, frozenset[str]], bool]] = {
    "inbox": _inbox,
    "outbox": _outbox,
    "conversations": _conversation,
    "people": _person,
    "cases": _case,
    "case_notes": _note,
    "codes": _code,
    "counts": _count,
    "evidence": _evidence,
    "opt_outs": _opt_out,
    "notices": _notice,
}
