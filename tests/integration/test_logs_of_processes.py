"""A real process that logs canaries in every way there is, and what stands on its stderr afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.logs import ALLOWED

ROOT = Path(__file__).parent.parent.parent
CANARIES = ("500100200", "500 100 200", "Rzezucha", "Rzęzucha", "Jasminow", "AAHdqTcv", "hunter2")
BEGIN = """
import asyncio, gc, logging, sys, threading, warnings
import structlog
from bot import logs
log = structlog.get_logger()
NUMBER, NAME, TEXT = "+48500100200", "Zygfryda Rzezucha", "Rzęzucha mieszka na Jasminowej"
TOKEN = "https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/getMe"
logs.set_up()
"""
WAYS = {
    "keywords": """
for value in (NUMBER, int(NUMBER), NAME, TEXT, TOKEN, {"a": NUMBER}, [NAME],
              ValueError(NUMBER), NUMBER.encode()):
    log.info("sent", **{key: value for key in logs.ALLOWED - {"event"}}, number=value, text=value)
""",
    "event": """
for value in (NUMBER, NAME, TEXT, TOKEN):
    log.info(value)
    log.warning("sent to %s", value)
""",
    "bound": "log.bind(error=NUMBER, person=NAME).error('broke', exc_info=True, stack_info=True)",
    "exceptions": """
for value in (NUMBER, NAME, TEXT, TOKEN):
    try:
        raise ValueError(value)
    except ValueError as error:
        log.exception("broke", error=error)
        logging.getLogger("bot").exception("broke with %s", value)
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n", exc_info=error)
        logging.getLogger("sqlalchemy.pool").critical(f"[parameters: {value}]", exc_info=True)
""",
    "libraries": """
for name in ("httpx", "httpx2", "httpcore.http11", "telegram.ext", "urllib3", "twilio.http_client",
             "uvicorn.error", "uvicorn.access", "asyncio", "redis", "alembic.runtime", "py.warnings", "root",
             NUMBER, NAME, 'a"b\\nc'):
    for level in (10, 20, 30, 35, 40, 50):
        logging.getLogger(name).log(level, "HTTP Request: POST %s to %s for %s", TOKEN, NUMBER, NAME)
        logging.getLogger(name).log(level, "%d of %s", "not a number", NUMBER)
logging.error("%s %s", NUMBER)
warnings.warn(f"{NUMBER} {NAME}")
""",
    "line ends": """
for sign in ("\\n", "\\r\\n", "\\x1b[31m", "\\u2028", "\\u2029", "\\x85", "\\x00", "\\u202e",
             '"', "\\\\", "\\ud800"):
    log.warning("a" + sign + "b", error='{"level": "forged"}' + sign + "c")
    logging.getLogger("a" + sign + "b").error("x" + sign + "y")
""",
    "threads": """
def fall(): raise RuntimeError(NUMBER + NAME)
thread = threading.Thread(target=fall, name=NAME); thread.start(); thread.join()
""",
    "tasks": """
async def fall(): raise RuntimeError(NUMBER + NAME)
async def main():
    task = asyncio.create_task(fall(), name=NAME)
    await asyncio.sleep(0)
    del task
    gc.collect()
asyncio.run(main(), debug=True)
""",
    "finalizers": """
class Falls:
    def __del__(self): raise RuntimeError(NUMBER + NAME)
Falls()
""",
    "crash": "raise RuntimeError(NUMBER + NAME)",
    "crash with a cause": """
try:
    raise KeyError(NUMBER)
except KeyError as error:
    raise RuntimeError(NAME) from error
""",
    "crash of the database": """
from sqlalchemy import create_engine, text
with create_engine("sqlite://").connect() as line:
    line.execute(text("INSERT INTO nowhere VALUES (:n)"), {"n": NUMBER + NAME})
""",
}  # fmt: skip


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        timeout=100,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def lines(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.split("\n") if line]


@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_logging_lets_a_canary_through_or_breaks_a_line(way: str) -> None:
    code, said = run("-c", BEGIN + WAYS[way])
    assert (code != 0) == way.startswith("crash"), said
    for canary in CANARIES:
        assert canary not in said
    for sign in ("\r", "\x1b", "\u2028", "\u2029", "\x85", "\u202e"):
        assert sign not in said
    events = lines(said)
    assert events
    for event in events:
        assert set(event) <= ALLOWED
        assert {"event", "level", "timestamp"} <= set(event)
        assert event["level"] != "forged"


def test_a_crash_says_its_kind_and_its_place() -> None:
    _, said = run("-c", BEGIN + WAYS["crash"])
    [crash] = lines(said)
    assert (crash["event"], crash["error"]) == ("crashed", "RuntimeError")
    assert crash["where"].endswith(":9")


def test_lines_of_many_threads_and_of_libraries_stay_apart() -> None:
    script = """
def talk():
    for n in range(300):
        log.info("sent", count=n)
        logging.getLogger("library").error("x")
threads = [threading.Thread(target=talk) for _ in range(8)]
for t in threads: t.start()
for t in threads: t.join()
"""
    _, said = run("-c", BEGIN + script)
    assert len(lines(said)) == 8 * 300 * 2


def test_a_process_of_ours_sets_its_logs_up_before_it_says_anything() -> None:
    """What the command line loads and starts says nothing before, and everything in JSON after."""
    script = """
import sys
from bot import logs
order = []
real = logs.set_up
logs.set_up = lambda **more: (order.append("set up"), real(**more))
sys.argv = ["whosent", "migrate"]
import structlog
configured_before = structlog.is_configured()
from bot.cli import main
try:
    main()
except SystemExit:
    pass
assert order == ["set up"] and not configured_before and structlog.is_configured()
"""
    code, said = run("-c", script, WHOSENT_DATABASE_URL="nonsense")
    assert code == 0, said
    assert said.splitlines() == ["whosent: WHOSENT_DATABASE_URL: needs sqlite:///FILE or postgresql://…/DATABASE"]
