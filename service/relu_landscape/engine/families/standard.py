"""The standard component (p-1, 1) of a teacher block: one matrix, of the size of a few blocks.

For xi with sum xi = 0 and |xi| = 1 on the labels of block ``t`` the component is spanned by

    z_{s,r} = a_s xi / sqrt(q_s) + xi_r sum_u b_{s,u} u_u + xi_r g_s e_r    for s natural on t,
    z_{s,r} = a_s xi / sqrt(q_s)                                             for all other students.

Every inner product of a z with a unit is ``xi_r L + xi_r' L'`` (and ``+ xi_r G`` for equal labels)
with covectors L, L', G over the coefficients (a, b, g), so sums over labels need no more than
sum xi_r^2, sum xi_r xi_r' and sum xi_r'^2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from relu_landscape.engine.families.frame import Frame
from relu_landscape.engine.families.layout import Array
from relu_landscape.engine.families.reduced import TWO_PI

#: sum xi_r^2, sum xi_r xi_r', sum xi_r'^2 over the label pairs of a class
Sums = tuple[float, float, float]


@dataclass(frozen=True)
class _Covector:
    """Coefficients on xi_r, on xi_r' and, for equal labels only, once more: (S, k) each."""

    own: Array
    other: Array
    equal: Array

    def over(self, divisor: Array) -> _Covector:
        d = divisor[:, None]
        return _Covector(self.own / d, self.other / d, self.equal / d)

    def minus(self, own: Array) -> _Covector:
        return _Covector(self.own - own, self.other, self.equal)

    def swapped(self) -> _Covector:
        """The same with the labels r and r' exchanged."""
        return _Covector(self.other, self.own, self.equal)

    def merged(self) -> _Covector:
        """For equal labels, where xi_r' is xi_r."""
        zero = np.zeros_like(self.own)
        return _Covector(self.own + self.other + self.equal, zero, zero)


@dataclass(frozen=True)
class _Basis:
    """Where a_s, b_{s,.} and g_s stand among the coefficients; their Gram matrix (k, k)."""

    block: int
    p: float
    b: dict[int, slice]
    g: dict[int, int]
    gram: Array

    def positions(self, s: int) -> list[int]:
        """All coefficients of student block ``s``."""
        found = [s]
        if s in self.b:
            found += range(self.b[s].start, self.b[s].stop)
        if s in self.g:
            found.append(self.g[s])
        return found


def standard(frame: Frame, t: int) -> Array:
    """Matrix of the whole Hessian on the standard component of block ``t``: (S, k, k).

    In an orthonormal basis; k = n + c_t (B + 1) with c_t natural blocks on t, or n + c_t B where
    p_t = 2 (the vectors with g are combinations of the others there).
    """
    basis = _basis(frame, t)
    M = np.zeros((len(frame.norm), len(basis.gram), len(basis.gram)))
    for s in range(len(frame.table.q)):
        _diagonal(M, frame, basis, s)
        for other in range(s + 1):
            _coupling(M, frame, basis, other, s)
    triangle = np.linalg.inv(np.linalg.cholesky(basis.gram))
    return np.asarray(triangle @ M @ triangle.T)


def _basis(frame: Frame, t: int) -> _Basis:
    n, blocks = len(frame.table.q), len(frame.table.p)
    p = float(frame.table.p[t])
    b: dict[int, slice] = {}
    g: dict[int, int] = {}
    count = n
    for s in frame.naturals(t):
        b[s] = slice(count, count + blocks)
        count += blocks
        if p > 2:
            g[s] = count
            count += 1
    gram = np.eye(count)
    for s, position in g.items():
        for where in (s, b[s].start + t):
            gram[position, where] = gram[where, position] = 1 / math.sqrt(p)
    return _Basis(t, p, b, g, gram)


def _inner(frame: Frame, basis: _Basis, s: int, x: Array, y: Array | None) -> _Covector:
    """z_{s,r} . w for a unit with coordinates ``x`` (S, B); ``y`` (S,) if natural on the block."""
    own, other, equal = (np.zeros((len(frame.norm), len(basis.gram))) for _ in range(3))
    if s in basis.b:
        own[:, basis.b[s]] = x
    if s in basis.g:
        own[:, basis.g[s]] = x[:, basis.block] / math.sqrt(basis.p)
    if y is not None:
        other[:, s] = y / math.sqrt(frame.table.q[s])
        if s in basis.g:
            own[:, basis.g[s]] -= y / basis.p
            equal[:, basis.g[s]] = y
    return _Covector(own, other, equal)


def _student(frame: Frame, basis: _Basis, s: int, of: int) -> _Covector:
    """u_of . z_s."""
    y = frame.y[:, of] if of in basis.b else None
    return _inner(frame, basis, s, frame.x[:, of], y).over(frame.norm[:, of])


def _teacher(frame: Frame, basis: _Basis, s: int, u: int) -> _Covector:
    """v . z_s for the teachers of block ``u``: e_m = u_u / sqrt(p_u) + eps_m."""
    x = np.zeros((len(frame.norm), len(frame.table.p)))
    x[:, u] = 1 / math.sqrt(frame.table.p[u])
    return _inner(frame, basis, s, x, np.ones(len(x)) if u == basis.block else None)


def _itself(frame: Frame, basis: _Basis, s: int) -> Array:
    """Coefficient of xi_r in u_i . z_i; zero for students that are constant on the block."""
    own = _student(frame, basis, s, s).merged().own
    return own if s in basis.b else np.zeros_like(own)


