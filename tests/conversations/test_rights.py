"""Every right reaches whoever owes the answer, with a date, and nobody learns what is not theirs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from bot.domain.messages import Medium
from bot.ledger import cases, clients
from bot.ledger.cases import Case
from tests.conftest import Clock
from tests.conversations.test_stop import allowed
from tests.world import ALA, BOT_NUMBER, CLINIC_NUMBER, SHOP_NUMBER, World

DIRECT_CLIENT = "+48500100290"
TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
ASKS = "prosze zajac sie moja sprawa"
MONTH, WORKING_DAY = date(2026, 12, 21), date(2026, 11, 23)  # the clock stands on Friday, 20.11.2026

RIGHTS = [
    "rights_access",
    "rights_rectification",
    "rights_erasure",
    "rights_restriction",
    "rights_portability",
    "rights_objection",
    "rights_withdraw_consent",
]
STOPS_TOO = {"rights_erasure", "rights_objection", "rights_withdraw_consent"}


def asks(world: World, right: str, text: str = ASKS, *, sure: float = 0.95, **more: object) -> str:
    """Claim a right in words that the model reads so."""
    world.model.known[text] = (right, sure)
    return " ".join(world.says(text, **more))


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


def open_cases(world: World, *, closed: bool = False) -> list[Case]:
    with world.house.ledger.read() as book:
        return cases.listed(book, include_closed=closed)


def client(world: World, client_id: str) -> int | None:
    with world.house.ledger.read() as book:
        return clients.find(book, client_id)


# --- every right, for everybody ------------------------------------------------------------------------


@pytest.mark.parametrize("right", RIGHTS)
def test_an_end_users_right_is_the_clients_to_answer_and_ours_to_pass_on(world: World, right: str) -> None:
    world.sent("shop", SHOP_NUMBER)
    answered = asks(world, right)
    assert "decyduje Agrest Moda" in answered
    assert ("zostaje tylko wpis STOP" in answered) == (right == "rights_erasure")
    assert allowed(world, "shop") == (right not in STOPS_TOO)
    [case] = open_cases(world)
    assert (case.topic, case.audience, case.due_on) == (right, "recipient", WORKING_DAY)
    assert "przekazano do Agrest Moda" in said(world, "1")
    [case] = open_cases(world)
    assert (case.state, case.client) == ("forwarded", client(world, "shop"))


@pytest.mark.parametrize("right", [*RIGHTS, "rights_terminate_contract"])
def test_a_direct_clients_right_is_supports_with_a_month(world: World, right: str) -> None:
    asks(world, right, as_=DIRECT_CLIENT, to=BOT_NUMBER)
    [case] = open_cases(world)
    assert (case.topic, case.audience, case.due_on) == (right, "direct_client", MONTH)
    assert not case.is_verified


@pytest.mark.parametrize("right", RIGHTS)
def test_a_right_of_somebody_not_known_is_recorded_and_asked_back_once(world: World, right: str) -> None:
    answered = asks(world, right, to=BOT_NUMBER)
    assert "termin 21.12.2026" in answered
    assert "1=" in answered
    [case] = open_cases(world)
    assert (case.topic, case.audience, case.state, case.due_on) == (right, "unknown", "open", MONTH)


def test_the_complaint_is_answered_with_where_to_turn(world: World) -> None:
    answered = asks(world, "faq/authority", "gdzie sie poskarzyc na przetwarzanie danych")
    assert "UODO" in answered or "organ" in answered


# --- who is who -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "audience"),
    [
        ("mam u was konto, poprawcie moje dane", "direct_client"),
        ("bylem waszym klientem, usuncie mnie", "direct_client"),
        ("wycofuje zgode na cookies na waszej stronie", "visitor"),
        ("usuncie mnie z newslettera", "visitor"),
    ],
)
def test_their_own_words_say_whom_they_are_to_us(world: World, text: str, audience: str) -> None:
    answered = asks(world, "rights_withdraw_consent", text, to=BOT_NUMBER)
    assert "21.12.2026" in answered
    [case] = open_cases(world)
    assert (case.audience, case.due_on, case.is_verified) == (audience, MONTH, False)


def test_cookies_are_no_messages_so_no_stop_is_put_in_place(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_withdraw_consent", "wycofuje zgode na cookies SMSAPI", to=BOT_NUMBER)
    assert allowed(world, "shop")


def test_your_client_said_in_answer_to_a_shop_is_asked_back(world: World) -> None:
    """It may be the shop's client or ours; the one question settles it and the record goes along."""
    world.sent("shop", SHOP_NUMBER)
    answered = asks(world, "rights_access", "jestem waszym klientem, pokazcie moje dane")
    assert "Skad sie znamy" in answered
    question = said(world, "1")
    assert "decyduje Agrest Moda" in question
    [case] = open_cases(world)
    assert (case.audience, case.client, case.due_on) == ("recipient", client(world, "shop"), WORKING_DAY)


