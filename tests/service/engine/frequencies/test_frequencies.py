"""Frequencies of SGD: against a landscape, against trajectories, and however they are cut up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.dynamics import COMPOSITION as TRAJECTORY
from relu_landscape.engine.frequencies import COMPOSITION
from relu_landscape.engine.landscape import COMPOSITION as LANDSCAPE
from relu_landscape.engine.noise.learning_rates import critical_learning_rate
from relu_landscape.engine.tasks import Runner, SilentMonitor, Task, run_here
from relu_landscape.errors import Cancelled, InputError, RequestError
from relu_landscape.jobs.pool.codec import decode_answer, decode_task, encode_answer, encode_task
from relu_landscape.wire.base import Wire
from relu_landscape.wire.frequencies import PHASES, FrequenciesFinding
from relu_landscape.wire.landscape import LandscapeBody
from relu_landscape.wire.requests import LandscapeRequest
from relu_landscape.wire.trajectories import TrajectoryRequest
from relu_landscape.wire.trajectory_answers import (
    TrajectoryBody,
)
from tests.service.engine.frequencies.solving import as_bytes, body, only, request, solve
from tests.service.engine.usual import USUAL

#: Two learning rates, at the larger of which some runs run away.
SMALL: dict[str, Any] = {
    "learning_rates": [0.4, 1.3], "starts": 9, "input_dimension": 20, "until": 20.0, "checks": 4,
    "seed": 3, "structured": False,
}  # fmt: skip
#: Three students and five teachers have two minima, which SGD in few dimensions goes between: of
#: these 16 starts gradient flow takes 13 to one of them, and SGD 15.
RICH: dict[str, Any] = {
    "student_width": 3, "teacher_width": 5, "learning_rates": [0.3], "starts": 16, "seed": 6,
    "input_dimension": 20, "until": 30.0, "checks": 3, "structured": False,
}  # fmt: skip


def through_bytes(problem: Any) -> Runner:
    """Tasks and answers as a pool sends them, last task first."""

    def run(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in reversed(tasks):
            sent = decode_task(COMPOSITION, encode_task(task))
            yield task, decode_answer(task, encode_answer(sent.run(problem, USUAL)))

    return run


@pytest.mark.parametrize("chunk", [1, 4])
def test_how_starts_are_cut_up_does_not_show(chunk: int) -> None:
    asked = request(**SMALL)
    assert as_bytes(solve(asked, chunk_starts=chunk)) == as_bytes(solve(asked))


def test_bytes_order_and_length_of_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slower machine cuts runs into more pieces."""
    asked = request(**SMALL)
    whole = as_bytes(solve(asked))
    assert as_bytes(solve(asked, run=through_bytes(COMPOSITION.problem(asked)))) == whole
    monkeypatch.setattr(
        "relu_landscape.engine.frequencies.simulating.seconds_per_stretch", lambda *_, **__: 1.0
    )
    assert as_bytes(solve(asked)) == whole


def test_gradient_flow_is_that_of_the_landscape() -> None:
    """The same starts, so the same hits at the same minima, and the same that failed."""
    asked = request(**RICH)
    whole = LANDSCAPE.problem(LandscapeRequest.model_validate({
        name: RICH[name]
        for name in ("student_width", "teacher_width", "starts", "seed", "input_dimension",
                     "structured")
    }))  # fmt: skip
    landscape = LANDSCAPE.compose(
        whole, run=run_here(whole, USUAL), monitor=SilentMonitor(), chunk_starts=None
    ).result
    assert isinstance(landscape, LandscapeBody)
    found = body(solve(asked))
    (rate,) = found.rates
    hits = {each.end: each.by_flow.hits for each in rate.reached if each.by_flow.hits}
    by_loss = {point.key: point.loss for point in found.fixed_points}
    wanted = {
        point.loss: point.attraction.hits
        for point in landscape.fixed_points
        if point.attraction is not None and point.attraction.hits
    }
    assert len(wanted) == 2
    assert {by_loss[key]: count for key, count in hits.items()} == wanted
    assert found.starts == landscape.starts
    assert found.missing_mass == landscape.missing_mass


