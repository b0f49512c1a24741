"""From weights in any dimension, or overlaps, to the few coordinates that loss and flow depend on.

What students have in the teacher's span is M numbers each; of the rest only the second moments
matter, and K coordinates hold them (``docs/mathematics/points.md``). So a request about networks of
any input dimension becomes one of ``M + min(K, d - M)`` columns where it comes in: nothing behind
it sees a vector of d numbers, and equal places have equal content ids up to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.errors import RequestError
from relu_landscape.wire.requests import LARGEST_WIDTH

Real = NDArray[np.float64]
Signs = tuple[int, ...]

#: Ratio of extreme eigenvalues of a teacher's Gram matrix, as ``engine.model.teacher`` asks it.
SMALLEST_CONDITION = 1e-4
#: Norms of students, in mean norms of the teacher: below, a student counts as dead on the flow
#: (``engine.descent.death.DEAD``); above, the flow was not tested.
SMALLEST_NORM, LARGEST_NORM = 1e-6, 1e3
#: Dimension of the inputs where nothing says it: as in a landscape.
USUAL_DIMENSION = 1000


@dataclass(frozen=True)
class Precision:
    """What numbers are known to, relative to the largest of their kind.

    ``orthonormal``: a teacher this near to orthogonal units of one norm is one. ``flat``: what a
    student has outside the span, over its norm and the root of the dimension, below which it is
    rounding. ``square``: the same for second moments, per student. ``indefinite``: a second moment
    may be negative by this much.
    """

    orthonormal: float
    flat: float
    square: float
    indefinite: float


#: Sums of d products err by about the root of d units in the last place; 8 of them are allowed.
#: Overlaps are given with twelve digits at least, and lose a few by the teacher's inverse.
DOUBLE = Precision(orthonormal=1e-12, flat=8 * 2.0**-53, square=1e-14, indefinite=1e-9)
SINGLE = Precision(orthonormal=1e-5, flat=8 * 2.0**-24, square=1e-6, indefinite=1e-5)


@dataclass(frozen=True)
class Reduced:
    """``coordinates`` (n, K, p), the first ``width`` M of them in the teacher's span; ``gram``
    (M, M) of the teacher, None: orthonormal; ``dimension`` d of the inputs; ``signs`` of the second
    layers, K of students and M of teachers, None where all of them are equal."""

    coordinates: Real
    gram: Real | None
    width: int
    dimension: int
    signs: tuple[Signs, Signs] | None = None


def reduce(
    given: Mapping[str, Real], *, width: int | None, dimension: int | None, precision: Precision
) -> Reduced:
    """Reduce what was given: ``weights`` (n, K, d) or (K, d), or ``Q`` and ``R`` alike; ``teacher``
    (M, d) or ``teacher_gram`` (M, M); ``second_layer`` (K,) and ``teacher_second_layer`` (M,), one
    where left out. ``width`` M and ``dimension`` d where the request says them.

    Raises ``RequestError`` for what does not fit together.
    """
    found = _reduced(given, width=width, dimension=dimension, precision=precision)
    units = {"second_layer": found.coordinates.shape[1], "teacher_second_layer": found.width}
    signs = [
        tuple(np.sign(given[name]).astype(int).tolist()) if name in given else (1,) * count
        for name, count in units.items()
    ]
    if len({*signs[0], *signs[1]}) == 1:
        return found  # -f - (-f*) has the same square
    return replace(found, signs=(signs[0], signs[1]))


def _reduced(
    given: Mapping[str, Real], *, width: int | None, dimension: int | None, precision: Precision
) -> Reduced:
    """The same but for signs."""
    batches = {name: _batch(name, given[name]) for name in ("weights", "Q", "R") if name in given}
    for name, array in given.items():
        if array.ndim > 1 and array.shape[-2] > LARGEST_WIDTH:
            raise RequestError(name, f"{array.shape[-2]:,} rows", f"at most {LARGEST_WIDTH}")
    for name in ("teacher", "teacher_gram"):
        if name in given and (given[name].ndim != 2 or 0 in given[name].shape):
            raise RequestError(name, f"shape {given[name].shape}", "a matrix")
    given = _folded({**given, **batches}, width)
    batches = {name: given[name] for name in batches}
    teacher, gram = given.get("teacher"), given.get("teacher_gram")
    if "weights" in batches:
        for name in ("Q", "R"):
            if name in given:
                raise RequestError(name, "an array", "left out where weights are given")
        return _given_weights(batches["weights"], teacher, gram, width, dimension, precision)
    for name in ("Q", "R"):
        if name not in given:
            missing = name if len(batches) else "weights"
            raise RequestError(missing, None, "weights, or Q and R together")
    if teacher is not None:
        raise RequestError("teacher", "a matrix", "left out with Q and R: give teacher_gram")
    Q, R = batches["Q"], batches["R"]
    n, K, M = R.shape
    if Q.shape != (n, K, K):
        raise RequestError("Q", f"shape {Q.shape}", f"shape {(n, K, K)}, to fit R of {R.shape}")
    gram = _fitting_gram(gram, M, width, precision)
    d = _dimension(dimension, M, max(USUAL_DIMENSION, M + K))
    return of_overlaps(Q, R, gram, dimension=d, precision=precision)


def _folded(given: Mapping[str, Real], width: int | None) -> dict[str, Real]:
    """The same networks with second layers of ones, but for their signs: a ReLU(w.x) = sign(a)
    ReLU(|a| w.x)."""
    arrays = dict(given)
    if (students := arrays.pop("second_layer", None)) is not None:
        for name in {"weights", "Q", "R"} & arrays.keys():
            _check_layer("second_layer", students, arrays[name].shape[-2])
            arrays[name] = arrays[name] * np.abs(students)[:, None]
        if "Q" in arrays:
            _check_layer("second_layer", students, arrays["Q"].shape[-1])
            arrays["Q"] = arrays["Q"] * np.abs(students)
    if (teachers := arrays.pop("teacher_second_layer", None)) is None:
        return arrays
    if "teacher" not in arrays and "teacher_gram" not in arrays:
        arrays["teacher_gram"] = np.eye(width or teachers.size)
    for name in {"teacher", "teacher_gram"} & arrays.keys():
        _check_layer("teacher_second_layer", teachers, len(arrays[name]))
        arrays[name] = arrays[name] * np.abs(teachers)[:, None]
    for name in {"teacher_gram", "R"} & arrays.keys():
        _check_layer("teacher_second_layer", teachers, arrays[name].shape[-1])
        arrays[name] = arrays[name] * np.abs(teachers)
    return arrays


def _check_layer(name: str, layer: Real, units: int) -> None:
    """Refuse a second layer that is not a number for each unit, none of them zero."""
    if layer.shape != (units,):
        raise RequestError(name, f"shape {layer.shape}", f"shape {(units,)}, a number a unit")
    if not np.all(layer):
        place = int(np.flatnonzero(layer == 0.0)[0])
        raise RequestError(
            name,
            f"0 at {place}",
            "numbers other than zero: a unit of weight zero adds nothing, so leave its row out",
        )


def _given_weights(
    weights: Real, teacher: Real | None, gram: Real | None, width: int | None,
    dimension: int | None, precision: Precision,
) -> Reduced:  # fmt: skip
    K, d = weights.shape[1:]
    if teacher is not None:
        if gram is not None:
            raise RequestError("teacher_gram", "a matrix", "left out where teacher is given")
        if teacher.shape[1] != d:
            raise RequestError(
                "teacher", f"{teacher.shape[1]} columns", f"{d} columns, as the weights have"
            )
        M = len(teacher)
        if d < M:
            raise RequestError("teacher", f"{M} rows", f"at most {d}: rows must be independent")
        if width not in (None, M):
            raise RequestError("teacher_width", width, f"{M}, the rows of teacher, or left out")
        if dimension not in (None, d):
            raise RequestError("input_dimension", dimension, f"{d}, the columns, or left out")
        return of_weights(weights, teacher, None, width=M, dimension=d, precision=precision)
    M = len(gram) if gram is not None else (width or K)
    gram = _fitting_gram(gram, M, width, precision)
    chosen = _dimension(dimension, M, max(USUAL_DIMENSION, d))
    if not M <= d <= chosen:
        raise RequestError(
            "weights", f"{d} columns", f"{M} to {chosen}: the teacher's span, and what is beside it"
        )
    return of_weights(weights, None, gram, width=M, dimension=chosen, precision=precision)


def _batch(name: str, array: Real) -> Real:
    """(n, rows, columns) of one matrix or many."""
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise RequestError(name, f"shape {array.shape}", "a matrix (K, .), or points of such")
    return array if array.ndim == 3 else array[None]


def _fitting_gram(
    gram: Real | None, M: int, width: int | None, precision: Precision
) -> Real | None:
    if width not in (None, M):
        raise RequestError("teacher_width", width, f"{M}, as the other fields have it")
    if gram is not None and gram.shape != (M, M):
        raise RequestError("teacher_gram", f"shape {gram.shape}", f"shape {(M, M)}")
    found = _near_identity(gram, precision)
    if found is not None:
        _check_positive("teacher_gram", found)
    return found


def _dimension(given: int | None, width: int, usual: int) -> int:
    if given is not None and given < width:
        raise RequestError("input_dimension", given, f"at least the teacher width, {width}")
    return usual if given is None else given


def of_weights(
    weights: Real,
    teacher: Real | None,
    gram: Real | None,
    *,
    width: int,
    dimension: int,
    precision: Precision,
) -> Reduced:
    """Reduce ``weights`` (n, K, d).

    ``teacher`` (M, d), its rows in the same coordinates; None: the first M coordinates are
    orthonormal ones of its span, in which ``gram`` (M, M) has its lower Cholesky factor. ``width``
    M, ``dimension`` d. Raises ``RequestError``.
    """
    room = dimension - width
    if teacher is None:
        span, beside = weights[..., :width], weights[..., width:]
    else:
        gram, basis = _basis(teacher, precision)
        span = weights @ basis.T
        beside = weights - span @ basis
        # Once more: what a large part in the span leaves behind by rounding is taken out.
        again = beside @ basis.T
        span, beside = span + again, beside - again @ basis
        if room < weights.shape[1]:
            outside = np.linalg.qr(basis.T, mode="complete")[0][:, width:]
            beside = beside @ outside
    _check_norms("weights", np.sqrt(np.sum(weights**2, axis=-1)), gram)
    lengths = np.sqrt(np.sum(beside**2, axis=-1))
    rounding = precision.flat * np.sqrt(dimension) * np.sqrt(np.sum(weights**2, axis=-1))
    if np.all(lengths <= rounding):
        beside = beside[..., :0]
    elif beside.shape[-1] > min(weights.shape[1], room):
        beside = _triangles(beside, min(weights.shape[1], room), dimension, precision)
    return Reduced(np.concatenate([span, beside], axis=-1), gram, width, dimension)


def of_overlaps(
    Q: Real, R: Real, gram: Real | None, *, dimension: int, precision: Precision
) -> Reduced:
    """Reduce overlaps ``Q`` (n, K, K), ``R`` (n, K, M) with this teacher. Raises ``RequestError``
    where no weights have them."""
    K, M = R.shape[1:]
    scale = np.abs(Q).max(axis=(-2, -1))
    skew = np.abs(Q - np.swapaxes(Q, -1, -2)).max(axis=(-2, -1))
    _first_fault(skew > precision.indefinite * scale, skew, "Q", "a symmetric matrix")
    root = np.eye(M) if gram is None else np.linalg.cholesky(gram)
    span = np.linalg.solve(root, np.swapaxes(R, -1, -2)).swapaxes(-1, -2)
    _check_norms("Q", np.sqrt(np.maximum(np.einsum("nii->ni", Q), 0.0)), gram)
    P = (Q + np.swapaxes(Q, -1, -2)) / 2.0 - span @ np.swapaxes(span, -1, -2)
    values, vectors = np.linalg.eigh(P)
    scale = np.maximum(scale, np.max(np.sum(span**2, axis=-1), axis=-1))
    _first_fault(
        values[:, 0] < -precision.indefinite * scale,
        values[:, 0],
        "Q",
        "overlaps of weights that exist: Q - R T^-1 R^T has this smallest eigenvalue, and must "
        f"have none below -{precision.indefinite:g} times the largest entry",
    )
    values = np.where(values <= precision.square * K * scale[:, None], 0.0, values)
    room = min(K, dimension - M)
    if room < K and np.any(values[:, : K - room] > 0.0):
        raise RequestError(
            "input_dimension", dimension, "room for what students have outside the teacher's span"
        )
    beside = (vectors * np.sqrt(values)[:, None, :])[..., K - room :]
    if not np.any(beside):
        beside = beside[..., :0]
    return Reduced(np.concatenate([span, beside], axis=-1), gram, M, dimension)


def _basis(teacher: Real, precision: Precision) -> tuple[Real | None, Real]:
    """Gram matrix of the rows ``teacher`` (M, d), None where they are orthonormal, and orthonormal
    rows (M, d) of their span in which it has its lower Cholesky factor."""
    squares = np.sum(teacher**2, axis=1)
    if not np.all(squares > 0.0):
        row = int(np.argmin(squares))
        raise RequestError("teacher", f"row {row} is zero", "rows that are not zero")
    T = teacher @ teacher.T
    T = (T + T.T) / 2.0
    _check_positive("teacher", T)
    gram = _near_identity(T, precision)
    if gram is T:
        # Columns of Q are rows of the basis; their signs make R^T a Cholesky factor.
        q, r = np.linalg.qr(teacher.T)
        return gram, (q * np.sign(np.diagonal(r))).T
    # Orthonormal up to rounding: the orthonormal rows next to them (Löwdin 1950).
    u, _, v = np.linalg.svd(teacher, full_matrices=False)
    return gram, u @ v


def _near_identity(gram: Real | None, precision: Precision) -> Real | None:
    """The matrix; a multiple of the identity where it is one up to rounding; None for the identity
    itself."""
    if gram is None:
        return None
    size = float(np.mean(np.diagonal(gram)))
    one = np.eye(len(gram))
    if not size > 0.0 or np.abs(gram / size - one).max() > precision.orthonormal:
        return gram
    if abs(size - 1.0) <= precision.orthonormal:
        return None
    return size * one


def _check_positive(field: str, T: Real) -> None:
    """Refuse a Gram matrix whose overlaps would not determine weights."""
    if not np.allclose(T, T.T, rtol=0.0, atol=1e-12 * float(np.abs(T).max())):
        raise RequestError(field, "not symmetric", "a symmetric matrix")
    values = np.linalg.eigvalsh(T)
    if not values[0] > SMALLEST_CONDITION * values[-1]:
        what = "rows that are linearly independent" if field == "teacher" else "positive definite"
        raise RequestError(
            field,
            f"smallest eigenvalue {values[0]:.3g}, largest {values[-1]:.3g}, of T = V V^T",
            f"{what}: the ratio of T's extreme eigenvalues must exceed {SMALLEST_CONDITION:g}",
        )


def _triangles(beside: Real, columns: int, dimension: int, precision: Precision) -> Real:
    """Rows with the scalar products of ``beside`` (n, K, r) in so many columns, K of them or as
    many as there is room for; lower triangular, with a diagonal that is not negative."""
    K, r = beside.shape[1:]
    if columns == K:
        roots = np.linalg.qr(np.swapaxes(beside, -1, -2), mode="r")
        signs = np.where(np.einsum("nii->ni", roots) < 0.0, -1.0, 1.0)
        return np.swapaxes(roots * signs[..., None], -1, -2)
    # More columns than the dimension leaves room for: they must not be of full rank.
    u, s, _ = np.linalg.svd(beside, full_matrices=False)
    if np.any(s[:, columns:] > precision.flat * np.sqrt(r) * s[:, :1] * K):
        raise RequestError(
            "input_dimension", dimension, "room for what students have outside the teacher's span"
        )
    return np.asarray((u * s[:, None, :])[..., :columns])


def _check_norms(field: str, norms: Real, gram: Real | None) -> None:
    """Students (n, K) of norms that a flow can begin with."""
    mean = 1.0 if gram is None else float(np.mean(np.sqrt(np.maximum(np.diagonal(gram), 0.0))))
    low, high = SMALLEST_NORM * mean, LARGEST_NORM * mean
    wrong = np.argwhere(~((norms >= low) & (norms <= high)))
    if len(wrong):
        point, row = (int(each) for each in wrong[0])
        raise RequestError(
            field,
            f"norm {norms[point, row]:.3g} of student {row} of point {point}",
            f"norms from {low:g} to {high:g}. A student of norm zero is on the kink, where the "
            "loss has no gradient: leave its row out; what one more student would do is answered "
            "besides",
        )


def _first_fault(wrong: NDArray[np.bool_], values: Real, field: str, bounds: str) -> None:
    """Raise ``RequestError`` for the first point that is wrong."""
    places = np.flatnonzero(wrong)
    if len(places):
        first = int(places[0])
        raise RequestError(field, f"{values[first]:.3g} at point {first}", bounds)


def as_numbers(field: str, array: NDArray[Any]) -> tuple[Real, bool]:
    """Doubles of an array, and whether it was one of single precision.

    Booleans, integers and floating-point numbers are; raises ``RequestError`` for other types and
    for numbers that are not finite.
    """
    if array.dtype.kind not in "iuf":
        raise RequestError(field, f"dtype {array.dtype}", "real numbers: float64, float32, integer")
    numbers = np.ascontiguousarray(array, dtype=np.float64)
    if not np.all(np.isfinite(numbers)):
        place = tuple(int(each) for each in np.argwhere(~np.isfinite(numbers))[0])
        raise RequestError(field, f"{numbers[place]} at {list(place)}", "finite numbers")
    return numbers, bool(array.dtype.kind == "f" and array.dtype.itemsize < 8)
