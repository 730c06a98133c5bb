"""What a person may learn of who wrote to them, and what stays untold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.clients import Entry
from bot.domain.conversation import Level
from bot.domain.errors import NotKnown
from bot.domain.fingerprints import normalised
from bot.domain.own_words import blanked
from bot.domain.senders import Holding, day_of
from bot.ledger import clients, people, senders
from bot.ledger.book import Ledger
from bot.services import look_up_sender as look
from bot.services.look_up_sender import Finding
from bot.services.take_sent import take_sent
from tests.conftest import Clock

PERSON = "+48500100200"
OTHER = "+48500100201"
SHARED = "+48732000002"


@dataclass
class House:
    """A ledger with a shop, a bank, a courier and a clinic, told of messages one by one."""

    ledger: Ledger
    clock: Clock
    ids: dict[str, int] = field(default_factory=dict)
    said: int = 0

    def open(self) -> House:
        with self.ledger.write() as book:
            for name in ("shop", "bank", "courier", "clinic", "debt"):
                entry = Entry(name, name, name, is_sensitive=name in ("clinic", "debt"))
                clients.save(book, entry, now=self.clock.now)
                self.ids[name] = clients.ids(book, [name])[name]
        return self

    def sent(
        self,
        client: str,
        sender: str,
        *,
        to: str = PERSON,
        ago: timedelta = timedelta(hours=1),
        text: str = "",
    ) -> str:
        self.said += 1
        row = {
            "message_id": f"m{self.said}",
            "client_id": client,
            "sender": sender,
            "recipient": to,
            "sent_at": (self.clock.now - ago).isoformat(),
            "text": text,
        }
        report = take_sent(self.ledger, [row], self.clock.now)
        assert report.new == 1, report.refused
        return f"m{self.said}"

    def holds(
        self, client: str | None, sender: str, *, begin: datetime | None = None, end: datetime | None = None
    ) -> None:
        with self.ledger.write() as book:
            held = Holding(sender, None if client is None else self.ids[client], "sms", begin, end)
            senders.save_many(book, [held])

    def person(self, number: str = PERSON) -> int:
        with self.ledger.write() as book:
            return people.ensure(book, number)

    def ask(
        self,
        ours: str | None,
        *,
        level: Level = Level.ASSERTED,
        number: str = PERSON,
        back: timedelta = look.LOOK_BACK,
        until: datetime | None = None,
    ) -> Finding:
        person = self.person(number)
        with self.ledger.read() as book:
            return look.of_person(
                book,
                person=person,
                ours=ours,
                since=self.clock.now - back,
                until=until or self.clock.now,
                now=self.clock.now,
                level=level,
            )

    def names(self, finding: Finding) -> list[str]:
        known = {row: name for name, row in self.ids.items()} | {look.WITHHELD: "withheld"}
        return [known[f.client] for f in finding.found]


@pytest.fixture
def house(ledger: Ledger, clock: Clock) -> House:
    return House(ledger, clock).open()


def test_the_one_who_wrote_from_this_number_is_told(house: House) -> None:
    house.sent("shop", "+48732000001")
    house.sent("bank", "BANK")
    finding = house.ask("+48732000001")
    assert (finding.kind, house.names(finding)) == ("one", ["shop"])
    assert finding.found[0].sent_at == house.clock.now - timedelta(hours=1)


def test_without_proof_only_the_last_of_a_shared_number_is_told(house: House) -> None:
    house.sent("shop", SHARED, ago=timedelta(hours=3))
    house.sent("bank", SHARED, ago=timedelta(hours=1))
    house.sent("courier", SHARED, ago=timedelta(hours=2), to=OTHER)
    assert house.names(house.ask(SHARED)) == ["bank"]
    proven = house.ask(SHARED, level=Level.PROVEN)
    assert (proven.kind, house.names(proven)) == ("several", ["bank", "shop"])


@pytest.mark.parametrize("level", [Level.ASSERTED, Level.CONTACT])
def test_without_proof_no_history_is_told(house: House, level: Level) -> None:
    house.sent("shop", "SHOP")
    assert house.ask(None, level=level) == look.NOT_VISIBLE_YET


@pytest.mark.parametrize("level", [Level.ANONYMOUS, Level.CONTACT])
def test_a_chat_learns_nothing_of_messages_to_a_number_before_a_code(house: House, level: Level) -> None:
    """Not with a contact card either: it may be older than the SIM in somebody else's phone."""
    message = house.sent("shop", "SHOP", text="Nowa kolekcja juz w sklepie zapraszamy serdecznie")
    assert house.ask("SHOP", level=level) == house.ask("NOBODY", level=level) == look.NOT_VISIBLE_YET
    person = house.person()
    with house.ledger.read() as book:
        now = house.clock.now
        assert look.of_answered(book, message, person=person, now=now, level=level) is None
        text = "Nowa kolekcja juz w sklepie zapraszamy serdecznie"
        assert look.of_text(book, text, person=person, now=now, level=level) == look.NOT_VISIBLE_YET
        assert (
            look.of_name_for_person(book, "SHOP", person=person, now=now, level=level) == look.NOT_VISIBLE_YET
        )
        assert look.near_names(book, "SHOPP", person=person, now=now, level=level) == ()


