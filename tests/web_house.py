"""Build a house for tests of the web: the real texts and words, a model that reads nothing. Tests nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bot import knowledge, texts
from bot.domain.keywords import Words
from bot.domain.readings import Reading
from bot.domain.words import load_words
from bot.knowledge import Knowledge
from bot.ledger.book import Ledger
from bot.services.contracts import House
from bot.settings import WebSettings
from bot.texts import Texts

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


@cache
def _read() -> tuple[Texts, Words, Knowledge]:
    read = texts.load(DATA)
    return (
        read,
        load_words(DATA / "keywords.toml"),
        knowledge.load(DATA / "knowledge", read.provider.slots),
    )


def house_of(ledger: Ledger) -> House:
    read, words, known = _read()
    return House(
        ledger=ledger,
        texts=read,
        words=words,
        knowledge=known,
        understanding=Silent(),
        bell=Bell(),
    )
