"""Answer START: ask for the code back, or say how that ended. Lifts nothing by itself."""

from __future__ import annotations

from bot.domain.conversation import Do, Outcome, Say, Turn
from bot.services.contracts import Reads

_PROOFS = {
    "ok": "opt_in.lifted",
    "wrong": "opt_in.wrong",
    "locked": "opt_in.locked",
    "expired": "opt_in.expired",
}


def opt_in(turn: Turn, reads: Reads) -> Outcome:
    proof = turn.facts.get("proof")
    if proof is not None:
        return Outcome(say=(Say(_PROOFS[proof]),))
    replies = {
        "sent": "opt_in.code",
        "nothing": "opt_in.nothing",
        "locked": "opt_in.locked",
        "no_number": "opt_in.no_number",
    }
    return Outcome(do=(Do("ask_start_code", {}, replies),))
