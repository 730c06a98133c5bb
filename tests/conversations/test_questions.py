"""Who sent this, what are my rights, what does the policy say: the right answer or the right question back."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from bot.domain.messages import Medium
from bot.ledger import cases, notices
from bot.ledger.tables import conversations
from bot.services.escalate import answer, claim, hand_back
from bot.services.sign_in import create
from bot.services.take_sent import take_sent
from tests.conftest import Clock
from tests.world import ALA, BOT_NUMBER, CLINIC_NUMBER, SHARED_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
DIRECT_CLIENT = "+48500100290"


def said(world: World, text: str, **more: object) -> str:
    return " ".join(world.says(text, **more))


def test_who_is_answered_with_the_name_and_where_to_turn(world: World) -> None:
    world.sent("shop", "+48732000001", ago=timedelta(minutes=5))
    answered = said(world, "KTO")
    assert "20.11.2026 12:55 wyslal nasz klient: Agrest Moda" in answered
    assert "agrest.example" in answered
    assert "http" not in answered


def test_who_works_while_the_model_is_away(world: World) -> None:
    world.sent("shop", "+48732000001")
    world.model.is_away = True
    assert "Agrest Moda" in said(world, "Kto to?")


def test_who_in_free_words_is_the_models_to_read(world: World) -> None:
    world.sent("shop", "+48732000001")
    world.model.known["a ktoz to znowu pisze do mnie"] = ("who_sent", 0.9)
    assert "Agrest Moda" in said(world, "a ktoz to znowu pisze do mnie")


def test_the_answer_speaks_english_to_who_writes_english(world: World) -> None:
    world.sent("shop", "+48732000001")
    world.model.known["hello, who sent me this message please"] = ("who_sent", 0.9)
    assert "was sent by our client Agrest Moda" in said(world, "hello, who sent me this message please")


def test_after_the_answer_a_digit_stops_that_company(world: World) -> None:
    world.sent("shop", "+48732000001")
    world.says("KTO")
    assert "Agrest Moda nie wysle" in said(world, "1")


def test_the_message_answered_wins_over_the_last_one(world: World) -> None:
    earlier = world.sent("books", SHARED_NUMBER, ago=timedelta(days=2))
    world.sent("shop", SHARED_NUMBER)
    assert "Stronica" in said(world, "KTO", to=SHARED_NUMBER, answered_id=earlier)
    assert "Agrest" in said(world, "KTO", to=SHARED_NUMBER)


def test_a_clinic_is_not_named_and_can_be_stopped_all_the_same(world: World) -> None:
    world.sent("clinic", CLINIC_NUMBER)
    answered = said(world, "KTO", to=CLINIC_NUMBER)
    assert "Jasna" not in answered
    assert "jasna" not in answered
    assert "Ten nadawca" in said(world, "1", to=CLINIC_NUMBER)


def test_somebody_elses_message_is_never_told(world: World) -> None:
    other = world.sent("books", SHARED_NUMBER, to="+48500100999")
    assert "Stronica" not in said(world, "KTO", to=SHARED_NUMBER, answered_id=other)


def test_a_sender_name_needs_no_number(world: World) -> None:
    world.says("KTO", **TELEGRAM)
    assert "Stronica" in said(world, "STRONICA", **TELEGRAM)


def test_a_name_that_several_hold_is_asked_back(world: World) -> None:
    world.says("KTO", **TELEGRAM)
    question = said(world, "NOWOSCI", **TELEGRAM)
    assert "1. Agrest Moda" in question
    assert "2. Stronica" in question
    assert "stronica.example" in said(world, "2", **TELEGRAM)


def test_a_name_that_nobody_holds_brings_the_scam_advice(world: World) -> None:
    world.says("KTO", **TELEGRAM)
    assert "8080" in said(world, "PEWNYBANK", **TELEGRAM)


def test_none_is_not_said_while_the_feed_is_old(world: World, clock: Clock) -> None:
    clock.move(timedelta(minutes=20))
    assert "jeszcze nie widze" in said(world, "KTO")
    take_sent(world.house.ledger, (), world.now)
    assert "jeszcze nie widze" not in said(world, "KTO")


def test_an_end_users_request_is_filed_and_forwarded_on_yes(world: World) -> None:
    world.sent("shop", "+48732000001")
    world.model.known["chce dostac kopie swoich danych"] = ("rights_access", 0.9)
    question = said(world, "chce dostac kopie swoich danych")
    assert "decyduje Agrest Moda" in question
    receipt = said(world, "1")
    assert "przekazano do Agrest Moda, nr " in receipt
    with world.house.ledger.write() as book:
        [case] = cases.listed(book)
        forward = notices.claim(book, now=world.now)
    assert case.state == "forwarded"
    assert case.ref in receipt
    assert forward is not None
    assert set(forward.body["data"]) == {"reference", "client_id", "number", "request", "received_at"}


def test_a_direct_clients_request_is_a_case_with_a_due_date_and_a_human(world: World) -> None:
    world.model.known["chce dostac kopie swoich danych"] = ("rights_access", 0.9)
    receipt = said(world, "chce dostac kopie swoich danych", as_=DIRECT_CLIENT, to=BOT_NUMBER)
    assert "termin 21.12.2026" in receipt  # 20.12.2026 is a Sunday
    assert "2=niech sprawdzi czlowiek" in receipt
    assert "konto sprawdzi czlowiek" in said(world, "2", as_=DIRECT_CLIENT, to=BOT_NUMBER)
    with world.house.ledger.read() as book:
        [case] = cases.listed(book)
    assert (case.audience, case.is_verified) == ("direct_client", False)


def test_an_objection_stops_messages_in_the_same_turn(world: World) -> None:
    world.sent("shop", "+48732000001")
    world.model.known["wnosze sprzeciw wobec marketingu"] = ("rights_objection", 0.95)
    answered = said(world, "wnosze sprzeciw wobec marketingu")
    assert "Agrest Moda nie wysle" in answered
    assert "Przekazac" in answered


def test_a_policy_question_names_its_row(world: World) -> None:
    world.model.known["jak dlugo trzymacie tresc sms"] = ("faq/retention", 0.9)
    answered = said(world, "jak dlugo trzymacie tresc sms")
    assert "12 mies" in answered
    assert "w. 132" in answered


def test_a_human_gets_a_case_and_the_bot_falls_silent(world: World) -> None:
    assert "przejmie czlowiek" in said(world, "CZLOWIEK")
    assert world.says("halo? jest tam kto?") == []
    assert "nie wysle" in said(world, "STOP")
    assert "z powrotem" in said(world, "BOT")


def test_an_agent_who_claims_during_a_turn_is_not_talked_over(world: World) -> None:
    agent = create(world.house.ledger, "ola", "agent", "a long enough passphrase", now=world.now)
    world.receive(world.inbound("KTO"))
    claim(world.house, _first_conversation(world), staff=agent, now=world.now)
    assert world.answers() == []
    answer(world.house, _first_conversation(world), "Dzień dobry, już sprawdzam.", staff=agent, now=world.now)
    assert world.answers() == ["Dzien dobry, juz sprawdzam."]
    hand_back(world.house, _first_conversation(world), staff=agent, now=world.now)
    assert world.says("POMOC") != []


def test_not_understood_offers_numbered_ways(world: World) -> None:
    answered = said(world, "qwertyuiop asdf zxcv")
    for place in ("1=", "2=", "3=", "4="):
        assert place in answered


def test_a_loop_of_machines_ends_in_one_line_and_a_case(world: World) -> None:
    sizes = [len(world.says(f"automatyczna odpowiedz {n}")) for n in range(12)]
    assert sum(1 for size in sizes if size) <= 7
    assert sizes[-3:] == [0, 0, 0]
    assert "nie wysle" in said(world, "STOP")


def test_scam_gets_advice_first_and_reaches_the_abuse_desk(world: World) -> None:
    world.model.known["to jest jakies oszustwo z linkiem"] = ("report_scam", 0.9)
    answered = said(world, "to jest jakies oszustwo z linkiem")
    assert "8080" in answered
    with world.house.ledger.read() as book:
        assert [c.topic for c in cases.listed(book)] == ["report_scam"]


def test_a_message_that_breaks_five_times_becomes_a_case_and_frees_its_conversation(
    world: World, clock: Clock
) -> None:
    world.model.known["zepsuj sie prosze w tej turze"] = ("no_such_topic", 0.99)
    world.receive(world.inbound("zepsuj sie prosze w tej turze"))
    for _ in range(6):
        world.answers()
        clock.move(timedelta(minutes=5))
    with world.house.ledger.read() as book:
        assert [c.topic for c in cases.listed(book)] == ["poisoned"]
    assert "z powrotem" in said(world, "BOT")


def test_the_privacy_notice_comes_with_the_first_answer_only(world: World) -> None:
    assert "o danych: " in said(world, "POMOC")
    assert "o danych: " not in said(world, "POMOC")


def _first_conversation(world: World) -> int:
    with world.house.ledger.read() as book:
        return int(book.scalar(select(conversations.c.id)))


def test_a_button_of_an_earlier_question_is_its_words_and_answers_nothing_asked_since(
    world: World, clock: Clock
) -> None:
    world.sent("shop", "AGREST")
    world.model.known["moje dane prosze"] = ("rights_access", 0.95)
    world.shares(ALA, **TELEGRAM)
    world.says("AGREST", **TELEGRAM)
    stop, label = world.phone.arrived[-1].buttons[0]
    clock.move(timedelta(minutes=1))
    world.says("moje dane prosze", **TELEGRAM)
    assert world.phone.arrived[-1].buttons[0][1] == "przekaż"
    assert "Czy mam zatrzymać" in said(world, label, button=stop, **TELEGRAM)
    with world.house.ledger.read() as book:
        assert [c.state for c in cases.listed(book)] == ["open"]
