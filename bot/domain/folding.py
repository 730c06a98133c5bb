"""Bring a typed text down to plain words: case, accents, scripts, invisible signs. Judges no meaning."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

# Unicode's decompositions leave these letters whole, so "wyłącz" would never equal "wylacz".
LETTERS = {
    **dict(zip("łđøıħŧĸŋґð", "ldoihtkngd", strict=True)),
    "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ґ": "г", "ҕ": "г", "ӏ": "i", "ɑ": "a", "ɡ": "g", "ʟ": "l",
    **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijkmnoprstuvwyz", strict=True)),
}  # fmt: skip

# Letters of other alphabets that a reader takes for Latin ones (Unicode UTS 39, confusables, the part
# that occurs in messages). Large and small letters of a pair may look like different Latin letters.
LOOK_ALIKES = {
    **dict(zip("авекмнорстухіјѕһԁԛԝѵзьп", "abekmhopctyxijshdqwv3bn", strict=True)),
    **dict(zip("αβεζηικμνοπρτυχσςω", "abezhikmvonptyxssw", strict=True)),
    **dict(zip("օոսհռաց", "onuhnwg", strict=True)),
}
# Only these say that a word written wholly in the other alphabet may be a Latin one in disguise.
_EXACT_ALIKES = {c: latin for c, latin in LOOK_ALIKES.items() if c not in "зьпωπ"}
_TO_CYRILLIC = dict(zip("abekmhopctyxijs", "авекмнорстухіјѕ", strict=True))

# Blank, but letters to Unicode; ordinary invisible signs are known by their category.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u180e\u17b4\u17b5")
_APOSTROPHES = frozenset("'’‘ʼ`´ʹ′‛＇")  # "don't" is one word
_MARKS = {
    **dict.fromkeys("?¿？؟⁇⁈⁉", "?"),
    **dict.fromkeys(".!;:…。！；：¡\n\r\u2028\u2029\x0b\x0c", "."),
    **dict.fromkeys(",()[]{}、，–—―", ","),
}
_STRENGTH = {" ": 0, ",": 1, ".": 2, "?": 3}
MOST_LETTERS = 4  # out of one sign; a few Arabic ones are whole sentences
LONGEST = 4096  # characters looked at: one message of the longest channel (Telegram)


class Word(NamedTuple):
    """One folded word, where it stands in the original, and the strongest mark before it (" ,.?")."""

    text: str
    start: int
    end: int
    mark: str


def words_of(text: str) -> tuple[list[Word], str]:
    """Cut `text` (at most its first 4 096 characters) into folded words; also return the mark at its end.

    A word is a run of letters and digits; apostrophes and invisible signs inside it vanish.
    """
    found: list[Word] = []
    pieces: list[str] = []
    mark, start, end = " ", 0, 0
    for position, character in enumerate(text[:LONGEST]):
        piece = fold_character(character)
        if not piece:
            continue
        if piece not in _STRENGTH:
            if not pieces:
                start = position
            pieces.append(piece)
            end = position + 1
            continue
        if pieces:
            found.append(Word(one_script("".join(pieces)), start, end, mark))
            pieces = []
            mark = piece
        elif _STRENGTH[piece] > _STRENGTH[mark]:
            mark = piece
    if pieces:
        found.append(Word(one_script("".join(pieces)), start, end, mark))
        mark = " "
    return found, mark


@lru_cache(maxsize=64)  # a turn folds the same text half a dozen times
def fold(text: str) -> str:
    """Return the folded words of `text` separated by single blanks: « Wyłącz, ＳＭＳ! » → "wylacz sms"."""
    return " ".join(word.text for word in words_of(text)[0])


@lru_cache(maxsize=4096)
def fold_character(character: str) -> str:
    """Fold one character: letters or digits, one of the marks " ,.?", or "" for what nobody sees."""
    if character in _MARKS:
        return _MARKS[character]
    if character in _INVISIBLE or character in _APOSTROPHES:
        return ""
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf", "Cs", "Co", "Cn") or (category == "Cc" and character != "\t"):
        return ""
    if character in "™℠":
        return " "
    code = ord(character)
    if 0x1F150 <= code <= 0x1F169 or 0x1F170 <= code <= 0x1F189:  # white letters on black discs and squares
        return chr(ord("a") + (code - 0x1F150) % 0x20)
    bare = (c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    plain = unicodedata.normalize("NFKD", "".join(bare).casefold())
    letters = "".join(LETTERS.get(c, c) for c in plain if c.isalnum() and c not in _APOSTROPHES)
    if letters:
        return "".join(str(unicodedata.decimal(c, c)) for c in letters[:MOST_LETTERS])
    return next((_MARKS[c] for c in plain if c in _MARKS), " ")


def one_script(word: str) -> str:
    """Undo look-alike letters in a folded word that mixes alphabets; leave a word of one alphabet alone."""
    if word.isascii():
        return word
    latin = [c for c in word if c.isascii() and c.isalpha()]
    if not latin:
        return word
    foreign = [c for c in word if not c.isascii()]
    if all(c in LOOK_ALIKES for c in foreign) and not (
        "п" in foreign and all(c in _TO_CYRILLIC for c in latin)
    ):
        return "".join(LOOK_ALIKES.get(c, c) for c in word)
    if all(c in _TO_CYRILLIC for c in latin):
        return "".join(_TO_CYRILLIC.get(c, c) for c in word)
    return word


def latin_disguise(word: str) -> str | None:
    """Return the Latin word that a word written wholly in look-alikes of another alphabet imitates."""
    if word.isascii() or not all(c in _EXACT_ALIKES or c.isascii() for c in word):
        return None
    return "".join(_EXACT_ALIKES.get(c, c) for c in word)


_THREE_OR_MORE = re.compile(r"(.)\1{2,}")
REPEATED = re.compile(r"(.)\1+")


def unrepeated(word: str) -> Iterable[str]:
    """Yield what a word with stuttered letters may stand for: "stoppp" → "stop", "stopp"; others nothing."""
    if _THREE_OR_MORE.search(word):
        yield REPEATED.sub(r"\1", word)
        yield _THREE_OR_MORE.sub(r"\1", word)
        yield _THREE_OR_MORE.sub(r"\1\1", word)
    elif len(word) > 5 and len(REPEATED.findall(word)) > 1:
        yield REPEATED.sub(r"\1", word)
