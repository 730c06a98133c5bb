"""Which rows are taken, and that a refusal repeats nothing of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain import imports
from bot.domain.errors import BadInput

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SENT = {
    "message_id": "m1",
    "client_id": "shop",
    "sender": "SHOPXYZ",
    "recipient": "+48500100200",
    "sent_at": "2026-11-20T11:00:00Z",
}
CLIENT = {"client_id": "shop", "legal_name": "Shop sp. z o.o.", "public_name": "Shop"}

BAD_SENT = [
    ("message_id", ""),
    ("message_id", "x" * 65),
    ("client_id", ""),
    ("sender", "!!!"),
    ("sender", "SHOP\x00XYZ"),
    ("sender", "S" * 41),
    ("recipient", "500100200"),
    ("recipient", "US.500100200"),
    ("sent_at", "yesterday-canary"),
    ("sent_at", "2026-11-21T12:00:00Z"),
    ("channel", "pigeon-canary"),
    ("class", "advert-canary"),
]
BAD_CLIENTS = [
    ("public_name", "Bardzo dluga nazwa sklepu z butami"),
    ("public_name", "Zażółć"),
    ("public_name", "[" * 16),
    ("privacy_url", "javascript:canary"),
    ("privacy_email", "canary at example"),
    ("language", "polish-canary"),
    ("sensitive", "perhaps-canary"),
    ("webhook_url", "ftp://canary.example"),
    ("contacts", "fax:canary"),
    ("contacts", "phone:canary"),
    ("contacts", "email:canary"),
]


@pytest.mark.parametrize(("column", "value"), BAD_SENT)
def test_a_bad_sent_row_is_refused_without_its_value(column: str, value: str) -> None:
    with pytest.raises(BadInput) as refused:
        imports.sent(SENT | {column: value}, now=NOW)
    assert refused.value.place == column
    assert not value or value not in str(refused.value)


@pytest.mark.parametrize(("column", "value"), BAD_CLIENTS)
def test_a_bad_client_is_refused_without_its_value(column: str, value: str) -> None:
    with pytest.raises(BadInput) as refused:
        imports.client(CLIENT | {column: value})
    assert refused.value.place == column
    assert value not in str(refused.value)


def test_a_name_that_no_sms_can_carry_is_refused_with_a_hint() -> None:
    with pytest.raises(BadInput, match=r"U\+017C.*without diacritics"):
        imports.client(CLIENT | {"public_name": "Zażółć"})


def test_a_time_without_a_zone_is_warsaws() -> None:
    row = imports.sent(SENT | {"sent_at": "2026-11-20 12:00:00"}, now=NOW)
    assert row.sent_at == datetime(2026, 11, 20, 11, 0, tzinfo=UTC)


def test_a_senders_last_day_is_included() -> None:
    row = {"sender": "SHOPXYZ", "client_id": "", "valid_from": "2026-01-01", "valid_to": "2026-06-30"}
    held = imports.sender(row, lambda _: None)
    assert held.client is None
    assert held.overlaps(datetime(2026, 6, 30, 21, 59, tzinfo=UTC), datetime(2026, 6, 30, 21, 59, tzinfo=UTC))
    assert not held.overlaps(
        datetime(2026, 6, 30, 22, 0, tzinfo=UTC), datetime(2026, 6, 30, 22, 0, tzinfo=UTC)
    )


def test_a_wrong_header_names_its_columns_and_no_values() -> None:
    with pytest.raises(BadInput, match=r"missing: recipient, sent_at; not known: number, when"):
        imports.SENT.check(("message_id", "client_id", "sender", "number", "when"))
    with pytest.raises(BadInput) as refused:
        imports.SENT.check(("m1", "shop", "SHOPXYZ", "+48500100200", "2026-11-20T11:00:00Z"))
    assert "500100200" not in str(refused.value)
