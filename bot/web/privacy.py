"""Show the bot's own privacy notice in every language offered. Its words are data/privacy/<language>.html."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
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
    """The one page, made when the process starts: a broken notice stops the start. first: language on top."""
    shown = sorted(notices(texts, folder), key=lambda notice: notice.language != first)
    page = Pages().show("privacy.html", notices=shown, brand=texts.provider.brand)
    body = bytes(page.body)
    routes = APIRouter()

    @routes.get("/privacy")
    def show() -> HTMLResponse:
        return HTMLResponse(body, headers={"Cache-Control": "max-age=300"})

    return routes
