"""What a log line may hold, whatever a caller or a library puts into it."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bot
from bot.logs import ALLOWED, only_allowed

HOUSE = Path(bot.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}

NUMBERS = [
    "+48500100200",
    "48500100200",
    "500100200",
    "500 100 200",
    "500-100-200",
    "+48 (500) 100-200",
    "500.100.200",
    "500_100_200",
    "500/100/200",
    "500\u00a0100\u00a0200",
    "５００１００２００",
    "٥٠٠١٠٠٢٠٠",
    "to +48500100200, again",
    "whatsapp:+48500100200",
    "5 0 0 1 0 0 2 0 0",
]
SECRETS = [
    "https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage",
    "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    "redis://user:hunter2@cache:6379/0",
    "b7d1" * 8,
    "/hooks/smsapi/mo?k=aB3dE5fG7hJ9kL1mN3pQ5rS7",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
]
WORDS = [
    "jan.kowalski@example.com",
    "Zygfryda Rzezucha",
    "Zygfryda Rzęzucha",
    "Rzęzucha",
    "Олена",
    "mam dosc tych waszych reklam prosze",
    "STOP\nZygfryda Rzezucha",
    "x" * 200,
]


@pytest.mark.parametrize("canary", NUMBERS + SECRETS + WORDS)
def test_no_key_lets_a_number_a_secret_or_a_text_through(canary: str) -> None:
    everywhere = dict.fromkeys(ALLOWED, canary) | {"event": "sent"}
    said = json.dumps(only_allowed(None, "", everywhere), ensure_ascii=False)
    for part in (canary, "500100200", "Rzezucha", "kowalski", "AAHdqTcv", "hunter2", "aB3dE5f", "reklam"):
        assert part not in said


@pytest.mark.parametrize("canary", [*NUMBERS, *SECRETS, "jan.kowalski@example.com", "Zygfryda Rzezucha"])
def test_no_event_lets_a_number_a_secret_or_a_name_through(canary: str) -> None:
    said = json.dumps(only_allowed(None, "", {"event": f"sent to {canary}"}), ensure_ascii=False)
    assert canary not in said
    assert "Rzezucha" not in said


@pytest.mark.parametrize(
    "value", [48500100200, 500100200, -500100200, 48500100200.0, float("nan"), float("inf"), 10**30]
)
def test_a_number_is_none_the_less_one_for_being_an_int(value: float) -> None:
    assert only_allowed(None, "", {"event": "sent", "message": value})["message"] == "…"


@pytest.mark.parametrize(
    "value",
    [
        0,
        1,
        12_345_678,
        0.25,
        True,
        None,
        "twilio",
        "http 410",
        "msg_0123456789abcdef01234567",
        "HTTP 404",
        "21610",
        "lookup failed: ConnectError",
        "no webhook secret",
        "respond-1",
    ],
)
def test_ids_counts_and_names_of_our_own_stay_readable(value: object) -> None:
    assert only_allowed(None, "", {"event": "sent", "code": value})["code"] == value


def test_a_key_that_is_not_on_the_list_is_dropped() -> None:
    said = only_allowed(
        None, "", {"event": "sent", "text": "a", "number": "1", "exc_info": True, "stack": "b"}
    )
    assert said == {"event": "sent"}


@given(st.text(), st.sampled_from(sorted(ALLOWED)))
def test_a_line_stays_one_line_of_json(value: str, key: str) -> None:
    said = only_allowed(None, "", {"event": "sent", key: value})[key]
    assert len(f"{said}".splitlines()) <= 1
    assert "\x1b" not in str(said)


class Unprintable:
    def __str__(self) -> str:
        return "to +48500100200"


def test_an_object_is_covered_by_its_words() -> None:
    assert "500100200" not in str(only_allowed(None, "", {"event": "sent", "error": Unprintable()}))


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger in the house."""
    for path in sorted([*HOUSE.rglob("*.py"), *(HOUSE.parent / "actions").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"log.{level}" for level in LEVELS}:
                yield f"{path.relative_to(HOUSE.parent)}:{node.lineno}", node


def test_the_house_has_log_calls_to_look_at() -> None:
    assert len(list(calls())) > 20


@pytest.mark.parametrize(("place", "call"), [pytest.param(p, c, id=p) for p, c in calls()])
def test_every_log_call_says_a_fixed_event_and_only_what_will_be_printed(place: str, call: ast.Call) -> None:
    assert [type(a) for a in call.args] == [ast.Constant], f"{place}: an event is one literal"
    event = call.args[0].value  # type: ignore[attr-defined]
    assert only_allowed(None, "", {"event": event}) == {"event": event}
    names = {keyword.arg for keyword in call.keywords}
    assert names <= ALLOWED, f"{place}: {names - ALLOWED} would be dropped"
    for keyword in call.keywords:
        inside = list(ast.walk(keyword.value))
        assert not any(isinstance(n, ast.JoinedStr) for n in inside), (
            f"{place}: {keyword.arg} is put together"
        )
        words = [
            n
            for n in inside
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in ("str", "repr")
        ]
        assert not words, f"{place}: {keyword.arg} holds an error's or a value's own words"
