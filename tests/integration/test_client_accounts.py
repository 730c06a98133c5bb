"""A client's own account follows our opt-outs, ours follow its, and the bot goes on answering."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from typer.testing import CliRunner

from bot import cli, settings
from bot.bootstrap import Built
from bot.channels.smsapi import Smsapi
from bot.channels.smsapi_lists import PAGE, SmsapiLists
from bot.domain.consent import MessageClass, gate
from bot.domain.errors import BadInput, NotKnown
from bot.domain.messages import Address, Inbound, Kind, Medium
from bot.ledger import client_accounts, clients, consents, conversations, notices, people, queues
from bot.ledger import keys as key_files
from bot.ledger.book import Ledger
from bot.ledger.migrate import upgrade
from bot.ledger.tables import blacklisted, evidence, opt_outs, outbox, sent
from bot.services.compare_lists import Compared, compare, compare_due, last_night
from bot.services.deliver import deliver
from bot.services.keep_account import forget_account, keep_account
from bot.services.mirror_opt_outs import BACK_OFF, RECEIPT_WAITS, Step, mirror, step
from bot.services.reach_account import RESTS, Reach
from bot.services.take_listed import ASK_EVERY, take_listed
from bot.settings import SmsapiSettings
from bot.waking import Bell
from bot.worker import Worker
from tests.conftest import START, Clock
from tests.integration.test_worker import soon
from tests.standins import Answer, Call
from tests.standins.smsapi import SmsapiStandIn
from tests.world import ALA, SHOP_NUMBER, World

DIGITS = ALA.removeprefix("+")
OLA = "+48500100211"
TOKEN = "shop-token-3b8e1f7a"
OWN_TOKEN = "bots-token-5c2d9e04"


class Account(SmsapiStandIn):
    """A client's account; mishaps are of its lists, or of what changes them only."""

    only_changes = False

    def is_send(self, call: Call) -> bool:
        if self.only_changes and call.method == "GET":
            return False
        return "phone_numbers" in call.path or call.path == "/opt_outs"

    def numbers(self) -> list[str]:
        return sorted(self.blacklist.values())


@dataclass(slots=True)
class Town:
    """The world, the shop's own account and the one that the bot answers from."""

    world: World
    account: Account
    bots: SmsapiStandIn
    reach: Reach
    clock: Clock

    @property
    def ledger(self) -> Ledger:
        return self.world.house.ledger

    def add_account(self) -> bool:
        return keep_account(self.ledger, self.reach, "shop", "smsapi", TOKEN, now=self.clock.now)

    def stop(self, *, as_: str = ALA, text: str = "STOP") -> None:
        """Somebody stops the shop, and the receipt goes out."""
        assert self.world.says(text, as_=as_)

    def mirror(self) -> int:
        done = 0
        while mirrored := mirror(self.ledger, self.reach, now=self.clock.now):
            done += mirrored
        return done

    def start(self) -> None:
        """Somebody confirms a START with its code."""
        [question] = self.world.says("START")
        code = next(word.strip(".,") for word in question.split() if word.strip(".,").isdecimal())
        self.world.says(f"START {code}")

    def poll(self) -> None:
        while take_listed(self.world.house, self.reach, now=self.clock.now):
            pass

    def compare(self, *, mend: bool = True) -> Compared:
        with self.ledger.read() as book:
            [account] = client_accounts.every(book)
        return compare(self.world.house, self.reach, account, mend=mend, now=self.clock.now)

    def state(self) -> tuple[str, str]:
        with self.ledger.read() as book:
            [account] = client_accounts.every(book)
        return account.state, account.code

    def is_stopped(self, number: str = ALA) -> bool:
        with self.ledger.read() as book:
            person, shop = people.find(book, number), clients.find(book, "shop")
            if person is None or shop is None:
                return False
            return not gate(consents.standing(book, person), shop, MessageClass.MARKETING).is_allowed

    def acts(self) -> list[tuple[str, str, str]]:
        with self.ledger.read() as book:
            rows = book.rows(select(evidence).order_by(evidence.c.id))
        return [(row["act"], row["rule"], row["signature"]) for row in rows]

    def rows(self) -> list[tuple[str, str | None, int]]:
        with self.ledger.read() as book:
            found = book.rows(select(blacklisted).order_by(blacklisted.c.id))
        return [(row["state"], row["entry"], row["tries"]) for row in found]


