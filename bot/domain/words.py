"""Read data/keywords.toml into checked, immutable tables and compile its phrases. Matches no message."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot.domain.errors import BadSetting
from bot.domain.folding import fold

INTENTS = frozenset(
    "opt_out opt_in help who_sent human back_to_bot menu back other_one give_up privacy my_data language".split()
)
NEIGHBOURS = "keyword_neighbours.toml"  # beside the words; written by scripts/keyword_neighbours.py
STEM_HEAD = 3  # letters that a stem in a word class has at least
SHORTEST_WITH_TYPOS = 4  # letters; in a shorter word every slip is another word


class Act(StrEnum):
    """What to do at once with a wish: carry it out, ask back first, explain how, or nothing."""

    DO = "do"
    ASK = "ask"
    EXPLAIN = "explain"
    NONE = "none"


class Scope(StrEnum):
    """Whose messages a wish is about, as far as its words tell."""

    SENDER = "sender"
    CLIENT = "client"
    ALL = "all"
    NAMED = "named"


WEIGHT = {Act.DO: 3, Act.EXPLAIN: 2, Act.ASK: 1, Act.NONE: 0}  # of two readings the weightier counts
# What a phrase of each step leads to; "veto" leads to nothing and hides its words from the steps after it.
STEPS = {"sure": Act.DO, "explain": Act.EXPLAIN, "do": Act.DO, "ask": Act.ASK}


@dataclass(frozen=True, slots=True)
class Keyword:
    """One meaning of one folded word: what it asks for and what may follow it."""

    key: str
    intent: str
    act: Act
    scope: Scope | None
    language: str | None  # None: the same word in several languages
    takes_sender: bool  # "STOP SHOPXYZ"
    forgives: bool  # one typing error is still this word


@dataclass(frozen=True, slots=True)
class Rule:
    """What a phrase means; its pattern stands compiled in its language's grammar."""

    name: str
    intent: str
    act: Act
    scope: Scope | None
    language: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """One language's phrases, compiled over symbols that stand for folded words."""

    triggers: frozenset[str]  # no symbol of these in a message: no phrase of this language
    patterns: Mapping[str, re.Pattern[str]]  # by step: sure, veto, explain, do, ask
    by_group: Mapping[str, Rule]


@dataclass(frozen=True, slots=True)
class Words:
    """Everything of data/keywords.toml, folded and ready to look up."""

    version: str
    keywords: Mapping[str, Keyword]  # by folded words without blanks
    beginnings: frozenset[str]  # of every keyword, from one letter to all of it, to leave early
    slips: Mapping[str, tuple[str, ...]]  # a key with one letter left out → keys
    real_words: frozenset[str]  # one letter beside a keyword, but words of some language
    courtesy: frozenset[str]
    courtesy_edges: frozenset[str]  # first and last words of these, to leave early
    closings: Mapping[str, tuple[tuple[str, ...], ...]]  # by first word
    signatures: Mapping[str, tuple[tuple[str, ...], ...]]  # by first word
    endings: frozenset[str]  # the first words of both, to leave early
    reactions: tuple[str, ...]  # beginnings, in small letters
    vague_reactions: re.Pattern[str]  # those with a gap
    replies: re.Pattern[str]
    things: frozenset[str]
    pronouns: frozenset[str]
    everything: frozenset[str]
    prepositions: frozenset[str]
    no_senders: frozenset[str]
    yes: frozenset[str]
    no: frozenset[str]
    numbers: Mapping[str, int]
    option_words: frozenset[str]
    symbols: Mapping[str, str]  # folded word → its symbol in phrases
    stems: Mapping[str, str]  # beginning of a word → its symbol
    stem_heads: frozenset[str]  # the first letters of every stem, to leave early
    stem_lengths: tuple[int, ...]  # longest first
    triggers: frozenset[str]  # of all languages
    grammars: tuple[Grammar, ...]


def load_words(path: Path) -> Words:
    """Read and check the words at `path` and the neighbours file beside it.

    Raises BadSetting, saying what is wrong, when a file is missing, malformed or contradicts itself.
    """
    try:
        source = tomllib.loads(path.read_text(encoding="utf-8"))
        neighbours = tomllib.loads(path.with_name(NEIGHBOURS).read_text(encoding="utf-8"))
        return _words(source, neighbours)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"{path.name}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        raise BadSetting(f"{path.name}: {type(error).__name__} {error}") from error


def slips_of(key: str) -> Iterable[str]:
    """Yield `key` and every form of it with one letter left out (the index of words one error away)."""
    yield key
    for place in range(len(key)):
        yield key[:place] + key[place + 1 :]


