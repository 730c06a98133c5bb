"""A number is proven by a code in an SMS: then, and only then, its lists and its sensitive senders are told."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from actions import TOPICS
from bot.domain.conversation import Level
from bot.domain.messages import Medium
from bot.domain.segments import count
from bot.ledger import conversations, tables
from bot.services.purge import purge
from bot.services.respond import respond
from tests.conftest import Clock
from tests.world import ALA, BOT_NUMBER, CLINIC_NUMBER, SHOP_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}
OTHER_CHAT = {"as_": "5550002", "to": "42", "medium": Medium.TELEGRAM}
WHATSAPP = {"as_": ALA, "to": f"whatsapp:{BOT_NUMBER}", "medium": Medium.WHATSAPP}
STRANGER = "+48500100777"
MY_NUMBER = "kto pisał na mój numer"


def said(world: World, text: str, **more: object) -> str:
    """What comes back to whoever wrote; a code's SMS on somebody's phone is not among it."""
    before = len(world.phone.arrived)
    world.says(text, **more)
    here = more.get("as_", ALA)
    texts = [m.text for m in world.phone.arrived[before:] if m.address.person == here and not is_code(m.text)]
    return " ".join(texts)


def is_code(text: str) -> bool:
    return re.search(r"\d{6} (to kod|is the code)", text) is not None


def codes(world: World, number: str = ALA) -> list[str]:
    """The codes that arrived on a number's phone, the oldest first."""
    found = (re.search(r"\b(\d{6})\b", m.text) for m in world.phone.arrived if m.address.person == number)
    return [code[1] for code in found if code is not None]


def choose(world: World, answered: str, label: str, **more: object) -> str:
    """Choose the option of that label by its digit."""
    place = re.search(rf"(\d)(?:=|\. ){re.escape(label)}", answered)
    assert place is not None, answered
    return said(world, place[1], **more)


def proven(world: World, number: str = ALA, **chat: object) -> str:
    """Ask who wrote, give the number, type the code; the answer to that."""
    choose(world, said(world, "KTO", **chat), MY_NUMBER, **chat)
    said(world, number, **chat)
    return said(world, codes(world, number)[-1], **chat)


def level(world: World, person: str = "5550001") -> Level:
    with world.house.ledger.read() as book:
        numbers = [row["id"] for row in book.rows(select(tables.conversations.c.id))]
        found = [conversations.get(book, number) for number in numbers]
    return next(c.level_at(world.now) for c in found if c.address.person == person)


def test_a_chat_proves_a_number_by_the_code_and_is_told_who_wrote(world: World) -> None:
    world.sent("shop", "AGREST", ago=timedelta(days=2))
    world.sent("books", "STRONICA", ago=timedelta(days=1))
    assert "numer telefonu" in choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    assert "sześć cyfr" in said(world, "500 100 200", **TELEGRAM)
    listed = said(world, codes(world)[0], **TELEGRAM)
    assert "numer potwierdzony" in listed
    assert re.search(r"1\. Stronica, 19\.11.*2\. Agrest Moda, 18\.11", listed, re.DOTALL)
    assert "agrest.example" in said(world, "2", **TELEGRAM)


def test_the_code_comes_by_sms_from_our_own_number_and_says_what_it_is_for(world: World) -> None:
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    said(world, "500100200", **TELEGRAM)
    [sms] = [m for m in world.phone.arrived if m.address.person == ALA]
    assert (sms.address.medium, sms.address.ours) == (Medium.SMS, BOT_NUMBER)
    assert "potwierdzajacy ten numer" in sms.text
    assert "To nie Ty? Zignoruj" in sms.text
    assert "http" not in sms.text
    assert count(sms.text).parts == 1


