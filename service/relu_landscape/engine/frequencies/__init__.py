"""Which minima one-pass SGD reaches, and how often, beside gradient flow from the same starts."""

from relu_landscape.engine.frequencies.problem import of_frequencies
from relu_landscape.engine.frequencies.solve import compose
from relu_landscape.engine.frequencies.tasks import FallFrom, Simulate
from relu_landscape.engine.landscape.classified import Classify, ClassifyStructured
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import Escape, Follow, Resume, Sample
from relu_landscape.engine.landscape.structured import JudgePoints, SearchRounds
from relu_landscape.engine.tasks import Composition
from relu_landscape.wire.frequencies import FrequenciesRequest

__all__ = ["COMPOSITION", "compose"]

COMPOSITION: Composition[Problem] = Composition(
    request=FrequenciesRequest,
    problem=of_frequencies,
    tasks=(
        Sample, Resume, Follow, Escape, Classify, ClassifyStructured, SearchRounds, JudgePoints,
        Simulate, FallFrom,
    ),
    compose=compose,
)  # fmt: skip
