"""Name the words in which people say when something was: Polish, English, Ukrainian, German. Reads no sentence.

A word is written as people write it and folded here (`domain.folding`: no case, no diacritics). A form that
ends in "*" stands for every word that begins so. Words of all four languages stand in one table, since people
mix them and a short message does not tell its language; the few that mean different things in two of them have
both meanings. Russian and Latin-letter Ukrainian are there for the commonest words.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from functools import cache, lru_cache

from rapidfuzz.distance import OSA

from bot.domain.folding import fold


class Says(Enum):
    """What a word may say of time. Its value stands beside it: days, an hour, a unit's name …"""

    DAY = auto()  #: days from today, 0 or less
    FUTURE = auto()  #: a day that has not come
    WEEKDAY = auto()  #: 0 is Monday
    WEEKDAY_SHORT = auto()  #: the same, in a form that is a word of its own too
    MONTH = auto()  #: 1 is January
    MONTH_SHORT = auto()  #: the same, only beside a number
    PART = auto()  #: a part of the day, in a form that can mean nothing else
    PART_NOUN = auto()  #: the same, in a form that greets too: "good evening"
    UNIT = auto()
    AGO = auto()  #: behind a number and a unit
    BEFORE = auto()  #: in front of a number and a unit, or of a time
    LAST = auto()
    ROLLING = auto()  #: "the past week" is the seven days until now
    THIS = auto()
    NEXT = auto()
    NUMBER = auto()
    ORDINAL = auto()
    FEW = auto()
    HALF = auto()
    AT = auto()
    ABOUT = auto()
    AFTER = auto()
    SINCE = auto()
    BY = auto()  #: a term or an appointment: what comes after is not when something came
    OR = auto()
    IN = auto()
    OF = auto()
    LIGHT = auto()  #: adds nothing: "the", "day", "year"
    CLOCK = auto()  #: beside a number of hours
    HALF_DAY = auto()  #: am, pm
    WEEKEND = auto()
    MOMENT = auto()
    JUST_NOW = auto()
    NUMBERING = auto()  #: the number behind it counts or pays for something and is no date
    MEASURE = auto()  #: the number before it does