def test_an_sms_asks_for_more_and_answers_the_code_where_it_came(world: World) -> None:
    world.sent("shop", SHOP_NUMBER)
    world.sent("books", "STRONICA")
    choose(world, said(world, "KTO"), "kto jeszcze pisal")
    [sms] = [m for m in world.phone.arrived if is_code(m.text)]
    assert sms.address.ours == SHOP_NUMBER
    assert "Stronica" in said(world, f"kod {codes(world)[0]}")


def test_on_whatsapp_only_the_number_written_from_can_be_proven(world: World) -> None:
    world.sent("books", "STRONICA")
    answered = choose(world, said(world, "KTO", **WHATSAPP), MY_NUMBER, **WHATSAPP)
    assert "inny numer" not in answered
    assert "Stronica" in said(world, codes(world)[0], **WHATSAPP)


def test_a_clinic_is_named_to_whoever_proves_the_number_and_stands_in_no_list(world: World) -> None:
    world.sent("clinic", CLINIC_NUMBER)
    world.sent("shop", "AGREST")
    answered = said(world, "KTO", to=CLINIC_NUMBER)
    assert "Jasna" not in answered
    choose(world, answered, "kod na moj numer", to=CLINIC_NUMBER)
    told = said(world, codes(world)[0], to=CLINIC_NUMBER)
    assert "Przychodnia Jasna" in told
    assert "jasna.example" not in told  # its address says as much as its name
    listed = choose(world, told, "kto jeszcze pisal", to=CLINIC_NUMBER)
    assert "Agrest" in listed
    assert "Jasna" not in listed
    assert "tylko osobno" in listed
    alone = choose(world, listed, "dalej", to=CLINIC_NUMBER)
    assert "Przychodnia Jasna" in alone
    assert "Agrest" not in alone
    assert "dalej" not in alone


def test_a_clinic_named_by_its_sender_is_told_to_its_recipient_alone(world: World) -> None:
    world.sent("clinic", "JASNA")
    for number, is_told in ((STRANGER, False), (ALA, True)):
        chat = {**TELEGRAM, "as_": f"555{number[-4:]}"}
        said(world, "KTO", **chat)
        choose(world, said(world, "JASNA", **chat), "kod na mój numer", **chat)
        said(world, number, **chat)
        assert ("Przychodnia Jasna" in said(world, codes(world, number)[-1], **chat)) is is_told


def test_twelve_months_are_told_on_asking_and_no_more(world: World) -> None:
    world.sent("books", "STRONICA", ago=timedelta(days=340))
    world.sent("clinic", "JASNA", ago=timedelta(days=400))
    nobody = proven(world, **TELEGRAM)
    assert "W ostatnich 30 dniach nikt" in nobody
    older = choose(world, nobody, "starsze", **TELEGRAM)
    assert "Stronica" in older
    assert "Jasna" not in older
    assert "starsze" not in older


def test_a_long_list_comes_in_pages_that_fit_an_sms(world: World) -> None:
    for client, sender in (("shop", "AGREST"), ("books", "STRONICA"), ("shop", "NOWOSCI")):
        world.sent(client, sender)
    choose(world, said(world, "KTO", to=BOT_NUMBER), "kto pisal na moj numer", to=BOT_NUMBER)
    said(world, codes(world)[0], to=BOT_NUMBER)
    for message in world.phone.arrived:
        assert count(message.text).parts <= 2


def test_a_stop_that_waited_is_carried_out_with_the_proof(world: World) -> None:
    world.sent("shop", "AGREST")
    assert "wpisz tu numer" in said(world, "STOP", **TELEGRAM)
    said(world, "500-100-200", **TELEGRAM)
    answered = said(world, codes(world)[0], **TELEGRAM)
    assert "numer potwierdzony" in answered
    assert "Gotowe. Agrest Moda nie wyśle" in answered


def test_a_stop_between_the_number_and_its_code_waits_for_the_code(world: World) -> None:
    world.sent("shop", "AGREST")
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    said(world, "500100200", **TELEGRAM)
    assert "przepiszesz tu kod" in said(world, "STOP", **TELEGRAM)
    assert "Agrest Moda nie wyśle" in said(world, codes(world)[0], **TELEGRAM)


