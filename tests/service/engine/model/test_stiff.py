"""The stiff part of the Hessian, against dense matrices and differences of the terms it is of."""

from __future__ import annotations

import numpy as np

from relu_landscape.engine.model.stiff import ImplicitPart, frobenius
from tests.service.engine.conftest import Backend
from tests.service.engine.oracles import Real


def _dense_implicit(W: Real) -> Real:
    """1/4 (1 1^T (x) I) + u u^T / (2 pi), as a (K p, K p) matrix."""
    K, p = W.shape
    u = (W / np.linalg.norm(W, axis=1, keepdims=True)).ravel()
    return np.asarray(np.kron(np.ones((K, K)), np.eye(p)) / 4.0 + np.outer(u, u) / (2.0 * np.pi))


def test_implicit_part_solves_its_linear_system(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    W, b = rng.standard_normal((2, 3, 4, 6))
    theta = np.array([0.0, 0.3, 20.0])
    part = ImplicitPart(backend.asarray(W), backend.asarray(theta), xp=backend.xp)
    found = part.solve(backend.asarray(b))
    backend.check_kind(found, backend.asarray(b))
    for row in range(3):
        dense = np.eye(24) + theta[row] * _dense_implicit(W[row])
        wanted = np.linalg.solve(dense, b[row].ravel())
        np.testing.assert_allclose(backend.to_numpy(found)[row].ravel(), wanted, atol=1e-13)


def test_implicit_part_is_the_hessian_of_the_collective_terms() -> None:
    """Of N^2/(4 pi) + |S|^2/8 where N = 0, by differences of its gradient."""
    rng = np.random.default_rng(2)
    W = rng.standard_normal((4, 3))
    W *= 3.0 / np.linalg.norm(W, axis=1).sum()  # three teachers of length one: N = 0

    def slope(y: Real) -> Real:
        w = y.reshape(4, 3)
        n = np.linalg.norm(w, axis=1)
        N = n.sum() - 3.0
        S = w.sum(axis=0) - 1.0
        return np.asarray(N / (2 * np.pi) * w / n[:, None] + S / 4.0).ravel()

    h = 1e-6
    moves = np.eye(12) * h
    found = [(slope(W.ravel() + m) - slope(W.ravel() - m)) / (2 * h) for m in moves]
    np.testing.assert_allclose(found, _dense_implicit(W), atol=1e-8)


def test_norms_of_matrices(backend: Backend) -> None:
    W = np.random.default_rng(1).standard_normal((3, 4, 5))
    found = frobenius(backend.asarray(W), xp=backend.xp)
    backend.check_kind(found, backend.asarray(W))
    wanted = np.linalg.norm(W, axis=(1, 2))
    np.testing.assert_allclose(backend.to_numpy(found), wanted, rtol=1e-15)