@pytest.fixture
def town(ledger: Ledger, clock: Clock, tmp_path: Path) -> Iterator[Town]:
    with Account(token=TOKEN, login="shop") as account, SmsapiStandIn(token=OWN_TOKEN, login="bot") as bots:
        places = {TOKEN: account.url, OWN_TOKEN: bots.url}
        reach = Reach(lambda token: SmsapiLists(places[token], token), OWN_TOKEN)
        yield Town(World(ledger, clock, tmp_path), account, bots, reach, clock)


@pytest.fixture
def shop(town: Town) -> Town:
    """The shop has its account with us, and ALA has a message of the shop's."""
    assert town.add_account()
    town.world.sent("shop", SHOP_NUMBER)
    town.account.calls.clear()
    return town


# --- the account ---


def test_a_token_is_sealed_and_comes_back(shop: Town) -> None:
    with shop.ledger.read() as book:
        [account] = client_accounts.every(book)
        raw = book.connection.exec_driver_sql("SELECT token_enc FROM client_accounts").scalar()
    assert (account.client_id, account.token, account.state) == ("shop", TOKEN, "ready")
    assert raw is not None
    assert TOKEN.encode() not in bytes(raw)
    assert TOKEN not in repr(account)


def test_the_account_that_the_bot_answers_from_is_refused(town: Town) -> None:
    with pytest.raises(BadInput, match="mute"):
        keep_account(town.ledger, town.reach, "shop", "smsapi", OWN_TOKEN, now=town.clock.now)
    assert town.bots.calls == []
    with town.ledger.read() as book:
        assert client_accounts.every(book) == []


def test_another_token_of_the_bots_account_is_refused_too(town: Town) -> None:
    town.account.login = "bot"
    with pytest.raises(BadInput, match="mute"):
        town.add_account()


def test_whose_account_it_is_must_be_known(town: Town) -> None:
    town.bots.token = "the bot's token was withdrawn"
    with pytest.raises(BadInput):
        town.add_account()
    with town.ledger.read() as book:
        assert client_accounts.every(book) == []


@pytest.mark.parametrize("answer", [Answer(401), Answer(403), Answer(500), Answer(200, b"<html>")], ids=str)
def test_a_token_with_which_nothing_can_be_read_is_not_kept(answer: Answer, town: Town) -> None:
    town.account.fail_next(answer)
    with pytest.raises(BadInput):
        town.add_account()
    with town.ledger.read() as book:
        assert client_accounts.every(book) == []


@pytest.mark.parametrize("token", ["", "short", "with a blank in it 123", "zażółć-gęślą-jaźń"])
def test_what_is_no_token_is_sent_nowhere(token: str, town: Town) -> None:
    with pytest.raises(BadInput):
        keep_account(town.ledger, town.reach, "shop", "smsapi", token, now=town.clock.now)
    with pytest.raises(NotKnown):
        keep_account(town.ledger, town.reach, "nobody", "smsapi", TOKEN, now=town.clock.now)
    assert town.account.calls == []


def test_an_account_that_is_forgotten_follows_no_more(shop: Town) -> None:
    shop.stop()
    shop.mirror()
    forget_account(shop.ledger, "shop", "smsapi", now=shop.clock.now)
    shop.start()
    assert (shop.mirror(), shop.account.numbers()) == (0, [DIGITS])
    with pytest.raises(NotKnown):
        forget_account(shop.ledger, "shop", "smsapi", now=shop.clock.now)


# --- mirroring ---


