"""Hostile and malformed bodies: refused with a reason, never an error of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from relu_landscape_api.reading.bodies import parse_json
from tests.api.conftest import MakeClient, service_of

JSON = {"Content-Type": "application/json"}
GOOD = b'{"student_width": 2, "teacher_width": 2}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"{}x",
        b'{"student_width": NaN, "teacher_width": 2}',
        b'{"student_width": 2, "teacher_width": 2, "init_scale": Infinity}',
        b'{"student_width": 2, "teacher_width": 2, "init_scale": -Infinity}',
        b'{"student_width": 2, "teacher_width": 2, "init_scale": 1e400}',
        b'{"student_width": 2, "teacher_width": 2, "seed": ' + b"9" * 5000 + b"}",
        b'{"student_width": 2, "teacher_width": 2, "init_scale": 0.' + b"1" * 5000 + b"}",
        b'{"student_width": 2, "teacher_width": 2, "certify": "\\ud800"}',
        b'{"student_width": 2, "teacher_width": 2, "\\udfff": 1}',
        b'{"student_width": 2, "student_width": 2, "teacher_width": 2}',
        b'{"student_width": 2, "teacher_width": 2, "teacher_gram": ' + b"[" * 100_000,
        b'{"a": ' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf" + GOOD,
        b'{"student_width": 2, "teacher_width": 2, "certify": "\xc3\x28"}',
        b'{"student_width": 02, "teacher_width": 2}',
        b"{'student_width': 2, 'teacher_width': 2}",
    ],
    ids=lambda body: body[:60].decode("ascii", "replace"),
)
def test_what_is_not_json_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/landscapes", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 400
    assert problem["detail"].endswith(".")
    assert service_of(client).computations == 0


@pytest.mark.parametrize(
    ("changes", "field", "bounds"),
    [
        ({"student_width": 0}, "student_width", "an integer from 1 to 64"),
        ({"student_width": 65}, "student_width", "at most 64 here"),
        ({"student_width": 10**30}, "student_width", "an integer from 1 to 64"),
        ({"student_width": "2"}, "student_width", "an integer from 1 to 64"),
        ({"student_width": 2.5}, "student_width", "an integer from 1 to 64"),
        ({"student_width": True}, "student_width", "an integer from 1 to 64"),
        ({"student_width": None}, "student_width", "an integer from 1 to 64"),
        ({"starts": 1_000_001}, "starts", "an integer from 0 to 1,000,000"),
        ({"seed": -1}, "seed", "an integer from 0 to 9,007,199,254,740,991"),
        ({"init_scale": 1e10}, "init_scale", "a number from 1e-09 to 1,000,000,000"),
        ({"init_scale": "1"}, "init_scale", "a number from"),
        ({"init_scale": 1e4}, "init_scale", "0.001 to 1000 mean norms of the teacher"),
        ({"certify": "maybe"}, "certify", "one of none, fast, strict"),
        ({"precision": "float16"}, "precision", "one of float64, float32"),
        ({"precision": 32}, "precision", "one of float64, float32"),
        ({"precision": None}, "precision", "one of float64, float32"),
        ({"leak": -1.0}, "leak", "a number from -0.9 to 0.9"),
        ({"structured": 1}, "structured", "true or false"),
        ({"structured": "yes"}, "structured", "true or false"),
        ({"structures": "1+6"}, "structures", "an array of strings, at most 64"),
        ({"structures": ["x"] * 65}, "structures", "an array of strings, at most 64"),
        ({"structures": [1]}, "structures[0]", "an array of strings"),
        ({"teacher_gram": 1}, "teacher_gram", "an array of arrays of numbers"),
        ({"teacher_gram": [[1, 0], [0, "1"]]}, "teacher_gram[1][1]", "arrays of numbers"),
        ({"teacher_gram": [[1]]}, "teacher_gram", "a square matrix with 2 rows"),
        # Squares of such entries overflow, which was an error of the server.
        ({"teacher_gram": [[1, 0], [0, 1e308]]}, "teacher_gram[1][1]", "arrays of numbers"),
        ({"teacher_gram": [[1, 0], [0, 1e-300]]}, "teacher_gram", "1e-12 or more on the diagonal"),
        ({"structures": ["1" * 201]}, "structures[0]", "it has more than 200 characters"),
        ({"input_dimension": 1}, "input_dimension", "at least the teacher width, 2"),
        # A Hessian of 13 GB, and four of them at once, ended one worker after the other.
        ({"student_width": 200, "teacher_width": 200}, "starts", "0 where student width times"),
        ({"colour": "red"}, "colour", "there is no such field; the fields are student_width"),
        ({"": 1}, "", "there is no such field"),
        ({"x" * 5000: 1}, "x" * 5000, "there is no such field"),
    ],
)
def test_what_is_out_of_bounds_is_named(
    client: TestClient, changes: dict[str, object], field: str, bounds: str
) -> None:
    body = {"student_width": 2, "teacher_width": 2, **changes}
    answer = client.post("/v1/landscapes", json=body)
    assert answer.status_code == 422
    problem = answer.json()
    [fault] = problem["errors"]
    assert fault["field"] == (field[:100] or "body")
    assert bounds in fault["message"]
    assert fault["message"] in problem["detail"]
    assert len(answer.content) < 20_000
    assert service_of(client).computations == 0


def test_every_fault_is_named_at_once(client: TestClient) -> None:
    answer = client.post("/v1/landscapes", json={"K": 0, "starts": -1, "hue": 1})
    faults = {item["field"]: item for item in answer.json()["errors"]}
    assert set(faults) == {"student_width", "teacher_width", "starts", "hue"}
    assert faults["student_width"]["message"].endswith(
        "is not accepted: it is required: an integer from 1 to 64."
    )
    assert faults["teacher_width"]["value"] == 0


def test_an_answer_does_not_grow_with_the_number_of_faults(client: TestClient) -> None:
    answer = client.post("/v1/landscapes", json={f"x{n}": n for n in range(9_000)})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20
    assert answer.json()["detail"].endswith("There are more faults of this kind.")
    assert len(answer.content) < 30_000


def test_no_depth_of_nesting_is_an_error_of_the_server(client: TestClient) -> None:
    # Around the limits of pydantic's parser (about 200) and of the interpreter's stack (1,000).
    for depth in (*range(190, 210), *range(800, 1010), 5_000):
        for body in (
            '{"K": 2, "width": 2, "teacher_gram": ' + "[" * depth + "]" * depth + "}",
            '{"K": 2, "width": 2, "x": ' + '{"y":' * depth + "1" + "}" * depth + "}",
        ):
            answer = client.post("/v1/landscapes", content=body, headers=JSON)
            assert answer.status_code in (400, 422), depth


@pytest.mark.parametrize(
    "body",
    [
        {"student_width": 2, "width": 2, "teacher_width": 2},
        {"student_width": 2, "width": 3, "teacher_width": 2},
        {"student_width": 2, "teacher_width": 2, "K": 2},
    ],
)
def test_both_names_of_one_field_are_refused(client: TestClient, body: dict[str, int]) -> None:
    answer = client.post("/v1/landscapes", json=body)
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert fault["field"] in ("student_width", "teacher_width")
    assert "give it once" in fault["message"]


@pytest.mark.parametrize("body", [[], [GOOD.decode()], "x", 1, None, True])
def test_only_an_object_is_a_request(client: TestClient, body: object) -> None:
    answer = client.post("/v1/landscapes", content=json.dumps(body), headers=JSON)
    assert answer.status_code == 422
    assert "must be a JSON object" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "APPLICATION/JSON; charset=UTF-8"}, 200),
        ({"Content-Type": "application/vnd.lab+json"}, 200),
        ({"Content-Type": "application/json; charset=utf-16"}, 415),
        ({"Content-Type": "application/json; charset=\u00e9".encode("latin-1")}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "text/json+json"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "json"}, 415),
        ({}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, 200),
    ],
)
def test_content_types(client: TestClient, headers: dict[str, str], status: int) -> None:
    prefer = {"Prefer": "wait=10"}
    answer = client.post("/v1/landscapes", content=GOOD, headers={**headers, **prefer})
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["title"] == "Unsupported Media Type"


def test_a_body_over_the_limit_is_refused(make_client: MakeClient) -> None:
    client = make_client(body_limit_bytes=2048)
    body = GOOD[:-1] + b" " * (2048 - len(GOOD)) + b"}"
    assert len(body) == 2048
    fits = client.post("/v1/landscapes", content=body, headers=JSON | {"Prefer": "wait=10"})
    assert fits.status_code == 200
    for headers in (JSON, JSON | {"Content-Length": "9" * 400}):
        answer = client.post("/v1/landscapes", content=body + b" ", headers=headers)
        assert answer.status_code == 413
        assert "2048 bytes" in answer.json()["detail"]


def test_a_body_without_a_length_is_counted_as_it_arrives(make_client: MakeClient) -> None:
    client = make_client(body_limit_bytes=2048)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 1024
            yield b" " * 1024

    answer = client.post("/v1/landscapes", content=endless(), headers=JSON)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("item", "what"), [("[]", "opening brackets"), ("{}", "opening brackets"), ("[0]", "brackets")]
)
def test_a_body_of_many_arrays_or_objects_is_not_read(
    client: TestClient, item: str, what: str
) -> None:
    """Half a second for the parser alone, in which nobody was answered; 512 rows are the most that
    any request needs."""
    for count, status in ((9_900, 422), (10_100, 400)):
        body = f'{{"K": 2, "width": 2, "x": [{",".join([item] * count)}]}}'
        answer = client.post("/v1/landscapes", content=body, headers=JSON)
        assert answer.status_code == status
    assert answer.json()["detail"].startswith("The body is not read: it has more than 10,000 ")
    assert what in answer.json()["detail"]


def test_a_body_of_many_members_is_not_read(client: TestClient) -> None:
    answer = client.post("/v1/landscapes", json={f"x{n}": n for n in range(10_100)})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The body is not read: it has more than 10,000 colons."


def test_parse_json_agrees_with_the_standard_library_on_good_json() -> None:
    good = {"a": [1, -2.5e-3, "\u00e9\U0001f600", None, True, {"b": [[]]}], "c": 2**60}
    assert parse_json(json.dumps(good)) == good
