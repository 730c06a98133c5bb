"""Turn templates into pages. Every value is escaped; a template that names something missing fails."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from bot.texts import ZONE

_FOLDERS = (Path(__file__).parent / "templates", Path(__file__).parent / "desk" / "templates")


class Pages:
    """The templates of every page, read once; one that cannot be read stops the start."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_FOLDERS),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(moment=_moment, day=_day)
        for name in self._environment.list_templates(extensions=["html"]):
            self._environment.get_template(name)

    def show(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page, never kept by a browser or a proxy: it may show what somebody wrote."""
        text = self._environment.get_template(template).render(values)
        return HTMLResponse(text, status, {"Cache-Control": "no-store"})


def _moment(at: datetime) -> str:
    """Day and time in Warsaw, as people there write it."""
    return f"{at.astimezone(ZONE):%d.%m.%Y %H:%M}"


def _day(on: date) -> str:
    return f"{on:%d.%m.%Y}"
