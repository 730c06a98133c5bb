"""Every text there is, in every language, fits its medium whatever stands in its slots."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from actions import TOPICS
from bot import texts
from bot.domain import keywords, latin_ukrainian
from bot.domain.messages import Medium
from bot.domain.segments import count
from tests.world import DATA, KNOWLEDGE, TEXTS, WORDS

LANGUAGES = TEXTS.languages
KEYS = sorted(TEXTS.keys(LANGUAGES[0]))
SOURCES = [*Path("actions").glob("*.py"), *Path("bot/services").glob("*.py")]
CYRILLIC = {"uk"}
FREE = {"policy.answer"}  # filled with a whole text that has tests of its own


def widest(key: str, language: str, medium: Medium) -> str:
    fields = TEXTS.fields(key, language)
    return TEXTS.say(key, language, medium, {name: texts.WIDEST[name] for name in fields})


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text(language: str) -> None:
    assert TEXTS.keys(language) == TEXTS.keys(LANGUAGES[0])


@pytest.mark.parametrize("key", KEYS)
def test_every_language_fills_the_same_slots(key: str) -> None:
    assert len({TEXTS.fields(key, language) for language in LANGUAGES}) == 1


@pytest.mark.parametrize("language", [*LANGUAGES, latin_ukrainian.TAG])
@pytest.mark.parametrize("key", [k for k in KEYS if k not in FREE])
def test_every_sms_fits_two_segments_at_the_widest(key: str, language: str) -> None:
    segments = count(widest(key, language, Medium.SMS))
    assert segments.parts <= 2
    assert segments.alphabet == ("ucs2" if language in CYRILLIC else "gsm7")


@pytest.mark.parametrize("key", [k for k in KEYS if k not in FREE])
def test_polish_chats_have_their_diacritics(key: str) -> None:
    """A chat text of some length without a single Polish letter was written for SMS and slipped through."""
    said = widest(key, "pl", Medium.TELEGRAM)
    assert len(said) < 75 or any(letter in said for letter in "ąćęłńóśźżĄĆĘŁŃÓŚŹŻ")


@pytest.mark.parametrize("key", [k for k in KEYS if k not in FREE])
def test_german_spells_its_umlauts(key: str) -> None:
    """GSM-7 has them, so an SMS needs no "ae" either; "neue", "Quelle" and "zuerst" are no such spellings."""
    for medium in (Medium.SMS, Medium.TELEGRAM):
        assert not re.search(r"(?i)ae|oe|(?<![aeqz])ue", widest(key, "de", medium))


LATIN_IN_UKRAINIAN = {"SMS", "SMSAPI", "bot", "CERT", "Polska", "UODO", "SHOP", "BOT", "e", "mail", "mydata"}


@pytest.mark.parametrize("key", [k for k in KEYS if k not in FREE])
def test_ukrainian_has_no_letter_of_another_alphabet(key: str) -> None:
    """A Latin "i" or "c" inside a Ukrainian word is not seen, and not found by who searches; nor is Russian "ы"."""
    for medium in (Medium.SMS, Medium.TELEGRAM):
        bare = TEXTS.say(key, "uk", medium, dict.fromkeys(TEXTS.fields(key, "uk"), "0"))
        for slot in TEXTS.provider.slots.values():
            bare = bare.replace(slot, "0")
        assert set(re.findall("[A-Za-z]+", bare)) <= LATIN_IN_UKRAINIAN
        assert not re.search("[A-Za-z][А-яҐґЄєІіЇї]|[А-яҐґЄєІіЇї][A-Za-z]|[ыъэёЫЪЭЁ]", bare)


NO_ORDERS = re.compile(r"\b(SMS|SMSAPI|CERT|UODO|ID|SHOP24|SKLEP24)\b")
CAPITALS = re.compile(r"\b[A-ZĄĆĘŁŃÓŚŹŻА-ЯҐЄІЇ]{2,}(?: [A-ZĄĆĘŁŃÓŚŹŻА-ЯҐЄІЇ]{2,})*\b")


@pytest.mark.parametrize("language", [*LANGUAGES, latin_ukrainian.TAG])
@pytest.mark.parametrize("key", [k for k in KEYS if k not in FREE])
def test_every_word_that_a_text_tells_people_to_send_is_understood(key: str, language: str) -> None:
    for medium in (Medium.SMS, Medium.TELEGRAM):
        said = TEXTS.say(key, language, medium, dict.fromkeys(TEXTS.fields(key, language), "0"))
        for order in {NO_ORDERS.sub("", found).strip() for found in CAPITALS.findall(said)} - {""}:
            verdict = keywords.match(order, WORDS)
            is_answer = keywords.yes_no(order, WORDS) is not None
            assert verdict.act is keywords.Act.DO or is_answer, order
            if " " in order and verdict.intent == "opt_out":
                assert verdict.scope is keywords.Scope.ALL, order


@pytest.mark.parametrize("key", KEYS)
def test_no_text_says_what_is_never_to_be_said(key: str) -> None:
    for language in LANGUAGES:
        if key not in FREE:
            assert not KNOWLEDGE.forbidden_in(widest(key, language, Medium.TELEGRAM))


def test_every_text_that_the_code_names_is_there_and_none_is_left_over() -> None:
    named = {s for path in SOURCES for s in _strings(path) if s.partition(".")[0] in _TOPICS_OF_KEYS}
    named |= {
        f"opt_out.{receipt}"
        for receipt in ("one_client", "this_sender", "shared_sender", "recent_senders", "named", "all")
    }
    offered = {f"label.{intent}" for intent in TOPICS}
    missing = {key for key in named if key not in TEXTS.keys("pl") and key not in offered}
    assert not missing
    assert not TEXTS.keys("pl") - named - offered


_TOPICS_OF_KEYS = {key.partition(".")[0] for key in KEYS}


_KEY = re.compile(r"[a-z_]+\.[a-z_]+")


def _strings(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _KEY.fullmatch(node.value)
    }


def test_a_bad_text_file_stops_the_start_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "replies").mkdir()
    (tmp_path / "provider.toml").write_text((DATA / "provider.toml").read_text())
    (tmp_path / "replies" / "pl.toml").write_text('[menu]\nask = { chat = "?" }\n')
    with pytest.raises(texts.BadSetting, match=r"menu\.ask"):
        texts.load(tmp_path)
