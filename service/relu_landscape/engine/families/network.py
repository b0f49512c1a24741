"""Structured points as points of the network: whole weights, and the whole spectrum."""

from __future__ import annotations

import numpy as np

from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import Point, embed, stacked
from relu_landscape.engine.families.spectrum import components, whole
from relu_landscape.engine.model import activation, population
from relu_landscape.engine.model.teacher import Teacher
from relu_landscape.engine.points import classify


def at_rest(point: Point, teacher: Teacher) -> classify.Point | None:
    """A structured point that the search has polished, with every eigenvalue of the Hessian.

    ``teacher``: orthonormal, as wide as the structure. The eigenvalues are those of the isotypic
    components, each as often as its representation has dimensions: a few small matrices instead of
    one of K M rows. None where the gradient of the whole loss does not vanish there.

    **Accuracy.** That of ``spectrum.components``; weights as they were polished among those of
    their symmetry, where the gradient lies as well.
    """
    W = embed(point)
    norm = float(np.linalg.norm(population.gradient(W, teacher)))
    if not norm <= activation.stiffness(teacher.leak) * classify.largest_gradient(*W.shape):
        return None
    found = components(layout(point.structure), *stacked([point]))
    return classify.Point(
        W=W,
        loss=float(population.loss(W, teacher)),
        gradient_norm=norm,
        moved=0.0,
        span=whole(found, "span"),
        perpendicular=whole(found, "perpendicular"),
    )
