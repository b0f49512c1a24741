"""Loss and gradient of the population loss, batched, on any array namespace ``xp``.

Cores only: no validation (``population`` is the door). Shapes: ``W`` (B, K, p) student weights in
orthonormal coordinates whose first M axes span the teacher; ``V`` (M, M) teacher rows in that span.

The forms used are split so that nothing large cancels. With ``n_i = |w_i|``, ``c`` cosines,
``s = sqrt(1 - c^2)`` and ``h(c) = (s + c asin c - 1) / (2 pi)`` (Cho and Saul 2009 gives the
kernel g(w, v) = n n' (s + (pi - theta) c) / (2 pi) = n n' (1/(2 pi) + c/4 + h(c))):

    L      = N^2/(4 pi) + |S|^2/8 + sum_{i<j} n_i n_j h(c_ij) - sum_im n_i |v_m| h(c_im)
             + h(1)/2 (sum n_i^2 + sum |v_m|^2) + sum_{m<l} |v_m| |v_l| h(c_ml)
    grad_i = S/4 + (sum_j asin(c_ij) w_j - sum_m asin(c_im) v_m) / (2 pi)
             + u_i (N + sum_j n_j (s_ij - 1) - sum_m |v_m| (s_im - 1)) / (2 pi)

with ``N = sum n_i - sum |v_m|`` and ``S = sum w_i - sum v_m``. Where units leak, losses and
gradients are in units of ``activation.height``, and ``level`` is in the place of the quarter: S/4
is ``level S``, |S|^2/8 is ``level |S|^2/2``.

**Accuracy.** Each member is computed from its own numbers alone, so the bits of a member do not
depend on the batch it is in (NumPy). Gradient: about 1e-16 K in absolute terms, parallel vectors
included: an angle t known to 1e-16/t enters through ``sin t u - t u'``, where the error meets a
vector of length t. Loss: 2e-16 max(K, M) times the teacher's mean squared norm and 1e-15 of itself
(``loss_accuracy``), 4e-15 at K = 20, 2e-14 at K = 100; where every student nears a teacher of its
own (orthonormal teacher), 1e-16 times the root of the loss.
"""

from __future__ import annotations

from relu_landscape.engine.model.arrays import Array, ArrayNamespace
from relu_landscape.engine.model.room import Room, no_room

PI = 3.141592653589793
TWO_PI = 2.0 * PI
#: ``activation.level`` of ReLU.
QUARTER = 0.25
#: h(1), the kernel's remainder for parallel vectors.
H_PARALLEL = (PI / 2.0 - 1.0) / TWO_PI
#: Below this angle sin t - t cos t is taken from its series, t^3/3 - t^5/30 + t^7/840: the next
#: term is 1e-20 there, while the difference would have lost 5 digits.
SERIES_ANGLE = 2e-2

#: Rounding of the loss: a unit in the last place for each of the max(K, M) terms of order one, and
#: a few units of the loss itself; two to four times what random and critical points show.
LOSS_ROUNDING, LOSS_RELATIVE = 2e-16, 1e-15


def loss_accuracy(loss: float, width: int, mean_square: float = 1.0) -> float:
    """Absolute error of ``loss``; ``width`` max(K, M), ``mean_square`` of the teacher's norms.

    A loss that is smaller than this cannot be told from zero.

    >>> loss_accuracy(0.0, 20) == 20 * LOSS_ROUNDING
    True
    """
    return LOSS_ROUNDING * width * mean_square + LOSS_RELATIVE * abs(loss)


def norms(W: Array, *, xp: ArrayNamespace, room: Room = no_room) -> Array:
    """Euclidean norms of the students (B, K)."""
    return xp.sqrt(xp.sum(xp.multiply(W, W, **room("weights", W.shape)), axis=-1))


def teacher_overlaps(W: Array, V: Array, is_orthonormal: bool, *, xp: ArrayNamespace) -> Array:
    """R = W V^T (B, K, M)."""
    width = V.shape[0]
    if is_orthonormal:
        return W[..., :width]
    return xp.matmul(W[..., :width], xp.matrix_transpose(V))