def test_runs_are_those_of_a_trajectory() -> None:
    """Run n from start n: a trajectory of the same seed sees the same inputs, so the losses at the
    end agree to the last digits, and those that run away are the same."""
    found = body(solve(request(**SMALL)))
    for rate in found.rates:
        asked = TrajectoryRequest(
            student_width=2, teacher_width=2, method="sgd", learning_rate=rate.learning_rate,
            input_dimension=20, seed=3, until=20.0, points=2, runs=9, own_starts=True,
        )  # fmt: skip
        problem = TRAJECTORY.problem(asked)
        trajectory = TRAJECTORY.compose(
            problem, run=run_here(problem, USUAL), monitor=SilentMonitor(), chunk_starts=None
        ).result
        assert isinstance(trajectory, TrajectoryBody)
        assert [each.loss for each in rate.starts] == [run.last_loss for run in trajectory.runs]
        keys = {run.attractor for run in trajectory.runs}
        assert len(keys) == len({each.ends[-1] for each in rate.starts})


def test_the_table_the_pairs_and_the_moves_are_counts_of_the_starts() -> None:
    """And somebody moved, came back, or ran away: nothing of it is trivial."""
    rich, small = (body(solve(request(**fields))) for fields in (RICH, SMALL))
    assert len(rich.rates[0].moved) > 2
    assert any(each.ran_away_at is not None for each in small.rates[1].starts)
    for found, rate in [(each, rate) for each in (rich, small) for rate in each.rates]:
        points = {point.key for point in found.fixed_points if point.kind != "saddle"}
        last = Counter(each.ends[-1] for each in rate.starts)
        assert {each.end: each.by_sgd.hits for each in rate.reached if each.by_sgd.hits} == last
        assert {each.end for each in rate.reached if each.is_fixed_point} == points
        assert sum(each.difference for each in rate.reached) == pytest.approx(0.0, abs=1e-12)
        pairs = Counter((each.flow, each.ends[-1]) for each in rate.starts)
        assert {(each.flow, each.sgd): each.starts for each in rate.transitions} == pairs
        assert sum(rate.moved) == len(rate.starts)
        for each in rate.starts:
            known = [end for end in (each.flow, *each.ends) if end in points]
            assert each.moved == sum(known[n] != known[n + 1] for n in range(len(known) - 1))
            assert (each.loss is None) == (each.ran_away_at is not None)


def test_a_small_learning_rate_is_gradient_flow() -> None:
    """At gamma to zero every run ends where the flow does: a noise of order sqrt(gamma) is too
    small here to take a start over the border of two basins; a large one is not."""
    fields = {**RICH, "until": 0.05, "checks": 2, "first_check": 0.02}
    small = only(solve(request(**{**fields, "learning_rates": [1e-4]})))
    assert len({each.flow for each in small.starts}) == 2
    assert [each.ends for each in small.starts] == [[each.flow] * 2 for each in small.starts]
    large = only(solve(request(**{**fields, "learning_rates": [1.0], "until": 3.0})))
    assert [each.ends[-1] for each in large.starts] != [each.flow for each in large.starts]


def test_an_unstable_learning_rate_runs_away_by_name() -> None:
    critical = critical_learning_rate(2)
    asked = request(
        relative_learning_rates=[0.5, 2.0], starts=6, input_dimension=100, until=60.0, checks=2,
    )  # fmt: skip
    found = body(solve(asked))
    assert found.critical_learning_rate == critical
    low, high = found.rates
    assert (low.learning_rate, low.relative_learning_rate) == (0.5 * critical, 0.5)
    assert [each.end for each in low.reached if each.by_sgd.hits] == ["m1"]
    (gone,) = [each for each in high.reached if each.by_sgd.hits]
    assert gone.end.startswith("ran away")
    assert not gone.is_fixed_point
    assert gone.by_sgd.hits == 6
    assert high.missing_mass.estimate == 1.0
    for each in high.starts:
        assert each.ran_away_at is not None
        assert 0.0 < each.ran_away_at <= 60.0


def test_who_runs_away_after_the_end_did_not_run_away() -> None:
    """Steps are computed in stretches; what happens in the rest of the last one is nobody's
    business. All six runs go before time 60 (above); cut off just before, none has."""
    asked: dict[str, Any] = {
        "relative_learning_rates": [2.0], "starts": 6, "input_dimension": 100, "checks": 1,
    }  # fmt: skip
    first = min(
        each.ran_away_at or 0.0 for each in only(solve(request(**asked, until=60.0))).starts
    )
    # The block of 16 steps in which it was found, and the one before.
    per_block = 16 * 2.0 * critical_learning_rate(2) / 100
    rate = only(solve(request(**asked, until=first - 1.5 * per_block)))
    assert [each.ran_away_at for each in rate.starts] == [None] * 6
    assert all(each.loss is not None for each in rate.starts)


