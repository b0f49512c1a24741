"""Whoever has an answer already is told so, wherever one is read."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from relu_landscape.analyses import ANALYSES, function
from tests.api.conftest import service_of

ASKED = {"student_width": 3, "teacher_width": 2, "starts": 10}
READ = (
    "/v1/jobs", "/v1/landscapes?limit=3", "/v1/jobs?fields=id", "/v1/jobs/{id}",
    "/v1/landscapes/{id}", "/v1/landscapes/{id}/fixed-points",
    "/v1/landscapes/{id}/fixed-points/m1",
    "/v1/families?K=7&width=7&structure=global", "/v1/atlas", "/v1/service-info",
    "/v1/schema.json", "/v1/me",
)  # fmt: skip


@pytest.mark.parametrize("path", READ)
def test_every_read_is_conditional(client: TestClient, path: str) -> None:
    call = ANALYSES.call("family")
    service_of(client).answers_to_calls["family"] = function(call.function)
    url = path.format(id=client.post("/v1/landscapes", json=ASKED).json()["id"])
    first = client.get(url)
    tag = first.headers["etag"]
    assert (first.status_code, tag[:3]) == (200, 'W/"')
    for named in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = client.get(url, headers={"If-None-Match": named})
        assert (again.status_code, again.content) == (304, b""), named
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    for named in ('"other"', 'W/"0"'):
        again = client.get(url, headers={"If-None-Match": named})
        assert (again.status_code, again.content) == (200, first.content)
    head = client.head(url)
    assert (head.headers["etag"], head.content) == (tag, b"")


def test_a_list_that_changed_has_another_tag(client: TestClient) -> None:
    job = client.post("/v1/landscapes", json=ASKED).json()["id"]
    tags = [client.get("/v1/jobs").headers["etag"]]
    client.put(f"/v1/jobs/{job}/pin")
    tags.append(client.get("/v1/jobs").headers["etag"])
    client.delete(f"/v1/jobs/{job}/pin")
    assert client.get("/v1/jobs").headers["etag"] == tags[0] != tags[1]
    answer = client.get("/v1/jobs", headers={"If-None-Match": tags[1]})
    assert answer.status_code == 200


def test_tables_of_other_forms_have_other_tags(client: TestClient) -> None:
    client.post("/v1/landscapes", json=ASKED)
    forms = [client.get("/v1/jobs", headers={"Accept": each}) for each in ("text/csv", "*/*")]
    assert len({each.headers["etag"] for each in forms}) == 2
    assert all("Accept" in each.headers["vary"] for each in forms)


def test_what_is_no_plain_read_has_no_tag(client: TestClient) -> None:
    job = client.post("/v1/landscapes", json=ASKED).json()["id"]
    answers = [
        client.get("/v1/landscapes/" + "0" * 64, headers={"If-None-Match": "*"}),
        client.get("/v1/jobs?limit=0", headers={"If-None-Match": "*"}),
        client.put(f"/v1/jobs/{job}/pin", headers={"If-None-Match": "*"}),
        client.get(f"/v1/landscapes/{job}/events", headers={"If-None-Match": "*"}),
    ]
    assert [each.status_code for each in answers] == [404, 422, 200, 200]
    assert all("etag" not in each.headers for each in answers)