def _words(source: Mapping[str, Any], neighbours: Mapping[str, Any]) -> Words:
    keywords = _keywords(source)
    slips: dict[str, list[str]] = {}
    for key, keyword in keywords.items():
        if keyword.forgives:
            for slip in set(slips_of(key)):
                slips.setdefault(slip, []).append(key)
    around, answers = source["around"], source["answers"]
    symbols, stems, grammars = _grammars(source.get("grammar", {}))
    closings, signatures = _by_first_word(around["closings"]), _by_first_word(around["signatures"])
    return Words(
        version=str(source["version"]),
        keywords=MappingProxyType(keywords),
        beginnings=frozenset(key[: place + 1] for key in keywords for place in range(len(key))),
        slips=MappingProxyType({slip: tuple(keys) for slip, keys in slips.items()}),
        real_words=frozenset(word for row in neighbours["real_words"].values() for word in row.split()),
        courtesy=_folded(around["courtesy"]),
        courtesy_edges=frozenset(
            line.split()[edge] for line in _folded(around["courtesy"]) for edge in (0, -1)
        ),
        closings=closings,
        signatures=signatures,
        endings=frozenset((*closings, *signatures)),
        reactions=tuple(line.casefold() for line in around["reactions"] if "*" not in line),
        vague_reactions=_openings(line for line in around["reactions"] if "*" in line),
        replies=_openings(around["replies"]),
        things=_folded(around["things"]),
        pronouns=_folded(around["pronouns"]),
        everything=_folded(around["everything"]),
        prepositions=_folded(around["prepositions"]),
        no_senders=_folded(around["no_senders"]),
        yes=_folded(answers["yes"]),
        no=_folded(answers["no"]),
        numbers=MappingProxyType({fold(w): int(n) for n, row in answers["numbers"].items() for w in row}),
        option_words=_folded(answers["option_words"]),
        symbols=MappingProxyType(symbols),
        stems=MappingProxyType(stems),
        stem_heads=frozenset(stem[:STEM_HEAD] for stem in stems),
        stem_lengths=tuple(sorted({len(stem) for stem in stems}, reverse=True)),
        triggers=frozenset().union(*(grammar.triggers for grammar in grammars)),
        grammars=grammars,
    )


