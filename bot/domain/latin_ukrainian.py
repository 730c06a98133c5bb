"""Write Ukrainian in Latin letters, and tell it from the languages that have those letters for their own.

Written by the table of the Cabinet of Ministers' resolution 55 of 27 January 2010,
https://zakon.rada.gov.ua/laws/show/55-2010-п; read however people spell it: "khto", "hto" and "chto" are one word.
"""

import re
from collections.abc import Sequence
from functools import cache

TAG = "uk-Latn"  # BCP 47: the language of a conversation that is held so

LETTERS = dict(
    zip(
        "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
        "a b v h g d e ie zh z y i i i k l m n o p r s t u f kh ts ch sh shch  iu ia".split(" "),
        strict=True,
    )
)
AT_THE_BEGINNING = {"є": "ye", "ї": "yi", "й": "y", "ю": "yu", "я": "ya"}
WORD = re.compile(r"[а-щьюяєіїґ]+(?:['’ʼ][а-щьюяєіїґ]+)*", re.IGNORECASE)

# One letter for each sound that people spell in several ways; what is left of a word tells it all the same.
SPELLINGS = (
    (re.compile(r"shch|szcz|sch|scz|sh|sz"), "q"),
    (re.compile(r"zh"), "z"),
    (re.compile(r"ts|tz|ch|cz"), "c"),
    (re.compile(r"kh|x|g"), "h"),
    (re.compile(r"w"), "v"),
    (re.compile(r"[yj]"), "i"),
    (re.compile(r"(.)\1+"), r"\1"),
    (re.compile(r"[^a-z]"), ""),
)
# What people write to us about, and the little words between; "*" stands for any ending. Hardly a word of Polish,
# German or English is spelled so or begins so.
TELLING = """
    хто шо що щоб щось щодо хтось ніхто нічого чому навіщо звідки скільки яку якого якої якому куди туди
    сюди цей цього цьому цю цих мене мені мою мого моєму моїх мною тебе тобі вашу вашого вашому вашій
    ваших нього його від із для про проти після через якщо вже тільки тепер сьогодні завтра вчора треба
    хочу хочемо можу прошу ласка дякую вітаю доброго привіт дайте немає буде було були більше ще тому воно
    вони надісл* надсил* присл* пишуть пишете пишіть писати написав написала написати напишіть відправ*
    повідомл* шліть шлете слати номер номера номеру розсилк* рекламу даних базу списку пошта імя гроші
    видал* зітріть зупин* припин* відпис* відпиш* підпис* підпиш* виправ* зміни* забер* забир* прибер*
    скасувати скасуйте вимкніть увімкніть підключіть зніміть закрийте поверніть розблокуйте заблокуйте
    заморозьте обмеж* перенесіть покажіть поясніть скажіть дозволя* перестаньте досить зєдн* звяз* зберіг*
    обробл* обробк* передаєте передавати маєте знаєте знають бачите збираєте отрим* одерж* продаєте згоду
    згодою відклик* запереч* вимагаю людина людину людиною людей українськ* шахра* обман* договору розірв*
    скаргу скаржитися скаржитись захист* захищ* персональн* приватності конфіденц* компанії правова
    підстав* підставі безпеч* потріб* відповід* підтрим* витік прийшл* приход* контролер працюєте працює
    займа* користув* використ* профілювання законний закону
"""
# They may stand in a sentence of another language as well.
VAGUE = """
    чи як який яка які який яке це ця ці цим ти ви я він вам вас вами ваш ваша ваше ваші мій моя моє мої
    моїм дані даними та не ні на з у в до де є і й за по то так там тут все без бот смс фірма пише телефон
    можна
"""
FEWEST = 2  # of these words in a text, one of them telling; a single one may be a name
SHARE = 0.5  # of the words of a text


def romanized(text: str) -> str:
    """Return `text` with its Ukrainian letters in Latin ones; everything else stays as it is."""
    return WORD.sub(lambda found: _word(found[0]), text)


def is_ukrainian(words: Sequence[str]) -> bool:
    """Return whether `words`, in Latin letters, are Ukrainian ones."""
    telling, stems, vague = _known()
    read = [_skeleton(word) for word in words]
    tell = sum(word in telling or word.startswith(stems) for word in read)
    known = sum(word in telling or word in vague or word.startswith(stems) for word in read)
    return tell > 0 and known >= FEWEST and known >= SHARE * len(words)


def _word(word: str) -> str:
    # зг is zgh, so that it is not taken for ж.
    small = re.sub("['’ʼ]", "", word.casefold()).replace("зг", "z\0")
    first = AT_THE_BEGINNING.get(small[0], LETTERS.get(small[0], small[0]))
    latin = first + "".join("gh" if c == "\0" else LETTERS.get(c, c) for c in small[1:])
    if word.isupper() and len(word) > 1:
        return latin.upper()
    return latin[:1].upper() + latin[1:] if word[0].isupper() else latin


def _skeleton(word: str) -> str:
    left = word.casefold()
    for spelling, letter in SPELLINGS:
        left = spelling.sub(letter, left)
    return left


@cache
def _known() -> tuple[frozenset[str], tuple[str, ...], frozenset[str]]:
    """Telling words, beginnings of others, vague words. "Chto" is хто as Poles spell it, and not что."""
    telling = [_skeleton(romanized(word)) + "*" * word.endswith("*") for word in TELLING.split()]
    stems = tuple(word[:-1] for word in telling if word.endswith("*"))
    vague = frozenset(_skeleton(romanized(word)) for word in VAGUE.split())
    return frozenset(word for word in telling if not word.endswith("*")) | {"cto"}, stems, vague
