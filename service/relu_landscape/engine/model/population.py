"""The population loss and its derivatives: the door, which validates; ``kernel`` only computes.

L(W) = 1/2 E (sum_i ReLU(w_i . x) - sum_m ReLU(v_m . x))^2 with x ~ N(0, I_d), in closed form
(Cho and Saul 2009; Hessian: Safran and Shamir 2018, arXiv:1712.08968, section 4). Where the teacher
leaks, so do the students, and everything is in units of ``activation.height``.
"""

from __future__ import annotations

import math
from typing import TypeVar, cast

import array_api_compat
import numpy as np
from numpy.typing import ArrayLike, NDArray

from relu_landscape.engine.model import activation
from relu_landscape.engine.model.arrays import Array, ArrayNamespace
from relu_landscape.engine.model.loss import Loss
from relu_landscape.engine.model.teacher import Teacher, as_matrix, make_teacher
from relu_landscape.errors import InputError

#: Below this sine two vectors count as parallel: their 1/sin terms multiply a vector of length
#: sin, so they tend to zero; computed they would be rounding noise.
PARALLEL = 1e-9

#: The namespace's own kind of array comes back.
ArrayT = TypeVar("ArrayT", bound=Array)


def _checked(W: Array, teacher: Teacher) -> Loss:
    """The loss on the device of ``W``; raises ``InputError`` where it does not exist there."""
    xp: ArrayNamespace = array_api_compat.array_namespace(W)
    if W.dtype != xp.float64:
        raise InputError(f"Weights are {W.dtype}; the loss is computed in float64.")
    if W.ndim < 2 or W.shape[-2] == 0 or W.shape[-1] < teacher.width:
        raise InputError(
            f"Weights have shape {tuple(W.shape)}; expected (..., K, p) with K at least 1 "
            f"and p at least the teacher width, {teacher.width}."
        )
    if not bool(xp.all(xp.isfinite(W))):
        raise InputError("Weights hold a number that is not finite.")
    if bool(xp.any(xp.sum(W * W, axis=-1) == 0.0)):
        raise InputError("A student has norm zero: the gradient of the loss does not exist there.")
    return Loss.of(teacher, xp)


def _batch(W: Array, xp: ArrayNamespace) -> Array:
    """(..., K, p) as (B, K, p)."""
    return xp.reshape(W, (-1, *W.shape[-2:]))


def loss(W: ArrayT, teacher: Teacher | ArrayLike | int) -> ArrayT:
    """Population loss.

    Parameters: ``W`` (..., K, p) student weights, the first M coordinates in the teacher's span
    (orthonormal axes); ``teacher``: a ``Teacher``, a Gram matrix (M, M), or a width M.
    Returns the loss (...,), in units of squared output.
    Raises ``InputError`` for wrong shapes, numbers that are not finite, students of norm zero, and
    ``TeacherError`` for an impossible Gram matrix.
    Accuracy: see ``kernel``. Source: Cho and Saul 2009, equation 6.

    >>> import numpy as np
    >>> float(loss(np.eye(3), 3))
    0.0
    """
    here = _checked(W, as_teacher(teacher))
    found = here.xp.reshape(here.value(_batch(W, here.xp)), W.shape[:-2])
    return cast("ArrayT", found)


def gradient(W: ArrayT, teacher: Teacher | ArrayLike | int) -> ArrayT:
    """Gradient (..., K, p) of the population loss; parameters and errors as for ``loss``.

    Accuracy: about 1e-16 K in absolute terms; see ``kernel``.

    >>> import numpy as np
    >>> float(np.abs(gradient(np.eye(3), 3)).max()) < 1e-15
    True
    """
    here = _checked(W, as_teacher(teacher))
    found = here.xp.reshape(here.gradient(_batch(W, here.xp)), W.shape)
    return cast("ArrayT", found)


def as_teacher(teacher: Teacher | ArrayLike | int) -> Teacher:
    """A ``Teacher`` from itself, a width (orthonormal) or a Gram matrix."""
    if isinstance(teacher, Teacher):
        return teacher
    if isinstance(teacher, (int, np.integer)):
        return make_teacher(int(teacher))
    gram = as_matrix(teacher)
    return make_teacher(gram.shape[0] if gram.ndim else 1, gram)


