"""Pinning finished results, and taking the pin away."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import service_of
from tests.api.layers.test_gate import bearer, make_key

ASKED = {"student_width": 3, "teacher_width": 2, "starts": 10}


@pytest.mark.parametrize(
    ("path", "asked"),
    [("landscapes", ASKED), ("trajectories", {"student_width": 2, "teacher_width": 2})],
)
def test_pinned_and_let_go(client: TestClient, path: str, asked: dict[str, int]) -> None:
    job = client.post(f"/v1/{path}", json=asked).json()["id"]
    pin = f"/v1/jobs/{job}/pin"
    for call, pinned in ((client.put, True), (client.delete, False)):
        for _ in range(2):
            answer = call(pin)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store"
            assert (answer.json()["id"], answer.json()["pinned"]) == (job, pinned)
            (listed,) = client.get("/v1/jobs").json()["items"]
            assert listed["pinned"] is pinned


def test_what_cannot_be_pinned(client: TestClient) -> None:
    for job in ("0" * 64, "nothing"):
        for call in (client.put, client.delete):
            assert call(f"/v1/jobs/{job}/pin").status_code == 404
    service_of(client).holds_jobs = True
    job = client.post("/v1/landscapes", json=ASKED).json()["id"]
    answer = client.put(f"/v1/jobs/{job}/pin")
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:relu-landscape:problem:wrong-state"
    assert "only a finished one can be pinned" in answer.json()["detail"]


def test_who_pinned_what_is_remembered(client: TestClient) -> None:
    ada, root = make_key(client, "ada"), make_key(client, "root", "admin")
    job = client.post("/v1/landscapes", json=ASKED, headers=bearer(ada)).json()["id"]
    client.put(f"/v1/jobs/{job}/pin", headers=bearer(ada))
    client.delete(f"/v1/jobs/{job}/pin", headers=bearer(root))
    page = client.get("/v1/audit", headers=bearer(root)).json()
    assert [(each["who"], each["action"], each["what"]) for each in page["items"]] == [
        ("root", "unpinned", job), ("ada", "pinned", job), ("ada", "submitted", job),
    ]  # fmt: skip