_TABLE: Mapping[Says, Mapping[int | str, str]] = {
    Says.DAY: {
        0: "dziś dzisiaj dzisiejsz* today today's todays heute heutig* сьогодні сьогоднішн* сегодня sohodni "
        "siohodni sogodni tonight",
        -1: "wczoraj wczorajsz* yesterday yesterday's yesterdays gestern gestrig* вчора учора вчорашн* вчера "
        "vchora uchora",
        -2: "przedwczoraj przedwczorajsz* onegdaj vorgestern позавчора позавчорашн* pozavchora",
        -3: "vorvorgestern позапозавчора",
    },
    Says.FUTURE: {
        1: "jutro jutrzejsz* pojutrze tomorrow übermorgen uebermorgen morgen завтра післязавтра послезавтра zavtra",
    },
    Says.WEEKDAY: {
        0: "poniedział* monday mondays montag montags понеділ* понедельник* ponedilok",
        1: "wtorek wtork* tuesday tuesdays dienstag dienstags вівторок вівторк* вторник*",
        2: "środa środę środy środzie środowy środowa środowego środowej wednesday wednesdays mittwoch mittwochs "
        "середа середу середи середою среда среду",
        3: "czwartek czwartk* thursday thursdays donnerstag donnerstags четвер четверга четвергом четверг",
        4: "piątek piątku piątkiem piątki piątkowy piątkowa piątkowego piątkowej friday fridays freitag freitags "
        "п'ятниц* пятниц* pyatnytsyu",
        5: "sobota sobotę soboty sobocie sobotą sobotni sobotnia sobotniego sobotniej saturday saturdays samstag "
        "samstags sonnabend субот* суббот*",
        6: "niedziela niedzielę niedzieli niedzielą niedzielny niedzielna niedzielnego sunday sundays sonntag sonntags "
        "неділя неділю неділі неділею воскресень*",
    },
    Says.WEEKDAY_SHORT: {
        0: "pon mon mo пн",
        1: "wt tue tues di вт",
        2: "śr wed weds mi ср",
        3: "czw thu thur thurs do чт",
        4: "pt fri fr пт",
        5: "sob sat sa сб",
        6: "nd ndz niedz sun so нд",
    },
    Says.MONTH: {
        1: "styczeń stycznia styczniu january januar jänner січень січня січні января январе",
        2: "luty lutego lutym february februar лютий лютого лютому февраля феврале",
        3: "marzec marca marcu march märz maerz березень березня березні марта марте",
        4: "kwiecień kwietnia kwietniu april квітень квітня квітні апреля апреле",
        5: "maj maja maju may mai травень травня травні мая мае",
        6: "czerwiec czerwca czerwcu june juni червень червня червні июня июне",
        7: "lipiec lipca lipcu july juli липень липня липні июля июле",
        8: "sierpień sierpnia sierpniu august серпень серпня серпні августа августе",
        9: "wrzesień września wrześniu september вересень вересня вересні сентября сентябре",
        10: "październik października październiku october oktober жовтень жовтня жовтні октября октябре",
        11: "listopad listopada listopadzie november листопад листопада листопаді ноября ноябре lystopada",
        12: "grudzień grudnia grudniu december dezember грудень грудня грудні декабря декабре",
    },
    Says.MONTH_SHORT: {
        1: "sty jan січ",
        2: "lut feb лют",
        3: "mar mrz бер",
        4: "kwi apr кві",
        5: "тра",
        6: "cze jun чер",
        7: "jul лип",
        8: "sier aug сер",
        9: "wrz sep sept вер",
        10: "paź paz oct okt жов",
        11: "lis nov лис",
        12: "gru dec dez гру",
    },
    Says.PART: {
        "morning": "rano porankiem morgens зранку вранці уранці ранком утром vranci vrantsi zranku frühmorgens",
        "forenoon": "przedpołudniem vormittags",
        "noon": "mittags опівдні полудні",
        "afternoon": "popołudniu nachmittags пополудні удень вдень днем",
        "evening": "wieczorem wieczorkiem abends ввечері увечері вечером вечором tonight vvecheri uvecheri",
        "night": "nocą nachts вночі уночі ночью vnochi",
    },
    Says.PART_NOUN: {
        "morning": "rana ranka poranek poranka poranny poranna porannego morning mornings morgen früh frueh fruh ранок "
        "ранку ранкові ранкова утра am",
        "forenoon": "forenoon vormittag",
        "noon": "południe południa południu południem noon midday mittag полудень",
        "afternoon": "popołudnie popołudnia afternoon nachmittag обіду обіді обеда",
        "evening": "wieczór wieczora wieczorny wieczorna wieczornego wieczoru evening abend вечір вечора вечери вечорі "
        "вечерний вечірній вечірня",
        "night": "noc nocy nocny nocna night nacht ніч ночі ночи нічна нічне",
    },
    Says.UNIT: {
        "minute": "minut* min minute* хвилин* минут*",
        "hour": "h godz godzin* hour* hr hrs stund* std годин* hodyn*",
        "day": "dzień dni dnia dniach dniami day days tag tage tagen день дні днів дня днями дней dniv",
        "week": "tydzień tygodni* week* woch* тижд* тижн* неделю недели недель tyzhden",
        "month": "miesiąc* miesięc* month* monat* місяц* месяц*",
        "year": "rok roku rokiem lat lata latach year* jahr* рік року роки років году год лет",
    },
    Says.AGO: {0: "temu ago back earlier тому назад tomu"},
    Says.BEFORE: {0: "przed sprzed vor before до перед"},
    Says.LAST: {
        0: "zeszł* ubiegł* poprzedni* minion* last previous letzt* vorig* минул* прошл* попередн*",
    },
    Says.ROLLING: {0: "ostatni ostatnia ostatnią ostatniego ostatniej ostatnim ostatnich ostatnie past vergangen* "
                   "останн* последн*"},
    Says.THIS: {
        0: "ten tego tej tym tę ta this these dies* цей цього цьому цю ця этот эту этой этом",
    },
    Says.NEXT: {
        0: "przyszł* następn* najbliższ* next coming upcoming nächst* kommend* наступн* следующ*",
    },
    Says.NUMBER: {
        1: "jeden jedną jedna jedno jednym a an one ein eine einen einem einer один одну одна",
        2: "dwa dwie dwóch dwoma dwiema dwu couple two zwei два дві двох dva dvi",
        3: "trzy trzech trzema three drei три трьох try",
        4: "cztery czterech czterema four vier чотири чотирьох четыре",
        5: "pięć pięciu pięcioma five fünf fuenf п'ять пять п'яти",
        6: "sześć sześciu six sechs шість шести шесть",
        7: "siedem siedmiu seven sieben сім семи семь",
        8: "osiem ośmiu eight acht вісім восьми восемь",
        9: "dziewięć dziewięciu nine neun дев'ять девять",
        10: "dziesięć dziesięciu ten zehn десять",
        11: "jedenaście eleven elf одинадцять",
        12: "dwanaście twelve zwölf zwoelf дванадцять",
        14: "czternaście vierzehn чотирнадцять",
        15: "piętnaście kwadrans fifteen fünfzehn п'ятнадцять",
        20: "dwadzieścia dwudziestu twenty zwanzig двадцять",
        30: "trzydzieści trzydziestu thirty dreißig тридцять",
    },
    Says.ORDINAL: {
        1: "pierwszego pierwszej first ersten першого першій",
        2: "drugiego drugiej second zweiten другого другій",
        3: "trzeciego trzeciej third dritten третього третій",
        4: "czwartego czwartej fourth vierten четвертого четвертій",
        5: "piątego piątej fifth fünften п'ятого п'ятій",
        6: "szóstego szóstej sixth sechsten шостого шостій",
        7: "siódmego siódmej seventh siebten сьомого сьомій",
        8: "ósmego ósmej eighth achten восьмого восьмій",
        9: "dziewiątego dziewiątej ninth neunten дев'ятого дев'ятій",
        10: "dziesiątego dziesiątej tenth zehnten десятого десятій",
        11: "jedenastego jedenastej eleventh elften одинадцятого одинадцятій",
        12: "dwunastego dwunastej twelfth zwölften дванадцятого дванадцятій",
        13: "trzynastego trzynastej thirteenth dreizehnten тринадцятого тринадцятій",
        14: "czternastego czternastej fourteenth vierzehnten чотирнадцятого чотирнадцятій",
        15: "piętnastego piętnastej fifteenth fünfzehnten п'ятнадцятого п'ятнадцятій",
        16: "szesnastego szesnastej sixteenth sechzehnten шістнадцятого шістнадцятій",
        17: "siedemnastego siedemnastej seventeenth siebzehnten сімнадцятого сімнадцятій",
        18: "osiemnastego osiemnastej eighteenth achtzehnten вісімнадцятого вісімнадцятій",
        19: "dziewiętnastego dziewiętnastej nineteenth neunzehnten дев'ятнадцятого дев'ятнадцятій",
        20: "dwudziestego dwudziestej twentieth zwanzigsten двадцятого двадцятій двадцять",
        30: "trzydziestego thirtieth dreißigsten тридцятого",
    },
    Says.FEW: {
        0: "kilka kilku kilkoma parę paru paroma few several some paar einigen mehreren кілька декілька пару кількома",
    },
    Says.HALF: {0: "pół półtorej half halben halbe halbes пів полгода півроку"},
    Says.AT: {0: "o at um о об gegen"},
    Says.ABOUT: {0: "ok około koło about around circa ca gegen etwa ungefähr близько приблизно коло біля около"},
    Says.AFTER: {0: "po after nach після по past"},
    Says.SINCE: {0: "od since seit від с"},
    Says.BY: {0: "do na until till bis by for für fuer до на"},
    Says.OR: {0: "lub albo czy or oder або чи или do bis to and i und і та до"},
    Says.IN: {0: "w we in on at am im у в во"},
    Says.OF: {0: "z ze of from vom von з із зі"},
    Says.LIGHT: {
        0: "the den der die das dem dniu dnia dzień day r roku року mniej więcej gdzieś jakoś дня числа",
    },
    Says.CLOCK: {0: "godz godzina godzinie h uhr o'clock hrs година годині"},
    Says.HALF_DAY: {0: "am", 12: "pm"},
    Says.WEEKEND: {0: "weekend weekendzie weekendu weekends wochenende вихідні вихідних вікенд выходные выходных"},
    Says.MOMENT: {0: "chwilą chwilę chwilkę chwilką moment momentem augenblick"},
    Says.JUST_NOW: {0: "vorhin soeben щойно"},
    Says.NUMBERING: {
        0: "nr numer numeru numerem no number num zam zamówienie zamówienia zamówieniu order faktura faktury fakturę "
        "fv invoice rechnung rechnungsnummer nummer kod kodu code pin paragraf par art ust pkt lp wersja wersji "
        "version v za cena cenie kosztuje koszt kwota kwotę kwoty price costs sum summe betrag preis kostet über "
        "замовлення номер код рахунок ціна сума пункт стаття paczka paczki paczkę lokal pokój sala tel telefon",
    },
    Says.MEASURE: {
        0: "zł złotych złote złoty pln eur euro euros usd dollars dolarów gbp chf gr groszy procent proc percent "
        "prozent km kg g m cm mm gb mb l ml szt sztuk pkt punktów osób osoby razy raz lat lata mies грн гривень злотих "
        "євро відсотків mln tys k stopni",
    },
}  # fmt: skip

