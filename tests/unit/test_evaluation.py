"""What `understand` prints for each line and what `evaluate` counts, with a scripted model."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from bot.domain.errors import BadInput
from bot.domain.keywords import NOTHING, Act, Scope, Verdict, load_words, match
from bot.domain.readings import OTHERS, THRESHOLDS
from bot.evaluation import evaluate, tables, understand_lines
from bot.understanding import INTENTS, Reading

KEYS = {"text", "language", "intent", "confidence", "by", "act", "scope", "sender", "alternatives"}
SURE = 0.99


class ScriptedModel:
    """Reads what it was told to; None for a text it was not told about."""

    def __init__(self, **readings: tuple[str, float]) -> None:
        self._readings = readings
        self.asked: list[int] = []

    def read(self, texts: Sequence[str]) -> list[Reading | None]:
        self.asked.append(len(texts))
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading | None:
        if text not in self._readings:
            return None
        intent, confidence = self._readings[text]
        ranking = ((intent, confidence), ("faq/role", 0.004), ("faq/dpo", 0.003), ("faq/policy", 0.002))
        return Reading(intent, confidence, ranking, "m1")


def keyword(intent: str, act: Act = Act.DO, **other: object) -> Verdict:
    known = {
        "scope": None,
        "sender": None,
        "code": None,
        "language": None,
        "rule": "r",
        "span": (0, 4),
        "by": "keyword",
    }
    return Verdict(intent=intent, act=act, **{**known, **other})  # type: ignore[arg-type]


STOP = keyword("opt_out", scope=Scope.NAMED, sender="SHOPXYZ", language="en")
VERDICTS = {
    "stop": STOP,
    "stoppen": keyword("opt_out", Act.ASK, by="phrase"),
    "start": keyword("opt_in", Act.EXPLAIN),
    "hm": keyword("help", Act.NONE),
}


def matcher(text: str) -> Verdict:
    return VERDICTS.get(text, NOTHING)


def said(text: str, model: ScriptedModel | None = None, language: str = "pl") -> dict[str, object]:
    (only,) = understand_lines([text + "\n"], matcher, model, language)
    return only


# --- understand ------------------------------------------------------------------------------------------


def test_a_keyword_is_printed_whole_and_needs_no_model() -> None:
    assert said("stop") == {
        "text": "stop",
        "language": "pl",
        "intent": "opt_out",
        "confidence": 1.0,
        "by": "keyword",
        "act": "do",
        "scope": "named",
        "sender": "SHOPXYZ",
        "alternatives": [],
    }


@pytest.mark.parametrize(("text", "act"), [("stop", "do"), ("stoppen", "ask"), ("start", "ask")])
def test_words_without_doubt_win_over_the_model(text: str, act: str) -> None:
    found = said(text, ScriptedModel(**{text: ("who_sent", SURE)}))
    assert found["intent"] == VERDICTS[text].intent
    assert (found["by"], found["act"]) == (VERDICTS[text].by, act)
    assert found["alternatives"] == ["who_sent", "faq/role"]


def test_words_that_do_nothing_leave_it_to_the_model_and_serve_when_it_is_down() -> None:
    assert said("hm", ScriptedModel(hm=("who_sent", SURE)))["intent"] == "who_sent"
    assert said("hm", ScriptedModel())["intent"] == "help"


def test_an_opt_out_without_a_word_about_messages_is_asked_back_however_sure_the_model_is() -> None:
    found = said("no more already", ScriptedModel(**{"no more already": ("opt_out", 0.99)}))
    assert (found["intent"], found["act"]) == ("opt_out", "ask")


@pytest.mark.parametrize(
    ("intent", "confidence", "by", "act"),
    [
        ("opt_out", THRESHOLDS["opt_out"].do, "model", "do"),
        ("opt_out", THRESHOLDS["opt_out"].do - 0.01, "model", "ask"),
        ("opt_out", THRESHOLDS["opt_out"].ask - 0.01, "fallback", "ask"),
        ("opt_out", OTHERS.ask - 0.01, "fallback", "none"),
        ("opt_in", SURE, "model", "ask"),
        ("who_sent", OTHERS.do, "model", "do"),
        ("who_sent", OTHERS.ask, "fallback", "ask"),
        ("who_sent", OTHERS.ask - 0.01, "fallback", "none"),
        ("out_of_scope", SURE, "model", "none"),
        ("out_of_scope", OTHERS.ask - 0.01, "fallback", "none"),
        ("thanks", SURE, "model", "none"),
    ],
)
def test_what_the_bot_would_do_with_a_reading(intent: str, confidence: float, by: str, act: str) -> None:
    found = said("te smsy", ScriptedModel(**{"te smsy": (intent, confidence)}))
    assert (found["by"], found["act"]) == (by, act)
    assert found["intent"] == ("out_of_scope" if (by, act) == ("fallback", "none") else intent)


def test_a_fallback_still_names_what_it_could_be() -> None:
    found = said("hej", ScriptedModel(hej=("who_sent", 0.1)))
    assert found["alternatives"] == ["who_sent", "faq/role"]


def test_without_a_model_what_no_word_decides_is_not_understood() -> None:
    for model in (None, ScriptedModel()):
        found = said("kto to", model)
        assert (found["intent"], found["by"], found["act"], found["confidence"]) == (
            "out_of_scope",
            "fallback",
            "none",
            0.0,
        )


def test_every_line_has_the_same_keys_and_an_intent_of_the_contract() -> None:
    texts = ["stop", "start", "hm", "x", ""]
    for found in understand_lines(texts, matcher, ScriptedModel(x=("who_sent", SURE)), "auto"):
        assert set(found) == KEYS
        assert found["intent"] in INTENTS
        json.dumps(found)


def test_many_lines_keep_their_order_and_are_read_in_parts() -> None:
    texts = [f"t{number}" for number in range(130)]
    model = ScriptedModel(**dict.fromkeys(texts, ("who_sent", SURE)))
    assert [found["text"] for found in understand_lines(texts, matcher, model, "pl")] == texts
    assert model.asked == [64, 64, 2]


def test_lines_are_taken_as_they_come_and_not_all_at_once() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "stop\r\n"

    assert next(understand_lines(endless(), matcher, None))["text"] == "stop"


def test_the_language_is_told_from_the_text_or_given() -> None:
    text = "Bitte schicken Sie mir keine Werbung mehr auf mein Telefon"
    assert said(text, language="auto")["language"] == "de"
    assert said(text, language="uk")["language"] == "uk"
    assert said("stop", language="auto")["language"] == "en", "the keyword's own, for the text is too short"
    assert said("qq", language="auto")["language"] == "pl"


@pytest.mark.parametrize("text", ["MENU", "BOT", "POMOC", "KTO", "STOP ALL", "START"])
def test_the_keywords_of_the_house_are_printed_as_intents_of_the_contract(text: str) -> None:
    words = load_words(Path(__file__).parents[2] / "data" / "keywords.toml")
    (found,) = understand_lines([text], lambda line: match(line, words), None)
    assert found["by"] == "keyword"
    assert found["intent"] in INTENTS


# --- evaluate --------------------------------------------------------------------------------------------


def exam(tmp_path: Path, *rows: str) -> Path:
    file = tmp_path / "exam.tsv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file


def test_the_report_counts_what_was_understood(tmp_path: Path) -> None:
    file = exam(
        tmp_path,
        "opt_out\ten\tstop",
        "",
        "who_sent|faq/role\tpl\tkto",
        "faq/dpo\tpl\tiod",
        "out_of_scope\tuk\tpizza",
        "out_of_scope\tuk\twetter",
        "deny\tpl\tstop",
    )
    model = ScriptedModel(
        kto=("faq/role", SURE), iod=("who_sent", SURE), pizza=("who_sent", SURE), wetter=("who_sent", 0.1)
    )
    report = evaluate(file, matcher, model).as_json()
    assert (report["lines"], report["top1"], report["top3"]) == (6, 0.5, 0.6667)
    assert report["labels"]["who_sent"] == {"lines": 1, "top1": 1.0, "top3": 1.0}
    assert report["labels"]["faq/dpo"] == {"lines": 1, "top1": 0.0, "top3": 1.0}
    assert report["languages"]["uk"] == {"lines": 2, "top1": 0.5, "top3": 0.5}
    assert report["wrong_irreversible"] == {"count": 1, "at": [7]}
    assert report["out_of_scope"] == {"lines": 2, "answered_as_if_understood": 1, "at": [5]}
    assert {"label": "deny", "intent": "opt_out", "lines": 1} in report["confusion"]
    assert report["by"] == {"fallback": 1, "keyword": 2, "model": 3}


@pytest.mark.parametrize("label", ["opt_out", "deny|opt_out"])
def test_an_opt_out_that_is_accepted_is_no_wrong_act(tmp_path: Path, label: str) -> None:
    assert evaluate(exam(tmp_path, f"{label}\ten\tstop"), matcher, None).wrong_irreversible == []


def test_asking_back_is_no_act(tmp_path: Path) -> None:
    assert evaluate(exam(tmp_path, "deny\tde\tstoppen"), matcher, None).wrong_irreversible == []


@pytest.mark.parametrize("row", ["opt_out\ten", "no_such\ten\ttext", "opt_out|\ten\ttext"])
def test_a_row_of_the_wrong_form_is_named_by_its_line(tmp_path: Path, row: str) -> None:
    with pytest.raises(BadInput, match="line 2"):
        evaluate(exam(tmp_path, "opt_out\ten\tstop", row), matcher, None)


def test_an_empty_file_is_an_empty_report(tmp_path: Path) -> None:
    assert evaluate(exam(tmp_path), matcher, None).as_json()["lines"] == 0


def test_the_tables_show_the_figures_and_no_text(tmp_path: Path) -> None:
    report = evaluate(exam(tmp_path, "deny\tpl\tstop", "opt_out\tpl\tstop"), matcher, None)
    console = Console(width=120, record=True, file=io.StringIO())
    for table in tables(report):
        console.print(table)
    shown = console.export_text()
    assert "50.0 %" in shown
    assert "1 (line 1)" in shown
    assert "SHOPXYZ" not in shown