@pytest.mark.parametrize(
    ("is_stopped", "is_receipt_open", "has_entry", "may_have_entry", "wanted"),
    [
        (True, False, False, False, Step.ADD),
        (True, True, False, False, Step.WAIT),
        (True, False, True, False, Step.NOTHING),
        (True, True, True, False, Step.NOTHING),
        (True, False, False, True, Step.ADD),
        (False, False, True, False, Step.REMOVE),
        (False, False, False, True, Step.REMOVE),
        (False, False, False, False, Step.NOTHING),
    ],
)
def test_what_an_account_needs(
    is_stopped: bool, is_receipt_open: bool, has_entry: bool, may_have_entry: bool, wanted: Step
) -> None:
    found = step(
        is_stopped=is_stopped,
        is_receipt_open=is_receipt_open,
        has_entry=has_entry,
        may_have_entry=may_have_entry,
    )
    assert found is wanted


def test_an_opt_out_goes_onto_the_clients_blacklist_once_the_receipt_is_out(shop: Town) -> None:
    shop.world.receive(shop.world.inbound("STOP"))
    shop.mirror()
    assert shop.account.numbers() == []
    assert len(shop.world.answers()) == 1  # the receipt
    shop.clock.move(RECEIPT_WAITS)
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]
    assert shop.bots.blacklist == {}
    [posted] = [call for call in shop.account.calls if call.method == "POST"]
    assert posted.fields == {"phone_number": DIGITS}


def test_a_receipt_that_never_went_out_keeps_it_off_for_a_day_at_most(shop: Town) -> None:
    shop.world.receive(shop.world.inbound("STOP"))
    shop.clock.move(timedelta(hours=24))
    shop.world.answers()
    with shop.ledger.read() as book:
        assert book.scalar(select(outbox.c.state)) == "expired"
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]


def test_mirroring_again_and_a_repeated_stop_change_nothing(shop: Town) -> None:
    shop.stop()
    shop.mirror()
    shop.world.says("STOP")
    shop.world.says("stop WSZYSTKO")
    shop.clock.move(RECEIPT_WAITS)
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]
    assert [call.method for call in shop.account.calls].count("POST") == 1


def test_a_confirmed_start_takes_it_off_by_its_id(shop: Town) -> None:
    shop.account.blacklist["other"] = "48500100299"
    shop.stop()
    shop.mirror()
    [entry] = [key for key, number in shop.account.blacklist.items() if number == DIGITS]
    shop.start()
    shop.mirror()
    assert shop.account.blacklist == {"other": "48500100299"}
    deleted = [call for call in shop.account.calls if call.method == "DELETE"]
    assert [(call.path, call.query) for call in deleted] == [(f"/blacklist/phone_numbers/{entry}", {})]


def test_an_entry_that_the_client_made_itself_stays_after_a_start(shop: Town) -> None:
    shop.account.blacklist["theirs"] = DIGITS
    shop.stop()
    shop.mirror()
    shop.start()
    shop.mirror()
    assert shop.account.blacklist == {"theirs": DIGITS}
    assert {call.method for call in shop.account.calls} == {"GET"}


def test_a_stop_and_a_start_before_its_turn_ask_nothing_of_the_account(shop: Town) -> None:
    shop.stop()
    shop.start()
    shop.mirror()
    assert shop.account.calls == []


def test_a_start_that_comes_while_the_number_is_put_on_takes_it_off_again(shop: Town) -> None:
    """Between the decision and the settling of a task everything may happen; what holds at the end is there."""
    shop.stop()
    done: list[bool] = []

    def connect(token: str) -> SmsapiLists:
        if not done:
            done.append(True)
            shop.start()
        return SmsapiLists(shop.account.url, token)

    reach = replace(shop.reach, connect=connect)
    while mirror(shop.ledger, reach, now=shop.clock.now):
        pass
    assert (done, shop.account.numbers()) == ([True], [])
    assert [call.method for call in shop.account.calls if call.method != "GET"] == ["POST", "DELETE"]