def _classes(
    frame: Frame, basis: _Basis, s: int, kind: str, other: int, count: float
) -> Iterator[tuple[int, Sums, bool]]:
    """Pair classes of ``s`` with a student or teacher block: column, sums, whether labels agree."""
    p = basis.p
    natural = other in basis.b if kind == "ss" else other == basis.block
    if s in basis.b and natural:
        yield frame.pair(kind, s, other, "off"), (p - 1, -1.0, p - 1), False
        if kind == "st" or s != other:
            yield frame.pair(kind, s, other, "same"), (1.0, 0.0, 0.0), True
    elif s in basis.b:
        yield frame.pair(kind, s, other, "apart"), (count, 0.0, 0.0), False
    elif natural:
        yield frame.pair(kind, s, other, "apart"), (0.0, 0.0, float(frame.table.q[s])), False


def _add(M: Array, factor: Array, left: _Covector, right: _Covector, sums: Sums) -> None:
    """Add factor * (sum over label pairs of left * right), symmetrised."""
    L = np.stack([left.own, left.other], axis=1)
    R = np.stack([right.own, right.other], axis=1)
    weights = np.array([[sums[0], sums[1]], [sums[1], sums[2]]])
    term = np.swapaxes(L, 1, 2) @ weights @ R * (factor / 2)[:, None, None]
    M += term + np.swapaxes(term, 1, 2)


def _diagonal(M: Array, frame: Frame, basis: _Basis, s: int) -> None:
    """H_ii: A_i |z|^2 - D_i (u.z)^2 and the curvature along every other unit."""
    mine = _itself(frame, basis, s)
    mask = np.zeros(len(basis.gram))
    mask[basis.positions(s)] = 1.0
    M += frame.own_share[:, s, None, None] * (basis.gram * np.outer(mask, mask))
    M -= frame.tension[:, s, None, None] * mine[:, :, None] * mine[:, None, :]
    units = [
        ("ss", other, _student(frame, basis, s, other), frame.norm[:, other], float(q))
        for other, q in enumerate(frame.table.q)
    ]
    units += [
        ("st", u, _teacher(frame, basis, s, u), -np.ones(len(mine)), float(p))
        for u, p in enumerate(frame.table.p)
    ]
    for kind, other, covector, weight, count in units:
        for pair, sums, equal in _classes(frame, basis, s, kind, other, count):
            across = covector.minus(frame.cosine[:, pair, None] * mine)
            across = across.merged() if equal else across
            factor = weight * frame.inverse_sine[:, pair] / (TWO_PI * frame.norm[:, s])
            _add(M, factor, across, across, sums)


def _coupling(M: Array, frame: Frame, basis: _Basis, s: int, other: int) -> None:
    """H_ij over ordered pairs of unequal units of the blocks ``s`` and ``other``."""
    twice = 1.0 if s == other else 2.0  # the ordered pairs (s, s') and (s', s)
    _constant_part(M, frame, basis, s, other, twice)
    if s not in basis.b and other not in basis.b:
        return
    p1 = _Covector(*_on_own(_itself(frame, basis, s)))
    p3 = _Covector(*_on_own(_itself(frame, basis, other))).swapped()
    p2 = _student(frame, basis, s, other)
    p4 = _student(frame, basis, other, s).swapped()
    for pair, sums, equal in _classes(frame, basis, s, "ss", other, float(frame.table.q[other])):
        forms = [c.merged() if equal else c for c in (p1, p2, p3, p4)]
        factor = twice * frame.inverse_sine[:, pair] / TWO_PI
        _add(M, factor, forms[0], forms[2], sums)
        _add(M, factor, forms[1], forms[3], sums)
        _add(M, -factor * frame.cosine[:, pair], forms[0], forms[3], sums)
        _add(M, -factor * frame.cosine[:, pair], forms[1], forms[2], sums)


def _on_own(own: Array) -> tuple[Array, Array, Array]:
    return own, np.zeros_like(own), np.zeros_like(own)


def _constant_part(M: Array, frame: Frame, basis: _Basis, s: int, other: int, twice: float) -> None:
    """A_ij z_i . z_j summed over the label pairs of two student blocks."""
    q, own = frame.table.q, frame.table.own
    same_type = own[s] is not None and own[s] == own[other]
    relations = ("off", "same") if same_type else ("apart",)
    for relation in relations:
        if s == other and relation != "off":
            continue  # a unit with itself
        G = np.zeros_like(basis.gram)
        shares = {"off": q[s] - 1, "same": 1.0, "apart": math.sqrt(q[s] * q[other])}
        G[s, other] = shares[relation]
        if relation == "apart":
            for i, j in ((s, other), (other, s)):
                if i in basis.g:
                    G[basis.g[i], j] += math.sqrt(q[j])
        elif s in basis.b:
            _natural_part(G, basis, s, other, equal=relation == "same")
        share = frame.angle_share[:, frame.pair("ss", s, other, relation)]
        M += (twice / 2 * share)[:, None, None] * (G + G.T)


def _natural_part(G: Array, basis: _Basis, s: int, other: int, *, equal: bool) -> None:
    """The terms with b and g of two blocks natural on this teacher block."""
    square, mixed = (1.0, 1.0) if equal else (basis.p - 1, -1.0)  # sum xi_r^2, sum xi_r xi_r'
    mine, theirs = basis.b[s], basis.b[other]
    for u in range(mine.stop - mine.start):
        G[mine.start + u, theirs.start + u] += mixed
    if s in basis.g:
        root = math.sqrt(basis.p)
        i, j = basis.g[s], basis.g[other]
        G[s, j] += square / root
        G[i, other] += square / root
        G[i, theirs.start + basis.block] += mixed / root
        G[mine.start + basis.block, j] += mixed / root
        if equal:
            G[i, j] += 1.0
