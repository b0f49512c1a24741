"""Requests in a query string: every field, long or short, once."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from relu_landscape.wire.families import (
    Continuation,
    ContinuationQuery,
    Family,
    FamilyQuery,
)
from relu_landscape.wire.leaks import Leaks, LeaksQuery
from tests.api.conftest import service_of


@pytest.mark.parametrize(
    "more",
    [
        {"certify": "fast", "learning_rates": [0.05, 0.1]},
        {"certify": "fast", "leak": -0.5},
    ],
)
def test_every_field_can_be_given(client: TestClient, more: dict[str, object]) -> None:
    fields = {
        "student_width": 2,
        "teacher_width": 2,
        "starts": 7,
        "seed": 11,
        "input_dimension": 5,
        "init_scale": 0.5,
        "teacher_gram": [[1.0, 0.25], [0.25, 1.0]],
        "flow_tolerance": 1e-4,
        "precision": "float32",
        "structured": False,
        "structures": ["1+1", "2 extra 1"],
        "saddles": True,
        "widen": True,
        **more,
    }
    posted = client.post("/v1/landscapes", json=fields, headers={"Prefer": "wait=10"}).json()
    query = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in fields.items()
    }
    asked = client.get("/v1/landscape", params=query).json()
    assert asked["id"] == posted["id"]
    assert {name: asked["request"][name] for name in fields} == fields
    commas = client.get("/v1/landscape", params=query | {"structures": "1+1, 2 extra 1"})
    assert commas.json()["id"] == posted["id"]


def test_numbers_may_be_a_list_with_commas(client: TestClient) -> None:
    one, other = (
        client.get(f"/v1/landscape?K=2&width=2&learning_rates={rates}").json()
        for rates in ("0.1, 0.05", "[0.05,0.1]")
    )
    assert one["id"] == other["id"]
    assert one["request"]["learning_rates"] == [0.05, 0.1]
    wrong = client.get("/v1/landscape?K=2&width=2&learning_rates=0.1,fast")
    assert "learning_rates" in wrong.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "student_width"),
        ("K=2", "student_width"),
        ("K=2&width=2&width=2", "student_width"),
        ("K=2&K=3&width=2", "teacher_width"),
        ("K=2&teacher_width=2&width=2", "teacher_width"),
        ("K=2&width=2&student_width=2", "student_width"),
        ("K=2&width=2&starts=1&starts=2", "starts"),
        ("K=2&width=2&wait=1&wait=1", "wait"),
        ("K=2&width=2&wait=-1", "wait"),
        ("K=2&width=2&wait=NaN", "wait"),
        ("K=2&width=2&wait=soon", "wait"),
        ("K=2&width=two", "student_width"),
        ("K=2&width=", "student_width"),
        ("K=2&width=2.5", "student_width"),
        ("K=2&width=" + "9" * 5000, "student_width"),
        ("K=2&width=2&init_scale=1e400", "init_scale"),
        ("K=2&width=2&init_scale=NaN", "init_scale"),
        ("K=2&width=2&structured=yes", "structured"),
        ("K=2&width=2&certify=%ff", "certify"),
        ("K=2&width=2&leak=1", "leak"),
        ("K=2&width=2&precision=single", "precision"),
        ("K=2&width=2&precision=", "precision"),
        ("K=2&width=2&teacher_gram=null", "teacher_gram"),
        ("K=2&width=2&teacher_gram=" + "[" * 3000, "teacher_gram"),
        ("K=2&width=2&%00=1", "\0"),
        ("k=2&width=2", "k"),
    ],
)
def test_what_is_wrong_is_named(client: TestClient, query: str, field: str) -> None:
    answer = client.get(f"/v1/landscape?{query}")
    assert answer.status_code == 422
    assert field in [fault["field"] for fault in answer.json()["errors"]]
    assert service_of(client).computations == 0


def test_an_integer_may_be_written_as_a_number(client: TestClient) -> None:
    ids = {
        client.get(f"/v1/landscape?K=2&width=2&starts={starts}").json()["id"]
        for starts in ("1000", "1e3", "1000.0")
    }
    assert len(ids) == 1


def test_the_message_says_how_a_field_came_twice(client: TestClient) -> None:
    both = client.get("/v1/landscape?K=2&teacher_width=2&width=2").json()["errors"][0]
    assert "given as K and as teacher_width; give it once" in both["message"]
    twice = client.get("/v1/landscape?K=2&K=2&width=2").json()["errors"][0]
    assert "given more than once; give it once" in twice["message"]


def test_the_service_s_own_limit_counts(client: TestClient) -> None:
    fault = client.get("/v1/landscape?K=65&width=2").json()["errors"][0]
    assert fault == {
        "field": "teacher_width",
        "value": 65,
        "message": "teacher_width = 65 is not accepted: at most 64 here.",
    }


def test_a_family_at_a_width(client: TestClient) -> None:
    answer = client.get("/v1/families?K=17&width=1e9&structure=one-anti-aligned&branch=1")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    found = Family.model_validate(answer.json())
    assert (found.student_width, found.loss) == (10**9, 0.25)
    asked = FamilyQuery(
        student_width=10**9, teacher_width=17, structure="one-anti-aligned", branch=1
    )
    assert service_of(client).called == [("family", asked)]


def test_a_family_with_its_certificate(client: TestClient) -> None:
    client.get("/v1/families?K=17&width=17&structure=1%2B16&certify=true")
    asked = FamilyQuery(student_width=17, teacher_width=17, structure="1+16", certify=True)
    assert service_of(client).called == [("family", asked)]


def test_a_family_of_units_that_leak(client: TestClient) -> None:
    client.get("/v1/families?K=17&width=17&structure=1%2B16&leak=-0.5")
    client.get("/v1/families/continuation?structure=1%2B*&from_width=2&to_width=9&leak=0.25")
    one = FamilyQuery(student_width=17, teacher_width=17, structure="1+16", leak=-0.5)
    other = ContinuationQuery(structure="1+*", from_width=2.0, to_width=9.0, leak=0.25)
    assert service_of(client).called == [("family", one), ("continuation", other)]
    for leak in ("0.95", "-1", "NaN", "some"):
        query = f"structure=1%2B*&from_width=2&to_width=9&leak={leak}"
        refused = client.get(f"/v1/families/continuation?{query}")
        assert [fault["field"] for fault in refused.json()["errors"]] == ["leak"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("K=2&width=2", "structure"),
        ("K=2&width=2&structure=x&certify=perhaps", "certify"),
        ("K=2&width=0.5&structure=x", "student_width"),
        ("K=2&width=2e9&structure=x", "student_width"),
        ("K=2&width=2.5&structure=x", "student_width"),
        ("K=2&width=2&structure=", "structure"),
        ("K=2&width=2&structure=x&branch=0", "branch"),
        ("K=2&width=2&structure=x&branch=null", "branch"),
        ("K=2&width=2&structure=x&leak=1", "leak"),
        ("K=2&width=2&structure=x&colour=red", "colour"),
        ("K=2&width=2&structure=x&structure=y", "structure"),
    ],
)
def test_a_wrong_family_is_refused(client: TestClient, query: str, field: str) -> None:
    answer = client.get(f"/v1/families?{query}")
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


def test_a_family_along_real_width(client: TestClient) -> None:
    answer = client.get(
        "/v1/families/continuation?structure=1%2B*&from_width=2.5&to_width=100&points=10"
    )
    assert answer.status_code == 200
    assert Continuation.model_validate(answer.json()).points[0].width == 2.5
    asked = ContinuationQuery(structure="1+*", from_width=2.5, to_width=100.0, points=10)
    assert service_of(client).called == [("continuation", asked)]
    for query in ("structure=1%2B*&from_width=2", "structure=1%2B*&from_width=2&to_width=NaN"):
        refused = client.get(f"/v1/families/continuation?{query}")
        assert [fault["field"] for fault in refused.json()["errors"]] == ["to_width"]


def test_a_point_along_the_leak(client: TestClient) -> None:
    path = "/v1/families/leaks?K=6&width=6&structure=1%2B5"
    answer = client.get(f"{path}&from_leak=-0.5&to_leak=0.25&points=4")
    assert answer.status_code == 200
    assert [point.leak for point in Leaks.model_validate(answer.json()).points] == [-0.5, 0.25]
    asked = LeaksQuery(
        student_width=6, teacher_width=6, structure="1+5", from_leak=-0.5, to_leak=0.25, points=4
    )
    assert service_of(client).called == [("leaks", asked)]
    for query in ("&from_leak=0", "&from_leak=0&to_leak=0.95", "&from_leak=0&to_leak=NaN"):
        refused = client.get(path + query)
        assert [fault["field"] for fault in refused.json()["errors"]] == ["to_leak"]


def test_a_structure_that_the_engine_does_not_know_is_refused(client: TestClient) -> None:
    answer = client.get("/v1/families?K=2&width=2&structure=nonsense")
    assert answer.status_code == 422
    assert "write block sizes" in answer.json()["detail"]


@pytest.mark.parametrize("names", ["student=3&M=2", "student_width=3&teacher=2", "width=3&K=2"])
def test_widths_have_the_names_that_people_use(client: TestClient, names: str) -> None:
    asked = client.get(f"/v1/landscape?{names}&starts=7").json()["request"]
    assert (asked["student_width"], asked["teacher_width"]) == (3, 2)


def test_whoever_writes_k_is_told_whose_width_it_is(client: TestClient) -> None:
    """With a paper in hand one asks for K = 18 students of 17, and gets 18 teachers."""
    words = "K is the teacher's width here: 17 student units, 18 teacher units."
    one = client.get("/v1/landscape?K=18&width=17&starts=7")
    again = client.get("/v1/landscape?K=18&width=17&starts=7")
    other = client.post("/v1/landscapes", json={"K": 18, "width": 17, "starts": 7})
    call = client.get("/v1/families?K=18&width=17&structure=1%2B16")
    for answer in (one, again, other, call):
        assert answer.headers["notice"].startswith(words)
    for answer in (
        client.get("/v1/landscape?M=18&width=17&starts=7"),
        client.get("/v1/landscape?K=2&width=2&starts=7"),
        client.post("/v1/landscapes", json={"teacher_width": 18, "width": 17, "starts": 7}),
    ):
        assert "notice" not in answer.headers
    assert one.content == client.get("/v1/landscape?M=18&width=17&starts=7").content
