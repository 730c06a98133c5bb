"""Say what a message asks for when its words leave no doubt. Asks no model, knows no person, stores nothing.

The order: text that is not the writer's goes out (quotes, reactions, the platform's own text), then
signature, greeting and politeness; then the whole rest is held against the keywords; then its grammar
against the phrases. Short words (NO, TAK, 1) are no wish here: they answer a question (`choice`, `yes_no`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.folding import (
    LONGEST,
    REPEATED,
    Word,
    latin_disguise,
    unrepeated,
    words_of,
)
from bot.domain.own_words import blanked, quotes, said_in, without_courtesy, without_history
from bot.domain.phrases import phrase_in
from bot.domain.words import (
    SHORTEST_WITH_TYPOS,
    WEIGHT,
    Act,
    Keyword,
    Scope,
    Words,
    load_words,
    slips_of,
)

__all__ = ["MATCHER_VERSION", "NOTHING", "Act", "Scope", "Verdict", "Words", "choice", "load_words", "match",
           "yes_no"]  # fmt: skip

MATCHER_VERSION = "1"  # stands in the evidence of an opt-out; raise it with every change of behaviour

MOST_WORDS_OF_A_KEYWORD = 12
MOST_WORDS_OF_A_HEAD = 4  # before a sender's name or a thing
LONGEST_KEY = 40
LONGEST_CODE = 6  # digits
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
    text = blanked(text[:LONGEST], own_marks)
    opening = text[:120].lstrip().casefold()
    if opening.startswith(words.reactions) or words.vague_reactions.match(opening):
        return NOTHING
    text = without_history(text, words)
    unquoted = blanked(text, quotes(text))
    found, end_mark = said_in(unquoted, words)
    verdict = _keyword(found, end_mark, unquoted, words)
    if unquoted != text:
        # « "STOP" » and « STOP "Shop" »: people quote what they were told to send
        whole, whole_mark = said_in(text, words)
        quoted = _keyword(whole, whole_mark, text, words)
        verdict = quoted if quoted.intent else verdict
    if verdict.act is Act.DO:
        return verdict
    phrase = _phrase(found, end_mark, words)
    if phrase.act is Act.DO:
        return phrase
    clause = _clause(found, unquoted, words)
    return max((clause, phrase, verdict), key=lambda one: WEIGHT[one.act])


def choice(text: str, words: Words, options: int) -> int | None:
    """Return which of `options` numbered answers `text` picks, from 1 up, or None; for an open question."""
    found = without_courtesy(words_of(text)[0], words)
    said = [word.text for word in found if word.text not in words.option_words]
    picked = " ".join(said)
    number = int(picked) if picked.isdecimal() and len(picked) < 4 else words.numbers.get(picked, 0)
    return number if 1 <= number <= options else None


def yes_no(text: str, words: Words) -> bool | None:
    """Return whether `text` as a whole says yes or no, or None. For an open question only."""
    found = words_of(text)[0]
    for said in (found, without_courtesy(found, words)):
        answers = {_yes_or_no(part, words) for part in _sayings(said, words)}
        if len(answers) == 1:
            return answers.pop()
    return None


# --- keywords ---


def _keyword(found: list[Word], end_mark: str, text: str, words: Words) -> Verdict:
    found = without_courtesy(found, words)
    if not 0 < len(found) <= MOST_WORDS_OF_A_KEYWORD:
        return NOTHING
    if len(found) == 1:
        if alone := _look_up(found[0].text, words, forgiving=True):
            return _verdict(*alone, found)
    elif heads := _heads(found, words):
        is_whole = len(heads) == min(MOST_WORDS_OF_A_HEAD, len(found))
        if is_whole and (whole := _look_up("".join(word.text for word in found), words)):
            return _verdict(*whole, found)
        if repeated := _repeated(found, words):
            return repeated
        for size in range(min(len(heads), len(found) - 1), 0, -1):
            head = _look_up(heads[size - 1], words)
            if head and (verdict := _with_rest(head[0], found[:size], found[size:], end_mark, text, words)):
                return verdict
    if found[0].text in words.things and all(word.text in words.things for word in found[:-1]):
        last = _look_up(found[-1].text, words)
        if last and last[0].intent == "opt_out":
            return _verdict(last[0], "after", found)
    return _glued(found, words)


def _heads(found: list[Word], words: Words) -> list[str]:
    """The first words put together, one, two, three …, as far as a keyword may begin so; none for ordinary talk."""
    first = found[0].text
    if len(first) > 1 and first[:2] not in words.beginnings and first.isascii() and first.isalpha():
        return []
    heads: list[str] = []
    head = ""
    for word in found[:MOST_WORDS_OF_A_HEAD]:
        head += word.text
        if head not in words.beginnings and _is_plain(head):
            break
        heads.append(head)
    return heads


def _is_plain(key: str) -> bool:
    """Nothing in it is stuttered, a digit or a look-alike, so that it is what stands there and nothing else."""
    return key.isalpha() and not REPEATED.search(key) and (key.isascii() or latin_disguise(key) is None)


def _look_up(key: str, words: Words, *, forgiving: bool = False) -> tuple[Keyword, str] | None:
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


def _clause(found: list[Word], text: str, words: Words) -> Verdict:
    """Read a STOP that is the first or the last clause of a longer message: « STOP! I told you twice ».

    In capitals and cut off by a full stop it is carried out; in any other dress it is asked back, because
    « Stop, I do not follow » is ordinary talk.
    """
    edges = [place for place, word in enumerate(found) if place and word.mark in ",."]
    if not edges:
        return NOTHING
    asked = NOTHING
    for part, mark in (
        (found[: edges[0]], found[edges[0]].mark),
        (found[edges[-1] :], found[edges[-1]].mark),
    ):
        said = without_courtesy(part, words) if len(part) < 5 else []
        hit = _look_up("".join(word.text for word in said), words) if said else None
        if hit is None or not (hit[0].intent == "opt_out" and hit[0].takes_sender):
            continue
        verdict = _verdict(hit[0], "clause", said)
        if mark == "." and text[said[0].start : said[-1].end].isupper():
            return verdict
        asked = replace(verdict, act=Act.ASK)
    return asked


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
        hit = _look_up(word.text, words)
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
    if keyword.intent not in ("opt_out", "opt_in"):
        return None
    texts = [word.text for word in rest]
    code = texts[-1] if texts[-1].isdecimal() and len(texts[-1]) <= LONGEST_CODE else None
    if keyword.intent == "opt_in" and code and words.option_words.issuperset(texts[:-1]):
        return replace(_verdict(keyword, "code", head + rest), code=code)
    if all(_adds_no_name(t, keyword, words) for t in texts):
        if texts[-1] in words.prepositions:
            return None
        verdict = _verdict(keyword, "thing", head + rest)
        return replace(verdict, scope=Scope.ALL) if not words.everything.isdisjoint(texts) else verdict
    if not keyword.takes_sender:
        # « cancel it » may be about an appointment
        verdict = _verdict(keyword, "thing", head + rest)
        return replace(verdict, act=Act.ASK) if words.pronouns.issuperset(texts) else None
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
    is_number = all(t.isdecimal() for t in texts)
    sentences = any(w.mark != " " and text[w.start - 1].isspace() for w in name[1:])
    if len(typed) > LONGEST_SENDER or end_mark == "?" or sentences or (len(name) > 3 and not is_number):
        return None
    if not words.no_senders.isdisjoint(texts) or not words.everything.isdisjoint(texts):
        return None
    gap = text[head[-1].end : rest[0].start]
    joined = not any(c.isspace() for c in gap) or ":" in gap or "#" in gap
    if rest[0].mark == "." and not joined:
        return None  # « Stop. Jan »: the next sentence is no sender
    verdict = replace(_verdict(keyword, "named", head + rest), scope=Scope.NAMED, sender=typed)
    if is_number:
        return replace(verdict, act=Act.ASK)  # a sender, an order, a code? nobody can tell
    one_word = not any(c.isspace() for c in typed)
    if (joined and one_word) or all(_looks_like_name(text[w.start : w.end]) for w in name):
        return verdict
    if texts[0].endswith("ing"):
        return None  # « stop crying »
    # « stop shopxyz » can mean nothing else; « wypisz fakturę » and « start school » can
    only_stops = keyword.intent == "opt_out" and keyword.language is None
    return verdict if only_stops and one_word and len(name) == len(rest) else replace(verdict, act=Act.ASK)


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


# --- phrases ---


def _phrase(found: list[Word], end_mark: str, words: Words) -> Verdict:
    hit = phrase_in(found, end_mark, words)
    if hit is None:
        return NOTHING
    rule, first, last = hit
    return Verdict(
        intent=rule.intent,
        act=rule.act,
        scope=rule.scope,
        sender=None,
        code=None,
        language=rule.language,
        rule=f"phrase.{rule.name}",
        span=(first.start, last.end),
        by="phrase",
    )


# --- answers ---


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
