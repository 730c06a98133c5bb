"""Promises of the exact matcher: what it recognises however it is typed, and what it leaves alone."""

import random
import statistics
import time
import tomllib
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.errors import BadSetting
from bot.domain.folding import fold
from bot.domain.keywords import (
    NOTHING,
    Act,
    Scope,
    Verdict,
    choice,
    load_words,
    match,
    yes_no,
)
from bot.domain.words import NEIGHBOURS
from tests.bench.texts import mixed

DATA = Path(__file__).parents[2] / "data"
WORDS = load_words(DATA / "keywords.toml")
SEED = 20261122


def read(text: str, **more: list[tuple[int, int]]) -> Verdict:
    return match(text, WORDS, own_marks=more.get("own_marks", []))


# --- keywords and their scope ---


@pytest.mark.parametrize(
    ("text", "scope", "sender", "act"),
    [
        ("STOP", Scope.SENDER, None, Act.DO),
        ("Stop. Thank you", Scope.SENDER, None, Act.DO),
        ("Proszę STOP", Scope.SENDER, None, Act.DO),
        ("STOP\nWysłane z mojego iPhone'a", Scope.SENDER, None, Act.DO),
        ("stop. Pozdrawiam, Jan Kowalski", Scope.SENDER, None, Act.DO),
        ("S.T.O.P.", Scope.SENDER, None, Act.DO),
        ("stop smsy", Scope.SENDER, None, Act.DO),
        ("STOP STOP STOP", Scope.SENDER, None, Act.DO),
        ("END. QUIT. UNSUBSCRIBE", Scope.SENDER, None, Act.DO),
        ("stop2quit", Scope.SENDER, None, Act.DO),
        ("ARRÊT", Scope.SENDER, None, Act.DO),
        ("wypisz mnie", Scope.SENDER, None, Act.DO),
        ("STOP WSZYSTKO", Scope.ALL, None, Act.DO),
        ("stopall", Scope.ALL, None, Act.DO),
        ("СТОП ВСІ", Scope.ALL, None, Act.DO),
        ("stop all messages please", Scope.ALL, None, Act.DO),
        ("STOP SHOPXYZ", Scope.NAMED, "SHOPXYZ", Act.DO),
        ("stop shopxyz", Scope.NAMED, "shopxyz", Act.DO),
        ("STOP:Shop-XYZ", Scope.NAMED, "Shop-XYZ", Act.DO),
        ("STOP-BRAND", Scope.NAMED, "BRAND", Act.DO),
        ("STOP#promo24", Scope.NAMED, "promo24", Act.DO),
        ("STOP „Shop X”", Scope.NAMED, "Shop X", Act.DO),
        ("wypisz mnie z ShopXYZ", Scope.NAMED, "ShopXYZ", Act.DO),
        ("СТОП ShopXYZ", Scope.NAMED, "ShopXYZ", Act.DO),
        ("wypisz shopxyz", Scope.NAMED, "shopxyz", Act.ASK),
        ("stop shop-xyz.pl", Scope.NAMED, "shop-xyz.pl", Act.DO),
        ("STOP +48 500 100 200", Scope.NAMED, "48 500 100 200", Act.ASK),
        ("cancel it", Scope.SENDER, None, Act.ASK),
        ("STOP 12345", Scope.NAMED, "12345", Act.ASK),
        ("STOP12345", Scope.NAMED, "12345", Act.ASK),
    ],
)
def test_a_stop_is_read_with_its_scope(text: str, scope: Scope, sender: str | None, act: Act) -> None:
    verdict = read(text)
    assert (verdict.intent, verdict.scope, verdict.sender, verdict.act) == ("opt_out", scope, sender, act)


@pytest.mark.parametrize(
    ("text", "intent", "code"),
    [
        ("START", "opt_in", None),
        ("START 47", "opt_in", "47"),
        ("start47", "opt_in", "47"),
        ("START kod 47", "opt_in", "47"),
        ("Unstop", "opt_in", None),
        ("cofnij stop", "opt_in", None),
        ("Pomoc", "help", None),
        ("HELP!", "help", None),
        ("info", "help", None),
        ("KTO?", "who_sent", None),
        ("who", "who_sent", None),
        ("człowiek", "human", None),
        ("CZLOWIEK", "human", None),
        ("Human please", "human", None),
        ("bot", "back_to_bot", None),
        ("menu", "menu", None),
    ],
)
def test_other_keywords(text: str, intent: str, code: str | None) -> None:
    verdict = read(text)
    assert (verdict.intent, verdict.code, verdict.act) == (intent, code, Act.DO)