_COMPOUND_TAILS = ("nachmittag", "vormittag", "mittag", "abend", "morgen", "nacht", "fruh")
"""German writes them in one word with the day: "Freitagabend", "gesternabend"."""

# Only where such a slip cannot be another thing: numbers and small words are read as they stand.
_FORGIVEN = (Says.DAY, Says.WEEKDAY, Says.MONTH, Says.PART)
_SHORTEST_FORGIVEN = 5  #: letters of what was typed
_SHORTEST_KNOWN = 6  #: letters of the word it may be a slip of
# One slip beside a word above, and words of their own.
_REAL = frozenset("czwarte piate worek montage sundry sundae gesten четвертий четверта четверте".split())


@lru_cache(maxsize=20_000)
def meanings(word: str) -> Mapping[Says, int | str]:
    """What a folded word may say of time, empty for any other word. One typing error is forgiven in a long one."""
    exact, stems, _ = _tables()
    found = exact.get(word)
    if found is not None:
        return found
    for length in range(len(word), 2, -1):
        if (said := stems.get(word[:length])) is not None:
            return said
    return _nearly(word)


@lru_cache(maxsize=20_000)
def parted(word: str) -> tuple[str, ...]:
    """A German day and part of the day written in one, as two words; any other word alone."""
    for tail in _COMPOUND_TAILS:
        head = word.removesuffix(tail)
        if head != word and {Says.DAY, Says.WEEKDAY} & _tables()[0].get(head, {}).keys():
            return head, tail
    return (word,)


