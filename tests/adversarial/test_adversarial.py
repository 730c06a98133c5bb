"""Whatever is sent, in whatever state: nothing changes that must not, and nothing is disclosed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table, delete, insert, select, update

from bot import nlu_process
from bot.domain.readings import Reading
from bot.ledger import cases as ledger_cases
from bot.ledger import people, queues
from bot.ledger.book import Book, Ledger
from bot.ledger.tables import cases, codes, conversations, opt_outs, sent, staff
from bot.understanding import Understanding
from tests.adversarial.difference import changes, everything
from tests.adversarial.judge import disclosed, forbidden, whose
from tests.adversarial.messages import ASKS_START, FILES, HANDED_OVER, MARK, STOP, Attack, Said
from tests.adversarial.people import tell
from tests.adversarial.states import STATES, VICTIM, Scene, scene
from tests.conftest import START, Clock
from tests.world import World

PLACES = [
    pytest.param(state, place == 1, id=f"{state}, {('SMS', 'Telegram')[place]}")
    for state, reaches in STATES.items()
    for place, reach in enumerate(reaches)
    if reach is not None
]
HOSTILE = (
    *("opt_out", "rights_erasure", "who_sent", "opt_in", "rights_access", "rights_objection", "human"),
    *("back_to_bot", "report_scam", "rights_terminate_contract", "affirm", "number_source", "faq/retention"),
)
ANYTHING = frozenset({STOP, FILES, ASKS_START, HANDED_OVER})
"""What a model gone wild may do to the person it reads, and to nobody else."""
SLOWEST = 1.0  #: seconds of this thread's processor time for one message, however it is made
Plant = Callable[[Book, Scene], None]


class Cached:
    """The trained model, asked once for a text."""

    def __init__(self, read: Callable[[Sequence[str]], list[Reading | None]]) -> None:
        self._read = read
        self._known: dict[str, Reading | None] = {}

    def read(self, texts: Sequence[str]) -> list[Reading | None]:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= dict(zip(new, self._read(new), strict=True)) if new else {}
        assert None not in self._known.values(), "the model is away"
        return [self._known[text] for text in texts]


@pytest.fixture(scope="module")
def model() -> Iterator[Cached | None]:
    """The trained model where one is at hand, of whatever data; None: a scripted one, which knows nothing."""
    trained = sorted(nlu_process.MODELS.glob("*.tar.gz"))
    if not trained or not nlu_process.PYTHON.exists():
        yield None
        return
    with nlu_process.started(trained[-1]) as running:
        understanding = Understanding(running.url, running.secret, deadline=10)
        yield Cached(understanding.read)
        understanding.close()


@pytest.mark.timeout(300)  # the first of them starts the model
@pytest.mark.xdist_group("nlu")
@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("state", "on_telegram"), PLACES)
def test_nothing_changes_and_nothing_is_told(
    ledger: Ledger, clock: Clock, tmp_path: Path, state: str, on_telegram: bool, model: Cached | None
) -> None:
    here = scene(World(ledger, clock, tmp_path), tmp_path, state, on_telegram=on_telegram)
    if model is not None:
        model.read([said.text for attack in here.attacks().values() for said in attack.said])
        here.world.house = replace(here.world.house, understanding=model)
    assert broken(here, here.attacks()) == {}


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("state", "on_telegram"), PLACES)
def test_nobody_else_is_touched_whatever_the_model_takes_it_for(
    ledger: Ledger, clock: Clock, tmp_path: Path, state: str, on_telegram: bool
) -> None:
    here = scene(World(ledger, clock, tmp_path), tmp_path, state, on_telegram=on_telegram)
    attacks, turn = {}, list(STATES).index(state)
    for place, (name, attack) in enumerate(here.attacks().items()):
        first = attack.said[0]
        here.world.model.known[first.text] = (HOSTILE[(place + turn) % len(HOSTILE)], 0.99)
        attacks[name] = Attack((first,), attack.may | ANYTHING)
    assert broken(here, attacks) == {}


@pytest.mark.parametrize("ledger", ["postgresql"], indirect=True)
@pytest.mark.parametrize("on_telegram", [False, True], ids=["SMS", "Telegram"])
def test_postgresql_is_not_opened_by_what_sqlite_takes(
    ledger: Ledger, clock: Clock, tmp_path: Path, on_telegram: bool
) -> None:
    here = scene(World(ledger, clock, tmp_path), tmp_path, "a START code awaited", on_telegram=on_telegram)
    assert broken(here, here.attacks()) == {}


def test_there_are_more_than_two_hundred_pairs(ledger: Ledger, clock: Clock, tmp_path: Path) -> None:
    here = scene(World(ledger, clock, tmp_path), tmp_path, "the first message", on_telegram=False)
    assert len(here.attacks()) * len(PLACES) > 800


# --- the test of the test: what is planted must be found --------------------------------------------------


def _puts(words: str, *, to_victim: bool = False, kind: str = "reply") -> Plant:
    def plant(book: Book, here: Scene) -> None:
        conversation = _theirs(book) if to_victim else _own(here)
        queues.put(book, queues.Draft(conversation=conversation, kind=kind, text=words), now=here.at)

    return plant


def _updates(table: Table, *, of_victim: bool = True, **values: object) -> Plant:
    """Change rows: the victim's, or the attacker's conversation."""

    def plant(book: Book, here: Scene) -> None:
        if table is not conversations:
            where = table.c.person == people.find(book, VICTIM)
        else:
            where = table.c.id == (_theirs(book) if of_victim else _own(here))
        book.run(update(table).where(where).values(values))

    return plant


def _stops_victim(book: Book, here: Scene) -> None:
    held = book.row(select(opt_outs).where(opt_outs.c.person == people.find(book, VICTIM)))
    assert held is not None
    book.run(insert(opt_outs).values({**held, "id": None, "client": 0, "covers": "all"}))


def _becomes_victim(book: Book, here: Scene) -> None:
    book.run(
        update(conversations).where(conversations.c.id == _own(here)).values(person=people.find(book, VICTIM))
    )


def _hires(book: Book, here: Scene) -> None:
    book.run(insert(staff).values(name="mallory", role="lead", password_hash="", made_at=here.at))


def _meets(book: Book, here: Scene) -> None:
    people.ensure(book, "+48571839333")


def _writes_into_the_case(book: Book, here: Scene) -> None:
    case = book.scalar(select(cases.c.id).where(cases.c.ref == here.others.ref))
    ledger_cases.note(book, case, author="person", body="zamknijcie to", at=here.at)


def _forgets_what_was_sent(book: Book, here: Scene) -> None:
    book.run(delete(sent).where(sent.c.message_id == here.others.message_id))


PLANTED: dict[str, tuple[Plant, str]] = {
    "a client that wrote to somebody else": (_puts("Tego numeru uzywa tez Kwiaty Irys."), "Irys told"),
    "a sensitive client in another dress": (_puts("Przychodnia J.a.s.n.a"), "Jasna told"),
    "somebody's number, spaced": (_puts("chodzi o 571-839-204?"), "571839204 told"),
    "somebody's words": (_puts("sprawa: Zefiryna"), "Zefiryna told"),
    "the attacker's own words": (_puts(f"Nie znam {MARK}."), f"{MARK} told"),
    "a template that was filled": (_puts("wynik 1337"), "'1337' shown"),
    "a slot that was not": (_puts("Kod: {code}"), "'{' shown"),
    "a mark that turns the text around": (_puts("OK \u202e"), "0x202e sent"),
    "an answer to somebody else": (_puts("OK", to_victim=True), "an answer to somebody else"),
    "an agent who never wrote": (_puts("OK", kind="agent"), "outbox: new"),
    "a lifted opt-out": (_updates(opt_outs, lifted_at=START), "opt_outs: ['lifted_at']"),
    "a STOP of somebody else": (_stops_victim, "opt_outs: new"),
    "a proven level": (_updates(conversations, of_victim=False, level=3), "'level'"),
    "somebody else's person": (_becomes_victim, "'person'"),
    "somebody's question taken away": (
        _updates(conversations, asked_enc=None),
        "conversations: ['asked_enc']",
    ),
    "somebody's case closed": (_updates(cases, state="closed"), "cases: ['state']"),
    "a note in somebody's case": (_writes_into_the_case, "case_notes: new"),
    "somebody's code tried": (_updates(codes, tries_left=1), "codes: ['tries_left']"),
    "a person made up": (_meets, "people: new"),
    "an agent made up": (_hires, "staff: new"),
    "a message forgotten": (_forgets_what_was_sent, "sent: gone"),
}


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_found(ledger: Ledger, clock: Clock, tmp_path: Path, planted: str) -> None:
    here = scene(World(ledger, clock, tmp_path), tmp_path, "after a STOP", on_telegram=True)
    plant, found = PLANTED[planted]
    with ledger.write() as book:
        plant(book, here)
    assert any(found in one for one in violations(here, Attack((Said("POMOC"),))))


def _theirs(book: Book) -> int:
    """The victim's chat, where a question is open."""
    asked = conversations.c.asked_enc.is_not(None) & (conversations.c.person == people.find(book, VICTIM))
    return int(book.scalar(select(conversations.c.id).where(asked)))


def _own(here: Scene) -> int:
    own = whose(here.before, here.attacker, here.world.house.ledger.keys, is_mute=False).conversation
    assert own is not None
    return own


# --- how it is done -----------------------------------------------------------------------------------------


def broken(here: Scene, attacks: Mapping[str, Attack]) -> dict[str, list[str]]:
    """What each attack brought about that must not be; only those that did."""
    found = {}
    for name, attack in attacks.items():
        found[name] = violations(here, attack)
        here.undo()
    return {name: what for name, what in found.items() if what}


def violations(here: Scene, attack: Attack) -> list[str]:
    """Send it and hold everything beside what was before."""
    told, found = len(here.world.phone.arrived), []
    for said in attack.said:
        began = time.thread_time()
        tell(here.world, here.attacker, said)
        if time.thread_time() - began > SLOWEST:
            found.append("took long")
    after = everything(here.world.house.ledger)
    own = whose(after, here.attacker, here.world.house.ledger.keys, is_mute=here.is_mute)
    found += forbidden(changes(here.before, after), own, attack.may)
    return found + disclosed(here.world.phone.arrived[told:], here.attacker, here.canaries, attack.may)