def _cosines(
    W: Array,
    V: Array,
    v_norms: Array,
    n: Array,
    is_orthonormal: bool,
    *,
    xp: ArrayNamespace,
    room: Room = no_room,
) -> tuple[Array, Array]:
    """Cosines student-student (zero on the diagonal) and with teachers."""
    K = W.shape[-2]
    inverse = 1.0 / n
    off_diagonal = 1.0 - xp.eye(K, dtype=W.dtype)
    c = xp.matmul(W, xp.matrix_transpose(W), **room("c", (*W.shape[:-1], K)))
    c *= inverse[..., :, None]
    c *= inverse[..., None, :]
    c *= off_diagonal
    R = teacher_overlaps(W, V, is_orthonormal, xp=xp)
    b = xp.multiply(R, inverse[..., :, None], **room("b", R.shape))
    if not is_orthonormal:
        b /= v_norms
    return _within(c, "c", xp=xp, room=room), _within(b, "b", xp=xp, room=room)


def _within(c: Array, name: str, *, xp: ArrayNamespace, room: Room) -> Array:
    """Cosines that rounding has not taken beyond -1 or 1."""
    c = xp.maximum(c, -1.0, **room(name, c.shape))
    return xp.minimum(c, 1.0, **room(name, c.shape))


def _sine(c: Array, *, xp: ArrayNamespace, room: Room = no_room) -> Array:
    product = xp.subtract(1.0, c, **room("sine", c.shape))
    product *= xp.add(1.0, c, **room("one more", c.shape))
    return xp.sqrt(product, **room("sine", c.shape))


def _nearest_teacher(
    W: Array,
    V: Array,
    v_norms: Array,
    n: Array,
    b: Array,
    is_orthonormal: bool,
    *,
    xp: ArrayNamespace,
) -> tuple[Array, Array]:
    """One-hot mask (B, K, M) of the most parallel teacher, and the sine of that angle (B, K).

    The sine comes from the rejection of w_i, not from its cosine, so it keeps its relative
    accuracy down to angle zero.
    """
    M = V.shape[0]
    order = xp.arange(M, dtype=xp.int64)
    nearest = xp.argmax(xp.abs(b), axis=-1)
    mask = xp.astype(nearest[..., None] == order, W.dtype)
    if is_orthonormal:
        inside = W[..., :M] * (1.0 - mask)
    else:
        unit = V / v_norms[:, None]
        chosen = xp.matmul(mask, unit)
        component = xp.sum(W[..., :M] * chosen, axis=-1)
        inside = W[..., :M] - component[..., None] * chosen
    squared = xp.sum(inside * inside, axis=-1)
    if W.shape[-1] > M:
        perpendicular = W[..., M:]
        squared = squared + xp.sum(perpendicular * perpendicular, axis=-1)
    return mask, xp.minimum(xp.sqrt(squared) / n, 1.0)


def gradient(
    W: Array,
    V: Array,
    v_norms: Array,
    *,
    xp: ArrayNamespace,
    is_orthonormal: bool,
    level: float = QUARTER,
    room: Room = no_room,
) -> Array:
    """Gradient (B, K, p) of the loss; with ``room``, in its place ``gradient``.

    See the module for formula and accuracy. A student of norm zero has no gradient: its members
    come back as NaN.
    """
    M = V.shape[0]
    n = norms(W, xp=xp, room=room)
    c, b = _cosines(W, V, v_norms, n, is_orthonormal, xp=xp, room=room)
    dip = _sine(b, xp=xp, room=room)
    dip -= 1.0
    if not is_orthonormal:
        dip *= v_norms
    teachers = xp.sum(dip, axis=-1)
    dip = _sine(c, xp=xp, room=room)
    dip -= 1.0
    N = xp.sum(n, axis=-1) - xp.sum(v_norms)
    # The student's own term: n_i (sin 0 - 1) = -n_i, for the diagonal of c was set to zero.
    radial = xp.matmul(dip, n[..., None])[..., 0] - n + N[..., None] - teachers
    result = xp.matmul(xp.asin(c, **room("c", c.shape)), W, **room("gradient", W.shape))
    result += xp.multiply(W, (radial / n + PI / 2.0)[..., None], **room("weights", W.shape))
    result *= 1.0 / TWO_PI
    S = xp.sum(W, axis=-2, keepdims=True)
    teacher_sum = xp.sum(V, axis=0)
    if W.shape[-1] > M:
        teacher_sum = xp.concat([teacher_sum, xp.zeros(W.shape[-1] - M, dtype=W.dtype)])
    result += (S - teacher_sum) * level
    pull = xp.asin(b, **room("b", b.shape))
    if not is_orthonormal:
        pull = xp.matmul(pull, V)
    pull *= 1.0 / TWO_PI
    result[..., :M] -= pull
    return result


