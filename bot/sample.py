"""Invent a year of messages for the demo, from a fixed seed. Imports nothing into a ledger and sends nothing.

Its companions are in data/sample/: clients.csv, senders.csv (who sends under which name, and since when) and
texts.csv (what they write). Clients, people and texts are invented; all numbers lie in two small blocks.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

FOLDER = Path(__file__).resolve().parent.parent / "data" / "sample"
WARSAW = ZoneInfo("Europe/Warsaw")

SHOP_NUMBER = "+48732000001"  #: the first sender number of the sample: a shop's own

# Whom one can be in the simulator, and what the bot then has to tell.
PEOPLE = {
    "+48500100200": f"one sender: Moda Agrest, from its own number {SHOP_NUMBER}, minutes ago",
    "+48500100201": "several senders in the last days: a courier, a bank, books, electricity, dumplings",
    "+48500100202": "three companies from the shared number +48732000002",
    "+48500100203": "sensitive senders: a clinic (+48732000004) and a debt collector",
    "+48500100204": "nothing but one message thirteen months old, beyond what is ever looked up",
    "+48500100205": "no recipient: a contact of the client Moda Agrest, so a direct client",
    "+48500100206": "a number that changed hands: a bank's codes long ago, silence, then a school",
    "+48500100207": "one message only, eleven months old: found on asking, not by default",
    "+48500100208": "both: a contact of Ksiegarnia Pod Zegarem and a recipient of a courier",
    "+48500100209": "reads Ukrainian: messages of a coach line and of a language school",
}

SHARED_NUMBER = "+48732000002"
MESSAGES = 4000
DAYS = 365
# Other recipients: +48500100300 and the numbers after it.
FIRST_RECIPIENT = 48500100300
RECIPIENTS = 420
# How much of the traffic is whose.
WEIGHTS = {
    "agrest": 14,
    "podzegarem": 8,
    "wrona": 18,
    "debowy": 18,
    "podlipami": 8,
    "kwit": 3,
    "zubr": 7,
    "watamper": 7,
    "ukazi": 9,
    "papuga": 5,
    "kobza": 6,
    "cherrylane": 6,
}
# Where the invented day ends, so that the named people's messages are the latest.
QUIET = timedelta(minutes=20)

# Hours in Warsaw between which a class is sent; marketing never on a Sunday.
HOURS = {"marketing": (9, 19), "service": (8, 20), "code": (6, 23), "": (8, 20)}
SUNDAY = 6


class Told(NamedTuple):
    """A message of a named person: from whom, under which sender, of which class, how long ago."""

    number: str
    client_id: str
    sender: str
    message_class: str
    ago: timedelta


TOLD = (
    Told("+48500100200", "agrest", SHOP_NUMBER, "marketing", timedelta(minutes=9)),
    Told("+48500100200", "agrest", SHOP_NUMBER, "service", timedelta(days=6, hours=3)),
    Told("+48500100200", "agrest", SHOP_NUMBER, "marketing", timedelta(days=21, hours=1)),
    Told("+48500100201", "wrona", "WRONA", "service", timedelta(minutes=4)),
    Told("+48500100201", "debowy", "BD-Kod", "code", timedelta(minutes=31)),
    Told("+48500100201", "podzegarem", "PodZegarem", "marketing", timedelta(days=1, hours=2)),
    Told("+48500100201", "watamper", "WatiAmper", "service", timedelta(days=3, hours=5)),
    Told("+48500100201", "ukazi", "PIEROGI", "marketing", timedelta(days=8, hours=4)),
    Told("+48500100201", "agrest", "ModaAgrest", "marketing", timedelta(days=75, hours=2)),
    Told("+48500100202", "podzegarem", SHARED_NUMBER, "marketing", timedelta(minutes=13)),
    Told("+48500100202", "zubr", SHARED_NUMBER, "marketing", timedelta(days=4, hours=2)),
    Told("+48500100202", "ukazi", SHARED_NUMBER, "", timedelta(days=11, hours=6)),
    Told("+48500100203", "podlipami", "+48732000004", "service", timedelta(minutes=17)),
    Told("+48500100203", "kwit", "KWIT", "service", timedelta(days=2, hours=4)),
    Told("+48500100203", "podlipami", "PodLipami", "service", timedelta(days=40, hours=1)),
    Told("+48500100204", "wrona", "WRONA", "service", timedelta(days=396)),
    Told("+48500100206", "debowy", "BD-Kod", "code", timedelta(days=320, hours=2)),
    Told("+48500100206", "debowy", "BankDebowy", "service", timedelta(days=290, hours=5)),
    Told("+48500100206", "kwit", "KWIT", "service", timedelta(days=261, hours=3)),
    Told("+48500100206", "debowy", "BD-Kod", "code", timedelta(days=240, hours=1)),
    Told("+48500100206", "papuga", "PAPUGA", "service", timedelta(days=18, hours=2)),
    Told("+48500100206", "papuga", "PAPUGA", "marketing", timedelta(hours=3)),
    Told("+48500100207", "zubr", "ZUBR", "marketing", timedelta(days=335)),
    Told("+48500100208", "wrona", "WRONA", "service", timedelta(minutes=26)),
    Told("+48500100209", "kobza", "KOBZA", "service", timedelta(minutes=7)),
    Told("+48500100209", "papuga", "Papuga UA", "marketing", timedelta(days=5, hours=3)),
    Told("+48500100209", "kobza", "KobzaBus", "marketing", timedelta(days=16, hours=2)),
)


class Template(NamedTuple):
    """One text a client sends: under which sender, of which class (empty: the client did not say)."""

    sender: str
    message_class: str
    text: str


@dataclass(frozen=True, slots=True)
class Holding:
    """That a client holds a sender, from one day to another; no client for a shared number."""

    client_id: str
    valid_from: date | None
    valid_to: date | None

    def is_held_on(self, day: date, client_id: str) -> bool:
        """Return whether `client_id` may use it on `day`; not on the last day, on which it is handed over."""
        return (
            self.client_id in ("", client_id)
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_to is None or day < self.valid_to)
        )


def sent_rows(now: datetime, seed: int = 7, *, folder: Path = FOLDER) -> Iterator[dict[str, str]]:
    """Yield the rows of a file of sent messages, oldest first: about 4 000 within the last 365 days.

    The named people of `PEOPLE` have theirs in the last minutes to thirteen months. The same arguments give
    the same rows; another `now` moves them along.

    Args:
        now: aware; nothing is later. A name that was handed on within that year is used by each in its time.
        seed: of the invention.
        folder: where senders.csv and texts.csv stand.

    Raises:
        ValueError: `now` has no time zone.
    """
    if now.utcoffset() is None:
        raise ValueError("a moment without a time zone has no year before it")
    now = now.astimezone(UTC).replace(microsecond=0)
    rng = random.Random(seed)
    holdings = _holdings(folder / "senders.csv")
    templates = _templates(folder / "texts.csv")
    rows = [_told(told, templates[told.client_id], now, rng) for told in TOLD]
    customers = _customers(rng)
    while len(rows) < MESSAGES:
        number, clients = rng.choice(customers)
        client_id = rng.choice(clients)
        day = now.astimezone(WARSAW).date() - timedelta(days=rng.randrange(DAYS))
        usable = [
            template
            for template in templates[client_id]
            if any(holding.is_held_on(day, client_id) for holding in holdings[template.sender])
        ]
        template = rng.choice(usable)
        if template.message_class == "marketing" and day.weekday() == SUNDAY:
            continue
        sent_at = _moment(day, template.message_class, rng)
        if now - timedelta(days=DAYS) < sent_at < now - QUIET:
            rows.append(_row(number, client_id, template, sent_at, rng))
    rows.sort(key=lambda row: row["sent_at"])
    for position, row in enumerate(rows):
        yield {"message_id": f"sample-{seed}-{position:05d}", **row}


def _holdings(file: Path) -> dict[str, list[Holding]]:
    found: dict[str, list[Holding]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            held = Holding(row["client_id"], _date(row["valid_from"]), _date(row["valid_to"]))
            found.setdefault(row["sender"], []).append(held)
    return found


def _templates(file: Path) -> dict[str, list[Template]]:
    found: dict[str, list[Template]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["client_id"], []).append(Template(row["sender"], row["class"], row["text"]))
    return found


def _date(written: str) -> date | None:
    return date.fromisoformat(written) if written else None


def _customers(rng: random.Random) -> list[tuple[str, list[str]]]:
    """Give every recipient the few clients that it deals with, so that its history looks like one life."""
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    return [
        (f"+{FIRST_RECIPIENT + number}", sorted(set(rng.choices(names, weights, k=rng.randint(1, 5)))))
        for number in range(RECIPIENTS)
    ]


def _told(told: Told, templates: list[Template], now: datetime, rng: random.Random) -> dict[str, str]:
    fitting = [
        template
        for template in templates
        if (template.sender, template.message_class) == (told.sender, told.message_class)
    ]
    return _row(told.number, told.client_id, fitting[0], now - told.ago, rng)


def _moment(day: date, message_class: str, rng: random.Random) -> datetime:
    first, last = HOURS[message_class]
    local = datetime(
        day.year, day.month, day.day, rng.randrange(first, last), rng.randrange(60), tzinfo=WARSAW
    )
    return local.astimezone(UTC) + timedelta(seconds=rng.randrange(60))


def _row(
    number: str, client_id: str, template: Template, sent_at: datetime, rng: random.Random
) -> dict[str, str]:
    coming = sent_at.astimezone(WARSAW).date() + timedelta(days=rng.randint(1, 9))
    text = template.text.format(
        code=f"{rng.randrange(10**6):06d}",
        order=f"{rng.randrange(10**6, 10**7)}",
        day=f"{coming:%d.%m}",
        hour=f"{rng.randint(8, 17)}:{rng.choice(('00', '15', '30', '45'))}",
        amount=f"{rng.randint(19, 399)},{rng.choice(('00', '90', '99'))}",
        percent=rng.choice((10, 15, 20, 30)),
    )
    return {
        "client_id": client_id,
        "sender": template.sender,
        "recipient": number,
        "sent_at": sent_at.isoformat(),
        "channel": "sms",
        "class": template.message_class,
        "text": text,
    }
