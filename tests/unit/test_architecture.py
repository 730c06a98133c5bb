"""The house stands as its map draws it: each part imports only what the arrows allow."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

MAY_IMPORT = {
    # part: of our own, by the beginning of the module's name
    "bot/domain": {"bot.domain"},
    "bot/ledger": {"bot.ledger", "bot.domain"},
    "bot/services": {
        "bot.services", "bot.ledger", "bot.domain", "bot.texts", "bot.knowledge", "bot.egress", "bot.settings",
        "bot.check_bundle",
    },
    "bot/channels": {"bot.channels", "bot.domain", "bot.settings"},
    "actions": {"actions", "bot.services", "bot.ledger", "bot.domain", "bot.texts"},
}  # fmt: skip
DOMAIN_LIBRARIES = {"phonenumbers", "rapidfuzz", "lingua", "holidays"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module if node.module != "bot" else f"bot.{node.names[0].name}"


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_stands_below_it(part: str) -> None:
    for path in sorted((ROOT / part).rglob("*.py")):
        ours = {name for name in imports(path) if name.split(".")[0] in ("bot", "actions")}
        wrong = {n for n in ours if not any(n == a or n.startswith(f"{a}.") for a in MAY_IMPORT[part])}
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_domain_needs_little_and_touches_nothing() -> None:
    allowed = sys.stdlib_module_names | DOMAIN_LIBRARIES | {"bot", "__future__"}
    for path in sorted((ROOT / "bot/domain").rglob("*.py")):
        wrong = {name.split(".")[0] for name in imports(path)} - allowed
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_nobody_imports_rasa_but_the_box_it_lives_in() -> None:
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "actions").rglob("*.py")]:
        assert not any(name.split(".")[0] == "rasa" for name in imports(path)), path
