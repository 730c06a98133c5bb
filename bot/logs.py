"""Write one JSON line an event, and be unable to print a number, a text or a name. Decides no event.

What may be said is an allow-list of keys whose values are ids, names of our own and small numbers; whatever
else a caller passes is dropped, so that a slip in a log call is no breach (invariant 13). Libraries, warnings
and crashes tell their kind and place, never their words.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

ALLOWED = frozenset({
    "event", "level", "timestamp", "message", "conversation", "case", "channel", "provider", "code",
    "error", "tries", "count", "seconds", "state", "port", "model", "name", "process", "alarm",
    "outcome", "kind", "version", "signal", "event_id", "client", "rows", "settings", "where", "staff",
    "wait",
})  # fmt: skip
LIMITS = {"event": (80, 10), "*": (48, 4)}
"""Characters and words of a value by its key: what is longer is a sentence, and ours are none."""
LARGEST = 10**8  #: a phone number has nine digits or more; an id that large is covered with it

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")
_EVENT_ID = re.compile(r"msg_[0-9a-f]{24}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CAPITALISED = re.compile(r"\b[A-Z][a-z]+\b")
_LOOKS_PERSONAL = re.compile(
    r"\S*@\S*"  # a mail address
    r"|\w+://\S*|\S*\?\S*"  # an address or its query, which may hold a token
    r"|\+?\d(?:[ \-().,_/]*\d){7,}"  # a number of eight digits or more, however it is grouped
    r"|(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{25,}"  # a token or a key
)


def set_up(*, level: int = logging.INFO) -> None:
    """Configure logging of the whole process, libraries and crashes included. Idempotent."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write a line: two loggers share the stream, and print() writes the line end apart.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Bare()], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
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
    sys.excepthook = _crashed
    threading.excepthook = lambda crash: _crashed(crash.exc_type, crash.exc_value, crash.exc_traceback)
    sys.unraisablehook = lambda crash: _crashed(crash.exc_type, crash.exc_value, crash.exc_traceback)


def only_allowed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what is not on the list, and cover what looks like a number, an address, a token or a sentence."""
    return {key: _covered(key, value) for key, value in event.items() if key in ALLOWED}


def _covered(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # NaN is no JSON
        return value if math.isfinite(value) and abs(value) < LARGEST else "…"
    text = _CONTROL.sub(" ", str(value))
    if _TIME.fullmatch(text) or _EVENT_ID.fullmatch(text):
        return text
    longest, words = LIMITS.get(key, LIMITS["*"])
    is_sentence = len(text) > longest or len(text.split()) > words
    # A second capitalised word makes it somebody's name.
    if not text.isascii() or is_sentence or len(_CAPITALISED.findall(text)) > 1:
        return "…"
    return _LOOKS_PERSONAL.sub("…", text)


def _crashed(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Instead of a traceback, whose last line is the error's words."""
    if issubclass(kind, KeyboardInterrupt):
        return
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    structlog.get_logger().error("crashed", error=kind.__name__, where=where)


class _Bare(logging.StreamHandler[Any]):
    """Lines of libraries: the logger's name, the place and the kind of error, never the words."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def format(self, record: logging.LogRecord) -> str:
        kind = record.exc_info[0] if record.exc_info else None
        said = {
            "level": record.levelname.lower(),
            "event": "library",
            "name": record.name,
            "where": f"{record.module}:{record.lineno}",
            "error": kind.__name__ if kind else "",
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        return json.dumps(only_allowed(None, "", said))

    def handleError(self, record: logging.LogRecord) -> None:
        """The standard one prints the record with its words."""
