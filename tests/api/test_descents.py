"""Descents over HTTP: real store, real workers, real routes."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.descents import Descents, DescentsRequest
from tests.tally.test_over_http import waited

ASKED = {
    "student_width": 4, "teacher_width": 4, "rule": "orthonormalised", "starts": 6,
    "input_dimension": 50,
}  # fmt: skip


def test_they_are_found_by_the_workers(http: httpx.Client) -> None:
    first = http.post("/v1/descents", json=ASKED)
    assert first.status_code == 202, first.text
    found = waited(http, first.headers["location"], {"finished"})
    # In chunks of two starts there, of all of them here: the same digest.
    here = solve_locally(DescentsRequest.model_validate(ASKED), workers=1).result
    assert (found["id"], found["digest"]) == (here["id"], here["digest"])
    assert Descents.model_validate(found).zero_loss.hits == 6
    again = http.post("/v1/descents", json=ASKED)
    assert (again.status_code, again.json()["digest"]) == (200, found["digest"])


def test_the_structured_search_is_done_by_the_workers(http: httpx.Client) -> None:
    asked = {**ASKED, "student_width": 3, "teacher_width": 3, "structured": True}
    first = http.post("/v1/descents", json=asked)
    assert first.status_code == 202, first.text
    found = waited(http, first.headers["location"], {"finished"})
    here = solve_locally(DescentsRequest.model_validate(asked), workers=1).result
    assert (found["id"], found["digest"]) == (here["id"], here["digest"])
    answer = Descents.model_validate(found)
    assert answer.searched is not None
    assert {way for end in answer.ends for way in end.found_by or ()} == {"starts", "structures"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rule": "sideways"}, "rule"),
        ({"rule": "gradient_flow", "step": 0.1}, "left out for gradient_flow"),
        ({"student_layer": [1, 1, 1, -1]}, "left out for orthonormalised"),
        ({"rule": "gradient_descent", "student_layer": [1, -1]}, "4 numbers"),
        ({"rule": "gradient_descent", "teacher_layer": [1, 1, 1, 0]}, "4 numbers"),
        ({"start_layer": 1.0}, "left out but for two_layer"),
        ({"student_width": 60}, "input_dimension"),
        (
            {
                "rule": "normalised",
                "student_width": 60,
                "teacher_width": 20,
                "input_dimension": 100,
            },
            "at most 4,096",
        ),
        ({"step": 1e-4, "until": 1e6}, "steps"),
        ({"structured": True, "student_width": 20, "teacher_width": 21}, "above 400"),
        (
            {
                "structured": True,
                "teacher_gram": [[2.0 if i == j else 0.1 for j in range(4)] for i in range(4)],
            },
            "orthonormal teachers",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(
    http: httpx.Client, changes: dict[str, object], sentence: str
) -> None:
    answer = http.post("/v1/descents", json={**ASKED, **changes})
    assert answer.status_code == 422
    assert sentence in answer.text
