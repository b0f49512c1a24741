"""The population loss of one teacher, bound to a device: what everything batched computes with."""

from __future__ import annotations

from dataclasses import dataclass

from relu_landscape.engine.model import activation, kernel
from relu_landscape.engine.model.arrays import Array, ArrayNamespace
from relu_landscape.engine.model.room import Room, no_room
from relu_landscape.engine.model.teacher import Teacher


@dataclass(frozen=True)
class Loss:
    """Loss and gradient of batches ``W`` (B, K, p), p >= M; formulas and accuracy in ``kernel``.

    ``V`` (M, M) and ``v_norms`` (M,): the teacher's rows and their lengths, on the device of
    ``xp``. ``is_orthonormal``: V is the identity, and need not be multiplied by. ``leak`` of the
    activation; all is in the unit of ``activation``.
    """

    V: Array
    v_norms: Array
    is_orthonormal: bool
    xp: ArrayNamespace
    leak: float = 0.0

    @staticmethod
    def of(teacher: Teacher, xp: ArrayNamespace) -> Loss:
        """The loss of this teacher in the namespace ``xp``."""
        V, norms = xp.asarray(teacher.V), xp.asarray(teacher.norms)
        return Loss(V, norms, teacher.is_orthonormal, xp, teacher.leak)

    @property
    def width(self) -> int:
        """Number of teacher units M."""
        return self.V.shape[0]

    @property
    def level(self) -> float:
        """``activation.level``."""
        return activation.level(self.leak)

    def value(self, W: Array) -> Array:
        """Loss (B,)."""
        return kernel.loss(
            W,
            self.V,
            self.v_norms,
            xp=self.xp,
            is_orthonormal=self.is_orthonormal,
            level=self.level,
        )

    def gradient(self, W: Array, room: Room = no_room) -> Array:
        """Gradient (B, K, p); NaN for members with a student of norm zero. With ``room``, it is in
        the place ``gradient``, and lost with the next one."""
        return kernel.gradient(
            W,
            self.V,
            self.v_norms,
            xp=self.xp,
            is_orthonormal=self.is_orthonormal,
            level=self.level,
            room=room,
        )

    def norms(self, W: Array, room: Room = no_room) -> Array:
        """Lengths of the students (B, K)."""
        return kernel.norms(W, xp=self.xp, room=room)

    def overlaps(self, W: Array) -> Array:
        """R = W V^T (B, K, M)."""
        return kernel.teacher_overlaps(W, self.V, self.is_orthonormal, xp=self.xp)
