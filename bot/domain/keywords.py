"""Say what a message asks for when its words leave no doubt. Asks no model, knows no person, stores nothing.

The order: text that is not the writer's goes out (quotes, reactions, the platform's own text), then
signature, greeting and politeness; then the whole rest is held against the keywords; then its grammar
against the phrases. Short words (NO, TAK, 1) are no wish here: they answer a question (`choice`, `yes_no`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.folding import LONGEST, REPEATED, Word, latin_disguise, unrepeated, words_of
from bot.domain.words import (
    SHORTEST_WITH_TYPOS,
    STEM_HEAD,
    Act,
    Grammar,
    Keyword,
    Rule,
    Scope,
    Words,
    load_words,
    slips_of,
)

__all__ = ["MATCHER_VERSION", "NOTHING", "Act", "Scope", "Verdict", "Words", "choice", "load_words", "match",
           "yes_no"]  # fmt: skip

MATCHER_VERSION = "1"  # stands in the evidence of an opt-out; raise it with every change of behaviour

MOST_WORDS_OF_A_KEYWORD = 12
LONGEST_KEY = 40
LONGEST_SENDER = 30  # characters; client names are no longer (CONTRACT.md)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a message asks for, and the rule and the span (of the original text) that decided."""

    intent: str
    act: Act
    scope: Scope | None
    sender: str | None  # as typed
    code: str | None
    language: str | None
    rule: str
    span: tuple[int, int]
    by: str


NOTHING = Verdict("", Act.NONE, None, None, None, None, "", (0, 0), "")


def match(text: str, words: Words, *, own_marks: Sequence[tuple[int, int]] = ()) -> Verdict:
    """Return what `text` asks for, or NOTHING.

    `own_marks` are spans of `text` that the platform itself once sent to this person (the caller knows them
    by fingerprint); they are read as if they were not there. Never raises, whatever the text.
    """
    text = _blanked(text[:LONGEST], own_marks)
    opening = text[:120].lstrip().casefold()
    if opening.startswith(words.reactions) or words.vague_reactions.match(opening):
        return NOTHING
    text = _without_history(text, words)
    unquoted = _blanked(text, _quotes(text))
    found, end_mark = _said(unquoted, words)
    verdict = _keyword(found, end_mark, unquoted, words)
    if unquoted != text:
        # « "STOP" » and « STOP "Shop" »: people quote what they were told to send
        whole, whole_mark = _said(text, words)
        quoted = _keyword(whole, whole_mark, text, words)
        verdict = quoted if quoted.intent else verdict
    if verdict.act is Act.DO:
        return verdict
    phrase = _phrase(found, end_mark, words)
    return phrase if phrase.act is Act.DO or not verdict.intent else verdict


def choice(text: str, words: Words, options: int) -> int | None:
    """Return which of `options` numbered answers `text` picks, from 1 up, or None. For an open question only."""
    found = _without_courtesy(words_of(text)[0], words)
    said = [word.text for word in found if word.text not in words.option_words]
    if len(said) != 1:
        return None
    number = int(said[0]) if said[0].isdecimal() and len(said[0]) < 4 else words.numbers.get(said[0], 0)
    return number if 1 <= number <= options else None


def yes_no(text: str, words: Words) -> bool | None:
    """Return whether `text` as a whole says yes or no, or None. For an open question only."""
    found = words_of(text)[0]
    for said in (found, _without_courtesy(found, words)):
        answers = {_yes_or_no(part, words) for part in _sayings(said, words)}
        if len(answers) == 1:
            return answers.pop()
    return None


# --- what is not the writer's own words ---------------------------------------------------------------

_QUOTE_PAIRS = {"„": "”“\"", "“": "”", "”": "”", "«": "»", "»": "«", "‹": "›", '"': '"', "「": "」"}
_ANY_QUOTE = re.compile("[„“”«»‹\"「]")
_QUOTED_LINE = re.compile(r"^[ \t]{0,9}>[^\n]*$", re.MULTILINE)