def test_an_answer_that_was_lost_is_neither_a_second_entry_nor_a_forgotten_one(shop: Town) -> None:
    """The account took the number and its answer got lost: it is found again, and it is ours."""
    shop.stop()
    shop.account.fail_next(Answer.of({"size": 0, "collection": []}))  # nothing there yet
    shop.account.drop_next(taken=True)
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]
    shop.clock.move(timedelta(seconds=max(RESTS, BACK_OFF[0])))
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]
    shop.start()
    shop.mirror()
    assert shop.account.numbers() == []


@pytest.mark.parametrize(
    "answer",
    [Answer(500), Answer(502, b"<html>"), Answer(200, b"<html>"), Answer(429), Answer.of({"error": 999})],
    ids=str,
)
def test_what_may_pass_is_tried_again_with_growing_pauses(answer: Answer, shop: Town) -> None:
    shop.stop()
    shop.account.fail_next(answer, times=2)
    for wait in BACK_OFF[:2]:
        assert shop.mirror() == 1
        assert (shop.account.numbers(), shop.mirror()) == ([], 0)
        shop.clock.move(timedelta(seconds=wait - 1))
        assert shop.mirror() == 0
        shop.clock.move(timedelta(seconds=1))
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]
    assert shop.state() == ("ready", "")


def test_the_pause_that_a_provider_asks_for_is_kept(shop: Town) -> None:
    shop.stop()
    shop.account.fail_next(Answer(429, b"", {"Retry-After": "600"}))
    assert shop.mirror() == 1
    shop.clock.move(timedelta(seconds=599))
    assert shop.mirror() == 0
    shop.clock.move(timedelta(seconds=1))
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]


def test_what_fails_for_hours_is_left_to_the_comparison(shop: Town) -> None:
    shop.stop()
    shop.account.fail_next(Answer(500), times=len(BACK_OFF) + 1)
    for wait in (*BACK_OFF, 0):
        assert shop.mirror() == 1
        shop.clock.move(timedelta(seconds=wait))
    assert [row[0] for row in shop.rows()] == ["failed"]
    shop.clock.move(timedelta(days=1))
    assert shop.mirror() == 0
    assert shop.compare().missing == 1
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]


def test_a_token_that_is_withdrawn_alarms_once_and_loses_nothing(shop: Town) -> None:
    shop.world.sent("shop", SHOP_NUMBER, to=OLA)
    shop.stop()
    shop.stop(as_=OLA)
    shop.account.token = "another-token-01"
    with capture_logs() as lines:
        shop.mirror()
    assert [line["alarm"] for line in lines if "alarm" in line] == [True]
    assert (shop.state(), len(shop.account.calls)) == (("refused", "http 401"), 1)
    shop.clock.move(timedelta(hours=5))
    assert shop.mirror() == 0
    shop.poll()
    assert len(shop.account.calls) == 1
    shop.account.token = TOKEN
    shop.add_account()
    shop.mirror()
    assert shop.account.numbers() == [DIGITS, OLA.removeprefix("+")]
    assert [row[2] for row in shop.rows()] == [0, 0]


def test_a_token_that_became_the_bots_own_is_not_used(shop: Town) -> None:
    shop.stop()
    reach = replace(shop.reach, own_token=TOKEN)
    mirror(shop.ledger, reach, now=shop.clock.now)
    assert (shop.account.calls, shop.state()[0]) == ([], "refused")


def test_only_those_who_had_a_message_of_the_client_are_shown_to_it_by_a_stop_all(shop: Town) -> None:
    shop.stop(text="STOP WSZYSTKO")
    shop.world.says("STOP WSZYSTKO", as_=OLA)  # never wrote by the shop
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]


def test_the_opt_outs_of_other_clients_stay_with_them(shop: Town) -> None:
    shop.world.sent("clinic", "+48732000003")
    shop.world.says("STOP", to="+48732000003")
    shop.mirror()
    assert shop.account.calls == []


