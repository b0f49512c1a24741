"""Deleting jobs that are over."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import MakeClient, service_of
from tests.api.layers.test_gate import bearer, make_key

ASKED = {"student_width": 3, "teacher_width": 2, "starts": 10}


@pytest.mark.parametrize(
    ("path", "asked"),
    [("landscapes", ASKED), ("trajectories", {"student_width": 2, "teacher_width": 2})],
)
def test_a_deleted_job_is_not_found(client: TestClient, path: str, asked: dict[str, int]) -> None:
    job = client.post(f"/v1/{path}", json=asked).json()["id"]
    assert client.get(f"/v1/{path}/{job}").status_code == 200
    answer = client.delete(f"/v1/jobs/{job}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get("/v1/jobs").json()["items"] == []
    for url in (f"/v1/{path}/{job}", f"/v1/{path}/{job}/events"):
        assert client.get(url).status_code == 404
    assert client.delete(f"/v1/jobs/{job}").status_code == 404
    assert client.delete("/v1/jobs/nothing").status_code == 404


def test_this_process_has_it_at_hand_no_longer(make_client: MakeClient) -> None:
    """Results are sent from memory without asking the store, so a deleted one was still served."""
    client = make_client(results_at_hand_bytes=10**6)
    job = client.post("/v1/landscapes", json=ASKED).json()["id"]
    other = client.post("/v1/landscapes", json={**ASKED, "seed": 1}).json()["id"]
    for each in (job, other):
        assert client.get(f"/v1/landscapes/{each}").status_code == 200
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert client.get(f"/v1/landscapes/{job}").status_code == 404
    assert client.get(f"/v1/landscapes/{other}").status_code == 200


def test_what_is_not_over_or_is_pinned_stays(client: TestClient) -> None:
    pinned = client.post("/v1/landscapes", json={**ASKED, "seed": 1}).json()["id"]
    client.put(f"/v1/jobs/{pinned}/pin")
    service_of(client).holds_jobs = True
    running = client.post("/v1/landscapes", json=ASKED).json()["id"]
    for job, remedy in ((pinned, "unpin it"), (running, "cancel it")):
        answer = client.delete(f"/v1/jobs/{job}")
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:relu-landscape:problem:wrong-state"
        assert remedy in answer.json()["detail"]
        assert client.get(f"/v1/landscapes/{job}").status_code == 200


def test_administrators_alone_delete_and_it_is_remembered(client: TestClient) -> None:
    ada, root = make_key(client, "ada"), make_key(client, "root", "admin")
    job = client.post("/v1/landscapes", json=ASKED, headers=bearer(ada)).json()["id"]
    assert client.delete(f"/v1/jobs/{job}", headers=bearer(ada)).status_code == 403
    assert client.get(f"/v1/landscapes/{job}", headers=bearer(ada)).status_code == 200
    assert client.delete(f"/v1/jobs/{job}", headers=bearer(root)).status_code == 204
    items = client.get("/v1/audit", headers=bearer(root)).json()["items"]
    assert [(each["who"], each["action"], each["what"], each["kind"]) for each in items] == [
        ("root", "deleted", job, "landscape"), ("ada", "submitted", job, "landscape"),
    ]  # fmt: skip
