"""Every fixed point that can be found for two widths."""

from relu_landscape.engine.landscape.classified import Classify, ClassifyStructured
from relu_landscape.engine.landscape.condensing import Condenser
from relu_landscape.engine.landscape.expectation import expected
from relu_landscape.engine.landscape.pathways import FollowPathway
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.proofs import Certify
from relu_landscape.engine.landscape.rated import Rate, Rest, Stray
from relu_landscape.engine.landscape.sampling import Escape, Follow, Resume, Sample
from relu_landscape.engine.landscape.solve import compose
from relu_landscape.engine.landscape.structured import JudgePoints, SearchRounds
from relu_landscape.engine.landscape.widened import FollowWider, Widen
from relu_landscape.engine.tasks import Composition
from relu_landscape.wire.requests import LandscapeRequest

__all__ = ["COMPOSITION", "Problem", "compose"]

COMPOSITION = Composition(
    request=LandscapeRequest,
    problem=Problem.from_request,
    tasks=(
        Sample,
        Resume,
        Follow,
        Escape,
        Classify,
        ClassifyStructured,
        SearchRounds,
        JudgePoints,
        FollowPathway,
        Widen,
        FollowWider,
        Rate,
        Rest,
        Stray,
        Certify,
    ),
    compose=compose,
    expected=expected,
    condenser=Condenser,
)