@pytest.mark.parametrize(
    "text",
    [
        "NIE",
        "tak",
        "NO",
        "yes",
        "1",
        "2",
        "X",
        "ні",
        "так",
        "да",
        "нет",
        "ja",
        "nein",
        "ok",
        "",
        " ",
        "?!",
        "👍",
    ],
)
def test_a_short_answer_alone_is_no_wish(text: str) -> None:
    assert read(text) == NOTHING


@pytest.mark.parametrize(
    "text",
    [
        "shop",
        "step",
        "spot",
        "top",
        "stopy",
        "stopień",
        "stoop",
        "hell",
        "heap",
        "smart",
        "stark",
        "care",
        "стог",
    ],
)
def test_a_real_word_beside_a_keyword_is_no_slip(text: str) -> None:
    assert read(text) == NOTHING


@pytest.mark.parametrize(
    "text",
    ["stpo", "sotp", "sttop", "unsubcribe", "Unsubscrbe!", "hepl", "rezygnjue", "відпсатися", "abmleden"],
)
def test_one_slip_is_forgiven(text: str) -> None:
    verdict = read(text)
    assert verdict.act is Act.DO and verdict.rule.startswith("keyword.slip:")


@pytest.mark.parametrize(
    "text",
    [
        'Liked "Reply STOP to opt out"',
        "Loved “STOP”",
        "Polubił(a) „Odpisz STOP”",
        "👍 to “STOP”",
        "Gefällt „STOP“",
        "Reply STOP to opt out",
        "Aby zrezygnować wyślij STOP na 80808",
        "> STOP\n> to opt out",
        "bus stop",
        "Stop by tomorrow",
        "stop crying",
        "Stop, nie rozumiem",
        "full stop",
        "stopover",
        "I told you about the bus stop",
        "stop the war",
        "cancel my appointment",
        "anuluj wizytę",
        "end of story",
        "START the car please",
    ],
)
def test_words_that_are_not_the_writers_wish(text: str) -> None:
    assert read(text).act is not Act.DO


def test_the_platforms_own_text_is_taken_out_first() -> None:
    own = "Wielka wyprzedaż! Aby nie dostawać SMS odpisz STOP."
    text = own + " kto to?"
    assert read(text, own_marks=[(0, len(own))]).intent == "who_sent"
    assert read("STOP " + own, own_marks=[(5, 5 + len(own))]).rule == "keyword.exact:stop"


def test_the_span_is_where_the_word_stands_in_the_original() -> None:
    for text, said in [
        ("  „bla bla” Proszę, S\u200bTOP!! dzięki", "S\u200bTOP"),
        ("ok, przestańcie do mnie pisać", "przestańcie do mnie pisać"),
    ]:
        start, end = read(text).span
        assert text[start:end] == said


def test_the_language_is_the_keywords() -> None:
    assert [read(t).language for t in ("ARRÊT", "wypisz", "відписатися", "abmelden", "STOP")] == [
        "fr",
        "pl",
        "uk",
        "de",
        None,
    ]


# --- mutations ---


def _lookalike(text: str, rng: random.Random) -> str:
    table = {
        "o": "о",
        "a": "а",
        "e": "е",
        "p": "р",
        "c": "с",
        "x": "х",
        "O": "О",
        "T": "Т",
        "P": "Р",
        "E": "Е",
        "A": "А",
    }
    places = [n for n, c in enumerate(text) if c in table]
    keep_one_latin = len(places) == sum(c.isalpha() for c in text)
    if not text.isascii() or not places or keep_one_latin:
        return text
    chosen = set(rng.sample(places, rng.randint(1, len(places))))
    return "".join(table[c] if n in chosen else c for n, c in enumerate(text))


def _between(text: str, sign: str) -> str:
    return sign.join(text) if " " not in text else text


def _stutter(text: str, rng: random.Random) -> str:
    return text + text[-1] * rng.randint(2, 6)


def _undress(text: str, _: random.Random) -> str:
    plain = text.translate(str.maketrans("łŁøØđĐ", "lLoOdD")).replace("æ", "ae").replace("ß", "ss")
    return "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))


def _full_width(text: str, _: random.Random) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _circled(text: str, _: random.Random) -> str:
    return "".join(chr(0x24D0 + ord(c) - 97) if "a" <= c <= "z" else c for c in text.lower())


