"""What kicks do to a fixed point: which of them gradient flow takes back to it."""

from relu_landscape.engine.landscape.classified import Classify
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.proofs import Certify
from relu_landscape.engine.perturbations.problem import of_perturbations
from relu_landscape.engine.perturbations.solve import compose
from relu_landscape.engine.perturbations.tasks import Find, Kick
from relu_landscape.engine.tasks import Composition
from relu_landscape.wire.perturbations import PerturbationsRequest

__all__ = ["COMPOSITION", "compose"]

COMPOSITION: Composition[Problem] = Composition(
    request=PerturbationsRequest,
    problem=of_perturbations,
    tasks=(Find, Classify, Certify, Kick),
    compose=compose,
)
