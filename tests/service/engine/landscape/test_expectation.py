"""What a landscape is expected to take, held against what was measured."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmarks.expectation import figures, request_of
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.expectation import MODELLED, PART_OF, expected, features
from relu_landscape.engine.landscape.expectation_fit import FITTED
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.rated_cost import COUNTED
from relu_landscape.wire.landscape import PHASES
from relu_landscape.wire.requests import LandscapeRequest

KEPT = Path(__file__).parents[4] / "benchmarks" / "runs"
RUNS = sorted([*KEPT.glob("expectation-*.json"), *KEPT.glob("stored-*.json")])


def problem(**fields: object) -> Problem:
    asked = {"student_width": 8, "teacher_width": 8, **fields}
    return Problem.from_request(LandscapeRequest.model_validate(asked))


def test_every_phase_is_modelled_or_part_of_one_that_is() -> None:
    assert {*MODELLED, *PART_OF, COUNTED} == set(PHASES)
    assert list(MODELLED) == [name for name in PHASES if name in MODELLED], "in their order"
    assert set(FITTED) == {*MODELLED, "stored"}
    for kind, coefficients in FITTED.items():
        assert len(coefficients) == len(features(kind, problem()))


def test_what_was_measured_is_what_is_expected() -> None:
    """Nine of ten within a factor of 1.5, all within 2.3: of those that were fitted."""
    seconds, stored = [], []
    for case, measured in figures(RUNS).items():
        foreseen = expected(COMPOSITION.problem(request_of(case)))
        spent = sum(value for name, value in measured.items() if name != "stored")
        if spent:
            seconds.append(abs(math.log(spent / sum(foreseen.seconds.values()))))
        if "stored" in measured:
            stored.append(abs(math.log(measured["stored"] / foreseen.stored_bytes)))
    for off in (sorted(seconds), sorted(stored)):
        assert len(off) > 40
        assert off[round(0.9 * len(off))] < math.log(1.5)
        assert off[-1] < math.log(2.3)


def test_only_phases_that_will_be_there_are_expected() -> None:
    assert list(expected(problem()).seconds) == ["sample", "classify", "structures"]
    assert list(expected(problem(starts=0, certify="fast")).seconds) == ["structures", "certify"]
    options = {"saddles": True, "widen": True, "structured": False}
    assert list(expected(problem(**options)).seconds) == [
        "sample", "classify", "pathways", "widening",
    ]  # fmt: skip
    rated = expected(problem(starts=0, learning_rates=[0.1], certify="fast")).seconds
    assert list(rated) == ["structures", "learning rates", "certify"]
    more = expected(problem(starts=0, learning_rates=[0.1, 0.2, 0.3])).seconds
    assert more["learning rates"] > rated["learning rates"] > 0.0


@pytest.mark.parametrize("widths", [(2, 2), (8, 8), (17, 17), (18, 17), (12, 17), (64, 64)])
def test_more_starts_take_longer(widths: tuple[int, int]) -> None:
    student, teacher = widths
    seconds = [
        expected(problem(student_width=student, teacher_width=teacher, starts=starts)).seconds[
            "sample"
        ]
        for starts in (1, 16, 1_000, 1_000_000)
    ]
    assert seconds[0] == seconds[1], "so many lanes are paid for in any case"
    assert 0.0 < seconds[1] < seconds[2] < seconds[3]
    assert 300.0 < seconds[3] / seconds[2] < 3_000.0, "about in proportion"
