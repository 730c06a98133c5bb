"""Whoever says STOP is stopped at once, once, for the right sender, and stays so."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.consent import MessageClass, gate
from bot.domain.messages import Medium
from bot.ledger import clients, consents, people
from tests.conftest import Clock
from tests.world import ALA, BOT_NUMBER, CLINIC_NUMBER, SHARED_NUMBER, World

TELEGRAM = {"as_": "5550001", "to": "42", "medium": Medium.TELEGRAM}


def allowed(world: World, client: str, *, number: str = ALA, message_class: str = "marketing") -> bool:
    with world.house.ledger.read() as book:
        person, row = people.find(book, number), clients.find(book, client)
        assert row is not None
        standing = [] if person is None else consents.standing(book, person)
        return gate(standing, row, MessageClass(message_class)).is_allowed


def test_stop_names_the_company_and_is_in_force_before_anybody_answers(world: World) -> None:
    world.sent("shop", "+48732000001")
    world.receive(world.inbound("STOP"))
    assert not allowed(world, "shop")
    assert allowed(world, "books")
    [receipt] = world.answers()
    assert receipt.startswith("SMSAPI bot: OK. Agrest Moda nie wysle Ci wiecej reklam")


def test_stop_leaves_service_messages_and_codes_alone(world: World) -> None:
    world.says("STOP")
    assert allowed(world, "shop", message_class="service")
    assert allowed(world, "shop", message_class="code")
    assert not allowed(world, "shop", message_class="")


def test_stop_works_while_the_model_is_away(world: World) -> None:
    world.model.is_away = True
    assert len(world.says("STOP")) == 1
    assert not allowed(world, "shop")
    assert world.model.seen == []


def test_a_second_stop_is_recorded_and_silent(world: World) -> None:
    assert len(world.says("STOP")) == 1
    assert world.says("stop!!!") == []


def test_the_same_delivery_twenty_times_is_one_stop_and_one_receipt(world: World) -> None:
    for _ in range(20):
        world.receive(world.inbound("STOP", provider_id="same"))
    assert len(world.answers()) == 1


def test_stop_to_a_shared_number_covers_all_who_wrote_from_it(world: World) -> None:
    world.sent("shop", SHARED_NUMBER)
    world.sent("books", SHARED_NUMBER)
    [receipt] = world.says("STOP", to=SHARED_NUMBER)
    assert "Wszyscy nadawcy tego numeru" in receipt
    assert not allowed(world, "shop")
    assert not allowed(world, "books")


def test_the_receipt_never_names_a_clinic(world: World) -> None:
    world.sent("clinic", CLINIC_NUMBER)
    [receipt] = world.says("STOP", to=CLINIC_NUMBER)
    assert "Jasna" not in receipt
    assert "Ten nadawca" in receipt
    assert not allowed(world, "clinic")


def test_stop_with_a_name_covers_its_holders_only(world: World) -> None:
    [receipt] = world.says("STOP STRONICA", to=BOT_NUMBER)
    assert "Od nadawcy o tej nazwie" in receipt
    assert not allowed(world, "books")
    assert allowed(world, "shop")


def test_a_near_name_is_asked_back_and_a_digit_decides(world: World) -> None:
    world.sent("books", "STRONICA")
    [question] = world.says("STOP STRONCIA", to=BOT_NUMBER)
    assert "1=STRONICA" in question
    assert allowed(world, "books")
    [receipt] = world.says("1", to=BOT_NUMBER)
    assert "Od nadawcy o tej nazwie" in receipt
    assert not allowed(world, "books")


def test_stop_all_covers_everything_and_warns_of_codes(world: World) -> None:
    [receipt] = world.says("STOP ALL")
    assert "kodow" in receipt
    for message_class in ("marketing", "service", "code", ""):
        assert not allowed(world, "books", message_class=message_class)


def test_the_receipt_speaks_the_language_of_the_keyword(world: World) -> None:
    [receipt] = world.says("unsubscribe")
    assert "will send you no more marketing" in receipt


def test_no_other_message_lifts_a_stop(world: World) -> None:
    world.says("STOP")
    world.says("KTO")
    world.says("hej, co slychac")
    assert not allowed(world, "shop")


def test_start_asks_for_its_code_and_only_the_code_lifts(world: World) -> None:
    world.says("STOP")
    [asks] = [text for text in world.says("START") if "START " in text]
    code = asks.split("START ")[1][:2]
    wrong = "11" if code != "11" else "12"
    assert "nie zgadza" in " ".join(world.says(f"START {wrong}"))
    assert not allowed(world, "shop")
    assert "zdjeta" in " ".join(world.says(code))
    assert allowed(world, "shop")


def test_the_third_wrong_code_locks_and_nothing_is_lifted(world: World) -> None:
    world.says("STOP")
    [asks] = [text for text in world.says("START") if "START " in text]
    code = asks.split("START ")[1][:2]
    wrong = "11" if code != "11" else "12"
    for _ in range(3):
        world.says(f"START {wrong}")
    world.says(f"START {code}")
    assert not allowed(world, "shop")


def test_start_without_a_stop_creates_nothing(world: World) -> None:
    assert "nie ma czego" in " ".join(world.says("START"))


def test_a_chat_without_a_number_keeps_the_stop_until_the_number_is_known(world: World) -> None:
    world.sent("shop", "AGREST")
    [asks] = world.says("STOP", **TELEGRAM)
    assert "24 godziny" in asks
    assert world.phone.arrived[-1].asks_contact
    assert allowed(world, "shop")
    assert "To nie jest Twój kontakt" in " ".join(world.shares("+48500100777", is_own=False, **TELEGRAM))
    assert allowed(world, "shop")
    [receipt] = world.shares(ALA, **TELEGRAM)
    assert receipt.startswith("Gotowe.")
    assert not allowed(world, "shop")


def test_the_stop_of_a_chat_is_forgotten_after_a_day(world: World, clock: Clock) -> None:
    world.says("STOP", **TELEGRAM)
    clock.move(timedelta(hours=25))
    world.shares(ALA, **TELEGRAM)
    assert allowed(world, "shop")


def test_an_opt_out_in_free_words_is_carried_out_when_the_model_is_sure(world: World) -> None:
    world.model.known["moglibyscie mi tych smsow juz oszczedzic"] = ("opt_out", 0.97)
    [receipt] = world.says("moglibyscie mi tych smsow juz oszczedzic")
    assert "Agrest Moda nie wysle" in receipt
    assert not allowed(world, "shop")


def test_when_the_model_is_unsure_it_asks_and_yes_stops(world: World) -> None:
    world.model.known["hm, dosyc juz chyba"] = ("opt_out", 0.75)
    [question, *_] = world.says("hm, dosyc juz chyba")
    assert "TAK albo NIE" in question
    assert allowed(world, "shop")
    world.says("tak")
    assert not allowed(world, "shop")


def test_an_opt_out_written_while_the_model_is_away_takes_effect_when_it_is_back(world: World) -> None:
    text = "moglibyscie mi tych smsow juz oszczedzic"
    world.model.known[text] = ("opt_out", 0.97)
    world.model.is_away = True
    [menu, *_] = world.says(text)
    assert "1=" in menu
    assert allowed(world, "shop")
    world.model.is_away = False
    assert "nie wysle Ci wiecej reklam" in " ".join(world.reread())
    assert not allowed(world, "shop")
    assert world.reread() == []


def test_a_receipt_older_than_a_day_is_not_sent(world: World, clock: Clock) -> None:
    world.receive(world.inbound("STOP"))
    clock.move(timedelta(hours=25))
    assert world.answers() == []
    assert not allowed(world, "shop")


def test_stop_in_a_chat_covers_whoever_wrote_lately_and_says_so(world: World) -> None:
    world.sent("shop", "AGREST")
    world.sent("books", "STRONICA")
    world.shares(ALA, **TELEGRAM)
    [receipt] = world.says("STOP", **TELEGRAM)
    assert "Firmy, które ostatnio do Ciebie pisały" in receipt
    assert not allowed(world, "shop")
    assert not allowed(world, "books")
