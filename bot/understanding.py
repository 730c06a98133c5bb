"""Ask the language model what texts mean. Decides nothing, keeps nothing, sends no number, link or code.

A reading is a hint out of a closed set. Down, slow or talking nonsense gives None, and after three such
answers in a row a breaker spares the wait; a text without a reading is the caller's to read again.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import structlog

from bot.domain.readings import OTHERS, THRESHOLDS, Reading

__all__ = ["ACT_THRESHOLDS", "INTENTS", "OTHERS", "REPORTED_AS", "Breaker", "Reading", "Understanding",
           "masked", "outside_name", "reported"]  # fmt: skip

log = structlog.get_logger(__name__)

#: From which confidence a reading is carried out, and from which asked back. One table, the domain's.
ACT_THRESHOLDS = THRESHOLDS

#: What `understand` and `evaluate` may print; CONTRACT.md has their meaning.
INTENTS = frozenset(
    [
        "who_sent",
        "number_source",
        "opt_out",
        "opt_in",
        "rights_access",
        "rights_rectification",
        "rights_erasure",
        "rights_restriction",
        "rights_portability",
        "rights_objection",
        "rights_withdraw_consent",
        "rights_terminate_contract",
        "faq/role",
        "faq/retention",
        "faq/legal_basis",
        "faq/dpo",
        "faq/contact",
        "faq/data_categories",
        "faq/recipients",
        "faq/transfers",
        "faq/security",
        "faq/cookies",
        "faq/automated_decisions",
        "faq/authority",
        "faq/policy",
        "faq/social_media",
        "faq/bot",
        "report_scam",
        "human",
        "help",
        "greet",
        "thanks",
        "goodbye",
        "affirm",
        "deny",
        "out_of_scope",
    ]
)

#: Intents that only the conversation needs → the one of INTENTS that a reader of `understand` knows.
REPORTED_AS: dict[str, str] = {
    "menu": "help",
    "back_to_bot": "help",
    "back": "help",
    "language": "help",
    "other_one": "deny",
    "give_up": "deny",
    "privacy": "faq/policy",
    "my_data": "rights_access",
}

DEADLINE = 1.5  # seconds for one request
TEXTS_AT_ONCE = 64
CHARACTERS_AT_MOST = 1000
BYTES_AT_MOST = 256 * 1024  # of an answer; 64 readings take 30 KiB
RANKED_AT_MOST = 5

# Order matters: what contains another is taken first. The words are those of the training data.
MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+"), "#mail"),
    (re.compile(r"\b(?:[a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE), "#link"),
    (re.compile(r"\b(?:[\w-]+\.)+[a-z]{2,}/\S*", re.IGNORECASE), "#link"),
    (
        re.compile(
            r"\b(?:[\w-]+\.)+(?:pl|com|net|org|eu|info|ua|de|uk|biz|xyz|top|shop|online|site|link|click|app|dev|me|io"
            r"|ly|cc|ru)\b(?!\.\w)",
            re.IGNORECASE,
        ),
        "#link",
    ),
    # ISO 13616: two letters, two digits, up to 30 more; Poles also give the 26 digits alone.
    (
        re.compile(r"\b[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?\b", re.IGNORECASE),
        "#iban",
    ),
    (re.compile(r"(?<!\d)\d{2}(?:[ -]?\d{4}){6}(?!\d)"), "#iban"),
    (re.compile(r"(?<![\d+])(?!00)\d{4}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?!\d)"), "#card"),
    # A PESEL begins with the date of birth; months run to 92, for the century is added to them.
    (re.compile(r"(?<![\d+])\d{2}(?:[02468][1-9]|[13579][0-2])(?:0[1-9]|[12]\d|3[01])\d{5}(?!\d)"), "#pesel"),
    (re.compile(r"\+?\d(?:[\s().\-/]{0,3}\d){8,}"), "#number"),
    (re.compile(r"\+\d(?:[\s().\-/]{0,3}\d){5,}"), "#number"),
    (re.compile(r"(?<!\d)\d{4,8}(?!\d)"), "#code"),
    (re.compile(r"\d{4,}"), "#number"),
)
PASSES_AT_MOST = 5

# Cc is blank, for a line end parts words; the others (format, surrogate, private, unassigned) mean nothing.
NOT_SHOWN = frozenset({"Cf", "Cs", "Co", "Cn"})
# Rasa takes "/intent{...}" for an order, also after blanks. These look like a slash or a blank.
LEADING = "/\\∕⁄⧸╱⟋\u2800\u115f\u1160\u3164\uffa0"


class Breaker:
    """Stops asking after some failures in a row; after a pause one caller may try.

    failures: how many in a row open it. pause: seconds until the next try. clock: monotonic seconds.
    """

    def __init__(
        self, *, failures: int = 3, pause: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._next_try = 0.0

    def may_ask(self) -> bool:
        """Whether to ask now. While open only the first caller after the pause gets True; it is the probe."""
        with self._lock:
            if self._failed < self._limit:
                return True
            if self._clock() < self._next_try:
                return False
            # Also the bound for a probe that never reports back.
            self._next_try = self._clock() + self._pause
            return True

    def succeeded(self) -> None:
        with self._lock:
            if self._failed >= self._limit:
                log.info("language model is back")
            self._failed = 0

    def failed(self) -> None:
        with self._lock:
            self._failed += 1
            self._next_try = self._clock() + self._pause
            if self._failed == self._limit:
                log.warning("language model is left alone", seconds=self._pause)


class Understanding:
    """The language model behind its address. Safe to share between threads; close it at the end.

    url: address of the nlu process. secret: NLU_SECRET. intents: outside names that are believed.
    deadline: seconds for one request of up to 64 texts.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        intents: Collection[str] = INTENTS | REPORTED_AS.keys(),
        deadline: float = DEADLINE,
        breaker: Breaker | None = None,
    ) -> None:
        self._intents = frozenset(intents)
        self._deadline = deadline
        self._breaker = breaker or Breaker()
        # trust_env off: a proxy of the machine must never see these texts.
        self._client = httpx2.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {secret}"},
            timeout=deadline,
            trust_env=False,
            follow_redirects=False,
        )

    def read(self, texts: Sequence[str]) -> list[Reading | None]:
        """Read texts as people wrote them; masks them first.

        Returns one entry per text, in order; None means not read (down, slow, nonsense), to be read again.
        A text with nothing in it after masking is out_of_scope without asking. Never raises.
        """
        readings: list[Reading | None] = [Reading("out_of_scope", 0.0, ()) for _ in texts]
        asked = [(place, text) for place, text in enumerate(map(masked, texts)) if text]
        for start in range(0, len(asked), TEXTS_AT_ONCE):
            part = asked[start : start + TEXTS_AT_ONCE]
            for (place, _), reading in zip(part, self._ask([text for _, text in part]), strict=True):
                readings[place] = reading
        return readings

    def is_up(self) -> bool:
        """Whether the process answers its health address. Does not move the breaker."""
        try:
            return self._client.get("/webhooks/parse/health").status_code == 200
        except httpx2.HTTPError:
            return False

    def close(self) -> None:
        self._client.close()

    def _ask(self, texts: list[str]) -> list[Reading | None]:
        nothing: list[Reading | None] = [None] * len(texts)
        if not self._breaker.may_ask():
            return nothing
        try:
            readings = _readings(self._answer(texts), self._intents, expected=len(texts))
        except (httpx2.HTTPError, ValueError, TypeError, KeyError, RecursionError) as error:
            log.warning("text not read", kind=type(error).__name__)
            self._breaker.failed()
            return nothing
        if not any(readings):
            log.warning("text not read", kind="unknown intent")
            self._breaker.failed()
            return nothing
        self._breaker.succeeded()
        return readings

    def _answer(self, texts: list[str]) -> Any:
        # The client's timeout is for each wait on the wire; a drip of bytes is caught between its pieces.
        ends = time.monotonic() + self._deadline
        with self._posted(texts) as pieces:
            body = b""
            for piece in pieces:
                body += piece
                if len(body) > BYTES_AT_MOST or time.monotonic() > ends:
                    raise ValueError("too long or too late")
        return json.loads(body)

    @contextmanager
    def _posted(self, texts: list[str]) -> Iterator[Iterator[bytes]]:
        with self._client.stream("POST", "/webhooks/parse/", json={"texts": texts}) as response:
            if response.status_code != 200:
                raise ValueError("refused")
            yield response.iter_bytes()


