"""The examples of docs/opt-outs.md, run as they stand there against the real thing."""

from __future__ import annotations

import base64
import csv
import ipaddress
import json
import os
import re
import runpy
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from bot.egress import Egress
from bot.ledger import cases, clients, tokens
from bot.ledger.book import Ledger
from bot.ledger.tokens import Right
from bot.services.notify_controller import notify, sign
from bot.settings import MailSettings, WebSettings
from bot.web import client_api
from tests.standins.client_hook import takes
from tests.world import ALA, SHOP_NUMBER, World

PAGE = (Path(__file__).parents[2] / "docs" / "opt-outs.md").read_text(encoding="utf-8")
BLOCKS = {
    (kind, name): text
    for kind, name, text in re.findall(r"^```(\w+) ([\w.]+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
}
SECRET = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
NO_MAIL = MailSettings("", "")
ASKS = "chce dostac kopie swoich danych"

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("bash") is None, reason="the examples call curl from bash"
)


@dataclass
class Now:
    """The real time: the receiver refuses what is older than five minutes."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def world(ledger: Ledger, tmp_path: Path) -> World:
    return World(ledger, Now(), tmp_path, {ASKS: ("rights_access", 0.9)})


@contextmanager
def served(world: World) -> Iterator[str]:
    """The client API on a port of its own."""
    app = FastAPI()
    settings = WebSettings(public_url="", api_tokens=(), simulator=False)
    app.include_router(client_api.router(world.house.ledger, settings, lambda: world.now))
    line = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [line]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{line.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        line.close()


@pytest.fixture
def shell(world: World, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a client has in its shell after the first block, with values of its own."""
    names = re.findall(r"^export (\w+)=", BLOCKS["sh", "setup"], re.MULTILINE)
    assert names == ["WHOSENT", "TOKEN", "CLIENT"]
    with world.house.ledger.write() as book:
        token = tokens.add(book, "shop", Right.CLIENT, now=world.now, client=clients.find(book, "shop"))
    with served(world) as url:
        yield {"WHOSENT": url, "TOKEN": token, "CLIENT": "shop", "PATH": os.environ["PATH"]}


def runs(name: str, shell: dict[str, str], folder: Path, **more: str) -> str:
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-euc", BLOCKS["sh", name]],
        env={**shell, **more}, cwd=folder, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shape(value: object) -> object:
    """The names and types of an answer, without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def shown(kind: str, name: str) -> Any:
    return json.loads(BLOCKS[kind, name])


def test_every_example_is_run_here() -> None:
    assert set(BLOCKS) == {
        *(("sh", name) for name in ("setup", "gate", "list", "csv", "ack")),
        *(("json", name) for name in ("gate", "event", "vector", "list")),
        ("python", "receiver.py"),
    }
    assert PAGE.count("```") == 2 * len(BLOCKS)


@needs_curl
def test_the_gate_answers_as_shown(world: World, shell: dict[str, str], tmp_path: Path) -> None:
    world.says("STOP")
    answered = json.loads(runs("gate", shell, tmp_path))
    assert shape(answered) == shape(shown("json", "gate"))
    assert [a["allowed"] for a in answered] == [a["allowed"] for a in shown("json", "gate")]


@needs_curl
def test_list_and_file_answer_as_shown(world: World, shell: dict[str, str], tmp_path: Path) -> None:
    world.says("STOP")
    listed = json.loads(runs("list", shell, tmp_path))
    assert shape(listed) == shape(shown("json", "list"))
    runs("csv", shell, tmp_path)
    with (tmp_path / "optouts.csv").open(newline="") as file:
        assert [row["number"] for row in csv.DictReader(file)] == [f"'{ALA}"]


@needs_curl
def test_a_request_is_acknowledged_as_shown(world: World, shell: dict[str, str], tmp_path: Path) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.says(ASKS)
    world.says("1")
    with world.house.ledger.read() as book:
        [case] = cases.listed(book)
    assert json.loads(runs("ack", shell, tmp_path, REFERENCE=case.ref))["reference"] == case.ref


def test_the_vector_is_the_specifications_and_the_pages_receiver_verifies_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # https://github.com/standard-webhooks/standard-webhooks, the vector its libraries are tested with
    vector = shown("json", "vector")
    event, stamp, body = vector["webhook-id"], vector["webhook-timestamp"], vector["body"].encode()
    assert sign(vector["secret"], event, int(stamp), body) == vector["webhook-signature"]
    receiver = tmp_path / "receiver.py"
    receiver.write_text(BLOCKS["python", "receiver.py"], encoding="utf-8")
    monkeypatch.setenv("SECRET", vector["secret"])
    verify = runpy.run_path(str(receiver))["verify"]
    monkeypatch.setattr(time, "time", lambda: float(stamp) + 60)
    assert verify(vector["secret"], vector, body)
    assert verify(
        vector["secret"], {**vector, "webhook-signature": f"v1,AAAA {vector['webhook-signature']}"}, body
    )
    assert not verify(vector["secret"], vector, body + b" ")
    assert not verify(SECRET, vector, body)
    monkeypatch.setattr(time, "time", lambda: float(stamp) + 301)
    assert not verify(vector["secret"], vector, body)


def test_the_receiver_takes_what_is_sent_as_shown(world: World, tmp_path: Path) -> None:
    """As a process of its own, beside one in which its list can be looked at."""
    (tmp_path / "receiver.py").write_text(
        BLOCKS["python", "receiver.py"].replace(
            "        self.answer(204)",
            "        print(json.dumps([notice, stopped]), flush=True)\n        self.answer(204)",
        ),
        encoding="utf-8",
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "receiver.py"], cwd=tmp_path, env={"SECRET": SECRET, "PORT": str(port)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    egress = Egress((ipaddress.ip_network("127.0.0.1/32"),))
    try:
        _wait_for(port)
        takes(world, tmp_path, f"http://127.0.0.1:{port}", secret=SECRET)
        world.says("STOP")
        assert notify(world.house, egress, NO_MAIL, now=world.now) == 1
        [asks] = [text for text in world.says("START") if "START " in text]
        world.says(asks.split("START ")[1][:2])
        assert notify(world.house, egress, NO_MAIL, now=world.now) == 1
        assert process.stdout is not None
        (created, first), (lifted, then) = (json.loads(process.stdout.readline()) for _ in range(2))
        assert shape(created) == shape(shown("json", "event"))
        assert (created["type"], first) == ("optout.created", {ALA: "marketing"})
        assert (lifted["type"], then) == ("optout.lifted", {})
    finally:
        egress.close()
        process.kill()
        process.communicate()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            continue
        return
    pytest.fail("the receiver does not listen")
