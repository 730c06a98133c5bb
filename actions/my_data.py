"""Show what the bot itself keeps of a conversation, and erase it on yes. What a level may see is the ledger's to bound.

Not a request under the GDPR to the provider or a client: that is `rights`. What keeps messages away stays (17(3)(b)).
"""

from __future__ import annotations

from datetime import date, datetime

from actions import asking, proof
from bot.domain.conversation import Do, Leaves, Level, Option, Outcome, Say, Turn
from bot.domain.messages import Medium
from bot.ledger import own_data
from bot.services.contracts import Reads
from bot.texts import ZONE


def notice(turn: Turn, reads: Reads) -> Outcome:
    """The bot's own privacy notice: what it does with what is written to it, and where all of it stands."""
    url = reads.house.public_url
    page = f"{url}/privacy" if url else reads.house.texts.provider.slots["privacy_url"]
    return Outcome(say=(Say("my_data.notice", {"page": page.removeprefix("https://")}),), memory=turn.memory)


def shown(turn: Turn, reads: Reads) -> Outcome:
    """Kinds, counts and dates; the words are in the person's own phone."""
    is_proven = turn.level >= Level.PROVEN
    kept = own_data.kept(reads.book, turn.conversation, turn.person, is_proven=is_proven)
    kinds = {
        "my_data.messages": kept.messages,
        "my_data.stops": kept.stops,
        "my_data.cases": kept.open_cases,
        "my_data.sent": kept.sent,
        "my_data.others": kept.others,
    }
    said = tuple(
        Say(key, {"many": found.count, "since": _day(found.since)})
        for key, found in kinds.items()
        if found.count
    )
    erase, keep = Option("my_data_erase", "label.erase"), Option("deny", "label.keep")
    if is_proven or not proof.can_prove(turn, reads):
        return Outcome(say=said, ask=asking.yes_no(turn, "my_data.shall_i", yes=erase, no=keep))
    more = proof.offer(turn, reads, "my_data")
    return Outcome(say=said, ask=asking.choose(turn, "my_data.what_now", erase, keep, *more))


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(ZONE).date()


def erased(turn: Turn, reads: Reads) -> Outcome:
    """An SMS shows a number that is easily forged, so nothing is erased before a code came back from it."""
    if turn.medium is Medium.SMS and turn.level < Level.PROVEN:
        return proof.begin(turn, "my_data")
    is_all = turn.level >= Level.PROVEN
    do = Do("erase_own", {}, {"done": "my_data.erased_all" if is_all else "my_data.erased"})
    return Outcome(do=(do,), leaves=Leaves.NOTHING)
