"""Keep the keys that make a copy of the database worthless. Knows no table.

Numbers and texts are sealed with AES-256-GCM, found again by HMAC-SHA256: a plain hash of a phone number
is no protection, every possible number can be tabulated (EDPB 01/2025 on pseudonymisation).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bot.domain.errors import BadSetting
from bot.ledger import signing as signing_keys
from bot.ledger.signing import Signing

_NONCE = 12
_SIZE = 32


@dataclass(frozen=True, slots=True)
class _Pair:
    find: bytes = field(repr=False)
    seal: AESGCM = field(repr=False)


class Keys:
    """Every key version; the current one writes, all of them read.

    `mark` keys fingerprints of texts. It is never rotated: the texts are gone, so nothing could be
    fingerprinted anew (DESIGN: "what is not kept at import can never be rebuilt"). `path` is the file they
    were read from, which a rotation changes.
    """

    def __init__(
        self,
        current: str,
        pairs: Mapping[str, tuple[bytes, bytes]],
        mark: bytes,
        path: Path | None = None,
    ) -> None:
        self.current = current
        self.path = path
        self._pairs = {name: _Pair(find, AESGCM(seal)) for name, (find, seal) in pairs.items()}
        self._mark = mark

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(self._pairs)

    def find(self, value: str) -> bytes:
        """The current look-up value of a number or address (32 bytes)."""
        return hmac.digest(self._pairs[self.current].find, value.encode(), "sha256")

    def find_any(self, value: str) -> list[bytes]:
        """The look-up values under every key version, the current one first."""
        names = [self.current, *(n for n in self._pairs if n != self.current)]
        return [hmac.digest(self._pairs[n].find, value.encode(), "sha256") for n in names]

    def mark(self, value: str) -> bytes:
        """A keyed fingerprint of a text or a part of one (16 bytes)."""
        return hmac.digest(self._mark, value.encode(), "sha256")[:16]

    def seal(self, purpose: str, value: str) -> bytes:
        """Encrypt; `purpose` (table.column) is bound to the result: a blob moved elsewhere does not open."""
        nonce = os.urandom(_NONCE)
        name = self.current.encode()
        sealed = self._pairs[self.current].seal.encrypt(nonce, value.encode(), purpose.encode())
        return bytes([len(name)]) + name + nonce + sealed

    def unseal(self, purpose: str, blob: bytes) -> str:
        """Decrypt what `seal` wrote under any known version. Raises BadSetting when the key is not there."""
        name = version_of(blob)
        pair = self._pairs.get(name)
        if pair is None:
            raise BadSetting(f"the keys file has no key version {name}")
        body = blob[1 + len(name) :]
        try:
            return pair.seal.decrypt(body[:_NONCE], body[_NONCE:], purpose.encode()).decode()
        except (InvalidTag, ValueError):
            raise BadSetting(f"a sealed value does not open with key version {name}") from None

    def seal_json(self, purpose: str, value: Mapping[str, Any]) -> bytes:
        return self.seal(purpose, json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def unseal_json(self, purpose: str, blob: bytes | None) -> dict[str, Any]:
        if blob is None:
            return {}
        value: dict[str, Any] = json.loads(self.unseal(purpose, blob))
        return value


def version_of(blob: bytes) -> str:
    """The key version a sealed value was written with; damaged bytes are shown as `?`."""
    return blob[1 : 1 + blob[0]].decode("ascii", "replace").replace("\ufffd", "?") if blob else ""


def digest(value: str) -> bytes:
    """A plain SHA-256, for secrets that are random enough by themselves (tokens, sessions)."""
    return hashlib.sha256(value.encode()).digest()


def create(path: Path) -> Keys:
    """Write a new keys file, readable by its owner only. Raises BadSetting if there is one already."""
    name = "k1"
    content = {
        "current": name,
        "keys": {name: _new_pair()},
        "mark": _b64(secrets.token_bytes(_SIZE)),
        signing_keys.SECTION: signing_keys.new_section(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadSetting(f"{path} is there already; a new file would make every number unreadable") from None
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return read(path)


def read(path: Path) -> Keys:
    """Read a keys file. Raises BadSetting with what is wrong with it."""
    return _keys(path, _content(path))


def signing(path: Path) -> Signing:
    """The keys that sign the audit chain. A file made before there were any is given one.

    Raises BadSetting for a bad file, and when one without a signing key cannot be written.
    """
    content = _content(path)
    if signing_keys.SECTION not in content:
        _keys(path, content)
        content[signing_keys.SECTION] = signing_keys.new_section()
        try:
            _replace(path, content)
        except OSError as error:
            reason = f"{path} has no signing key and cannot be written ({error.strerror})"
            raise BadSetting(f"{reason}; run once where it can: whosent keys rotate") from None
    return _signing(path, content)


def add_version(path: Path) -> Keys:
    """Add a key version and make it current; the old ones stay for reading. The signing key is renewed too."""
    content = _content(path)
    _keys(path, content)  # what cannot be read must not be written anew
    name = f"k{1 + max(int(n[1:]) for n in content['keys'])}"
    content["keys"][name] = _new_pair()
    content["current"] = name
    _signing(path, content)
    before = content.get(signing_keys.SECTION)
    content[signing_keys.SECTION] = signing_keys.renewed(before) if before else signing_keys.new_section()
    _replace(path, content)
    return read(path)


def drop_old_versions(path: Path) -> Keys:
    """Forget every version but the current one, once nothing is sealed with them any more."""
    content = _content(path)
    _keys(path, content)
    content["keys"] = {content["current"]: content["keys"][content["current"]]}
    _replace(path, content)
    return read(path)


def _content(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise BadSetting(f"no keys file at {path}; make one with: whosent keys create {path}") from None
    except ValueError as error:
        raise BadSetting(f"{path} is no keys file: {error}") from None
    return content


def _keys(path: Path, content: dict[str, Any]) -> Keys:
    try:
        pairs = {name: (_key(pair["find"]), _key(pair["seal"])) for name, pair in content["keys"].items()}
        if content["current"] not in pairs:
            raise KeyError("current")
        return Keys(content["current"], pairs, _key(content["mark"]), path)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadSetting(f"{path} is no keys file: {error}") from None


def _signing(path: Path, content: dict[str, Any]) -> Signing:
    try:
        return signing_keys.read_section(content.get(signing_keys.SECTION) or signing_keys.new_section())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadSetting(f"{path}: its signing key cannot be read: {error}") from None


def _replace(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)  # one that a crash left would keep its own mode
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def _new_pair() -> dict[str, str]:
    return {"find": _b64(secrets.token_bytes(_SIZE)), "seal": _b64(secrets.token_bytes(_SIZE))}


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _key(value: str) -> bytes:
    key = base64.b64decode(value, validate=True)
    if len(key) != _SIZE:
        raise ValueError("a key has the wrong length")
    return key
