"""Say who holds a sender name or number, and when. Looks nothing up and knows no person.

Names and numbers are lent: the same one has had other holders before, and a shared number has many at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rapidfuzz.distance import OSA

from bot.domain.consent import Candidate
from bot.domain.numbers import sender_key

WARSAW = ZoneInfo("Europe/Warsaw")  # the registry's days are the operator's
SHORT = 6  #: letters of a name in which one slip is all that may be forgiven; in longer ones two


@dataclass(frozen=True, slots=True)
class Holding:
    """One holder of one sender for a time. `client` None: a shared number, which names nobody.

    valid_from is included, valid_to is not; None is open.
    """

    sender: str
    client: int | None
    channel: str = "sms"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    is_sensitive: bool = False

    def overlaps(self, since: datetime, until: datetime) -> bool:
        """Whether it held at any moment from `since` to `until`, both included."""
        starts = self.valid_from is None or self.valid_from <= until
        ends = self.valid_to is not None and self.valid_to <= since
        return starts and not ends


def day_of(day: date) -> tuple[datetime, datetime]:
    """The first moment of a day in Warsaw, and that of the next."""
    first = datetime.combine(day, time(), WARSAW)
    following = datetime.combine(day + timedelta(days=1), time(), WARSAW)
    return first.astimezone(UTC), following.astimezone(UTC)


def candidates(
    holdings: Iterable[Holding], wrote: Sequence[Candidate], *, now: datetime
) -> tuple[tuple[Candidate, ...], bool]:
    """Whom a STOP to a sender may mean, and whether the sender is shared.

    holdings: every holding of that sender, of any time.
    wrote: the clients that wrote from it to this person within `consent.SHARED_LOOK_BACK`, newest first.
    A number with one holder means that one; one handed on lately also those who wrote before, the wider
    reading of an unclear wish; a shared one those who wrote.
    """
    today = [h for h in holdings if h.overlaps(now, now)]
    holders = {h.client: h.is_sensitive for h in today if h.client is not None}
    is_shared = len(holders) > 1 or any(h.client is None for h in today)
    found = {c.client: c for c in wrote}
    if not is_shared:
        found |= {client: Candidate(client, is_sensitive) for client, is_sensitive in holders.items()}
    return tuple(found.values()), is_shared or len(found) > 1


def near(sender: str, known: Iterable[str]) -> tuple[str, ...]:
    """The senders of `known` that `sender` may be a slip of, the nearest first; not the same one."""
    asked = sender_key(sender)
    distances = {name: OSA.distance(asked, sender_key(name)) for name in known}
    fit = [(d, name) for name, d in distances.items() if 0 < d <= _forgiven(asked)]
    return tuple(name for _, name in sorted(fit))


_QUOTED = re.compile(r"[„“”\"«'‚‘]([^„“”\"«»'‚‘’]{2,30})[”“\"»'’]")
_WORD = re.compile(r"[^\W_][\w.&+-]*", re.UNICODE)
_BEFORE_A_NAME = frozenset(
    [
        "od",
        "nadawca",
        "nadawcy",
        "nazwa",
        "from",
        "sender",
        "name",
        "called",
        "von",
        "absender",
        "від",
        "відправник",
        "stop",
    ]
)
_LONGEST = 11  #: characters of an alphanumeric sender (GSM 03.40, 9.1.2.5)


def names_in(text: str) -> tuple[str, ...]:
    """What may be sender names in a text: quoted, with capitals inside, or after a word like "from"."""
    found = [m.group(1).strip() for m in _QUOTED.finditer(text[:1000])]
    words = _WORD.findall(text[:1000])
    shouts = text.upper() == text and len(words) > 1
    for place, word in enumerate(words):
        before = words[place - 1].casefold() if place else ""
        is_written_as_name = not shouts and sum(c.isupper() for c in word) >= 2
        if is_written_as_name or before in _BEFORE_A_NAME:
            found += [word, " ".join(words[place : place + 2])]
    names = [name.rstrip(".,!?") for name in found]
    return tuple(dict.fromkeys(n for n in names if 2 <= len(n) <= _LONGEST + 1))[:12]


def _forgiven(key: str) -> int:
    if len(key) < 3 or key.lstrip("+").isdigit():  # a digit more or less is another number, not a slip
        return 0
    return 1 if len(key) <= SHORT else 2