def test_after_a_stop_with_mirroring_an_agents_answer_still_reaches_the_person(shop: Town) -> None:
    """The whole way over SMSAPI: the bot's account is another one, so its answers are not on the list."""
    channel = Smsapi(
        SmsapiSettings(
            token=OWN_TOKEN,
            api_url=shop.bots.url,
            callback_secret="k" * 22,
            source_ips=(),
            sender="2way",
            public_url="https://bot.example",
        )
    )
    house, now = shop.world.house, shop.clock.now
    address = Address("smsapi", "smsapi", Medium.SMS, ALA, SHOP_NUMBER)
    shop.bots.approved.add(SHOP_NUMBER.removeprefix("+"))
    shop.world.receive(Inbound("in-9", address, Kind.TEXT, now, text="STOP", sent_at=now))
    deliver(house, {"smsapi": channel}, now=now)
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]
    with shop.ledger.write() as book:
        conversation = conversations.find(book, address)
        assert conversation is not None
        queues.put(book, queues.Draft(conversation, "agent", "Dzien dobry, tu Ola"), now=now)
    deliver(house, {"smsapi": channel}, now=now)
    channel.close()
    assert [m["message"] for m in shop.bots.sent][1:] == ["Dzien dobry, tu Ola"]
    assert len(shop.bots.sent) == 2
    assert (shop.bots.blacklist, shop.account.sent) == ({}, [])


@pytest.mark.parametrize("seed", range(10))
def test_whatever_goes_wrong_on_the_way_the_list_ends_as_it_stands(seed: int, shop: Town) -> None:
    """STOPs, STARTs, lost answers and outages in any order; what the client put there itself is never touched."""
    dice = random.Random(seed)
    shop.account.only_changes = seed % 3 > 0  # else most mishaps meet a question, where they do little
    shop.account.blacklist["theirs"] = "48500100299"
    mishaps: list[Callable[[], None]] = [
        lambda: shop.account.drop_next(taken=True),
        lambda: shop.account.drop_next(taken=False),
        lambda: shop.account.fail_next(Answer(500), after_taking=True),
        lambda: shop.account.fail_next(Answer(200, b"<html>"), after_taking=True),
        lambda: shop.account.fail_next(Answer(429), times=2),
    ]
    for _ in range(24):
        what = dice.choice(["change", "change", "mirror", "mirror", "mishap", "compare"])
        if what == "mishap":
            dice.choice(mishaps)()
        elif what == "compare":
            shop.compare()
        elif what == "mirror":
            shop.mirror()
        elif not shop.is_stopped():
            shop.world.says("STOP")
        else:
            shop.start()
        shop.clock.move(timedelta(hours=dice.choice([0, 9, 25])))
    for _ in range(20):  # mishaps that were not met yet are met now
        shop.mirror()
        shop.clock.move(timedelta(hours=7))
        shop.compare()
    shop.mirror()
    wanted = [DIGITS, "48500100299"] if shop.is_stopped() else ["48500100299"]
    assert (shop.account.numbers(), shop.account.blacklist["theirs"]) == (wanted, "48500100299")
    assert {row[0] for row in shop.rows()} <= {"settled"}


# --- the provider's own opt-outs ---


def test_who_opted_out_at_the_provider_is_stopped_and_nobody_is_written_to(shop: Town) -> None:
    shop.account.opt_outs = [DIGITS]
    shop.poll()
    assert shop.is_stopped()
    assert shop.acts() == [("stop", "provider:opt_outs", "platform")]
    assert shop.world.answers() == []
    with shop.ledger.read() as book:
        assert book.scalar(select(opt_outs.c.covers)) == "marketing"
        client = clients.find(book, "shop")
        assert client is not None
        told = [(c.event_type, c.state) for c in notices.counts(book, client)]
    assert told == [("optout.created", "ready")]
    shop.mirror()
    assert shop.account.numbers() == [DIGITS]


def test_the_list_is_asked_for_every_few_minutes_and_an_entry_counts_once(shop: Town) -> None:
    shop.account.opt_outs = [DIGITS]
    for _ in range(3):
        shop.poll()
        shop.poll()
        shop.clock.move(ASK_EVERY + timedelta(seconds=1))
    asked = [c for c in shop.account.calls if c.path == "/opt_outs" and c.query["offset"] == "0"]
    assert len(asked) == 3
    assert [act[0] for act in shop.acts()] == ["stop"]