def remainder(c: Array, *, xp: ArrayNamespace) -> Array:
    """h(c) = (s + c asin c - 1)/(2 pi), accurate to relative 1e-15 for every |c| <= 1."""
    return c / TWO_PI * (xp.asin(c) - c / (1.0 + _sine(c, xp=xp)))


def _remainder_gap(sine: Array, *, xp: ArrayNamespace) -> Array:
    """h(1) - h(cos t), from sin t for 0 <= t <= pi/2, accurate down to t = 0."""
    t = xp.asin(sine)
    cosine = _sine(sine, xp=xp)
    gap = sine * sine / (1.0 + cosine)  # 1 - cos t
    squared = t * t
    series = t * squared * (1.0 / 3.0 - squared * (1.0 / 30.0 - squared / 840.0))
    bend = xp.where(t < SERIES_ANGLE, series, sine - t * cosine)
    return (PI / 2.0 * gap - bend) / TWO_PI


def loss(
    W: Array,
    V: Array,
    v_norms: Array,
    *,
    xp: ArrayNamespace,
    is_orthonormal: bool,
    level: float = QUARTER,
) -> Array:
    """Population loss (B,), in the split form of the module."""
    M = V.shape[0]
    n = norms(W, xp=xp)
    c, b = _cosines(W, V, v_norms, n, is_orthonormal, xp=xp)
    mask, sine = _nearest_teacher(W, V, v_norms, n, b, is_orthonormal, xp=xp)
    # A student alone with its nearest teacher: h(1)/2 (n - |v|)^2 + n |v| (h(1) - h(c)) is the sum
    # of three terms of R that would cancel. Others keep the plain terms.
    aligned = xp.sum(mask * b, axis=-1) > 0.0
    suitors = xp.sum(mask * xp.astype(aligned, W.dtype)[..., None], axis=-2)
    alone = (
        mask
        * xp.astype(aligned, W.dtype)[..., None]
        * xp.astype(suitors == 1.0, W.dtype)[..., None, :]
    )
    alone_student = xp.sum(alone, axis=-1)
    alone_teacher = xp.sum(alone, axis=-2)
    partner = xp.sum(alone * v_norms, axis=-1)
    combined = alone_student * (
        H_PARALLEL / 2.0 * (n - partner) ** 2 + n * partner * _remainder_gap(sine, xp=xp)
    )
    kept = remainder(b, xp=xp) * (1.0 - alone)
    single = (
        H_PARALLEL
        / 2.0
        * (
            xp.sum((1.0 - alone_student) * n * n, axis=-1)
            + xp.sum((1.0 - alone_teacher) * v_norms**2, axis=-1)
        )
    )
    pairs = xp.sum(remainder(c, xp=xp) * n[..., :, None] * n[..., None, :], axis=(-2, -1)) / 2.0
    cross = xp.sum(kept * n[..., :, None] * v_norms, axis=(-2, -1))
    S = xp.sum(W, axis=-2)
    inside = S[..., :M] - xp.sum(V, axis=0)
    S_squared = xp.sum(inside * inside, axis=-1)
    if W.shape[-1] > M:
        S_squared = S_squared + xp.sum(S[..., M:] ** 2, axis=-1)
    N = xp.sum(n, axis=-1) - xp.sum(v_norms)
    result = (
        N * N / (4.0 * PI)
        + S_squared * (level / 2.0)
        + (xp.sum(combined, axis=-1) + single + pairs - cross)
    )
    if not is_orthonormal:
        cosines = xp.matmul(V, xp.matrix_transpose(V)) / (v_norms[:, None] * v_norms)
        cosines = xp.minimum(xp.maximum(cosines, -1.0), 1.0)
        others = 1.0 - xp.eye(M, dtype=W.dtype)
        teacher_pairs = remainder(cosines, xp=xp) * others
        result = result + xp.sum(teacher_pairs * v_norms[:, None] * v_norms) / 2.0
    return result