def _blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Put line ends in place of `spans`: the words go, the clause breaks, every offset stays."""
    for start, end in spans:
        start, end = max(0, start), min(end, len(text))
        if start < end:
            text = text[:start] + "\n" * (end - start) + text[end:]
    return text


def _quotes(text: str) -> list[tuple[int, int]]:
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


def _without_history(text: str, words: Words) -> str:
    """Take out quoted lines and what a mail program repeats below its answer."""
    if ">" in text:
        text = _blanked(text, [line.span() for line in _QUOTED_LINE.finditer(text)])
    place = 0
    for line in text.split("\n"):
        header = line[:120].strip().casefold()
        may_be = place and len(header) > 2 and (header[-1] == ":" or ": " in header or header[0] in "-_")
        if may_be and words.replies.match(header):
            return text[:place]
        place += len(line) + 1
    return text


# --- the words that are left ----------------------------------------------------------------------------


def _said(text: str, words: Words) -> tuple[list[Word], str]:
    found, mark = words_of(text)
    return _without_signature(_spelled_out(found), words), mark


def _spelled_out(found: list[Word]) -> list[Word]:
    """Join letters written one by one: « S.T.O.P. », « s t o p »."""
    if sum(len(word.text) == 1 for word in found) < 3:
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


def _without_courtesy(found: list[Word], words: Words) -> list[Word]:
    """Take greeting, politeness and urgency off both ends."""
    first, last = 0, len(found)
    while size := _courtesy(found[first : min(first + 4, last)], words, at_end=False):
        first += size
    while size := _courtesy(found[max(first, last - 4) : last], words, at_end=True):
        last -= size
    return found[first:last]


def _courtesy(found: list[Word], words: Words, *, at_end: bool) -> int:
    texts = [word.text for word in found]
    for size in range(len(texts), 0, -1):
        if " ".join(texts[-size:] if at_end else texts[:size]) in words.courtesy:
            return size
    return 0


# --- keywords -----------------------------------------------------------------------------------------


def _keyword(found: list[Word], end_mark: str, text: str, words: Words) -> Verdict:
    found = _without_courtesy(found, words)
    if not 0 < len(found) <= MOST_WORDS_OF_A_KEYWORD:
        return NOTHING
    if whole := _look_up("".join(word.text for word in found), words, forgiving=len(found) == 1):
        keyword, how = whole
        return _verdict(keyword, how, found)
    if repeated := _repeated(found, words):
        return repeated
    for size in range(min(4, len(found) - 1), 0, -1):
        head = _look_up("".join(word.text for word in found[:size]), words, forgiving=False)
        if head and (verdict := _with_rest(head[0], found[:size], found[size:], end_mark, text, words)):
            return verdict
    last = _look_up(found[-1].text, words, forgiving=False)
    if last and last[0].intent == "opt_out" and all(w.text in words.things for w in found[:-1]):
        return _verdict(last[0], "after", found)
    return _glued(found, words)


def _look_up(key: str, words: Words, *, forgiving: bool) -> tuple[Keyword, str] | None:
    """Find the keyword that `key` is, and how: as it stands, in disguise, stuttered or with one slip."""
    if keyword := words.keywords.get(key):
        return keyword, "exact"
    plain = key.isalpha()
    if not plain or not key.isascii() or REPEATED.search(key):
        for how, other in _disguises(key):
            if keyword := words.keywords.get(other):
                return keyword, how
    if forgiving and plain and SHORTEST_WITH_TYPOS <= len(key) <= LONGEST_KEY and key not in words.real_words:
        near = {k for slip in slips_of(key) for k in words.slips.get(slip, ()) if _one_apart(key, k)}
        if near and len({(words.keywords[k].intent, words.keywords[k].act) for k in near}) == 1:
            return words.keywords[min(near)], "slip"
    return None


_DIGITS_AS_LETTERS = str.maketrans("013457", "oleast")


def _disguises(key: str) -> list[tuple[str, str]]:
    others = [("stuttered", other) for other in unrepeated(key)]
    latin = latin_disguise(key)
    if latin:
        others += [("look-alike", latin)] + [("look-alike", other) for other in unrepeated(latin)]
    if not key.isalpha() and not key.isdecimal():
        others.append(("digits", key.translate(_DIGITS_AS_LETTERS)))
    return others


def _one_apart(one: str, other: str) -> bool:
    """One letter more, less or another, or two neighbours swapped; the first letter may be wrong too."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return one[same:] == other[same + 1 :]
    swapped = one[same + 1 : same + 2] + one[same : same + 1]
    return one[same + 1 :] == other[same + 1 :] or swapped + one[same + 2 :] == other[same:]