def test_an_entry_that_stays_in_the_list_does_not_undo_a_start(shop: Town) -> None:
    shop.account.opt_outs = [DIGITS]
    shop.poll()
    shop.start()
    shop.clock.move(timedelta(days=40))
    shop.poll()
    assert not shop.is_stopped()
    # Nor when the account is taken away and comes back: the START is the younger word.
    forget_account(shop.ledger, "shop", "smsapi", now=shop.clock.now)
    shop.add_account()
    shop.poll()
    assert not shop.is_stopped()


def test_an_opt_out_after_a_start_counts(shop: Town) -> None:
    shop.stop()
    shop.start()
    shop.clock.move(timedelta(days=2))
    at = (shop.clock.now - timedelta(days=1)).isoformat()
    entry = {"id": "e1", "phoneNumber": int(DIGITS), "date": at}
    shop.account.fail_next(Answer.of({"collection": [entry]}))
    shop.poll()
    assert shop.is_stopped()
    assert shop.acts()[-1] == ("stop", "provider:opt_outs", "platform")


def test_a_long_list_is_read_to_the_end_and_what_is_no_number_is_passed_over(shop: Town) -> None:
    numbers = [f"4850010{n:04d}" for n in range(PAGE + 5)]
    shop.account.opt_outs = [*numbers[:PAGE], "7", *numbers[PAGE:]]
    shop.poll()
    with shop.ledger.read() as book:
        assert len(book.rows(select(opt_outs.c.id))) == len(numbers)
    assert shop.is_stopped(f"+{numbers[-1]}")


def test_an_account_without_opt_outs_is_noted_and_well(
    shop: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.account.opt_outs = None
    shop.poll()
    with shop.ledger.read() as book:
        [account] = client_accounts.every(book)
    assert (account.state, account.code, account.opt_outs_off_at) == ("ready", "", shop.clock.now)
    shop.clock.move(ASK_EVERY * 2)
    shop.account.opt_outs = [DIGITS]  # switched on
    shop.poll()
    with shop.ledger.read() as book:
        [account] = client_accounts.every(book)
    assert (account.opt_outs_off_at, shop.is_stopped()) == (None, True)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer(401), ("refused", "http 401")),
        (Answer(429), ("ready", "http 429")),
        (Answer(500), ("ready", "http 500")),
        (Answer(200, b"<html>"), ("ready", "unreadable answer")),
        (Answer.of({"collection": [{"id": "x"}, "y"]}), ("ready", "unreadable answer")),
    ],
    ids=str,
)
def test_a_poll_that_fails_stops_nobody_and_is_repeated(
    answer: Answer, state: tuple[str, str], shop: Town
) -> None:
    shop.account.fail_next(answer)
    shop.account.opt_outs = [DIGITS]
    shop.poll()
    assert (shop.state(), shop.is_stopped()) == (state, False)
    if state[0] == "ready":
        shop.clock.move(ASK_EVERY * 2)
        shop.poll()
        assert (shop.state(), shop.is_stopped()) == (("ready", ""), True)


# --- the comparison ---


def test_what_is_missing_there_is_added_and_what_is_not_ours_is_only_counted(shop: Town) -> None:
    shop.world.sent("shop", SHOP_NUMBER, to=OLA)
    shop.stop()
    shop.stop(as_=OLA)
    shop.mirror()
    lost = next(key for key, number in shop.account.blacklist.items() if number == DIGITS)
    del shop.account.blacklist[lost]  # somebody took it off at the provider
    shop.account.blacklist["theirs"] = "48500100299"
    wanted = Compared("shop", ours=2, there=2, missing=1, foreign=1)
    assert shop.compare(mend=False) == wanted
    assert (shop.mirror(), len(shop.account.blacklist)) == (0, 2)
    assert shop.compare() == replace(wanted, taken_in=0)
    shop.mirror()
    assert shop.account.numbers() == [DIGITS, OLA.removeprefix("+"), "48500100299"]
    assert not shop.is_stopped("+48500100299")
    assert shop.compare() == Compared("shop", ours=2, there=3, foreign=1, taken_in=0)
    shop.start()  # what was put on anew is ours again
    shop.mirror()
    assert DIGITS not in shop.account.numbers()


