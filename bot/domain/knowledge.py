"""Choose the row of the policy that answers a question, and say which rows a changed policy puts in doubt.

Reads no file and fills in nothing but the places of a text; what stands in the files is `bot/knowledge.py`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256

from bot.domain import latin_ukrainian
from bot.domain.folding import fold
from bot.domain.language import CYRILLIC
from bot.domain.likeness import Known, Likeness
from bot.domain.segments import to_gsm7

# Below this a question is like none of the rows, and the intent's default row is the better guess: what
# likeness there is comes from words of every question ("do you", "czy"). Of the 142 unseen questions of the
# tests none falls below it; at 0.25 one does, at 0.3 four.
LIKE_ENOUGH = 0.2
VERSION_DIGITS = 8
# A person whose language has no row yet is answered in this one, which every installation has.
FALLBACK_LANGUAGE = "en"


class Status(StrEnum):
    """How far a fact may be told; `data/knowledge/facts.toml` explains each."""

    OK = "ok"
    TRAP = "trap"
    DISPUTED = "disputed"
    GAP = "gap"
    NEVER_SAY = "never_say"


class Doubt(StrEnum):
    """Why a row must be looked at again."""

    GONE = "gone"  # its fragment stands nowhere in the text
    REWORDED = "reworded"  # the fragment stands, the lines around it read otherwise
    MOVED = "moved"  # the same lines, at another place: only the number is wrong
    OTHER_VERSION = "other_version"  # of the text as a whole: its hash is not the recorded one


@dataclass(frozen=True, slots=True)
class Fact:
    """One row, free of language. `lines` are those its answer rests on, `line` (first is 1) among them."""

    key: str
    intents: tuple[str, ...]
    line: int
    lines: tuple[int, ...]
    fragment: str
    digest: str
    status: Status
    never_say: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wording:
    """One row in one language; `sms` is empty where the folded `answer` serves."""

    answer: str
    sms: str
    known: Known


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say, and where it stands.

    Both texts end with the source mark; neither carries the "{brand} bot:" prefix. `text_sms` is GSM-7 unless it is
    Cyrillic.
    `likeness` (0 to 1) tells how like a known question the text was; `is_default` that no row was like it.
    """

    key: str
    text_chat: str
    text_sms: str
    status: Status
    line: int
    policy_version: str
    likeness: float
    language: str
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Stale:
    """A row (key "" for the policy as a whole) that a policy text puts in doubt.

    `line` is where it stood, `now_line` where its fragment stands now (0: nowhere); `digest` is the one of
    the new lines (of the whole text: its SHA-256), to be recorded once somebody has read them.
    """

    key: str
    doubt: Doubt
    line: int
    now_line: int
    fragment: str
    digest: str


