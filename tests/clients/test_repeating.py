"""Which calls are made again, when, and what a caller hears when that does not help."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2
import pytest
import stamina

import relu_landscape_client
from relu_landscape_client import (
    AddressError,
    AnswerError,
    Busy,
    Client,
    ClientError,
    ConnectionFailed,
    NotAuthorised,
    NotFound,
    ProtocolError,
    RequestRefused,
    ServerAbsent,
    ServerError,
    _http,
    errors,
)
from tests.clients.faulty import Instead, problem
from tests.clients.samples import ASKED, ID, document
from tests.clients.served import Served

Run = Callable[..., Any]


def _refusals(status: int, count: int, **headers: str) -> list[httpx2.Response]:
    return [problem(status, "No", "Not now.", **headers) for _ in range(count)]


@pytest.mark.parametrize("status", sorted(_http.REPEATABLE))
def test_what_may_pass_is_asked_again(run: Run, server: Served, status: int) -> None:
    server.finish_at_once()
    server.line.refuse_first = _refusals(status, 3)
    assert run("landscape", **ASKED, cache=False).id == ID
    assert server.line.asked == ["POST /v1/landscapes"] * 4


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, RequestRefused), (401, NotAuthorised), (403, NotAuthorised), (404, NotFound),
        (405, AnswerError), (406, AnswerError), (409, AnswerError), (410, NotFound),
        (413, RequestRefused), (415, RequestRefused), (418, AnswerError), (422, RequestRefused),
        (500, ServerError), (501, ServerError),
    ],
)  # fmt: skip
def test_what_will_not_pass_is_asked_once(
    run: Run, server: Served, status: int, expected: type[AnswerError]
) -> None:
    server.line.refuse_first = _refusals(status, 3)
    with pytest.raises(expected, match=f"{status} No: Not now") as caught:
        run("submit", 2, 2)
    assert type(caught.value) is expected
    assert len(server.line.asked) == 1


@pytest.mark.parametrize("lost", [1, 3])
def test_a_lost_answer_does_not_double_the_work(run: Run, server: Served, lost: int) -> None:
    """The server took the request, then the line broke: the next post joins the first."""
    server.line.lose_first = {"POST /v1/landscapes": lost}
    assert run("landscape", **ASKED).id == ID
    assert server.line.asked.count("POST /v1/landscapes") == 1 + lost
    assert server.service.computations == 1


def test_a_lost_result_is_fetched_again(run: Run, server: Served) -> None:
    server.line.lose_first = {"GET /v1/landscapes/ID": 2}
    assert run("landscape", **ASKED).id == ID


def test_patience_ends(run: Run, server: Served) -> None:
    server.line.refuse_first = _refusals(503, 99)
    with pytest.raises(Busy):
        run("submit", 2, 2)
    assert len(server.line.asked) == 5  # the attempts that the tests' settings allow


def test_without_patience_every_call_is_made_once(run: Run, server: Served) -> None:
    server.line.refuse_first = _refusals(503, 99)
    with stamina.set_testing(False), pytest.raises(Busy):
        run("submit", 2, 2, patience_seconds=0)
    assert len(server.line.asked) == 1


def _unreachable(times: int) -> Instead:
    """The first ``times`` calls find nobody at the address."""
    left = [times]

    def instead(request: httpx2.Request) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise httpx2.ConnectError("[Errno 111] Connection refused", request=request)

    return instead


def test_a_server_that_starts_is_waited_for(run: Run, server: Served) -> None:
    server.line.instead = _unreachable(3)
    assert run("landscape", **ASKED).id == ID


def test_an_absent_server_is_absent_at_once_for_those_who_do_not_wait(
    run: Run, server: Served
) -> None:
    server.line.instead = _unreachable(1)
    with pytest.raises(ServerAbsent, match="Connection refused") as caught:
        run("submit", 2, 2, waits_for_start=False)
    assert caught.value.address == server.url
    assert len(server.line.asked) == 1


def test_a_server_that_has_answered_is_missed_even_by_those_who_do_not_wait(
    run: Run, server: Served
) -> None:
    """It restarts in the middle of a job: its first answer is followed by three refusals."""
    refuse = _unreachable(3)
    server.line.instead = lambda request: refuse(request) if len(server.line.asked) > 1 else None
    assert run("landscape", **ASKED, waits_for_start=False).id == ID
    assert server.service.computations == 1


def test_retry_after_is_obeyed_to_the_second_and_not_beyond_patience() -> None:
    now = [100.0]
    rule = _http.repeat_rule(30.0, clock=lambda: now[0])
    busy = Busy(429, "Busy", retry_after_seconds=7.0)
    assert rule(busy) == 7.0
    now[0] = 125.0
    assert rule(busy) is False  # 7 s do not fit into the 5 s left
    assert rule(Busy(503, "Busy")) is True  # no word when: the usual growing waits
    assert rule(ConnectionFailed("refused")) is True
    assert rule(NotFound(404, "Not found")) is False
    assert rule(RuntimeError("a bug is no reason to try again")) is False


def test_retry_after_travels_to_the_caller(run: Run, server: Served) -> None:
    server.line.refuse_first = _refusals(429, 9, **{"Retry-After": "3600"})
    with pytest.raises(Busy) as caught:
        run("submit", 2, 2)
    assert caught.value.retry_after_seconds == 3600.0
    assert len(server.line.asked) == 1


def test_a_server_with_too_much_to_do_is_said_to_be_busy(run: Run, server: Served) -> None:
    """Its own words, and its own ``Retry-After``."""
    server.service.is_full = True
    with pytest.raises(Busy, match="are waiting") as caught:
        run("submit", 2, 2, patience_seconds=1)
    assert caught.value.retry_after_seconds == 7.0
    assert len(server.line.asked) == 1


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("0", 0, 0), ("17", 17, 17), (" 5 ", 5, 5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
    ],
)  # fmt: skip
def test_retry_after_in_both_its_forms(header: str, low: float, high: float) -> None:
    seconds = _http.retry_after(header)
    assert seconds is not None
    assert low <= seconds <= high


def test_retry_after_as_a_date_to_come() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    seconds = _http.retry_after(moment)
    assert seconds is not None
    assert 3500 <= seconds <= 3601


@pytest.mark.parametrize("header", [None, "soon", "-1", "", "²"])
def test_retry_after_that_says_nothing(header: str | None) -> None:
    assert _http.retry_after(header) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"[1, 2]", b'{"errors": "many"}', b"[" * 5000, b"\xff\xfe"],
)
def test_errors_that_are_no_problem_documents(run: Run, server: Served, body: bytes) -> None:
    server.line.refuse_first = [httpx2.Response(500, content=body)]
    with pytest.raises(ServerError, match="500"):
        run("service_info")


@pytest.mark.parametrize(
    "answer",
    [
        {"content": b"not json"},
        {"json": [1]},
        {"json": {"state": "queued"}},
        {"json": document() | {"fixed_points": [{"key": "m1"}]}},
        {"status_code": 307, "headers": {"Location": "https://elsewhere/"}},
    ],
    ids=["no JSON", "no object", "no id", "no kind", "redirect"],
)
def test_answers_outside_the_contract(run: Run, server: Served, answer: dict[str, Any]) -> None:
    server.line.refuse_first = [httpx2.Response(**{"status_code": 200} | answer)]
    with pytest.raises(ProtocolError):
        run("landscape", **ASKED, cache=False)


def _foreign() -> list[type[Exception]]:
    """Every exception that httpx2 makes public."""
    return [
        value
        for name in httpx2.__all__
        if inspect.isclass(value := getattr(httpx2, name)) and issubclass(value, Exception)
    ]


@pytest.mark.parametrize("foreign", _foreign(), ids=lambda kind: kind.__name__)
def test_no_foreign_exception_gets_out(foreign: type[Exception]) -> None:
    # Their constructors differ; what is tested is which class is caught.
    error = foreign.__new__(foreign)
    Exception.__init__(error, "something broke")
    with pytest.raises(ClientError, match="GET http://lab: something broke"):
        raise_translated(error)


def raise_translated(error: Exception) -> None:
    """Raise ``error`` where every call is made."""
    with _http.translated("GET http://lab"):
        raise error


@pytest.mark.parametrize(
    "url", ["", "lab:8000", "ftp://lab", "http://", "http://lab:port", "/v1", None]
)
def test_addresses_that_are_none(url: Any) -> None:
    with pytest.raises(AddressError):
        Client(url)


def test_a_prefix_of_the_address_is_kept() -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(200, json={})

    with Client("https://lab/relu", transport=httpx2.MockTransport(answer)) as client:
        client.service_info()
    assert seen == ["https://lab/relu/v1/service-info"]


def test_nobody_listens(unused_tcp_port: int) -> None:
    with (
        Client(f"http://127.0.0.1:{unused_tcp_port}", patience_seconds=0, cache=False) as client,
        pytest.raises(ConnectionFailed, match="service-info"),
    ):
        client.service_info()


def test_the_tree_is_drawn_whole() -> None:
    """Every exception stands in the docstring's drawing, below the class it derives from."""
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, ClientError)
    }
    drawn: dict[str, str] = {}
    path: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("├──", "   ").replace("└──", "   ").replace("│", " ")
        name = words.strip().split(" ")[0]
        if name in kinds:
            depth = len(words) - len(words.lstrip())
            path[depth] = name
            parents = [path[d] for d in sorted(path) if d < depth]
            drawn[name] = parents[-1] if parents else ""
    assert set(drawn) == set(kinds)
    for name, parent in drawn.items():
        assert not parent or kinds[name].__bases__[0] is kinds[parent], name
    assert set(kinds) <= set(relu_landscape_client.__all__)
