"""A client's own lists are read to the end and changed entry by entry; nothing can empty them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.smsapi_lists import ID, PAGE, SmsapiLists
from bot.domain.client_lists import Entry
from bot.domain.errors import SendFailed, WhosentError
from tests.standins import Answer, Call
from tests.standins.smsapi import TOKEN, SmsapiStandIn, error

ALA = "+48500100200"
BARE = "/blacklist/phone_numbers"


class Account(SmsapiStandIn):
    """A client's account; mishaps are of its lists."""

    def is_send(self, call: Call) -> bool:
        return True


@pytest.fixture
def account() -> Iterator[Account]:
    with Account() as account:
        yield account


@pytest.fixture
def lists(account: Account) -> Iterator[SmsapiLists]:
    lists = SmsapiLists(account.url, TOKEN)
    yield lists
    lists.close()


def test_a_number_is_put_on_found_and_taken_off_by_its_id(account: Account, lists: SmsapiLists) -> None:
    account.blacklist["other"] = "48500100201"
    added = lists.add(ALA)
    assert (added.number, lists.find(ALA)) == (ALA, added)
    assert account.blacklist == {"other": "48500100201", added.id: "48500100200"}
    lists.remove(added.id)
    assert (lists.find(ALA), account.blacklist) == (None, {"other": "48500100201"})
    lists.remove(added.id)  # gone already


def test_a_number_that_somebody_put_on_meanwhile_is_found(account: Account, lists: SmsapiLists) -> None:
    account.blacklist["theirs"] = "48500100200"
    assert lists.add(ALA) == Entry("theirs", ALA)
    assert len(account.blacklist) == 1


def test_a_number_that_only_contains_the_one_looked_for_is_another(
    account: Account, lists: SmsapiLists
) -> None:
    account.blacklist["longer"] = "4850010020012"
    assert lists.find(ALA) is None


def test_a_number_without_its_country_code_is_the_same(account: Account, lists: SmsapiLists) -> None:
    account.blacklist["bare"] = "500100200"
    assert list(lists.blacklist()) == [Entry("bare", ALA)]


@pytest.mark.parametrize("size", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE + 7])
def test_lists_are_read_to_the_end(size: int, account: Account, lists: SmsapiLists) -> None:
    numbers = [f"485001{n:05d}" for n in range(size)]
    account.blacklist = {f"e{n}": number for n, number in enumerate(numbers)}
    account.opt_outs = numbers
    assert [entry.number for entry in lists.blacklist()] == [f"+{n}" for n in numbers]
    assert [one.number for one in lists.opt_outs() or ()] == [f"+{n}" for n in numbers]
    assert all(call.query["limit"] == str(PAGE) for call in account.calls)


def answering(reply: Callable[[httpx2.Request], httpx2.Response]) -> SmsapiLists:
    return SmsapiLists("https://api.smsapi.test", TOKEN, transport=httpx2.MockTransport(reply))


def test_pages_shorter_than_asked_for_are_not_the_end_and_a_moved_entry_counts_once() -> None:
    pages = {0: ["a", "b"], 2: ["b", "c"], 4: ["d"]}

    def reply(request: httpx2.Request) -> httpx2.Response:
        ids = pages.get(int(request.url.params["offset"]), [])
        return httpx2.Response(
            200, json={"collection": [{"id": i, "phone_number": "48500100200"} for i in ids]}
        )

    assert [entry.id for entry in answering(reply).blacklist()] == ["a", "b", "c", "d"]


def test_a_list_that_disregards_the_offset_ends() -> None:
    page = {"collection": [{"id": "a", "phoneNumber": 48500100200}]}
    assert len(list(answering(lambda _: httpx2.Response(200, json=page)).opt_outs() or ())) == 1


@pytest.mark.parametrize(
    ("number", "date", "read"),
    [
        (48500100200, "2026-11-01T10:00:00+0100", (ALA, datetime(2026, 11, 1, 9, tzinfo=UTC))),
        ("48500100200", "2026-11-01T10:00:00", (ALA, datetime(2026, 11, 1, 10, tzinfo=UTC))),
        (48500100200, "soon", (ALA, None)),
        (48500100200, None, (ALA, None)),
        (True, None, (None, None)),
        (4850.5, None, (None, None)),
        (7, None, (None, None)),
        ("AGREST", None, (None, None)),
    ],
)
def test_an_opt_out_is_read_as_far_as_it_can_be(number: Any, date: Any, read: tuple[Any, Any]) -> None:
    pages = iter([[{"id": "a", "phoneNumber": number, "date": date}], []])
    lists = answering(lambda _: httpx2.Response(200, json={"collection": next(pages)}))
    [one] = lists.opt_outs() or ()
    assert (one.number, one.at) == read


def test_an_account_without_opt_outs_says_so_and_that_is_no_failure(
    account: Account, lists: SmsapiLists
) -> None:
    account.opt_outs = None
    assert lists.opt_outs() is None