def test_the_continuum_is_one_end() -> None:
    rate = only(solve(request(
        student_width=3, learning_rates=[0.2], starts=6, input_dimension=30, until=20.0, checks=2,
    )))  # fmt: skip
    hits = {each.end: each.by_sgd.hits for each in rate.reached if each.by_sgd.hits}
    assert hits == {"g1": 6}


def test_units_are_those_of_the_request() -> None:
    """Teachers of three times the length: overlaps and losses nine times as large, noise of the
    labels three times, learning rates and times the same."""
    plain = request(**SMALL, label_noise=0.1)
    scaled = request(
        **SMALL, label_noise=0.3, init_scale=3.0, teacher_gram=[[9.0, 0.0], [0.0, 9.0]]
    )
    one, other = body(solve(plain)), body(solve(scaled))
    for a, b in zip(one.rates, other.rates, strict=True):
        assert a.times == b.times
        assert [each.ends for each in a.starts] == [each.ends for each in b.starts]
        losses = [each.loss for each in a.starts if each.loss is not None]
        tripled = [each.loss for each in b.starts if each.loss is not None]
        # 0.1 and 0.3 / 3 differ by rounding, which chaos does not grow in so few steps.
        assert np.array(tripled) == pytest.approx(9.0 * np.array(losses), rel=1e-6)


def test_progress_and_findings_and_stopping() -> None:
    class Listener(SilentMonitor):
        def __init__(self) -> None:
            self.phases: list[str] = []
            self.said: list[FrequenciesFinding] = []
            self.stops = False

        def phase(self, name: str, tasks: int) -> None:
            self.phases.append(name)

        def findings(self, points: Sequence[Wire]) -> None:
            self.said += [each for each in points if isinstance(each, FrequenciesFinding)]

        def check(self) -> None:
            if self.stops and self.phases[-1] == "simulate":
                raise Cancelled("asked to stop")

    told = Listener()
    solve(request(**SMALL), monitor=told)
    assert {"sample", "classify", "simulate", "fall"} <= set(told.phases) <= set(PHASES)
    assert told.said[-1].followed == 9
    assert told.said[-1].steps == told.said[-1].of_steps == 1000 + round(20 * 20 / 1.3)
    told.stops = True
    with pytest.raises(Cancelled):
        solve(request(**SMALL), monitor=told)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "learning_rates"),
        ({"learning_rates": [0.1], "relative_learning_rates": [0.1]}, "learning_rates"),
        ({"learning_rates": []}, "learning_rates"),
        ({"relative_learning_rates": [0.5], "student_width": 3}, "relative_learning_rates"),
        (
            {"relative_learning_rates": [0.5], "teacher_gram": [[1.0, 0.1], [0.1, 1.0]]},
            "relative_learning_rates",
        ),
        ({"learning_rates": [0.1], "input_dimension": 1}, "input_dimension"),
        ({"learning_rates": [0.1], "until": 0.5}, "first_check"),
        ({"learning_rates": [1e-6], "until": 1e6}, "until"),
        ({"learning_rates": [0.1], "init_scale": 1e4}, "init_scale"),
        (
            {"student_width": 100, "teacher_width": 100, "learning_rates": [1.0], "starts": 1000,
             "until": 2.0},
            "checks",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises((RequestError, ValueError), match=named):
        request(**fields)


def test_relative_learning_rates_are_bounded_by_what_they_come_to() -> None:
    """Only the engine knows what they are multiples of."""
    asked = request(relative_learning_rates=[1e-5], until=1e5, starts=1000)
    assert asked.needs_the_engine
    with pytest.raises(InputError, match="until"):
        COMPOSITION.problem(asked)


def test_what_does_not_matter_gives_the_same_id() -> None:
    """A single look has no first one before it; an identity is an orthonormal teacher."""
    fields: dict[str, Any] = {"learning_rates": [0.1], "checks": 1}
    one = request(**fields, first_check=3.0, teacher_gram=[[1.0, 0.0], [0.0, 1.0]])
    assert one.content_id("cpu") == request(**fields).content_id("cpu")
    assert one.content_id("cpu") != request(**fields, until=50.0).content_id("cpu")
