"""Asking for landscapes, waiting for them, reading, cancelling and listing them."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.landscape import Landscape, LandscapeFinding
from tests.api.conftest import MakeClient, service_of

ASKED = {"student_width": 3, "teacher_width": 2, "starts": 10}


def hold(client: TestClient) -> None:
    """Keep jobs from ending."""
    service_of(client).holds_jobs = True


def let_go(client: TestClient) -> None:
    """Bring every job to its end, and keep none any more."""
    service = service_of(client)
    service.from_thread(service.release)


def test_a_new_request_is_accepted_and_the_finished_one_answered(client: TestClient) -> None:
    hold(client)
    accepted = client.post("/v1/landscapes", json=ASKED)
    assert accepted.status_code == 202
    status = accepted.json()
    assert status["state"] in ("queued", "running")
    assert accepted.headers["location"] == f"/v1/landscapes/{status['id']}"
    assert 1 <= int(accepted.headers["retry-after"]) <= 30
    assert accepted.headers["cache-control"] == "no-store"

    let_go(client)
    known = client.post("/v1/landscapes", json=ASKED, headers={"Prefer": "wait=10"})
    assert known.status_code == 200
    assert known.headers["preference-applied"] == "wait=10"
    assert known.headers["content-location"] == f"/v1/landscapes/{status['id']}"
    landscape = Landscape.model_validate(known.json())
    assert landscape.id == status["id"]
    assert landscape.request.student_width == 3
    assert service_of(client).computations == 1


def test_short_and_long_names_are_one_request(client: TestClient) -> None:
    ids = {
        client.post("/v1/landscapes", json=body).json()["id"]
        for body in (ASKED, {"width": 3, "K": 2, "starts": 10})
    }
    query = client.get("/v1/landscape", params={"K": 2, "width": 3, "starts": 10})
    assert query.status_code == 200
    assert ids == {query.json()["id"]}
    assert query.json()["request"]["teacher_width"] == 2


def test_a_request_that_leaves_the_starts_out_is_within_the_limit(make_client: MakeClient) -> None:
    """A limit below the default used to refuse every request that did not speak of starts."""
    client = make_client(largest_starts=200)
    query = client.get("/v1/landscape?K=2&width=2")
    assert query.status_code == 200
    assert query.json()["request"]["starts"] == 200
    posted = client.post("/v1/landscapes", json={"K": 2, "width": 2})
    assert posted.json()["id"] == query.json()["id"]
    asked = client.post("/v1/landscapes", json={"K": 2, "width": 2, "starts": 201})
    assert asked.json()["errors"][0]["message"].endswith("at most 200 here.")
    # The default that holds is the one that is said.
    shapes = client.get("/v1/schema.json").json()["analyses"]["landscape"]
    assert shapes["defaults"]["starts"] == 200
    schema = client.get("/openapi.json").json()["components"]["schemas"]["LandscapeRequest"]
    assert schema["properties"]["starts"]["default"] == 200


def test_wait_is_limited_in_time(client: TestClient) -> None:
    hold(client)
    answer = client.get("/v1/landscape?K=2&width=2&wait=0.05")
    assert answer.status_code == 202
    assert answer.headers["server-timing"].startswith("wait;dur=")
    assert client.get("/v1/landscape?K=2&width=2&wait=61").status_code == 422


def test_a_failed_job_is_a_conflict_when_its_result_is_asked_for(client: TestClient) -> None:
    service_of(client).failure = "The integrator gave up."
    answer = client.get("/v1/landscape?K=2&width=2")
    assert answer.status_code == 409
    assert "The integrator gave up." in answer.json()["detail"]
    content_id = answer.json()["detail"].split()[2]
    state = client.get(f"/v1/landscapes/{content_id}")
    assert state.status_code == 200
    assert state.json()["state"] == "failed"
    assert state.json()["error"] == "The integrator gave up."
    # Asking again starts it again.
    service_of(client).failure = None
    assert client.get("/v1/landscape?K=2&width=2").status_code == 200


def test_entity_tags_save_the_second_transfer(client: TestClient) -> None:
    content_id = client.get("/v1/landscape?K=2&width=2").json()["id"]
    first = client.get(f"/v1/landscapes/{content_id}")
    assert first.status_code == 200
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    etag = first.headers["etag"]
    for tag in (etag, f'"other", {etag}', "*", etag.removeprefix("W/")):
        again = client.get(f"/v1/landscapes/{content_id}", headers={"If-None-Match": tag})
        assert again.status_code == 304, tag
        assert again.content == b""
        assert again.headers["etag"] == etag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    other = client.get(f"/v1/landscapes/{content_id}", headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    # The same query may name another landscape after an update, so it is asked again each time.
    query = client.get("/v1/landscape?K=2&width=2", headers={"If-None-Match": etag})
    assert query.status_code == 304
    assert query.headers["cache-control"] == "no-cache"


def test_a_key_makes_caches_private(make_client: MakeClient) -> None:
    client = make_client(api_key="correct horse")
    headers = {"Authorization": "Bearer correct horse"}
    content_id = client.get("/v1/landscape?K=2&width=2", headers=headers).json()["id"]
    answer = client.get(f"/v1/landscapes/{content_id}", headers=headers)
    assert answer.headers["cache-control"].startswith("private")


def test_state_while_it_runs(client: TestClient) -> None:
    hold(client)
    content_id = client.post("/v1/landscapes", json=ASKED).json()["id"]
    service = service_of(client)
    job = service.jobs[content_id]
    found = LandscapeFinding(key="m1", kind="unclassified", loss=0.5, hits=1)
    service.from_thread(lambda: job.find(found))
    service.from_thread(lambda: job.report(Progress(fraction=0.25, seconds_left=12.3)))
    state = client.get(f"/v1/landscapes/{content_id}", headers={"Prefer": "wait=0"})
    assert state.status_code == 200
    body = state.json()
    assert (body["kind"], body["state"]) == ("landscape", "running")
    assert body["progress"]["fraction"] == 0.25
    assert body["findings"] == [{"key": "m1", "kind": "unclassified", "loss": 0.5, "hits": 1}]
    assert state.headers["retry-after"] == "13"  # 12.3 seconds left, rounded up
    assert state.headers["etag"].startswith('W/"')  # of the state: it changes with it


def test_cancelling_takes_until_the_cores_are_free(client: TestClient) -> None:
    hold(client)
    content_id = client.post("/v1/landscapes", json=ASKED).json()["id"]
    stopping = client.delete(f"/v1/landscapes/{content_id}")
    assert stopping.status_code == 202
    assert stopping.json()["state"] == "cancelling"
    let_go(client)
    ended = client.get(f"/v1/landscapes/{content_id}", headers={"Prefer": "wait=10"})
    assert ended.json()["state"] == "cancelled"
    assert client.delete(f"/v1/landscapes/{content_id}").status_code == 200


def test_a_finished_landscape_cannot_be_cancelled(client: TestClient) -> None:
    content_id = client.get("/v1/landscape?K=2&width=2").json()["id"]
    assert client.delete(f"/v1/landscapes/{content_id}").json()["state"] == "finished"


def test_a_cancelled_landscape_is_a_conflict_for_those_who_wait(client: TestClient) -> None:
    hold(client)
    content_id = client.post("/v1/landscapes", json=ASKED).json()["id"]
    client.delete(f"/v1/landscapes/{content_id}")
    let_go(client)
    client.get(f"/v1/landscapes/{content_id}", headers={"Prefer": "wait=10"})
    # A new request starts it again instead of answering 409.
    assert client.post("/v1/landscapes", json=ASKED).status_code in (200, 202)


def test_unknown_ids_are_not_found(client: TestClient) -> None:
    for content_id in ("0" * 64, "nothing", "0" * 63, "Z" * 64, "%00", "%ff%fe", "\u00e9"):
        for path in ("", "/events", "/fixed-points/m1"):
            answer = client.get(f"/v1/landscapes/{content_id}{path}")
            assert answer.status_code == 404, (content_id, path)
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.delete(f"/v1/landscapes/{content_id}").status_code == 404


def test_the_list_is_read_page_by_page(client: TestClient) -> None:
    ids = [client.get(f"/v1/landscape?K={k}&width=1").json()["id"] for k in range(1, 6)]
    seen: list[str] = []
    path: str | None = "/v1/landscapes?limit=2"
    while path:
        page = client.get(path)
        assert page.status_code == 200
        seen += [item["id"] for item in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        path = f"/v1/landscapes?limit=2&cursor={cursor}" if cursor else None
        assert (page.links.get("next", {}).get("url") is None) == (cursor is None)
    assert seen == ids[::-1]


def gram(width: int) -> list[list[float]]:
    """Far enough from the identity to be kept, and positive definite."""
    return [[1.0 if i == j else 0.001 for j in range(width)] for i in range(width)]


@pytest.mark.parametrize("path", ["/v1/landscapes", "/v1/jobs"])
def test_a_list_leaves_out_what_is_long(client: TestClient, path: str) -> None:
    for width in (8, 9):
        body = {"K": width, "width": width, "teacher_gram": gram(width)}
        client.post("/v1/landscapes", json=body)
    long, short = client.get(path).json()["items"]
    assert (long["left_out"], long["request"]["teacher_gram"]) == (["teacher_gram"], None)
    assert (short["left_out"], short["request"]["teacher_gram"]) == ([], gram(8))
    # Nothing is lost: the id is that of the whole request, under which it is found.
    whole = client.get(f"/v1/landscapes/{long['id']}").json()
    assert whole["request"]["teacher_gram"] == gram(9)


def test_the_largest_page_is_small(client: TestClient) -> None:
    """It had 10.7 MB, and each browser that shows the list asks for it."""
    service_of(client).holds_jobs = True
    for seed in range(200):
        body = {"K": 48, "width": 48, "seed": seed, "teacher_gram": gram(48)}
        client.post("/v1/landscapes", json=body)
    answer = client.get("/v1/landscapes?limit=200", headers={"Accept-Encoding": "identity"})
    assert len(answer.json()["items"]) == 200
    assert len(answer.content) < 250_000


def test_a_wrong_page_is_refused(client: TestClient) -> None:
    for query, field in (
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=2.5", "limit"),
        ("limit=", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=" + "1" * 600, "cursor"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ):
        answer = client.get(f"/v1/landscapes?{query}")
        assert answer.status_code == 422, query
        assert [item["field"] for item in answer.json()["errors"]] == [field]


def test_a_full_service_says_when_to_come_back(client: TestClient) -> None:
    service_of(client).is_full = True
    answer = client.post("/v1/landscapes", json=ASKED)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["type"].endswith(":busy")


def test_large_answers_are_compressed(client: TestClient) -> None:
    answer = client.get("/v1/landscape?K=40&width=40", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["vary"]
    assert answer.json()["request"]["teacher_width"] == 40
    plain = client.get("/v1/landscape?K=40&width=40", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == answer.json()


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("*", True),
        ("*;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*, gzip;q=0", False),
        ("gzip, *;q=0", True),
        ("*;q=0", False),
        ("identity", False),
        ("gzipped", False),
        ("", False),
    ],
)
def test_what_is_compressed_is_what_was_accepted(
    client: TestClient, accepted: str, is_compressed: bool
) -> None:
    headers = {"Accept-Encoding": accepted}
    answer = client.get("/v1/landscape?K=40&width=40", headers=headers)
    assert ("content-encoding" in answer.headers) is is_compressed
    assert "Accept-Encoding" in answer.headers["vary"]
    assert answer.json()["request"]["teacher_width"] == 40
