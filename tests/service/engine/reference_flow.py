"""Gradient flow by SciPy's integrators on the textbook gradient: an independent path."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.integrate import solve_ivp

from tests.service.engine.certificates import points
from tests.service.engine.oracles import Real


def integrate(
    W: Real,
    teachers: int,
    time: float,
    *,
    method: Literal["LSODA", "DOP853"] = "LSODA",
    rtol: float = 1e-10,
) -> Real:
    """W (K, p) after ``time`` units of gradient flow (orthonormal teacher)."""
    shape = W.shape

    def slope(_t: float, y: Real) -> Real:
        return -points.gradient(y.reshape(shape), teachers).ravel()

    def jacobian(_t: float, y: Real) -> Real:
        return -points.hessian(y.reshape(shape), teachers)

    span, y = (0.0, time), W.ravel()
    if method == "DOP853":
        found = solve_ivp(slope, span, y, "DOP853", [time], rtol=rtol, atol=1e-12)
    else:
        found = solve_ivp(slope, span, y, "LSODA", [time], rtol=rtol, atol=1e-12, jac=jacobian)
    assert found.success, found.message
    return np.asarray(found.y[:, -1]).reshape(shape)
