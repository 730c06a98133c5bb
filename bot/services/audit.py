"""Check the chain from its first place to its last, and hand out one opt-out so that others can check it.

Changes nothing. What it cannot see: a row somebody put in, with the database's rights, before it was sealed;
and a tail cut off together with the end of the file of heads, of which copies are to be kept elsewhere.
"""

from __future__ import annotations

import json
import zipfile
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot import check_bundle
from bot.domain import chain
from bot.domain.chain import Fault, Finding, Head, Seal, Walk
from bot.domain.errors import BadInput, BadSetting, NotKnown
from bot.domain.numbers import to_e164
from bot.domain.retention import PERIODS, Category
from bot.ledger import audit, consents, evidence, heads, people
from bot.ledger import keys as key_files
from bot.ledger.book import Book, Ledger
from bot.ledger.signing import Signing

BATCH = 500

KEPT: Mapping[str, timedelta] = {
    "evidence": PERIODS[Category.LIFTED_OPT_OUTS],
    "tellings": PERIODS[Category.LIFTED_OPT_OUTS],
    "acts": PERIODS[Category.ACTS],
}
"""A purge is believed only for what was older: else who deletes a row could write the excuse beside it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, up to the first bad row if there is one.

    signed_to: the last place under a signed head. waiting: rows not sealed yet, and since when.
    """

    places: int
    gone: int
    heads: int
    signed_to: int
    waiting: int
    waiting_since: datetime | None
    finding: Finding | None


def verify(ledger: Ledger, audit_files: Sequence[Path]) -> Verdict:
    """Walk the whole chain beside the signed heads.

    audit_files: every file that a sealer of this ledger wrote heads to.
    Raises BadSetting without a keys file: the public keys stand there, and sealed texts are opened too.
    """
    signing = _signing(ledger)
    # The heads first: what is sealed while we walk is not missing in them.
    signed, bad_line, count = _heads(audit_files, signing)
    walk, finding, gone = _walk(ledger, signed)
    with ledger.read() as book:
        waiting, since = audit.unsealed(book)
        finding = finding or _after_the_end(book, walk.seq, signed)
    if bad_line is not None and (finding is None or bad_line.place < finding.place):
        finding = bad_line
    signed_to = max((place for place in signed if place <= walk.seq), default=0)
    return Verdict(walk.seq, gone, count, signed_to, waiting, since, finding)


def _signing(ledger: Ledger) -> Signing:
    if ledger.keys.path is None:
        raise BadSetting("keys that were read from no file have signed nothing")
    return key_files.signing(ledger.keys.path)


def _heads(files: Sequence[Path], signing: Signing) -> tuple[dict[int, set[str]], Finding | None, int]:
    """Place → the links signed there; the first bad line; how many good ones."""
    signed: dict[int, set[str]] = {}
    bad: list[Finding] = []
    count = 0
    for path in files:
        last = 0
        for number, line in heads.lines(path):
            what = f"line {number} of {path.name}"
            try:
                head = chain.read_head(line)
            except ValueError as error:
                bad.append(Finding(last + 1, Fault.BAD_SIGNATURE, what, f"no head: {error}"))
                continue
            if not signing.is_signed(head):
                why = f"the head of place {head.seq} is signed by none of our keys"
                bad.append(Finding(head.seq, Fault.BAD_SIGNATURE, what, why))
                continue
            if head.seq < last:
                why = f"place {head.seq} after place {last}"
                bad.append(Finding(head.seq, Fault.REORDERED, what, why))
            signed.setdefault(head.seq, set()).add(head.link)
            last, count = head.seq, count + 1
    return signed, min(bad, key=lambda finding: finding.place, default=None), count


