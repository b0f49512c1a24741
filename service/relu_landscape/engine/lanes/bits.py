"""The bits of a few paths, by which a kernel shows that it is the one it claims to be.

Content ids name the kernel's version, so whoever changes one of these digests raises
``LANES_VERSION`` and ``native.VERSION`` with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.lanes.follower import PathKernel
from relu_landscape.engine.lanes.native import FlowRules, Paths, PolishRules

Real = NDArray[np.float64]

#: Of these paths alone: the digests shall not change with a constant of ``descent.flow``.
RULES = FlowRules(
    1e-3, 4.0, 20.0, 1.95, 0.9, 0.43, 10.0, 1e-6, 0.0, 0.0, 8.0, 2e-3, 0.97, 0.05, 1e-6
)
POLISH = PolishRules(1e-11, 80.0, 0.4, 0.2)
PATHS = 9
STEPS = 400


@dataclass(frozen=True)
class Rows:
    """A teacher by its rows ``V`` (M, M), zero above the diagonal."""

    V: Real

    @property
    def norms(self) -> Real:
        """Lengths of the rows, (M,)."""
        return np.asarray(np.sqrt(np.sum(self.V * self.V, axis=1)))

    @property
    def is_orthonormal(self) -> bool:
        """Whether they are the axes."""
        return bool(np.array_equal(self.V, np.eye(len(self.V))))

    @property
    def level(self) -> float:
        """Units do not leak."""
        return 0.25


@dataclass(frozen=True)
class Sample:
    """K students, M teachers that are ``off`` the axes (by a number that has no rounding), p
    coordinates; ``digest``: SHA-256 of where a few paths are after ``STEPS`` steps, of how they got
    there, and of the points after a polish; ``single``: the same in single precision, without the
    polish, which is always double."""

    students: int
    teachers: int
    coordinates: int
    off: float
    digest: str
    single: str


SAMPLES = (
    Sample(
        5, 5, 5, 0.0, "ad4b6f4572d07ef40b56035aeb24c64a23da7a2c8416cd332ec019a1e1721dbb",
        "24f72df0d9053974f854d32a83065953cd4ce2e1c2f75da28a65b1b0d7b2a35c",
    ),
    Sample(
        4, 6, 8, 0.125, "9e7a3410d4fa924527b9343bc01858c8d92239f191fe61f9d0c218ae3ba79f17",
        "46020747190b9fc09dc9a11251c3b525ddfaae6119f21048b4e32fc2bbee2580",
    ),
    Sample(
        6, 4, 6, 0.0, "7e1e4a1e979e1b2f5aa8e817c433961342cafa5935bcdc8ab3db2cc7590d19c0",
        "9e3856907ea61ac49ec4496ab0a269244105391edc1454f82623624dc94a9dfc",
    ),
    Sample(
        6, 4, 6, 0.125, "2d3db4ce0912090542b060e99a36a59a8da34c97fd71ebc444d9719e46ffbe3b",
        "0abaa6a284e9e8e9cdfde167a17f1ae46d7b7a290e29d8448fa4ef4e3a35f8c0",
    ),
)  # fmt: skip


def weights(count: int, K: int, p: int) -> Real:
    """Starts (count, K, p) that every machine computes to the same bits."""
    numbers = np.arange(count * K * p, dtype=np.int64)
    values = (numbers * numbers * 7 + numbers * 3 + 1) % 1009 / 1009.0 - 0.5
    return np.asarray(values.reshape(count, K, p) * 1.5)


def are_right(kernel: PathKernel, sample: Sample) -> bool:
    """Whether the kernel computes the bits of this version, in either precision."""
    return (
        digest(kernel, sample) == sample.digest and single_digest(kernel, sample) == sample.single
    )


def digest(kernel: PathKernel, sample: Sample) -> str:
    """What ``sample.digest`` should be."""
    teacher, paths = _beginning(sample, kernel.forces)
    kernel.flow(teacher, RULES, paths)
    force = kernel.forces(teacher, paths.W)
    polished, norms, _ = kernel.polish(teacher, POLISH, paths.W, force)
    return _hash(paths, polished, norms)


def single_digest(kernel: PathKernel, sample: Sample) -> str:
    """What ``sample.single`` should be."""
    teacher, paths = _beginning(sample, partial(kernel.forces, single=True))
    kernel.flow(teacher, RULES, paths, single=True)
    return _hash(paths)


def _beginning(sample: Sample, forces: Callable[[Rows, Real], Real]) -> tuple[Rows, Paths]:
    """The teacher, and paths at time zero."""
    M = sample.teachers
    teacher = Rows(np.eye(M) + np.tril(np.full((M, M), sample.off), -1))
    W = weights(PATHS, sample.students, sample.coordinates)
    return teacher, Paths(
        W=W.copy(),
        force=forces(teacher, W),
        gradient_norm=np.full(PATHS, np.inf),
        time=np.zeros(PATHS),
        step_size=np.full(PATHS, 0.05),
        eigenvalue=np.full(PATHS, 0.43),
        steps=np.zeros(PATHS, dtype=np.int64),
        gradient_tolerance=np.full(PATHS, 2e-4),
        step_limit=np.full(PATHS, STEPS, dtype=np.int64),
    )


def _hash(paths: Paths, *more: Real) -> str:
    found = hashlib.sha256()
    for array in (paths.W, paths.time, paths.step_size, *more):
        found.update(np.ascontiguousarray(array).astype("<f8").tobytes())
    for whole in (paths.steps, paths.event):
        found.update(whole.astype("<i8").tobytes())
    return found.hexdigest()
