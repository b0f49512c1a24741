"""Certificates, attribution and pathways inside a whole landscape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine import verify
from relu_landscape.engine.landscape import pathways
from relu_landscape.engine.landscape.catalogue import Catalogue, Entry
from relu_landscape.engine.landscape.pathways import (
    FollowPathway,
    Passed,
    PathwayEnd,
    PathwayEnds,
)
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.points import classify
from relu_landscape.engine.tasks import Composed, SilentMonitor, run_here
from relu_landscape.wire.landscape import FixedPoint
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.certificates import points as textbook
from tests.service.engine.landscape.solving import NUMPY, body, details, solve


def _request(**request: Any) -> LandscapeRequest:
    return LandscapeRequest.model_validate(request)


@pytest.fixture(scope="module")
def six() -> Composed:
    request = _request(student_width=6, teacher_width=6, starts=40, saddles=True, certify="fast")
    return solve(request)


def by_loss(found: Composed, loss: float) -> FixedPoint:
    return min(body(found).fixed_points, key=lambda point: abs(point.loss - loss))


def test_every_isolated_point_is_certified(six: Composed) -> None:
    for point in body(six).fixed_points:
        certificate = point.certificate
        assert certificate is not None
        assert certificate.verdict == point.kind
        assert certificate.weights == details(six)[point.key].weights
        assert certificate.index_span == point.stability.index_span
        assert certificate.index_perpendicular == point.stability.index_perpendicular
    document = body(six).model_dump(mode="json")
    parts = {key: part.model_dump(mode="json") for key, part in six.parts.items()}
    assert all(item["holds"] for item in verify({**document, "details": parts}))


def test_hits_are_attributed_by_proof(six: Composed) -> None:
    best = by_loss(six, 0.0).attraction
    assert best is not None
    assert best.hits == 40
    assert best.attributed is not None
    assert 0 < best.attributed <= best.hits


def test_the_pathways_of_width_six(six: Composed) -> None:
    """Figures of docs/mathematics/families.md: barriers 1.2e-5 and copies of the global minimum."""
    keys = {p.key: p for p in body(six).fixed_points}
    one = by_loss(six, 0.025080581)
    found = body(six).pathways
    lowest = min((t for t in found if one.key in t.minima), key=lambda t: keys[t.saddle].loss)
    assert keys[lowest.saddle].loss == pytest.approx(0.025092331, abs=1e-9)
    assert min(lowest.barriers) == pytest.approx(1.1750e-5, abs=1e-9)
    assert lowest.relation == "different"
    copies = [t for t in found if t.minima == ("m1", "m1")]
    assert copies
    assert {t.relation for t in copies} <= {"student order", "relabelled"}
    assert all((t.relation == "different") is (t.minima[0] != t.minima[1]) for t in found)
    graph = body(six).disconnectivity
    assert graph is not None
    assert {leaf.key for leaf in graph.leaves} == {k for k in keys if k.startswith("m")}


def test_a_minimum_met_below_a_saddle_says_so(six: Composed) -> None:
    reached = {key for pathway in body(six).pathways for key in pathway.minima}
    for point in body(six).fixed_points:
        assert ("pathway" in point.found_by) is (point.key in reached)


def test_both_ends_on_the_continuum_are_related_by_it() -> None:
    """The saddle of one more student that joins zero loss with zero loss."""
    found = solve(
        _request(
            student_width=9, teacher_width=8, starts=0, saddles=True, structures=["2+6 extra 1"]
        )
    )
    ends = [pathway for pathway in body(found).pathways if pathway.minima == ("g1", "g1")]
    assert ends
    assert {pathway.relation for pathway in ends} == {"same continuum"}
    continuum = body(found).fixed_points[0]
    assert continuum.key == "g1"
    assert continuum.found_by == ["pathway", "structured"]


def _entry(problem: Problem, W: Any) -> Entry:
    return Entry("a", classify.spectrum_at(W, problem.teacher))


def test_the_relation_follows_the_keys_and_then_the_labels() -> None:
    problem = Problem.from_request(_request(student_width=4, teacher_width=4))
    W = np.eye(4)
    saddle, one, two = (_entry(problem, W) for _ in range(3))
    keys = {saddle: "s1", one: "m1", two: "m2"}

    def related(left: Any, first: Entry | None, right: Any, second: Entry | None) -> str:
        passed = Passed(saddle, ((left, first), (right, second)))
        (told,), unfinished = pathways.told(problem, [passed], keys)
        assert unfinished == []
        return told.relation

    assert related(W, one, W, one) == "same copy"
    assert related(W, one, W[::-1], one) == "student order"
    assert related(W, one, W, two) == "different"
    # Too rough for a relabelling, but the catalogue knows the polished points to be one.
    assert related(W, one, W + 0.01, one) == "relabelled"
    assert related(W, None, W[::-1], None) == "same continuum"
    assert related(W, None, W, one) == "different"


def test_a_saddle_without_an_end_says_why() -> None:
    """A unit that is alone in its direction, and whose only way down leaves the span."""
    problem = Problem.from_request(
        _request(student_width=4, teacher_width=4, input_dimension=5, saddles=True)
    )
    point = classify.spectrum_at(np.eye(4), problem.teacher)
    outward = np.concatenate([[-0.1], point.perpendicular[1:]])
    catalogue = Catalogue(problem)
    saddle = Entry("a", classify.Point(**{**vars(point), "perpendicular": outward}))
    catalogue.entries.append(saddle)
    phases = Phases(run_here(problem, NUMPY), SilentMonitor())
    passed = pathways.follow_pathways(problem, phases, catalogue)
    joined, (unfinished,) = pathways.told(problem, passed, {saddle: "s1"})
    assert joined == []
    assert unfinished.saddle == "s1"
    assert "leaves the teacher's span" in unfinished.reason


def _passed(end_loss: float, perpendicular: float) -> list[Passed]:
    """Of a saddle of loss 0.1 whose pathway ends twice at one point, with such an eigenvalue."""
    problem = Problem.from_request(
        _request(student_width=4, teacher_width=4, input_dimension=5, saddles=True)
    )
    point = classify.spectrum_at(np.eye(4), problem.teacher)
    downhill = np.concatenate([[-0.1], point.span[1:]])
    saddle = classify.Point(**{**vars(point), "span": downhill, "loss": 0.1})
    outward = np.concatenate([[perpendicular], point.perpendicular[1:]])
    end = classify.Point(**{**vars(point), "perpendicular": outward, "loss": end_loss})
    catalogue = Catalogue(problem)
    catalogue.entries.append(Entry("a", saddle))
    answer = PathwayEnds((PathwayEnd(end.W, end), PathwayEnd(end.W[::-1], end)))

    def run(tasks: Any) -> Any:
        return ((task, answer) for task in tasks)

    return pathways.follow_pathways(problem, Phases(run, SilentMonitor()), catalogue)


def test_what_one_pathway_does_cannot_end_the_job() -> None:
    """The disconnectivity graph refuses ends that are saddles, or above their saddle."""
    (fine,) = _passed(0.05, 0.1)
    assert (fine.reason, len(fine.ends)) == (None, 2)
    (outward,) = _passed(0.05, -0.1)
    assert outward.reason is not None
    assert "another saddle" in outward.reason
    (above,) = _passed(0.1 + 1e-12, 0.1)
    assert above.reason is not None
    assert "no lower" in above.reason
    assert outward.ends == above.ends == ()


def test_a_saddle_that_is_none_to_the_pathway_says_why() -> None:
    """In the span alone, with a tolerance of its own, it may count no negative eigenvalue."""
    problem = Problem.from_request(_request(student_width=3, teacher_width=3, saddles=True))
    found = FollowPathway(key="a", W=np.eye(3)).run(problem, NUMPY)
    assert found.ends == ()
    assert found.reason is not None
    assert "index 1, not 0" in found.reason


def test_a_saddle_has_a_downhill_direction(six: Composed) -> None:
    """Independent of the spectrum reported: the textbook Hessian, dense."""
    for point in body(six).fixed_points:
        W = np.asarray(details(six)[point.key].weights)
        negative = int(np.sum(np.linalg.eigvalsh(textbook.hessian(W, 6)) < -1e-9))
        assert negative == point.stability.index_span


def test_the_continuum_is_refused_with_the_reason() -> None:
    found = solve(
        _request(student_width=4, teacher_width=3, starts=10, structured=False, certify="strict")
    )
    (point,) = body(found).fixed_points
    assert point.kind == "global_continuum"
    assert point.continuum_dimension == 1
    assert point.attraction is not None
    assert (point.attraction.hits, point.attraction.attributed) == (10, None)
    assert point.certificate is not None
    assert point.certificate.verdict == "not certified"
    assert point.certificate.reason is not None
    assert "continuum" in point.certificate.reason


def test_named_structures_are_all_that_is_searched() -> None:
    found = body(solve(_request(student_width=7, teacher_width=7, starts=0, structures=["1+6"])))
    assert [item.structure for item in found.searched.structures] == ["1+6"]
    assert found.missing_mass is None
    assert all(point.found_by == ["structured"] for point in found.fixed_points)
