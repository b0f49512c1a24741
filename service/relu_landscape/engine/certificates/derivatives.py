r"""Loss, gradient, Hessian and perpendicular block of a structured point, in balls, at any width.

Every pair of units has squared lengths a, b and an inner product g that are quadratic in the
unknowns z. With ``s = sqrt(a b - g^2)``, ``t = atan2(s, g)`` the kernel and its derivatives are

    k    = (s + (pi - t) g) / (2 pi)
    k'   = s a' / (4 pi a) + s b' / (4 pi b) + (pi - t) g' / (2 pi)
    k''  = xi xi^T / (2 pi s) - s eta eta^T / (8 pi)
           + s a'' / (4 pi a) + s b'' / (4 pi b) + (pi - t) g'' / (2 pi)
    xi   = g' - (g / 2) (a'/a + b'/b),        eta = a'/a - b'/b

where ``xi`` is ``-s`` times the derivative of the angle: where vectors are parallel its term
vanishes, and is replaced by a ball of its size. Derivation: docs/mathematics/certificates.md,
section 5. All is returned in *orthonormal* coordinates of the fixed space, ``sqrt(q_s) x`` and
``sqrt(p_t - 1) y``: the gradient has the norm of the full one, and the Hessian is the restriction
of the full one. Accuracy: rigorous; sums of K^2 terms lose 2 log2 K bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flint import arb, arb_mat

from relu_landscape.engine.certificates.balls import scalar_matrix, symmetric
from relu_landscape.engine.certificates.geometry import Angle, angle
from relu_landscape.engine.certificates.leaking import height, leaky_loss
from relu_landscape.engine.certificates.structure import Blocks


@dataclass(frozen=True)
class Term:
    """One type of pair: ``weight`` times the kernel; ``second`` is ``None`` for a teacher.

    ``inner`` is the inner product, ``mixing`` the coefficient of ``y_s y_s'`` in it (students) or
    of ``y_s`` (teachers), ``teacher`` the teacher block.
    """

    weight: int
    first: int
    second: int | None
    teacher: int
    mixing: arb
    inner: arb
    angle: Angle

    @property
    def is_own(self) -> bool:
        """Whether both units are students of the same block."""
        return self.first == self.second


def _dot(first: list[arb], second: list[arb]) -> arb:
    return sum((p * q for p, q in zip(first, second, strict=True)), arb(0))


def squared_norms(point: Blocks) -> list[arb]:
    """``|w_s|^2``, one per student block."""
    result = []
    for row, y, t in zip(point.x, point.y, point.structure.students, strict=True):
        own = arb(0) if t is None else y * y * (1 - arb(1) / point.structure.teachers[t])
        result.append(_dot(row, row) + own)
    return result


def _labels(p: int) -> tuple[tuple[int, arb], tuple[int, arb]]:
    """Pairs of labels of a block of size p: (how many, ``(e_r - 1/p).(e_r' - 1/p)``)."""
    inverse = arb(1) / p
    return (p * (p - 1), -inverse), (p, 1 - inverse)


def terms(point: Blocks) -> Iterator[Term]:
    """All types of pairs, students in unordered pairs, with how many there are of each."""
    structure = point.structure
    squares = squared_norms(point)
    for s, t in enumerate(structure.students):
        for other in range(s):
            same = t is not None and structure.students[other] == t
            kinds = (
                _labels(structure.size(s))
                if same
                else ((structure.size(s) * structure.size(other), arb(0)),)
            )
            base = _dot(point.x[s], point.x[other])
            for count, mixing in kinds:
                inner = base + mixing * point.y[s] * point.y[other]
                pair = angle(squares[s], squares[other], inner)
                yield Term(count, s, other, -1, mixing, inner, pair)
        if t is not None:
            (count, mixing), _ = _labels(structure.teachers[t])
            inner = _dot(point.x[s], point.x[s]) + mixing * point.y[s] * point.y[s]
            pair = angle(squares[s], squares[s], inner)
            yield Term(count // 2, s, s, -1, mixing, inner, pair)
        for u, p in enumerate(structure.teachers):
            kinds = _labels(p) if u == t else ((structure.size(s) * p, arb(0)),)
            base = point.x[s][u] / arb(p).sqrt()
            for count, mixing in kinds:
                inner = base + mixing * point.y[s]
                yield Term(-count, s, None, u, mixing, inner, angle(squares[s], arb(1), inner))


@dataclass(frozen=True)
class Unknowns:
    """Where the unknowns of each student block stand, and the scale of each (orthonormal = 1)."""

    first: list[int]
    scales: list[arb]

    @property
    def count(self) -> int:
        """Number of unknowns."""
        return len(self.scales)


def unknowns(point: Blocks) -> Unknowns:
    """x of block 0, y of block 0 if it is natural, x of block 1, ..."""
    structure = point.structure
    first: list[int] = []
    scales: list[arb] = []
    for s, t in enumerate(structure.students):
        first.append(len(scales))
        scales += [arb(structure.size(s)).sqrt()] * len(structure.teachers)
        if t is not None:
            scales.append(arb(structure.teachers[t] - 1).sqrt())
    return Unknowns(first, scales)


def loss(point: Blocks) -> arb:
    """Enclosure of the population loss."""
    two_pi = 2 * arb.pi()
    M = point.structure.teacher_width
    total = arb(M) / 4 + arb(M * (M - 1)) / (2 * two_pi)
    for s, square in enumerate(squared_norms(point)):
        total += point.structure.size(s) * square / 4
    for term in terms(point):
        pair = term.angle
        total += term.weight * pair.product * (pair.sine + pair.obtuse * pair.cosine) / two_pi
    return leaky_loss(total, excess(point), point.structure.leak)


def perpendicular_block(point: Blocks) -> tuple[list[list[arb]], list[arb]]:
    """A restricted to vectors constant on student blocks, and ReLU's ``D_s = A_ii - 1/2``."""
    structure, two_pi = point.structure, 2 * arb.pi()
    n = [x.sqrt() for x in squared_norms(point)]
    sizes = [structure.size(s) for s in range(len(n))]
    rows = [[arb(0)] * len(n) for _ in n]
    d = [arb(0)] * len(n)
    for term in terms(point):
        s, other = term.first, term.second
        turn = term.angle.sine / two_pi
        if other is None:
            d[s] += term.weight * turn / (sizes[s] * n[s])
            continue
        share = term.weight * term.angle.obtuse / two_pi / arb(sizes[s] * sizes[other]).sqrt()
        d[s] += term.weight * turn * n[other] / (sizes[s] * n[s])
        d[other] += term.weight * turn * n[s] / (sizes[other] * n[other])
        rows[s][other] += share
        rows[other][s] += share
    for s, value in enumerate(d):
        rows[s][s] += arb(1) / 2 + value
    leak = point.structure.leak
    if leak != 0.0:
        unit = height(leak)
        for s, row in enumerate(rows):
            for other, value in enumerate(row):
                row[other] = unit * value + arb(leak) * _both(sizes, s, other)
    return rows, d


def _both(sizes: list[int], s: int, other: int) -> arb:
    """``1_s^T 1 1^T 1_other`` between unit vectors along the students of two blocks."""
    return arb(sizes[s] * sizes[other]).sqrt()


def excess(point: Blocks) -> list[arb]:
    """Coordinates of ``S = sum_i w_i - sum_m v_m`` along the teacher blocks: ``sum_s q_s x[s][t] -
    sqrt(p_t)``, since what y adds to the students of a block cancels."""
    structure = point.structure
    result = []
    for t, p in enumerate(structure.teachers):
        students = (structure.size(s) * row[t] for s, row in enumerate(point.x))
        result.append(sum(students, arb(0)) - arb(p).sqrt())
    return result


class _Forms:
    """First and second derivatives of squared norms and inner products in the plain unknowns."""

    def __init__(self, point: Blocks) -> None:
        self.point = point
        self.places = unknowns(point)
        self.width = len(point.structure.teachers)

    def share(self, s: int) -> arb:
        """``|e_r - 1/p|^2`` for block s, zero where there is no y."""
        t = self.point.structure.students[s]
        return arb(0) if t is None else 1 - arb(1) / self.point.structure.teachers[t]

    def range(self, s: int) -> range:
        """Places of the unknowns of block s."""
        natural = self.point.structure.students[s] is not None
        return range(self.places.first[s], self.places.first[s] + self.width + int(natural))

    def own(self, s: int, x: list[arb], y: arb) -> dict[int, arb]:
        """The linear form with these coefficients at the unknowns of block s."""
        return dict(zip(self.range(s), [*x, y], strict=False))

    def square(self, s: int) -> dict[int, arb]:
        """Gradient of ``|w_s|^2``."""
        point = self.point
        return self.own(s, [2 * v for v in point.x[s]], 2 * self.share(s) * point.y[s])

    def inner(self, term: Term) -> dict[int, arb]:
        """Gradient of the inner product of the pair."""
        point, s, other = self.point, term.first, term.second
        if other is None:
            x = [arb(0)] * self.width
            x[term.teacher] = 1 / arb(point.structure.teachers[term.teacher]).sqrt()
            return self.own(s, x, term.mixing)
        if term.is_own:
            return self.own(s, [2 * v for v in point.x[s]], 2 * term.mixing * point.y[s])
        form = self.own(s, point.x[other], term.mixing * point.y[other])
        form.update(self.own(other, point.x[s], term.mixing * point.y[s]))
        return form


class _Sum:
    """Gradient and Hessian being added up, in plain unknowns."""

    def __init__(self, size: int) -> None:
        self.gradient = [arb(0)] * size
        self.hessian = [[arb(0)] * size for _ in range(size)]

    def add_linear(self, factor: arb, form: dict[int, arb]) -> None:
        for k, value in form.items():
            self.gradient[k] += factor * value

    def add_product(self, factor: arb, form: dict[int, arb]) -> None:
        """``factor form form^T``, lower triangle."""
        entries = list(form.items())
        for k, value in entries:
            scaled = factor * value
            row = self.hessian[k]
            for j, other in entries:
                if j <= k:
                    row[j] += scaled * other

    def add_at(self, i: int, j: int, value: arb) -> None:
        """A second derivative with respect to the unknowns i and j, lower triangle."""
        self.hessian[max(i, j)][min(i, j)] += value


def _add_square(total: _Sum, forms: _Forms, s: int, factor: arb) -> None:
    """``factor |w_s|^2``: gradient and second derivatives."""
    total.add_linear(factor, forms.square(s))
    _add_diagonal(total, forms, s, 2 * factor, 2 * factor * forms.share(s))


def _add_diagonal(total: _Sum, forms: _Forms, s: int, at_x: arb, at_y: arb) -> None:
    places = forms.range(s)
    for place in places[: forms.width]:
        total.add_at(place, place, at_x)
    for place in places[forms.width :]:
        total.add_at(place, place, at_y)


def _add_inner(total: _Sum, forms: _Forms, term: Term, factor: arb) -> None:
    """``factor`` times the inner product of the pair: gradient and second derivatives."""
    total.add_linear(factor, forms.inner(term))
    if term.second is None:
        return
    if term.is_own:
        _add_diagonal(total, forms, term.first, 2 * factor, 2 * factor * term.mixing)
        return
    first, second = forms.range(term.first), forms.range(term.second)
    for i, j in zip(first[: forms.width], second[: forms.width], strict=True):
        total.add_at(i, j, factor)
    for i, j in zip(first[forms.width :], second[forms.width :], strict=False):
        total.add_at(i, j, factor * term.mixing)


def _add_term(total: _Sum, forms: _Forms, term: Term, squares: list[arb]) -> None:
    """The weighted kernel of one type of pair."""
    pi, pair, weight = arb.pi(), term.angle, term.weight
    area = pair.sine * pair.product
    s, other = term.first, term.second
    _add_square(total, forms, s, weight * area / (4 * pi * squares[s]))
    if other is not None:
        _add_square(total, forms, other, weight * area / (4 * pi * squares[other]))
    _add_inner(total, forms, term, weight * pair.obtuse / (2 * pi))
    first = {k: v / squares[s] for k, v in forms.square(s).items()}
    second = (
        {} if other is None else {k: v / squares[other] for k, v in forms.square(other).items()}
    )
    logs = {k: first.get(k, arb(0)) + second.get(k, arb(0)) for k in {**first, **second}}
    ratio = {k: first.get(k, arb(0)) - second.get(k, arb(0)) for k in logs}
    if not term.is_own:
        total.add_product(-weight * area / (8 * pi), ratio)
    if pair.parallel:
        # |xi_k| <= s |dt/dz_k| <= s (1/|w_s| + 1/|w_other|): unknowns move vectors by unit vectors
        lengths = [squares[s].sqrt()] + ([] if other is None else [squares[other].sqrt()])
        speed = sum((1 / n for n in lengths), arb(0))
        doubt = symmetric(weight * area * speed * speed / (2 * pi))
        for i in logs:
            for j in logs:
                if j <= i:
                    total.add_at(i, j, doubt)
        return
    inner = forms.inner(term)
    xi = {k: inner.get(k, arb(0)) - term.inner / 2 * v for k, v in logs.items()}
    total.add_product(weight / (2 * pi * area), xi)


def derivatives(point: Blocks) -> tuple[list[arb], list[list[arb]]]:
    """Gradient and Hessian in orthonormal coordinates of the fixed space, N and N x N."""
    forms = _Forms(point)
    places = forms.places
    total = _Sum(places.count)
    squares = squared_norms(point)
    for s in range(len(squares)):
        _add_square(total, forms, s, arb(point.structure.size(s)) / 4)
    for term in terms(point):
        _add_term(total, forms, term, squares)
    scale = places.scales
    gradient = [g / n for g, n in zip(total.gradient, scale, strict=True)]
    lower = total.hessian
    hessian = [
        [lower[max(i, j)][min(i, j)] / (scale[i] * scale[j]) for j in range(places.count)]
        for i in range(places.count)
    ]
    return _leaky(point, forms, gradient, hessian)


def _leaky(
    point: Blocks, forms: _Forms, gradient: list[arb], hessian: list[list[arb]]
) -> tuple[list[arb], list[list[arb]]]:
    """Both with the leak, from ReLU's: S depends on x alone, by ``sqrt(q_s)`` in its scale."""
    structure, leak = point.structure, point.structure.leak
    if leak == 0.0:
        return gradient, hessian
    unit, slope, around = height(leak), arb(leak), excess(point)
    gradient = [unit * g for g in gradient]
    hessian = [[unit * value for value in row] for row in hessian]
    sizes = [structure.size(s) for s in range(len(structure.students))]
    for s, size in enumerate(sizes):
        for t, own in enumerate(forms.range(s)[: forms.width]):
            gradient[own] += slope * arb(size).sqrt() * around[t]
            for other in range(len(sizes)):
                at = forms.range(other)[t]
                hessian[own][at] += slope * _both(sizes, s, other)
    return gradient, hessian


def own_blocks(point: Blocks, hessian: list[list[arb]]) -> list[arb_mat | None]:
    """ReLU's ``H_ii - I/2`` in the fixed space, for single students; ``None`` for the others."""
    forms, leak = _Forms(point), point.structure.leak
    result: list[arb_mat | None] = []
    for s, t in enumerate(point.structure.students):
        if t is not None:
            result.append(None)
            continue
        block = arb_mat([[hessian[i][j] for j in forms.range(s)] for i in forms.range(s)])
        if leak != 0.0:
            block = (block - scalar_matrix(forms.width, arb(leak))) / height(leak)
        for k in range(forms.width):
            block[k, k] = block[k, k] - arb(1) / 2
        result.append(block)
    return result