CALLS: dict[str, Callable[[SmsapiLists], object]] = {
    "login": lambda lists: lists.login(),
    "find": lambda lists: lists.find(ALA),
    "add": lambda lists: lists.add(ALA),
    "remove": lambda lists: lists.remove("0a1b"),
    "blacklist": lambda lists: list(lists.blacklist()),
    "opt_outs": lambda lists: list(lists.opt_outs() or ()),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(401, b""), ("http 401", False, True)),
        (Answer(429, b"", {"Retry-After": "7"}), ("http 429", True, False)),
        (Answer(500, b"oops"), ("http 500", True, False)),
        (Answer(302, b"", {"Location": "/blacklist/phone_numbers"}), ("http 302", False, False)),
        (Answer(200, b"<html>Serwis</html>"), ("unreadable answer", True, False)),
        (error(201, "internal"), ("201", True, False)),
        (error(105, "address"), ("105", True, True)),
        (error(4242, "news"), ("4242", False, False)),
    ],
    ids=str,
)
def test_every_failure_says_what_to_do_next(
    call: str, answer: Answer, says: tuple[str, bool, bool], account: Account, lists: SmsapiLists
) -> None:
    account.fail_next(answer)
    with pytest.raises(SendFailed) as caught:
        CALLS[call](lists)
    failure = caught.value
    assert (failure.code, failure.retryable, failure.alarm) == says
    assert failure.retry_after == (7 if says[0] == "http 429" else None)
    assert "500100200" not in str(failure)


@pytest.mark.parametrize("call", [name for name in CALLS if name not in ("login", "remove")])
@pytest.mark.parametrize(
    "content",
    [
        [],
        "text",
        {},
        {"collection": None},
        {"collection": {"0": 1}},
        {"collection": [7]},
        {"collection": [{"phone_number": "48500100200"}]},
        {"collection": [{"id": "", "phone_number": "48500100200"}]},
        {"collection": [{"id": "../x", "phone_number": "48500100200"}]},
        {"id": "a", "phone_number": "48500100299"},
    ],
    ids=json.dumps,
)
def test_garbage_is_no_empty_list_and_no_entry(
    call: str, content: Any, account: Account, lists: SmsapiLists
) -> None:
    account.fail_next(Answer.of(content))
    with pytest.raises(SendFailed):
        CALLS[call](lists)


def test_an_account_that_cannot_be_reached_is_asked_again() -> None:
    account = Account().start()
    account.stop()
    with pytest.raises(SendFailed) as caught:
        SmsapiLists(account.url, TOKEN).find(ALA)
    assert caught.value.retryable


# The trap: DELETE /blacklist/phone_numbers without an id empties the list.


class Recorder:
    """What would have gone over the wire."""

    def __init__(self) -> None:
        self.deleted: list[httpx2.URL] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "DELETE":
            self.deleted.append(request.url)
        return httpx2.Response(204)


_TRICKS = (
    *("", " ", ".", "..", "/", "./", "a/..", "a/../", "%2e%2e", "?", "?a", "#", "a?b", "a#b", "\n", "a\n"),
    "/../phone_numbers",
)


@given(
    entry=st.one_of(
        st.text(max_size=80),
        st.text(alphabet="./?#%2e\\ \nab;:@&=", max_size=12),
        st.from_regex(ID, fullmatch=True),
        st.sampled_from(_TRICKS),
    )
)
def test_whatever_is_to_be_removed_no_call_reaches_the_bare_address(entry: str) -> None:
    wire = Recorder()
    lists = answering(wire)
    try:
        lists.remove(entry)
    except WhosentError:
        assert wire.deleted == []
        return
    [url] = wire.deleted
    assert url.raw_path == f"{BARE}/{entry}".encode()
    assert url.query == b""


@given(
    path=st.one_of(
        st.sampled_from([BARE, BARE + "/", BARE + "/.", BARE + "?", BARE + "/a/..", "/opt_outs", ""]),
        st.text(max_size=20).map(lambda rest: BARE + rest),
    ),
    how=st.sampled_from([{}, {"params": {"phone_number": "48500100200"}}, {"json": {}}]),
)
def test_not_even_the_one_place_that_sends_lets_the_bare_address_out(path: str, how: dict[str, Any]) -> None:
    """The method that all others go through: a later change that forgets the rule above is stopped there."""
    wire = Recorder()
    try:
        answering(wire)._call("DELETE", path, **how)
    except WhosentError:
        assert wire.deleted == []
        return
    assert [ID.fullmatch(url.path.removeprefix(f"{BARE}/")) is None for url in wire.deleted] == [False]


def test_no_public_call_empties_the_list(account: Account, lists: SmsapiLists) -> None:
    """Every method there is, against the stand-in that has the trap; a new one must be looked at here."""
    public = {name for name in dir(lists) if not name.startswith("_")}
    assert public == {*CALLS, "close"}
    account.blacklist = {f"e{n}": f"4850010030{n}" for n in range(8)}
    for call in CALLS.values():
        call(lists)
    assert {f"4850010030{n}" for n in range(8)} <= set(account.blacklist.values())
    assert [c.path for c in account.calls if c.method == "DELETE"] == [f"{BARE}/0a1b"]
