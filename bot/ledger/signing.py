"""Sign the heads of the chain and know every key that ever signed one. Reads and writes no file.

The keys file holds a section `signing`: the private key in use and the public ones of those before, which are
kept for ever, since old heads must still be checked. A key is named by the start of its public key's SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bot.domain.chain import Head

SECTION = "signing"


@dataclass(frozen=True, slots=True)
class Signing:
    """The key in use, by its name, and the public keys by theirs."""

    key: str
    publics: Mapping[str, bytes]
    _private: Ed25519PrivateKey = field(repr=False)

    def head(self, seq: int, link: bytes, at: str) -> Head:
        """A signed head. at: in the form of `domain.chain.moment`."""
        bare = Head(seq, link.hex(), at, self.key)
        signature = self._private.sign(bare.signed_bytes())
        return Head(seq, link.hex(), at, self.key, signature.hex())

    def is_signed(self, head: Head) -> bool:
        """Did a key of ours sign exactly this?"""
        public = self.publics.get(head.key)
        if public is None:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(
                bytes.fromhex(head.signature), head.signed_bytes()
            )
        except (InvalidSignature, ValueError):
            return False
        return True


def new_section() -> dict[str, Any]:
    return {"private": _b64(Ed25519PrivateKey.generate().private_bytes_raw()), "retired": []}


def renewed(section: Mapping[str, Any]) -> dict[str, Any]:
    """A new key in use; of the one before only the public half is left."""
    before = read_section(section)
    return {**new_section(), "retired": [*section["retired"], _b64(before.publics[before.key])]}


def read_section(section: Mapping[str, Any]) -> Signing:
    """Raises KeyError, TypeError or ValueError for what is no such section."""
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(section["private"], validate=True))
    own = private.public_key().public_bytes_raw()
    publics = [own, *(base64.b64decode(p, validate=True) for p in section["retired"])]
    return Signing(name_of(own), {name_of(public): public for public in publics}, private)


def name_of(public: bytes) -> str:
    """What a head calls the key that signed it: 16 hexadecimal digits."""
    return hashlib.sha256(public).hexdigest()[:16]


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
