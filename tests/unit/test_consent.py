"""No sequence of STOP, START and anything else leaves it unclear who may write to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.consent import (
    EVERY_CLIENT,
    SKEW,
    Candidate,
    CodeMade,
    Coverage,
    Covers,
    End,
    Event,
    MessageClass,
    OptOut,
    Receipt,
    Said,
    Start,
    State,
    Stop,
    after,
    coverage_of_everything,
    coverage_of_sender,
    gate,
    may_be_late,
)

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CLIENTS = (1, 2, 3)
QUESTIONS = [(client, kind) for client in (EVERY_CLIENT, *CLIENTS) for kind in MessageClass]

minutes = st.integers(0, 40).map(lambda m: NOON + timedelta(minutes=m))
some_clients = st.sets(st.sampled_from((EVERY_CLIENT, *CLIENTS)), min_size=1).map(lambda s: tuple(sorted(s)))
coverages = st.builds(Coverage, some_clients, st.sampled_from(Covers), st.sampled_from(Receipt))


@st.composite
def stops(draw: st.DrawFn) -> Stop:
    said, delay = draw(minutes), draw(st.integers(0, 30))
    return Stop(draw(coverages), said_at=said, taken_at=said + timedelta(minutes=delay))


events = st.one_of(stops(), minutes.map(CodeMade), some_clients.map(Start), st.just(Said()))
holders = st.none() | minutes


def run(given_events: list[Event] | tuple[Event, ...], state: State | None = None) -> State:
    state = state or State()
    for event in given_events:
        state = after(state, event).state
    return state


@st.composite
def reached(draw: st.DrawFn) -> State:
    """A state that some events lead to."""
    return run(draw(st.lists(events, max_size=8)), State(holder_since=draw(holders)))


def denied(state: State) -> set[tuple[int, MessageClass]]:
    return {(c, k) for c, k in QUESTIONS if not gate(state.standing, c, k).is_allowed}


def stop(*clients: int, said: int, taken: int | None = None, covers: Covers = Covers.MARKETING) -> Stop:
    coverage = Coverage(clients, covers, Receipt.ONE_CLIENT)
    return Stop(
        coverage, NOON + timedelta(minutes=said), NOON + timedelta(minutes=said if taken is None else taken)
    )


def code(minute: int) -> CodeMade:
    return CodeMade(NOON + timedelta(minutes=minute))


# --- of every state and every event ------------------------------------------------------------------


@given(reached(), events)
def test_every_event_has_one_outcome_in_every_state(state: State, event: Event) -> None:
    assert after(state, event) == after(state, event)
    left = after(state, event).state
    clients = [o.client for o in left.standing]
    assert clients == sorted(set(clients))
    assert left.holder_since == state.holder_since


@given(reached(), events)
def test_only_a_start_whose_code_is_open_allows_anything_that_was_denied(state: State, event: Event) -> None:
    allowed_again = denied(state) - denied(after(state, event).state)
    if allowed_again:
        assert isinstance(event, Start)
        assert state.is_code_open


@given(reached(), events)
def test_only_a_stop_denies_anything_that_was_allowed(state: State, event: Event) -> None:
    if denied(after(state, event).state) - denied(state):
        assert isinstance(event, Stop)


@given(reached(), stops())
def test_a_stop_in_time_denies_all_that_it_covers(state: State, event: Stop) -> None:
    change = after(state, event)
    covered = {
        (client, kind)
        for client, kind in QUESTIONS
        if {client, EVERY_CLIENT} & set(event.coverage.clients) and event.coverage.covers.denies(kind)
    }
    if change.end is End.LATE:
        assert may_be_late(event) or any(at > event.said_at + SKEW for at in state.answered.values())
    answered = {c for c, at in state.answered.items() if at > event.said_at + SKEW}
    if not answered & set(event.coverage.clients):
        assert covered <= denied(change.state)
        assert change.end in (End.DONE, End.AGAIN)


@given(reached(), events)
def test_what_is_carried_out_is_what_the_state_says(state: State, event: Event) -> None:
    """Whoever keeps rows and follows `put` and `lifted` ends with the rows of the new state."""
    change = after(state, event)
    rows = {o.client: o for o in state.standing}
    rows |= {o.client: o for o in change.put}
    kept = {o for c, o in rows.items() if c not in change.lifted}
    assert kept == set(change.state.standing)
    assert not (change.put and change.lifted)
    if change.closes_code:
        assert not change.state.is_code_open


@given(reached(), events)
def test_said_twice_is_said_once(state: State, event: Event) -> None:
    once = after(state, event)
    twice = after(once.state, event)
    assert twice.state == once.state
    assert twice.receipt is None
    assert not twice.put
    assert not twice.lifted


@given(reached(), stops())
def test_a_receipt_is_owed_exactly_when_something_is_newly_stopped_for_this_holder(
    state: State, event: Stop
) -> None:
    change = after(state, event)
    assert (change.receipt is not None) == (change.end is End.DONE)
    if denied(change.state) - denied(state):
        assert change.receipt is not None
    if state.holder_since is None and denied(change.state) == denied(state):
        assert change.receipt is None


@given(reached(), stops())
def test_an_opt_out_is_never_narrowed(state: State, event: Stop) -> None:
    before = {o.client: o.covers for o in state.standing}
    left = {o.client: o.covers for o in after(state, event).state.standing}
    assert before.keys() <= left.keys()
    assert all(left[c] is Covers.ALL for c, covers in before.items() if covers is Covers.ALL)


@given(reached(), st.sampled_from(CLIENTS), st.sampled_from(MessageClass))
def test_the_gate_says_what_the_state_holds_and_since_when(
    state: State, client: int, kind: MessageClass
) -> None:
    reasons = [
        o.since
        for o in state.standing
        if o.client in (client, EVERY_CLIENT)
        and (o.covers is Covers.ALL or kind in (MessageClass.MARKETING, MessageClass.UNCLASSIFIED))
    ]
    answer = gate(state.standing, client, kind)
    assert answer.is_allowed == (not reasons)
    assert answer.since == min(reasons, default=None)


# --- of deliveries in any order and any number -------------------------------------------------------


@given(st.lists(stops(), min_size=1, max_size=4), st.data())
@settings(max_examples=60)
def test_stops_in_any_order_and_any_number_end_alike(said: list[Stop], data: st.DataObject) -> None:
    order = data.draw(st.permutations(said + data.draw(st.lists(st.sampled_from(said)))))
    assert denied(run(order)) == denied(run(said))


@given(st.lists(events, max_size=6), st.data())
def test_a_delivery_that_comes_again_at_once_or_last_changes_no_answer(
    said: list[Event], data: st.DataObject
) -> None:
    """At any place if it is a STOP that came before no START: a second START needs a code of its own."""
    doubled = [one for event in said for one in (event, event)]
    assert run(doubled) == run(said)
    if not any(isinstance(event, Start) for event in said):
        again = data.draw(st.lists(st.sampled_from(said))) if said else []
        assert denied(run([*said, *again])) == denied(run(said))


APART = int(SKEW.total_seconds() // 60) + 1


@pytest.mark.parametrize("covers", list(Covers))
def test_a_stop_that_comes_late_ends_as_if_it_had_come_in_time(covers: Covers) -> None:
    """Of a STOP, a code and its return: wherever the STOP of one moment arrives, the end is the same."""
    asked, returned = code(APART * 2), Start((1,))
    for said, is_stopped in ((0, False), (APART * 3, True), (APART * 2, True), (APART * 2 - 5, True)):
        ends = set()
        for place in range(3):
            if place == 0 and said > 0:
                continue  # taken before the code was made: said, by any clock of ours, before it
            story: list[Event] = [asked, returned]
            story.insert(place, stop(1, said=said, taken=max(said, APART * 4), covers=covers))
            ends.add(bool(denied(run(story))))
        assert ends == {is_stopped}, said


@given(st.lists(stops(), max_size=3), minutes, stops())
@example([], NOON, stop(1, said=0))
def test_a_start_never_lifts_a_stop_said_after_its_code_or_just_before(
    before: list[Stop], asked: datetime, late: Stop
) -> None:
    clients = (EVERY_CLIENT, *CLIENTS)
    is_newer = late.said_at + SKEW >= asked
    between = after(run([*before, CodeMade(asked), late]), Start(clients))
    afterwards = after(run([*before, CodeMade(asked), Start(clients)]), late)
    assert bool(denied(between.state)) == is_newer
    assert bool(denied(afterwards.state)) == is_newer


def test_a_stop_and_a_start_of_the_same_instant_leave_it_stopped() -> None:
    for order in permutations([stop(1, said=0), code(0)]):
        if isinstance(order[0], CodeMade):
            assert denied(run([*order, Start((1,))]))
    assert denied(run([code(0), Start((1,)), stop(1, said=0)]))


def test_a_code_made_after_the_stop_was_taken_lifts_it_however_soon() -> None:
    assert not denied(run([stop(1, said=0), code(0), Start((1,))]))


def test_a_start_without_an_open_code_lifts_nothing() -> None:
    stopped = run([stop(1, said=0)])
    assert after(stopped, Start((1,))).state == stopped
    assert after(stopped, Start((1,))).end is End.NOTHING


def test_a_code_lifts_once() -> None:
    state = run([stop(1, said=0), code(1), Start((1,)), stop(1, said=20), Start((1,))])
    assert denied(state)


def test_a_start_lifts_its_clients_only() -> None:
    state = run([stop(1, said=0), stop(2, said=0), code(1), Start((1,))])
    assert [o.client for o in state.standing] == [2]


def test_stop_of_one_client_outlives_the_stop_all_it_was_said_under() -> None:
    everything = Stop(coverage_of_everything("all"), NOON, NOON)
    for first, second in permutations([everything, stop(1, said=1)]):
        state = run([first, second, code(2), Start((EVERY_CLIENT,))])
        assert denied(state) == {(1, MessageClass.MARKETING), (1, MessageClass.UNCLASSIFIED)}


def test_a_late_stop_of_several_leaves_alone_those_that_were_started_again_and_does_not_name_them() -> None:
    state = run([stop(1, said=0), code(20), Start((1,))])
    coverage = Coverage((1, 2), Covers.MARKETING, Receipt.SHARED_SENDER)
    change = after(state, Stop(coverage, NOON, NOON + timedelta(minutes=30)))
    assert [o.client for o in change.state.standing] == [2]
    assert change.receipt is Receipt.THIS_SENDER


# --- of a number that changed hands ------------------------------------------------------------------


def test_opt_outs_of_whoever_had_the_number_before_hold_and_the_first_stop_of_its_holder_is_confirmed() -> (
    None
):
    state = run([stop(1, said=0)], State(holder_since=NOON + timedelta(minutes=10)))
    assert denied(state)
    first = after(state, stop(1, said=20))
    assert first.receipt is Receipt.ONE_CLIENT
    assert first.put == (OptOut(1, Covers.MARKETING, NOON + timedelta(minutes=20)),)
    assert after(first.state, stop(1, said=30)).end is End.AGAIN


def test_renewing_an_old_holders_opt_out_does_not_narrow_it() -> None:
    state = run([stop(1, said=0, covers=Covers.ALL)], State(holder_since=NOON + timedelta(minutes=10)))
    assert after(state, stop(1, said=20)).put == (OptOut(1, Covers.ALL, NOON + timedelta(minutes=20)),)


# --- of what a STOP covers ---------------------------------------------------------------------------


@given(st.lists(st.builds(Candidate, st.sampled_from(CLIENTS), st.booleans())), st.booleans())
def test_a_receipt_names_no_client_where_one_is_sensitive_unknown_or_not_alone(
    candidates: list[Candidate], is_shared: bool
) -> None:
    coverage = coverage_of_sender(candidates, is_shared=is_shared)
    assert coverage.covers is Covers.MARKETING
    assert set(coverage.clients) == ({c.client for c in candidates} or {EVERY_CLIENT})
    if coverage.receipt is Receipt.ONE_CLIENT:
        assert len(coverage.clients) == 1
        assert not is_shared
        assert not any(c.is_sensitive for c in candidates)
    if not candidates or any(c.is_sensitive for c in candidates):
        assert coverage.receipt is Receipt.THIS_SENDER