def _repeated(found: list[Word], words: Words) -> Verdict | None:
    """Read « STOP STOP », « END. STOP. UNSUBSCRIBE »: several words of one meaning are that meaning."""
    keywords: list[Keyword] = []
    for word in found:
        hit = _look_up(word.text, words, forgiving=False)
        if hit is None or (keywords and hit[0].intent != keywords[0].intent):
            return None
        keywords.append(hit[0])
    chosen = [keyword for keyword in keywords if keyword.act is Act.DO] or keywords
    widest = next((keyword for keyword in chosen if keyword.scope is Scope.ALL), chosen[0])
    return _verdict(widest, "repeated", found)


def _with_rest(
    keyword: Keyword, head: list[Word], rest: list[Word], end_mark: str, text: str, words: Words
) -> Verdict | None:
    """Read what follows a keyword: a thing (« STOP SMS »), all, a sender's name, a code."""
    if keyword.intent == "opt_in" and len(rest) == 1 and rest[0].text.isdecimal() and len(rest[0].text) <= 6:
        return replace(_verdict(keyword, "code", head + rest), code=rest[0].text)
    if keyword.intent not in ("opt_out", "opt_in"):
        return None
    texts = [word.text for word in rest]
    if all(_adds_no_name(t, keyword, words) for t in texts):
        if texts[-1] in words.prepositions:
            return None
        verdict = _verdict(keyword, "thing", head + rest)
        return replace(verdict, scope=Scope.ALL) if not words.everything.isdisjoint(texts) else verdict
    if not keyword.takes_sender:
        return None
    lead = words.things | words.prepositions | words.pronouns
    start = next((n for n, t in enumerate(texts) if t not in lead), 0)
    return _named(keyword, head, rest, rest[start:], end_mark, text, words)


def _adds_no_name(text: str, keyword: Keyword, words: Words) -> bool:
    if text in words.things or text in words.everything or text in words.courtesy:
        return True
    return keyword.takes_sender and (text in words.pronouns or text in words.prepositions)


def _named(
    keyword: Keyword,
    head: list[Word],
    rest: list[Word],
    name: list[Word],
    end_mark: str,
    text: str,
    words: Words,
) -> Verdict | None:
    """Read « STOP SHOPXYZ », « STOP:Shop », « wypisz mnie z Shop »; ordinary talk after STOP is no name."""
    typed = text[name[0].start : name[-1].end].strip()
    texts = [word.text for word in name]
    if len(name) > 3 or len(typed) > LONGEST_SENDER or end_mark == "?" or any(w.mark != " " for w in name[1:]):
        return None
    if not words.no_senders.isdisjoint(texts) or not words.everything.isdisjoint(texts):
        return None
    gap = text[head[-1].end : rest[0].start]
    joined = not any(c.isspace() for c in gap) or ":" in gap or "#" in gap
    if rest[0].mark == "." and not joined:
        return None  # « Stop. Jan »: the next sentence is no sender
    verdict = replace(_verdict(keyword, "named", head + rest), scope=Scope.NAMED, sender=typed)
    if all(t.isdecimal() for t in texts):
        return replace(verdict, act=Act.ASK)  # a sender, an order, a code? nobody can tell
    if joined or all(_looks_like_name(text[w.start : w.end]) for w in name):
        return verdict
    if texts[0].endswith("ing"):
        return None  # « stop crying »
    return verdict if len(name) == len(rest) == 1 else replace(verdict, act=Act.ASK)


def _looks_like_name(typed: str) -> bool:
    return typed[:1].isupper() or any(c.isdigit() for c in typed)


_LETTERS_THEN_DIGITS = re.compile(r"([^\W\d]+)(\d{2,8})")


