"""Connections that bring no request, or too much of one, and those that are one too many."""

from __future__ import annotations

import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from relu_landscape_api import sockets
from relu_landscape_api.app import create_app
from relu_landscape_api.settings import ApiSettings
from relu_landscape_api.sockets import bounds
from tests.api.process import DEADLINE_SECONDS, Server
from tests.api.samples import open_in_memory
from tests.serving import serving

POST = b"POST /v1/landscapes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Servers with the given settings, ended with the test."""
    with ExitStack() as stack:

        def begin(**settings: str) -> Server:
            names = {f"RELU_LANDSCAPE_{name}": value for name, value in settings.items()}
            server = Server(tmp_path, **names)
            stack.callback(server.process.communicate)
            stack.callback(server.process.kill)
            return server

        yield begin


def connect(url: str) -> socket.socket:
    address = urlsplit(url)
    assert address.hostname is not None
    assert address.port is not None
    return socket.create_connection((address.hostname, address.port), timeout=DEADLINE_SECONDS)


def everything(line: socket.socket) -> bytes:
    """What comes until the other side closes."""
    pieces = []
    while piece := line.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def test_a_request_that_does_not_come_is_not_waited_for(start: Callable[..., Server]) -> None:
    url = start(HEAD_SECONDS="0.2").ready_url()
    with connect(url) as silent, connect(url) as slow:
        slow.sendall(b"GET /livez HT")
        assert everything(silent) == b""
        answer = everything(slow)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"did not arrive within 0.2 s" in answer


def test_one_byte_at_a_time_is_no_way_around_it(start: Callable[..., Server]) -> None:
    url = start(HEAD_SECONDS="0.5").ready_url()
    with connect(url) as line:
        line.settimeout(0.05)
        line.sendall(b"GET /")
        answer = b""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not answer and time.monotonic() < deadline:
            line.sendall(b"X")
            try:
                answer = line.recv(65536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_the_next_request_of_a_connection_has_a_deadline_too(start: Callable[..., Server]) -> None:
    url = start(HEAD_SECONDS="0.2").ready_url()
    with connect(url) as line:
        line.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /li")
        answer = everything(line)
    assert [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", answer)] == [200, 408]


def test_who_asks_now_and_then_keeps_its_connection(start: Callable[..., Server]) -> None:
    """uvicorn closes them after 5 s, which is when httpx gives them up: one request in 500,000 was
    sent into a connection that was being closed, and had no answer."""
    with connect(start().ready_url()) as line:
        for pause in (0.0, 5.5):
            time.sleep(pause)
            line.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b'{"alive":true}'):
                piece = line.recv(65536)
                assert piece, "the connection was closed"
                answer += piece
            assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_body_that_does_not_come_is_not_waited_for(start: Callable[..., Server]) -> None:
    url = start(BODY_SECONDS="0.2").ready_url()
    with connect(url) as line:
        line.sendall(POST + b'Content-Length: 100\r\n\r\n{"K": ')
        answer = everything(line)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b'"detail":"The body did not arrive within 0.2 s."' in answer


@pytest.mark.parametrize("extra", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
@pytest.mark.parametrize("declared", [True, False], ids=["length", "chunked"])
def test_who_sends_too_much_reads_why(
    start: Callable[..., Server], extra: bytes, declared: bool
) -> None:
    """Nothing is read before all is sent, as many clients do; a reset would break that off."""
    url = start().ready_url()
    body = b" " * 5_000_000
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    with connect(url) as line:
        line.sendall(POST + extra)
        if declared:
            line.sendall(length + body)
        else:
            line.sendall(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body)
        answer = everything(line)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"The body is larger than 1048576 bytes." in answer


def test_one_connection_too_many_is_told_so(start: Callable[..., Server]) -> None:
    server = start(CONNECTIONS_LIMIT="4", HEAD_SECONDS="60")
    url = server.ready_url()
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(connect(url))
        answer = httpx.get(f"{url}/livez")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        assert answer.json()["detail"] == "Too many connections are open; try again later."
        for _ in range(100):  # hardly any of them is even told
            stack.enter_context(connect(url))
    deadline = time.monotonic() + DEADLINE_SECONDS
    while httpx.get(f"{url}/livez").status_code == 503:
        assert time.monotonic() < deadline
    _, log = server.stop()
    assert log.count("more than 4 connections") == 1


def test_without_descriptors_the_log_stays_short(start: Callable[..., Server]) -> None:
    """The loop takes such connections and closes them: a line for each would fill the disk."""
    server = start(CONNECTIONS_LIMIT="60000", HEAD_SECONDS="60")
    url = server.ready_url()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
    with ExitStack() as stack:
        lines = [stack.enter_context(connect(url)) for _ in range(100)]
        assert lines[-1].recv(1) == b""
    assert httpx.get(f"{url}/livez", timeout=DEADLINE_SECONDS).status_code == 200
    _, log = server.stop()
    assert len(log) < 10_000


@pytest.mark.parametrize(
    "rest", [b"", b" HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["endless", "whole"]
)
def test_a_head_that_is_too_long_is_refused(start: Callable[..., Server], rest: bytes) -> None:
    url = start(HEAD_SECONDS="60").ready_url()
    with connect(url) as line:
        line.sendall(b"GET /v1/landscape?structures=" + b"x" * 70_000 + rest)
        answer = everything(line)
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"longer than 65536 bytes" in answer


def test_what_is_no_http_is_answered_too(start: Callable[..., Server]) -> None:
    url = start(HEAD_SECONDS="60").ready_url()
    with connect(url) as line:
        line.sendall(b"\x16\x03\x01\x02\x00" * 50)  # a browser that was told https
        answer = everything(line)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


def test_a_connection_that_brought_no_request_holds_no_process(
    make_settings: Callable[..., ApiSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser opens some that it may need. The end of the process waited ten seconds for one."""
    monkeypatch.setattr(sockets, "_LINGER_SECONDS", 3600.0)
    app = create_app(make_settings(), service_factory=open_in_memory)
    with ExitStack() as lines:
        with serving(app) as running:  # which has to end by itself
            silent, begun = (lines.enter_context(connect(running.url)) for _ in range(2))
            begun.sendall(b"GET /livez HT")
            assert httpx.get(f"{running.url}/livez").status_code == 200
        assert everything(silent) == everything(begun) == b""


def test_the_limit_follows_from_the_open_files(
    make_settings: Callable[..., ApiSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    def limit(files: int) -> int:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
        return bounds(make_settings()).connections

    assert [limit(files) for files in (64, 256, 1024, 10**6, -1)] == [8, 64, 448, 8192, 8192]
    assert bounds(make_settings(connections_limit=5)).connections == 5
