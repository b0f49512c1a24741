"""Certificates as a phase of a landscape: one task per fixed point, and the hits it vouches for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from relu_landscape.engine.certificates import attributed, certify
from relu_landscape.engine.certificates.document import refused
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.tasks import Task


def tasks(problem: Problem, details: Mapping[str, Mapping[str, Any]]) -> list[Task]:
    """One task per fixed point; the certificate is about the weights of its details, bit by bit."""
    if problem.certify == "none":
        return []
    return [
        Task("certify", f"certify/{key}", {"key": key, "weights": detail["weights"]})
        for key, detail in details.items()
    ]


def prove(problem: Problem, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The certificate of one fixed point, or one that says why there is none."""
    W = np.asarray(arguments["weights"], dtype=np.float64)
    if arguments["key"] == "g1":
        method = {
            "method": "dense",
            "mode": problem.certify,
            "student_width": problem.students,
            "teacher_width": problem.teachers,
            "weights": W.tolist(),
        }
        return refused(
            method,
            "the global minima form a continuum: none of them is isolated, "
            "and a certificate is about one isolated point.",
        )
    gram = None if problem.teacher.is_orthonormal else problem.teacher.gram
    mode: Literal["fast", "strict"] = "strict" if problem.certify == "strict" else "fast"
    return dict(certify(W, mode=mode, teacher_width=problem.teachers, teacher_gram=gram))


def attributed_hits(certificate: Mapping[str, Any], distances: Iterable[float]) -> int:
    """How many of the hits, at these distances from the certified point, provably belong to it."""
    values = np.asarray(list(distances), dtype=np.float64)
    return int(np.sum(attributed(values, certificate)))