def _walk(ledger: Ledger, signed: Mapping[int, set[str]]) -> tuple[Walk, Finding | None, int]:
    walk, purges, gone = Walk(), _Purges(), 0
    while True:
        with ledger.read() as book:
            batch = audit.seals_after(book, walk.seq, limit=BATCH)
            if not batch:
                return walk, None, gone
            found = audit.found_at(book, batch)
            sealed_rows = {s.row: s.seq for s in batch if s.kind == "evidence"}
            differs = {
                sealed_rows[row]: why for row, why in evidence.differing(book, list(sealed_rows)).items()
            }
            for seal in batch:
                is_purged = seal.seq not in found and purges.excuse(book, seal)
                finding = walk.step(seal, found.get(seal.seq), may_be_gone=is_purged)
                finding = finding or _against(seal, signed, differs)
                if finding is not None:
                    return walk, finding, gone
                gone += is_purged


def _against(seal: Seal, signed: Mapping[int, set[str]], differs: Mapping[int, str]) -> Finding | None:
    what = f"{seal.kind} {seal.row}"
    if signed.get(seal.seq, set()) - {seal.link.hex()}:
        why = "here, or at a place after the head before, the chain is not the one that was signed"
        return Finding(seal.seq, Fault.REWRITTEN, what, why)
    if seal.seq in differs:
        return Finding(seal.seq, Fault.EDITED, what, differs[seal.seq])
    return None


def _after_the_end(book: Book, end: int, signed: Mapping[int, set[str]]) -> Finding | None:
    claim = audit.claims_no_seal_has(book)
    if signed and max(signed) > end:
        what = f"{claim[0]} {claim[1]}" if claim is not None and claim[2] == end + 1 else "the seal"
        why = f"the chain ends at {end}, but place {max(signed)} was signed"
        return Finding(end + 1, Fault.TRUNCATED, what, why)
    if claim is not None and audit.seal_at(book, claim[2]) is None and claim[2] > end + 1:
        return Finding(
            end + 1, Fault.TRUNCATED, f"{claim[0]} {claim[1]}", f"it was sealed at place {claim[2]}"
        )
    if claim is not None:
        why = f"it claims place {claim[2]}, which no seal gives it"
        return Finding(claim[2], Fault.INSERTED, f"{claim[0]} {claim[1]}", why)
    if end and not signed:
        return Finding(1, Fault.UNSIGNED, "the chain", "no head of it is in the file")
    return None


class _Purges:
    """The certificates of purges, read when the first row is missed and again when one is not among them."""

    def __init__(self) -> None:
        self._known: list[tuple[int, int, datetime]] | None = None

    def excuse(self, book: Book, seal: Seal) -> bool:
        if self._known is not None and self._is_excused(seal):
            return True
        self._known = audit.certificates(book)
        return self._is_excused(seal)

    def _is_excused(self, seal: Seal) -> bool:
        known = self._known or []
        after = bisect_left(known, seal.seq + 1, key=lambda certificate: certificate[0])
        return any(last >= seal.seq and at - seal.at >= KEPT[seal.kind] for _, last, at in known[:after])


# --- handing out -------------------------------------------------------------------------------------


README = """What this is
============
The evidence of one opt-out, as {brand} keeps it: what was said, by whom, to which address, when it was received and
took effect, which rule recognised it, what was confirmed to the person and what the sender was told. It holds a
person's number and words: keep it as such.

To check it
===========
    python verify.py            (Python 3.11 or later and the package "cryptography"; nothing of ours is needed)

It checks, for each row of evidence.json:
1. SHA-256 over the row in its canonical form (JSON, members sorted, no blanks, ASCII) is the first digest
   of its segment.
2. From "before", each entry gives the next link: SHA-256(link + digest + moment). The last one stands in the head.
3. The head is signed (Ed25519) with a key of public_keys.json. Compare that key with the one published to you:
   {brand} prints it with `whosent audit key`; `python verify.py . PUBLIC_KEY` accepts no other. After a change of keys
   there are several: name them all.
4. What is opened (words, person and address) is what the row holds the commitment to: SHA-256(salt + text).
The other digests of a segment belong to other rows, of which they tell nothing.

notes.json explains the row ids of clients and how the receipt was delivered. It is not part of the chain.
"""