def test_a_wrong_code_says_how_many_tries_are_left_and_the_right_one_still_counts(world: World) -> None:
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    said(world, "500100200", **TELEGRAM)
    code = codes(world)[0]
    wrong = code[:-1] + ("1" if code[-1] != "1" else "2")
    assert "Pozostałe próby: 4" in said(world, wrong, **TELEGRAM)
    assert "sześć" in said(world, "nie wiem o co chodzi z tym kodem", **TELEGRAM)
    assert "numer potwierdzony" in said(world, code, **TELEGRAM)


def test_five_wrong_ones_lock_a_code_and_a_new_one_opens_again(world: World) -> None:
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    said(world, "500100200", **TELEGRAM)
    first = codes(world)[0]
    wrong = first[:-1] + ("1" if first[-1] != "1" else "2")
    answers = [said(world, wrong, **TELEGRAM) for _ in range(5)]
    assert "za dużo" in answers[-1]
    assert "za dużo" in said(world, first, **TELEGRAM)
    assert level(world) is Level.ANONYMOUS
    choose(world, answers[-1], "nowy kod", **TELEGRAM)
    assert "numer potwierdzony" in said(world, codes(world)[1], **TELEGRAM)


def test_a_code_ends_after_ten_minutes_whether_it_is_purged_by_then_or_not(world: World, clock: Clock) -> None:
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    said(world, "500100200", **TELEGRAM)
    clock.move(timedelta(minutes=11))
    assert "już nie działa" in said(world, codes(world)[0], **TELEGRAM)
    clock.move(timedelta(minutes=30))
    purge(world.house.ledger, world.now)
    expired = said(world, "112233", **TELEGRAM)
    assert "już nie działa" in expired
    choose(world, expired, "nowy kod", **TELEGRAM)
    assert "numer potwierdzony" in said(world, codes(world)[-1], **TELEGRAM)


def test_giving_up_changes_nothing(world: World) -> None:
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    answered = said(world, "500100200", **TELEGRAM)
    assert "nic nie zmieniam" in choose(world, answered, "rezygnuję", **TELEGRAM)
    assert level(world) is Level.ANONYMOUS


def test_what_is_no_number_is_asked_again(world: World) -> None:
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    assert "same cyfry" in said(world, "nie mam teraz pod ręką", **TELEGRAM)
    assert "sześć cyfr" in said(world, "mój numer to 500 100 200", **TELEGRAM)


def test_a_proof_ends_after_an_hour(world: World, clock: Clock) -> None:
    proven(world, **TELEGRAM)
    assert level(world) is Level.PROVEN
    clock.move(timedelta(minutes=61))
    assert level(world) is Level.CONTACT
    answered = said(world, "KTO", **TELEGRAM)
    assert "sześć cyfr" in choose(world, answered, MY_NUMBER, **TELEGRAM)  # it knows the number


def test_a_code_proves_nothing_in_another_chat(world: World) -> None:
    for chat in (TELEGRAM, OTHER_CHAT):
        choose(world, said(world, "KTO", **chat), MY_NUMBER, **chat)
        said(world, "500100200", **chat)
    first, second = codes(world)
    assert first == second or "nie zgadza" in said(world, first, **OTHER_CHAT)
    assert "numer potwierdzony" in said(world, second, **OTHER_CHAT)
    assert level(world) is Level.ANONYMOUS


def test_a_code_typed_into_its_own_sms_counts_for_nothing_and_is_sent_where_it_belongs(world: World) -> None:
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    said(world, "500100200", **TELEGRAM)
    assert "tam, gdzie o niego prosisz" in said(world, codes(world)[0], to=BOT_NUMBER)
    assert level(world) is Level.ANONYMOUS
    assert "numer potwierdzony" in said(world, codes(world)[0], **TELEGRAM)