MUTATIONS: dict[str, Callable[[str, random.Random], str]] = {
    "upper case": lambda t, r: t.upper(),
    "lower case": lambda t, r: t.lower(),
    "mixed case": lambda t, r: "".join(r.choice((c.upper(), c.lower())) for c in t),
    "spaces around": lambda t, r: " " * r.randint(0, 4) + t + r.choice((" ", "\n", "\t", "\u00a0", "\r\n ")),
    "spread letters": lambda t, r: _between(t, " "),
    "dotted letters": lambda t, r: _between(t, r.choice((".", "-", "_", " . "))),
    "punctuation": lambda t, r: (
        r.choice(("", "!", "...", "„", "'", "("))
        + t
        + r.choice(("!", "!!!", ".", "...", ",", ")", " :)", "”"))
    ),
    "zero width": lambda t, r: r.choice(("\u200b", "\u200d", "\ufeff", "\u00ad", "\u2060")).join(t),
    "full width": _full_width,
    "circled letters": _circled,
    "look-alikes": _lookalike,
    "stutter": _stutter,
    "emoji": lambda t, r: (
        r.choice(("🛑 ", "", "😡😡 ")) + t + r.choice((" 🛑", "🙏", " ✋🏽", " ❤️", " 👨‍👩‍👧"))
    ),
    "no accents": _undress,
    "decomposed accents": lambda t, r: unicodedata.normalize("NFD", t),
    "politeness before": lambda t, r: (
        r.choice(
            (
                "Proszę ",
                "please, ",
                "Dzień dobry, ",
                "bitte ",
                "Будь ласка, ",
                "Hello! ",
                "hej ",
                "S'il vous plaît ",
            )
        )
        + t
    ),
    "politeness after": lambda t, r: (
        t
        + r.choice(
            (
                " proszę",
                " please",
                ", thank you",
                ". Dziękuję!",
                " bitte",
                " будь ласка",
                " natychmiast!",
                " now",
                " merci",
            )
        )
    ),
    "signature": lambda t, r: (
        t
        + r.choice(
            (
                "\nWysłane z mojego iPhone'a",
                "\n\nSent from my Galaxy",
                "\nVon meinem iPhone gesendet",
                "\nPozdrawiam\nJan Kowalski",
                "\nНадіслано з iPhone",
            )
        )
    ),
    "quotation marks": lambda t, r: r.choice(('"{}"', "„{}”", "«{}»", "“{}”")).format(t),
}


def test_mutated_keywords_are_recognised() -> None:
    """At least 99.9 % of 5 000 keywords, each bent by one to three operators, keep intent, act and scope."""
    rng = random.Random(SEED)
    print("seed", SEED)
    written = _documented_keywords()
    missed: list[str] = []
    for _ in range(5000):
        line = rng.choice(written)
        plain = read(line)
        names = rng.sample(sorted(MUTATIONS), rng.randint(1, 3))
        bent = line
        for name in sorted(names, key=list(MUTATIONS).index):
            bent = MUTATIONS[name](bent, rng)
        got = read(bent)
        if (got.intent, got.act, got.scope) != (plain.intent, plain.act, plain.scope):
            missed.append(f"{line!r} {names} {bent!r} → {got.intent or 'nothing'} {got.rule}")
    print("\n".join(missed))
    assert len(missed) <= 5, f"{len(missed)} of 5000 missed (seed {SEED})"


def _documented_keywords() -> list[str]:
    """Every single word and phrase of the keyword blocks, as the file writes it."""
    source = tomllib.loads((DATA / "keywords.toml").read_text(encoding="utf-8"))
    return [line for block in source["keywords"] for line in block["words"]]


def test_a_stop_that_is_a_clause_of_its_own_counts_in_capitals_and_is_asked_back_otherwise() -> None:
    assert read("STOP! I told you twice").act is Act.DO
    assert read("Mam tego po uszy. STOP").act is Act.DO
    assert read("Stop, you are killing me").act is Act.ASK


# --- phrases ---

