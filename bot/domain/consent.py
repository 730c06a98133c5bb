"""Decide what STOP and START change and whom they cover: one state machine. Stores nothing, sends nothing.

Nothing but a START whose code came back lifts an opt-out. Of a STOP and a START the later one holds, by the time
the provider gives where it gives one; within `SKEW` of each other the STOP does.

Sources: GDPR 7(3) and 21(2)-(3) (withdrawal and objection need no reasons and take effect at once);
Polish PKE art. 398 (consent is given to one entity for one channel), hence per client.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

SHARED_LOOK_BACK = timedelta(days=30)
SKEW = timedelta(minutes=5)  #: clocks of providers and ours may be that far apart
EVERY_CLIENT = 0  #: the client id under which a STOP ALL is kept


class MessageClass(StrEnum):
    """What the client declares a message to be."""

    MARKETING = "marketing"
    SERVICE = "service"
    CODE = "code"
    UNCLASSIFIED = ""


class Covers(StrEnum):
    """Which classes an opt-out stops."""

    MARKETING = "marketing"  #: marketing and unclassified messages
    ALL = "all"  #: everything

    def denies(self, message_class: MessageClass) -> bool:
        return self is Covers.ALL or message_class in (MessageClass.MARKETING, MessageClass.UNCLASSIFIED)


@dataclass(frozen=True, slots=True)
class OptOut:
    """One opt-out that stands: of one person, from one client or from `EVERY_CLIENT`."""

    client: int
    covers: Covers
    since: datetime


class Receipt(StrEnum):
    """Which words confirm an opt-out."""

    ONE_CLIENT = "one_client"
    THIS_SENDER = "this_sender"  #: a sensitive client is among them, or none is known
    SHARED_SENDER = "shared_sender"
    RECENT_SENDERS = "recent_senders"  #: written to a chat or our own number: whoever wrote lately
    NAMED = "named"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A client that may have written: by its row id, and whether naming it could hurt."""

    client: int
    is_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Coverage:
    """What an opt-out will cover, and how to confirm it."""

    clients: tuple[int, ...]
    covers: Covers
    receipt: Receipt


def coverage_of_sender(candidates: Sequence[Candidate], *, is_shared: bool) -> Coverage:
    """What STOP sent to a number covers.

    candidates: the clients that wrote from it to this person within `SHARED_LOOK_BACK`, or the number's one
        holder. None known: the sender is stopped for every client, the wider reading of an unclear wish.
    is_shared: the number is held by several clients.
    """
    if not candidates:
        return Coverage((EVERY_CLIENT,), Covers.MARKETING, Receipt.THIS_SENDER)
    clients = tuple(sorted({c.client for c in candidates}))
    if any(c.is_sensitive for c in candidates):
        return Coverage(clients, Covers.MARKETING, Receipt.THIS_SENDER)
    receipt = Receipt.SHARED_SENDER if is_shared or len(clients) > 1 else Receipt.ONE_CLIENT
    return Coverage(clients, Covers.MARKETING, receipt)


