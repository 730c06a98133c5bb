"""States of a conversation, each reached by writing, beside the conversations of somebody else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bot.ledger import cases, conversations
from bot.ledger.tables import conversations as table
from bot.services.erase import erase
from bot.services.escalate import claim
from bot.services.import_files import import_clients, import_senders
from bot.services.sign_in import create
from tests.adversarial.difference import Tables, copied, everything, put_back
from tests.adversarial.messages import ASKS_PROOF, TRIES_CODE, Attack, Others, kinds
from tests.adversarial.people import OnSms, OnTelegram, Somebody, share, tell
from tests.world import BOT_NUMBER, CLINIC_NUMBER, SHARED_NUMBER, SHOP_NUMBER, World

ATTACKER = "+48500100200"
VICTIM = "+48571839204"
CHAT, VICTIMS_CHAT = 5550001, 5550002
WORDS = "Zefiryna Kwazarowska prosi o kopie danych"
CLIENTS = (
    "client_id,legal_name,public_name,website,privacy_email,language,sensitive,contacts\n"
    "florist,Irys sp. j.,Kwiaty Irys,https://irys.example,iod@irys.example,pl,no,\n"
)
SENDERS = "sender,client_id,channel,valid_from,valid_to\nKWIATKI77,florist,sms,,\nKWIATKI99,florist,sms,,\n"
READ_AS = {
    "chyba dosyc juz tych smsow": ("opt_out", 0.75),
    "cos z tymi danymi jakby": ("rights_access", 0.5),
    "chce dostac kopie swoich danych": ("rights_access", 0.95),
    WORDS: ("rights_access", 0.95),
}


Reach = Callable[[World, Somebody], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """Where it happens, and how the ledger was then (`at`): opened to be compared, and as it lay there.

    canaries: what no answer to the attacker may hold. is_mute: a human has the word. may: what the state adds to
    what a kind may do.
    """

    world: World
    attacker: Somebody
    others: Others
    canaries: tuple[str, ...]
    is_mute: bool
    may: frozenset[str]
    before: Tables
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    at: datetime

    def attacks(self) -> dict[str, Attack]:
        """Every kind that can be sent from here."""
        can_all = isinstance(self.attacker, OnTelegram)
        sent = {name: one for name, one in kinds(self.others).items() if can_all or not one.is_telegrams}
        return {name: Attack(one.said, one.may | self.may) for name, one in sent.items()}

    def undo(self) -> None:
        """Make everything what it was when the state was reached."""
        put_back(self.world.house.ledger, self.rows)
        self.world.clock.now = self.at  # type: ignore[attr-defined]


def _says(*texts: str) -> Callable[[World, Somebody], None]:
    def reach(world: World, who: Somebody) -> None:
        for text in texts:
            assert tell(world, who, text), text

    return reach


def _known(*texts: str) -> Callable[[World, Somebody], None]:
    def reach(world: World, who: Somebody) -> None:
        assert isinstance(who, OnTelegram)
        share(world, who)
        _says(*texts)(world, who)

    return reach


def _asks_who_else(world: World, who: Somebody) -> None:
    """What needs a proven number is asked for; the option has its digit among the others."""
    answered = " ".join(tell(world, who, "KTO"))
    place = re.search(r"(\d)(?:=|\. )kto (?:jeszcze )?pisa", answered)
    assert place is not None, answered
    assert tell(world, who, place[1])


def _awaits_code(number: str) -> Reach:
    def reach(world: World, who: Somebody) -> None:
        _asks_who_else(world, who)
        if isinstance(who, OnTelegram):
            tell(world, who, number)
        assert re.search(r"\d{6}", world.phone.arrived[-1].text), "the code is texted to that number"
        assert world.phone.arrived[-1].address.person == number

    return reach


def _proven(world: World, who: Somebody) -> None:
    _awaits_code(ATTACKER)(world, who)
    code = re.search(r"\d{6}", world.phone.arrived[-1].text)
    assert code is not None
    assert tell(world, who, code[0])


def _claimed(world: World, who: Somebody) -> None:
    tell(world, who, "CZLOWIEK")
    agent = create(world.house.ledger, "bonifacy", "agent", "a long enough passphrase", now=world.now)
    with world.house.ledger.read() as book:
        newest = book.scalar(select(table.c.id).where(table.c.owner == "waiting"))
    claim(world.house, newest, staff=agent, now=world.now)


def _erased(world: World, who: Somebody) -> None:
    if isinstance(who, OnTelegram):
        share(world, who)
    tell(world, who, "STOP")
    erase(world.house.ledger, who.number, world.now)


STATES: Mapping[str, tuple[Reach | None, Reach | None]] = {
    # for SMS, for Telegram
    "the first message": (_says(), _says()),
    "a question with numbered answers": (_says("KTO"), _known("STOP", "POMOC")),
    "a question for yes or no": (_says("chyba dosyc juz tych smsow"), _known("chyba dosyc juz tych smsow")),
    "did you mean": (_says("cos z tymi danymi jakby"), _says("cos z tymi danymi jakby")),
    "a question for a name": (_says("KTO"), _says("KTO")),
    "in the middle of a request": (
        _says("chce dostac kopie swoich danych"),
        _known("chce dostac kopie swoich danych"),
    ),
    "a START code awaited": (_says("STOP", "START"), _known("STOP", "START")),
    "after a STOP": (_says("STOP"), _known("STOP")),
    "after STOP ALL": (_says("STOP ALL"), _known("STOP ALL")),
    "a STOP that waits for a number": (None, _says("STOP", "STOP STRONICA")),
    "a number asked for": (None, _asks_who_else),
    "a code awaited": (_awaits_code(ATTACKER), _awaits_code(ATTACKER)),
    "a code awaited that somebody else got": (None, _awaits_code(VICTIM)),
    "a number proven": (_proven, _proven),
    "asked whether to erase": (None, _says("/mydata")),
    "handed over": (_says("CZLOWIEK"), _says("CZLOWIEK")),
    "claimed by a human": (_claimed, _claimed),
    "after an erasure": (_erased, _erased),
}
NOTHING_SENT = "a question for a name"  #: asked where no message came from
PROVES = (
    "a STOP that waits for a number",
    "a number asked for",
    "a code awaited",
    "a code awaited that somebody else got",
    "a number proven",
)
"""States in which a number that is typed gets a code, and digits are tries."""
MUTE = ("handed over", "claimed by a human")


def scene(
    world: World,
    folder: Path,
    state: str,
    *,
    on_telegram: bool,
    beside: Callable[[World], None] = lambda _: None,
) -> Scene:
    """Bring everything about: what was sent, the victim's conversations, `beside`, then the attacker's state."""
    world.channels = dict.fromkeys(("smsapi", "telegram", "simulator"), world.phone)
    world.model.known |= READ_AS
    _import_florist(world, folder)
    for client, sender in (("shop", SHOP_NUMBER), ("books", SHARED_NUMBER), ("clinic", CLINIC_NUMBER)):
        world.sent(client, sender, to=ATTACKER)
    message_id = world.sent("florist", "KWIATKI77", to=VICTIM)
    world.sent("shop", SHOP_NUMBER, to=VICTIM)
    ref = _victim(world)
    beside(world)
    attacker: Somebody = OnTelegram(CHAT, number=ATTACKER)
    if not on_telegram:
        attacker = OnSms(ATTACKER, to=BOT_NUMBER if state == NOTHING_SENT else SHOP_NUMBER)
    reach = STATES[state][int(on_telegram)]
    assert reach is not None
    reach(world, attacker)
    canaries = (
        *(VICTIM[1:], VICTIM[3:], *_parts(VICTIM[3:])),
        *("Irys", "irys.example", "KWIATKI77", "Jasna", "jasna.example", "Zefiryna", "bonifacy"),
        ref,
    )
    others, ledger = Others(VICTIM, ref, message_id), world.house.ledger
    before, rows = everything(ledger), copied(ledger)
    may = frozenset({ASKS_PROOF, TRIES_CODE} if state in PROVES else ())
    return Scene(world, attacker, others, canaries, state in MUTE, may, before, rows, world.now)


def _parts(digits: str) -> tuple[str, ...]:
    """A number as people write it."""
    return tuple(mark.join((digits[:3], digits[3:6], digits[6:])) for mark in " -")


def _victim(world: World) -> str:
    """Somebody with a STOP, an open START code, a case, an open question, and a chat; the reference."""
    phone, chat = OnSms(VICTIM), OnTelegram(VICTIMS_CHAT, number=VICTIM)
    share(world, chat)
    tell(world, chat, WORDS)
    tell(world, phone, "STOP")
    assert any("START " in text for text in tell(world, phone, "START"))
    with world.house.ledger.read() as book:
        (case,) = cases.listed(book)
        assert any(conversations.get(book, c).asked for c in book.run(select(table.c.id)).scalars())
    world.clock.move(timedelta(minutes=1))  # type: ignore[attr-defined]
    return case.ref


def _import_florist(world: World, folder: Path) -> None:
    """A client that wrote to the victim alone."""
    (folder / "florist.csv").write_text(CLIENTS)
    (folder / "florists.csv").write_text(SENDERS)
    ledger = world.house.ledger
    assert not import_clients(ledger, folder / "florist.csv", None, world.now).refused
    assert not import_senders(ledger, folder / "florists.csv", None, world.now).refused
