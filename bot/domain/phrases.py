"""Find the phrase in a message by grammar: symbols for word classes, rules over these. Decides nothing."""

import re

from bot.domain.folding import Word
from bot.domain.words import STEM_HEAD, WEIGHT, Grammar, Rule, Words

NO_CLASS = "x"  #: the symbol of a word that is in no class


def phrase_in(found: list[Word], end_mark: str, words: Words) -> tuple[Rule, Word, Word] | None:
    """Return the weightiest rule that the folded words `found` fulfil, with its first and last word, or None.

    `end_mark` is the mark after the last word, as `words_of` returns it.
    """
    known, heads = words.symbols, words.stem_heads
    symbols = [
        known.get(word.text) or (_of_stem(word.text, words) if word.text[:STEM_HEAD] in heads else NO_CLASS)
        for word in found
    ]
    if words.triggers.isdisjoint(symbols):
        return None
    line, places = _with_marks(symbols, found, end_mark)
    present = frozenset(symbols)
    hits = [
        hit
        for grammar in words.grammars
        if not grammar.triggers.isdisjoint(present) and (hit := _first_rule(line, grammar))
    ]
    if not hits:
        return None
    rule, first, last = max(hits, key=lambda hit: WEIGHT[hit[0].act])
    span = [place for place in places[first:last] if place is not None]
    return rule, found[span[0]], found[span[-1]]


def _with_marks(symbols: list[str], found: list[Word], end_mark: str) -> tuple[str, list[int | None]]:
    """Write the symbols in a line with the marks between them, and for each sign the place of its word."""
    line: list[str] = []
    places: list[int | None] = []
    for place, (symbol, word) in enumerate(zip(symbols, found, strict=True)):
        if word.mark != " " and line:
            line.append(word.mark)
            places.append(None)
        line.append(symbol)
        places.append(place)
    if end_mark != " ":
        line.append(end_mark)
        places.append(None)
    return "".join(line), places


def _of_stem(text: str, words: Words) -> str:
    """Return the symbol of the longest stem that a word begins with."""
    for length in words.stem_lengths:
        if symbol := words.stems.get(text[:length]):
            return symbol
    return NO_CLASS


def _first_rule(line: str, grammar: Grammar) -> tuple[Rule, int, int] | None:
    """Try the steps in order; a veto and a question hide their words from the steps after them."""
    question: re.Match[str] | None = None
    for step in ("sure", "explain", "veto", "do", "ask"):
        pattern = grammar.patterns.get(step)
        hit = pattern.search(line) if pattern else None
        if pattern is None or hit is None:
            continue
        if step in ("veto", "explain"):
            question = hit if step == "explain" else question
            line = pattern.sub(lambda hidden: NO_CLASS * (hidden.end() - hidden.start()), line)
        elif step == "ask" and question:
            break
        else:
            return grammar.by_group[hit.lastgroup or ""], hit.start(), hit.end()
    return (
        (grammar.by_group[question.lastgroup or ""], question.start(), question.end()) if question else None
    )