DO = """
please stop texting me
Stop sending me these messages!!
dont text me again
do not send me any more sms
i don't want to receive your messages anymore
can you stop texting me?
why won't you stop texting me
if you don't stop texting me i will report you
i would like to unsubscribe
Take me off your mailing list
I withdraw my consent to receive marketing messages
no more spam please
hi, please cease sending marketing messages
przestańcie do mnie pisać
prosze przestac wysylac mi smsy
nie chcę dostawać waszych reklam
nie piszcie do mnie więcej
Nie życzę sobie otrzymywania wiadomości marketingowych
proszę mnie wypisać
wypiszcie mnie z tej listy
jeśli nie przestaniecie wysyłać smsów, zgłoszę was
rezygnuję z otrzymywania smsów
koniec z tymi smsami
cofam zgodę na otrzymywanie smsów marketingowych
proszę o zaprzestanie wysyłania wiadomości
Перестаньте мені писати
не хочу отримувати ваші смс
більше не надсилайте мені повідомлень
припиніть надсилати рекламу
Прекратите присылать мне смс
не хочу получать ваши сообщения
отпишите меня от рассылки
Hört auf mir zu schreiben
bitte schicken Sie mir keine SMS mehr
ich möchte keine Nachrichten mehr bekommen
nehmen Sie mich aus dem Verteiler
melden Sie mich bitte ab
könnt ihr bitte aufhören mir zu schreiben?
"""
EXPLAIN = """
how do I unsubscribe?
how can i stop these messages
what happens if i stop
jak się wypisać?
czy mogę się wypisać
co zrobić żeby nie dostawać smsów
gdzie mogę wyłączyć powiadomienia?
як відписатися?
как отписаться от рассылки?
wie kann ich mich abmelden?
wie melde ich mich ab
kann ich die SMS abbestellen?
"""
LEAVE = """
don't stop texting me
stop replying to them
stop texting him please
tell him to stop texting me
I never unsubscribed
she told me to stop texting
To unsubscribe text STOP to 80808
don't text me now i'm driving
don't unsubscribe me
nie wypisujcie mnie
nie chcę się wypisywać
przestańcie pisać do niej
nie pisz do mnie teraz, jestem w pracy
proszę wypisać mi receptę
Tom nie chce dostawać wiadomości
nie przestawajcie pisać
nie piszcie do Toma
не відписуйте мене
не переставайте писати
перестань писати йому
скасуйте запис на п'ятницю
не отписывайте меня
hör nicht auf zu schreiben
schreib ihm nicht mehr
melden Sie mich nicht ab
stornieren Sie meinen Termin
why don't I get your texts
dlaczego nie dostaję smsów
I stopped receiving your messages, why?
"""


def lines(block: str) -> list[str]:
    return block.strip().splitlines()


@pytest.mark.parametrize("text", lines(DO))
def test_an_imperative_about_messages_is_carried_out(text: str) -> None:
    verdict = read(text)
    assert (verdict.intent, verdict.act) == ("opt_out", Act.DO)


@pytest.mark.parametrize("text", lines(EXPLAIN))
def test_a_question_how_is_explained_not_carried_out(text: str) -> None:
    verdict = read(text)
    assert (verdict.intent, verdict.act, verdict.by) == ("opt_out", Act.EXPLAIN, "phrase")


@pytest.mark.parametrize("text", lines(LEAVE))
def test_negation_third_party_place_and_appointment_are_left_alone(text: str) -> None:
    assert read(text).act is not Act.DO


def test_a_wish_beside_an_ordinary_sentence_still_counts() -> None:
    assert read("I never unsubscribed from the shop. But stop texting me now").act is Act.DO
    assert read("How do I unsubscribe? Stop sending me texts!").act is Act.DO


# --- answers to an open question ---


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("1", 1),
        ("1.", 1),
        ("(2)", 2),
        ("2)", 2),
        ("opcja 2", 2),
        ("Option 3 please", 3),
        ("jeden", 1),
        ("one", 1),
        ("pierwsza", 1),
        ("druga opcja", 2),
        ("the second one", 2),
        ("2️⃣", 2),
        ("варіант 2", 2),
        ("перша", 1),
        ("zwei", 2),
        ("die erste", 1),
        ("4", None),
        ("0", None),
        ("12", None),
        ("1 2", None),
        ("nie wiem", None),
        ("", None),
    ],
)
def test_a_choice_among_three(text: str, picked: int | None) -> None:
    assert choice(text, WORDS, 3) == picked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tak", True),
        ("TAK!", True),
        ("tak, zgadza się", True),
        ("tak proszę", True),
        ("yes please", True),
        ("так", True),
        ("да", True),
        ("ja", True),
        ("ok", True),
        ("yesss", True),
        ("nie", False),
        ("nie, dziękuję", False),
        ("no thanks", False),
        ("ні", False),
        ("нет", False),
        ("nein danke", False),
        ("nope", False),
        ("tak nie", None),
        ("nie wiem", None),
        ("może", None),
        ("", None),
        ("stop", None),
    ],
)
def test_yes_and_no(text: str, said: bool | None) -> None:
    assert yes_no(text, WORDS) is said


