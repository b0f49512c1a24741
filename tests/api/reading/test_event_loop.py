"""No request keeps the others waiting: what it costs the event loop is bounded.

Measured is processor time between two turns of the loop, which a busy machine does not lengthen: of
the loop's own thread, and of the whole process. The second is there because a thread that parses
may not let go of the interpreter: the loop's thread then has used no time, and waits all the same.
Before, a megabyte of faults cost tens of seconds in one turn, and one of brackets half a second of
waiting.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2 as httpx
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.serving import Running

#: Processor time in one turn of the loop; a person notices about twice as much.
LONGEST_TURN_SECONDS = 0.05
#: Work of the same kind, reading JSON, and the processor time that it takes on a quiet core (of
#: 2023). Beside others' work the same instructions take two or three times as long.
REFERENCE = "[" + ",".join(['{"a": [1, 2.5, "x"]}'] * 20_000) + "]"
REFERENCE_SECONDS = 0.0084
LIMIT = 1_048_576
#: Where the machine's caches are others' too, processor time doubles now and then: what holds the
#: loop does so every time.
TRIES = 3


class Watch:
    """The longest turn of a loop, in processor time of its process (its thread's is part of it), as
    it would have been on a quiet core: ``longest`` over how slow this one was just then."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.is_over = False

    async def look(self) -> None:
        before = time.process_time()
        while not self.is_over:
            await asyncio.sleep(0.001)
            now = time.process_time()
            self.longest = max(self.longest, now - before)
            before = now


def slowness() -> float:
    """How much longer work of the same kind takes here than on a quiet core, now; 1 at least."""
    before = time.process_time()
    json.loads(REFERENCE)
    return max(1.0, (time.process_time() - before) / REFERENCE_SECONDS)


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Iterator[None]:
    """As ``serve`` does: the collector would follow all that other tests left as well, and looking
    through that takes longer than a test here."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def client(common_server: Running) -> Iterator[httpx.Client]:
    """Making one reads all certificates of this machine."""
    with httpx.Client(base_url=common_server.url, timeout=120) as opened:
        yield opened


@contextmanager
def watching(running: Running) -> Iterator[Watch]:
    watch = Watch()
    slow = slowness()
    gc.collect()
    gc.freeze()
    task = asyncio.run_coroutine_threadsafe(watch.look(), running.loop)
    yield watch
    watch.is_over = True
    task.result(60)
    watch.longest /= max(slow, slowness())


def field(name: str, value: str) -> str:
    return f'{{"K": 2, "width": 2, "{name}": {value}}}'


def array(item: str, count: int) -> str:
    return f"[{','.join([item] * count)}]"


def members(count: int) -> str:
    return "{" + ",".join(f'"x{n}": 0' for n in range(count)) + "}"


BODIES = {
    "numbers for names": field("structures", array("1", 400_000)),
    "empty names": field("structures", array('""', 300_000)),
    "long names": field("structures", array('"' + "x" * 15_000 + '"', 64)),
    "empty rows": field("teacher_gram", array("[]", 250_000)),
    "rows of one": field("teacher_gram", array("[1]", 250_000)),
    "one long row": field("teacher_gram", f"[{array('1', 500_000)}]"),
    "no numbers": field("teacher_gram", array(array("{}", 511), 512)),
    "numbers out of bounds": field("teacher_gram", array(array("1e30", 400), 512)),
    "too wide": field("teacher_gram", array(array("1", 512), 510)),
    "nests": field("teacher_gram", array("[[[[]]]]", 100_000)),
    "arrays in no field": field("x", array("[]", 340_000)),
    "arrays below the limit": field("x", array("[" * 200 + "]" * 200, 48)),
    "deep arrays": field("x", array("[" * 300 + "]" * 300, 1_700)),
    "deep objects": field("x", array('{"a":' * 200 + "1" + "}" * 200, 700)),
    "arrays of many names": "{" + ",".join(f'"{n}": []' for n in range(80_000)) + "}",
    "objects of many names": field(
        "x", "[" + ",".join(f'{{"{n}":0}}' for n in range(75_000)) + "]"
    ),
    "pairs for names": "{" + ",".join(f'"\\ud83d\\ude00{n}":0' for n in range(45_000)) + "}",
    "different texts": field(
        "structures", "[" + ",".join(f'"{n:06x}"' for n in range(110_000)) + "]"
    ),
    "nothing for numbers": field("teacher_gram", array(array("null", 400), 500)),
    "unknown fields": members(80_000),
    "unknown fields below the limit": members(9_900),
    "an object for a number": field("seed", members(70_000)),
    "an array for a number": field("seed", array("0", 500_000)),
    "an array": array("0", 500_000),
    "objects": array("{}", 340_000),
    "long numbers": field("structures", array("1" * 399, 2_600)),
    "a long text": field("certify", '"' + "x" * 1_000_000 + '"'),
    "escapes": field("certify", '"' + "\\u00e9" * 170_000 + '"'),
    "pairs": field("certify", '"' + "\\ud83d\\ude00" * 85_000 + '"'),
    "one name often": "{" + ",".join(['"K": 2'] * 130_000) + "}",
    "depth": field("x", "[" * 500_000),
    "blanks": " " * 1_000_000 + "{}",
    "open": '{"K": ' + array("0", 500_000),
}


@pytest.mark.parametrize("name", BODIES)
def test_no_body_holds_the_loop(running: Running, client: httpx.Client, name: str) -> None:
    body = BODIES[name].encode()
    assert len(body) <= LIMIT, len(body)
    headers = {"Content-Type": "application/json"}
    turns = []
    for _ in range(TRIES):
        with watching(running) as watch:
            answer = client.post("/v1/landscapes", content=body, headers=headers)
        assert answer.status_code in (400, 422), answer.text
        assert len(answer.content) < 30_000
        assert len(answer.json().get("errors", [])) <= 20
        turns.append(watch.longest)
        if watch.longest < LONGEST_TURN_SECONDS:
            break
    assert min(turns) < LONGEST_TURN_SECONDS


@pytest.mark.parametrize("piece", [b"1\r\n \r\n", b"2\r\n  \r\n"], ids=len)
def test_no_body_in_small_pieces_holds_the_loop(
    running: Running, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte by itself. uvicorn copies what it has of a body for every piece: a gigabyte for
    what comes in one read, were it handed each of them."""
    handed: list[int] = []
    on_body = HttpToolsProtocol.on_body

    def counted(protocol: HttpToolsProtocol, body: bytes) -> None:
        handed.append(len(body))
        on_body(protocol, body)

    monkeypatch.setattr(HttpToolsProtocol, "on_body", counted)
    head = (
        b"POST /v1/landscapes HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    request = b'{"K": 2, "width": 2, "starts": -1}'
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in request)
    count = LIMIT // len(piece)
    address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
    with socket.create_connection(address) as client, watching(running) as watch:
        client.sendall(head + body + piece * count + b"0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"starts = -1 is not accepted" in answer
    assert sum(handed) == len(request) + count * int(piece[:1])
    assert len(handed) < count / 100
    assert watch.longest < LONGEST_TURN_SECONDS


def test_no_query_string_holds_the_loop(running: Running, client: httpx.Client) -> None:
    """As long as the server takes them; each is read where it came."""
    queries = {
        "waits": "&".join(["wait=1"] * 2_000),
        "fields": "&".join(f"x{n}=1" for n in range(1_800)),
        "names": "K=2&width=2&structures=" + "," * 15_000,
        "rows": "K=2&width=2&teacher_gram=[" + ",".join(["[]"] * 4_500) + "]",
        "depth": "K=2&width=2&teacher_gram=" + "[" * 15_000,
        "number": "K=" + "9" * 15_000,
    }
    for name, query in queries.items():
        with watching(running) as watch:
            answer = client.get(f"/v1/landscape?{query}")
        assert answer.status_code == 422, name
        assert watch.longest < LONGEST_TURN_SECONDS, name


def test_a_good_matrix_is_still_read(running: Running, client: httpx.Client) -> None:
    """A matrix of the largest width that this service takes, in a body that is read in a thread."""
    width = 64
    gram = [[1.0 if i == j else 0.001 for j in range(width)] for i in range(width)]
    body = {"K": width, "width": width, "starts": 10, "teacher_gram": gram}
    with watching(running) as watch:
        answer = client.post("/v1/landscapes", json=body)
        assert answer.status_code in (200, 202), answer.text
        assert json.loads(client.get("/v1/landscapes").text)["items"]
    assert watch.longest < LONGEST_TURN_SECONDS
