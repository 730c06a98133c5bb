"""Tell the language of a message and choose the one to answer in. Translates nothing, reads no settings.

Letters that only one of the languages has decide first, then the words of Ukrainian in Latin letters, which lingua
would take for Polish; the rest is lingua's trigrams (its low accuracy mode: with five languages it errs as seldom as
the full one and takes 20 MB instead of 290).
"""

import re
from functools import cache

from lingua import Language, LanguageDetector, LanguageDetectorBuilder

from bot.domain import latin_ukrainian

LANGUAGES = {
    Language.POLISH: "pl",
    Language.ENGLISH: "en",
    Language.UKRAINIAN: "uk",
    Language.GERMAN: "de",
    Language.RUSSIAN: "ru",
}
# Whoever writes Russian to a Polish provider is nearly always helped by Ukrainian more than by Polish.
ANSWERED_IN = {"ru": "uk"}
# What each language is called by those who speak it, in the order in which they are offered.
NAMES = {"pl": "Polski", "en": "English", "uk": "Українська", "de": "Deutsch"}

# Below this the best language is right about as often as not; a wrong switch costs more than none.
SURE = 0.8
FEWEST_WORDS = 3
# Characters; what follows tells nothing new and costs time.
LONGEST_READ = 200

CYRILLIC = re.compile("[Ѐ-ӿ]")
UKRAINIAN = re.compile("[іїєґ]", re.IGNORECASE)
RUSSIAN = re.compile("[ыъэё]", re.IGNORECASE)
# In a word that begins with a small letter: "Who is Żabka?" is not Polish for the name in it.
POLISH = re.compile(r"\b[a-zążśźćłęńó]\w*[ąćęłńśźż]|\b[ąćęłńśźż]")
# Links, addresses and whatever holds a digit say nothing about the language around them.
NO_WORD = re.compile(r"\S*(?:\d|://|@|www\.)\S*")
WORD = re.compile(r"[^\W\d_]+(?:['’ʼ-][^\W\d_]+)*")


def detect(text: str) -> str | None:
    """Return the language of `text` (pl, en, uk, de or ru), or None when it cannot be told."""
    words = _words(text)
    if not words:
        return None
    is_cyrillic = 2 * len(CYRILLIC.findall(words)) > len(words)
    if is_cyrillic and UKRAINIAN.search(words):
        return "uk"
    if is_cyrillic and RUSSIAN.search(words):
        return "ru"
    if not is_cyrillic and POLISH.search(words):
        return "pl"
    if not is_cyrillic and latin_ukrainian.is_ukrainian(words.split()):
        return "uk"
    best = _detector().compute_language_confidence_values(words)[0]
    # Between Ukrainian and Russian the likelier one will do: both are answered in the same language.
    return LANGUAGES[best.language] if is_cyrillic or best.value >= SURE else None


def choose(text: str, current: str, offered: tuple[str, ...], *, is_keyword: bool = False) -> str:
    """Return the language to answer `text` in.

    Args:
        text: what the person wrote.
        current: the language of the conversation so far; kept unless the message clearly speaks another.
        offered: the languages there are replies in.
        is_keyword: whether the message is a keyword ("STOP <sender>" can be long and in any language).
    """
    if is_keyword or len(_words(text).split()) < FEWEST_WORDS:
        can_write_cyrillic = current == latin_ukrainian.TAG and CYRILLIC.search(text)
        return "uk" if can_write_cyrillic else current
    return spoken_in(text, offered) or current


def spoken_in(text: str, offered: tuple[str, ...]) -> str | None:
    """Return the language offered that `text` speaks, however short it is; None if it cannot be told.

    Ukrainian in Latin letters is answered in them.
    """
    language = nearest(detect(text), offered)
    return latin_ukrainian.TAG if language == "uk" and not CYRILLIC.search(text) else language


def nearest(language: str | None, offered: tuple[str, ...]) -> str | None:
    """Return `language` if it is offered, else the one that helps whoever speaks it, else None."""
    wanted = (language, ANSWERED_IN.get(language or ""))
    return next((one for one in wanted if one in offered), None)


def warm_up() -> None:
    """Load the language models now, so that the first message need not wait for them (about 0.1 s)."""
    detect("so that the first message finds its threads started too")


def _words(text: str) -> str:
    words = WORD.findall(NO_WORD.sub(" ", text[:LONGEST_READ]))
    if any(word.islower() for word in words):
        # Among small letters capitals are a sender's name or a keyword: "who is PEWNYBANK?" is not Polish for it.
        words = [word for word in words if len(word) == 1 or not word.isupper()]
    return " ".join(words)


@cache
def _detector() -> LanguageDetector:
    return (
        LanguageDetectorBuilder.from_languages(*LANGUAGES)
        .with_low_accuracy_mode()
        .with_preloaded_language_models()
        .build()
    )