def test_a_sensitive_client_is_not_named_before_a_code(house: House) -> None:
    message = house.sent("clinic", "KLINIKA")
    finding = house.ask("KLINIKA")
    assert (finding.kind, house.names(finding), finding.found[0].is_sensitive) == ("one", ["withheld"], True)
    assert house.names(house.ask("KLINIKA", level=Level.PROVEN)) == ["clinic"]
    person = house.person()
    with house.ledger.read() as book:
        found = look.of_answered(book, message, person=person, now=house.clock.now)
        assert found is not None
        with pytest.raises(NotKnown):
            clients.card(book, found.client)


def test_a_sensitive_client_is_in_no_list_at_any_level(house: House) -> None:
    house.sent("clinic", SHARED)
    house.sent("shop", SHARED)
    house.sent("bank", SHARED)
    finding = house.ask(None, level=Level.ACCOUNT)
    assert (finding.kind, sorted(house.names(finding))) == ("several", ["bank", "shop"])


def test_two_sensitive_clients_are_told_one_by_one(house: House) -> None:
    house.sent("clinic", "A1", ago=timedelta(hours=2))
    house.sent("debt", "B1", ago=timedelta(hours=1))
    assert house.names(house.ask(None, level=Level.PROVEN)) == ["debt"]


def test_the_answered_message_is_told_only_to_whom_it_went(house: House) -> None:
    message = house.sent("shop", SHARED, ago=timedelta(days=2))
    house.sent("bank", SHARED)
    person, other = house.person(), house.person(OTHER)
    with house.ledger.read() as book:
        found = look.of_answered(book, message, person=person, now=house.clock.now)
        assert found is not None
        assert found.client == house.ids["shop"]
        assert look.of_answered(book, message, person=other, now=house.clock.now) is None
        assert look.of_answered(book, "m999", person=person, now=house.clock.now) is None


def test_thirty_days_by_default_twelve_months_on_asking_never_more(house: House) -> None:
    house.sent("shop", "S1", ago=timedelta(days=31))
    house.sent("bank", "S1", ago=timedelta(days=330))
    house.sent("courier", "S1", ago=timedelta(days=390))
    assert house.ask("S1").kind == "none"
    everything = house.ask("S1", level=Level.PROVEN, back=timedelta(days=5_000))
    assert house.names(everything) == ["shop", "bank"]


def test_what_is_older_than_thirty_days_needs_a_code_whether_there_is_anything_or_not(house: House) -> None:
    house.sent("shop", "S1", ago=timedelta(days=40))
    month = {"back": timedelta(days=50), "until": house.clock.now - timedelta(days=35)}
    assert house.ask("S1", **month) == house.ask("S2", **month) == look.NEEDS_PROOF
    assert house.ask("S1", back=timedelta(days=50)).kind == "none"
    assert house.names(house.ask("S1", level=Level.PROVEN, **month)) == ["shop"]


