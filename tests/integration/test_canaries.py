"""A copy of the database shows nobody's number, words, name or contact."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from bot.domain.codes import Purpose
from bot.domain.consent import Covers, OptOut
from bot.domain.messages import Address, Medium
from bot.ledger import cases, codes, consents, conversations, people, tables
from bot.ledger.book import Ledger
from bot.ledger.consents import Act
from bot.services.import_files import import_clients, import_senders, import_sent
from bot.services.take_sent import take_sent
from tests.conftest import Clock

assert cases  # every table of the ledger is imported before it is read

NUMBERS = ("+48571839204", "+48571839217", "+380671839228")
CONTACT_NUMBER = "+48571839233"
WORDS = ("Zefiryna", "Kwazarowska", "przesylkonosz", "4071939", "zefiryna.kw@poczta.example", "zefkwlogin")
CARD = ("Bonifacy Inspektorski", "ul. Nieistniejaca 77", "iod-kanarek@shop.example")
SECRETS = (*NUMBERS, CONTACT_NUMBER, *WORDS, *CARD)

CLIENTS = (
    "client_id,legal_name,public_name,website,privacy_url,privacy_email,phone,address,dpo,language,sensitive,"
    "webhook_url,contacts\n"
    f"shop,Shop,Shop,https://shop.example,,{CARD[2]},{CONTACT_NUMBER},{CARD[1]},{CARD[0]},pl,no,,"
    f"phone:{CONTACT_NUMBER};email:{WORDS[4]};login:{WORDS[5]}\n"
)
TEXT = (
    f"Dzien dobry {WORDS[0]} {WORDS[1]}, {WORDS[2]} ma paczke {WORDS[3]} od {WORDS[4]} dla Ciebie w punkcie"
)


def spellings(secret: str) -> set[bytes]:
    """What a secret may look like in a file, without a key."""
    texts = {secret, secret.casefold(), secret[::-1]}
    if secret.startswith("+"):
        texts |= {secret[1:], secret[3:], secret[1:][::-1]}
    found = {text.encode() for text in texts}
    found |= {text.encode("utf-16-le") for text in texts}
    found |= {text.encode().hex().encode() for text in texts} | {
        text.encode().hex().upper().encode() for text in texts
    }
    for text in texts:
        for shift in range(3):  # base64 looks different at each of three places
            middle = base64.b64encode(b"\0" * shift + text.encode())[(0, 2, 3)[shift] : -4]
            if len(middle) >= 8:
                found.add(middle)
    return found


def fill(ledger: Ledger, folder: Path, now: datetime) -> None:
    """Bring every secret in by every way there is."""
    (folder / "clients.csv").write_text(CLIENTS)
    (folder / "senders.csv").write_text("sender,client_id\nSHOP,shop\n")
    head = "message_id,client_id,sender,recipient,sent_at,channel,class,text\n"
    row = f'm1,shop,SHOP,{NUMBERS[0]},2026-11-20T10:00:00Z,sms,service,"{TEXT}"\n'
    refused = f'm9,nobody,SHOP,{NUMBERS[2]},2026-11-20T10:00:00Z,sms,service,"{TEXT}"\n'
    (folder / "sent.csv").write_text(head + row + refused)
    assert import_clients(ledger, folder / "clients.csv", None, now).new == 1
    assert import_senders(ledger, folder / "senders.csv", None, now).new == 1
    report = import_sent(ledger, folder / "sent.csv", None, now)
    fed = {"message_id": "m2", "client_id": "shop", "sender": "SHOP", "recipient": NUMBERS[1], "text": TEXT}
    assert take_sent(ledger, [fed | {"sent_at": "2026-11-20T10:00:00Z"}], now).new == 1
    assert not any(secret in repr(report) for secret in SECRETS)
    with ledger.write() as book:
        person = people.ensure(book, NUMBERS[0])
        address = Address("simulator", "main", Medium.SMS, NUMBERS[0], "+48732000001")
        talk = conversations.open_for(book, address, person=person, now=now)
        conversations.settle(
            book,
            talk.id,
            asked=None,
            memory={"said": TEXT},
            language="pl",
            noticed_at=None,
            waiting_since=None,
            now=now,
        )
        wanted = {"number": NUMBERS[2], "claim": WORDS[4], "then": {"intent": "history", "slots": {}}}
        codes.make(book, talk.id, Purpose.PROOF, about=wanted, is_to_be_sent=True, now=now)
        act = Act(
            act="stop",
            person=person,
            conversation=talk.id,
            cause=None,
            provider="simulator",
            scope="all",
            rule="keyword",
            span=(0, 4),
            matcher="1",
            signature="signed",
            text=TEXT,
            clients=(0,),
            received_at=now,
            effective_at=now,
        )
        evidence = consents.record(book, act)
        consents.stop(book, person, [OptOut(0, Covers.ALL, now)], evidence=evidence)


def everything(ledger: Ledger) -> bytes:
    """Every value of every column as text and as bytes, and with SQLite the raw files too."""
    parts: list[bytes] = []
    with ledger.read() as book:
        for table in tables.metadata.sorted_tables:
            for row in book.rows(select(table)):
                for value in row.values():
                    is_binary = isinstance(value, bytes)
                    parts.append(
                        bytes(value) if is_binary else json.dumps(str(value), ensure_ascii=False).encode()
                    )
    place = ledger.engine.url.database
    if ledger.dialect == "sqlite" and place:
        parts += [file.read_bytes() for file in sorted(Path(place).parent.glob(Path(place).name + "*"))]
    return b"\n".join(parts)


def test_a_copy_of_the_database_shows_nobodys_number_or_words(
    ledger: Ledger, tmp_path: Path, clock: Clock
) -> None:
    fill(ledger, tmp_path, clock.now)
    copy = everything(ledger)
    assert b"SHOP" in copy  # what may be read is there: it is the right place that is looked at
    shown = [(secret, form) for secret in SECRETS for form in spellings(secret) if form in copy]
    assert shown == []


def test_the_canaries_would_be_seen(ledger: Ledger, tmp_path: Path, clock: Clock) -> None:
    """The search itself is tested: it finds a number and words that are written down in the clear."""
    fill(ledger, tmp_path, clock.now)
    leak = base64.b64encode(f"x{NUMBERS[0]}".encode()).decode()
    with ledger.write() as book:
        book.run(tables.feeds.insert().values(name=leak[:40], heard_at=clock.now))
        book.run(tables.feeds.insert().values(name=NUMBERS[1][::-1], heard_at=clock.now))
    copy = everything(ledger)
    for number in NUMBERS[:2]:
        assert any(form in copy for form in spellings(number))
