"""What a spreadsheet makes of the list of opt-outs: text, whatever stands in it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from bot.services.list_opt_outs import Item
from bot.web.opt_outs_csv import cell, lines

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RUNS = set("=+-@\t\r\n\0")
"""What OWASP lists as the beginning of something that a spreadsheet runs; kept apart from our own table."""


def test_a_line_is_as_rfc_4180_has_it() -> None:
    item = Item("+48500100200", "client", "marketing", AT, None, "AAAA")
    assert "".join(lines([item])) == (
        "number,scope,covers,since,lifted_at,reference\r\n"
        "'+48500100200,client,marketing,2026-11-20T12:00:00Z,,AAAA\r\n"
    )


def test_no_opt_outs_are_a_file_with_its_columns() -> None:
    assert "".join(lines([])) == "number,scope,covers,since,lifted_at,reference\r\n"


@given(st.text())
def test_no_cell_begins_as_a_formula(text: str) -> None:
    assert cell(text)[:1] not in RUNS


@given(st.lists(st.text(), min_size=1, max_size=3))
def test_what_is_written_is_read_again(references: list[str]) -> None:
    items = [Item("+48500100200", "client", "all", AT, AT, reference) for reference in references]
    read = list(csv.reader(io.StringIO("".join(lines(items)), newline="")))
    assert [row[-1] for row in read[1:]] == [cell(reference) for reference in references]


def test_a_long_list_comes_in_pieces() -> None:
    item = Item("+48500100200", "client", "marketing", AT, None, "AAAA")
    pieces = list(lines([item] * 1_250))
    assert len(pieces) == 3
    assert "".join(pieces).count("\r\n") == 1_251
