"""The keys file and what it seals."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import BadSetting
from bot.ledger import keys
from bot.ledger.keys import Keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "keys.json"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_for_its_owner_only_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        made = keys.create(path)
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert keys.read(path).unseal("a.b", made.seal("a.b", "+48500100200")) == "+48500100200"


def test_a_file_that_is_there_is_never_overwritten(path: Path) -> None:
    keys.create(path)
    before = path.read_bytes()
    with pytest.raises(BadSetting, match="is there already"):
        keys.create(path)
    assert path.read_bytes() == before


def test_no_two_files_share_a_key(tmp_path: Path) -> None:
    one, two = keys.create(tmp_path / "one"), keys.create(tmp_path / "two")
    assert one.find("+48500100200") != two.find("+48500100200")
    assert one.mark("text") != two.mark("text")
    with pytest.raises(BadSetting):
        two.unseal("a.b", one.seal("a.b", "text"))


def test_a_new_version_writes_and_the_old_ones_still_read(path: Path) -> None:
    old = keys.create(path)
    sealed, found, mark = old.seal("a.b", "text"), old.find("+48500100200"), old.mark("text")
    new = keys.add_version(path)
    assert mode(path) == 0o600
    assert (new.current, new.versions) == ("k2", ("k1", "k2"))
    assert keys.version_of(new.seal("a.b", "text")) == "k2"
    assert new.unseal("a.b", sealed) == "text"
    assert new.find("+48500100200") != found
    assert new.find_any("+48500100200") == [new.find("+48500100200"), found]
    assert new.mark("text") == mark
    assert keys.add_version(path).versions == ("k1", "k2", "k3")


def test_what_an_old_version_sealed_is_gone_with_it(path: Path) -> None:
    sealed = keys.create(path).seal("a.b", "text")
    new = keys.add_version(path)
    kept = new.seal("a.b", "text")
    last = keys.drop_old_versions(path)
    assert (last.versions, mode(path)) == (("k2",), 0o600)
    assert last.unseal("a.b", kept) == "text"
    with pytest.raises(BadSetting, match="no key version k1"):
        last.unseal("a.b", sealed)
    assert keys.add_version(path).current == "k3"


def test_what_a_crash_left_beside_it_is_not_written_into(path: Path) -> None:
    keys.create(path)
    beside = path.with_suffix(".new")
    beside.write_text("left")
    beside.chmod(0o666)
    keys.add_version(path)
    assert mode(path) == 0o600
    assert not beside.exists()


@given(value=st.text())
def test_whatever_is_sealed_opens_to_the_same_and_never_looks_the_same(value: str, keys: Keys) -> None:
    one, two = keys.seal("inbox.body", value), keys.seal("inbox.body", value)
    assert one != two
    assert keys.unseal("inbox.body", one) == keys.unseal("inbox.body", two) == value
    if len(value) > 3:
        assert value.encode() not in one


def test_a_blob_moved_to_another_purpose_does_not_open(keys: Keys) -> None:
    sealed = keys.seal("people.number", "+48500100200")
    for purpose in ("inbox.body", "people.numbe", "people.number ", ""):
        with pytest.raises(BadSetting, match="does not open"):
            keys.unseal(purpose, sealed)


def test_a_blob_of_which_anything_was_changed_does_not_open(keys: Keys) -> None:
    sealed = keys.seal("a.b", "+48500100200")
    changed = [sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :] for i in range(len(sealed))]
    shortened = [sealed[:i] for i in range(len(sealed))]
    for blob in (*changed, *shortened, b"\x02\xff\xfe" + sealed):
        with pytest.raises(BadSetting) as caught:
            keys.unseal("a.b", blob)
        assert "500100200" not in str(caught.value)


def test_keys_show_themselves_nowhere(path: Path) -> None:
    made = keys.create(path)
    content = json.loads(path.read_text())
    shown = repr(made) + str(vars(made))
    for secret in (content["mark"], *content["keys"]["k1"].values()):
        assert secret not in shown


BROKEN = {
    "nothing": "", "no object": "[]", "no json": "{", "empty": "{}", "bytes": "\x00",
    "current is none of them": '{"current": "k9", "keys": {}, "mark": "AA=="}',
    "a short key": '{"current": "k1", "keys": {"k1": {"find": "AA==", "seal": "AA=="}}, "mark": "AA=="}',
    "no base64": '{"current": "k1", "keys": {"k1": {"find": "!", "seal": "!"}}, "mark": "!"}',
}  # fmt: skip


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_is_none_says_so_in_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    for use in (keys.read, keys.add_version, keys.drop_old_versions):
        with pytest.raises(BadSetting, match="is no keys file") as caught:
            use(path)
        assert len(str(caught.value).splitlines()) == 1
    assert path.read_text() == content


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="whosent keys create"):
        keys.read(tmp_path / "none")
