"""Show the bot's own privacy notice in every language offered. Its words are data/privacy/<language>.html."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request
from jinja2 import Environment, StrictUndefined, TemplateError
from markupsafe import Markup
from starlette.responses import HTMLResponse

from bot.domain.errors import BadSetting
from bot.domain.language import NAMES
from bot.domain.retention import PERIODS
from bot.texts import Texts
from bot.web.pages import Pages


@dataclass(frozen=True, slots=True)
class Notice:
    """The notice in one language."""

    language: str
    name: str
    body: Markup


def notices(texts: Texts, folder: Path) -> tuple[Notice, ...]:
    """The notice in every language that has texts. Raises BadSetting if one of them has no notice.

    folder: where `privacy/` lies. The files are the operator's own and trusted; what they name (`brand`, the
    slots of provider.toml as `provider`, periods as `years` … `minutes` of a category) is escaped.
    """
    return tuple(
        _notice(texts, folder / "privacy" / f"{language}.html", language) for language in texts.languages
    )


def _notice(texts: Texts, path: Path, language: str) -> Notice:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    seconds = {category.value: period.total_seconds() for category, period in PERIODS.items()}
    try:
        body = environment.from_string(path.read_text(encoding="utf-8")).render(
            brand=texts.provider.brand,
            provider=texts.provider.slots,
            years={name: round(s / 31_536_000) for name, s in seconds.items()},
            months={name: round(s / 2_628_000) for name, s in seconds.items()},
            days={name: round(s / 86_400) for name, s in seconds.items()},
            hours={name: round(s / 3_600) for name, s in seconds.items()},
            minutes={name: round(s / 60) for name, s in seconds.items()},
        )
    except (OSError, TemplateError) as error:
        raise BadSetting(f"{path}: {error}") from None
    return Notice(language, NAMES.get(language, language), Markup(body))  # noqa: S704  (the operator's own)


def router(texts: Texts, folder: Path, *, first: str) -> APIRouter:
    """The one page, made when the process starts: a broken notice stops the start.

    On top stands the language that the browser asks for, else `first`.
    """
    every = notices(texts, folder)
    pages = {
        top.language: bytes(
            Pages()
            .show(
                "privacy.html",
                notices=sorted(every, key=lambda notice: notice is not top),
                brand=texts.provider.brand,
            )
            .body
        )
        for top in every
    }
    default = pages.get(first, pages[every[0].language])
    routes = APIRouter()

    @routes.get("/privacy")
    def show(request: Request) -> HTMLResponse:
        language = _wanted(request.headers.get("accept-language", ""), pages)
        body = default if language is None else pages[language]
        return HTMLResponse(body, headers={"Cache-Control": "max-age=300", "Vary": "Accept-Language"})

    return routes


def _wanted(header: str, offered: Collection[str]) -> str | None:
    """The language offered that an Accept-Language header weighs most (RFC 9110, 12.5.4)."""
    wishes = []
    for wish in header.split(","):
        tag, _, weight = wish.strip().partition(";q=")
        if re.fullmatch(r"(0(\.\d{0,3})?|1(\.0{0,3})?)?", weight):
            wishes.append((float(weight or 1), tag.partition("-")[0].casefold()))
    ranked = sorted(wishes, key=lambda wish: -wish[0])
    return next((language for weight, language in ranked if weight and language in offered), None)
