"""Turn a reply key into what a person reads. Chooses no reply and sends none.

`data/replies/<language>.toml` holds every text: a plain string serves both forms, a table
`{chat = "…", sms = "…"}` gives SMS a shorter one. SMS are folded to GSM-7 where the language has Latin
letters: Polish diacritics would turn 160 characters into 70. Whoever writes Ukrainian in Latin letters gets the
Ukrainian SMS in them.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bot.domain import latin_ukrainian
from bot.domain.errors import BadSetting, NotKnown
from bot.domain.messages import Medium
from bot.domain.segments import to_gsm7

ZONE = ZoneInfo("Europe/Warsaw")
SMS_PARTS = 2
WIDEST: Mapping[str, str] = {
    "client": "W" * 30,
    "names": "W" * 60,
    "domain": "w" * 26,
    "ref": "W" * 8,
    "due": "28.12.2026",
    "at": "28.12.2026 23:59",
    "sender": "W" * 11,
    "when": "31.12 18:00-01.01 06:00",
    "code": "47",
    "digits": "482913",
    "hours": "W" * 20,
    "count": "10",
    "many": "99999",
    "since": "28.12.2026",
    "page": "w" * 26 + "/privacy",
}
"""The widest value of each slot a text may have (DESIGN, invariant 12). A slot not listed fails the tests."""

_CYRILLIC = re.compile("[Ѐ-ӿ]")


@dataclass(frozen=True, slots=True)
class Provider:
    """What stands in `data/provider.toml`: what texts say about the provider."""

    brand: str
    slots: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Text:
    chat: str
    sms: str


class Texts:
    """Every text in every language offered."""

    def __init__(self, texts: Mapping[str, Mapping[str, _Text]], provider: Provider) -> None:
        self.languages = tuple(texts)
        self.provider = provider
        self._texts = dict(texts)
        if "uk" in texts:
            self._texts[latin_ukrainian.TAG] = {
                key: _Text(text.chat, latin_ukrainian.romanized(text.sms)) for key, text in texts["uk"].items()
            }

    def has(self, language: str | None) -> bool:
        """Is there a text to say in it? Of `languages`, and of Ukrainian in Latin letters."""
        return language in self._texts

    def keys(self, language: str) -> frozenset[str]:
        return frozenset(self._texts[language])

    def fields(self, key: str, language: str) -> frozenset[str]:
        """The slots of a text, the provider's own left out."""
        text = self._texts[language][key]
        names = {f for part in (text.chat, text.sms) for _, f, _, _ in string.Formatter().parse(part) if f}
        return frozenset(names) - set(self.provider.slots) - {"brand"}

    def say(
        self,
        key: str,
        language: str,
        medium: Medium,
        arguments: Mapping[str, Any] | None = None,
        *,
        prefix: bool = True,
    ) -> str:
        """The text of a key. Raises NotKnown for a key that is not there.

        arguments: values of its slots; times and dates are written in Europe/Warsaw. An argument that is a
        mapping with `chat` and `sms` gives each medium its own form. `prefix`: begin an SMS with the words
        that tell that a machine writes.
        """
        try:
            text = self._texts[language][key]
        except KeyError:
            raise NotKnown(f"no text {key} in {language}") from None
        is_sms = medium is Medium.SMS
        values = {**self.provider.slots, "brand": self.provider.brand}
        for name, value in (arguments or {}).items():
            values[name] = _shown(value, is_sms=is_sms)
        said = (text.sms if is_sms else text.chat).format_map(values)
        if not is_sms:
            return said
        return for_sms(f"{self.provider.brand} bot: {said}" if prefix else said)


def for_sms(text: str) -> str:
    """Fold a text to GSM-7, unless it is written in Cyrillic and stays in its own letters."""
    return text if _CYRILLIC.search(text) else to_gsm7(text)


def load(folder: Path) -> Texts:
    """Read `replies/*.toml` and `provider.toml` under a data folder. Raises BadSetting with the place."""
    source = _toml(folder / "provider.toml")
    provider_slots = {k: str(v) for k, v in source.items() if isinstance(v, str | int)}
    brand = provider_slots.get("brand", "")
    if not brand:
        raise BadSetting(f"{folder / 'provider.toml'}: brand is missing")
    texts = {}
    for path in sorted((folder / "replies").glob("*.toml")):
        texts[path.stem] = dict(_flat(_toml(path), path))
    if not texts:
        raise BadSetting(f"no texts in {folder / 'replies'}")
    return Texts(texts, Provider(brand, provider_slots))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"{path}: {error}") from None


def _flat(source: Mapping[str, Any], path: Path) -> list[tuple[str, _Text]]:
    flat = []
    for topic, entries in source.items():
        for name, value in entries.items():
            if isinstance(value, str):
                flat.append((f"{topic}.{name}", _Text(value, value)))
            elif isinstance(value, dict) and set(value) == {"chat", "sms"}:
                flat.append((f"{topic}.{name}", _Text(value["chat"], value["sms"])))
            else:
                raise BadSetting(f"{path}: {topic}.{name} needs a text, or chat and sms")
    return flat


def _shown(value: Any, *, is_sms: bool) -> str:
    if isinstance(value, Mapping) and "sms" in value:
        return str(value["sms" if is_sms else "chat"])
    if isinstance(value, datetime):
        return value.astimezone(ZONE).strftime("%d.%m.%Y %H:%M")
    if isinstance(value, date):
        return value.strftime("%d.%m.%Y")
    return str(value)
