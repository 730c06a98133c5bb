"""Hold the conversations of `flows/` with the whole house and its real model, and write down what both sides said.

The world is `tests.world`: its clients, one clock that stands until a step moves it. What is drawn by chance
(references, codes) is written as if it were always the same, so that a transcript changes only when an answer does.
"""

from __future__ import annotations

import re
import tempfile
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot import nlu_process
from bot.domain.consent import MessageClass, gate
from bot.domain.messages import Kind, Medium, Outgoing, SharedContact
from bot.ledger import clients, consents, people
from bot.ledger import keys as key_files
from bot.ledger.book import Ledger
from bot.ledger.tables import cases, conversations, metadata
from bot.services.contracts import Understanding as Reads
from bot.services.escalate import answer, claim, hand_back
from bot.services.sign_in import create
from bot.services.take_sent import take_sent
from bot.understanding import Understanding
from tests.conftest import Clock
from tests.world import BOT_NUMBER, SHARED_NUMBER, SHOP_NUMBER, World

FLOWS = Path(__file__).parent / "flows"
LANGUAGES = {"pl": "Polish", "en": "English"}
WIDTH = 100
PLACES = {
    # a place of a flow: where one writes, and as whom
    "sms to the shop": {"to": SHOP_NUMBER},
    "sms to the bot": {"to": BOT_NUMBER},
    "sms to the shared number": {"to": SHARED_NUMBER},
    "telegram": {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM},
}
PASSWORD = "nobody signs in with this"
STABLE_REFS = ("K7M2QX4T", "P3WD9RHB", "V8NC5JLE", "T4GY6ZSA")
STABLE = {"code": "47", "wrong": "11", "digits": "482913", "ref": STABLE_REFS[0]}


