"""List the words one typing error beside a keyword that are words themselves. Changes no keyword.

Run after a change of data/keywords.toml, where hunspell and its dictionaries are installed (Debian:
hunspell hunspell-pl hunspell-en-us hunspell-uk hunspell-ru hunspell-de-de hunspell-fr …); it writes
data/keyword_neighbours.toml, which the bot reads. « SHOP » is one letter beside STOP and stops nothing.
"""

import itertools
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bot.domain.words import NEIGHBOURS, Words, load_words

LATIN = "abcdefghijklmnopqrstuvwxyz"
CYRILLIC = "абвгдежзиклмнопрстуфхцчшщьюяєыэъ"  # folded: й, ї, ё and ґ are и, і, е and г
DICTIONARIES = {
    "pl": "pl_PL", "en": "en_US", "de": "de_DE", "fr": "fr_FR", "es": "es_ES", "it": "it_IT", "pt": "pt_PT",
    "cs": "cs_CZ", "sk": "sk_SK", "ro": "ro_RO", "hu": "hu_HU", "nl": "nl_NL", "no": "nb_NO", "sv": "sv_SE",
    "da": "da_DK", "uk": "uk_UA", "ru": "ru_RU",
}  # fmt: skip
CYRILLIC_LANGUAGES = ("uk", "ru")
ACCENTS = {
    "pl": "aą cć eę lł nń oó sś zź zż", "de": "aä oö uü", "fr": "aà aâ cç eé eè eê eë iî iï oô uù uû",
    "es": "aá eé ií nñ oó uú", "it": "aà eè eé iì oò uù", "pt": "aá aâ aã aà cç eé eê ií oó oô oõ uú",
    "cs": "aá cč dď eé eě ií nň oó rř sš tť uú uů yý zž",
    "sk": "aá aä cč dď eé ií lľ nň oó oô sš tť uú yý zž",
    "ro": "aă aâ iî sș tț", "hu": "aá eé ií oó oö oő uú uü uű",
    "no": "oø aå", "sv": "aå aä oö", "da": "oø aå",
    "uk": "иї иі иі ії ій ий гґ", "ru": "ий её",
}  # fmt: skip
OFFERED = ("pl", "en", "uk", "de")
SHORT = 6  # letters: a word this short is checked in every language, and with two accents


def main() -> None:
    path = Path("data/keywords.toml")
    words = load_words(path)
    asked: dict[str, set[str]] = {language: set() for language in DICTIONARIES}
    for key, near in neighbourhoods(words):
        for language in languages_for(key, words.keywords[key].language):
            asked[language] |= near
    real: dict[str, list[str]] = {}
    seen: set[str] = set()
    for language, near in asked.items():
        found = {plain for plain in real_words(near, language) if plain not in words.keywords} - seen
        seen |= found
        real[language] = sorted(found)
        print(f"{language}: {len(near)} asked, {len(found)} real", file=sys.stderr)
    write(path.with_name(NEIGHBOURS), real)


def neighbourhoods(words: Words) -> Iterator[tuple[str, set[str]]]:
    """Yield each keyword that forgives typing errors with every word one error away from it."""
    for key, keyword in words.keywords.items():
        if keyword.forgives and key.isalpha():
            yield key, set(one_error(key, LATIN if key.isascii() else CYRILLIC))


def one_error(key: str, letters: str) -> Iterator[str]:
    for place in range(len(key) + 1):
        before, after = key[:place], key[place:]
        yield from (before + letter + after for letter in letters)
        if after:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in letters)
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]


def languages_for(key: str, language: str | None) -> Iterable[str]:
    if not key.isascii():
        return CYRILLIC_LANGUAGES
    every = [name for name in DICTIONARIES if name not in CYRILLIC_LANGUAGES]
    if len(key) <= SHORT or language is None:
        return every
    return {language, *OFFERED} - {"uk"}


def real_words(folded: set[str], language: str) -> set[str]:
    """Return those of `folded` that are, with some accents put back, in the dictionary of `language`."""
    spellings = {spelling: word for word in folded for spelling in accented(word, language)}
    answer = subprocess.run(
        ["hunspell", "-d", DICTIONARIES[language], "-i", "utf-8", "-G"],
        input="\n".join(spellings) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return {spellings[line] for line in answer.stdout.split("\n") if line in spellings}


def accented(word: str, language: str) -> Iterator[str]:
    pairs = ACCENTS.get(language, "").split()
    changes = [(n, pair[1]) for n, letter in enumerate(word) for pair in pairs if pair[0] == letter]
    most = 2 if len(word) <= SHORT + 1 else 1
    for count in range(most + 1):
        for chosen in itertools.combinations(changes, count):
            letters = list(word)
            for place, letter in chosen:
                letters[place] = letter
            spelling = "".join(letters)
            yield spelling
            if language == "de":
                yield spelling.capitalize()


def write(path: Path, real: dict[str, list[str]]) -> None:
    lines = [
        "# Words one typing error beside a keyword: real ones, so no slip of it.",
        "# Written by scripts/keyword_neighbours.py from hunspell's dictionaries; folded as the bot folds.",
        "",
        "[real_words]",
    ]
    for language, found in real.items():
        lines.append(f'{language} = """')
        line = ""
        for word in found:
            if len(line) + len(word) > 108:
                lines.append(line.rstrip() + " \\")
                line = ""
            line += word + " "
        lines += [line.rstrip() + '"""'] if line else ['"""']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