@dataclass(frozen=True)
class Knowledge:
    """The policy's facts, ready to answer. `wordings` is by language, then key."""

    policy_url: str
    policy_sha256: str
    facts: Mapping[str, Fact]
    defaults: Mapping[str, str]
    wordings: Mapping[str, Mapping[str, Wording]]
    marks: Mapping[str, str]
    slots: Mapping[str, str]

    @property
    def policy_version(self) -> str:
        """The first digits of the policy's SHA-256: the text itself carries no date."""
        return self.policy_sha256[:VERSION_DIGITS]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that can be answered in."""
        return tuple(self.wordings)

    @cached_property
    def never_say(self) -> tuple[str, ...]:
        """What no output may contain, in any language; compare with `forbidden_in`."""
        return tuple(said for fact in self.facts.values() for said in fact.never_say)

    def forbidden_in(self, text: str) -> tuple[str, ...]:
        """Return what `text` says of `never_say`, whatever the case, accents and punctuation."""
        padded = f" {fold(text)} "
        return tuple(said for said in self.never_say if f" {fold(said)} " in padded)

    def answer(self, intent: str, text: str, language: str) -> Answer | None:
        """Return the row of `intent` (as printed outside, "faq/role") that `text` asks for.

        A text like none of the intent's questions gets the intent's default row; an intent without one, or
        without rows, gets None. A language that is not offered is answered in English.
        """
        index = self._indexes.get((intent, language)) or self._indexes.get((intent, self._spoken(language)))
        if index is None:
            return None
        key, likeness = next(iter(index.rank(text)), ("", 0.0))
        if likeness >= LIKE_ENOUGH:
            return self.row(key, language, likeness=likeness)
        if (default := self.defaults.get(intent)) is None:
            return None
        return self.row(default, language, likeness=likeness, is_default=True)

    def row(self, key: str, language: str, *, likeness: float = 1.0, is_default: bool = False) -> Answer:
        """Return the answer of one row, for a topic that knows which it needs.

        Raises KeyError for a key that does not exist or must not be said.
        """
        spoken = self._spoken(language)
        fact, wording = self.facts[key], self.wordings[spoken][key]
        mark = self.marks[spoken].format(version=self.policy_version, line=fact.line)
        bare = {
            name: value.removeprefix("https://").removeprefix("www.") for name, value in self.slots.items()
        }
        sms = f"{(wording.sms or wording.answer).format_map(bare)} {mark}"
        if language == latin_ukrainian.TAG:
            sms = latin_ukrainian.romanized(sms)
        return Answer(
            key=key,
            text_chat=f"{wording.answer.format_map(self.slots)} {mark}",
            text_sms=sms if CYRILLIC.search(sms) else to_gsm7(sms),
            status=fact.status,
            line=fact.line,
            policy_version=self.policy_version,
            likeness=likeness,
            language=spoken,
            is_default=is_default,
        )

    def _spoken(self, language: str) -> str:
        """The language whose rows answer `language`: without its letters ("uk-Latn"), else the fallback."""
        spoken = language.partition("-")[0]
        return spoken if spoken in self.wordings else FALLBACK_LANGUAGE

    def check(self, policy_text: str) -> list[Stale]:
        """Return what must be looked at again if `policy_text` is the policy now; nothing if nothing changed.

        The hash of the text comes first, then the rows in their order. Blanks are folded before comparing.
        A row is in doubt too if the lines it rests on read otherwise: "12 months" may still stand elsewhere.
        """
        found = list(self._stale_rows(policy_text))
        sha256_now = sha256(policy_text.encode()).hexdigest()
        if sha256_now == self.policy_sha256:
            return found
        return [Stale("", Doubt.OTHER_VERSION, 0, 0, "", sha256_now), *found]

    def _stale_rows(self, policy_text: str) -> Iterator[Stale]:
        lines = [_fold_blanks(line) for line in policy_text.split("\n")]
        whole = " ".join(line for line in lines if line)
        for fact in self.facts.values():
            if digest_of(lines, fact.lines) == fact.digest:
                continue
            fragment = _fold_blanks(fact.fragment)
            places = [number for number, line in enumerate(lines, start=1) if fragment in line]
            shifts = {place: tuple(n + place - fact.line for n in fact.lines) for place in places}
            same = [place for place, there in shifts.items() if digest_of(lines, there) == fact.digest]
            if same:
                yield Stale(fact.key, Doubt.MOVED, fact.line, same[0], fact.fragment, fact.digest)
                continue
            now_line = min(places, key=lambda place: abs(place - fact.line), default=0)
            digest = digest_of(lines, shifts[now_line]) if now_line else ""
            doubt = Doubt.REWORDED if now_line or fragment in whole else Doubt.GONE
            yield Stale(fact.key, doubt, fact.line, now_line, fact.fragment, digest)

    @cached_property
    def _indexes(self) -> dict[tuple[str, str], Likeness]:
        known = {
            language: {key: row.known for key, row in rows.items()}
            for language, rows in self.wordings.items()
        }
        if "uk" in known:
            known[latin_ukrainian.TAG] = {key: _in_latin(row) for key, row in known["uk"].items()}
        intents = dict.fromkeys(intent for fact in self.facts.values() for intent in fact.intents)
        return {
            (intent, language): Likeness(
                {key: rows[key] for key, fact in self.facts.items() if intent in fact.intents}
            )
            for language, rows in known.items()
            for intent in intents
        }


def _in_latin(known: Known) -> Known:
    questions, words = (
        tuple(map(latin_ukrainian.romanized, said)) for said in (known.questions, known.words)
    )
    return Known(questions, words)


def digest_of(lines: list[str], numbers: tuple[int, ...]) -> str:
    """Return 12 digits of the SHA-256 of the numbered lines (the first is 1), joined, with blanks folded.

    Returns "" where one of them does not exist.
    """
    if not all(1 <= number <= len(lines) for number in numbers):
        return ""
    return sha256(_fold_blanks(" ".join(lines[n - 1] for n in numbers)).encode()).hexdigest()[:12]


def _fold_blanks(text: str) -> str:
    return " ".join(text.split())
