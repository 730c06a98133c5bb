"""Build a house for tests of the web: the real texts and words, a model that reads nothing. Tests nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot import knowledge, texts
from bot.domain.readings import Reading
from bot.domain.words import load_words
from bot.ledger.book import Ledger
from bot.services.contracts import House
from bot.settings import WebSettings

DATA = Path(__file__).parents[1] / "data"
WEB = WebSettings(public_url="https://bot.example.org", api_tokens=(), simulator=True)


class Silent:
    """A model that is away."""

    def read(self, texts: Sequence[str]) -> list[Reading | None]:
        return [None for _ in texts]


class Bell:
    """Counts how often it was rung."""

    def __init__(self) -> None:
        self.rung = 0

    def ring(self) -> None:
        self.rung += 1


def house_of(ledger: Ledger) -> House:
    read = texts.load(DATA)
    return House(
        ledger=ledger,
        texts=read,
        words=load_words(DATA / "keywords.toml"),
        knowledge=knowledge.load(DATA / "knowledge", read.provider.slots),
        understanding=Silent(),
        bell=Bell(),
    )
