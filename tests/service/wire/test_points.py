"""Points at the door: reduced without a change of what matters, or refused by field and bound."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from relu_landscape.engine.model import teacher as teachers
from relu_landscape.errors import RequestError
from relu_landscape.wire import points, reducing
from relu_landscape.wire.points import PointsRequest

Real = NDArray[np.float64]


def rows(count: int, dimension: int, seed: int) -> Real:
    return np.random.default_rng(seed).normal(0.0, dimension**-0.5, (count, dimension))


def orthonormal(count: int, dimension: int, seed: int = 7) -> Real:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((dimension, count)))[0].T


def asked(**fields: Any) -> PointsRequest:
    plain = {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in fields.items()}
    return PointsRequest.model_validate_json(json.dumps(plain), strict=True)


def from_arrays(options: Any = None, **arrays: Any) -> PointsRequest:
    return PointsRequest.model_validate(PointsRequest.of_arrays(arrays, options or {}))


def overlaps(request: PointsRequest, place: int = 0) -> tuple[Real, Real]:
    """Q and R of a reduced point."""
    X = request.here.array[place]
    M = request.here.teacher_width
    gram = np.eye(M) if request.teacher_gram is None else np.array(request.teacher_gram)
    return X @ X.T, X[:, :M] @ np.linalg.cholesky(gram).T


@pytest.mark.parametrize(("K", "M", "d"), [(3, 2, 40), (2, 3, 4), (4, 2, 4), (3, 3, 3)])
def test_what_matters_of_weights_stays_as_it_was(K: int, M: int, d: int) -> None:
    W, V = rows(K, d, 1), rows(M, d, 2) + orthonormal(M, d)
    found = asked(weights=W, teacher=V)
    Q, R = overlaps(found)
    # Sums of 40 products, and a teacher of condition 10 at most.
    assert np.abs(Q - W @ W.T).max() < 1e-14
    assert np.abs(R - W @ V.T).max() < 1e-14
    assert found.here.columns == M + min(K, d - M)
    assert found.input_dimension == d
    assert found.weights is None
    assert found.teacher is None


def test_a_teacher_orthonormal_up_to_rounding_is_orthonormal() -> None:
    V, W = orthonormal(8, 50), rows(8, 50, 3)
    assert np.abs(V @ V.T - np.eye(8)).max() > 0.0  # otherwise there is nothing to see
    assert asked(weights=W, teacher=V).teacher_gram is None
    scaled = asked(weights=W, teacher=3.0 * V)
    assert np.array_equal(np.array(scaled.teacher_gram), scaled.teacher_gram[0][0] * np.eye(8))  # type: ignore[index]
    nearly = V.copy()
    nearly[0] += 1e-9 * V[1]
    assert asked(weights=W, teacher=nearly).teacher_gram is not None


def test_single_precision_is_told_by_the_type_of_an_array() -> None:
    V, W = orthonormal(8, 50), rows(8, 50, 3)
    single = from_arrays(weights=W.astype(np.float32), teacher=V.astype(np.float32))
    assert single.teacher_gram is None
    assert single.single_precision
    Q, R = overlaps(single)
    assert np.abs(Q - W @ W.T).max() < 1e-6
    assert np.abs(R - W @ V.T).max() < 1e-6
    whole = from_arrays(weights=np.array([[1, 0, 2], [0, 1, 0]]), teacher=np.eye(2, 3, dtype=int))
    assert np.abs(whole.here.array[0]).tolist() == [[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]


def test_weights_in_the_span_have_no_other_columns() -> None:
    V = orthonormal(3, 30)
    inside = rows(2, 3, 4) @ V
    assert asked(weights=inside, teacher=V).here.columns == 3
    assert asked(weights=inside + 1e-9 * rows(2, 30, 5), teacher=V).here.columns == 5


def test_overlaps_are_the_same_point_as_weights() -> None:
    W, V = rows(3, 20, 1), rows(2, 20, 2)
    given = asked(Q=W @ W.T, R=W @ V.T, teacher_gram=V @ V.T, input_dimension=20)
    Q, R = overlaps(given)
    assert np.abs(Q - W @ W.T).max() < 1e-14
    assert np.abs(R - W @ V.T).max() < 1e-14
    inside = asked(Q=np.eye(2), R=np.eye(2))
    assert inside.here.array.tolist() == [np.eye(2).tolist()]


def test_second_layers_are_folded_into_the_first() -> None:
    W, V = rows(3, 9, 1), rows(2, 9, 2) + orthonormal(2, 9)
    a, b = np.array([0.5, 2.0, 3.0]), np.array([1.5, 0.25])
    folded = asked(weights=a[:, None] * W, teacher=b[:, None] * V)
    given = asked(weights=W, teacher=V, second_layer=a, teacher_second_layer=b)
    assert given.canonical() == folded.canonical()
    assert from_arrays(
        weights=W[None], teacher=V, second_layer=a, teacher_second_layer=b
    ).canonical() == folded.canonical()  # fmt: skip
    Q, R = overlaps(folded)
    layers: dict[str, Any] = {"second_layer": a, "teacher_second_layer": b}
    apart = asked(Q=W @ W.T, R=W @ V.T, teacher_gram=V @ V.T, input_dimension=9, **layers)
    for found, expected in zip(overlaps(apart), (Q, R), strict=True):
        assert np.abs(found - expected).max() < 1e-13  # roots of overlaps, of condition 100 at most
    plain = asked(weights=W[:, :2], **layers)
    Q, R = overlaps(plain)
    assert np.abs(R - (a[:, None] * W[:, :2]) * b).max() < 1e-15
    assert np.allclose(plain.teacher_gram, np.diag(b**2), rtol=0.0, atol=1e-16)  # type: ignore[arg-type]


def test_without_second_layers_the_question_is_what_it_was() -> None:
    canonical = asked(**ONE).canonical()
    assert not {"second_layer", "teacher_second_layer"} & canonical.keys()
    assert asked(**ONE, second_layer=[1.0, 1.0]).canonical() == canonical


def test_a_batch_is_its_points() -> None:
    W, V = np.stack([rows(3, 20, seed) for seed in range(5)]), orthonormal(2, 20)
    many = asked(batch=W, teacher=V)
    assert many.points == 5
    for place in range(5):
        alone = asked(weights=W[place], teacher=V)
        assert np.abs(many.here.array[place] - alone.here.array[0]).max() < 1e-15
    assert from_arrays(weights=W, teacher=V).here == many.here


def test_the_reduced_form_is_the_whole_request() -> None:
    """Jobs are stored and computed from their canonical form: it must be read back bit by bit."""
    first = asked(weights=rows(3, 20, 1), teacher=rows(2, 20, 2), sample_size=5)
    again = PointsRequest.model_validate_json(json.dumps(first.canonical()), strict=True)
    assert again == first
    assert again.content_id("cpu") == first.content_id("cpu")
    assert len(json.dumps(first.canonical())) < 2000  # no vector of the inputs' dimension


def test_many_points_are_described_briefly_unless_asked() -> None:
    few = asked(batch=np.ones((points.MOST_DESCRIBED, 1, 2)), teacher_width=2)
    many = asked(batch=np.ones((points.MOST_DESCRIBED + 1, 1, 2)), teacher_width=2)
    assert (few.nearest, few.spectrum, many.nearest, many.spectrum) == (3, True, 0, False)
    asked(batch=np.ones((points.MOST_IN_FULL, 1, 2)), teacher_width=2, spectrum=True)
    with pytest.raises(ValueError, match="spectrum"):
        from_arrays({"spectrum": True, "teacher_width": 2}, weights=np.ones((201, 1, 2)))


ONE: dict[str, Any] = {"weights": np.eye(2), "teacher": np.eye(2)}


@pytest.mark.parametrize(
    ("field", "words", "fields"),
    [
        ("weights", "rows of one length", {"weights": [[1.0, 2.0], [1.0]]}),
        ("teacher_gram", "no rows", {"weights": np.eye(2), "teacher_gram": []}),
        ("batch", "rows of one length", {"batch": [[[1.0]], [[1.0], [2.0]]]}),
        ("weights", "together", {}),
        ("R", "together", {"Q": np.eye(2)}),
        ("Q", "left out", {**ONE, "Q": np.eye(2)}),
        ("batch", "left out", {**ONE, "batch": np.ones((1, 2, 2))}),
        ("teacher", "3 columns", {"weights": np.ones((2, 3)), "teacher": np.eye(2)}),
        ("teacher", "linearly independent", {**ONE, "teacher": [[1.0, 0.0], [2.0, 0.0]]}),
        ("teacher", "row 1", {**ONE, "teacher": [[1.0, 0.0], [0.0, 0.0]]}),
        ("teacher", "independent", {"weights": np.ones((1, 1)), "teacher": np.ones((2, 1))}),
        ("teacher_gram", "left out", {**ONE, "teacher_gram": np.eye(2)}),
        ("teacher_gram", "positive", {"weights": np.eye(2), "teacher_gram": [[1, 2], [2, 1]]}),
        ("teacher_gram", "symmetric", {"weights": np.eye(2), "teacher_gram": [[1, 0.5], [0, 1]]}),
        ("weights", "leave its row out", {**ONE, "weights": [[1.0, 0.0], [0.0, 0.0]]}),
        ("weights", "norms from 1e-06", {**ONE, "weights": [[1.0, 0.0], [0.0, 1e-7]]}),
        ("weights", "1000", {**ONE, "weights": [[1.0, 0.0], [0.0, 1e4]]}),
        ("input_dimension", "2, the columns", {**ONE, "input_dimension": 3}),
        ("teacher_width", "rows of teacher", {**ONE, "teacher_width": 3}),
        ("Q", "smallest eigenvalue", {"Q": np.eye(2), "R": [[1.1, 0.0], [0.0, 1.0]]}),
        ("Q", "symmetric", {"Q": [[1.0, 0.1], [0.2, 1.0]], "R": np.eye(2)}),
        ("Q", "fit R", {"Q": np.eye(3), "R": np.eye(2)}),
        ("teacher", "teacher_gram", {"Q": np.eye(2), "R": np.eye(2), "teacher": np.eye(2)}),
        (
            "input_dimension", "room", {"Q": 4 * np.eye(2), "R": np.eye(2), "input_dimension": 3},
        ),
        ("input_dimension", "teacher width", {"weights": np.eye(2), "input_dimension": 1}),
        ("second_layer", "shape .2,.", {**ONE, "second_layer": [1.0]}),
        ("teacher_second_layer", "shape .2,.", {**ONE, "teacher_second_layer": [1.0, 2.0, 3.0]}),
        ("teacher_second_layer", "shape .2,.", {"Q": np.eye(2), "R": np.eye(2),
                                                "teacher_second_layer": [1.0]}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_field(
    field: str, words: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        asked(**fields)
    assert f"{field} = " in str(refused.value)


@pytest.mark.parametrize(
    ("field", "words", "arrays"),
    [
        ("weights", "real numbers", {"weights": np.eye(2) * 1j}),
        ("weights", "real numbers", {"weights": np.array([["a"]])}),
        ("weights", "finite", {"weights": np.array([[1.0, np.nan]])}),
        ("teacher", "finite", {"weights": np.eye(2), "teacher": np.array([[np.inf, 0.0]])}),
        ("weights", "a matrix", {"weights": np.ones(3)}),
        ("weights", "a matrix", {"weights": np.ones((0, 2, 2))}),
        ("weights", "at most 512", {"weights": np.ones((513, 2))}),
        ("teacher", "at most 512", {"weights": np.ones((2, 600)), "teacher": np.eye(600)}),
        ("second_layer", "shape .2,.", {"weights": np.eye(2), "second_layer": np.ones((1, 2))}),
        ("second_layer", "other than zero", {"weights": np.eye(2), "second_layer": np.zeros(2)}),
        (
            "teacher_second_layer",
            "0 at 1.*other than zero",
            {"weights": np.eye(2), "teacher_second_layer": np.array([1.0, 0.0])},
        ),
        ("R", "a matrix", {"Q": np.eye(2), "R": np.ones(2), "teacher_second_layer": np.ones(2)}),
        (
            "teacher_second_layer",
            "shape .3,.",
            {
                "weights": np.eye(2),
                "teacher_gram": np.ones((2, 3)),
                "teacher_second_layer": np.ones(2),
            },
        ),
        ("weights", "20,000 points", {"weights": np.ones((20_001, 1, 1))}),
        ("weights", "2,000,000 numbers", {"weights": np.ones((9_000, 15, 15))}),
    ],
)
def test_arrays_are_refused_by_field(field: str, words: str, arrays: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=words) as refused:
        PointsRequest.of_arrays(arrays, {})
    assert refused.value.field == field


def test_a_reduced_form_that_is_none_is_refused() -> None:
    good = asked(weights=np.eye(2)).canonical()
    for change in ({"numbers": "AAAA"}, {"numbers": "*"}, {"columns": 1}, {"points": 2}):
        wrong = {**good, "reduced": {**good["reduced"], **change}}  # type: ignore[dict-item]
        with pytest.raises(ValueError, match="reduced = "):
            PointsRequest.model_validate(wrong)


def test_the_bounds_are_those_of_the_engine() -> None:
    from relu_landscape.engine.descent import death
    from relu_landscape.engine.noise import places

    assert reducing.SMALLEST_CONDITION == teachers.SMALLEST_CONDITION
    assert reducing.SMALLEST_NORM == death.DEAD
    assert reducing.DOUBLE.indefinite == places.INDEFINITE


@pytest.mark.parametrize("factor", [-1e10, 1e10])
def test_a_second_layer_is_bounded_in_the_schema_as_well(factor: float) -> None:
    with pytest.raises(ValueError, match=r"second_layer\.1"):
        asked(**ONE, second_layer=[1.0, factor])


def test_of_second_layers_signs_are_left() -> None:
    W, V = rows(3, 9, 1), rows(2, 9, 2) + orthonormal(2, 9)
    a, b = np.array([0.5, -2.0, 3.0]), np.array([-1.5, 0.25])
    given = asked(weights=W, teacher=V, second_layer=a, teacher_second_layer=b)
    folded = asked(weights=np.abs(a)[:, None] * W, teacher=np.abs(b)[:, None] * V, nearest=0,
                   widening=False)  # fmt: skip
    assert given.here.is_signed
    assert (given.here.student_signs, given.here.teacher_signs) == ((1, -1, 1), (-1, 1))
    assert given.here.numbers == folded.here.numbers
    assert given.teacher_gram == folded.teacher_gram
    assert given.content_id("cpu") != folded.content_id("cpu")
    assert from_arrays(
        weights=W[None], teacher=V, second_layer=a, teacher_second_layer=b
    ).canonical() == given.canonical()  # fmt: skip
    again = PointsRequest.model_validate_json(json.dumps(given.canonical()), strict=True)
    assert again == given
    assert not {"student_signs", "teacher_signs"} & folded.canonical()["reduced"].keys()  # type: ignore[union-attr]


def test_one_sign_on_both_sides_is_none() -> None:
    """f - f* and f* - f have one square."""
    negative = asked(**ONE, second_layer=[-2.0, -1.0], teacher_second_layer=[-1.0, -3.0])
    positive = asked(**ONE, second_layer=[2.0, 1.0], teacher_second_layer=[1.0, 3.0])
    assert negative.canonical() == positive.canonical()
    assert asked(**ONE, second_layer=[-1.0, -1.0]).here.is_signed


@pytest.mark.parametrize(
    ("field", "value"), [("nearest", 2), ("widening", True), ("certify", "fast")]
)
def test_what_is_known_for_equal_signs_alone_is_refused_for_others(field: str, value: Any) -> None:
    mixed: dict[str, Any] = {**ONE, "second_layer": [1.0, -1.0]}
    with pytest.raises(ValueError, match="equal signs alone") as refused:
        asked(**mixed, **{field: value})
    assert f"{field} = " in str(refused.value)
    found = asked(**mixed)
    assert (found.nearest, found.widening, found.certify) == (0, False, "none")


def test_signs_that_nothing_leaves_are_refused() -> None:
    good = asked(**ONE, second_layer=[1.0, -1.0]).canonical()
    for change in (
        {"student_signs": [1]}, {"student_signs": None}, {"student_signs": [1, 1]},
        {"student_signs": [1, 2]},
    ):  # fmt: skip
        wrong = {**good, "reduced": {**good["reduced"], **change}}  # type: ignore[dict-item]
        with pytest.raises(ValueError, match="signs"):
            PointsRequest.model_validate(wrong)


def test_too_wide_a_network_with_signs_is_refused() -> None:
    W = np.ones((65, 65)) + np.eye(65)
    asked(weights=W, teacher=np.eye(65))
    with pytest.raises(ValueError, match="4,096"):
        asked(weights=W, teacher=np.eye(65), second_layer=[-1.0] + [1.0] * 64)
