"""The policy's answers: the right row, in its words and its length, and never what must not be said."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from bot.domain import latin_ukrainian
from bot.domain.errors import BadInput
from bot.domain.folding import fold
from bot.domain.knowledge import Doubt, Knowledge, Status, digest_of
from bot.domain.segments import count
from bot.knowledge import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "data" / "knowledge"
# Questions that stand in no file of data/knowledge: how the rows do with wordings they have not seen.
UNSEEN = Path(__file__).parent / "knowledge" / "questions.tsv"

# The widest values that the texts are written for.
WIDEST = {
    "brand": "SMSAPI",
    "contact_url": "https://www." + "k" * 26,
    "dpo_name": "Ł" * 30,
    "authority": "U" * 40,
}
CHAT_CHARACTERS = 500
PROVIDER_FILE = ROOT / "data" / "provider.toml"
LANGUAGES = ("pl", "en", "uk", "de")
MARKS = {
    "pl": "(polityka {}, w. {})",
    "en": "(policy {}, l. {})",
    "uk": "(політика {}, р. {})",
    "de": "(Erklärung {}, Z. {})",
}
GAP_SAYS = {
    "pl": r"Polityka (nie podaje|nie mówi|nie wymienia|urywa)|polityka nie podaje|Polityka nie podaje",
    "en": r"[Pp]olicy (gives no|does not (say|name|give)|'s sentence is cut)|policy's sentence is cut",
    "uk": r"[Пп]олітика не (подає|каже|називає)",
    "de": r"Erklärung (nennt keine|sagt hier nicht)|(nennt|sagt) die Erklärung( selbst)? nicht",
}


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load(FOLDER, WIDEST)


def answerable(knowledge: Knowledge) -> list[str]:
    return [key for key, fact in knowledge.facts.items() if fact.status is not Status.NEVER_SAY]


def test_every_row_of_the_policy_is_there_in_every_language(knowledge: Knowledge) -> None:
    assert len(knowledge.facts) == 72
    assert set(knowledge.languages) >= set(LANGUAGES)
    for language in knowledge.languages:
        assert set(knowledge.wordings[language]) == set(answerable(knowledge))


def test_every_faq_intent_but_that_about_the_bot_has_a_default_row(knowledge: Knowledge) -> None:
    asked_about = {intent for fact in knowledge.facts.values() for intent in fact.intents}
    assert asked_about == set(knowledge.defaults)
    assert {i for i in asked_about if i.startswith("faq/")} == {
        *("faq/role", "faq/retention", "faq/legal_basis", "faq/dpo", "faq/contact", "faq/data_categories"),
        *("faq/recipients", "faq/transfers", "faq/security", "faq/cookies", "faq/automated_decisions"),
        *("faq/authority", "faq/policy", "faq/social_media"),
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_row_answers_each_of_its_own_questions(knowledge: Knowledge, language: str) -> None:
    wrong = [
        (intent, question, answer and answer.key)
        for key in answerable(knowledge)
        for intent in knowledge.facts[key].intents
        for question in knowledge.wordings[language][key].known.questions
        if (answer := knowledge.answer(intent, question, language)) is None or answer.key != key
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("language", "around"),
    [
        ("pl", "DZIEŃ DOBRY!! {} ??? prosze"),
        ("en", "Hello there, {} ??? thx"),
        ("uk", "ДОБРИЙ ДЕНЬ!! {} ??? дякую"),
        ("de", "Guten Tag, {} ??? danke"),
    ],
)
def test_a_greeting_and_shouting_around_a_question_change_nothing(
    knowledge: Knowledge, language: str, around: str
) -> None:
    wrong = [
        (intent, question, answer and answer.key)
        for key in answerable(knowledge)
        for intent in knowledge.facts[key].intents
        for question in knowledge.wordings[language][key].known.questions
        if (answer := knowledge.answer(intent, around.format(fold(question).upper()), language)) is None
        or answer.key != key
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_wordings_not_seen_before_find_their_row(knowledge: Knowledge, language: str) -> None:
    with UNSEEN.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quotechar=None, quoting=csv.QUOTE_NONE))
    mine = [(intent, key, text) for intent, spoken, key, text in rows if spoken == language]
    known = {fold(q) for row in knowledge.wordings[language].values() for q in row.known.questions}
    assert len(mine) >= 70 and not known & {fold(text) for _, _, text in mine}
    chosen = [(key, knowledge.answer(intent, text, language)) for intent, key, text in mine]
    right = sum(answer is not None and answer.key == key for key, answer in chosen)
    assert right / len(mine) >= 0.95


def test_a_question_in_latin_ukrainian_finds_the_row_and_is_answered_in_its_letters(
    knowledge: Knowledge,
) -> None:
    answer = knowledge.answer("faq/retention", "skilky rokiv trymaete rahunky i akaunt", "uk-Latn")
    assert answer is not None and answer.key == "ret_accounts"
    assert answer.text_sms.startswith("Akaunty, propozytsii") and "Пропозиції" in answer.text_chat


def test_questions_asked_most_have_at_least_five_wordings(knowledge: Knowledge) -> None:
    asked_most = (
        *("role_processor", "who_controls_msgs", "ret_msgs", "ret_accounts", "basis_mkt", "dpo", "complaint"),
        *("cat_ctrl", "subproc", "usa", "scc", "security", "cookies_what", "ga_optout", "no_auto", "changes"),
        "social",
    )
    few = [
        (language, key)
        for language in LANGUAGES
        for key in asked_most
        if len(knowledge.wordings[language][key].known.questions) < 5
    ]
    assert few == []


def test_no_two_rows_of_an_intent_share_a_question(knowledge: Knowledge) -> None:
    for language in knowledge.languages:
        asked = Counter(
            (intent, fold(question))
            for key in answerable(knowledge)
            for intent in knowledge.facts[key].intents
            for question in knowledge.wordings[language][key].known.questions
        )
        assert [question for question, times in asked.items() if times > 1] == []


def test_a_text_like_no_question_gets_the_default_row_and_says_so(knowledge: Knowledge) -> None:
    answer = knowledge.answer("faq/retention", "xyzzy", "pl")
    assert answer is not None and answer.is_default and answer.key == knowledge.defaults["faq/retention"]
    known = knowledge.answer("faq/retention", "Jak długo trzymacie zgłoszenia do obsługi klienta?", "pl")
    assert known is not None and not known.is_default and known.likeness == 1.0


def test_an_intent_the_policy_knows_nothing_about_has_no_answer(knowledge: Knowledge) -> None:
    assert knowledge.answer("faq/bot", "czy jesteś automatem", "pl") is None


def test_a_language_not_offered_is_answered_in_english(knowledge: Knowledge) -> None:
    answer = knowledge.answer("faq/dpo", "кто", "ru")
    assert answer is not None and answer.language == "en" and answer.text_chat.endswith("l. 270)")


def test_every_answer_names_its_line_and_version_at_its_end(knowledge: Knowledge) -> None:
    version = knowledge.policy_sha256[:8]
    for key in answerable(knowledge):
        line = knowledge.facts[key].line
        for language in LANGUAGES:
            answer = knowledge.row(key, language)
            assert (answer.line, answer.policy_version) == (line, version)
            for text in (answer.text_chat, answer.text_sms):
                assert text.endswith(" " + MARKS[language].format(version, line))


@pytest.mark.skipif(not PROVIDER_FILE.exists(), reason="data/provider.toml is not here")
def test_the_provider_s_values_are_no_wider_than_the_texts_are_written_for() -> None:
    slots = load(FOLDER).slots
    assert {name for name, widest in WIDEST.items() if len(slots[name]) > len(widest)} == set()


@pytest.mark.parametrize("language", [*LANGUAGES, latin_ukrainian.TAG])
def test_every_answer_fits_two_sms_parts_at_the_widest_arguments(knowledge: Knowledge, language: str) -> None:
    for key in answerable(knowledge):
        taken = count(f"{WIDEST['brand']} bot: {knowledge.row(key, language).text_sms}")
        assert taken.alphabet == ("ucs2" if language == "uk" else "gsm7"), key
        assert taken.parts <= 2, (key, taken)


def test_polish_goes_by_sms_without_diacritics_and_in_chat_with_them(knowledge: Knowledge) -> None:
    for key in answerable(knowledge):
        assert knowledge.row(key, "pl").text_sms.isascii(), key
    chat = [knowledge.row(key, "pl").text_chat for key in answerable(knowledge)]
    assert sum(bool(re.search("[ąćęłńóśźż]", text)) for text in chat) / len(chat) > 0.9


def test_no_diacritic_is_lost_in_a_chat_answer(knowledge: Knowledge) -> None:
    """A word written plainly in one answer and with diacritics in others is likely a slip."""
    words = Counter(
        word
        for row in knowledge.wordings["pl"].values()
        for word in re.findall(r"[^\W\d_]+", row.answer.lower())
    )
    accented = {fold(word) for word in words if not word.isascii()}
    told_apart = {"dostawca", "ja", "nazwa", "podstawa", "te", "ze"}  # both spellings are Polish words
    assert {word for word in words if word.isascii()} & accented - told_apart == set()


def test_german_spells_its_umlauts_and_ukrainian_keeps_to_its_alphabet(knowledge: Knowledge) -> None:
    latin = {
        "SMSAPI",
        "SMS",
        "LINK",
        "Mobility",
        "Poland",
        "sp",
        "z",
        "o",
        "Group",
        "Holding",
        "Link",
        "ASA",
        "KRS",
    }
    latin |= {
        "NIP",
        "REGON",
        "GDPR",
        "RODO",
        "NPS",
        "Google",
        "Analytics",
        "GA",
        "Privacy",
        "Shield",
        "Schrems",
    }
    latin |= {"EDPB", "C", "II", "IP", "Telegram", "cookie", "cookies", "Cookies", "a", "b", "c", "f"}
    latin |= {
        "administrator",
        "danych",
        "inspektor",
        "ochrony",
        "subprocesorów",
    }  # what stands on Polish papers
    for key in answerable(knowledge):
        german, ukrainian = knowledge.wordings["de"][key], knowledge.wordings["uk"][key]
        for text in (german.answer, german.sms):
            assert not re.search(r"(?i)ae|oe|(?<![aeqz])ue", re.sub(r"\S*\.\S*", "", text)), key
        for text in (ukrainian.answer, ukrainian.sms):
            bare = re.sub(r"\{\w+\}|\S+\.(com|pl)\S*|«lub[^»]*»", "", text)
            assert set(re.findall(r"[^\W\d_А-яҐґЄєІіЇї’]+", bare)) <= latin, key
            assert not re.search("[A-Za-z][А-яҐґЄєІіЇї]|[А-яҐґЄєІіЇї][A-Za-z]|[ыъэёЫЪЭЁ]", bare), key


def test_chat_answers_stay_short(knowledge: Knowledge) -> None:
    for language in knowledge.languages:
        for key in answerable(knowledge):
            assert len(knowledge.row(key, language).text_chat) <= CHAT_CHARACTERS, (language, key)


def test_every_place_in_an_answer_is_filled(knowledge: Knowledge) -> None:
    for language in knowledge.languages:
        for key in answerable(knowledge):
            answer = knowledge.row(key, language)
            assert not set("{}") & set(answer.text_chat + answer.text_sms), (language, key)
    assert "https://" not in knowledge.row("route_A_client", "pl").text_sms


def test_names_that_go_stale_come_from_the_provider_file(knowledge: Knowledge) -> None:
    for key, slot in (("dpo", "dpo_name"), ("dpo", "contact_url"), ("complaint", "authority")):
        for language in knowledge.languages:
            assert WIDEST[slot] in knowledge.row(key, language).text_chat


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_the_policy_is_silent_the_answer_says_so(knowledge: Knowledge, language: str) -> None:
    gaps = [key for key, fact in knowledge.facts.items() if fact.status is Status.GAP]
    assert len(gaps) == 7
    for key in gaps:
        answer = knowledge.row(key, language)
        assert re.search(GAP_SAYS[language], answer.text_chat), key
        assert re.search(_unaccented(GAP_SAYS[language]), answer.text_sms)


def _unaccented(pattern: str) -> str:
    return pattern.replace("ó", "o")


@pytest.mark.parametrize("key", ["registry_no", "no_auto", "ret_general", "basis_broken"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_disputed_row_gives_both_readings_with_their_sources(
    knowledge: Knowledge, key: str, language: str
) -> None:
    sources = {
        "registry_no": [
            *("969-156-67-36", "0000350201"),
            *("(?i)polityk|policy|політик|erklärung", "(?i)regulamin|terms|регламент|agb"),
        ],
        "no_auto": ["153", "256", "250"],
        "ret_general": [r"\b38\)", r"\b132\)"],
        "basis_broken": [r"\b47\)", r"\b48\b"],
    }
    assert knowledge.facts[key].status is Status.DISPUTED
    answer = knowledge.row(key, language)
    for text in (answer.text_chat, answer.text_sms):
        body = text[: text.rindex(" (")]
        assert [source for source in sources[key] if not re.search(source, body)] == []


def test_nothing_that_must_never_be_said_is_in_any_answer(knowledge: Knowledge) -> None:
    for language in knowledge.languages:
        for key in answerable(knowledge):
            answer = knowledge.row(key, language)
            assert knowledge.forbidden_in(answer.text_chat) == ()
            assert knowledge.forbidden_in(answer.text_sms) == ()


def test_what_must_never_be_said_is_found_in_any_dress(knowledge: Knowledge) -> None:
    assert len(knowledge.never_say) >= 10
    for said in knowledge.never_say:
        assert said in knowledge.forbidden_in(f"A zatem: {fold(said).upper()}!")
    for key in ("ns_consent", "ns_goaway", "ns_advert"):
        fact = knowledge.facts[key]
        assert fact.status is Status.NEVER_SAY and knowledge.forbidden_in(fact.fragment)
        with pytest.raises(KeyError):
            knowledge.row(key, "pl")


# A policy of a few lines, two of whose periods read the same, and the facts recorded of it.

POLICY = """\
Prywatność
Dane kontaktowe trzymamy
Do 12 miesięcy od ostatniego kontaktu

