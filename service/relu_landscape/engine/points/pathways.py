"""From a saddle of index 1 down both sides: which minima it joins, and at what height.

The unstable manifold of such a saddle is a curve; gradient flow along either half ends at a
critical point, generically a minimum. Where the saddle is symmetric the curve stays in the
symmetric set and can end at another saddle, a ridge seen from above. Ends are therefore judged by
their own Hessian, and left along their negative eigenspace until nothing is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from relu_landscape.engine.families.layout import Array
from relu_landscape.errors import InputError, NumericalError

Descend = Callable[[Array], Array]
Hessian = Callable[[Array], Array]
Loss = Callable[[Array], float]

#: Length of the step off a saddle (Frobenius norm): the quadratic model holds there (eigenvalues
#: change by a few units per unit), and the loss falls by |eigenvalue| 5e-7, far above rounding.
STEP = 1e-3
#: Factor of a second and third try where the flow came back to the saddle (its gradient close by
#: was below the flow's own tolerance).
LONGER = 10.0
MOST_TRIES = 3
#: Saddles that are left one after the other; ridges lower the symmetry every time.
MOST_RIDGES = 8
#: Eigenvalues below minus this are negative. A flow at rest at a gradient g is g / eigenvalue away
#: from its end, and eigenvalues change by about 1 per unit: 1e-7 needs g below 1e-10 at 1e-3.
NEGATIVE = 1e-7
#: Ends closer than this (largest entry) are one labelled point: a flow at rest at a gradient of
#: 1e-7 is within 1e-4 of a minimum with eigenvalues above 1e-3; copies differ by much more.
SAME_COPY = 1e-4
#: Symmetry-invariant numbers (norms, singular values, entries) of one point agree to this.
SAME_CLASS = 1e-5


@dataclass(frozen=True)
class Passage:
    """A saddle of index 1 and the two minima that gradient flow from it reaches.

    ``relation`` says how the ends compare: ``same copy`` (one labelled point), ``student order``
    (the same network, students exchanged), ``relabelled`` (copies under permutations of teachers
    and students), ``different``. ``ridges`` counts further saddles left on the way, per side.
    """

    saddle: Array
    saddle_loss: float
    eigenvalue: float
    ends: tuple[Array, Array]
    losses: tuple[float, float]
    relation: str
    ridges: tuple[int, int]

    @property
    def barriers(self) -> tuple[float, float]:
        """Height of the saddle above either end."""
        return self.saddle_loss - self.losses[0], self.saddle_loss - self.losses[1]

    @property
    def same_copy(self) -> bool:
        return self.relation == "same copy"


def passage(
    saddle: Array,
    *,
    descend: Descend,
    hessian: Hessian,
    loss: Loss,
    zero_loss: float = 1e-10,
    seed: int = 0,
) -> Passage:
    """Follow both unstable directions of a saddle W (K, M) of index 1 down to minima.

    ``descend`` maps a batch (B, K, M) to where gradient flow from each ends; it must integrate
    from where it is put, however small the gradient there. ``hessian`` gives the (KM, KM) matrix at
    a point, ``loss`` the loss. An end with a loss of at most ``zero_loss`` counts as a minimum
    without a look at its Hessian (zero-loss sets are flat, and approached slowly). ``seed`` chooses
    among the directions off a ridge, which by symmetry lead to relabelled copies.

    Raises ``InputError`` if the point is no saddle of index 1, ``NumericalError`` if a side does
    not arrive at a minimum.
    """
    eigenvalues, vectors = np.linalg.eigh(hessian(saddle))
    index = int(np.sum(eigenvalues < -NEGATIVE))
    if index != 1:
        raise InputError(f"A passage starts at a saddle of index 1, not {index}.")
    direction = _signed(vectors[:, 0]).reshape(saddle.shape)
    generator = np.random.Generator(np.random.Philox(key=seed))
    arrived = []
    for side in (1.0, -1.0):
        end = _leave(saddle, side * direction, descend, loss)
        arrived.append(_down(end, descend, hessian, loss, zero_loss, generator))
    (left, ridges_left), (right, ridges_right) = arrived
    return Passage(
        saddle=saddle,
        saddle_loss=loss(saddle),
        eigenvalue=float(eigenvalues[0]),
        ends=(left, right),
        losses=(loss(left), loss(right)),
        relation=relation(left, right),
        ridges=(ridges_left, ridges_right),
    )


def relation(left: Array, right: Array) -> str:
    """How two labelled points (K, M) compare; see ``Passage``.

    ``relabelled`` rests on invariants (norms, singular values, entries), not on a permutation.
    """
    if np.max(np.abs(left - right)) <= SAME_COPY:
        return "same copy"
    cost = np.sum((left[:, None, :] - right[None, :, :]) ** 2, axis=2)
    rows, columns = linear_sum_assignment(cost)
    if np.max(np.abs(left[rows] - right[columns])) <= SAME_COPY:
        return "student order"
    return "relabelled" if same_class(left, right) else "different"


def same_class(left: Array, right: Array, tolerance: float = SAME_CLASS) -> bool:
    """Whether two points (K, M) agree in everything that relabelling leaves alone.

    Compares norms of rows and columns, singular values and all entries, each sorted.
    """
    if left.shape != right.shape:
        return False
    pairs = zip(_invariants(left), _invariants(right), strict=True)
    return all(bool(np.max(np.abs(a - b)) <= tolerance) for a, b in pairs)


def disconnectivity(
    minima: Mapping[str, float], transitions: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """The disconnectivity graph: which minima join at which level, as data.

    ``minima`` maps keys to losses; every transition has ``saddle`` (key), ``loss`` and ``minima``
    (two keys). Minima stand for all their relabelled copies. Returns ``leaves`` (key, loss),
    ``nodes`` (key, level, saddle, children, leaves below), merging upwards in order of level,
    ``roots`` (what no known saddle joins any further), and ``copies``: the lowest saddle that joins
    copies of one and the same minimum.

    Raises ``InputError`` for transitions to unknown minima or below them.
    """
    ordered = sorted(transitions, key=lambda item: (item["loss"], item["saddle"]))
    top = {key: key for key in minima}
    below: dict[str, list[str]] = {key: [key] for key in minima}
    nodes: list[dict[str, Any]] = []
    copies: dict[str, dict[str, Any]] = {}
    for item in ordered:
        for key in item["minima"]:
            if key not in minima or minima[key] > item["loss"]:
                raise InputError(f"The saddle {item['saddle']!r} cannot lead down to {key!r}.")
        left, right = item["minima"]
        if left == right:
            entry = {"minimum": left, "saddle": item["saddle"], "level": item["loss"]}
            copies.setdefault(left, entry)
        children = sorted({top[left], top[right]})
        if len(children) == 1:
            continue
        name = f"n{len(nodes) + 1}"
        leaves = sorted(below[children[0]] + below[children[1]])
        nodes.append(
            {"key": name, "level": item["loss"], "saddle": item["saddle"], "children": children,
             "leaves": leaves}
        )  # fmt: skip
        below[name] = leaves
        top.update(dict.fromkeys(leaves, name))
    by_loss = sorted(minima, key=lambda key: (minima[key], key))
    return {
        "leaves": [{"key": key, "loss": minima[key]} for key in by_loss],
        "nodes": nodes,
        "roots": sorted(set(top.values())),
        "copies": [copies[key] for key in by_loss if key in copies],
    }


def _leave(saddle: Array, direction: Array, descend: Descend, loss: Loss) -> Array:
    """Where the flow ends from a step off the saddle; longer steps where it comes back."""
    height, length = loss(saddle), STEP
    for _ in range(MOST_TRIES):
        end = np.asarray(descend((saddle + length * direction)[None])[0])
        if np.linalg.norm(end - saddle) > length / 2 and loss(end) < height:
            return end
        length *= LONGER
    raise NumericalError("The flow came back to the saddle; it must not stop at small gradients.")


def _down(
    end: Array,
    descend: Descend,
    hessian: Hessian,
    loss: Loss,
    zero_loss: float,
    generator: np.random.Generator,
) -> tuple[Array, int]:
    """Leave saddles until a minimum is reached; the minimum and the number of saddles left."""
    for ridges in range(MOST_RIDGES):
        if loss(end) <= zero_loss:
            return end, ridges
        eigenvalues, vectors = np.linalg.eigh(hessian(end))
        count = int(np.sum(eigenvalues < -NEGATIVE))
        if count == 0:
            return end, ridges
        # a random direction of the negative eigenspace is off every symmetric set inside it
        mix = vectors[:, :count] @ generator.standard_normal(count)
        end = _leave(end, (mix / np.linalg.norm(mix)).reshape(end.shape), descend, loss)
    raise NumericalError(f"Still at a saddle after leaving {MOST_RIDGES} of them.")


def _signed(vector: Array) -> Array:
    """The sign for which the largest entry is positive: eigenvectors come with either."""
    size = np.abs(vector)
    first = int(
        np.argmax(size > 0.999 * np.max(size))
    )  # the first of those that tie up to rounding
    return vector if vector[first] > 0 else -vector


def _invariants(W: Array) -> list[Array]:
    return [
        np.asarray(np.sort(np.linalg.norm(W, axis=1))),
        np.asarray(np.sort(np.linalg.norm(W, axis=0))),
        np.asarray(np.linalg.svd(W, compute_uv=False)),
        np.sort(W, axis=None),
    ]
