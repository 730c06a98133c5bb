"""Name what can be wrong, once for the whole house. Handles nothing.

WhosentError
├── BadSetting            a setting stops the start
├── Refused               what came in is not accepted
│   ├── NotAuthentic      no or wrong signature or secret
│   ├── TooLarge          the body is over the limit
│   └── BadInput          a value has the wrong form, with its place and reason
├── NotKnown              what was asked for is not in the ledger
├── AlreadySettled        somebody else was faster
└── SendFailed            a provider did not take a message; see its properties
"""

from __future__ import annotations


class WhosentError(Exception):
    """Something the house has a name for."""

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "").strip().splitlines()[0]


class BadSetting(WhosentError):
    """A setting is missing, weak or malformed."""


class Refused(WhosentError):
    """What came in is not accepted."""


class NotAuthentic(Refused):
    """The signature or the secret is missing or wrong."""


class TooLarge(Refused):
    """The body is over the limit."""


class BadInput(Refused):
    """A value has the wrong form.

    `place` says where (a column, a field), `reason` why, both fit to be shown to whoever sent it.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class NotKnown(WhosentError):
    """What was asked for is not in the ledger."""


class AlreadySettled(WhosentError):
    """Somebody else was faster."""


class SendFailed(WhosentError):
    """A provider did not take a message.

    The properties say what to do next, so that nobody outside a channel reads a provider's codes:
    `retryable` (it was surely not sent: try again after `retry_after` seconds or the usual back-off),
    `ambiguous` (it may have been sent: look it up before anything else), `stopped` (the provider says
    that this address wants no more), `opted_out` (and that the person told it so about our sender),
    `alarm` (an operator must look: no credit, bad credentials).
    None of them set: permanent. `code` is for the log.
    """

    def __init__(
        self,
        code: str,
        *,
        retryable: bool = False,
        ambiguous: bool = False,
        stopped: bool = False,
        opted_out: bool = False,
        alarm: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.retryable = retryable
        self.ambiguous = ambiguous
        self.stopped = stopped
        self.opted_out = opted_out
        self.alarm = alarm
        self.retry_after = retry_after
