"""Write one JSON line an event, and be unable to print a number, a text or a name. Decides no event.

What may be said is an allow-list of keys whose values are ids, names of our own and small numbers; whatever
else a caller passes is dropped, so that a slip in a log call is no breach (invariant 13).
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED = frozenset(
    "event level timestamp message conversation case channel provider code error tries count seconds state port "
    "model name process alarm outcome kind version signal event_id client rows settings where".split()
)
_LOOKS_PERSONAL = re.compile(r"\+?\d[\d \-().]{6,}\d|@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
LONGEST = 120  #: characters of a value


def set_up(*, level: int = logging.INFO) -> None:
    """Configure logging of the whole process, libraries included. Idempotent."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Bare()], level=logging.WARNING, force=True)
    # Their INFO lines carry addresses with tokens in them (python-telegram-bot's URLs, httpx).
    for name in (
        "httpx",
        "httpx2",
        "httpcore",
        "httpcore2",
        "telegram",
        "urllib3",
        "twilio",
        "uvicorn.access",
    ):
        logging.getLogger(name).setLevel(logging.ERROR)


def only_allowed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what is not on the list, and cover what looks like a number or an address."""
    return {key: _covered(value) for key, value in event.items() if key in ALLOWED}


def _covered(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _CONTROL.sub(" ", str(value))[:LONGEST]
    return text if _is_time(text) else _LOOKS_PERSONAL.sub("…", text)


def _is_time(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", text) is not None


class _Bare(logging.StreamHandler[Any]):
    """Lines of libraries: the logger's name and the kind of error, never the words."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        return f'{{"level": "{record.levelname.lower()}", "event": "library", "name": "{record.name}", "error": "{error}"}}'
