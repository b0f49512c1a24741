"""Published critical points, and how each is found again here.

``WELL_SPECIFIED``: Safran, Yehudai and Shamir, The Effects of Mild Over-parameterization on the
Optimization Landscape of Shallow ReLU Neural Networks (COLT 2021, arXiv:2006.01005); widths up to
20, values from their published data set (loss with the factor 1/2, smallest Hessian eigenvalue).

``WIDER_STUDENTS``: points with one student more than teachers from Safran and Shamir, Spurious
Local Minima are Common in Two-Layer ReLU Neural Networks (ICML 2018, arXiv:1712.08968); loss and
eigenvalues after Newton's method. The first one at M = 17 had been reported as a minimum.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from tests.service.engine.certificates.points import Doubles, descend, newton


class Minimum(NamedTuple):
    """``anti`` students start opposed to their teachers; ``start`` names the symmetric start."""

    width: int
    blocks: tuple[int, ...]
    loss: float
    min_eigenvalue: float
    anti: int
    start: Literal["plain", "tilted", "three blocks"] = "plain"

    @property
    def name(self) -> str:
        """For the test report."""
        return f"{self.width}:{'+'.join(map(str, self.blocks))}:{self.loss:.4f}"


class Wider(NamedTuple):
    """``anti`` students start opposed; the extra one starts at ``extra`` along (them, the rest)."""

    teachers: int
    loss: float
    min_eigenvalue: float
    perpendicular_min_eigenvalue: float
    anti: int
    extra: tuple[float, float]

    @property
    def name(self) -> str:
        """For the test report."""
        return f"{self.teachers}:{self.loss:.6f}"


WELL_SPECIFIED = [
    Minimum(6, (6,), 0.0, 0.09084506, 0),
    Minimum(7, (7,), 0.0, 0.09084506, 0),
    Minimum(7, (1, 6), 0.0232027149136, 0.01405901, 1),
    Minimum(8, (8,), 0.0, 0.09084506, 0),
    Minimum(8, (1, 7), 0.0215080371715, 0.02134659, 1),
    Minimum(9, (9,), 0.0, 0.09084506, 0),
    Minimum(9, (1, 8), 0.0200141758085, 0.02718209, 1),
    Minimum(10, (10,), 0.0, 0.09084506, 0),
    Minimum(10, (1, 9), 0.0187021945856, 0.03196403, 1),
    Minimum(10, (2, 8), 0.0353268803189, 0.01599208, 2),
    Minimum(12, (12,), 0.0, 0.09084506, 0),
    Minimum(12, (1, 11), 0.0165237927128, 0.03934741, 1),
    Minimum(12, (2, 10), 0.0315511839328, 0.0253063, 2),
    Minimum(12, (3, 9), 0.0454580005717, 0.01434405, 3),
    Minimum(12, (6, 6), 0.0543414129266, 0.002146314, 6),
    Minimum(14, (14,), 0.0, 0.09084506, 0),
    Minimum(14, (1, 13), 0.0147978288872, 0.0447988, 1),
    Minimum(14, (2, 12), 0.0284485774396, 0.03237081, 2),
    Minimum(14, (3, 11), 0.0412856951516, 0.02245627, 3),
    Minimum(14, (4, 10), 0.0533577727811, 0.01392288, 4),
    Minimum(14, (6, 8), 0.0541231377751, 0.00226022, 6, "tilted"),
    Minimum(14, (7, 7), 0.0605724911738, 0.008013955, 7),
    Minimum(14, (6, 8), 0.0660711791293, 0.01241058, 8),
    Minimum(14, (5, 9), 0.0708799671128, 0.01589797, 9),
    Minimum(20, (20,), 0.0, 0.09084506, 0),
    Minimum(20, (1, 19), 0.0112755819476, 0.05509258, 1),
    Minimum(20, (2, 18), 0.0219229734662, 0.04434431, 2),
    Minimum(20, (3, 17), 0.0321516198731, 0.03851268, 3),
    Minimum(20, (4, 16), 0.0420215564973, 0.03190982, 4),
    Minimum(20, (5, 15), 0.0515559482585, 0.02587042, 5),
    Minimum(20, (1, 6, 13), 0.0597534191119, 0.0004012357, 0, "three blocks"),
    Minimum(20, (6, 14), 0.0607586633612, 0.02023235, 6),
    Minimum(20, (8, 12), 0.0653219806858, 0.003354055, 8, "tilted"),
    Minimum(20, (7, 13), 0.0696189789818, 0.01489708, 7),
    Minimum(20, (9, 11), 0.0699186212244, 0.007330754, 9, "tilted"),
    Minimum(20, (10, 10), 0.0739753860585, 0.01148347, 10),
    Minimum(20, (9, 11), 0.0776199964446, 0.0157257, 11),
    Minimum(20, (8, 12), 0.0809447847978, 0.02000755, 12),
    Minimum(20, (7, 13), 0.0840175337633, 0.024303, 13),
]

WIDER_STUDENTS = [
    Wider(8, 0.020560791803, 0.0059446, 0.0675417, 1, (-0.3, 0.2)),
    Wider(13, 0.014922736924, 0.0054318, 0.0676976, 1, (0.0, 0.3)),
    Wider(13, 0.036104635718, 0.0006054, 0.0847218, 5, (0.3, 0.0)),
    Wider(13, 0.042590916312, 0.0018515, 0.0809895, 6, (0.3, 0.0)),
    Wider(13, 0.054517800174, 0.0032106, 0.0729563, 8, (0.3, 0.0)),
    Wider(17, 0.011698913345, -0.0204149, 0.075488, 2, (0.3, 0.0)),
    Wider(17, 0.012201193673, 0.0052666, 0.0663055, 1, (0.0, 0.3)),
    Wider(17, 0.019157182576, 3.81e-05, 0.0830208, 3, (0.3, 0.0)),
    Wider(17, 0.025978184081, 0.0058656, 0.0881317, 4, (0.3, 0.0)),
    Wider(17, 0.032359508638, 0.0078051, 0.0916589, 5, (0.3, 0.0)),
    Wider(17, 0.033119057672, 0.0180353, 0.08596, 3, (0.0, 0.3)),
    Wider(17, 0.038374597371, 0.0083799, 0.0931307, 6, (0.3, 0.0)),
    Wider(17, 0.044069465725, 0.0084866, 0.0921854, 7, (0.3, 0.0)),
    Wider(17, 0.049483042305, 0.0084622, 0.089332, 8, (0.3, 0.0)),
    Wider(17, 0.054651675519, 0.0084114, 0.0855887, 9, (0.3, 0.0)),
]


@cache
def locate(point: Minimum) -> Doubles:
    """The published minimum as doubles, (width, width)."""
    k, anti = point.width, point.anti
    W = np.eye(k)
    if point.start == "three blocks":  # entries of the 1 + 6 + 13 point, read off to two digits
        block = np.repeat([0, 1, 2], point.blocks)
        inside = np.array([[0.0, 0.37, -0.07], [0.33, 0.2, 0.01], [-0.05, 0.03, 0.0]])
        W = inside[block][:, block]
        np.fill_diagonal(W, np.array([-0.26, -0.75, 1.03])[block])
    elif point.start == "tilted":  # leads to the second branch of the same structure
        W[anti:, anti:] += 0.05
        W[anti:, :anti] -= 0.05
    for i in range(anti):
        W[i] = -np.eye(k)[i] + (2 / k if point.start == "plain" else 0.0)
        if point.start == "tilted":
            W[i] += 2 / k
    return newton(descend(W, k), k)


@cache
def locate_wider(point: Wider) -> Doubles:
    """The published point as doubles, (teachers + 1, teachers)."""
    M, anti = point.teachers, point.anti
    W = np.zeros((M + 1, M))
    W[:M] = np.eye(M)
    for i in range(anti):
        W[i] = 2 / M - W[i]
    W[M, :anti], W[M, anti:] = point.extra
    return newton(descend(W, M, 1500), M)
