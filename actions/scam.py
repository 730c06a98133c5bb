"""Answer reports of fraud: safety first, then the abuse desk. Judges no message and opens no link."""

from __future__ import annotations

from bot.domain.conversation import Do, Outcome, Say, Turn
from bot.services.contracts import Reads


def report(turn: Turn, reads: Reads) -> Outcome:
    case = {"topic": "report_scam", "audience": "recipient", "is_urgent": True}
    replies = {"done": "scam.filed", "merged": "scam.filed"}
    return Outcome(do=(Do("open_case", case, replies),), say=(Say("scam.advice"),))