def test_a_day_named_tells_the_last_of_that_day_and_no_more(house: House) -> None:
    house.sent("shop", SHARED, ago=timedelta(days=2, hours=1))
    house.sent("courier", SHARED, ago=timedelta(days=2))
    house.sent("bank", SHARED)
    day = {"back": timedelta(days=3), "until": house.clock.now - timedelta(days=1)}
    assert house.names(house.ask(SHARED, **day)) == ["courier"]
    assert house.names(house.ask(SHARED, level=Level.PROVEN, **day)) == ["courier", "shop"]


def test_a_chat_is_told_five_holders_of_names_a_day_and_all_chats_two_hundred(house: House) -> None:
    def told(chat: int, level: Level = Level.ANONYMOUS) -> bool:
        with house.ledger.write() as book:
            return look.may_name(book, conversation=chat, level=level, now=house.clock.now)

    assert [told(1) for _ in range(7)] == [True] * 5 + [False] * 2
    assert all(told(1, level) for level in (Level.ASSERTED, Level.PROVEN))
    assert not told(1, Level.CONTACT)
    rest = [told(chat) for chat in range(2, 60) for _ in range(5)]
    assert sum(rest) == look.NAMES_A_DAY_IN_ALL - 5
    house.clock.move(timedelta(days=1, minutes=1))
    assert told(1)


def test_a_new_holder_learns_nothing_of_the_one_before(house: House) -> None:
    message = house.sent(
        "bank", "BANK", ago=timedelta(days=20), text="Twoj kod do banku to 123 nie podawaj nikomu"
    )
    house.sent("shop", "SHOP", ago=timedelta(days=2))
    person = house.person()
    with house.ledger.write() as book:
        people.set_holder_since(book, person, house.clock.now - timedelta(days=10))
    assert house.names(house.ask(None, level=Level.PROVEN)) == ["shop"]
    now = house.clock.now
    with house.ledger.read() as book:
        assert look.of_answered(book, message, person=person, now=now) is None
        text = "Twoj kod do banku to 123 nie podawaj nikomu"
        assert look.of_text(book, text, person=person, now=now).kind == "none"
        assert look.near_names(book, "BANKK", person=person, now=now) == ()
        assert look.candidates_for_stop(book, person=person, ours="BANK", now=now) == ((), False)


def test_none_is_said_only_while_the_feed_is_fresh(house: House) -> None:
    assert house.ask("SHOP").kind == "not_visible_yet"
    take_sent(house.ledger, [], house.clock.now)
    assert house.ask("SHOP").kind == "none"
    asked = house.clock.now + timedelta(minutes=5)
    house.clock.move(timedelta(minutes=14))
    assert house.ask("SHOP").kind == "none"
    assert house.ask("SHOP", until=asked).kind == "not_visible_yet"
    assert house.ask("SHOP", until=asked - timedelta(minutes=6)).kind == "none"
    house.clock.move(timedelta(minutes=2))
    assert house.ask("SHOP").kind == "not_visible_yet"


def test_a_name_is_told_by_the_registry_with_its_dates(house: House) -> None:
    now = house.clock.now
    house.holds("shop", "BrandX", end=now - timedelta(days=40))
    house.holds("bank", "BrandX", begin=now - timedelta(days=40))
    house.holds("clinic", "KLINIKA")
    house.holds(None, SHARED)

    def on(days_ago: int) -> dict[str, datetime]:
        since, until = day_of((now - timedelta(days=days_ago)).date())
        return {"since": since, "until": until}

    with house.ledger.read() as book:
        find: Callable[..., Finding] = look.of_name
        assert house.names(find(book, "brand x", now=now)) == ["bank"]
        assert house.names(find(book, "BRANDX", now=now, **on(60))) == ["shop"]
        both = find(book, "BRANDX", now=now, **on(40))
        assert (both.kind, house.names(both)) == ("several", ["shop", "bank"])
        assert house.names(find(book, "KLINIKA", now=now)) == ["withheld"]
        assert house.names(find(book, "KLINIKA", now=now, level=Level.PROVEN)) == ["clinic"]
        assert find(book, SHARED, now=now) == Finding("several")
        assert find(book, "BrandY", now=now) == look.NONE