def masked(text: str) -> str:
    """Return what may leave of a text: at most 1000 characters, without numbers, codes, links and addresses.

    Masking twice equals masking once; no run of four digits stays; it never starts with a slash or a blank.
    """
    text = text[: 4 * CHARACTERS_AT_MOST]
    for _ in range(PASSES_AT_MOST):
        before, text = text, _masked_once(text)
        if text == before:
            return text
    # Only a text made to defeat the rules does not settle; nothing of it is worth reading.
    return ""


def _masked_once(text: str) -> str:
    text = unicodedata.normalize("NFKC", "".join(_shown(text)))
    text = "".join(_shown(text))[:CHARACTERS_AT_MOST]
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    text = text[:CHARACTERS_AT_MOST]
    start = 0
    while start < len(text) and (text[start].isspace() or text[start] in LEADING):
        start += 1
    return text[start:].rstrip()


def _shown(text: str) -> Iterator[str]:
    for character in text:
        kind = unicodedata.category(character)
        if kind == "Cc":
            yield " "
        elif kind not in NOT_SHOWN:
            yield character


def outside_name(inside: str) -> str:
    """Rasa's `faq_role` → `faq/role`; the others are the same on both sides."""
    topic, mark, rest = inside.partition("_")
    return f"faq/{rest}" if topic == "faq" and mark else inside


def reported(intent: str) -> str:
    """Return the intent as `understand` and `evaluate` print it."""
    return REPORTED_AS.get(intent, intent)


def _readings(answer: Any, intents: frozenset[str], *, expected: int) -> list[Reading | None]:
    model, given = answer["model"], answer["readings"]
    if not isinstance(model, str) or not isinstance(given, list) or len(given) != expected:
        raise ValueError("not the agreed form")
    return [_reading(entry, model, intents) for entry in given]


def _reading(entry: Any, model: str, intents: frozenset[str]) -> Reading | None:
    """One reading if all of it can be believed: known intents, numbers from 0 to 1, the best one first."""
    ranking = tuple((_name(name), _confidence(number)) for name, number in entry["ranking"])
    intent, confidence = _name(entry["intent"]), _confidence(entry["confidence"])
    if not 0 < len(ranking) <= RANKED_AT_MOST or ranking[0] != (intent, confidence):
        return None
    if any(name not in intents for name, _ in ranking):
        return None
    numbers = [number for _, number in ranking]
    if any(math.isnan(number) for number in numbers) or numbers != sorted(numbers, reverse=True):
        return None
    return Reading(intent, confidence, ranking, model)


def _name(inside: Any) -> str:
    if not isinstance(inside, str):
        raise TypeError("a name that is none")
    return outside_name(inside)


def _confidence(number: Any) -> float:
    """The number if it is one from 0 to 1, else NaN."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        return math.nan
    return float(number)
