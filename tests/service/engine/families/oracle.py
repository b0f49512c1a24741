"""Dense oracle from the angles between all units: independent of the package, and of its splits."""

from __future__ import annotations

import math

import numpy as np


def kernels(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    """E[ReLU(w.x) ReLU(v.x)] of all pairs of rows (Cho and Saul 2009)."""
    t = angles(W, V)
    norms = np.outer(np.linalg.norm(W, axis=1), np.linalg.norm(V, axis=1))
    return np.asarray(norms * (np.sin(t) + (np.pi - t) * np.cos(t)) / (2 * np.pi))


def loss(W: np.ndarray) -> float:
    """The definition, with exact summation: the terms add up to K^2 times the result."""
    V = np.eye(W.shape[1])
    terms = (kernels(W, W) / 2, -kernels(W, V), kernels(V, V) / 2)
    return math.fsum(np.concatenate([each.ravel() for each in terms]).tolist())


def _sides(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A and B of grad L = A W - B V."""
    n = np.linalg.norm(W, axis=1)
    t, s = angles(W, W), angles(W, np.eye(W.shape[1]))
    A = (np.pi - t) / (2 * np.pi)
    pull = np.sin(t) @ n - np.sin(s).sum(axis=1)
    np.fill_diagonal(A, 0.5 + pull / (2 * np.pi * n))
    return A, (np.pi - s) / (2 * np.pi)


def perpendicular(W: np.ndarray) -> np.ndarray:
    """A of grad L = A W - B V: the Hessian's block for every perpendicular dimension."""
    return _sides(W)[0]


def gradient(W: np.ndarray) -> np.ndarray:
    A, B = _sides(W)
    return np.asarray(A @ W - B)


def hessian(W: np.ndarray) -> np.ndarray:
    """The KM x KM Hessian in the teacher's span, row-major in W."""
    K, M = W.shape
    H = np.zeros((K, M, K, M))
    for i in range(K):
        H[i] = _cross(W[i], W).transpose(1, 0, 2)
        others = np.delete(W, i, axis=0)
        H[i, :, i] = 0.5 * np.eye(M) + _bend(W[i], others) - _bend(W[i], np.eye(M))
    return H.reshape(K * M, K * M)


def _bend(w: np.ndarray, others: np.ndarray) -> np.ndarray:
    """h(w, v) of the diagonal blocks, summed over the others: (M, M)."""
    norm = np.linalg.norm(w)
    u = w / norm
    e = others - np.outer(others @ u, u)
    length = np.linalg.norm(e, axis=1)
    kept = length >= 1e-9 * np.linalg.norm(others, axis=1)
    e, length = e[kept], length[kept]
    shape = length.sum() * (np.eye(len(w)) - np.outer(u, u)) + (e.T / length) @ e
    return np.asarray(shape / (2 * np.pi * norm))


def _cross(w: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The blocks beside the diagonal: (others, M, M)."""
    t = angles(w[None], others)[0][:, None, None]
    u = (w / np.linalg.norm(w))[None, :, None]
    k = (others / np.linalg.norm(others, axis=1)[:, None])[:, :, None]
    uT, kT = u.transpose(0, 2, 1), k.transpose(0, 2, 1)
    swap = u * kT + k * uT - np.cos(t) * (u * uT + k * kT)
    parallel = np.sin(t) <= 1e-9
    swap = np.where(parallel, 0.0, swap / np.where(parallel, 1.0, np.sin(t)))
    return np.asarray(((np.pi - t) * np.eye(len(w)) + swap) / (2 * np.pi))


def angles(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Kahan's angles between rows, accurate also for parallel ones: (len(W), len(V))."""
    U, K = (each / np.linalg.norm(each, axis=1)[:, None] for each in (W, V))
    difference = np.linalg.norm(U[:, None] - K[None], axis=2)
    return np.asarray(2 * np.arctan2(difference, np.linalg.norm(U[:, None] + K[None], axis=2)))


def flow(W: np.ndarray, *, rest: float = 1e-7, longest: float = 2e4) -> np.ndarray:
    """Gradient flow by classical Runge-Kutta until the gradient is below ``rest``.

    The largest eigenvalue of the Hessian is about K/4 + 1, so the step is half of the stable one;
    its local error is far below what could change the end from a saddle.
    """
    h = 4 / (len(W) + 4)
    for step in range(int(longest / h)):
        k1 = gradient(W)
        # the flow starts next to a saddle, where the gradient is small and grows
        if step * h > 60 and np.linalg.norm(k1) < rest:
            break
        k2 = gradient(W - h / 2 * k1)
        k3 = gradient(W - h / 2 * k2)
        k4 = gradient(W - h * k3)
        W = W - h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return W


def flow_batch(batch: np.ndarray) -> np.ndarray:
    return np.array([flow(W) for W in batch])