# --- properties ---

anything = st.text(max_size=1600)
fragments = st.lists(
    st.sampled_from(
        [
            "STOP",
            "nie",
            "don't",
            "send",
            "me",
            "sms",
            "how",
            "„",
            '"',
            ">",
            "\n",
            "?",
            ".",
            "1",
            "ﷺ",
            "о",
            "aaaa",
            "to",
            "zu",
        ]
    ),
    max_size=400,
)


@given(anything)
@settings(max_examples=200, deadline=None)
def test_no_text_raises_and_every_span_lies_inside(text: str) -> None:
    verdict = read(text)
    assert 0 <= verdict.span[0] <= verdict.span[1] <= len(text)
    choice(text, WORDS, 3)
    yes_no(text, WORDS)


@given(st.sampled_from(_documented_keywords()), st.data())
@settings(max_examples=200, deadline=None)
def test_case_accents_and_blanks_do_not_matter(line: str, data: st.DataObject) -> None:
    plain = read(line)
    case = "".join(c.upper() if data.draw(st.booleans()) else c for c in line)
    blanks = "  ".join(case.split(" ")) + " " * data.draw(st.integers(0, 5))
    for bent in (case, blanks, unicodedata.normalize("NFD", line), _undress(line, random.Random(0))):
        got = read(bent)
        assert (got.intent, got.act, got.scope) == (plain.intent, plain.act, plain.scope)


# What takes the longest of some 30 000 texts made of the words, phrases and marks of the file.
SLOWEST = [["SMS", "\n"], ["STOP", "\n"], ["STOP", ")"], ["𝐒𝐓𝐎𝐏. SMS?"], ["(sie|ihr). ⓢ, 𝐒𝐓𝐎𝐏", "\n", "𝐒"], ["„", '"']]


@given(fragments)
@example(SLOWEST[0])
@example(SLOWEST[1])
@example(SLOWEST[2])
@example(SLOWEST[3])
@example(SLOWEST[4])
@example(SLOWEST[5])
@settings(max_examples=100, deadline=None)
def test_any_text_of_1600_characters_is_read_in_five_milliseconds(parts: list[str]) -> None:
    text = (" ".join(parts) or "x")[:1600]
    text = (text * (1600 // len(text) + 1))[:1600]
    best = 1.0
    for _ in range(8):  # the best of some: the machine may be busy, the text is not to blame
        began = time.thread_time()
        read(text)
        best = min(best, time.thread_time() - began)
        if best < 0.005:
            break
    assert best < 0.005, f"{best * 1000:.1f} ms"


def test_matching_takes_at_most_four_times_as_long_as_folding_alone() -> None:
    """By the processor's time, in turns, so that a busy machine slows both or neither."""
    texts = mixed(2000)
    ratios = []
    for _ in range(7):
        began = time.process_time()
        for text in texts:
            fold(text)
        folded = time.process_time()
        for text in texts:
            read(text)
        ratios.append((folded - began) / (time.process_time() - folded))
    print(f"of the rate of folding: {statistics.median(ratios):.0%} ({min(ratios):.0%} to {max(ratios):.0%})")
    assert statistics.median(ratios) >= 0.25


# --- the file ---


def test_a_word_with_two_meanings_stops_the_start(tmp_path: Path) -> None:
    words = (DATA / "keywords.toml").read_text(encoding="utf-8")
    (tmp_path / NEIGHBOURS).write_text((DATA / NEIGHBOURS).read_text(encoding="utf-8"), encoding="utf-8")
    path = tmp_path / "keywords.toml"
    path.write_text(words.replace('words = ["menu",', 'words = ["stop", "menu",'), encoding="utf-8")
    with pytest.raises(BadSetting, match="stop"):
        load_words(path)
    path.write_text(words.replace("STOPS _1 WRITING $", "STOPS _1 WRITNG $"), encoding="utf-8")
    with pytest.raises(BadSetting, match="WRITNG"):
        load_words(path)


def test_every_language_promised_has_its_words_with_a_source() -> None:
    source = tomllib.loads((DATA / "keywords.toml").read_text(encoding="utf-8"))
    languages = {block.get("language") for block in source["keywords"] if block["intent"] == "opt_out"}
    assert languages >= {
        "pl",
        "en",
        "uk",
        "ru",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "cs",
        "sk",
        "ro",
        "hu",
        "nl",
        "no",
        "sv",
        "da",
    }
    assert all(block["source"] in source["sources"] for block in source["keywords"])