def test_a_stop_never_keeps_away_a_code_that_was_asked_for(world: World) -> None:
    world.says("STOP ALL", to=BOT_NUMBER)
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    said(world, "500100200", **TELEGRAM)
    assert len(codes(world)) == 1


def test_a_code_that_could_not_leave_in_time_never_does(world: World, clock: Clock) -> None:
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    world.receive(world.inbound("500100200", **TELEGRAM))
    assert respond(world.house, TOPICS, clock=clock) == 1
    clock.move(timedelta(minutes=11))
    assert len(world.answers()) == 1
    assert codes(world) == []


def test_a_code_reaches_neither_the_model_nor_a_case_nor_the_log(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    proven(world, **TELEGRAM)
    code = codes(world)[0]
    said(world, "CZLOWIEK", **TELEGRAM)
    assert all(code not in text and "500100200" not in text for text in world.model.seen)
    with world.house.ledger.read() as book:
        notes = [
            book.unseal("case_notes.body", row["body_enc"]) for row in book.rows(select(tables.case_notes))
        ]
    assert notes
    assert all(code not in note for note in notes)
    logged = capsys.readouterr()
    assert "code sent" in logged.out
    assert code not in logged.out + logged.err


# --- the same words whatever is known ----------------------------------------------------------------


KNOWN, UNKNOWN, PREMIUM, LANDLINE, ABROAD, CLIENTS = (
    ALA,
    STRANGER,
    "+48700100200",
    "+48221234567",
    "+14155550123",
    SHOP_NUMBER,
)


@pytest.mark.parametrize("number", [UNKNOWN, PREMIUM, LANDLINE, ABROAD, CLIENTS])
def test_the_words_are_the_same_for_a_number_known_unknown_and_refused(world: World, number: str) -> None:
    world.sent("shop", "AGREST", to=KNOWN)
    heard: list[list[str]] = []
    for chat, typed in ((TELEGRAM, KNOWN), (OTHER_CHAT, number)):
        choose(world, said(world, "KTO", **chat), MY_NUMBER, **chat)
        texts = [said(world, typed, **chat)]
        texts += [said(world, "000000", **chat) for _ in range(6)]
        heard.append(texts)
    assert heard[0] == heard[1]
    assert bool(codes(world, number)) is (number == UNKNOWN)


def test_three_codes_a_day_go_to_a_number_whoever_asks_and_nobody_can_tell(world: World, clock: Clock) -> None:
    heard = []
    for chat in range(4):
        place = {**TELEGRAM, "as_": f"55500{chat:02d}"}
        choose(world, said(world, "KTO", **place), MY_NUMBER, **place)
        heard.append(said(world, "500100200", **place))
    assert len(set(heard)) == 1
    assert len(codes(world)) == 3
    clock.move(timedelta(hours=25))
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    said(world, "500100200", **TELEGRAM)
    assert len(codes(world)) == 4


def test_a_chat_asks_for_five_codes_a_day_to_whichever_numbers(world: World) -> None:
    answered = choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    numbers = [f"+4850010080{n}" for n in range(6)]
    for number in numbers[:5]:
        answered = said(world, number, **TELEGRAM)
        choose(world, answered, "inny numer", **TELEGRAM)
    assert "Więcej kodów nie wyślę dziś" in said(world, numbers[5], **TELEGRAM)
    assert [len(codes(world, number)) for number in numbers] == [1, 1, 1, 1, 1, 0]


def test_a_number_typed_by_a_stranger_leaves_no_trace_in_the_turn(world: World) -> None:
    """Whoever asks waits for the turn alone; the number is looked at only afterwards."""
    choose(world, said(world, "KTO", **TELEGRAM), MY_NUMBER, **TELEGRAM)
    world.receive(world.inbound(STRANGER, **TELEGRAM))
    with world.house.ledger.read() as book:
        assert book.rows(select(tables.people)) == []
