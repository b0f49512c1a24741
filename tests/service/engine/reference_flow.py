"""Gradient flow by SciPy's integrators on the textbook gradient: an independent path."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from tests.service.engine.certificates import points
from tests.service.engine.oracles import Real


def integrate(
    W: Real, teachers: int, time: float, *, method: str = "LSODA", rtol: float = 1e-10
) -> Real:
    """W (K, p) after ``time`` units of gradient flow (orthonormal teacher)."""
    shape = W.shape

    def slope(_t: float, y: Real) -> Real:
        return -points.gradient(y.reshape(shape), teachers).ravel()

    def jacobian(_t: float, y: Real) -> Real:
        return -points.hessian(y.reshape(shape), teachers)

    options: dict[str, Any] = {"jac": jacobian} if method == "LSODA" else {}
    found = solve_ivp(
        slope, (0.0, time), W.ravel(), method=method, rtol=rtol, atol=1e-12, t_eval=[time],
        **options,
    )  # fmt: skip
    assert found.success, found.message
    return np.asarray(found.y[:, -1]).reshape(shape)
