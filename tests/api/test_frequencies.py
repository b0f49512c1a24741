"""Frequencies of SGD over HTTP: real store, real workers, real routes."""

from __future__ import annotations

import httpx2 as httpx

from relu_landscape.jobs.local import solve_locally
from relu_landscape.wire.frequencies import Frequencies, FrequenciesRequest
from tests.tally.test_over_http import waited

ASKED = {
    "student_width": 3, "teacher_width": 5, "learning_rates": [0.2, 0.6], "starts": 7, "seed": 6,
    "input_dimension": 20, "until": 10, "checks": 3, "structured": False,
}  # fmt: skip


def test_they_are_found_by_the_workers(http: httpx.Client) -> None:
    first = http.post("/v1/frequencies", json=ASKED)
    assert first.status_code == 202, first.text
    found = waited(http, first.headers["location"], {"finished"})
    # In chunks of two starts there, of all of them here: the same digest.
    here = solve_locally(FrequenciesRequest.model_validate(ASKED), workers=1).result
    assert (found["id"], found["digest"]) == (here["id"], here["digest"])
    rates = Frequencies.model_validate(found).rates
    assert [rate.steps for rate in rates] == [[100, 316, 1000], [33, 105, 333]]
    again = http.post("/v1/frequencies", json=ASKED)
    assert (again.status_code, again.json()["digest"]) == (200, found["digest"])


def test_what_only_the_engine_can_judge_is_refused_at_once(http: httpx.Client) -> None:
    """Multiples of a learning rate that come to 10^11 steps."""
    asked = {"student_width": 4, "teacher_width": 4, "relative_learning_rates": [1e-4],
             "starts": 10_000}  # fmt: skip
    answer = http.post("/v1/frequencies", json=asked)
    assert answer.status_code == 422
    assert "10,000,000,000 inputs" in answer.text


def test_a_field_out_of_bounds_is_named(http: httpx.Client) -> None:
    answer = http.post("/v1/frequencies", json={**ASKED, "relative_learning_rates": [0.5]})
    assert answer.status_code == 422
    assert "relative_learning_rates" in answer.text