def _pairs(
    W: NDArray[np.float64], others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rejections e (K, N, M) of unit others from unit students, sines and angles (K, N).

    The sine is the length of the rejection and the angle an arctangent, so both keep their
    relative accuracy at parallel and antiparallel vectors.
    """
    unit = W / np.linalg.norm(W, axis=1, keepdims=True)
    directions = others / np.linalg.norm(others, axis=1, keepdims=True)
    c = unit @ directions.T
    rejection = directions[None, :, :] - c[:, :, None] * unit[:, None, :]
    # Once more: the first rejection is off by a rounding error along the student.
    rejection -= np.einsum("ijk,ik->ij", rejection, unit)[:, :, None] * unit[:, None, :]
    sine = np.linalg.norm(rejection, axis=-1)
    return rejection, sine, np.arctan2(sine, c)


def hessian(
    W: NDArray[np.float64], teacher: Teacher | ArrayLike | int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hessian in the teacher's span, and the perpendicular block.

    Parameters: ``W`` (K, M) in the span; ``teacher`` as for ``loss``.
    Returns ``H`` (K M, K M), symmetric, student by student, and ``A`` (K, K): in input dimension d
    the complete Hessian is H (+) A (x) I_{d-M}.
    Raises as ``loss``. Accuracy: entries to about 1e-15 K, but 1e-10 where two students are
    parallel to within 1e-5; 1/sin terms are dropped for vectors parallel to within 1e-9, where they
    tend to zero. Source: derivatives of Cho and Saul's kernel;
    H_ij = A_ij I + (u_i u_j' + u_j u_i' - c (u_i u_i' + u_j u_j')) / (2 pi sin), and so on.
    """
    chosen = as_teacher(teacher)
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 2 or W.shape[1] != chosen.width:
        raise InputError(f"Weights have shape {W.shape}; expected (K, {chosen.width}).")
    _checked(W, chosen)
    K, M = W.shape
    n = np.linalg.norm(W, axis=1)
    unit = W / n[:, None]
    e_students, s_students, t_students = _pairs(W, W)
    e_teachers, s_teachers, _t_teachers = _pairs(W, chosen.V)
    np.fill_diagonal(s_students, 0.0)
    np.fill_diagonal(t_students, 0.0)
    two_pi = 2.0 * math.pi

    dip = (s_students @ n - s_teachers @ chosen.norms) / (two_pi * n)
    tilt = activation.tilt(chosen.leak)
    A = (math.pi - t_students) / two_pi + tilt
    A[np.arange(K), np.arange(K)] = 0.5 + dip + tilt

    inverse = np.where(s_students > PARALLEL, 1.0 / np.maximum(s_students, PARALLEL), 0.0)
    # With e_ij the rejection of u_j from u_i (length sin), the mixed term is
    # (u_i u_j' + u_j u_i' - c (u_i u_i' + u_j u_j')) / sin = (u_i e_ij' + u_j e_ji') / sin.
    scaled = e_students * inverse[:, :, None]
    blocks = unit[:, None, :, None] * scaled[:, :, None, :]
    blocks += unit[None, :, :, None] * np.swapaxes(scaled, 0, 1)[:, :, None, :]
    blocks /= two_pi
    blocks += A[:, :, None, None] * np.eye(M)
    own = _own_blocks(unit, n, A, dip, e_students * np.sqrt(inverse)[:, :, None], n)
    inverse_t = np.where(s_teachers > PARALLEL, 1.0 / np.maximum(s_teachers, PARALLEL), 0.0)
    weighted = e_teachers * np.sqrt(inverse_t)[:, :, None]
    own -= np.einsum("ima,imb,m->iab", weighted, weighted, chosen.norms, optimize=True) / (
        two_pi * n[:, None, None]
    )
    blocks[np.arange(K), np.arange(K)] = own
    H = blocks.transpose(0, 2, 1, 3).reshape(K * M, K * M)
    return (H + H.T) / 2.0, (A + A.T) / 2.0


def _own_blocks(
    unit: NDArray[np.float64],
    n: NDArray[np.float64],
    A: NDArray[np.float64],
    dip: NDArray[np.float64],
    weighted: NDArray[np.float64],
    lengths: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Diagonal blocks (K, M, M) without the teachers' rejections."""
    _K, M = unit.shape
    diagonal = np.diagonal(A)[:, None, None] * np.eye(M)
    radial = dip[:, None, None] * unit[:, :, None] * unit[:, None, :]
    spread = np.einsum("ija,ijb,j->iab", weighted, weighted, lengths, optimize=True)
    result: NDArray[np.float64] = diagonal - radial + spread / (2.0 * math.pi * n[:, None, None])
    return result
