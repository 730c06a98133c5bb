"""Build the house from its settings; the only file that knows every part. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from actions import TOPICS
from bot import knowledge, texts
from bot.channels.simulator import Simulator
from bot.channels.smsapi import Smsapi
from bot.channels.smsapi_lists import SmsapiLists
from bot.channels.telegram import Telegram
from bot.channels.twilio import Twilio
from bot.domain import errors
from bot.domain.channel import Channel
from bot.domain.keywords import load_words
from bot.egress import Egress
from bot.ledger import keys as key_files
from bot.ledger.book import Ledger
from bot.services import commands
from bot.services.contracts import House, Understanding
from bot.services.reach_account import Reach
from bot.services.respond import Topics
from bot.settings import Settings
from bot.understanding import Understanding as Model
from bot.waking import Bell, bell_for

if TYPE_CHECKING:
    from fastapi import FastAPI


def now() -> datetime:
    """The clock of a real process."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Built:
    """The house and what holds its resources."""

    settings: Settings
    house: House
    channels: Mapping[str, Channel]
    bell: Bell
    topics: Topics = field(default_factory=lambda: TOPICS)
    clock: Callable[[], datetime] = now

    def web(self) -> FastAPI:
        from bot.web import app as web_app  # the worker has no web server in its memory

        settings = self.settings.web
        return web_app.build(
            self.house,
            self.channels,
            settings,
            clock=self.clock,
            readiness=self.readiness,
            simulator=settings.simulator,
        )

    def readiness(self) -> dict[str, bool]:
        """What must answer before traffic is sent here: the store, and nothing else."""
        try:
            with self.house.ledger.read() as book:
                book.run(text("SELECT 1"))
        except SQLAlchemyError:
            return {"database": False}
        return {"database": True}

    def egress(self) -> Egress:
        return Egress(self.settings.egress_allow)

    def reach(self) -> Reach:
        return reach(self.settings)

    def close(self) -> None:
        for channel in self.channels.values():
            channel.close()
        self.bell.close()
        self.house.ledger.close()


def ledger(settings: Settings) -> Ledger:
    """The store alone, for commands that need no more."""
    return Ledger(settings.ledger.url, key_files.read(settings.ledger.keys_file))


def channels(settings: Settings) -> dict[str, Channel]:
    """Every channel whose secrets are set; one without them has no route."""
    built: dict[str, Channel] = {}
    if settings.twilio is not None:
        built["twilio"] = Twilio(settings.twilio)
    if settings.smsapi is not None:
        built["smsapi"] = Smsapi(settings.smsapi)
    if settings.telegram is not None:
        built["telegram"] = Telegram(settings.telegram, _menus(settings))
    if settings.web.simulator:
        built["simulator"] = Simulator()
    return built


def _menus(settings: Settings) -> dict[str, Sequence[tuple[str, str]]]:
    """The commands in each language, the operator's own first."""
    menus = commands.offered(texts.load(settings.data_dir))
    first = settings.default_language
    return dict(sorted(menus.items(), key=lambda menu: menu[0] != first))


def reach(settings: Settings) -> Reach:
    """How clients' own accounts are reached; never the one that the bot answers from."""
    own = settings.smsapi.token if settings.smsapi else ""
    return Reach(partial(SmsapiLists, settings.smsapi_api_url), own)


def ways_to_clients(settings: Settings) -> dict[str, bool]:
    """Which ways of telling clients this house has."""
    return {"webhook": True, "mail": bool(settings.mail.smtp_url)}


def build(settings: Settings, *, understanding: Understanding | None = None) -> Built:
    """Everything a process needs. Raises BadSetting with one line.

    understanding: instead of the model at NLU_URL, for tests and for commands that start their own.
    """
    open_channels = channels(settings)
    try:
        known = knowledge.load(settings.data_dir / "knowledge")
        words = load_words(settings.data_dir / "keywords.toml")
    except (errors.BadInput, OSError, ValueError) as error:
        raise errors.BadSetting(f"{settings.data_dir}: {error}") from None
    bell = bell_for(settings.ledger.url, settings.redis_url)
    own = frozenset(a for c in open_channels.values() for a in c.own_addresses())
    house = House(
        ledger=ledger(settings),
        texts=texts.load(settings.data_dir),
        words=words,
        knowledge=known,
        understanding=understanding or Model(settings.nlu.url, settings.nlu.secret),
        bell=bell,
        default_language=settings.default_language,
        stop_all_covers=settings.stop_all_covers,
        own_addresses=own,
        sms_from=next(filter(None, (c.sms_from() for c in open_channels.values())), None),
        code_countries=settings.code_countries,
        ways_to_clients=ways_to_clients(settings),
        public_url=settings.web.public_url,
    )
    return Built(settings, house, open_channels, bell)
