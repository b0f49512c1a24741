"""Jobs under OGC API - Processes: lists of them, who may ask for them, and their dismissal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from relu_landscape.jobs.words import ANYONE
from tests.api.conftest import MakeClient, service_of
from tests.api.layers.test_gate import bearer, make_key
from tests.api.ogc_schemas import check
from tests.api.test_ogc import ASKED, EXCEPTION, LANDSCAPE, executed


def test_a_list_goes_on_page_by_page(client: TestClient) -> None:
    ids = [executed(client, {**ASKED, "seed": seed})["jobID"] for seed in range(5)]
    page = client.get("/ogc/jobs?limit=2&status=successful").json()
    seen: list[str] = []
    while True:
        check("jobList", page)
        assert len(page["jobs"]) <= 2
        seen += [each["jobID"] for each in page["jobs"]]
        following = [each["href"] for each in page["links"] if each["rel"] == "next"]
        if not following:
            break
        page = client.get(following[0]).json()
    assert seen == ids[::-1]


def test_a_list_is_chosen_by_process_state_time_and_duration(client: TestClient) -> None:
    service = service_of(client)
    done = executed(client, ASKED)
    points = client.post(
        "/ogc/processes/points/execution", json={"inputs": {"weights": [[1.0, 0.5], [0.5, 1.0]]}}
    ).json()
    service.holds_jobs = True
    running = executed(client, {**ASKED, "seed": 1})

    def listed(**query: Any) -> set[str]:
        answer = client.get("/ogc/jobs", params=query)
        assert answer.status_code == 200, answer.text
        return {each["jobID"] for each in answer.json()["jobs"]}

    every = {each["jobID"] for each in (done, points, running)}
    assert listed() == listed(type="process") == every
    assert listed(processID="points") == {points["jobID"]}
    assert listed(processID="points,landscape") == every
    assert listed(status="running") == {running["jobID"]}
    assert listed(status="successful,failed") == every - {running["jobID"]}
    assert listed(status="dismissed") == set()
    assert listed(datetime="2000-01-01/..") == listed(datetime="../2999-01-01") == every
    assert listed(datetime="../2000-01-01") == listed(datetime="2999-01-01/") == set()
    assert done["jobID"] in listed(datetime=done["created"])
    began = datetime.now(UTC) - timedelta(seconds=100)
    for info, seconds in ((done, 60), (running, None)):
        at = {"started_at": began.isoformat()}
        if seconds is not None:
            at["finished_at"] = (began + timedelta(seconds=seconds)).isoformat()
        job = service.jobs[info["jobID"]]
        job.status = job.status.model_copy(update=at)
    waits = service.jobs[points["jobID"]]
    waits.status = waits.status.model_copy(update={"started_at": None})
    assert listed() == every
    assert listed(minDuration=0) == {done["jobID"], running["jobID"]}  # the other never began
    assert listed(maxDuration=60) == listed(minDuration=60, maxDuration=61) == {done["jobID"]}
    assert listed(minDuration=61) == {running["jobID"]}
    assert listed(maxDuration=59) == listed(minDuration=10**6) == set()


@pytest.mark.parametrize(
    "query",
    [
        "status=queued", "type=job", "datetime=yesterday", "datetime=2026-13-01", "limit=0",
        "minDuration=-1", "maxDuration=x", "colour=red",
    ],
)  # fmt: skip
def test_a_list_of_nonsense_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/ogc/jobs?{query}")
    assert answer.status_code == 422
    check("exception", answer.json())


def test_a_list_of_a_process_that_there_is_not(client: TestClient) -> None:
    assert client.get("/ogc/jobs?processID=waterfall").status_code == 404


# ---- keys and dismissal ----


def test_keys_and_scopes_are_those_of_v1(make_client: MakeClient) -> None:
    client = make_client(api_key="a long key")
    for path in ("/ogc", "/ogc/", "/ogc/processes", "/ogc/jobs"):
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers=bearer("a long key")).status_code == 200
    reader = make_key(client, "ada", "read")
    answer = client.post(LANDSCAPE, json={"inputs": ASKED}, headers=bearer(reader))
    assert (answer.status_code, answer.json()["needed_scope"]) == (403, "submit")


def test_requests_are_counted_and_pages_of_others_refused(make_client: MakeClient) -> None:
    client = make_client(rate_limit="2/minute")
    headers = {"Origin": "https://elsewhere.example"}
    body = {"inputs": ASKED}
    assert client.post(LANDSCAPE, json=body, headers=headers).status_code == 403
    assert client.get("/ogc/jobs", headers={"Host": "elsewhere.example"}).status_code == 403
    assert client.get("/ogc/jobs").status_code == 429


def test_dismissing_lets_go_for_one_and_says_who_is_left(client: TestClient) -> None:
    ada, bob = make_key(client, "ada"), make_key(client, "bob")
    service_of(client).holds_jobs = True
    body = {"inputs": ASKED}
    info = client.post(LANDSCAPE, json=body, headers=bearer(ada)).json()
    client.post(LANDSCAPE, json=body, headers=bearer(bob))
    path = f"/ogc/jobs/{info['jobID']}"
    answer = client.delete(path, headers=bearer(ada))
    check("statusInfo", answer.json())
    assert (answer.status_code, answer.json()["status"]) == (200, "dismissed")
    assert answer.json()["message"] == "it goes on for others: 1"
    assert client.get(path, headers=bearer(bob)).json()["status"] == "running"
    assert client.delete(path, headers=bearer(bob)).json()["message"] == "it is gone"
    assert client.get(path, headers=bearer(bob)).json()["status"] == "dismissed"
    answer = client.get(f"{path}/results", headers=bearer(bob))
    assert (answer.status_code, answer.json()["title"]) == (409, "The job was cancelled")
    trail = client.get("/v1/audit", headers=bearer(make_key(client, "root", "admin"))).json()
    deeds = [
        (each["who"], each["action"]) for each in trail["items"] if each["what"] == info["jobID"]
    ]
    assert deeds == [
        ("bob", "cancelled"), ("ada", "cancelled"), ("bob", "submitted"), ("ada", "submitted"),
    ]  # fmt: skip


def test_one_that_is_over_is_deleted_by_administrators(client: TestClient) -> None:
    ada, root = make_key(client, "ada"), make_key(client, "root", "admin")
    body = {"inputs": ASKED}
    info = client.post(LANDSCAPE, json=body, headers=bearer(ada)).json()
    path = f"/ogc/jobs/{info['jobID']}"
    assert client.delete(path, headers=bearer(ada)).status_code == 403
    assert client.get(f"{path}/results", headers=bearer(ada)).status_code == 200
    answer = client.delete(path, headers=bearer(root))
    assert (answer.status_code, answer.json()["status"]) == (200, "dismissed")
    for each in (path, f"{path}/results"):
        assert client.get(each, headers=bearer(ada)).json()["type"] == f"{EXCEPTION}no-such-job"


def test_a_pinned_one_stays(client: TestClient) -> None:
    path = f"/ogc/jobs/{executed(client, ASKED)['jobID']}"
    client.put(f"{path.replace('/ogc', '/v1')}/pin")
    assert client.delete(path).status_code == 409
    assert client.get(path).json()["status"] == "successful"


def test_where_a_days_cores_are_used_up_nothing_new_is_computed(make_client: MakeClient) -> None:
    client = make_client(core_seconds_per_day=1)
    known = executed(client, ASKED)
    service_of(client).keys.used_today[ANYONE] = 1.0
    assert executed(client, ASKED)["jobID"] == known["jobID"]
    answer = client.post(LANDSCAPE, json={"inputs": {**ASKED, "seed": 9}})
    assert answer.status_code == 429
