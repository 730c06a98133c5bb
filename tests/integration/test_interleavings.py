"""From the commit of a STOP on nothing it covers gets out, however many do whatever at once, and whoever crashes.

Several threads carry out a random plan on one person's number; each statement may be held up a little, so that the
threads fall into each other anywhere, or be the last of its transaction. Then a checker goes through what each saw.

    make interleavings                      10 000 runs on each database
    INTERLEAVINGS=1 INTERLEAVINGS_SEED=7    how many, and which ones; 500 without
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from bot.domain.consent import (
    EVERY_CLIENT,
    Answer,
    CodeMade,
    Coverage,
    Covers,
    MessageClass,
    OptOut,
    Receipt,
    Start,
    State,
    Stop,
    after,
    gate,
)
from bot.domain.errors import AlreadySettled
from bot.domain.messages import Inbound, Outgoing, Received, Taken
from bot.ledger import clients, consents, conversations, people, queues, staff
from bot.ledger.book import Ledger
from bot.ledger.conversations import Conversation
from bot.ledger.tables import evidence, inbox, outbox
from bot.services import deliver as deliver_service
from bot.services import escalate, start_again
from bot.services.check_gate import Query, check
from bot.services.deliver import deliver
from bot.services.receive import receive
from tests.conftest import START, Clock
from tests.world import BOT_NUMBER, SHARED_NUMBER, SHOP_NUMBER, World

RUNS = int(os.environ.get("INTERLEAVINGS", "500"))
SEED = int(os.environ.get("INTERLEAVINGS_SEED", str(random.randrange(10**6))))
THREADS = 3
CLIENTS = ("shop", "books", "clinic")
CRASHES_UP_TO = 30  #: statements; more than any transaction here has
HELD_UP = 0.0008  #: seconds at most that a statement is held up


class CrashError(Exception):
    """A process died here."""


@dataclass
class Seen:
    """What one deed was and what it saw. Times are ticks of one counter: of two, the lower was surely first.

    committed: when the commit of its first transaction that wrote began.
    """

    kind: str
    began: int
    ended: int
    committed: int
    what: Any = None


@dataclass
class Pace(threading.local):
    """What becomes of this thread's statements."""

    random: random.Random | None = None
    crash_after: int | None = None
    statements: int = 0
    has_written: bool = False
    first_commit: int | None = None


