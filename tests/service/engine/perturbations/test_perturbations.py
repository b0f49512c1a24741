"""Perturbations: against plain gradient flow, proofs, random starts, and however they are cut."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from relu_landscape.engine.descent import starts
from relu_landscape.engine.landscape import COMPOSITION as LANDSCAPE
from relu_landscape.engine.perturbations import COMPOSITION
from relu_landscape.engine.perturbations.problem import Problem, as_perturbations
from relu_landscape.engine.perturbations.tasks import directions
from relu_landscape.engine.points.attraction import wilson_interval
from relu_landscape.engine.tasks import Runner, SilentMonitor, Task, run_here
from relu_landscape.errors import Cancelled, InputError
from relu_landscape.jobs.pool.codec import decode_answer, decode_task, encode_answer, encode_task
from relu_landscape.wire.base import Wire
from relu_landscape.wire.landscape import LandscapeBody
from relu_landscape.wire.perturbations import (
    PHASES,
    KickSize,
    PerturbationsBody,
    PerturbationsFinding,
    PerturbationsRequest,
)
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import leaky
from tests.service.engine.oracles import Real
from tests.service.engine.perturbations.solving import as_bytes, request, solve
from tests.service.engine.usual import USUAL

#: Half of these kicks at the larger size leave.
SMALL: dict[str, Any] = {"sizes": [0.1, 0.8], "kicks": 10, "seed": 3}


def hits(size: KickSize) -> dict[str, int]:
    return {each.end: each.attraction.hits for each in size.reached}


def problem_of(asked: PerturbationsRequest) -> Problem:
    return as_perturbations(COMPOSITION.problem(asked))


def shown_weights(found: PerturbationsBody) -> Real:
    """Of the point that was kicked: overlaps with an orthonormal teacher."""
    (point,) = [each for each in found.fixed_points if each.key == found.start]
    return np.array(point.overlaps.R)


# ---- against plain gradient flow ----


@pytest.mark.parametrize(
    ("width", "structure", "size", "dimension"),
    [(4, "global", 2.0, 4), (6, "one-anti-aligned", 0.7, 50)],
)
def test_plain_gradient_flow_leads_from_the_same_kicks_to_the_same_ends(
    width: int, structure: str, size: float, dimension: int
) -> None:
    """SciPy's Dormand and Prince with a loss of plain sums: its ends have a gradient of 1e-5 or
    less, so that with eigenvalues of 3e-3 or more (width 6; larger at 4) they are within 0.004 of a
    fixed point, and their losses within 2e-8: copies of these points are 1 apart or more, and the
    losses of different ones 0.02."""
    kicks = 8
    asked = request(
        student_width=width, teacher_width=width, structure=structure, sizes=[size], kicks=kicks,
        input_dimension=dimension,
    )  # fmt: skip
    found = solve(asked)
    W0 = shown_weights(found)
    W = size * directions(problem_of(asked), range(kicks))
    W[..., :width] += W0
    V = np.eye(width, W.shape[2])
    ends, norms = leaky.flow(W, V, 0.0, until=20_000.0, rest=1e-5)
    assert norms.max() <= 1e-5
    losses = leaky.loss(ends, V, 0.0)
    known = {point.key: point.loss for point in found.fixed_points}
    theirs = [min(known, key=lambda key: abs(known[key] - loss)) for loss in losses]
    assert max(abs(known[key] - loss) for key, loss in zip(theirs, losses, strict=True)) < 2e-8
    (kicked,) = found.sizes
    assert kicked.ends == theirs
    whole = np.pad(W0, ((0, 0), (0, W.shape[2] - width)))
    itself = int(np.sum(np.linalg.norm(ends - whole, axis=(1, 2)) < 0.004))
    assert kicked.to_itself == itself
    # Both kinds of kicks are there, or nothing would be told apart.
    assert 0 < itself < kicks
    assert kicked.returned.hits == sum(key == found.start for key in theirs)


def test_a_kick_has_the_distribution_of_d_gaussians() -> None:
    """First and second moments of overlaps, within four standard errors of 4,000 plain draws."""
    asked = request(student_width=3, teacher_width=2, input_dimension=9, structure=None,
                    weights=[[0, 0.5], [0, 0.5], [1, 0]], kicks=4000)  # fmt: skip
    drawn = directions(problem_of(asked), range(4000))
    assert drawn.shape == (4000, 3, 5)
    plain = np.random.default_rng(7).standard_normal((4000, 3, 9)) / 3.0

    def moments(W: Real) -> tuple[Real, Real]:
        rows = np.concatenate([W[..., :2], W[..., 2:] @ np.swapaxes(W[..., 2:], 1, 2)], axis=2)
        flat = rows.reshape(len(W), -1)
        whole = np.concatenate([flat, flat**2], axis=1)
        return whole.mean(axis=0), whole.std(axis=0) / math.sqrt(len(W))

    (ours, error), (theirs, other) = moments(drawn), moments(plain)
    assert np.all(np.abs(ours - theirs) <= 4.0 * np.sqrt(error**2 + other**2))


def test_a_kick_depends_on_seed_and_number_alone() -> None:
    asked = request(kicks=20)
    alone = directions(problem_of(asked), [7])[0]
    assert np.array_equal(directions(problem_of(request(kicks=9, sizes=[0.3])), range(9))[7], alone)
    assert not np.array_equal(directions(problem_of(request(seed=1)), [7])[0], alone)
    # and is no random start of the same seed
    start = starts.draw([7], seed=0, students=6, teacher=problem_of(asked).teacher, dimension=50)
    assert not np.allclose(start[0], alone)


def test_huge_kicks_end_as_often_as_random_starts_of_that_scale() -> None:
    """A kick of size 20 forgets the point (of norm 1): its ends are those of other starts of that
    scale. Two shares of 60, p about 1/7: they differ by 3.3 standard errors once in a thousand."""
    count = 60
    whole = LANDSCAPE.problem(
        LandscapeRequest(student_width=8, teacher_width=8, starts=count, input_dimension=8,
                         init_scale=20.0, structured=False)
    )  # fmt: skip
    landscape = LANDSCAPE.compose(
        whole, run=run_here(whole, USUAL), monitor=SilentMonitor(), chunk_starts=None
    ).result
    assert isinstance(landscape, LandscapeBody)
    found = solve(request(student_width=8, teacher_width=8, input_dimension=8, sizes=[20.0],
                          kicks=count))  # fmt: skip
    lost = {p.loss: p.attraction.hits for p in landscape.fixed_points if p.attraction is not None}
    by_start = next(n for loss, n in lost.items() if abs(loss - 0.0215080371715) < 1e-9)
    by_kick = found.sizes[0].returned.hits
    share = (by_start + by_kick) / (2 * count)
    assert 0 < by_kick < count
    assert abs(by_start - by_kick) <= 3.3 * math.sqrt(2 * count * share * (1 - share))


# ---- proofs ----


def test_every_kick_inside_the_proved_ball_returns() -> None:
    asked = request(sizes=[1e-4, 4e-4, 1e-3, 0.5], kicks=40, certify="fast")
    found = solve(asked)
    radius = found.proved_radius
    assert radius is not None and radius > 0.0  # noqa: PT018 - for the type checker
    lengths = np.linalg.norm(directions(problem_of(asked), range(40)), axis=(1, 2))
    counts = []
    for each in found.sizes:
        inside = each.size * lengths < radius
        # No length comes as near to the radius as rounding is.
        assert np.min(np.abs(each.size * lengths / radius - 1.0)) > 1e-9
        assert each.proved == int(inside.sum())
        assert {each.ends[kick] for kick in np.flatnonzero(inside)} <= {found.start}
        counts.append(each.proved)
    assert counts[0] == found.sizes[0].to_itself == 40
    assert 0 < counts[1] < 40
    assert counts[2:] == [0, 0]
    assert found.sizes[3].returned.hits < 40
    (point,) = [each for each in found.fixed_points if each.key == found.start]
    certificate = point.certificate
    assert certificate is not None and certificate.attribution_radius is not None  # noqa: PT018
    assert certificate.verdict == "minimum"
    assert certificate.radius is not None
    assert radius <= certificate.attribution_radius - certificate.radius


def test_without_a_proof_nothing_is_proved() -> None:
    found = solve(request(**SMALL))
    assert found.proved_radius is None
    assert [each.proved for each in found.sizes] == [None, None]
    assert all(point.certificate is None for point in found.fixed_points)


# ---- what is returned to ----


@pytest.mark.parametrize("structure", ["global", "one-anti-aligned"])
def test_tiny_kicks_all_return_to_the_point_itself(structure: str) -> None:
    found = solve(request(structure=structure, sizes=[1e-6, 1e-3], kicks=20))
    for each in found.sizes:
        assert each.returned.hits == each.to_itself == 20
        assert set(each.ends) == {found.start}
        assert each.length == each.size * math.sqrt(6)


def test_every_kick_is_counted_once() -> None:
    found = solve(request(**SMALL))
    assert [point.key for point in found.fixed_points] == ["m1", "m2"]
    assert found.start == "m2"
    for each in found.sizes:
        counts = hits(each)
        assert sum(counts.values()) == len(each.ends) == 10
        assert counts == {end: each.ends.count(end) for end in counts}
        assert counts[found.start] == each.returned.hits
        assert each.returned.interval_95 == wilson_interval(each.returned.hits, 10)
        assert each.to_itself is not None and each.to_itself <= each.returned.hits  # noqa: PT018
    assert found.sizes[0].returned.hits > found.sizes[1].returned.hits > 0


def test_a_saddle_is_left() -> None:
    """Of width 4, where the minimum 1+3 is not one yet."""
    found = solve(request(student_width=4, teacher_width=4, structure="1+3", sizes=[1e-3, 0.1],
                          kicks=12))  # fmt: skip
    assert found.start == "s1"
    assert [each.returned.hits for each in found.sizes] == [0, 0]
    assert [hits(each)["m1"] for each in found.sizes] == [12, 12]


def test_any_global_minimum_of_a_continuum_counts_as_return() -> None:
    """Seven decimals of one: not exactly there, and polished onto the continuum."""
    third = 0.3333333
    weights = [[1, 0, 0], [0, 1, 0], [0, 0, third], [0, 0, 1 - third]]
    found = solve(request(student_width=4, teacher_width=3, weights=weights, sizes=[0.1, 1.0],
                          kicks=12, certify="fast"))  # fmt: skip
    assert found.start == "g1"
    assert found.proved_radius is None
    for each in found.sizes:
        assert (each.returned.hits, each.to_itself, each.proved) == (12, None, None)


def test_given_weights_are_the_point_beside_them() -> None:
    named = solve(request(**SMALL))
    rounded = np.round(shown_weights(named), 4)
    given = solve(request(weights=rounded.tolist(), **SMALL))
    assert 0.0 < given.moved < 1e-3
    assert named.moved == 0.0
    assert [each.ends for each in given.sizes] == [each.ends for each in named.sizes]


# ---- however it is cut up ----


def through_bytes(problem: Any) -> Runner:
    """Tasks and answers as a pool sends them, last task first."""

    def run(tasks: Sequence[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in reversed(tasks):
            sent = decode_task(COMPOSITION, encode_task(task))
            yield task, decode_answer(task, encode_answer(sent.run(problem, USUAL)))

    return run


def test_chunks_bytes_and_order_do_not_show() -> None:
    asked = request(**SMALL, certify="fast")
    whole = as_bytes(solve(asked))
    assert as_bytes(solve(asked, chunk_starts=1)) == whole
    assert as_bytes(solve(asked, chunk_starts=7)) == whole
    assert as_bytes(solve(asked, run=through_bytes(COMPOSITION.problem(asked)))) == whole


def test_a_size_does_not_depend_on_the_others_nor_on_how_many_kicks_there_are() -> None:
    both = solve(request(**SMALL))
    alone = solve(request(**{**SMALL, "sizes": [0.8], "kicks": 6}))
    assert alone.sizes[0].ends == both.sizes[1].ends[:6]


class Watching(SilentMonitor):
    def __init__(self) -> None:
        self.phases: list[str] = []
        self.told: list[PerturbationsFinding] = []
        self.done = 0

    def phase(self, name: str, tasks: int) -> None:
        assert tasks > 0
        self.phases.append(name)

    def advance(self, task: Task[Any, Any]) -> None:
        self.done += task.starts

    def findings(self, points: Sequence[Wire]) -> None:
        for point in points:
            assert isinstance(point, PerturbationsFinding)
            self.told.append(point)


def test_progress_is_told_by_name() -> None:
    monitor, asked = Watching(), request(**SMALL, certify="fast")
    solve(asked, monitor=monitor, chunk_starts=4)
    assert set(monitor.phases) <= set(PHASES)
    assert monitor.phases[:4] == ["structures", "classify", "certify", "fall"]
    assert monitor.done == asked.starts_asked == 20
    followed = [each.followed for each in monitor.told]
    assert all(before <= after for before, after in pairwise(followed))
    assert (followed[-1], monitor.told[-1].kicks) == (20, 20)


def test_it_stops_when_told_to() -> None:
    class Stopping(SilentMonitor):
        def check(self) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        solve(request(**SMALL), monitor=Stopping())


# ---- what makes no sense ----


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"structure": None}, "structure"),
        ({"structure": "global", "weights": [[1.0] * 6] * 6}, "structure"),
        ({"weights": [[1.0] * 6] * 5}, "weights"),
        ({"weights": [[1.0] * 6] * 6, "branch": 1}, "branch"),
        ({"sizes": [0.2, 0.1]}, "sizes"),
        ({"sizes": [0.1, 0.1]}, "sizes"),
        ({"kicks": 60_000, "sizes": [0.1, 0.2]}, "kicks"),
        ({"input_dimension": 5}, "input_dimension"),
    ],
)
def test_fields_bound_each_other(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=f"{word} = .* is not accepted"):
        request(**fields)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"structure": "1+7"}, "8"),
        ({"structure": "nonsense"}, "nonsense"),
        ({"weights": [*np.eye(6).tolist()[:5], [0.5] * 6]}, "a gradient of norm"),
        ({"weights": [*np.eye(6).tolist()[:5], [0.0] * 6]}, "a student of norm 0"),
    ],
)
def test_what_is_no_fixed_point_is_refused_before_any_work(
    fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        COMPOSITION.problem(request(**fields))


def test_a_branch_that_does_not_exist_is_said_so() -> None:
    with pytest.raises(InputError, match="branch"):
        solve(request(structure="1+5", branch=900, **SMALL))
