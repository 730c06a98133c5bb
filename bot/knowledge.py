"""Read the policy's facts and answers from their folder. Chooses no answer; the operator's text is not here.

    facts.toml      what stands where in the policy, and how far it may be told
    pl.toml, …      per language the answers and the questions they answer; every language has every key

A mistake in these files stops the start with the file and the key, since a non-programmer may edit them.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any

from bot.domain.errors import BadInput
from bot.domain.folding import fold
from bot.domain.knowledge import FALLBACK_LANGUAGE, Answer, Doubt, Fact, Knowledge, Stale, Status, Wording
from bot.domain.likeness import Known

__all__ = ["PROVIDER_SLOTS", "Answer", "Doubt", "Knowledge", "Stale", "Status", "load"]

FACTS = "facts.toml"
PROVIDER = "provider.toml"
# What it fills in; the policy's own address comes from facts.toml.
PROVIDER_SLOTS = ("brand", "contact_url", "dpo_name", "authority")
POLICY_URL = "policy_url"
MARK = "mark"  # how the answers of a language name the policy's version and line
FEWEST_QUESTIONS = 3


def load(folder: Path, provider: Mapping[str, str] | None = None) -> Knowledge:
    """Return what the files of `folder` know.

    `provider` gives the values of PROVIDER_SLOTS (others are ignored); without it they are read from the
    `provider.toml` beside the folder. Raises BadInput, naming the file and the key, for a key without an
    answer, an answer without a key, too few questions, or a place nobody fills.
    """
    facts_file = _read(folder / FACTS)
    facts = {key: _fact(key, row) for key, row in _table(facts_file, "rows", FACTS).items()}
    policy = _table(facts_file, "policy", FACTS)
    url = _text(policy, "url", FACTS)
    spoken = {path.stem: _read(path) for path in sorted(folder.glob("*.toml")) if path.name != FACTS}
    if FALLBACK_LANGUAGE not in spoken:
        raise BadInput(f"{FALLBACK_LANGUAGE}.toml", "is missing")
    marks = {
        language: _mark(rows.pop(MARK, ""), place=f"{language}.toml") for language, rows in spoken.items()
    }
    values = _read(folder.parent / PROVIDER) if provider is None else provider
    if missing := [name for name in PROVIDER_SLOTS if not values.get(name)]:
        raise BadInput(PROVIDER, f"gives no {', '.join(missing)}")
    return Knowledge(
        policy_url=url,
        policy_sha256=_text(policy, "sha256", FACTS),
        facts=facts,
        defaults=_defaults(facts_file, facts),
        wordings={
            language: _wordings(rows, facts, place=f"{language}.toml") for language, rows in spoken.items()
        },
        marks=marks,
        slots={
            **{name: str(values[name]) for name in PROVIDER_SLOTS},
            POLICY_URL: url.removeprefix("https://").removeprefix("www."),
        },
    )


def _fact(key: str, row: Mapping[str, Any]) -> Fact:
    place = f"{FACTS}: {key}"
    status = _text(row, "status", place)
    if status not in list(Status):
        raise BadInput(place, f"status is one of {', '.join(Status)}")
    line = row.get("line")
    if not isinstance(line, int):
        raise BadInput(place, "line is a number")
    intents = tuple(row.get("intents", ()))
    if bool(intents) is (status == Status.NEVER_SAY):
        raise BadInput(place, "every row has intents, except one that is never said")
    return Fact(
        key=key,
        intents=intents,
        line=line,
        lines=_lines(str(row.get("lines", line)), place),
        fragment=_text(row, "fragment", place),
        digest=_text(row, "digest", place),
        status=Status(status),
        never_say=tuple(row.get("never_say", ())),
    )


def _lines(written: str, place: str) -> tuple[int, ...]:
    """Read "144-149" or "153, 250"."""
    numbers: list[int] = []
    for part in written.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            raise BadInput(place, 'lines are written "144-149" or "153, 250"')
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)


def _defaults(facts_file: Mapping[str, Any], facts: Mapping[str, Fact]) -> dict[str, str]:
    defaults = {str(intent): str(key) for intent, key in _table(facts_file, "defaults", FACTS).items()}
    for intent, key in defaults.items():
        if key not in facts or intent not in facts[key].intents:
            raise BadInput(f"{FACTS}: {intent}", f"its default {key} is no row of it")
    return defaults


def _mark(mark: object, place: str) -> str:
    if not isinstance(mark, str) or "{version}" not in mark or "{line}" not in mark:
        raise BadInput(place, f"{MARK} must show {{version}} and {{line}}")
    return mark


def _wordings(rows: Mapping[str, Any], facts: Mapping[str, Fact], place: str) -> dict[str, Wording]:
    answerable = {key for key, fact in facts.items() if fact.status is not Status.NEVER_SAY}
    if missing := sorted(answerable - rows.keys()):
        raise BadInput(place, f"has no answer for {', '.join(missing)}")
    if unknown := sorted(rows.keys() - answerable):
        raise BadInput(place, f"answers {', '.join(unknown)}, which {FACTS} does not let it")
    return {key: _wording(rows[key], f"{place}: {key}") for key in rows}


def _wording(row: Mapping[str, Any], place: str) -> Wording:
    answer, sms = _text(row, "answer", place), str(row.get("sms", ""))
    filled = {*PROVIDER_SLOTS, POLICY_URL}
    for slot in {
        name for text in (answer, sms) for _, name, _, _ in Formatter().parse(text) if name is not None
    }:
        if slot not in filled:
            raise BadInput(place, f"nobody fills {{{slot}}}")
    questions = tuple(row.get("questions", ()))
    if len(questions) < FEWEST_QUESTIONS:
        raise BadInput(place, f"has {len(questions)} questions, not at least {FEWEST_QUESTIONS}")
    return Wording(answer, sms, Known(questions, tuple(_beginning(word) for word in row.get("words", ()))))


def _beginning(word: str) -> str:
    """Fold a pointing word; a blank at its end, which asks for the whole word, stays."""
    return fold(word) + " " * word.endswith(" ")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise BadInput(path.name, "is missing") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise BadInput(path.name, str(wrong)) from wrong


def _table(holder: Mapping[str, Any], name: str, place: str) -> Mapping[str, Any]:
    table = holder.get(name)
    if not isinstance(table, dict):
        raise BadInput(place, f"has no [{name}]")
    return table


def _text(holder: Mapping[str, Any], name: str, place: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise BadInput(place, f"has no {name}")
    return value