def export(ledger: Ledger, audit_files: Sequence[Path], what: str, out: Path, *, brand: str) -> int:
    """Write the bundle of an opt-out or of one row of evidence; return how many rows are in it.

    what: an opt-out's id, or `e` and the id of a row of evidence. brand: who hands it out.
    Raises BadInput for what is neither, NotKnown for what is not there, not sealed or not signed yet.
    """
    signing = _signing(ledger)
    known = sorted(_all_heads(audit_files), key=lambda head: head.seq)
    with ledger.read() as book:
        roles = _roles(book, what)
        items = [_item(book, "evidence", row, role, known, signing) for row, role in roles.items()] + [
            _item(book, "tellings", row, "told", known, signing) for row in audit.told(book, roles)
        ]
        notes = evidence.notes(book, list(roles))
    used = {item["proof"]["head"]["key"] for item in items}
    publics = {name: public.hex() for name, public in signing.publics.items() if name in used}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("evidence.json", json.dumps(items, ensure_ascii=False, indent=1))
        bundle.writestr("notes.json", json.dumps(notes, ensure_ascii=False, indent=1))
        bundle.writestr("public_keys.json", json.dumps(publics, indent=1))
        bundle.writestr("README.txt", README.format(brand=brand))
        bundle.writestr("verify.py", Path(check_bundle.__file__).read_text(encoding="utf-8"))
    return len(items)


def find(ledger: Ledger, number: str) -> list[str]:
    """The opt-outs of a number, oldest first, a line each with the id that `export` takes. Raises BadInput."""
    e164 = to_e164(number, region="PL")
    if e164 is None:
        raise BadInput("number", "is no phone number")
    with ledger.read() as book:
        person = people.find(book, e164)
        held = [] if person is None else consents.every(book, person)
    return [
        f"{o.id}: {o.client_id or 'every client'}, {o.covers}, since {chain.moment(o.since)}, "
        + ("stands" if o.lifted_at is None else f"lifted {chain.moment(o.lifted_at)}")
        for o in held
    ]


def _roles(book: Book, what: str) -> dict[int, str]:
    """Rows of evidence and the part each plays."""
    number = what.removeprefix("e")
    if not number.isdecimal() or len(number) > 18:
        raise BadInput("id", "an opt-out's number, or e and the number of a row of evidence")
    if what.startswith("e"):
        return {int(number): "evidence"}
    return evidence.of_opt_out(book, int(number))


def _item(
    book: Book, kind: str, row: int, role: str, known: Sequence[Head], signing: Signing
) -> dict[str, Any]:
    seals = audit.seals_of(book, kind, [row])
    if not seals:
        raise NotKnown(f"{kind} {row} is not sealed yet, or is not there")
    seal = seals[0]
    entered = audit.entered(book, seal)
    place = bisect_left(known, seal.seq, key=lambda head: head.seq)
    if entered is None or place == len(known):
        raise NotKnown(f"no signed head covers {kind} {row} yet")
    head = known[place]
    before = audit.seal_at(book, seal.seq - 1)
    segment = audit.seals_between(book, seal.seq, head.seq)
    if not signing.is_signed(head) or segment[-1].link.hex() != head.link:
        raise NotKnown("the chain does not hold; whosent audit verify says where")
    return {
        "role": role,
        "kind": kind,
        "version": seal.version,
        "seq": seal.seq,
        "row": json.loads(chain.canonical(kind, entered, version=seal.version))["row"],
        "opened": evidence.opening(book, row) if kind == "evidence" else {},
        "proof": {
            "before": (before.link if before is not None else chain.GENESIS).hex(),
            "segment": [{"at": chain.moment(s.at), "digest": s.digest.hex()} for s in segment],
            "head": json.loads(head.line()),
        },
    }


def _all_heads(files: Sequence[Path]) -> list[Head]:
    found = []
    for path in files:
        for _, line in heads.lines(path):
            try:
                found.append(chain.read_head(line))
            except ValueError:
                continue  # verify names it; another head may serve
    return found
