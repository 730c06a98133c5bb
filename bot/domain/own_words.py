"""Leave of a message what its writer says: no quotes, history, signature or courtesy. Judges nothing."""

import re
from collections.abc import Mapping, Sequence

from bot.domain.folding import Word, words_of
from bot.domain.words import Words

_QUOTE_PAIRS = {"„": '”“"', "“": "”", "”": "”", "«": "»", "»": "«", "‹": "›", '"': '"', "「": "」"}
_ANY_QUOTE = re.compile('[„“”«»‹"「]')
_QUOTED_LINE = re.compile(r"^[ \t]{0,9}>[^\n]*$", re.MULTILINE)


def blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Put line ends in place of `spans`: the words go, the clause breaks, every offset stays."""
    for start, end in spans:
        start, end = max(0, start), min(end, len(text))
        if start < end:
            text = text[:start] + "\n" * (end - start) + text[end:]
    return text


def quotes(text: str) -> list[tuple[int, int]]:
    if not _ANY_QUOTE.search(text):
        return []
    spans: list[tuple[int, int]] = []
    unclosed: set[str] = set()
    place = 0
    while opening := _ANY_QUOTE.search(text, place):
        place = opening.end()
        sign = opening.group()
        if sign in unclosed:
            continue
        ends = [end for closer in _QUOTE_PAIRS[sign] if (end := text.find(closer, place)) >= 0]
        if ends:
            spans.append((opening.start(), min(ends) + 1))
            place = min(ends) + 1
        else:
            unclosed.add(sign)
    return spans


def without_history(text: str, words: Words) -> str:
    """Take out quoted lines and what a mail program repeats below its answer."""
    if ">" in text:
        text = blanked(text, [line.span() for line in _QUOTED_LINE.finditer(text)])
    place = 0
    for line in text.split("\n"):
        header = line[:120].strip().casefold()
        may_be = place and len(header) > 2 and (header[-1] == ":" or ": " in header or header[0] in "-_")
        if may_be and words.replies.match(header):
            return text[:place]
        place += len(line) + 1
    return text


def said_in(text: str, words: Words) -> tuple[list[Word], str]:
    found, mark = words_of(text)
    return _without_signature(_spelled_out(found), words), mark


def _spelled_out(found: list[Word]) -> list[Word]:
    """Join letters written one by one: « S.T.O.P. », « s t o p »."""
    if [len(word.text) for word in found].count(1) < 3:
        return found
    joined: list[Word] = []
    run: list[Word] = []
    for word in [*found, Word("", 0, 0, " ")]:
        if len(word.text) == 1 and word.text.isalpha():
            run.append(word)
            continue
        if len(run) > 2:
            joined.append(Word("".join(w.text for w in run), run[0].start, run[-1].end, run[0].mark))
        else:
            joined.extend(run)
        run = []
        joined.append(word)
    return joined[:-1]


def _without_signature(found: list[Word], words: Words) -> list[Word]:
    """Cut "Sent from my phone" and "Regards, Jan Kowalski" off the end."""
    texts = [word.text for word in found]
    last = len(texts)
    if words.endings.isdisjoint(texts[-14:]):
        return found
    for place in range(max(0, last - 14), last):
        if texts[place] in words.signatures and _begins(texts, place, words.signatures):
            last = place
            break
    for place in range(max(1, last - 5), last):
        if texts[place] in words.closings and _begins(texts, place, words.closings):
            last = place
            break
    return found[:last]


def _begins(texts: list[str], place: int, lines: Mapping[str, tuple[tuple[str, ...], ...]]) -> bool:
    return any(tuple(texts[place : place + len(line)]) == line for line in lines[texts[place]])


def without_courtesy(found: list[Word], words: Words) -> list[Word]:
    """Take greeting, politeness and urgency off both ends."""
    edges, first, last = words.courtesy_edges, 0, len(found)
    while first < last and found[first].text in edges:
        if not (size := _courtesy(found[first : min(first + 4, last)], words, at_end=False)):
            break
        first += size
    while first < last and found[last - 1].text in edges:
        if not (size := _courtesy(found[max(first, last - 4) : last], words, at_end=True)):
            break
        last -= size
    return found[first:last]


def _courtesy(found: list[Word], words: Words, *, at_end: bool) -> int:
    texts = [word.text for word in found]
    for size in range(len(texts), 0, -1):
        if " ".join(texts[-size:] if at_end else texts[:size]) in words.courtesy:
            return size
    return 0