def coverage_of_everything(stop_all_covers: str) -> Coverage:
    """What STOP ALL covers; `stop_all_covers` is the operator's setting, `all` or `marketing`."""
    return Coverage((EVERY_CLIENT,), Covers(stop_all_covers), Receipt.ALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """The gate's answer. `since` is set when it denies."""

    is_allowed: bool
    since: datetime | None = None


def gate(standing: Iterable[OptOut], client: int, message_class: MessageClass) -> Answer:
    """May this client send this class of message to the person whose opt-outs these are?"""
    denied = [
        o.since for o in standing if o.client in (client, EVERY_CLIENT) and o.covers.denies(message_class)
    ]
    return Answer(False, min(denied)) if denied else Answer(True)


def may_write_first(standing: Iterable[OptOut]) -> bool:
    """May we ourselves write to this person unasked (a reminder, a digest, an agent who begins)?

    Not as long as any opt-out holds: whoever stopped one client through us did not mean to hear more of us.
    """
    return not any(True for _ in standing)


@dataclass(frozen=True, slots=True)
class State:
    """What is known of one number.

    standing: the opt-outs that hold, one a client. asked_at: when the newest START code was made; is_code_open:
    it may still be sent back. answered: by client, when the newest code was made that lifted an opt-out of it.
    holder_since: when the number came to whom it belongs now, None: not known to have changed hands.
    """

    standing: tuple[OptOut, ...] = ()
    asked_at: datetime | None = None
    is_code_open: bool = False
    answered: Mapping[int, datetime] = field(default_factory=dict)
    holder_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The person wants no more. said_at: by the provider's clock where it tells, never after `taken_at`, ours."""

    coverage: Coverage
    said_at: datetime
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class CodeMade:
    """The person asked to start again, and a code to send back was made."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Start:
    """The right code came back, for these clients."""

    clients: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """Anything else, a START without its code included."""


Event = Stop | CodeMade | Start | Said


class End(StrEnum):
    """How an event ended."""

    DONE = "done"  #: something is stopped or lifted that was not
    AGAIN = "again"  #: it was stopped before
    LATE = "late"  #: a STOP that came late: the person has started again since
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Change:
    """What an event changes, for whoever keeps the state to carry out.

    put: the opt-outs to put in place, to widen or to renew. lifted: the clients whose opt-outs end.
    closes_code: an open START code must not lift anything any more. receipt: the words that are owed, if any.
    """

    state: State
    end: End = End.NOTHING
    put: tuple[OptOut, ...] = ()
    lifted: tuple[int, ...] = ()
    closes_code: bool = False
    receipt: Receipt | None = None


def after(state: State, event: Event) -> Change:
    """What an event makes of a state: for every state and every event, and always the same."""
    match event:
        case Stop():
            return _stopped(state, event)
        case Start():
            return _started(state, event)
        case CodeMade():
            if state.asked_at is not None and event.at <= state.asked_at:
                return Change(state)
            return Change(replace(state, asked_at=event.at, is_code_open=True))
        case Said():
            return Change(state)


def may_be_late(stop: Stop) -> bool:
    """Can a START have answered this STOP before it was taken? If not, `State.answered` need not be known."""
    return stop.said_at + SKEW < stop.taken_at


def _stopped(state: State, stop: Stop) -> Change:
    until = stop.said_at + SKEW
    closes_code = state.asked_at is not None and state.asked_at <= until
    left = replace(state, is_code_open=state.is_code_open and not closes_code)
    meant = stop.coverage.clients
    clients = [c for c in meant if c not in state.answered or state.answered[c] <= until]
    if not clients:
        return Change(left, End.LATE, closes_code=closes_code)
    held = {o.client: o for o in state.standing}
    # An opt-out of whoever had the number before holds on, but to its holder now this STOP is the first;
    # a STOP replayed from before the change is not the holder's.
    since = state.holder_since if state.holder_since is not None and stop.taken_at >= state.holder_since else None
    own = {c: o for c, o in held.items() if since is None or o.since >= since}
    covers = stop.coverage.covers
    # Put also what a STOP ALL covers already: a START may lift that one alone.
    put = [c for c in clients if not _is_held(own.get(c), covers)]
    now_held = {c: _with(held.get(c), own.get(c), c, covers, stop.taken_at) for c in put}
    left = replace(left, standing=_in_order({**held, **now_held}))
    new = tuple(now_held.values())
    if all(_is_held(own.get(c), covers) or _is_held(own.get(EVERY_CLIENT), covers) for c in clients):
        return Change(left, End.AGAIN, put=new, closes_code=closes_code)
    # Words such as "all senders of this number" would be untrue of those that were started again.
    is_whole = len(clients) == len(meant)
    receipt = stop.coverage.receipt if is_whole else Receipt.THIS_SENDER
    return Change(left, End.DONE, put=new, closes_code=closes_code, receipt=receipt)


def _started(state: State, start: Start) -> Change:
    if not state.is_code_open or state.asked_at is None:
        return Change(state)
    held = {o.client: o for o in state.standing}
    lifted = tuple(sorted(held.keys() & set(start.clients)))
    left = State(
        standing=_in_order({c: o for c, o in held.items() if c not in lifted}),
        asked_at=state.asked_at,
        answered={**state.answered, **dict.fromkeys(start.clients, state.asked_at)},
        holder_since=state.holder_since,
    )
    return Change(left, End.DONE if lifted else End.NOTHING, lifted=lifted, closes_code=True)


def _is_held(opt_out: OptOut | None, covers: Covers) -> bool:
    return opt_out is not None and (opt_out.covers is Covers.ALL or covers is Covers.MARKETING)


def _with(held: OptOut | None, own: OptOut | None, client: int, covers: Covers, at: datetime) -> OptOut:
    """The opt-out after one more STOP: never narrower; since the first of whoever has the number now."""
    widest = Covers.ALL if held is not None and held.covers is Covers.ALL else covers
    return OptOut(client, widest, at if own is None else own.since)


def _in_order(held: Mapping[int, OptOut]) -> tuple[OptOut, ...]:
    return tuple(held[client] for client in sorted(held))