def _nearly(word: str) -> Mapping[Says, int | str]:
    if len(word) < _SHORTEST_FORGIVEN or word in _REAL or not word.isalpha():
        return {}
    for length in range(len(word) - 1, len(word) + 2):
        for known, said in _tables()[2].get((word[0], length), ()):
            if OSA.distance(word, known, score_cutoff=1) <= 1:
                return said
    return {}


_Meanings = Mapping[Says, int | str]


@cache
def _tables() -> tuple[
    Mapping[str, _Meanings],
    Mapping[str, _Meanings],
    Mapping[tuple[str, int], tuple[tuple[str, _Meanings], ...]],
]:
    """The words as they stand, the beginnings of words, and those a slip of which is known, by letter and length."""
    exact: dict[str, dict[Says, int | str]] = {}
    stems: dict[str, dict[Says, int | str]] = {}
    forgiven: dict[tuple[str, int], list[tuple[str, _Meanings]]] = {}
    for says, rows in _TABLE.items():
        for value, forms in rows.items():
            for form in forms.split():
                table = stems if form.endswith("*") else exact
                word = fold(form.rstrip("*")).replace(" ", "")
                table.setdefault(word, {})[says] = value
    for word, said in exact.items():
        for stem in stems:
            if word.startswith(stem):
                exact[word] = {**stems[stem], **said}
    for word, said in exact.items():
        if len(word) >= _SHORTEST_KNOWN and set(said) & set(_FORGIVEN):
            forgiven.setdefault((word[0], len(word)), []).append((word, said))
    return exact, stems, {key: tuple(words) for key, words in forgiven.items()}
