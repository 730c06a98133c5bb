"""Run everything that is not an answer to a request: turns, sending, notices, sweeps, seals, purging. Decides nothing.

Threads, because each waits for somebody else most of the time; all state is in the ledger, so any number of
worker processes may run, and stopping one loses nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from bot.bootstrap import Built
from bot.channels.telegram import Telegram
from bot.domain.messages import Received
from bot.ledger import client_accounts
from bot.services.compare_lists import compare_due
from bot.services.deliver import deliver
from bot.services.mirror_opt_outs import mirror
from bot.services.notify_controller import notify
from bot.services.purge import purge
from bot.services.receive import receive
from bot.services.remind import remind
from bot.services.respond import reread, respond
from bot.services.seal import seal
from bot.services.send_codes import send_codes
from bot.services.take_listed import take_listed
from bot.waking import POLL

log = structlog.get_logger()

RESPONDERS = 2
DELIVERERS = 4
NOTIFIERS = 2  #: so that a client that hangs does not keep the others waiting
TURNS_AT_ONCE = 16  #: turns claimed together, so that the model reads them in one request
SENDS_AT_ONCE = 4
AFTER_A_FAULT = 1.0  #: seconds a loop rests when the database or another part is away

SWEEP_EVERY = 300.0
SWEEP_BACK = timedelta(hours=24)
REREAD_EVERY = 3.0
NOTIFY_EVERY = 2.0
SEAL_EVERY = 3.0  #: seconds; what is done is to be sealed within 10
MIRROR_EVERY = 5.0
LISTS_EVERY = 60.0  #: seconds between looks whether a client's account is due to be asked or compared
REMIND_EVERY = 300.0  #: seconds between looks at what clients have not acknowledged
PURGE_EVERY = 6 * 3600.0


class Worker:
    """The threads of one worker process."""

    def __init__(self, built: Built, *, responders: int = RESPONDERS, deliverers: int = DELIVERERS) -> None:
        self._built = built
        self._stop = threading.Event()
        self._egress = built.egress()
        self._reach = built.reach()
        loops: list[tuple[str, Callable[[], None]]] = []
        # Each ear is made once: one a restart would never be taken off the bell again.
        loops += [(f"respond-{i}", partial(self._respond, built.bell.subscribe())) for i in range(responders)]
        loops += [(f"deliver-{i}", partial(self._deliver, built.bell.subscribe())) for i in range(deliverers)]
        loops += [("codes", partial(self._codes, built.bell.subscribe()))]
        loops += [("reread", self._every(REREAD_EVERY, self._reread))]
        loops += [(f"notify-{i}", self._every(NOTIFY_EVERY, self._notify)) for i in range(NOTIFIERS)]
        loops += [("sweep", self._every(SWEEP_EVERY, self._sweep))]
        loops += [("seal", self._every(SEAL_EVERY, self._seal))]
        loops += [("mirror", self._every(MIRROR_EVERY, self._mirror))]
        loops += [("lists", self._every(LISTS_EVERY, self._lists))]
        loops += [("remind", self._every(REMIND_EVERY, self._remind))]
        loops += [("purge", self._every(PURGE_EVERY, self._purge))]
        telegram = built.channels.get("telegram")
        if isinstance(telegram, Telegram) and not telegram.routes:
            loops += [("telegram", lambda: self._poll(telegram))]
        self._threads = [
            threading.Thread(target=self._keep, args=(name, loop), name=name, daemon=True)
            for name, loop in loops
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        log.info("worker started", count=len(self._threads))

    def stop(self, *, within: float = 25.0) -> None:
        """Let every thread finish what it has in hand. within: seconds for all of them together."""
        self._stop.set()
        self._built.bell.ring()
        until = time.monotonic() + within
        for thread in self._threads:
            thread.join(timeout=max(0.1, until - time.monotonic()))
        self._egress.close()
        log.info("worker stopped")

    def _keep(self, name: str, loop: Callable[[], None]) -> None:
        """A fault of the database or a provider ends no loop."""
        while not self._stop.is_set():
            try:
                loop()
            except Exception as error:  # noqa: BLE001  # whatever it is, the next round is the remedy
                log.error("loop broke", name=name, error=type(error).__name__)
                self._stop.wait(AFTER_A_FAULT)

    def _respond(self, ear: threading.Event) -> None:
        built = self._built
        self._while_work(
            ear,
            lambda: respond(built.house, built.topics, clock=built.clock, limit=TURNS_AT_ONCE),
            rings=True,
        )

    def _deliver(self, ear: threading.Event) -> None:
        built = self._built
        self._while_work(
            ear, lambda: deliver(built.house, built.channels, now=built.clock(), limit=SENDS_AT_ONCE)
        )

    def _codes(self, ear: threading.Event) -> None:
        """Somebody waits with the phone in hand, so a code goes out as soon as a turn asked for it."""
        built = self._built
        self._while_work(
            ear, lambda: send_codes(built.house, built.settings.mail, now=built.clock()), rings=True
        )

    def _while_work(self, ear: threading.Event, step: Callable[[], int], *, rings: bool = False) -> None:
        """Work as long as there is some, then wait for a ring or the next look."""
        while not self._stop.is_set():
            ear.clear()
            if step() == 0:
                ear.wait(POLL)
            elif rings:
                self._built.bell.ring()

    def _every(self, seconds: float, step: Callable[[], None]) -> Callable[[], None]:
        def loop() -> None:
            while not self._stop.is_set():
                step()
                self._stop.wait(seconds)

        return loop

    def _reread(self) -> None:
        built = self._built
        if reread(built.house, built.topics, clock=built.clock):
            built.bell.ring()

    def _notify(self) -> None:
        built = self._built
        while not self._stop.is_set():
            if not notify(built.house, self._egress, built.settings.mail, now=built.clock(), limit=1):
                return

    def _sweep(self) -> None:
        """Twilio tries a hook once at most, so what it has of the last day goes through the same inbox."""
        now = self._built.clock()
        for channel in self._built.channels.values():
            for message in channel.sweep(now - SWEEP_BACK, now):
                receive(self._built.house, Received(inbound=(message,)), now=now)

    def _seal(self) -> None:
        seal(self._built.house.ledger, self._built.settings.ledger.heads, now=self._built.clock())

    def _mirror(self) -> None:
        built = self._built
        while not self._stop.is_set():
            if not mirror(built.house.ledger, self._reach, now=built.clock()):
                return

    def _lists(self) -> None:
        """Each account in its turn: who opted out at the provider, and by night whether its blacklist is ours."""
        built = self._built
        with built.house.ledger.read() as book:
            if not client_accounts.are_there(book):
                return
        while not self._stop.is_set():
            asked = take_listed(built.house, self._reach, now=built.clock())
            compared = compare_due(built.house, self._reach, now=built.clock())
            if not asked and compared is None:
                return

    def _remind(self) -> None:
        if remind(self._built.house, now=self._built.clock()):
            self._built.bell.ring()

    def _purge(self) -> None:
        purge(self._built.house.ledger, self._built.clock(), dry_run=False)

    def _poll(self, telegram: Telegram) -> None:
        telegram.poll(
            self._stop, lambda received: receive(self._built.house, received, now=self._built.clock())
        )
