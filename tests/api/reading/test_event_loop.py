"""No request keeps the others waiting: what it costs the event loop is bounded.

Measured is the processor time of the loop's own thread between two turns of it, which a busy
machine does not lengthen. Before, a megabyte of faults cost tens of seconds in one turn.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2 as httpx
import pytest

from tests.serving import Running

#: Processor time in one turn of the loop; a person notices about twice as much.
LONGEST_TURN_SECONDS = 0.05
LIMIT = 1_048_576


class Watch:
    """The longest turn of a loop, in processor time of its thread."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.is_over = False

    async def look(self) -> None:
        before = time.thread_time()
        while not self.is_over:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.longest = max(self.longest, now - before)
            before = now


@contextmanager
def watching(running: Running) -> Iterator[Watch]:
    watch = Watch()
    task = asyncio.run_coroutine_threadsafe(watch.look(), running.loop)
    yield watch
    watch.is_over = True
    task.result(60)


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
    "unknown fields": members(80_000),
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
def test_no_body_holds_the_loop(running: Running, name: str) -> None:
    body = BODIES[name].encode()
    assert len(body) <= LIMIT, len(body)
    headers = {"Content-Type": "application/json"}
    with httpx.Client(base_url=running.url, timeout=120) as client, watching(running) as watch:
        answer = client.post("/v1/landscapes", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert len(answer.content) < 30_000
    assert len(answer.json().get("errors", [])) <= 20
    assert watch.longest < LONGEST_TURN_SECONDS


def test_no_query_string_holds_the_loop(running: Running) -> None:
    """As long as the server takes them; each is read where it came."""
    queries = {
        "waits": "&".join(["wait=1"] * 2_000),
        "fields": "&".join(f"x{n}=1" for n in range(1_800)),
        "names": "K=2&width=2&structures=" + "," * 15_000,
        "rows": "K=2&width=2&teacher_gram=[" + ",".join(["[]"] * 4_500) + "]",
        "depth": "K=2&width=2&teacher_gram=" + "[" * 15_000,
        "number": "K=" + "9" * 15_000,
    }
    with httpx.Client(base_url=running.url, timeout=120) as client:
        for name, query in queries.items():
            with watching(running) as watch:
                answer = client.get(f"/v1/landscape?{query}")
            assert answer.status_code == 422, name
            assert watch.longest < LONGEST_TURN_SECONDS, name


def test_a_good_matrix_is_still_read(running: Running) -> None:
    """A matrix of the largest width that this service takes, in a body that is read in a thread."""
    width = 64
    gram = [[1.0 if i == j else 0.001 for j in range(width)] for i in range(width)]
    body = {"K": width, "width": width, "starts": 10, "teacher_gram": gram}
    with httpx.Client(base_url=running.url, timeout=120) as client, watching(running) as watch:
        answer = client.post("/v1/landscapes", json=body)
        assert answer.status_code in (200, 202), answer.text
        assert json.loads(client.get("/v1/landscapes").text)["items"]
    assert watch.longest < LONGEST_TURN_SECONDS
