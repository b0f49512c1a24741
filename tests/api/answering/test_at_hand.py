"""Results that this process has sent before: the same answer, without the store."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from anyio.from_thread import BlockingPortal
from fastapi import FastAPI
from starlette.testclient import TestClient

from relu_landscape.errors import StoreUnavailable
from relu_landscape_api.answering.at_hand import Encoded, ResultsAtHand, encoded
from tests.api.conftest import MakeClient, service_of

ASKED = {"student_width": 2, "teacher_width": 2}
#: What differs from one answer to the next, whoever gives it.
OWN = {"x-request-id", "server-timing", "preference-applied"}


@pytest.fixture
def path(client: TestClient) -> str:
    """Where a result is that the client's application has sent once."""
    found = client.post("/v1/landscapes", json=ASKED).json()
    return f"/v1/landscapes/{found['id']}"


def headers(client: TestClient, path: str, **sent: str) -> dict[str, str]:
    answer = client.get(path, headers=sent)
    assert answer.status_code in (200, 304)
    return {name: value for name, value in answer.headers.items() if name not in OWN}


def test_the_store_is_not_asked_again(client: TestClient, path: str) -> None:
    first = client.get(path).content
    service_of(client).error = StoreUnavailable("The store does not answer.")
    assert client.get(path).content == first
    assert client.get("/v1/landscape?K=2&width=2").content == first
    assert client.post("/v1/landscapes", json=ASKED).content == first
    assert client.get("/v1/landscape?K=3&width=2").status_code == 503


@pytest.mark.parametrize(
    "sent",
    [
        {"Accept-Encoding": "gzip"},
        {"Accept-Encoding": "identity"},
        {"Accept-Encoding": "gzip;q=0"},
        {"If-None-Match": "*"},
    ],
    ids=str,
)
def test_the_route_would_answer_the_same(
    client: TestClient, path: str, sent: dict[str, str]
) -> None:
    """A preference takes the long way round."""
    assert headers(client, path, **sent) == headers(client, path, Prefer="wait=0", **sent)


def test_it_is_sent_compressed_to_those_who_accept_that(client: TestClient, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    zipped = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < 0.6 * int(plain.headers["content-length"])
    assert zipped.content == plain.content  # the client has unpacked it


def test_head_and_conditions_hold(client: TestClient, path: str) -> None:
    whole = client.get(path)
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    same = client.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_a_cancelled_or_forgotten_job_is_another_matter(client: TestClient, path: str) -> None:
    assert client.delete(path).json()["state"] == "finished"
    assert client.get(f"{path}x").status_code == 404
    assert client.get(f"{path}/events").status_code == 200


def test_the_key_is_asked_for_first(make_client: MakeClient) -> None:
    client = make_client(api_key="correct horse")
    key = {"Authorization": "Bearer correct horse"}
    found = client.post("/v1/landscapes", json=ASKED, headers=key).json()
    path = f"/v1/landscapes/{found['id']}"
    assert client.get(path, headers=key).headers["cache-control"].startswith("private, ")
    assert client.get(path).status_code == 401


def test_a_service_may_keep_none(make_client: MakeClient) -> None:
    client = make_client(results_at_hand_bytes=0)
    found = client.post("/v1/landscapes", json=ASKED).json()
    path = f"/v1/landscapes/{found['id']}"
    assert client.get(path).json() == found
    service_of(client).error = StoreUnavailable("The store does not answer.")
    assert client.get(path).status_code == 503


def result(size: int, kind: str = "landscape") -> Encoded:
    return Encoded(kind, b"x" * size, None)


def test_the_one_asked_for_longest_ago_goes_first() -> None:
    kept = ResultsAtHand(10, None)
    for name in ("a", "b"):
        kept.keep(name, result(5), kept.drops)
    assert kept.find("landscape", "a") is not None
    kept.keep("c", result(5), kept.drops)
    assert [kept.find("landscape", name) is not None for name in "abc"] == [True, False, True]
    kept.keep("d", result(11), kept.drops)  # larger than everything may be: the others stay
    assert kept.find("landscape", "d") is None
    assert kept.find("landscape", "a") is not None


def test_an_id_of_another_kind_is_not_found() -> None:
    kept = ResultsAtHand(10, None)
    kept.keep("a", result(5, "tally"), kept.drops)
    assert kept.find("landscape", "a") is None


def test_what_the_store_forgets_is_forgotten() -> None:
    now = [0.0]
    kept = ResultsAtHand(10, 60, clock=lambda: now[0])
    kept.keep("a", result(5), kept.drops)
    now[0] = 59.0
    assert kept.find("landscape", "a") is not None
    now[0] = 60.0
    assert kept.find("landscape", "a") is None


@pytest.mark.parametrize("size", [100, 2_000, 50_000])
async def test_compressed_once_the_same_bytes(size: int) -> None:
    plain = json.dumps(list(range(size // 5))).encode()
    first = await encoded("landscape", plain)
    assert await encoded("landscape", plain) == first
    if size == 100:
        assert first.zipped is None
    else:
        assert first.zipped is not None
        assert gzip.decompress(first.zipped) == plain


def test_what_was_read_before_something_was_deleted_is_not_kept() -> None:
    """It may be the very result: compressing it takes a moment, and whoever deleted it is done."""
    kept = ResultsAtHand(100, None)
    before = kept.drops
    kept.drop("a")
    kept.keep("a", result(5), before)
    assert kept.find("landscape", "a") is None
    kept.keep("a", result(5), kept.drops)
    kept.keep("b", result(5), kept.drops)
    assert kept.find("landscape", "a") is not None
    kept.drop(None)
    assert kept.find("landscape", "a") is None
    assert kept.find("landscape", "b") is None


def test_what_another_process_deletes_is_sent_no_more(make_client: MakeClient) -> None:
    """It was sent from memory until the process ended."""
    client = make_client()
    made = client.post("/v1/landscapes", json={"student_width": 2, "teacher_width": 2}).json()
    path = f"/v1/landscapes/{made['id']}"
    service, app = service_of(client), client.app
    assert isinstance(app, FastAPI)
    at_hand = app.state.at_hand
    for _ in range(2):
        assert client.get(path).status_code == 200
    assert at_hand.find("landscape", made["id"]) is not None

    async def elsewhere() -> None:
        await service.delete(made["id"])
        await asyncio.sleep(0)  # what was said is heard at the next turn of the loop

    assert isinstance(client.portal, BlockingPortal)
    client.portal.call(elsewhere)
    assert client.get(path).status_code == 404
