"""Lists over HTTP: what is chosen, in which order, and what of each job; tags and notes."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import service_of
from tests.api.layers.test_gate import bearer, make_key

LANDSCAPE = {"student_width": 3, "teacher_width": 2, "starts": 10}


def ids(client: TestClient, query: str = "", **headers: Any) -> list[str]:
    answer = client.get(f"/v1/jobs?{query}", **headers)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def ask(client: TestClient, place: str = "landscapes", **body: Any) -> str:
    asked = LANDSCAPE | body if place == "landscapes" else body
    return str(client.post(f"/v1/{place}", json=asked).json()["id"])


def test_jobs_are_chosen_by_what_was_asked(client: TestClient) -> None:
    narrow, wide = ask(client, seed=1), ask(client, student_width=5, seed=2)
    run = ask(client, "trajectories", student_width=5, teacher_width=2)
    for query, found in (
        ("", [run, wide, narrow]),
        ("student_width=5", [run, wide]),
        ("student=5&K=2&kind=landscape", [wide]),
        ("seed=1", [narrow]),
        ("kind=landscape,trajectory&seed=2", [wide]),
        ("state=finished", [run, wide, narrow]),
        ("state=queued,running", []),
        ("since=2026-01-02&until=2026-01-03", [run, wide, narrow]),
        ("since=2026-01-02T03:04:05.679Z", []),
        ("until=2026-01-02T03:04:05.678Z", []),
        ("until=2026-01-02T05:04:05.679%2B02:00", [run, wide, narrow]),
        ("sort=student_width", [narrow, run, wide]),
        ("sort=-student_width&limit=1", [run]),
        (f"id={narrow[:20]}", [narrow]),
        ("text=TRAJEC", [run]),
        ("input_dimension=1000&seed=2", [wide]),
    ):
        assert ids(client, query) == found, query
    assert [item["id"] for item in client.get("/v1/landscapes?seed=2").json()["items"]] == [wide]


def test_the_next_page_is_of_the_same_list(client: TestClient) -> None:
    jobs = [ask(client, student_width=width, seed=width % 2) for width in range(2, 9)]
    page = client.get("/v1/jobs?sort=-student_width&seed=0&limit=2&fields=id")
    seen = page.json()["items"]
    while "next" in page.links:
        page = client.get(page.links["next"]["url"])
        seen += page.json()["items"]
    assert seen == [{"id": job} for job in reversed(jobs[::2])]
    cursor = client.get("/v1/jobs?sort=-student_width&limit=2").json()["next_cursor"]
    answer = client.get(f"/v1/jobs?sort=student_width&cursor={cursor}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_what_is_wrong_is_named(client: TestClient) -> None:
    for query, field in (
        ("kind=landscape,tally", "kind"), ("state=done", "state"),
        ("student_width=x", "student_width"),
        ("seed=-1", "seed"), ("since=2026-02-30", "since"), ("since=yesterday", "since"),
        ("until=1700000000", "until"), ("sort=loss", "sort"), ("id=XY", "id"), ("tag=a%20b", "tag"),
        ("text=", "text"), ("fields=id,nothing", "fields"), ("mine=perhaps", "mine"),
        ("mine=true&asker=bob", "asker"), ("K=2&teacher_width=2", "teacher_width"),
    ):  # fmt: skip
        answer = client.get(f"/v1/jobs?{query}")
        assert answer.status_code == 422, query
        assert [item["field"] for item in answer.json()["errors"]] == [field], query
    answer = client.get("/v1/landscapes?kind=landscape")  # there it goes without saying
    assert [item["field"] for item in answer.json()["errors"]] == ["kind"]


def test_some_members_alone_and_a_table(client: TestClient) -> None:
    job = ask(client, seed=3)
    page = client.get("/v1/jobs?fields=id,request.seed,error").json()
    assert page == {
        "items": [{"id": job, "request.seed": 3, "error": None}], "next_cursor": None,
    }  # fmt: skip
    client.patch(f"/v1/jobs/{job}", json={"tags": ["b", "a"], "note": 'with "quotes", commas'})
    answer = client.get("/v1/jobs", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="jobs.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text))
    wanted = {"id": job, "state": "finished", "request.seed": "3", "tags": "a;b", "error": ""}
    assert {name: row[name] for name in wanted} == wanted
    assert row["note"] == 'with "quotes", commas'
    refused = client.get("/v1/jobs", headers={"Accept": "image/png"})
    assert refused.status_code == 406


def test_a_key_lists_its_own_and_an_administrator_anybodys(client: TestClient) -> None:
    ada, bob, root = (make_key(client, *who) for who in (("ada",), ("bob",), ("root", "admin")))
    first = client.post("/v1/landscapes", json=LANDSCAPE, headers=bearer(ada)).json()["id"]
    body = {**LANDSCAPE, "seed": 1}
    second = client.post("/v1/landscapes", json=body, headers=bearer(bob)).json()["id"]
    # Finished and at hand: whoever asks for it now has asked for it as well.
    client.post("/v1/landscapes", json=LANDSCAPE, headers=bearer(bob))
    for key, query, found in (
        (ada, "mine=true", [first]), (bob, "mine=true", [second, first]),
        (bob, "asker=bob", [second, first]), (root, "mine=true", []), (root, "asker=ada", [first]),
        (ada, "", [second, first]),
    ):  # fmt: skip
        assert ids(client, query, headers=bearer(key)) == found, query
    refused = client.get("/v1/jobs?asker=bob", headers=bearer(ada))
    assert (refused.status_code, refused.json()["needed_scope"]) == (403, "admin")


def test_tags_and_notes_are_ones_own(client: TestClient) -> None:
    ada, bob, root = (make_key(client, *who) for who in (("ada",), ("bob",), ("root", "admin")))
    service_of(client).holds_jobs = True
    job = client.post("/v1/landscapes", json=LANDSCAPE, headers=bearer(ada)).json()["id"]
    path = f"/v1/jobs/{job}"

    def said(key: str, url: str = path) -> tuple[list[str], str | None, list[Any]]:
        status = client.get(url, headers=bearer(key)).json()
        return status["tags"], status["note"], status["labels"]

    change = {"tags": ["paper", "fig/3", "paper"], "note": "für K = 3\nagain"}
    answer = client.patch(path, json=change, headers=bearer(ada))
    assert answer.status_code == 200
    assert (answer.json()["tags"], answer.json()["labels"]) == (["fig/3", "paper"], [])
    assert client.patch(path, json={"tags": ["old"]}, headers=bearer(bob)).json()["tags"] == ["old"]
    for url in (path, f"/v1/landscapes/{job}"):
        assert said(ada, url) == (["fig/3", "paper"], "für K = 3\nagain", [])
        assert said(bob, url) == (["old"], None, [])
        assert said(root, url) == ([], None, [
            {"who": "ada", "tags": ["fig/3", "paper"], "note": "für K = 3\nagain"},
            {"who": "bob", "tags": ["old"], "note": None},
        ])  # fmt: skip
    for key, query, found in (
        (ada, "tag=paper", 1), (bob, "tag=paper", 0), (root, "tag=paper", 1), (bob, "tag=old", 1),
        (ada, "text=F%C3%9CR", 1), (bob, "text=F%C3%9CR", 0), (root, "text=again", 1),
    ):  # fmt: skip
        items = client.get(f"/v1/landscapes?{query}", headers=bearer(key)).json()["items"]
        assert len(items) == found, query
        assert all((key == root) == bool(item["labels"]) for item in items)
    client.patch(path, json={"note": ""}, headers=bearer(ada))
    assert said(ada) == (["fig/3", "paper"], None, [])
    client.patch(path, json={"tags": []}, headers=bearer(ada))
    assert [each["who"] for each in said(root)[2]] == ["bob"]
    entries = client.get("/v1/audit", headers=bearer(root)).json()["items"]
    assert [(each["who"], each["action"]) for each in entries[:2]] == [("ada", "labelled")] * 2


def test_who_may_only_read_labels_nothing(client: TestClient) -> None:
    reader, ada = make_key(client, "reader", "read"), make_key(client, "ada")
    asked = client.post("/v1/landscapes", json=LANDSCAPE, headers=bearer(ada))
    job = asked.json()["id"]
    answer = client.patch(f"/v1/jobs/{job}", json={"tags": ["a"]}, headers=bearer(reader))
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tags": ["a b"]}, "tags"), ({"tags": ["a,b"]}, "tags"), ({"tags": [""]}, "tags"),
        ({"tags": ["x" * 65]}, "tags"), ({"tags": ["\u202ex"]}, "tags"), ({"tags": "a"}, "tags"),
        ({"tags": [f"t{n}" for n in range(17)]}, "tags"), ({"note": "x" * 2001}, "note"),
        ({"note": "\u0007"}, "note"), ({"note": 3}, "note"), ({"pinned": True}, "pinned"),
        ([], "body"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_of_a_job_is_refused(client: TestClient, body: Any, field: str) -> None:
    job = ask(client)
    answer = client.patch(f"/v1/jobs/{job}", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].partition(".")[0].partition("[")[0] == field
    assert client.get(f"/v1/jobs/{job}").json()["tags"] == []


def test_jobs_that_are_none_are_not_found(client: TestClient) -> None:
    for job in ("0" * 64, "nothing"):
        assert client.get(f"/v1/jobs/{job}").status_code == 404
        assert client.patch(f"/v1/jobs/{job}", json={"tags": ["a"]}).status_code == 404
