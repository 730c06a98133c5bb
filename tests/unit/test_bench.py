"""Test what the bench computes and prints; nothing is measured here."""

import math

import pytest

from tests.bench.figures import (
    Aim,
    Figure,
    Measurement,
    as_markdown,
    as_text,
    is_met,
    number,
    percentile,
    ratio_of_pairs,
)
from tests.bench.load import Request
from tests.bench.texts import by_intent, mixed


@pytest.mark.parametrize(
    ("part", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0), (0.0, 1.0)]
)
def test_a_percentile_is_a_value_that_was_measured(part: float, expected: float) -> None:
    values = [float(v) for v in range(100, 0, -1)]
    assert percentile(values, part) == expected


def test_a_percentile_never_hides_the_slow_ones_of_a_small_run() -> None:
    assert percentile([1.0, 1.0, 900.0], 0.99) == 900.0
    assert math.isnan(percentile([], 0.99))


def test_a_ratio_is_of_runs_made_one_after_the_other() -> None:
    # The machine was three times slower in the second round; the ratio stayed.
    assert ratio_of_pairs([60.0, 20.0, 60.0], [100.0, 33.3, 100.0]) == pytest.approx(0.6, rel=0.01)


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (Figure("p99", 99.9, "ms", aim=Aim(at_most=100)), True),
        (Figure("p99", 100.1, "ms", aim=Aim(at_most=100)), False),
        (Figure("rate", 40.0, "/s", 100.0, "commits", 0.4, Aim(of="ratio", at_least=0.15, wished=0.5)), True),
        (Figure("rate", 4.0, "/s", 100.0, "commits", 0.04, Aim(of="ratio", at_least=0.15)), False),
        (Figure("rate", 4.0, "/s", aim=Aim(of="ratio", at_least=0.15)), False),
        (Figure("p99", math.nan, "ms", aim=Aim(at_most=100)), False),
        (Figure("memory", 100.0, "MB"), None),
    ],
)
def test_an_aim_is_met_or_not(figure: Figure, expected: bool | None) -> None:
    assert is_met(figure) is expected


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0"), (3.14159, "3.14"), (42.35, "42.4"), (1234.5, "1 234"), (math.nan, "–")],
)
def test_a_number_has_no_more_digits_than_it_means(value: float, told: str) -> None:
    assert number(value) == told


def test_a_table_says_what_was_not_met() -> None:
    aim = Aim(of="ratio", at_least=0.6)
    figures = (
        Figure("SQLite: turns", 50.0, "/s", 100.0, "read only", 0.5, aim),
        Figure("SQLite: refused", 0, aim=Aim(at_most=0)),
    )
    measurement = Measurement("turns", "whole turns", figures, ("A note.",))
    text = as_text(measurement).splitlines()
    assert "50 %" in text[2]
    assert text[2].endswith("NOT MET")
    assert text[3].endswith("met")
    page = as_markdown(measurement).splitlines()
    assert page[0] == "## Whole turns"
    assert len({line.count("|") for line in page if line.startswith("|")}) == 1
    assert page[-1] == "- A note."


def test_a_prepared_request_is_whole() -> None:
    head, _, body = Request("/x", {"A": "b"}, "ż".encode()).wire(80).partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /x HTTP/1.1"
    assert b"Content-Length: 2" in head
    assert body == "ż".encode()


def test_texts_of_the_turns_are_of_every_intent_and_the_same_each_time() -> None:
    texts = mixed(400)
    assert texts == mixed(400)
    intents = {line: intent for intent, lines in by_intent().items() for line in lines}
    assert len({intents[text] for text in texts}) >= 30
