"""Say what services need from outside, so that they import neither a provider nor the model. Does nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.domain.keywords import Words
from bot.domain.language import nearest
from bot.domain.messages import Origin
from bot.domain.readings import Reading
from bot.knowledge import Knowledge
from bot.ledger.book import Book, Ledger
from bot.texts import Texts


class Understanding(Protocol):
    """Reads texts by a model. None for a text that was not read: the model is down, slow or talks nonsense."""

    def read(self, texts: Sequence[str]) -> list[Reading | None]: ...


class Bell(Protocol):
    """Wakes the workers of every process. Losing a ring only costs the polling interval."""

    def ring(self) -> None: ...


@dataclass(frozen=True, slots=True)
class House:
    """What every service is given: the store, the words, and the operator's choices."""

    ledger: Ledger
    texts: Texts
    words: Words
    knowledge: Knowledge
    understanding: Understanding
    bell: Bell
    default_language: str = "pl"
    stop_all_covers: str = "all"
    own_addresses: frozenset[str] = frozenset()
    sms_from: Origin | None = None  #: where codes are texted from; None: only within an SMS conversation
    code_countries: frozenset[str] = frozenset({"PL"})
    ways_to_clients: Mapping[str, bool] | None = None  #: which of `webhook` and `mail` can be sent at all
    public_url: str = ""  #: how clients reach this host, no slash at the end; empty: mails have no link

    def language(self, *wanted: str | None) -> str:
        """A language there are texts in: the first of those wanted that has them or is near one that has, else the
        operator's."""
        offered = self.texts.languages
        for one in wanted:
            if self.texts.has(one):
                return str(one)
            if near := nearest(one, offered):
                return near
        return self.default_language if self.default_language in offered else offered[0]


@dataclass(frozen=True, slots=True)
class Reads:
    """What a topic reads through: the ledger's page of this turn, and what the house knows."""

    book: Book
    house: House