@dataclass(frozen=True, slots=True)
class Flow:
    """One file: what happens before, what is said in each language, and what must hold afterwards.

    A step is a text, or a table with one of `opens`, `shares`, `presses`, `waits`, `as`, `in`, `staff_says`,
    `staff_leaves`. In a text `{code}` is the two digits told last, `{wrong}` others, `{digits}` the six texted last and
    `{ref}` the reference of the first case.
    """

    name: str
    title: str
    about: str
    place: dict[str, Any]
    given: tuple[dict[str, Any], ...]
    steps: dict[str, tuple[Any, ...]]
    holds: dict[str, Any]
    never: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript. who: `>` the person, `<` the bot, `<<` support, `·` what happens meanwhile."""

    who: str
    text: str


@dataclass(slots=True)
class Played:
    """A flow as it went in one language."""

    flow: Flow
    language: str
    lines: list[Line] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def answers(self) -> list[str]:
        return [line.text for line in self.lines if line.who == "<"]


def flows() -> list[Flow]:
    """All of them, in the order of their numbers."""
    found = [_flow(path) for path in FLOWS.glob("*.toml")]
    return sorted(found, key=lambda flow: int(flow.name[1:]))


@contextmanager
def model() -> Iterator[Reads]:
    """The trained model in its own process."""
    with nlu_process.started(nlu_process.train().model) as running:
        understanding = Understanding(running.url, running.secret, deadline=30)
        try:
            yield understanding
        finally:
            understanding.close()


def play(flow: Flow, language: str, understanding: Reads) -> Played:
    """Hold one flow in one language, in a ledger of its own."""
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.json"
        key_files.create(keys)
        ledger = Ledger(f"sqlite:///{folder}/whosent.db", key_files.read(keys))
        metadata.create_all(ledger.engine)
        try:
            world = World(ledger, Clock(), Path(folder))
            world.house = replace(world.house, understanding=understanding)
            return _Player(world, flow, language).play()
        finally:
            ledger.close()


class _Player:
    """The person with the phone."""

    def __init__(self, world: World, flow: Flow, language: str) -> None:
        self.world = world
        self.place = flow.place
        self.played = Played(flow, language)
        self._staff: int | None = None

    def play(self) -> Played:
        for sent in self.played.flow.given:
            self._sent(**sent)
        for step in self.played.flow.steps[self.played.language]:
            self._step(step)
        self._steady()
        self.played.faults = list(_faults(self.world, self.played))
        return self.played

    def _sent(self, *, client: str, sender: str, days: int = 0, hours: int = 0, minutes: int = 0, **more: Any) -> None:
        ago = timedelta(days=days, hours=hours, minutes=minutes)
        self.world.sent(client, sender, ago=ago, **more)

    def _step(self, step: Any) -> None:
        if isinstance(step, str):
            self._write(step)
            return
        [(verb, what)] = step.items()
        getattr(self, f"_{verb}")(what)

    def _write(self, text: str) -> None:
        self._note(">", _filled(text, STABLE))
        self._hear(self.world.says(_filled(text, self._drawn()), **self.place))

    def _opens(self, _: Any) -> None:
        self._note(">", "/start")
        self._hear(self.world.says("", kind=Kind.START, **self.place))

    def _shares(self, number: str) -> None:
        """A contact card; "somebody's" is not the sender's own."""
        is_own = not number.startswith("somebody's ")
        number = number.removeprefix("somebody's ")
        self._note(">", f"[shares {'their own contact' if is_own else 'a contact of somebody else'}]")
        self._hear(self.world.says("", kind=Kind.CONTACT, shared=SharedContact(number, is_own), **self.place))

    def _presses(self, place: int) -> None:
        label = self.world.phone.arrived[-1].buttons[place - 1][1]
        self._note(">", f"[presses: {label}]")
        self._hear(self.world.presses(place, **self.place))

    def _waits(self, how_long: str) -> None:
        """« 2 days »; the provider's feed goes on meanwhile."""
        count, unit = how_long.split()
        self._note("·", f"{how_long} later")
        self.world.clock.move(timedelta(**{unit: int(count)}))  # type: ignore[attr-defined]
        take_sent(self.world.house.ledger, (), self.world.now)
        if answers := self.world.answers():
            self._hear(answers)

    def _as(self, number: str) -> None:
        self.place = {**self.place, "as_": number}
        self._note("·", f"somebody at {number} writes")

    def _in(self, place: str) -> None:
        self.place = PLACES[place]
        self._note("·", f"on another address: {place}")

    def _staff_says(self, text: str) -> None:
        self._claim()
        self._note("·", "an agent takes the conversation")
        answer(self.world.house, self._conversation(), text, staff=self._agent(), now=self.world.now)
        for said in self.world.answers():
            self._note("<<", said)

    def _staff_leaves(self, _: Any) -> None:
        hand_back(self.world.house, self._conversation(), staff=self._agent(), now=self.world.now)
        self._note("·", "the agent hands the conversation back")

    def _claim(self) -> None:
        claim(self.world.house, self._conversation(), staff=self._agent(), now=self.world.now)

    def _agent(self) -> int:
        if self._staff is None:
            self._staff = create(self.world.house.ledger, "ola", "agent", PASSWORD, now=self.world.now)
        return self._staff

    def _conversation(self) -> int:
        with self.world.house.ledger.read() as book:
            return int(book.scalar(select(conversations.c.id).order_by(conversations.c.id).limit(1)))

    def _hear(self, answers: Sequence[str]) -> None:
        """Where an answer went to another address (a code by SMS to a number), it says so."""
        arrived: list[Outgoing] = self.world.phone.arrived[len(self.world.phone.arrived) - len(answers) :]
        ours = self.place.get("as_", "+48500100200")
        for message in arrived:
            elsewhere = message.address.person != ours
            self._note("<", f"[SMS to {message.address.person}] {message.text}" if elsewhere else message.text)
            for _, label in message.buttons if message.asks_contact else ():
                self._note("·", f"one button: {label}")
        if not arrived:
            self._note("·", "no answer")

    def _drawn(self) -> dict[str, str]:
        """What chance drew so far, as far as a step may need it."""
        code = self._last(r"START (\d\d)\b")
        wrong = STABLE["wrong"] if code != STABLE["wrong"] else "12"
        return {"code": code, "wrong": wrong, "digits": self._last(r"\b\d{6}\b"), "ref": next(iter(self._refs()), "")}

    def _last(self, pattern: str) -> str:
        found = [m for said in self.played.answers for m in re.findall(pattern, said)]
        return str(found[-1]) if found else ""

    def _refs(self) -> list[str]:
        with self.world.house.ledger.read() as book:
            return [str(row["ref"]) for row in book.rows(select(cases.c.ref).order_by(cases.c.id))]

    def _note(self, who: str, text: str) -> None:
        self.played.lines.append(Line(who, text))

    def _steady(self) -> None:
        """Write what chance drew as if it were always the same."""
        refs = dict(zip(self._refs(), STABLE_REFS, strict=False))
        self.played.lines = [
            line if line.who == ">" else replace(line, text=_steadied(line.text, refs))
            for line in self.played.lines
        ]