def test_near_names_come_only_from_what_was_sent_to_this_person(house: House) -> None:
    house.sent("shop", "SHOPXYZ")
    house.sent("bank", "SHOPXYW", to=OTHER)
    house.sent("courier", "+48732000001")
    person = house.person()
    with house.ledger.read() as book:
        assert look.near_names(book, "SHOPXY", person=person, now=house.clock.now) == ("SHOPXYZ",)
        assert look.near_names(book, "shop-xyz", person=person, now=house.clock.now) == ()
        assert look.near_names(book, "+48732000003", person=person, now=house.clock.now) == ()


TEXT = "Dzien dobry {name}, Twoja paczka {number} czeka w punkcie do {number}. Szczegoly: https://c.example/{number}"


def test_a_pasted_message_is_known_by_its_fingerprint(house: House) -> None:
    house.sent("courier", "KURIER", text=TEXT.format(name="Anna", number="111"))
    advert = "Wielka wyprzedaz butow i plaszczy tylko w ten weekend w naszych sklepach"
    house.sent("shop", "SHOP", text=advert)
    theirs = "Splata raty kredytu minela prosimy o wplate jeszcze dzisiaj do konca dnia"
    house.sent("bank", "BANK", to=OTHER, text=theirs)
    person = house.person()
    with house.ledger.read() as book:
        now = house.clock.now
        whole = look.of_text(book, TEXT.format(name="Oksana", number="98765"), person=person, now=now)
        assert (whole.kind, house.names(whole)) == ("one", ["courier"])
        part = "hej co to jest? wyprzedaz butow i plaszczy tylko w ten weekend w naszych"
        assert house.names(look.of_text(book, part, person=person, now=now)) == ["shop"]
        assert look.of_text(book, theirs, person=person, now=now).kind == "none"
        assert look.of_text(book, "500 100 200", person=person, now=now).kind == "none"


ADVERT = "Tylko dzis -{number}% na buty i plaszcze zimowe w naszych sklepach. Odpisz STOP aby nie otrzymywac SMS-ow"


@pytest.mark.parametrize("before", ["", "kto to wyslal: ", "co to jest?\n", "„"])
@pytest.mark.parametrize("after", ["", "\nkto to", "”"])
@pytest.mark.parametrize("level", Level)
def test_a_pasted_text_is_told_from_what_the_person_says(
    house: House, before: str, after: str, level: Level
) -> None:
    house.sent("shop", "SHOP", text=ADVERT.format(number=20))
    person = house.person()
    text = f"{before}{ADVERT.format(number=35)}{after}"
    with house.ledger.read() as book:
        spans = look.sent_spans(book, text, person=person, now=house.clock.now, level=level)
    assert "STOP" not in blanked(text, spans)
    assert normalised(blanked(text, spans)) == normalised(f"{before}\n{after}")


def test_a_part_of_a_message_is_known_and_a_stop_beside_it_is_the_persons(house: House) -> None:
    house.sent("shop", "SHOP", text=ADVERT.format(number=20))
    person = house.person()
    part = "buty i plaszcze zimowe w naszych sklepach. Odpisz STOP aby nie otrzymywac SMS-ow"
    with house.ledger.read() as book:
        text = f"STOP {part}"
        spans = look.sent_spans(book, text, person=person, now=house.clock.now, level=Level.ASSERTED)
    assert blanked(text, spans).split() == ["STOP"]


@pytest.mark.parametrize(
    "text",
    [
        "STOP",
        "Odpisz STOP",
        "nie chce wiecej takich SMS-ow, wypiszcie mnie prosze z tej listy",
        "prosze nie otrzymywac SMS-ow STOP",
        "kto mi wyslal -20% na buty i plaszcze",
    ],
)
def test_what_a_person_says_in_words_of_their_own_is_never_taken_out(house: House, text: str) -> None:
    house.sent("shop", "SHOP", text=ADVERT.format(number=20))
    house.sent("shop", "SHOP", text="STOP")
    house.sent("shop", "SHOP", text="Nie chcesz SMS-ow? Odpisz STOP")
    person = house.person()
    with house.ledger.read() as book:
        for level in Level:
            assert look.sent_spans(book, text, person=person, now=house.clock.now, level=level) == ()


