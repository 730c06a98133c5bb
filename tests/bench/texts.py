"""Texts for the turns, out of the training data: mixed intents, none that a keyword decides. Measures nothing."""

from __future__ import annotations

import random
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path

import yaml

from bot.domain import keywords

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
NLU_DATA = DATA / "nlu"
SEED = 20240229


def by_intent() -> dict[str, list[str]]:
    """Every line of the training data, by its intent's name inside Rasa."""
    found: dict[str, list[str]] = {}
    for file in sorted(NLU_DATA.rglob("*.yml")):
        for block in yaml.safe_load(file.read_text(encoding="utf-8"))["nlu"]:
            lines = (line.removeprefix("- ").strip() for line in block["examples"].splitlines())
            found.setdefault(block["intent"], []).extend(filter(None, lines))
    return found


def mixed(count: int) -> list[str]:
    """That many texts, the intents taking turns, each line at most once as long as there are enough.

    Only texts that no keyword or phrase decides, so that each of them needs the model.
    """
    match = partial(keywords.match, words=keywords.load_words(DATA / "keywords.toml"))
    chance = random.Random(SEED)
    piles = []
    for lines in by_intent().values():
        pile = [line for line in lines if not match(line).intent]
        chance.shuffle(pile)
        piles.append(pile)
    dealt = [line for line in chain.from_iterable(zip_longest(*piles)) if line is not None]
    return [dealt[place % len(dealt)] for place in range(count)]