def test_a_foreign_entry_is_taken_in_only_if_the_list_of_opt_outs_says_so(shop: Town) -> None:
    shop.account.blacklist = {"a": DIGITS, "b": OLA.removeprefix("+")}
    shop.account.opt_outs = [DIGITS]
    assert shop.compare() == Compared("shop", ours=1, there=2, foreign=1, taken_in=1)
    assert (shop.is_stopped(ALA), shop.is_stopped(OLA)) == (True, False)


def test_an_entry_of_ours_that_outlived_its_opt_out_is_taken_off(shop: Town) -> None:
    shop.stop()
    shop.mirror()
    shop.start()
    with shop.ledger.write() as book:  # as after hours of failing
        book.run(blacklisted.update().values(state="failed"))
    found = shop.compare()
    assert (found.stale, found.foreign) == (1, 0)
    shop.mirror()
    assert shop.account.numbers() == []


def test_a_stop_all_stays_there_when_the_clients_messages_are_long_forgotten(shop: Town) -> None:
    shop.stop(text="STOP WSZYSTKO")
    shop.mirror()
    with shop.ledger.write() as book:  # what a purge does after a year
        book.run(sent.delete())
    found = shop.compare()
    shop.mirror()
    assert (found.stale, shop.account.numbers()) == (0, [DIGITS])


def test_an_entry_that_a_moving_list_hid_stays_ours(shop: Town) -> None:
    shop.stop()
    shop.mirror()
    shop.account.fail_next(Answer.of({"collection": []}), times=2)  # opt-outs, then the blacklist
    assert shop.compare().missing == 1
    shop.mirror()
    assert [c.method for c in shop.account.calls].count("POST") == 1
    shop.start()
    shop.mirror()
    assert shop.account.numbers() == []


def test_what_stood_before_the_account_came_goes_onto_it(town: Town) -> None:
    town.world.sent("shop", SHOP_NUMBER)
    town.stop()
    town.add_account()
    assert town.mirror() == 0
    assert compare_due(town.world.house, town.reach, now=town.clock.now) is not None
    town.mirror()
    assert town.account.numbers() == [DIGITS]


def test_it_is_compared_once_a_night(shop: Town) -> None:
    house, reach = shop.world.house, shop.reach
    assert compare_due(house, reach, now=shop.clock.now) is not None
    assert compare_due(house, reach, now=shop.clock.now) is None
    night = datetime(2026, 11, 21, 1, tzinfo=UTC)
    assert compare_due(house, reach, now=night - timedelta(seconds=1)) is None
    assert compare_due(house, reach, now=night) is not None
    assert compare_due(house, reach, now=night + timedelta(hours=23)) is None


def test_the_night_is_the_last_one() -> None:
    assert last_night(START) == datetime(2026, 11, 20, 1, tzinfo=UTC)
    assert last_night(datetime(2026, 11, 20, 0, 59, tzinfo=UTC)) == datetime(2026, 11, 19, 1, tzinfo=UTC)


def test_a_comparison_that_fails_is_due_again_soon_and_one_refused_by_next_night(shop: Town) -> None:
    house, reach = shop.world.house, shop.reach
    shop.account.fail_next(Answer(500))
    found = compare_due(house, reach, now=shop.clock.now)
    assert found == Compared("shop", code="http 500")
    assert compare_due(house, reach, now=shop.clock.now) is None
    shop.account.token = "another-token-01"
    found = compare_due(house, reach, now=shop.clock.move(timedelta(seconds=RESTS)))
    assert found == Compared("shop", code="http 401")
    assert compare_due(house, reach, now=shop.clock.move(timedelta(hours=3))) is None
    shop.account.token = TOKEN  # mended there
    assert compare_due(house, reach, now=shop.clock.move(timedelta(days=1))) is not None
    assert shop.state() == ("ready", "")