class Meddler:
    """Holds statements up, crashes transactions, and counts ticks."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.pace = Pace()
        self._ticks = itertools.count(1)

    def tick(self) -> int:
        return next(self._ticks)  # one step of the interpreter: no two threads get the same

    def statement(self, _: Connection, __: Any, statement: str, *___: Any) -> None:
        pace = self.pace
        pace.statements += 1
        pace.has_written = pace.has_written or not statement.startswith(("SELECT", "BEGIN"))
        if pace.crash_after is not None and pace.statements > pace.crash_after:
            raise CrashError
        if pace.random is not None and pace.random.random() < 0.15:
            time.sleep(pace.random.random() * HELD_UP)

    def commit(self, _: Connection) -> None:
        if self.pace.crash_after is not None and self.pace.statements >= self.pace.crash_after:
            raise CrashError
        chance = self.pace.random
        if chance is not None and chance.random() < 0.3:  # between what it read and what others see of it
            time.sleep(chance.random() * 3 * HELD_UP)
        if self.pace.first_commit is None and self.pace.has_written:
            self.pace.first_commit = self.tick()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        event.listen(self.ledger.engine, "before_cursor_execute", self.statement)
        event.listen(self.ledger.engine, "commit", self.commit)
        try:
            yield
        finally:
            event.remove(self.ledger.engine, "before_cursor_execute", self.statement)
            event.remove(self.ledger.engine, "commit", self.commit)

    def deed(self, kind: str, work: Callable[[], Any]) -> Seen:
        self.pace.first_commit = None
        self.pace.statements = 0
        self.pace.has_written = False
        began = self.tick()
        what = work()
        ended = self.tick()
        return Seen(kind, began, ended, self.pace.first_commit or ended, what)


@dataclass
class Post:
    """A channel that takes everything and remembers what."""

    name: str = "simulator"
    taken: list[int] = field(default_factory=list)
    taken_before: tuple[int, ...] = ()

    def send(self, message: Outgoing) -> Taken:
        self.taken.append(int(message.outbox_id))
        return Taken(f"p-{message.outbox_id}")

    def find(self, message: Outgoing, since: datetime) -> Taken | None:
        is_taken = int(message.outbox_id) in (*self.taken_before, *self.taken)
        return Taken(f"p-{message.outbox_id}") if is_taken else None


class Scene:
    """One number, three of our addresses, and whatever is done about it."""

    def __init__(self, world: World, meddler: Meddler, agent: int, number: int) -> None:
        self.world, self.house, self.meddler, self.agent = world, world.house, meddler, agent
        self.ala = f"+4850{number:07}"
        self.post = Post()
        self.seen: list[Seen] = []
        self.faults: list[BaseException] = []
        self.now = START
        with self.house.ledger.write() as book:
            self.person = people.ensure(book, self.ala)
            self.clients: dict[str, int] = clients.ids(book, set(CLIENTS))
            self.chats = {
                ours: conversations.open_for(
                    book,
                    self.inbound("", ours).address,
                    person=self.person,
                    now=START,  # type: ignore[arg-type]
                )
                for ours in (SHOP_NUMBER, SHARED_NUMBER, BOT_NUMBER)
            }

    def inbound(self, text: str, ours: str) -> Inbound:
        return self.world.inbound(text, as_=self.ala, to=ours)

    # -- what may be done --

    def take(self, message: Inbound) -> Callable[[], Inbound]:
        def work() -> Inbound:
            receive(self.house, Received(inbound=(message,)), now=self.now)
            return message

        return work

    def asked(self, *queries: tuple[str, MessageClass]) -> list[tuple[int, MessageClass, Answer]]:
        with self.house.ledger.read() as book:
            found = check(book, [Query(self.ala, client, kind) for client, kind in queries])
        return [
            (self.clients[client], kind, Answer(answer.allowed, answer.since))
            for (client, kind), answer in zip(queries, found, strict=True)
        ]

    def put_unprompted(self, chat: Conversation, kind: str = "unprompted") -> int | None:
        with self.house.ledger.write() as book:
            draft = queues.Draft(conversation=chat.id, kind=kind, text="Dzien dobry")
            return queues.put(book, draft, now=self.now)

    def send(self) -> list[int]:
        """The rows that a worker sent before it was through, or died."""
        post = Post(taken_before=tuple(self.post.taken))
        try:
            deliver(self.house, {"simulator": post}, now=self.now, limit=8)  # type: ignore[dict-item]
        except CrashError:
            if not post.taken:
                raise
        self.post.taken += post.taken
        return post.taken

    def agent_claims(self, chat: Conversation) -> int | None:
        """An agent takes the conversation and answers; gives back the answer's row."""
        try:
            escalate.claim(self.house, chat.id, staff=self.agent, now=self.now)
            escalate.answer(self.house, chat.id, "Tu Ola", staff=self.agent, now=self.now)
        except AlreadySettled:
            pass
        return None

    # -- a plan --

    def plan(self, chance: random.Random) -> list[tuple[str, Callable[[], Any]]]:
        """The deeds of a run; a STOP is delivered twice now and then, by two threads."""
        chats = list(self.chats.values())
        deeds: list[tuple[str, Callable[[], Any]]] = []
        for _ in range(chance.randint(1, 2)):
            text, ours = chance.choice(
                [
                    ("STOP", SHOP_NUMBER),
                    ("STOP", SHARED_NUMBER),
                    ("STOP ALL", BOT_NUMBER),
                    ("STOP STRONICA", BOT_NUMBER),
                ]
            )
            message = self.inbound(text, ours)
            deeds += [("stop", self.take(message))] * chance.choice([1, 1, 2])
        everything = [(client, kind) for client in CLIENTS for kind in MessageClass]
        pool: list[tuple[str, Callable[[], Any]]] = [
            ("gate", lambda: self.asked(chance.choice(everything))),
            ("gate", lambda: self.asked(*everything)),
            ("put", lambda: self.put_unprompted(chats[0])),
            ("put", lambda: self.put_unprompted(chats[2])),
            ("send", self.send),
            ("send", self.send),
            ("claim", lambda: self.agent_claims(chats[1])),
        ]
        deeds += [chance.choice(pool) for _ in range(chance.randint(5, 7))]
        if chance.random() < 0.35:
            deeds.append(("start", self.starter(chance.choice(chats))))
        chance.shuffle(deeds)
        return deeds

    def starter(self, chat: Conversation) -> Callable[[], Any]:
        """Ask for a code and send it back: two transactions, between which anything may happen."""
        message: list[Inbound] = []

        def work() -> Inbound | None:
            if not message:
                with self.house.ledger.write() as book:
                    code = start_again.make_code(
                        book, conversations.get(book, chat.id, lock=True), now=self.now
                    )
                message.append(self.inbound(f"START {code}", chat.address.ours))
            receive(self.house, Received(inbound=(message[0],)), now=self.now)
            return message[0]

        return work

    # -- and how it is run --

    def run(self, seed: int) -> None:
        chance = random.Random(seed)
        deeds = self.plan(chance)
        shares = [deeds[n::THREADS] for n in range(THREADS)]
        seeds = [chance.random() for _ in shares]
        begin = threading.Barrier(THREADS)
        threads = [
            threading.Thread(target=self._work, args=(share, random.Random(s), begin))
            for share, s in zip(shares, seeds, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        if self.faults:
            raise self.faults[0]
        for moment in (
            self.now,
            self.now + queues.LEASE + timedelta(seconds=1),
        ):  # what a dead worker held, too
            while deliver(self.house, {"simulator": self.post}, now=moment, limit=8):  # type: ignore[dict-item]
                pass

    def _work(
        self, deeds: list[tuple[str, Callable[[], Any]]], chance: random.Random, begin: threading.Barrier
    ) -> None:
        pace = self.meddler.pace
        pace.random = chance
        try:
            begin.wait(30)
            for kind, work in deeds:
                if kind != "gate" and chance.random() < 0.25:
                    pace.crash_after = chance.randrange(CRASHES_UP_TO)
                try:
                    self.seen.append(self.meddler.deed(kind, work))
                except CrashError:  # whoever delivers it delivers it again; a worker comes back
                    pace.crash_after = None
                    self.seen.append(self.meddler.deed(kind, work))
                pace.crash_after = None
        except BaseException as fault:
            self.faults.append(fault)
        finally:
            pace.random = pace.crash_after = None


# --- the checker -------------------------------------------------------------------------------------


def check_scene(scene: Scene) -> None:
    """Raise AssertionError if anything got out that a STOP covers, or a receipt is missing or one too many."""
    with scene.house.ledger.read() as book:
        acts = book.rows(select(evidence).where(evidence.c.person == scene.person).order_by(evidence.c.id))
        rows = book.rows(
            select(outbox).where(outbox.c.conversation.in_([c.id for c in scene.chats.values()]))
        )
        causes = [act["cause"] for act in acts]
        messages = book.rows(select(inbox.c.id, inbox.c.provider_id).where(inbox.c.id.in_(causes)))
        ids = {row["id"]: row["provider_id"] for row in messages}
        standing = consents.standing(book, scene.person)
    by_id = {row["id"]: row for row in rows}
    covered = {
        ids[a["cause"]]: _opt_outs(a["clients"], a["scope"]) for a in acts if a["act"] in ("stop", "repeat")
    }
    deliveries: dict[str, list[Seen]] = {}
    for seen in scene.seen:
        if seen.kind == "stop":
            deliveries.setdefault(seen.what.provider_id, []).append(seen)
    starts = [s for s in scene.seen if s.kind == "start"]
    for provider_id, delivered in deliveries.items():
        opt_outs = covered[provider_id]
        # Of one message only the first delivery stops anything: by the time that any of them is over it has.
        stop_began, stop_ended = min(s.began for s in delivered), min(s.ended for s in delivered)
        for seen in scene.seen:
            began = seen.began if seen.kind == "gate" else seen.committed
            if began < stop_ended or any(s.ended > stop_began and s.began < seen.ended for s in starts):
                continue
            if seen.kind == "gate":
                for client, kind, answer in seen.what:
                    must_deny = not gate(opt_outs, client, kind).is_allowed
                    assert not (must_deny and answer.is_allowed), f"the gate let {kind!r} of {client} out"
            if seen.kind == "send":
                out = [n for n in seen.what if n in by_id and by_id[n]["kind"] == "unprompted"]
                assert not out, "something unprompted was claimed after a STOP"
    _check_replay(acts, standing)
    _check_receipts(acts, rows, delivered=set(deliveries))
    answers = [row["state"] for row in rows if row["kind"] == "agent"]
    assert set(answers) <= {"sent"}, "an agent's answer was held back"
    assert all(count == 1 for count in Counter(scene.post.taken).values()), "something was sent twice"


def _opt_outs(covered: str, scope: str) -> list[OptOut]:
    covers = Covers.ALL if scope == "all" else Covers.MARKETING
    return [OptOut(int(client), covers, START) for client in covered.split(",") if client]


def _check_replay(acts: Any, standing: list[OptOut]) -> None:
    """The state machine, given what was recorded in its order, ends where the ledger stands."""
    state = State()
    for place, act in enumerate(acts):
        at = START + timedelta(hours=place)
        covered = tuple(int(client) for client in act["clients"].split(",") if client)
        if act["act"] == "start":
            state = after(after(state, CodeMade(at)).state, Start(covered)).state
            continue
        covers = Covers.ALL if act["scope"] == "all" else Covers.MARKETING
        asked = [(client, kind) for client in covered for kind in MessageClass if covers.denies(kind)]
        is_news = any(gate(state.standing, client, kind).is_allowed for client, kind in asked)
        assert act["act"] == ("stop" if is_news else "repeat"), "an opt-out was confirmed twice or never"
        state = after(state, Stop(Coverage(covered, covers, Receipt.NAMED), at, at)).state
    assert {(o.client, o.covers) for o in state.standing} == {(o.client, o.covers) for o in standing}


def _check_receipts(acts: Any, rows: Any, *, delivered: set[str]) -> None:
    receipts = [row["id"] for row in rows if row["kind"] == "receipt"]
    assert [a["receipt"] for a in acts if a["act"] == "stop"] == sorted(receipts)
    assert all(a["receipt"] is None for a in acts if a["act"] != "stop")
    assert {row["state"] for row in rows if row["kind"] == "receipt"} <= {"sent"}
    taken = [a for a in acts if a["act"] in ("stop", "repeat")]
    assert len(taken) == len(delivered), "a STOP is missing, or counted twice"


# --- the runs ----------------------------------------------------------------------------------------

_numbers = itertools.count(1)


@dataclass
class Stage:
    """A world that many scenes are played in."""

    world: World
    meddler: Meddler
    agent: int

    def play(self, seed: int) -> Scene:
        scene = Scene(self.world, self.meddler, self.agent, next(_numbers))
        with self.meddler.at_work():
            scene.run(seed)
        check_scene(scene)
        return scene

    def play_all(self, runs: int) -> Counter[str]:
        """How often each deed was done. Raises whatever is found, after the seed of the run."""
        kinds: Counter[str] = Counter()
        for seed in range(SEED, SEED + runs):
            try:
                kinds.update(seen.kind for seen in self.play(seed).seen)
            except BaseException:
                print(f"INTERLEAVINGS=1 INTERLEAVINGS_SEED={seed}")
                raise
        return kinds


@pytest.fixture
def stage(ledger: Ledger, clock: Clock, tmp_path: Path) -> Stage:
    world = World(ledger, clock, tmp_path)
    with ledger.write() as book:
        agent = staff.add(book, name="ola", role="agent", password_hash="x", now=START)
    return Stage(world, Meddler(ledger), agent)


@pytest.mark.timeout(max(120, RUNS))
def test_no_interleaving_lets_out_what_a_stop_covers(stage: Stage) -> None:
    kinds = stage.play_all(RUNS)
    print(f"{RUNS} runs on {stage.world.house.ledger.dialect}, seed {SEED}: {dict(kinds)}")
    assert RUNS < 50 or min(kinds[k] for k in ("stop", "start", "gate", "put", "send", "claim")) > 0


def _no_second_check(*_: Any) -> None:
    return None


def test_without_the_second_check_the_same_runs_fail(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the runs would prove nothing."""
    monkeypatch.setattr(deliver_service, "_refusal", _no_second_check)
    with pytest.raises(AssertionError, match="unprompted was claimed"):
        stage.play_all(500)


def test_a_gate_that_remembers_what_stood_before_fails_them_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.services.check_gate.gate.standing_of", lambda book, numbers: {})
    with pytest.raises(AssertionError, match="the gate let"):
        stage.play_all(500)


# --- a crash at every statement ----------------------------------------------------------------------


def _stands(scene: Scene) -> tuple[list[OptOut], int, int]:
    """What stands, and how many acts and outbox rows there are."""
    with scene.house.ledger.read() as book:
        acts = book.rows(select(evidence.c.id).where(evidence.c.person == scene.person))
        chats = [c.id for c in scene.chats.values()]
        rows = book.rows(select(outbox.c.id).where(outbox.c.conversation.in_(chats)))
        return consents.standing(book, scene.person), len(acts), len(rows)


@pytest.mark.parametrize("what", ["stop", "repeat", "stop all", "start"])
def test_a_crash_at_any_statement_leaves_all_as_it_was_and_the_next_delivery_does_it_once(
    what: str, stage: Stage
) -> None:
    scene = Scene(stage.world, stage.meddler, stage.agent, next(_numbers))
    if what in ("repeat", "start"):
        scene.take(scene.inbound("STOP", SHOP_NUMBER))()
    text, ours = {"stop all": ("STOP ALL", BOT_NUMBER)}.get(what, ("STOP", SHOP_NUMBER))
    if what == "start":
        with scene.house.ledger.write() as book:
            code = start_again.make_code(book, scene.chats[SHOP_NUMBER], now=scene.now)
        text = f"START {code}"
    message = scene.inbound(text, ours)
    before = _stands(scene)
    pace = stage.meddler.pace
    crashes = 0
    with stage.meddler.at_work():
        for place in itertools.count():
            pace.statements, pace.crash_after = 0, place
            try:
                scene.take(message)()
            except CrashError:
                crashes += 1
                pace.crash_after = None
                assert _stands(scene) == before, f"a crash at statement {place} left something"
                continue
            break
    pace.crash_after = None
    assert crashes >= 6
    done = _stands(scene)
    scene.take(message)()
    assert _stands(scene) == done
    standing, acts, rows = done
    assert acts == before[1] + 1
    assert rows == before[2] + (what in ("stop", "stop all"))
    assert [o.client for o in standing] == {"start": [], "stop all": [EVERY_CLIENT]}.get(
        what, [scene.clients["shop"]]
    )


# --- what is never covered ---------------------------------------------------------------------------


def test_an_agents_answer_reaches_the_person_after_any_stop(stage: Stage) -> None:
    """It answers what they wrote: they are owed it, whatever they stopped."""
    scene = Scene(stage.world, stage.meddler, stage.agent, next(_numbers))
    scene.take(scene.inbound("STOP ALL", BOT_NUMBER))()
    scene.agent_claims(scene.chats[BOT_NUMBER])
    first = scene.put_unprompted(scene.chats[SHOP_NUMBER])
    while scene.send():
        pass
    with scene.house.ledger.read() as book:
        ends = {r["kind"]: (r["id"], r["state"]) for r in book.rows(select(outbox))}
    assert ends["agent"][1] == ends["receipt"][1] == "sent"
    assert ends["agent"][0] in scene.post.taken
    assert ends["unprompted"] == (first, "cancelled")


def test_a_claim_that_has_looked_and_not_yet_committed_keeps_a_stop_waiting(stage: Stage) -> None:
    """Else what it found no opt-out for would be claimed after the STOP's commit."""
    scene = Scene(stage.world, stage.meddler, stage.agent, next(_numbers))
    row = scene.put_unprompted(scene.chats[BOT_NUMBER])
    has_looked, is_stopped = threading.Event(), threading.Event()
    was_stopped: list[bool] = []

    def before_commit(_: Connection) -> None:
        if stage.meddler.pace.has_written and threading.current_thread().name == "worker" and not was_stopped:
            has_looked.set()
            was_stopped.append(is_stopped.wait(0.5))

    worker = threading.Thread(target=scene.send, name="worker")
    with stage.meddler.at_work():
        event.listen(scene.house.ledger.engine, "commit", before_commit)
        try:
            worker.start()
            assert has_looked.wait(30)
            scene.take(scene.inbound("STOP", SHOP_NUMBER))()
            is_stopped.set()
            worker.join(30)
        finally:
            event.remove(scene.house.ledger.engine, "commit", before_commit)
    assert was_stopped == [False], "the STOP was committed between a claim's look and its commit"
    assert scene.post.taken == [row]


# --- who waits for whom ------------------------------------------------------------------------------


def test_two_first_stops_of_one_person_at_two_addresses_do_not_wait_for_each_other(stage: Stage) -> None:
    """Each writes a conversation that refers to the person, and only then takes the person."""
    for _ in range(5):
        number = f"+4851{next(_numbers):07}"
        both = threading.Barrier(2)
        with stage.world.house.ledger.write() as book:
            people.ensure(book, number)

        def stop(ours: str, number: str = number, both: threading.Barrier = both) -> None:
            message = stage.world.inbound("STOP", as_=number, to=ours)
            both.wait(30)
            receive(stage.world.house, Received(inbound=(message,)), now=START)

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(stop, ours) for ours in (SHOP_NUMBER, BOT_NUMBER)]:
                done.result(60)