def _steadied(text: str, refs: dict[str, str]) -> str:
    for ref, stable in refs.items():
        text = text.replace(ref, stable)
    text = re.sub(r"\bSTART \d\d\b", f"START {STABLE['code']}", text)
    return re.sub(r"\b\d{6}\b", STABLE["digits"], text)


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _faults(world: World, played: Played) -> Iterator[str]:
    """What should hold after the flow and does not, in words."""
    said = "\n".join(played.answers)
    for never in played.flow.never:
        if never.casefold() in said.casefold():
            yield f"says {never!r}"
    holds = played.flow.holds
    person = holds.get("person", played.flow.place.get("as_", "+48500100200"))
    with world.house.ledger.read() as book:
        for client in ("shop", "books", "clinic"):
            is_stopped = not _may_write(book, person, client)
            if is_stopped != (client in holds.get("stopped", [])):
                yield f"{client} is {'stopped' if is_stopped else 'not stopped'}"
        topics = sorted(row["topic"] for row in book.rows(select(cases.c.topic)))
        if topics != sorted(holds.get("cases", [])):
            yield f"cases: {topics}"
        owners = {row["owner"] for row in book.rows(select(conversations.c.owner))}
        if owners != {holds.get("owner", "bot")}:
            yield f"owner: {owners}"


def _may_write(book: Any, number: str, client: str) -> bool:
    person, row = people.find(book, number), clients.find(book, client)
    assert row is not None
    standing = [] if person is None else consents.standing(book, person)
    return gate(standing, row, MessageClass.MARKETING).is_allowed


def as_markdown(played: Iterable[Played]) -> str:
    """The document: each flow once, its languages one after the other."""
    by_flow: dict[str, list[Played]] = {}
    for one in played:
        by_flow.setdefault(one.flow.name, []).append(one)
    parts = [_HEAD]
    for languages in by_flow.values():
        flow = languages[0].flow
        parts.append(f"## {flow.name}: {flow.title}\n\n{textwrap.fill(flow.about, 118)}\n")
        parts += [f"{LANGUAGES[one.language]}:\n\n```\n{_shown(one.lines)}\n```\n" for one in languages]
    return "\n".join(parts)


_HEAD = """# Conversations

Each of these was held by running it, with the real language model and the whole house but for a provider:
`python -m tests.conversations --write docs/conversations.md`. A test runs them again and fails where an answer
differs, and where what must hold afterwards does not. The clock stands at Friday, 20 November 2026, 13:00 in Warsaw,
until a line moves it; references and codes are drawn by chance and written here as if they were always the same.

`>` the person · `<` the bot · `<<` support · `·` what happens meanwhile
"""


def _shown(lines: Sequence[Line]) -> str:
    return "\n".join(_wrapped(line) for line in lines)


def _wrapped(line: Line) -> str:
    """Broken at blanks to fit the page; a chat's own line ends stay."""
    indent = " " * (len(line.who) + 1)
    rows = line.text.split("\n")
    wrapped = [textwrap.indent(textwrap.fill(row, WIDTH, break_on_hyphens=False), indent) for row in rows]
    return line.who + " " + "\n".join(wrapped).removeprefix(indent)


def _flow(path: Path) -> Flow:
    source = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = source.keys() - {"title", "about", "place", "as", "given", "pl", "en", "holds", "never"}
    assert not unknown, f"{path.name}: {unknown}"
    place = dict(PLACES[source.get("place", "sms to the shop")])
    if "as" in source:
        place["as_"] = source["as"]
    return Flow(
        name=f"F{int(path.stem[1:])}",
        title=source["title"],
        about=" ".join(source["about"].split()),
        place=place,
        given=tuple(source.get("given", ())),
        steps={language: tuple(source[language]) for language in LANGUAGES},
        holds=source.get("holds", {}),
        never=tuple(source.get("never", ())),
    )