@pytest.mark.parametrize("level", [Level.ANONYMOUS, Level.CONTACT])
def test_in_a_chat_nothing_hangs_on_whether_a_number_got_the_text(house: House, level: Level) -> None:
    house.sent("shop", "SHOP", text=ADVERT.format(number=20), to=OTHER)
    person, other = house.person(), house.person(OTHER)
    with house.ledger.read() as book:
        found = {
            look.sent_spans(book, text, person=who, now=house.clock.now, level=level)
            for who in (None, person, other)
            for text in (ADVERT.format(number=1),)
        }
    assert len(found) == 1


def test_somebody_elses_message_is_not_known_to_a_number_that_did_not_get_it(house: House) -> None:
    house.sent("shop", "SHOP", text=ADVERT.format(number=20), to=OTHER)
    house.sent("bank", "BANK", text="Rata kredytu za ten miesiac zostala pobrana z konta")
    person = house.person()
    with house.ledger.read() as book:
        now, text = house.clock.now, ADVERT.format(number=20)
        assert look.sent_spans(book, text, person=person, now=now, level=Level.ASSERTED) == ()


words = st.sampled_from(
    "paczka rabat kod czeka dzis sklep promocja wizyta raty odbior szybko prosimy numer".split()
)
templates_ = st.lists(words, min_size=8, max_size=14).map(" ".join)
amounts = st.one_of(
    st.integers(0, 10**6).map(str), st.floats(0, 999).map(lambda f: f"{f:.2f}"), st.just("1.299,00")
)
links = st.sampled_from(["https://a.example/x1", "www.b.example/yy?z=9", "c.example/k"])
names_ = st.sampled_from(["Anna", "Jan Kowalski", "Oksana", "Zenobia"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(templates_, amounts, amounts, links, links, names_, names_)
@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
def test_changed_amounts_names_and_links_do_no_harm(
    house: House, body: str, one: str, other: str, link: str, to: str, name: str, called: str
) -> None:
    """The text that went out and the one that is pasted differ in all that is filled in."""
    number = f"+48600{house.said:06d}"
    house.sent("courier", "KURIER", to=number, text=f"{name}, {body} {one} zl. Szczegoly: {link}")
    pasted = f"{called}, {body} {other} zl. Szczegoly: {to}"
    person = house.person(number)
    with house.ledger.read() as book:
        assert house.names(look.of_text(book, pasted, person=person, now=house.clock.now)) == ["courier"]


def test_a_stop_to_a_number_of_one_client_means_that_client(house: House) -> None:
    house.holds("shop", "+48732000001")
    person = house.person()
    with house.ledger.read() as book:
        found, is_shared = look.candidates_for_stop(
            book, person=person, ours="+48732000001", now=house.clock.now
        )
    assert ([c.client for c in found], is_shared) == ([house.ids["shop"]], False)


def test_a_stop_to_a_shared_number_means_those_who_wrote_in_thirty_days(house: House) -> None:
    house.holds(None, SHARED)
    house.sent("shop", SHARED)
    house.sent("clinic", SHARED, ago=timedelta(days=29))
    house.sent("bank", SHARED, ago=timedelta(days=31))
    house.sent("courier", SHARED, to=OTHER)
    person = house.person()
    with house.ledger.read() as book:
        found, is_shared = look.candidates_for_stop(book, person=person, ours=SHARED, now=house.clock.now)
    expected = [(house.ids["shop"], False), (house.ids["clinic"], True)]
    assert ([(c.client, c.is_sensitive) for c in found], is_shared) == (expected, True)


def test_a_stop_to_a_number_handed_on_lately_means_both(house: House) -> None:
    now = house.clock.now
    house.holds("shop", "+48732000001", end=now - timedelta(days=5))
    house.holds("bank", "+48732000001", begin=now - timedelta(days=5))
    house.sent("shop", "+48732000001", ago=timedelta(days=10))
    person = house.person()
    with house.ledger.read() as book:
        found, is_shared = look.candidates_for_stop(book, person=person, ours="+48732000001", now=now)
    assert ({c.client for c in found}, is_shared) == ({house.ids["shop"], house.ids["bank"]}, True)
