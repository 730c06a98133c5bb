"""Transcripts on both databases, through the real pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.ledger.book import Ledger
from tests.conftest import Clock
from tests.world import World


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    return World(ledger, clock, tmp_path)
