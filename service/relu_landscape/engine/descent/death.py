"""What a student does whose norm reaches zero: it rests there, and leaves where the loss falls.

The gradient field is discontinuous where a student is zero, so gradient flow needs a definition
there. It is the curve of maximal slope (De Giorgi; Ambrosio, Gigli and Savare 2008) that implicit
Euler steps converge to. With ``D(u)`` the slope at zero in the direction u (``steepest``),

* while ``min D >= 0`` a student of norm zero stays there, and the others flow on without it;
* where ``min D < 0`` it leaves at once, along the u of the least D.

A path reaches zero only where its direction has come to a local minimum of D with D >= 0 there: in
the time of its own length (``fast_time``) the direction descends D. The global minimum may be
negative already; then it leaves at the moment it arrives. Since ``min D <= -2L/M`` wherever the
other students are at rest (docs/mathematics/flow.md), no path ends with a student at zero unless
the loss is zero.

Two decisions beside the definition (docs/decisions/09-zero-students.md):

* a student leaves when the slope has fallen to ``-LEAVES max(1, sqrt(L))``, with the length that it
  has by then if it left at slope zero: a newborn student would have to be followed in steps of its
  length. Where the others have almost come to rest any negative slope will do;
* students that leave together leave along one direction and would stay parallel for ever, on a
  set that no noise leaves alone. When they have grown to ``TURN_LENGTH`` they are turned by the
  angle ``TURN``, each along a fixed random direction of its start's number.

Here are the rules; ``passage`` follows paths by them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.fast_time import ZERO, Polar, Rates
from relu_landscape.engine.model.arrays import NUMPY
from relu_landscape.engine.model.kernel import norms

Real = NDArray[np.float64]
Truth = NDArray[np.bool_]

#: A student shorter than this (in norms of a teacher) that falls to zero is followed in its own
#: time. The common flow knows a direction to 2.5e-4/length (its error per step over the length).
SHORT = 0.1
#: It falls if its length shrinks at this rate or faster. A student that is left alone decays at
#: 1/2; beyond 2 the slope is positive, which takes it to zero in a time of length/slope.
FALLING = 2.0
#: The same where all else has come to rest, or where it is almost dead: a student that heads for a
#: positive length, the root of D + rho/2, has a rate below 1/2.
FALLING_AT_REST = 0.4
#: Rate of change, relative to its length, at which a short student is back in the common flow.
CALM = 1.0
#: Length at which a falling student is dead. It changes loss and gradient of the others by 1e-6, a
#: thousandth of what the rules for ends look at.
DEAD = 1e-6
#: ... if its direction has settled: it turns this much slower than it shrinks. One that goes
#: straight for zero past a maximum of D turns on the way, or dies at ``SURELY_DEAD``.
SETTLED = 0.1
SURELY_DEAD = 1e-12
#: Slope at which the dead leave, in units of sqrt(L), the largest slope there can be, or of a
#: teacher's norm where that is longer. Nobody grows longer than twice the slope.
LEAVES = 1e-3
#: Angle by which students that left together are turned, and the length at which they are. (Turned
#: earlier they would be parallel again: the direction of a short student relaxes at rate 1/length.)
TURN = 1e-2
TURN_LENGTH = 0.1
#: Second half of a key of random streams; starts have 0 there, and pushes off saddles 1.
TURN_STREAM = 2


def falling(W: Real, force: Real, resting: Truth, lone: float = 1.0) -> Truth:
    """Which of the paths (B,) have a student that falls to zero.

    Parameters: ``W``, ``force`` = -grad L (B, K, p); ``resting`` (B,), whether the path's gradient
    is as small as that of paths that are polished; ``lone``: ``activation.lone``, in units of which
    rates count.
    """
    lengths = np.asarray(norms(W, xp=NUMPY))
    alive = lengths > np.sqrt(ZERO)
    rate = -np.sum(W * force, axis=-1) / np.where(alive, lengths, 1.0) ** 2
    wanted = np.where(resting[:, None] | (lengths < DEAD), FALLING_AT_REST, FALLING)
    falls = rate > wanted * lone
    return np.asarray(np.any(alive & (lengths < SHORT) & falls, axis=-1))


def has_dead(W: Real) -> Truth:
    """Which of the networks (B, K, p) have a student of norm zero."""
    return np.asarray(np.any(np.sum(W * W, axis=-1) < ZERO, axis=-1))


def calm(here: Polar, after: Rates, lone: float = 1.0) -> Truth:
    """Students (B, K) that the common flow can follow; ``lone`` as for ``falling``."""
    decay, tau = -after.log_length, after.time[:, None]
    speed = np.sqrt(decay**2 + np.sum(after.U**2, axis=-1))
    # A quarter less than what brings a path here, so that it does not come back at once.
    tau = tau * lone
    quiet = (decay <= 0.75 * FALLING_AT_REST * tau) & (speed <= CALM * tau)
    return np.asarray(~here.dead & ((here.lengths > 2.0 * SHORT) | quiet))


def dying(here: Polar, after: Rates) -> Truth:
    """Students (B, K) that are dead from here on."""
    lengths, shrinking = here.lengths, -after.log_length
    turning = np.sqrt(np.sum(after.U**2, axis=-1))
    settled = (turning <= SETTLED * shrinking) | (lengths < SURELY_DEAD)
    return np.asarray(~here.dead & (lengths < DEAD) & (shrinking > 0.0) & settled)


def leaving_slope(scale: Real) -> Real:
    """Slope (B,) at which students leave whatever the others do; ``scale`` is sqrt(L)."""
    return np.asarray(-LEAVES * np.maximum(scale, 1.0))


def leaves(slope: Real, scale: Real, speed: Real) -> Truth:
    """Whether students leave zero (B,): the loss falls there, by a slope worth following, or one
    that is larger than what moves the others (``speed``, their |grad L|)."""
    return np.asarray((slope < leaving_slope(scale)) | ((slope < 0.0) & (speed <= -slope)))


def length_by_now(slope: Real, rate: Real, since: Real, lone: float = 1.0) -> Real:
    """Length (n,) of students that left when the slope was zero, from rho' = rate t - lone rho/2.

    ``lone``: ``activation.lone``, 1 for ReLU; ``rate`` at which the slope falls (NaN: not known),
    ``since`` the time that they have been dead.
    """
    falls = rate > 0.0
    rate = np.where(falls, rate, 1.0)
    t = np.minimum(-slope / rate, since)
    decayed = lone * t / 2.0
    length = 4.0 / lone**2 * rate * (decayed + np.expm1(-decayed))
    return np.where(falls, np.maximum(length, DEAD), DEAD)


def turned(u: Real, start: int, departure: int, student: int) -> Real:
    """The unit vector ``u`` (p,), p > 1, turned by ``TURN``.

    Where to is a function of the numbers alone: of the start, of how many departures there were
    before and of the student's place.
    """
    counter = [0, student, departure, start]
    rng = np.random.Generator(np.random.Philox(key=[0, TURN_STREAM], counter=counter))
    across = rng.standard_normal(len(u))
    across -= (across @ u) * u
    return np.asarray(np.cos(TURN) * u + np.sin(TURN) / np.linalg.norm(across) * across)
