"""Dense oracle by plain loops over pairs of units: slow, obvious, independent of the package."""

from __future__ import annotations

import math

import numpy as np


def kernel(w: np.ndarray, v: np.ndarray) -> float:
    """E[ReLU(w.x) ReLU(v.x)] (Cho and Saul 2009)."""
    n, m = np.linalg.norm(w), np.linalg.norm(v)
    t = angle(w, v)
    return float(n * m * (np.sin(t) + (np.pi - t) * np.cos(t)) / (2 * np.pi))


def angle(w: np.ndarray, v: np.ndarray) -> float:
    """Kahan's angle between vectors, accurate also for parallel ones."""
    a, b = w / np.linalg.norm(w), v / np.linalg.norm(v)
    return float(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def loss(W: np.ndarray) -> float:
    """The definition, with exact summation: the terms add up to K^2 times the result."""
    K, M = W.shape
    V = np.eye(M)
    terms = [kernel(W[i], W[j]) / 2 for i in range(K) for j in range(K)]
    terms += [-kernel(W[i], V[m]) for i in range(K) for m in range(M)]
    return math.fsum(terms + [kernel(V[m], V[k]) / 2 for m in range(M) for k in range(M)])


def perpendicular(W: np.ndarray) -> np.ndarray:
    """A of grad L = A W - B V: the Hessian's block for every perpendicular dimension."""
    K, M = W.shape
    A = np.zeros((K, K))
    for i in range(K):
        norm = np.linalg.norm(W[i])
        pull = -sum(np.sin(angle(W[i], np.eye(M)[m])) for m in range(M))
        for j in range(K):
            if j != i:
                t = angle(W[i], W[j])
                A[i, j] = (np.pi - t) / (2 * np.pi)
                pull += np.linalg.norm(W[j]) * np.sin(t)
        A[i, i] = 0.5 + pull / (2 * np.pi * norm)
    return A


def gradient(W: np.ndarray) -> np.ndarray:
    V = np.eye(W.shape[1])
    B = [[(np.pi - angle(w, v)) / (2 * np.pi) for v in V] for w in W]
    return np.asarray(perpendicular(W) @ W - np.array(B))


def _bend(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """h(w, v) of the diagonal blocks."""
    u = w / np.linalg.norm(w)
    e = v - (v @ u) * u
    length = np.linalg.norm(e)
    if length < 1e-9 * np.linalg.norm(v):
        return np.zeros((len(w), len(w)))
    e = e / length
    shape = np.eye(len(w)) - np.outer(u, u) + np.outer(e, e)
    return np.asarray(length * shape / (2 * np.pi * np.linalg.norm(w)))


def hessian(W: np.ndarray) -> np.ndarray:
    """The KM x KM Hessian in the teacher's span, row-major in W."""
    K, M = W.shape
    H = np.zeros((K, M, K, M))
    for i in range(K):
        own = 0.5 * np.eye(M)
        for j in range(K):
            if j != i:
                own = own + _bend(W[i], W[j])
                H[i, :, j] = _cross(W[i], W[j])
        for m in range(M):
            own = own - _bend(W[i], np.eye(M)[m])
        H[i, :, i] = own
    return H.reshape(K * M, K * M)


def _cross(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    t = angle(w, v)
    u, k = w / np.linalg.norm(w), v / np.linalg.norm(v)
    block = (np.pi - t) * np.eye(len(w))
    if np.sin(t) > 1e-9:
        c = np.cos(t)
        swap = np.outer(u, k) + np.outer(k, u) - c * (np.outer(u, u) + np.outer(k, k))
        block = block + swap / np.sin(t)
    return block / (2 * np.pi)


def fast_gradient(W: np.ndarray) -> np.ndarray:
    """The gradient with arrays instead of loops, for integrating the flow; same formula."""
    n = np.linalg.norm(W, axis=1)
    U, V = W / n[:, None], np.eye(W.shape[1])
    t, s = _angles(U, U), _angles(U, V)
    A = (np.pi - t) / (2 * np.pi)
    pull = np.sin(t) @ n - np.sin(s).sum(axis=1)
    np.fill_diagonal(A, 0.5 + pull / (2 * np.pi * n))
    return np.asarray(A @ W - (np.pi - s) / (2 * np.pi))


def _angles(U: np.ndarray, V: np.ndarray) -> np.ndarray:
    difference = np.linalg.norm(U[:, None] - V[None], axis=2)
    return np.asarray(2 * np.arctan2(difference, np.linalg.norm(U[:, None] + V[None], axis=2)))


def flow(W: np.ndarray, *, rest: float = 1e-7, longest: float = 2e4) -> np.ndarray:
    """Gradient flow by classical Runge-Kutta until the gradient is below ``rest``.

    The largest eigenvalue of the Hessian is about K/4 + 1, so the step is half of the stable one;
    its local error is far below what could change the end from a saddle.
    """
    h = 4 / (len(W) + 4)
    for step in range(int(longest / h)):
        k1 = fast_gradient(W)
        # the flow starts next to a saddle, where the gradient is small and grows
        if step * h > 60 and np.linalg.norm(k1) < rest:
            break
        k2 = fast_gradient(W - h / 2 * k1)
        k3 = fast_gradient(W - h / 2 * k2)
        k4 = fast_gradient(W - h * k3)
        W = W - h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return W


def flow_batch(batch: np.ndarray) -> np.ndarray:
    return np.array([flow(W) for W in batch])
