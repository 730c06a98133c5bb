"""Percentiles, ratios, and the tables that tell them. Pure: measures nothing, reads no clock."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

COLUMNS = ("", "value", "reference", "ratio", "aim", "")


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure should reach.

    at_most, at_least: the bound. of: "value", "reference" or "ratio". wished: a further bound, told but not
    asked for.
    """

    of: str = "value"
    at_most: float | None = None
    at_least: float | None = None
    wished: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a table: a value with its unit, and what it was held against in the same run."""

    what: str
    value: float
    unit: str = ""
    reference: float | None = None
    of: str = ""  #: what the reference is
    ratio: float | None = None
    aim: Aim | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One table: figures, and notes on how they came about."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` (0..1) of all values do not exceed; NaN of nothing."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def median(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.median(known) if known else math.nan


def ratio_of_pairs(values: Sequence[float], references: Sequence[float]) -> float:
    """The median of the ratios, each of two runs made one after the other: what disturbs both cancels out."""
    return median(v / r for v, r in zip(values, references, strict=True) if r)


def is_met(figure: Figure) -> bool | None:
    """Whether the figure reaches its aim; None without one. A value that is no number reaches nothing."""
    aim = figure.aim
    if aim is None:
        return None
    measured = figure.ratio if aim.of == "ratio" else figure.value
    if measured is None or math.isnan(measured):
        return False
    is_low_enough = aim.at_most is None or measured <= aim.at_most
    return is_low_enough and (aim.at_least is None or measured >= aim.at_least)


def number(value: float) -> str:
    """As many digits as mean something: three, and no fraction from a hundred on."""
    if math.isnan(value):
        return "–"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def row(figure: Figure) -> tuple[str, ...]:
    """The cells of a figure, under COLUMNS."""
    unit = f" {figure.unit}" if figure.unit else ""
    reference = "" if figure.reference is None else f"{number(figure.reference)}{unit} {figure.of}".rstrip()
    met = {None: "", True: "met", False: "NOT MET"}[is_met(figure)]
    return (
        figure.what,
        f"{number(figure.value)}{unit}",
        reference,
        "" if figure.ratio is None else _times(figure.ratio),
        "" if figure.aim is None else _told(figure.aim, figure.unit),
        met,
    )


def as_text(measurement: Measurement) -> str:
    """The table for a terminal."""
    cells = [COLUMNS, *map(row, measurement.figures)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(COLUMNS))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    notes = [f"  {note}" for note in measurement.notes]
    return "\n".join([f"{measurement.name}: {measurement.title}", *lines, *notes])


def as_markdown(measurement: Measurement) -> str:
    """The same table for a page."""
    cells = [COLUMNS, ("---",) * len(COLUMNS), *map(row, measurement.figures)]
    lines = [f"| {' | '.join(line)} |" for line in cells]
    notes = ["", *(f"- {note}" for note in measurement.notes)] if measurement.notes else []
    return "\n".join([f"## {measurement.title[:1].upper()}{measurement.title[1:]}", "", *lines, *notes])


def _times(ratio: float) -> str:
    return f"{ratio:.1f} ×" if ratio >= 2 else f"{100 * ratio:.0f} %"


def _told(aim: Aim, unit: str) -> str:
    def bound(limit: float) -> str:
        return _times(limit) if aim.of == "ratio" else f"{number(limit)} {unit}".rstrip()

    sides = [("≤", aim.at_most), ("≥", aim.at_least)]
    told = " ".join(f"{sign} {bound(limit)}" for sign, limit in sides if limit is not None)
    return told if aim.wished is None else f"{told} (wished {bound(aim.wished)})"
