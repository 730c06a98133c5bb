"""A small world to talk to the bot in: real ledger, real services, real topics; only the model is scripted."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from actions import TOPICS
from bot import knowledge, texts
from bot.channels.simulator import Simulator
from bot.domain.keywords import load_words
from bot.domain.messages import (
    Address,
    Inbound,
    Kind,
    Medium,
    Origin,
    Outgoing,
    Received,
    SharedContact,
    Taken,
)
from bot.domain.readings import Reading
from bot.ledger.book import Ledger
from bot.services.contracts import House
from bot.services.deliver import deliver
from bot.services.import_files import import_clients, import_senders
from bot.services.receive import receive
from bot.services.respond import reread, respond
from bot.services.send_codes import send_codes
from bot.services.take_sent import take_sent
from bot.settings import MailSettings

DATA = Path(__file__).parent.parent / "data"
TEXTS = texts.load(DATA)
WORDS = load_words(DATA / "keywords.toml")
KNOWLEDGE = knowledge.load(DATA / "knowledge")

SHOP_NUMBER = "+48732000001"
SHARED_NUMBER = "+48732000002"
CLINIC_NUMBER = "+48732000003"
BOT_NUMBER = "+48732000009"
ALA = "+48500100200"

CLIENTS = """\
client_id,legal_name,public_name,website,privacy_email,language,sensitive,contacts
shop,Agrest sp. z o.o.,Agrest Moda,https://agrest.example,rodo@agrest.example,pl,no,phone:+48500100290
books,Stronica S.A.,Stronica,https://stronica.example,rodo@stronica.example,pl,no,
clinic,Przychodnia Jasna,Przychodnia Jasna,https://jasna.example,rodo@jasna.example,pl,yes,
"""
SENDERS = f"""sender,client_id,channel,valid_from,valid_to
{SHOP_NUMBER},shop,sms,,
{SHARED_NUMBER},,sms,,
{CLINIC_NUMBER},clinic,sms,,
AGREST,shop,sms,,
STRONICA,books,sms,,
NOWOSCI,shop,sms,,
NOWOSCI,books,sms,,
JASNA,clinic,sms,,
"""


class Script:
    """A model that knows what it was told, and may be away."""

    def __init__(self, known: Mapping[str, tuple[str, float]]) -> None:
        self.known = dict(known)
        self.is_away = False
        self.seen: list[str] = []
        self.alternatives: tuple[tuple[str, float], ...] = (("who_sent", 0.05), ("opt_out", 0.02))

    def read(self, texts: Sequence[str]) -> list[Reading | None]:
        self.seen += texts
        if self.is_away:
            return [None] * len(texts)
        return [self._reading(text) for text in texts]

    def _reading(self, text: str) -> Reading:
        intent, confidence = self.known.get(text, ("out_of_scope", 0.9))
        return Reading(intent, confidence, ((intent, confidence), *self.alternatives))


class SilentBell:
    def ring(self) -> None:
        pass


@dataclass(slots=True)
class Phone(Simulator):
    """A simulator that keeps what arrived."""

    name: str = "simulator"
    arrived: list[Outgoing] = field(default_factory=list)

    def send(self, message: Outgoing) -> Taken:
        self.arrived.append(message)
        return Taken(f"sim-{message.outbox_id}")


class World:
    """Somebody's phone on one side, the house on the other."""

    def __init__(
        self,
        ledger: Ledger,
        clock: object,
        folder: Path,
        known: Mapping[str, tuple[str, float]] | None = None,
    ) -> None:
        self.clock = clock
        self.model = Script(known or {})
        self.phone = Phone()
        self.channels = {"simulator": self.phone}
        self.mail = MailSettings("", "")
        self.house = House(
            ledger=ledger,
            texts=TEXTS,
            words=WORDS,
            knowledge=KNOWLEDGE,
            understanding=self.model,
            bell=SilentBell(),
            own_addresses=frozenset({BOT_NUMBER}),
            sms_from=Origin("simulator", "demo", BOT_NUMBER),
            ways_to_clients={"webhook": True, "mail": True},
        )
        self._ids = itertools.count(1)
        (folder / "clients.csv").write_text(CLIENTS)
        (folder / "senders.csv").write_text(SENDERS)
        for report in (
            import_clients(ledger, folder / "clients.csv", None, self.now),
            import_senders(ledger, folder / "senders.csv", None, self.now),
        ):
            assert not report.refused, report.refused
        take_sent(ledger, (), self.now)

    @property
    def now(self) -> datetime:
        return self.clock()  # type: ignore[operator,no-any-return]

    def sent(
        self,
        client: str,
        sender: str,
        *,
        to: str = ALA,
        ago: timedelta = timedelta(hours=1),
        message_class: str = "marketing",
        text: str = "",
    ) -> str:
        """A client sent a message through the provider."""
        message_id = f"m{next(self._ids)}"
        at = (self.now - ago).isoformat()
        row = {
            "message_id": message_id, "client_id": client, "sender": sender, "recipient": to, "sent_at": at,
            "channel": "sms", "class": message_class, "text": text,
        }  # fmt: skip
        report = take_sent(self.house.ledger, [row], self.now)
        assert not report.refused, report.refused
        return message_id

    def inbound(
        self, text: str, *, as_: str = ALA, to: str = SHOP_NUMBER, medium: Medium = Medium.SMS, **more: object
    ) -> Inbound:
        address = Address("simulator", "demo", medium, as_, to)
        number = more.pop("provider_id", None) or f"in-{next(self._ids)}"
        return Inbound(
            provider_id=str(number), address=address, kind=more.pop("kind", Kind.TEXT),  # type: ignore[arg-type]
            received_at=self.now, sent_at=self.now, text=text, **more,  # type: ignore[arg-type]
        )  # fmt: skip

    def receive(self, *inbound: Inbound) -> None:
        receive(self.house, Received(inbound=inbound), now=self.now)

    def says(self, text: str, **more: object) -> list[str]:
        """Write to the bot; the texts that arrive in answer."""
        self.receive(self.inbound(text, **more))  # type: ignore[arg-type]
        return self.answers()

    def presses(self, place: int, **more: object) -> list[str]:
        """Press a button of the last message that arrived."""
        token, label = self.phone.arrived[-1].buttons[place - 1]
        return self.says(label, button=token, **more)

    def shares(self, number: str | None, *, is_own: bool = True, **more: object) -> list[str]:
        contact = SharedContact(number, is_own)
        return self.says("", kind=Kind.CONTACT, shared=contact, **more)

    def answers(self) -> list[str]:
        """Let the worker work until nothing is left; the texts that arrived."""
        before = len(self.phone.arrived)
        while respond(self.house, TOPICS, clock=self.clock, limit=8):  # type: ignore[arg-type]
            pass
        while send_codes(self.house, self.mail, now=self.now):
            pass
        while deliver(self.house, self.channels, now=self.now, limit=8):
            pass
        return [m.text for m in self.phone.arrived[before:]]

    def reread(self) -> list[str]:
        reread(self.house, TOPICS, clock=self.clock)  # type: ignore[arg-type]
        return self.answers()
