"""What a third party can check of an opt-out, and what the command line says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from bot import check_bundle, cli
from bot.domain.errors import BadInput, BadSetting, NotKnown
from bot.ledger import keys as key_files
from bot.ledger import tables
from bot.services import audit
from bot.services.erase import erase
from tests.audit_house import House
from tests.world import ALA, SHOP_NUMBER

# --- for others to check -----------------------------------------------------------------------------


@pytest.fixture
def bundle(sealed: House, tmp_path: Path) -> Path:
    """The first opt-out, handed out and unpacked."""
    (opt_out,) = sealed.rows(tables.opt_outs)
    out = tmp_path / "bundle.zip"
    rows = audit.export(sealed.ledger, [sealed.file], str(opt_out["id"]), out, brand="Demo")
    assert rows == 3
    folder = tmp_path / "bundle"
    with zipfile.ZipFile(out) as packed:
        packed.extractall(folder)
    return folder


def check(folder: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    """As a third party would: a fresh interpreter that finds nothing of ours."""
    return subprocess.run(
        [sys.executable, "-I", str(folder / "verify.py"), str(folder), *keys],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_third_party_checks_an_opt_out_without_our_keys(bundle: Path, sealed: House) -> None:
    public = key_files.signing(sealed.ledger.keys.path or Path())
    checked = check(bundle, public.publics[public.key].hex())
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.endswith("ALL HOLDS\n")
    for said in ("STOP", ALA, SHOP_NUMBER, "(stop)", "(start)", "(told)", "Agrest Moda"):
        assert said in checked.stdout
    assert json.loads((bundle / "notes.json").read_text())["clients"]
    assert "Demo" in (bundle / "README.txt").read_text()
    secrets = (sealed.ledger.keys.path or Path()).read_text()
    private = json.loads(secrets)["signing"]["private"]
    assert not any(private in file.read_text() for file in bundle.iterdir())


def _set(path: str, value: Any) -> Callable[[list[Any]], None]:
    def change(items: list[Any]) -> None:
        *way, last = path.split("/")
        place: Any = items[0]
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[last] = value

    return change


FORGERIES = {
    "row": _set("row/effective_at", "2020-01-01T00:00:00.000000Z"),
    "words": _set("opened/text", "OK"),
    "salt": _set("opened/text_salt", ""),
    "subject": _set("opened/subject", "{}"),
    "receipt": _set("opened/receipt", "nothing"),
    "place": _set("seq", 4),
    "segment": _set("proof/segment/0/digest", "00" * 32),
    "moment": _set("proof/segment/0/at", "2020-01-01T00:00:00.000000Z"),
    "before": _set("proof/before", "11" * 32),
    "head": _set("proof/head/link", "11" * 32),
    "signed at": _set("proof/head/at", "2020-01-01T00:00:00.000000Z"),
    "key": _set("proof/head/key", "0" * 16),
}


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
@pytest.mark.parametrize("what", FORGERIES)
def test_a_forged_bundle_does_not_hold(bundle: Path, what: str) -> None:
    items = json.loads((bundle / "evidence.json").read_text())
    FORGERIES[what](items)
    (bundle / "evidence.json").write_text(json.dumps(items))
    checked = check(bundle)
    assert checked.returncode == 1
    assert "DOES NOT HOLD" in checked.stderr


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
def test_a_bundle_signed_with_another_key_does_not_hold(bundle: Path) -> None:
    checked = check(bundle, "ab" * 32)
    assert checked.returncode == 1
    assert "public keys" in checked.stderr


def test_the_script_that_is_handed_out_fits_a_page() -> None:
    assert len(Path(check_bundle.__file__).read_text().splitlines()) <= 60


def test_evidence_is_handed_out_after_its_words_are_gone(sealed: House, tmp_path: Path) -> None:
    erase(sealed.ledger, ALA, sealed.clock.now)
    sealed.seal()
    row = sealed.rows(tables.evidence)[0]["id"]
    audit.export(sealed.ledger, [sealed.file], f"e{row}", tmp_path / "b.zip", brand="Demo")
    with zipfile.ZipFile(tmp_path / "b.zip") as packed:
        packed.extractall(tmp_path / "b")
    checked = check(tmp_path / "b")
    assert checked.returncode == 0, checked.stderr
    assert ALA not in checked.stdout


def test_what_cannot_be_handed_out_is_said(house: House, tmp_path: Path) -> None:
    def export(what: str) -> None:
        audit.export(house.ledger, [house.file], what, tmp_path / "b.zip", brand="Demo")

    with pytest.raises(BadInput):
        export("x")
    with pytest.raises(NotKnown, match="no opt-out 1234567"):
        export("1234567")
    house.world.sent("shop", SHOP_NUMBER)
    house.world.says("STOP")
    with pytest.raises(NotKnown, match="not sealed yet"):
        export(str(house.rows(tables.opt_outs)[0]["id"]))


# --- the command line --------------------------------------------------------------------------------


def test_the_command_line_verifies_finds_and_hands_out(
    sealed: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHOSENT_DATABASE_URL", sealed.ledger.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WHOSENT_KEYS_FILE", str(sealed.ledger.keys.path))
    monkeypatch.setenv("WHOSENT_AUDIT_FILE", str(sealed.file))
    runner = CliRunner()
    whole = runner.invoke(cli.app, ["audit", "verify"])
    assert whole.exit_code == 0
    assert "the chain is whole: 9 places (0 purged), signed up to place 9 by 3 heads" in whole.output
    found = runner.invoke(cli.app, ["audit", "find", "--number", "500 100 200"])
    number, _, rest = found.output.partition(":")
    assert "shop, marketing, since 2026-11-20" in rest
    assert "lifted" in rest
    out = tmp_path / "out.zip"
    assert runner.invoke(cli.app, ["audit", "export", number, "--out", str(out)]).exit_code == 0
    assert "verify.py" in zipfile.ZipFile(out).namelist()
    signing = key_files.signing(sealed.ledger.keys.path or Path())
    assert runner.invoke(cli.app, ["audit", "key"]).output.split() == [
        signing.key,
        signing.publics[signing.key].hex(),
    ]
    sealed.run(update(tables.acts).where(tables.acts.c.seq == 3).values(staff=99))
    broken = runner.invoke(cli.app, ["audit", "verify"])
    assert broken.exit_code == 1
    assert "place 3, acts" in str(broken.exception)


def test_a_file_of_heads_that_cannot_be_read_is_said(house: House) -> None:
    house.file.parent.mkdir()
    house.file.write_text("garbage\n")
    house.acts(1)
    with pytest.raises(BadSetting, match="no head"):
        house.seal()
