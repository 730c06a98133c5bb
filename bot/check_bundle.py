"""Check a bundle of evidence against its signed heads. Stands alone (Python 3.11, cryptography), knows no secret.

python verify.py [FOLDER] [PUBLIC_KEY_IN_HEX ...]: prints what holds; ends with 1 at the first thing that does not.
"""

# ruff: noqa: T201
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def must(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"DOES NOT HOLD: {what}")


def check(item: dict[str, Any], keys: dict[str, str]) -> None:
    row, opened, proof = item["row"], item["opened"], item["proof"]
    name = f"{item['kind']} {row['id']}"
    digest = sha256(canonical({n: item[n] for n in ("kind", "row", "version")}).encode()).hexdigest()
    must(digest == proof["segment"][0]["digest"], f"{name}: the row is not the one that was sealed")
    link, head = bytes.fromhex(proof["before"]), dict(proof["head"])
    for entry in proof["segment"]:
        link = sha256(link + bytes.fromhex(entry["digest"]) + entry["at"].encode()).digest()
    is_reached = item["seq"] + len(proof["segment"]) - 1 == head["seq"] and link.hex() == head["link"]
    must(is_reached, f"{name}: the segment does not lead to the signed head")
    signature, public = bytes.fromhex(head.pop("signature")), bytes.fromhex(keys.get(head["key"], ""))
    must(sha256(public).hexdigest()[:16] == head["key"], f"{name}: no public key {head['key']}")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, canonical(head).encode())
    except InvalidSignature:
        must(False, f"{name}: the signature of the head")
    print(f"{name} ({item['role']}): place {item['seq']}, in the chain signed at {head['at']}")
    for what in (w for w in ("text", "subject", "receipt") if opened.get(w) is not None):
        salt = bytes.fromhex(opened.get(f"{what}_salt", ""))
        is_it = sha256(salt + opened[what].encode()).hexdigest() == row[f"{what}_digest"]
        must(is_it and len(salt) == (0 if what == "receipt" else 32), f"{name}: the {what} is another")
        print(f"  {what}: {opened[what]}")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    known = json.loads((folder / "public_keys.json").read_text(encoding="utf-8"))
    must(len(sys.argv) < 3 or {*known.values()} <= {*sys.argv[2:]}, "the public keys are those given")
    for one in json.loads((folder / "evidence.json").read_text(encoding="utf-8")):
        check(one, known)
    print("ALL HOLDS")