def test_an_account_that_became_the_bots_own_is_refused_by_night(shop: Town) -> None:
    shop.account.login = "bot"
    assert shop.compare().code == "the bot's own account"
    assert shop.state()[0] == "refused"


# --- in a running house ---


def test_logs_and_rows_hold_no_number_and_no_token(shop: Town) -> None:
    shop.account.opt_outs = [OLA.removeprefix("+"), "7"]
    with capture_logs() as lines:
        shop.stop()
        shop.account.fail_next(Answer(500, DIGITS.encode()))
        shop.mirror()
        shop.clock.move(timedelta(minutes=10))
        shop.mirror()
        shop.poll()
        shop.compare()
    said = repr(lines)
    assert {"blacklist follows", "client account failed"} <= {line["event"] for line in lines}
    assert not any(secret in said for secret in (DIGITS[2:], OLA[3:], TOKEN))
    with shop.ledger.read() as book:
        raw = repr(book.rows(select(blacklisted))) + repr(book.rows(select(client_accounts.table)))
    assert not any(secret in raw for secret in (DIGITS[2:], OLA[3:], TOKEN))


def test_a_worker_does_all_of_it_by_itself(shop: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.NAMES:
        monkeypatch.delenv(name, raising=False)
    house = shop.world.house
    bell = Bell()
    built = Built(settings.load(None), house, {}, bell, clock=shop.world.clock)  # type: ignore[arg-type]
    monkeypatch.setattr(Built, "reach", lambda self: shop.reach)
    shop.account.blacklist["theirs"] = "48500100299"
    shop.account.opt_outs = [OLA.removeprefix("+")]
    shop.stop()
    worker = Worker(built, responders=1, deliverers=1)
    worker.start()
    try:
        assert soon(lambda: len(shop.account.blacklist) == 3)
    finally:
        worker.stop()
        bell.close()
    assert shop.account.numbers() == [DIGITS, OLA.removeprefix("+"), "48500100299"]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, town: Town) -> Callable[..., tuple[int, str]]:
    """The command line on a database of its own, with the shop in it."""
    for name in settings.NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHOSENT_DATABASE_URL", f"sqlite:///{tmp_path / 'cli.db'}")
    monkeypatch.setenv("WHOSENT_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("WHOSENT_SMSAPI_API_URL", town.account.url)
    keys = key_files.create(tmp_path / "keys.json")
    ledger = Ledger(f"sqlite:///{tmp_path / 'cli.db'}", keys)
    upgrade(ledger)
    (tmp_path / "shop").mkdir()
    World(ledger, town.clock, tmp_path / "shop")
    ledger.close()

    def run(*arguments: str, stdin: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        result = CliRunner().invoke(cli.app, list(arguments), input=stdin)
        return result.exit_code, result.output + (str(result.exception) if result.exception else "")

    return run


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)
def test_the_commands(command: Callable[..., tuple[int, str]], town: Town) -> None:
    assert command("client", "account", "shop", stdin="short\n")[0] == 1
    assert command("client", "account", "nobody", stdin=TOKEN)[0] == 1
    code, said = command("client", "account", "shop", "--provider", "smsapi", stdin=f"{TOKEN}\n")
    assert (code, TOKEN in said, "taken in" in said) == (0, False, True)
    town.account.opt_outs = [DIGITS]
    town.account.blacklist["theirs"] = "48500100299"
    code, said = command("channels", "compare")
    assert (code, town.account.numbers()) == (0, ["48500100299"])
    code, said = command("channels", "compare", "--mend")
    assert (code, town.account.numbers()) == (0, [DIGITS, "48500100299"])
    assert DIGITS not in said
    assert "settled 1" in command("client", "show", "shop")[1]
    town.account.token = "another-token-01"
    code, said = command("channels", "compare")
    assert (code, "http 401" in said) == (1, True)
    assert command("client", "account", "shop", "--remove")[0] == 0
    assert "own account" not in command("client", "show", "shop")[1]
