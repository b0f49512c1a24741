"""Certificates as a phase of a landscape: one task per fixed point, and the hits it vouches for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.certificates import attributed, certify
from relu_landscape.engine.certificates.document import leak_member, refused
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.report import Listed
from relu_landscape.engine.model.arrays import Backend
from relu_landscape.engine.tasks import Task
from relu_landscape.wire.certificate import Certificate

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Proof:
    """A certificate: the JSON text of a ``wire.certificate.Certificate``."""

    certificate: str


@dataclass(frozen=True, kw_only=True)
class Certify(Task[Problem, Proof]):
    """Prove that beside ``weights`` (K, M) there is an isolated critical point, or say why not."""

    kind: ClassVar[str] = "certify"
    answer: ClassVar[type[Proof]] = Proof

    weights: Real
    on_continuum: bool

    def run(self, problem: Problem, backend: Backend) -> Proof:  # noqa: ARG002
        mode: Literal["fast", "strict"] = "strict" if problem.certify == "strict" else "fast"
        reason = self._impossible(problem)
        if reason is None:
            gram = None if problem.teacher.is_orthonormal else problem.teacher.gram
            found = certify(
                self.weights,
                mode=mode,
                teacher_width=problem.teachers,
                teacher_gram=gram,
                leak=problem.teacher.leak,
            )
        else:
            method = {
                "method": "dense",
                "mode": mode,
                "student_width": problem.students,
                "teacher_width": problem.teachers,
                **leak_member(problem.teacher.leak),
                "weights": (self.weights * problem.unit).tolist(),
            }
            found = refused(method, reason)
        return Proof(Certificate.model_validate(found).model_dump_json())

    def _impossible(self, problem: Problem) -> str | None:
        """Why there can be no certificate, as a sentence."""
        if self.on_continuum:
            return (
                "the global minima form a continuum: none of them is isolated, "
                "and a certificate is about one isolated point."
            )
        if problem.teacher.is_orthonormal and problem.unit != 1.0:
            return (
                f"a certificate is about teachers of unit norm, and these have {problem.unit:g}: "
                "ask for the orthonormal teacher, whose landscape is the same in other units."
            )
        return None


def certified(problem: Problem, phases: Phases, points: Sequence[Listed]) -> list[Listed]:
    """The same points with their certificates, and the hits that each of them proves."""
    if problem.certify == "none":
        return list(points)
    # The certificate is about the weights of the details, bit by bit.
    tasks = [
        Certify(
            key=f"certify/{listed.point.key}",
            weights=np.array(listed.details.weights, dtype=np.float64),
            on_continuum=listed.point.kind == "global_continuum",
        )
        for listed in points
    ]
    answers = phases.map("certify", tasks)
    return [
        listed.certified(certificate, attributed_hits(certificate, listed.distances))
        for listed, certificate in zip(
            points,
            (Certificate.model_validate_json(answer.certificate) for answer in answers),
            strict=True,
        )
    ]


def attributed_hits(certificate: Certificate, distances: Sequence[float]) -> int:
    """How many of the hits, at these distances from the certified point, provably belong to it."""
    values = np.asarray(distances, dtype=np.float64)
    return int(np.sum(attributed(values, certificate.model_dump())))