def _glued(found: list[Word], words: Words) -> Verdict:
    """« START47 », « STOP12345 »."""
    split = _LETTERS_THEN_DIGITS.fullmatch(found[0].text) if len(found) == 1 else None
    keyword = words.keywords.get(split[1]) if split else None
    if split is None or keyword is None:
        return NOTHING
    verdict = _verdict(keyword, "glued", found)
    if keyword.intent == "opt_in":
        return replace(verdict, code=split[2])
    if keyword.intent == "opt_out" and keyword.takes_sender:
        return replace(verdict, act=Act.ASK, scope=Scope.NAMED, sender=split[2])
    return NOTHING


def _verdict(keyword: Keyword, how: str, found: list[Word]) -> Verdict:
    return Verdict(
        intent=keyword.intent,
        act=keyword.act,
        scope=keyword.scope,
        sender=None,
        code=None,
        language=keyword.language,
        rule=f"keyword.{how}:{keyword.key}",
        span=(found[0].start, found[-1].end),
        by="keyword",
    )


# --- phrases --------------------------------------------------------------------------------------------


def _phrase(found: list[Word], end_mark: str, words: Words) -> Verdict:
    symbols = [_symbol(word.text, words) for word in found]
    if words.triggers.isdisjoint(symbols):
        return NOTHING
    line, places = _with_marks(symbols, found, end_mark)
    present = frozenset(symbols)
    hits = [
        hit
        for grammar in words.grammars
        if not grammar.triggers.isdisjoint(present) and (hit := _first_rule(line, grammar))
    ]
    if not hits:
        return NOTHING
    rule, first, last = min(hits, key=lambda hit: _RANK[hit[0].act])
    span = [place for place in places[first:last] if place is not None]
    return Verdict(
        intent=rule.intent,
        act=rule.act,
        scope=rule.scope,
        sender=None,
        code=None,
        language=rule.language,
        rule=f"phrase.{rule.name}",
        span=(found[span[0]].start, found[span[-1]].end),
        by="phrase",
    )


_RANK = {Act.DO: 0, Act.EXPLAIN: 1, Act.ASK: 2}


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


def _symbol(text: str, words: Words) -> str:
    """Return the symbol of a word's classes, "x" for a word of none."""
    if symbol := words.symbols.get(text):
        return symbol
    if text[:STEM_HEAD] in words.stem_heads:
        for length in words.stem_lengths:
            if symbol := words.stems.get(text[:length]):
                return symbol
    return "x"


def _first_rule(line: str, grammar: Grammar) -> tuple[Rule, int, int] | None:
    """Try the steps in order. A veto and a question hide their words, so that what stands beside them counts."""
    question: re.Match[str] | None = None
    for step in ("sure", "explain", "veto", "do", "ask"):
        pattern = grammar.patterns.get(step)
        hit = pattern.search(line) if pattern else None
        if pattern is None or hit is None:
            continue
        if step in ("veto", "explain"):
            question = hit if step == "explain" else question
            line = pattern.sub(lambda hidden: "x" * (hidden.end() - hidden.start()), line)
        elif step == "ask" and question:
            break
        else:
            return grammar.by_group[hit.lastgroup or ""], hit.start(), hit.end()
    return (grammar.by_group[question.lastgroup or ""], question.start(), question.end()) if question else None


# --- answers --------------------------------------------------------------------------------------------


def _sayings(found: list[Word], words: Words) -> list[str]:
    """« tak, zgadza się » → its parts, if all are answers; else the whole as one."""
    texts = [word.text for word in found]
    whole = " ".join(texts)
    if _yes_or_no(whole, words) is not None or not texts:
        return [whole]
    parts: list[list[str]] = []
    for word in found:
        if word.mark != " " or not parts or _yes_or_no(" ".join(parts[-1]), words) is not None:
            parts.append([])
        parts[-1].append(word.text)
    return [" ".join(part) for part in parts]


def _yes_or_no(said: str, words: Words) -> bool | None:
    said = said if said in words.yes or said in words.no else next(iter(unrepeated(said)), said)
    return True if said in words.yes else False if said in words.no else None