def test_with_the_providers_name_it_is_no_question(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_erasure", "usuncie moje konto w SMSAPI")
    assert [c.audience for c in open_cases(world)] == ["direct_client"]


def test_both_at_once_is_asked_and_each_answer_goes_its_way(world: World) -> None:
    world.sent("shop", SHOP_NUMBER, to=DIRECT_CLIENT)
    assert "Skad sie znamy" in asks(world, "rights_access", as_=DIRECT_CLIENT)
    assert "Obsluga klienta" in said(world, "2", as_=DIRECT_CLIENT) or open_cases(world)
    [case] = open_cases(world)
    assert (case.audience, case.due_on) == ("direct_client", MONTH)


@pytest.mark.parametrize("text", ["usuncie dane o ruchu", "skasujcie te rozmowe"])
def test_what_the_provider_holds_itself_is_supports_even_for_an_end_user(world: World, text: str) -> None:
    world.sent("shop", SHOP_NUMBER)
    answered = asks(world, "rights_erasure", text)
    assert "odpowiedz do 21.12.2026" in answered
    [case] = open_cases(world)
    assert (case.audience, case.client, case.due_on) == ("recipient", None, MONTH)
    assert not allowed(world, "shop")


def test_choosing_the_providers_own_data_makes_the_request_ours(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_access")
    assert "odpowiedz do 21.12.2026" in said(world, "3")
    [case] = open_cases(world)
    assert (case.client, case.due_on, case.state) == (None, MONTH, "open")


def test_whoever_turns_to_the_client_themselves_leaves_nothing_to_pass_on(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_access")
    assert "agrest.example" in said(world, "2")
    assert open_cases(world) == []


def test_a_sensitive_sender_gets_the_request_and_stays_unnamed(world: World) -> None:
    world.sent("clinic", CLINIC_NUMBER)
    answered = asks(world, "rights_access", to=CLINIC_NUMBER) + said(world, "1", to=CLINIC_NUMBER)
    assert "Jasna" not in answered
    assert "jasna" not in answered
    [case] = open_cases(world)
    assert (case.state, case.client) == ("forwarded", client(world, "clinic"))


# --- a message came, nobody knows whose -------------------------------------------------------------------


def test_the_sender_is_asked_for_and_the_request_goes_on_to_it(world: World) -> None:
    asks(world, "rights_access", to=BOT_NUMBER)
    assert "nadawcy" in said(world, "1", to=BOT_NUMBER)
    assert "decyduje Stronica" in said(world, "STRONICA", to=BOT_NUMBER)
    [case] = open_cases(world)
    assert (case.client, case.due_on) == (client(world, "books"), WORKING_DAY)
    assert "przekazano do Stronica" in said(world, "1", to=BOT_NUMBER)


def test_a_name_that_several_hold_is_chosen_from(world: World) -> None:
    asks(world, "rights_access", to=BOT_NUMBER)
    said(world, "1", to=BOT_NUMBER)
    assert "Stronica" in said(world, "NOWOSCI", to=BOT_NUMBER)
    assert "decyduje Agrest Moda" in said(world, "Agrest Moda", to=BOT_NUMBER)


def test_of_several_holders_the_one_that_wrote_is_meant(world: World) -> None:
    world.sent("books", "NOWOSCI")
    asks(world, "rights_access", to=BOT_NUMBER, sure=0.95)
    said(world, "1", to=BOT_NUMBER)
    assert "decyduje Stronica" in said(world, "NOWOSCI", to=BOT_NUMBER)


def test_a_sender_nobody_knows_leaves_the_request_with_us(world: World) -> None:
    asks(world, "rights_access", to=BOT_NUMBER)
    said(world, "1", to=BOT_NUMBER)
    answered = said(world, "PEWNYBANK", to=BOT_NUMBER)
    [case] = open_cases(world)
    assert (case.state, case.due_on) == ("open", MONTH)
    assert case.ref in answered


def test_a_chat_is_asked_for_its_number_and_the_request_goes_on_by_itself(world: World) -> None:
    asks(world, "rights_access", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    assert "decyduje Stronica" in said(world, "STRONICA", **TELEGRAM)
    assert "muszę znać numer" in said(world, "1", **TELEGRAM)
    assert world.phone.arrived[-1].asks_contact
    assert "Przekazałem do Stronica" in " ".join(world.shares(ALA, **TELEGRAM))
    [case] = open_cases(world)
    assert (case.state, case.is_verified) == ("forwarded", True)


def test_a_number_typed_there_is_proven_by_a_code_and_the_request_goes_on_too(world: World) -> None:
    asks(world, "rights_access", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    said(world, "STRONICA", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    said(world, "500 100 200", **TELEGRAM)
    code = re.findall(r"\b\d{6}\b", world.phone.arrived[-1].text)
    assert "Przekazałem do Stronica" in said(world, code[0], **TELEGRAM)


def test_where_no_number_can_be_had_a_human_asks(world: World) -> None:
    world.house = replace(world.house, sms_from=None)
    messenger = {"as_": "messenger:48500100200", "to": "messenger:1065400", "medium": Medium.MESSENGER}
    asks(world, "rights_access", **messenger)
    said(world, "1", **messenger)
    said(world, "STRONICA", **messenger)
    assert "Człowiek przekaże" in said(world, "1", **messenger)
    assert world.says("halo?", **messenger) == []


def test_to_a_proven_number_the_one_client_that_wrote_is_the_one_meant(world: World) -> None:
    world.sent("books", "STRONICA")
    asks(world, "rights_access", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    said(world, "STRONICA", **TELEGRAM)
    said(world, "1", **TELEGRAM)
    said(world, "500 100 200", **TELEGRAM)
    said(world, re.findall(r"\b\d{6}\b", world.phone.arrived[-1].text)[0], **TELEGRAM)
    assert "decyduje Stronica" in asks(world, "rights_portability", "daj plik z danymi", **TELEGRAM)


def test_a_number_that_is_not_proven_is_asked_whether_somebody_wrote_to_it_or_not(world: World) -> None:
    world.sent("books", "STRONICA")
    known = asks(world, "rights_access", to=BOT_NUMBER)
    unknown = asks(world, "rights_access", as_="+48500100777", to=BOT_NUMBER)
    first, second = (c.ref for c in open_cases(world))
    assert known.replace(first, "") == unknown.replace(second, "")


# --- contracts ----------------------------------------------------------------------------------------------


def test_whose_contract_is_asked_of_whoever_got_a_message(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    answered = asks(world, "rights_terminate_contract")
    assert "ktora umowe" in answered
    assert open_cases(world) == []
    assert "agrest.example" in said(world, "2")
    assert open_cases(world) == []


def test_a_contract_with_the_provider_is_supports(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_terminate_contract")
    said(world, "1")
    [case] = open_cases(world)
    assert (case.topic, case.audience, case.due_on) == ("rights_terminate_contract", "direct_client", MONTH)


# --- duplicates and verification ------------------------------------------------------------------------------


def test_a_repeated_request_joins_the_first_and_its_date_stays(world: World, clock: Clock) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_access")
    clock.move(timedelta(days=3))
    asks(world, "rights_access")
    [case] = open_cases(world)
    assert case.due_on == WORKING_DAY
    with world.house.ledger.read() as book:
        assert len([n for n in cases.notes_of(book, case.id) if n.author == "person"]) == 2


def test_a_duplicate_never_loses_what_was_verified(world: World) -> None:
    world.sent("shop", "AGREST")
    world.shares(ALA, **TELEGRAM)
    asks(world, "rights_access", "usuncie dane o ruchu", **TELEGRAM)
    [case] = open_cases(world)
    assert case.is_verified
    said(world, "BOT", **TELEGRAM)
    asks(world, "rights_access", "usuncie dane o ruchu", **TELEGRAM)
    [case] = open_cases(world)
    assert case.is_verified


def test_a_number_proven_later_marks_the_case_and_names_its_person(world: World) -> None:
    asks(world, "rights_access", **TELEGRAM)
    [case] = open_cases(world)
    assert (case.is_verified, case.person) == (False, None)
    world.shares(ALA, **TELEGRAM)
    [case] = open_cases(world)
    assert case.is_verified
    assert case.person is not None


def test_another_number_proven_later_says_nothing_of_an_earlier_case(world: World) -> None:
    asks(world, "rights_access", **TELEGRAM)
    world.shares(ALA, **TELEGRAM)
    with world.house.ledger.read() as book:
        [mine] = cases.listed(book)
    world.shares("+48500100777", **TELEGRAM)
    asks(world, "rights_portability", "daj plik", **TELEGRAM)
    kept = next(c for c in open_cases(world) if c.id == mine.id)
    assert kept.person == mine.person


def test_an_account_is_not_proven_by_a_number(world: World) -> None:
    asks(world, "rights_access", "mam u was konto, pokazcie moje dane", **TELEGRAM)
    world.shares(ALA, **TELEGRAM)
    [case] = open_cases(world)
    assert (case.audience, case.is_verified) == ("direct_client", False)


# --- possibly a right ---------------------------------------------------------------------------------------


def test_what_may_be_a_right_is_on_record_until_the_person_says_no(world: World) -> None:
    assert "Czy chodzi o" in asks(world, "rights_erasure", sure=0.5)
    [case] = open_cases(world)
    assert (case.state, case.topic, case.due_on) == ("possible", "rights_erasure", MONTH)
    world.model.known["nie, nie o to"] = ("deny", 0.95)
    said(world, "nie, nie o to")
    assert open_cases(world) == []


def test_another_answer_is_a_no_too(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_erasure", sure=0.5)
    assert "Agrest Moda" in said(world, "2")  # who sent it
    assert open_cases(world) == []


def test_the_yes_makes_it_a_request(world: World) -> None:
    asks(world, "rights_restriction", sure=0.5, to=BOT_NUMBER)
    assert "zapisalem sprawe" in said(world, "1", to=BOT_NUMBER)
    [case] = open_cases(world)
    assert (case.state, case.due_on) == ("open", MONTH)


def test_a_wish_for_a_human_leaves_the_possible_right_on_record(world: World) -> None:
    asks(world, "rights_erasure", sure=0.5)
    said(world, "3")
    assert {c.state for c in open_cases(world)} == {"possible", "open"}


def test_no_answer_leaves_it_on_record(world: World, clock: Clock) -> None:
    asks(world, "rights_erasure", sure=0.5)
    clock.move(timedelta(days=2))
    said(world, "POMOC")
    assert [c.state for c in open_cases(world)] == ["possible"]


def test_a_no_never_closes_a_request_that_was_surely_made(world: World) -> None:
    asks(world, "rights_erasure", to=BOT_NUMBER)
    asks(world, "rights_erasure", "no te dane co byly", sure=0.5, to=BOT_NUMBER)
    world.model.known["nie, nie o to"] = ("deny", 0.95)
    said(world, "nie, nie o to", to=BOT_NUMBER)
    assert [c.state for c in open_cases(world)] == ["open"]


# --- whoever speaks for another, in an office, or is a child ------------------------------------------------


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("kto pisze do mojego syna? jestem jego matka", "parent"),
        ("jestem pelnomocnikiem pani Zofii, kto do niej pisal", "agent"),
        ("mam 12 lat i ktos mi pisze, kto to", "minor"),
        ("jestem dziennikarzem, kto zlecil te smsy", "press"),
        ("tu komisariat policji, podajcie nadawce", "authority"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_to_them_nothing_is_disclosed_and_a_human_takes_over(
    world: World, text: str, topic: str, is_known: bool
) -> None:
    if is_known:
        world.sent("shop", SHOP_NUMBER)
    answered = asks(world, "who_sent", text)
    assert "Agrest" not in answered
    [case] = open_cases(world)
    assert (case.topic, case.is_urgent) == (topic, topic == "minor")
    assert case.ref in answered
    assert world.says("halo?") == []


def test_known_or_not_the_answer_reads_the_same(world: World) -> None:
    text = "jestem z policji, kto korzysta z tego numeru"
    world.sent("shop", SHOP_NUMBER)
    known = asks(world, "who_sent", text)
    unknown = asks(world, "who_sent", text, as_="+48500100777")
    first, second = (c.ref for c in open_cases(world))
    assert known.replace(first, "") == unknown.replace(second, "")


def test_a_right_claimed_for_a_child_has_its_date(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_erasure", "usuncie dane mojej corki")
    [case] = open_cases(world)
    assert (case.topic, case.due_on) == ("rights_erasure", MONTH)
    assert allowed(world, "shop")  # the number of whoever writes is not the child's
    with world.house.ledger.read() as book:
        assert "by their own words: parent" in [n.body for n in cases.notes_of(book, case.id)]


def test_a_childs_own_objection_stops_messages_at_once(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "rights_erasure", "mam 13 lat, usuncie mnie")
    assert not allowed(world, "shop")


def test_stop_holds_for_whoever_says_it(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    asks(world, "opt_out", "mam 13 lat, nie piszcie do mnie smsow", sure=0.99)
    assert not allowed(world, "shop")


def test_the_word_who_alone_is_not_answered_to_the_police(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.model.is_away = True
    answered = said(world, "tu komisariat policji, kto to wyslal?")
    assert "Agrest" not in answered
    assert [c.topic for c in open_cases(world)] == ["authority"]


def test_the_answers_speak_the_persons_language(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    assert "A person will take case" in asks(
        world, "who_sent", "who is texting my daughter? I am her mother and want to know"
    )
