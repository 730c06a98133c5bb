"""Test how readings are scored and where the tables go; nothing is trained here."""

from __future__ import annotations

import pytest

from tests.bench.reading import scores
from tests.bench.reading.__main__ import BLOCK, parted, written_into
from tests.bench.reading.scores import Line, Read


def reading(meant: str, *ranking: tuple[str, float], text: str = "") -> Read:
    return Read(Line(text, meant, "pl"), ranking)


def test_blocks_of_neighbours_go_to_one_side_and_no_line_to_both() -> None:
    learned, held_back = parted(BLOCK)
    assert not {line.text for line in learned} & {line.text for line in held_back}
    assert 0.18 < len(held_back) / (len(learned) + len(held_back)) < 0.22
    assert parted(BLOCK) == (learned, held_back)


def test_the_threshold_lets_five_percent_of_what_is_no_wish_through() -> None:
    none = [reading("out_of_scope", ("who_sent", place / 100)) for place in range(100)]
    threshold = scores.lowest_threshold(none)
    assert sum(scores.is_answered(one, threshold) for one in none) == 5


def test_small_talk_answers_nothing() -> None:
    assert not scores.is_answered(reading("out_of_scope", ("thanks", 0.99)), 0.5)


def test_wishes_are_answered_rightly_wrongly_or_not_at_once() -> None:
    read = [
        reading("who_sent", ("who_sent", 0.9)),
        reading("who_sent", ("opt_out", 0.9)),
        reading("who_sent", ("who_sent", 0.4)),
        reading("thanks", ("who_sent", 0.9)),
    ]
    assert scores.at_once(read, 0.5) == pytest.approx((1 / 3, 1 / 3))


def test_an_opt_out_needs_the_text_to_speak_of_messages() -> None:
    read = [
        reading("opt_out", ("opt_out", 0.97), text="no more of these texts"),
        reading("opt_out", ("opt_out", 0.97), text="enough already"),
        reading("thanks", ("opt_out", 0.97), text="enough already"),
        reading("rights_erasure", ("opt_out", 0.97), text="no more texts, and erase me"),
    ]
    assert scores.opt_outs(read, 0.96, needs_witness=True) == (0.5, 0)
    assert scores.opt_outs(read, 0.96, needs_witness=False) == (1.0, 1)


def test_who_is_as_often_right_as_sure_is_calibrated() -> None:
    fair = [reading("a", ("a", 0.5)), reading("b", ("a", 0.5))] * 50
    assert scores.calibration_error(fair) == pytest.approx(0.0)
    boastful = [reading("a", ("a", 0.9)), reading("b", ("a", 0.9))] * 50
    assert scores.calibration_error(boastful) == pytest.approx(0.4)


def test_an_ensemble_is_the_mean_of_what_its_parts_say() -> None:
    one, other = [reading("a", ("a", 0.6), ("b", 0.4))], [reading("a", ("b", 0.9), ("a", 0.1))]
    (both,) = scores.together(one, other)
    assert both.intent == "b"
    assert both.confidence == pytest.approx(0.65)


def test_tables_go_between_their_marks_and_leave_the_words_alone() -> None:
    page = "Words.\n<!-- one -->\nold\n<!-- end -->\nMore words.\n<!-- two -->\n<!-- end -->\n"
    once = written_into(page, {"one": [("a", "b"), ("1", "2")], "two": [("c",), ("3",)]})
    assert once == (
        "Words.\n<!-- one -->\n| a | b |\n| --- | --- |\n| 1 | 2 |\n<!-- end -->\nMore words.\n"
        "<!-- two -->\n| c |\n| --- |\n| 3 |\n<!-- end -->\n"
    )
    assert written_into(once, {"two": [("c",), ("3",)]}) == once
    with pytest.raises(KeyError):
        written_into("no marks", {"one": [("a",)]})
