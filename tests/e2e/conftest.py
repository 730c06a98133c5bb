"""Start the real processes, with the providers played on loopback. Tests nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
import redis
from sqlalchemy import create_engine, text

from bot import nlu_process
from tests.conftest import DATABASE_URL, REQUIRE_SERVICES
from tests.standins.smsapi import SmsapiStandIn
from tests.standins.telegram import TOKEN as TELEGRAM_TOKEN
from tests.standins.telegram import TelegramStandIn
from tests.standins.twilio import TwilioStandIn
from tests.world import ALA, CLIENTS, SENDERS

ROOT = Path(__file__).parent.parent.parent
REDIS_URL = os.environ.get("WHOSENT_TEST_REDIS_URL") or "redis://127.0.0.1:6379/15"
AGENT = ("ola", "a passphrase of some length")


@dataclass(slots=True)
class System:
    """A deployment of whosent's own: web, worker, model, three providers."""

    folder: Path
    url: str
    environment: dict[str, str]
    twilio: TwilioStandIn
    smsapi: SmsapiStandIn
    telegram: TelegramStandIn
    gate_token: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "") -> str:
        """A command of `whosent`, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=ROOT, env=self.environment, input=stdin, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
        return done.stdout

    def start(self, name: str, *arguments: str) -> None:
        """A process of the deployment; its output goes to a file that is shown when a test fails."""
        log = (self.folder / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "bot", *arguments], cwd=ROOT, env=self.environment, stdout=log, stderr=log
        )
        log.close()

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    @contextlib.contextmanager
    def set_up(self, **settings: str) -> Iterator[None]:
        """Web and worker run with other settings for the length of a `with`."""
        before = self.environment
        self.environment = before | {f"WHOSENT_{name}": value for name, value in settings.items()}
        try:
            self._restart()
            yield
        finally:
            self.environment = before
            self._restart()

    def _restart(self) -> None:
        for name, *arguments in (["web", "serve", "--port", self.url.rpartition(":")[2]], ["worker", "work"]):
            if name in self.processes:
                self.stop(name)
            self.start(name, *arguments)
        self.wait_until(f"{self.url}/readyz")

    def log_of(self, name: str) -> str:
        """All that a process has logged."""
        return (self.folder / f"{name}.log").read_text()

    def wait_until(self, address: str, *, seconds: float = 90) -> None:
        """Wait until something answers 200 there; a process that died meanwhile ends the wait."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not dead, f"{dead} ended: {self.logs()}"
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(address, timeout=2, trust_env=False).status_code == 200:
                    return
            time.sleep(0.1)  # there is no event for another process's port
        raise AssertionError(f"nothing answered at {address}: {self.logs()}")

    def logs(self) -> str:
        return "\n".join(f"--- {f.name}\n{f.read_text()[-3000:]}" for f in sorted(self.folder.glob("*.log")))

    def secret(self, name: str) -> str:
        """A secret setting, as the processes were given it."""
        return self.environment[f"WHOSENT_{name}"]

    def is_allowed(self, number: str, client: str, message_class: str = "marketing") -> bool:
        answer = httpx2.post(
            f"{self.url}/v1/check",
            json={"number": number, "client_id": client, "class": message_class},
            headers={"Authorization": f"Bearer {self.gate_token}"},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["allowed"])

    def sent(self, client: str, sender: str, *, to: str = ALA) -> None:
        """The provider's feed tells of one message."""
        row = {
            "message_id": f"m-{uuid.uuid4().hex}", "client_id": client, "sender": sender, "recipient": to,
            "sent_at": (datetime.now(UTC) - timedelta(minutes=5)).isoformat(), "channel": "sms", "class": "marketing",
        }  # fmt: skip
        answer = httpx2.post(
            f"{self.url}/v1/sent",
            json=[row],
            headers={"Authorization": f"Bearer {self.gate_token}"},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        assert not answer.json().get("refused"), answer.text


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def model() -> Path:
    """The trained model; training is skipped when its data has not changed."""
    return nlu_process.train().model


@pytest.fixture(scope="session", params=["sqlite alone", "postgresql and redis"])
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model: Path
) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("deployment")
    with contextlib.ExitStack() as stack:
        if request.param == "sqlite alone":
            database, redis_url = f"sqlite:///{folder / 'whosent.db'}", ""
        else:
            database, redis_url = stack.enter_context(_database()), _redis()
        account = "AC" + secrets.token_hex(16)
        twilio = stack.enter_context(TwilioStandIn(account=account, token=secrets.token_hex(16)))
        smsapi = stack.enter_context(SmsapiStandIn(token=secrets.token_urlsafe(24)))
        telegram = stack.enter_context(TelegramStandIn())
        port, nlu_port = free_port(), free_port()
        gate_token = secrets.token_urlsafe(24)
        url = f"http://127.0.0.1:{port}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WHOSENT_")} | {
            "WHOSENT_DATABASE_URL": database,
            "WHOSENT_REDIS_URL": redis_url,
            "WHOSENT_PUBLIC_URL": url,
            "WHOSENT_KEYS_FILE": str(folder / "keys.json"),
            "WHOSENT_NLU_URL": f"http://127.0.0.1:{nlu_port}",
            "WHOSENT_NLU_SECRET": secrets.token_urlsafe(24),
            "WHOSENT_TWILIO_ACCOUNT_SID": account,
            "WHOSENT_TWILIO_AUTH_TOKEN": twilio.token,
            "WHOSENT_TWILIO_API_URL": twilio.url,
            "WHOSENT_SMSAPI_TOKEN": smsapi.token,
            "WHOSENT_SMSAPI_API_URL": smsapi.url,
            "WHOSENT_SMSAPI_CALLBACK_SECRET": secrets.token_urlsafe(24),
            "WHOSENT_SMSAPI_SOURCE_IPS": "127.0.0.1/32",
            "WHOSENT_TELEGRAM_TOKEN": TELEGRAM_TOKEN,
            "WHOSENT_TELEGRAM_API_URL": telegram.url,
            "WHOSENT_TELEGRAM_WEBHOOK_SECRET": secrets.token_urlsafe(24),
            "WHOSENT_API_TOKENS": f"tests:{gate_token}",
        }
        system = System(folder, url, environment, twilio, smsapi, telegram, gate_token)
        system.run("keys", "create", str(folder / "keys.json"))
        system.run("migrate")
        (folder / "clients.csv").write_text(CLIENTS)
        (folder / "senders.csv").write_text(SENDERS)
        assert "refused 0" in system.run("import", "clients", str(folder / "clients.csv"))
        assert "refused 0" in system.run("import", "senders", str(folder / "senders.csv"))
        system.run("staff", "add", AGENT[0], "--role", "agent", stdin=f"{AGENT[1]}\n")
        system.start("nlu", "nlu", "run", "--port", str(nlu_port))
        system.start("web", "serve", "--port", str(port))
        system.start("worker", "work")
        try:
            system.wait_until(f"{url}/readyz")
            system.wait_until(f"{environment['WHOSENT_NLU_URL']}/webhooks/parse/health")
            yield system
        finally:
            for name in list(system.processes):
                system.stop(name)


@contextlib.contextmanager
def _database() -> Iterator[str]:
    """A database schema of this deployment's own."""
    base = DATABASE_URL.replace("postgresql+psycopg://", "postgresql://", 1)
    schema = f"whosent_e2e_{uuid.uuid4().hex[:10]}"
    server = create_engine(
        base.replace("postgresql://", "postgresql+psycopg://", 1),
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": 3},
    )
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except Exception as error:
        _missing(f"no PostgreSQL answers at WHOSENT_TEST_DATABASE_URL ({type(error).__name__})")
    try:
        yield f"{base}{'&' if '?' in base else '?'}options=-csearch_path%3D{schema}"
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        server.dispose()


def _redis() -> str:
    try:
        redis.Redis.from_url(REDIS_URL, socket_connect_timeout=1).ping()
    except redis.RedisError:
        _missing("no Redis answers at WHOSENT_TEST_REDIS_URL")
    return REDIS_URL


def _missing(reason: str) -> None:
    if REQUIRE_SERVICES:
        pytest.fail(reason)
    pytest.skip(reason)
