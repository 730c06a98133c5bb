"""Run the whole system on one machine with sample data, for looking at it. Nothing here serves a real person."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bot import bootstrap, nlu_process, sample, settings
from bot.bootstrap import Built
from bot.domain import language
from bot.domain.errors import BadSetting
from bot.domain.messages import Address
from bot.ledger import codes, conversations, migrate, phone, queues
from bot.ledger import keys as key_files
from bot.ledger.book import Ledger
from bot.services import import_files, sign_in
from bot.services.take_sent import take_sent
from bot.settings import LedgerSettings, NluSettings, Settings
from bot.understanding import Understanding
from bot.waking import POLL
from bot.web import simulator
from bot.worker import Worker

Line = Callable[[str], None]

FEED_EVERY = 300.0  #: seconds; the feed must have spoken within 15 minutes for "none" to be an answer
AGENT = "agent"


def run(*, port: int, folder: Path, open_browser: bool, line: Line) -> None:
    """Set up what is missing, start everything, print the addresses, and stay until interrupted."""
    _must_be_free(port)
    with _house(folder, f"http://127.0.0.1:{port}", line) as built:
        password = _agent(built, line)
        worker = Worker(built)
        worker.start()
        try:
            _serve(built, port, password, open_browser, line)
        finally:
            worker.stop(within=10)


def chat(*, person: str, channel: str, to: str, line: Line, folder: Path = Path("var/demo")) -> None:
    """A conversation in the terminal on the demo's data: one message a line, until the input ends."""
    address = simulator.address_of(medium=channel, person=person, ours=to or sample.SHOP_NUMBER)
    with _house(folder, "http://127.0.0.1:8000", line) as built:
        worker = Worker(built, responders=1, deliverers=1)
        worker.start()
        try:
            _converse(built, address)
        finally:
            worker.stop(within=5)


def _converse(built: Built, address: Address) -> None:
    """Read a line, wait until all it caused has arrived, print that; a code's SMS, too, whoever's phone it is on."""
    rung = built.bell.subscribe()
    with built.house.ledger.read() as book:
        shown = len(simulator.transcript(book, address))
        code = phone.last_code(book)
    while True:
        try:
            text = input("> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        if not text.strip():
            continue
        if not sys.stdin.isatty():
            print(f"> {text}")
        simulator.simulate(built.house, address, text=text, now=built.clock())
        while True:
            rung.clear()
            with built.house.ledger.read() as book:
                is_idle = queues.is_idle(book, conversations.find(book, address))
                is_idle = is_idle and not codes.has_unsent(book, now=built.clock())
                lines = simulator.transcript(book, address)
                texted = phone.codes_since(book, code)
            if is_idle:
                break
            rung.wait(POLL / 4)
        for said in lines[shown:]:
            if said.who != "person":
                print(said.text)
        for one in texted:
            if one.number != address.person:
                print(f"(SMS to {one.number}) {one.text}")
        shown, code = len(lines), max([code, *(one.id for one in texted)])


@contextmanager
def _house(folder: Path, public_url: str, line: Line) -> Iterator[Built]:
    base = demo_settings(folder, public_url)
    _set_up(base, line)
    language.warm_up()
    with nlu_process.start_for("", "", line) as running:
        model = Understanding(running.url, running.secret)
        built = bootstrap.build(
            replace(base, nlu=NluSettings(running.url, running.secret)), understanding=model
        )
        stop = threading.Event()
        feed = threading.Thread(target=_feed, args=(built.house.ledger, stop), daemon=True, name="feed")
        feed.start()
        try:
            yield built
        finally:
            stop.set()
            feed.join()
            model.close()
            built.close()


def demo_settings(folder: Path, public_url: str) -> Settings:
    """The demo's own settings: nothing of `.env` but what it must share is used, so that it sends nothing out."""
    read = settings.load(env_file=None)
    return replace(
        read,
        ledger=LedgerSettings(f"sqlite:///{folder / 'whosent.db'}", folder / "keys.json"),
        web=replace(read.web, public_url=public_url, simulator=True),
        redis_url="",
        twilio=None,
        smsapi=None,
        telegram=None,
    )


def _set_up(base: Settings, line: Line) -> None:
    """Keys, schema and sample data, each only if it is not there."""
    folder = base.ledger.keys_file.parent
    folder.mkdir(parents=True, exist_ok=True)
    if not base.ledger.keys_file.exists():
        key_files.create(base.ledger.keys_file)
    store = bootstrap.ledger(base)
    try:
        migrate.upgrade(store)
        done = folder / "sample-loaded"
        if not done.exists():
            _load_sample(store, line)
            done.touch()
    finally:
        store.close()


def _load_sample(store: Ledger, line: Line) -> None:
    now = bootstrap.now()
    clients = import_files.import_clients(store, sample.FOLDER / "clients.csv", None, now)
    senders = import_files.import_senders(store, sample.FOLDER / "senders.csv", None, now)
    sent = take_sent(store, sample.sent_rows(now), now)
    refused = [*clients.refused, *senders.refused, *sent.refused]
    if refused:
        raise BadSetting(f"sample data: line {refused[0].line}: {refused[0].column}: {refused[0].reason}")
    line(f"sample data: {clients.new} clients, {senders.new} senders, {sent.new} messages")


def _feed(store: Ledger, stop: threading.Event) -> None:
    """The provider's feed in small: it has nothing new, and says so."""
    while not stop.is_set():
        take_sent(store, (), bootstrap.now())
        stop.wait(FEED_EVERY)


def _agent(built: Built, line: Line) -> str:
    """A desk account with a fresh password; the demo's database is nobody's secret, its password still is."""
    password = secrets.token_urlsafe(12)
    sign_in.create_or_reset(built.house.ledger, AGENT, "agent", password, now=bootstrap.now())
    return password


def _serve(built: Built, port: int, password: str, open_browser: bool, line: Line) -> None:
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            built.web(),
            host="127.0.0.1",
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
    )
    watcher = threading.Thread(
        target=_tell_when_up, args=(server, port, password, open_browser, line), daemon=True
    )
    watcher.start()
    server.run()


def _tell_when_up(server: object, port: int, password: str, open_browser: bool, line: Line) -> None:
    until = time.monotonic() + 60
    while not getattr(server, "started", False) and time.monotonic() < until:
        time.sleep(0.05)  # uvicorn offers no event for "listening"
    address = f"http://127.0.0.1:{port}"
    line("")
    line(f"  phone    {address}/phone")
    line(f"  desk     {address}/desk      sign in as {AGENT} with {password}")
    line(f"  privacy  {address}/privacy")
    line("")
    for number, story in sample.PEOPLE.items():
        line(f"  {number}  {story}")
    line("")
    line("  Ctrl+C ends the demo.")
    if open_browser:
        webbrowser.open(f"{address}/phone")


def _must_be_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise BadSetting(f"port {port} is taken; try --port") from None