def _folded(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(fold(line) for line in lines) - {""}


def _by_first_word(lines: Iterable[str]) -> Mapping[str, tuple[tuple[str, ...], ...]]:
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for line in lines:
        first, *rest = fold(line).split()
        found[first] = (*found.get(first, ()), (first, *rest))
    return MappingProxyType(found)


def _openings(lines: Iterable[str]) -> re.Pattern[str]:
    """Compile beginnings of a line in small letters; "*" stands for up to 40 characters."""
    return re.compile("|".join(re.escape(line.casefold()).replace(r"\*", ".{0,40}?") for line in lines))


def _keywords(source: Mapping[str, Any]) -> dict[str, Keyword]:
    found: dict[str, Keyword] = {}
    for block in source["keywords"]:
        if block["source"] not in source["sources"]:
            raise ValueError(f"no source {block['source']!r} is described")
        if block["intent"] not in INTENTS:
            raise ValueError(f"no intent {block['intent']!r}")
        for written in block["words"]:
            key = fold(written).replace(" ", "")
            keyword = Keyword(
                key=key,
                intent=block["intent"],
                act=Act(block.get("act", "do")),
                scope=Scope(block["scope"]) if "scope" in block else None,
                language=block.get("language"),
                takes_sender=block.get("takes_sender", False),
                forgives=block.get("forgives", False)
                and " " not in fold(written)
                and len(key) >= SHORTEST_WITH_TYPOS,
            )
            found[key] = _agreed(found[key], keyword) if key in found else keyword
    return found


def _agreed(one: Keyword, other: Keyword) -> Keyword:
    """Join the same word of two languages; two meanings of one word are a mistake in the file."""
    if (one.intent, one.act, one.scope) != (other.intent, other.act, other.scope):
        raise ValueError(f"{one.key!r} stands twice with different meanings")
    return Keyword(
        one.key,
        one.intent,
        one.act,
        one.scope,
        one.language if one.language == other.language else None,
        one.takes_sender or other.takes_sender,
        one.forgives or other.forgives,
    )


def _grammars(
    source: Mapping[str, Any],
) -> tuple[dict[str, str], dict[str, str], tuple[Grammar, ...]]:
    """Give each word of each class a symbol; words that belong to the same classes share one.

    A form ending in "*" stands for every word that begins so; of several the longest beginning counts,
    with the classes of the shorter ones. So one look-up per word serves all languages.
    """
    exact: dict[str, set[str]] = {}
    starts: dict[str, set[str]] = {}
    for language, grammar in source.items():
        for name, forms in grammar["classes"].items():
            for form in forms.split():
                table = starts if form.endswith("*") else exact
                if table is starts and len(form) <= STEM_HEAD:
                    raise ValueError(f"{form!r} is too short a stem")
                table.setdefault(fold(form.rstrip("*")).replace(" ", ""), set()).add(f"{language}.{name}")
        for word in _LITERAL.findall(" ".join(line for row in grammar["rules"] for line in row["patterns"])):
            exact.setdefault(fold(word), set()).add(f"{language}.{word}")
    closed: dict[str, frozenset[str]] = {}
    for form in exact.keys() | starts.keys():
        stems = [classes for stem, classes in starts.items() if form.startswith(stem)]
        closed[form] = frozenset().union(exact.get(form, set()), *stems)
    stem_classes = {
        stem: frozenset().union(*(c for s, c in starts.items() if stem.startswith(s))) for stem in starts
    }
    groups = sorted({*closed.values(), *stem_classes.values()}, key=sorted)
    symbol = {group: chr(0xE000 + number) for number, group in enumerate(groups)}
    members: dict[str, str] = {}
    for group in groups:
        for name in group:
            members[name] = members.get(name, "") + symbol[group]
    grammars = tuple(_grammar(language, grammar, members) for language, grammar in source.items())
    return (
        {form: symbol[closed[form]] for form in exact},
        {stem: symbol[group] for stem, group in stem_classes.items()},
        grammars,
    )


def _grammar(language: str, source: Mapping[str, Any], members: Mapping[str, str]) -> Grammar:
    """Compile the rules of one language, one expression for each step."""
    expressions: dict[str, list[str]] = {}
    by_group: dict[str, Rule] = {}
    for number, row in enumerate(source["rules"]):
        step, name = row["step"], row["name"]
        group = f"g{number}"
        pattern = "|".join(_expression(line, language, members) for line in row["patterns"])
        expressions.setdefault(step, []).append(f"(?P<{group}>{pattern})")
        if step in STEPS:
            scope = Scope(row.get("scope", "sender"))
            intent = row.get("intent", "opt_out")
            by_group[group] = Rule(f"{language}.{name}", intent, STEPS[step], scope, language)
    if unknown := expressions.keys() - {"veto", *STEPS}:
        raise ValueError(f"{language}: no step {sorted(unknown)}")
    triggers = frozenset(
        symbol for name in source["triggers"].split() for symbol in members[f"{language}.{name}"]
    )
    return Grammar(
        triggers=triggers,
        patterns=MappingProxyType({step: re.compile("|".join(rows)) for step, rows in expressions.items()}),
        by_group=MappingProxyType(by_group),
    )


_ITEM = re.compile(
    r"(?P<open>\()|(?P<close>\)\??)|(?P<bar>\|)|(?P<name>[^\W\d_]+\??)|(?P<sign>[\^$]|[_~]\d|\?)"
)
_LITERAL = re.compile(r"\b[^\W\d_A-Z]+\b")


def _expression(pattern: str, language: str, members: Mapping[str, str]) -> str:
    """Turn « STOP _2 (WRITE|SEND) ME? » into an expression over symbols.

    `_n`: up to n words of any kind · `~n`: the same, marks allowed · `^` and `$`: an edge of the clause ·
    `?` alone: a question mark ends this sentence · `NAME?`: may be missing · a word in small letters is that
    word. Repetition is bounded everywhere, so time stays linear.
    """
    parts: list[str] = []
    rest = pattern
    while rest := rest.lstrip():
        item = _ITEM.match(rest)
        if item is None:
            raise ValueError(f"{pattern!r}: cannot read {rest!r}")
        rest = rest[item.end() :]
        found = item.group()
        if item["open"]:
            parts.append("(?:")
        elif item["close"] or item["bar"]:
            parts.append(found)
        elif item["name"]:
            name = found.rstrip("?")
            optional = "?" if found.endswith("?") else ""
            parts.append(f"[{members[f'{language}.{name}']}]{optional}")
        elif found == "^":
            parts.append(r"(?:^|(?<=[.,?]))")
        elif found == "$":
            parts.append(r"(?=[.,?]|$)")
        elif found == "?":
            parts.append(r"(?=[^.?]{0,40}\?)")
        elif found[0] == "~":
            parts.append(rf".{{0,{found[1]}}}?")
        else:
            parts.append(rf"[^.,?]{{0,{found[1]}}}?")
    return "".join(parts)
