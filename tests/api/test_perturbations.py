"""Perturbations over HTTP: real store, real workers, real routes."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.perturbations import Perturbations, PerturbationsRequest
from tests.tally.test_over_http import waited

ASKED = {
    "student_width": 6, "teacher_width": 6, "structure": "one-anti-aligned", "sizes": [0.1, 0.8],
    "kicks": 6, "input_dimension": 50,
}  # fmt: skip


def test_they_are_found_by_the_workers(http: httpx.Client) -> None:
    first = http.post("/v1/perturbations", json=ASKED)
    assert first.status_code == 202, first.text
    found = waited(http, first.headers["location"], {"finished"})
    # In chunks of two kicks there, of all of them here: the same digest.
    here = solve_locally(PerturbationsRequest.model_validate(ASKED), workers=1).result
    assert (found["id"], found["digest"]) == (here["id"], here["digest"])
    sizes = Perturbations.model_validate(found).sizes
    assert [each.size for each in sizes] == [0.1, 0.8]
    assert sizes[0].returned.hits == 6
    again = http.post("/v1/perturbations", json=ASKED)
    assert (again.status_code, again.json()["digest"]) == (200, found["digest"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"structure": "1+7"}, "1+7"),
        ({"structure": None, "weights": [[0.5] * 6] * 6}, "a gradient of norm"),
    ],
)
def test_what_only_the_engine_can_judge_is_refused_at_once(
    http: httpx.Client, changes: dict[str, object], sentence: str
) -> None:
    answer = http.post("/v1/perturbations", json={**ASKED, **changes})
    assert answer.status_code == 422
    assert sentence in answer.text


def test_a_branch_that_does_not_exist_fails_in_words(http: httpx.Client) -> None:
    """It takes the search to say so."""
    asked = {**ASKED, "structure": "1+5", "branch": 900}
    failed = waited(http, http.post("/v1/perturbations", json=asked).headers["location"],
                    {"failed"})  # fmt: skip
    assert "branch" in failed["error"]