Dane o wiadomościach trzymamy
Do 12 miesięcy
Inspektor odpowiada   na pytania."""
ROWS = {"period": (6, "5-6", "Do 12 miesięcy"), "officer": (7, "7", "Inspektor odpowiada na pytania")}


@pytest.fixture
def small(tmp_path: Path) -> Knowledge:
    lines = POLICY.split("\n")
    facts = [f'[policy]\nurl = "https://example.org"\nsha256 = "{sha256(POLICY.encode()).hexdigest()}"']
    facts.append('[defaults]\n"faq/retention" = "period"')
    for key, (line, span, fragment) in ROWS.items():
        first, _, last = span.partition("-")
        digest = digest_of(lines, tuple(range(int(first), int(last or first) + 1)))
        facts.append(
            f'[rows.{key}]\nintents = ["faq/retention"]\nline = {line}\nlines = "{span}"\n'
            f'fragment = "{fragment}"\ndigest = "{digest}"\nstatus = "ok"'
        )
    (tmp_path / "facts.toml").write_text("\n".join(facts), encoding="utf-8")
    rows = [f'[{key}]\nanswer = "{key}"\nquestions = ["a {key}", "b {key}", "c {key}"]' for key in ROWS]
    mark = 'mark = "(policy {version}, l. {line})"\n'
    (tmp_path / "en.toml").write_text(mark + "\n".join(rows), encoding="utf-8")
    return load(tmp_path, WIDEST)


def test_an_unchanged_policy_puts_nothing_in_doubt(small: Knowledge) -> None:
    assert small.check(POLICY) == []


def doubts(small: Knowledge, text: str) -> dict[str, tuple[Doubt, int]]:
    return {stale.key: (stale.doubt, stale.now_line) for stale in small.check(text)}


def test_an_altered_fragment_is_reported_with_its_row(small: Knowledge) -> None:
    altered = POLICY.replace("Inspektor odpowiada", "Inspektorka odpowiada")
    assert doubts(small, altered) == {"": (Doubt.OTHER_VERSION, 0), "officer": (Doubt.GONE, 0)}


def test_a_fragment_that_still_stands_elsewhere_hides_no_change(small: Knowledge) -> None:
    altered = POLICY.replace("\nDo 12 miesięcy\n", "\nDo 24 miesięcy\n")
    assert doubts(small, altered)["period"] == (Doubt.REWORDED, 3)


def test_words_added_around_a_fragment_are_reported(small: Knowledge) -> None:
    altered = POLICY.replace("Do 12 miesięcy\nI", "Do 12 miesięcy, a w sporze do 36 miesięcy\nI")
    assert doubts(small, altered)["period"] == (Doubt.REWORDED, 6)
    assert "officer" not in doubts(small, altered)


def test_a_line_put_in_above_only_moves_the_rows(small: Knowledge) -> None:
    assert doubts(small, "Nowy wiersz\n" + POLICY) == {
        "": (Doubt.OTHER_VERSION, 0),
        "period": (Doubt.MOVED, 7),
        "officer": (Doubt.MOVED, 8),
    }


def test_blanks_alone_put_no_row_in_doubt(small: Knowledge) -> None:
    assert doubts(small, POLICY.replace("odpowiada   na", "odpowiada na")) == {"": (Doubt.OTHER_VERSION, 0)}


def test_a_shorter_text_is_reported_and_breaks_nothing(small: Knowledge) -> None:
    assert doubts(small, "")["period"] == (Doubt.GONE, 0)


@pytest.mark.skipif(
    not os.environ.get("WHOSENT_POLICY_FILE"), reason="the operator's policy text is not here (POLICY_FILE)"
)
def test_every_fact_stands_in_the_operators_policy(knowledge: Knowledge) -> None:
    text = Path(os.environ["WHOSENT_POLICY_FILE"]).read_bytes().decode("utf-8")
    assert knowledge.check(text) == []


# Mistakes of whoever edits the files.


@pytest.mark.parametrize(
    ("file", "pattern", "written", "complaint"),
    [
        ("pl.toml", r"\[security\]", "[securty]", "pl.toml: has no answer for security"),
        ("en.toml", r"\Z", '\n[ns_advert]\nanswer = "Buy!"\n', "en.toml: answers ns_advert"),
        (
            "en.toml",
            r'"which company is behind smsapi",\n    "who is smsapi",',
            "",
            "en.toml: company: has 2",
        ),
        ("pl.toml", r"jest \{dpo_name\}", "jest {dpo}", "pl.toml: dpo: nobody fills {dpo}"),
        ("pl.toml", r"mark = .*", 'mark = "(polityka)"', "pl.toml: mark must show"),
        (
            "facts.toml",
            r'lines = "57-72"',
            'lines = "57 to 72"',
            "facts.toml: ret_accounts: lines are written",
        ),
        ("facts.toml", r'= "ret_msgs"', '= "dpo"', "facts.toml: faq/retention: its default dpo"),
        ("facts.toml", r'status = "trap"', 'status = "tricky"', "facts.toml: parent: status is one of"),
        ("facts.toml", r"\[policy\]", "[policy", "facts.toml: "),
    ],
)
def test_a_mistake_in_the_files_is_named(
    tmp_path: Path, file: str, pattern: str, written: str, complaint: str
) -> None:
    shutil.copytree(FOLDER, tmp_path / "knowledge")
    path = tmp_path / "knowledge" / file
    text, changes = re.subn(pattern, lambda _: written, path.read_text(encoding="utf-8"), count=1)
    assert changes == 1
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=f"^{re.escape(complaint)}"):
        load(tmp_path / "knowledge", WIDEST)


def test_the_provider_file_beside_the_folder_is_read(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "knowledge")
    with pytest.raises(BadInput, match=r"^provider\.toml: is missing"):
        load(tmp_path / "knowledge")
    file = tmp_path / "provider.toml"
    file.write_text('brand = "Acme"\ncontact_url = "https://acme.example/help"\nauthority = "UODO"\n')
    with pytest.raises(BadInput, match=r"^provider\.toml: gives no dpo_name"):
        load(tmp_path / "knowledge")
    file.write_text(file.read_text() + 'dpo_name = "Anna Nowak"\nphone = 48500100200\n')
    assert "Anna Nowak" in load(tmp_path / "knowledge").row("dpo", "en").text_chat
