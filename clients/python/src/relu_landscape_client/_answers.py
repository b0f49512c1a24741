"""Documents as what they say. The classes are imported when the first of them is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from relu_landscape_client import _flows
from relu_landscape_client.errors import ClientError

if TYPE_CHECKING:
    from relu_landscape_client.descents import Descents
    from relu_landscape_client.estimates import Estimate
    from relu_landscape_client.families import Continuation, Family
    from relu_landscape_client.frequencies import Frequencies
    from relu_landscape_client.leaks import Leaks
    from relu_landscape_client.learning_rates import LearningRates
    from relu_landscape_client.locations import Points
    from relu_landscape_client.perturbations import Perturbations
    from relu_landscape_client.points import FixedPoint
    from relu_landscape_client.results import Landscape
    from relu_landscape_client.structures import StructureChoices
    from relu_landscape_client.sweeps import Sweep
    from relu_landscape_client.trajectories import Trajectory, TrajectoryRun


def landscape(document: _flows.Document) -> Landscape:
    """A landscape."""
    from relu_landscape_client.results import Landscape

    return Landscape.from_document(document)


def landscapes(found: list[_flows.Document | ClientError]) -> list[Landscape | ClientError]:
    """Landscapes, and what was raised in the place of some."""
    return [each if isinstance(each, ClientError) else landscape(each) for each in found]


def fixed_point(document: _flows.Document) -> FixedPoint:
    """A fixed point in full."""
    from relu_landscape_client.points import FixedPoint

    return FixedPoint.from_document(document)


def family(document: _flows.Document) -> Family:
    """A family at one width."""
    from relu_landscape_client.families import Family

    return Family.from_document(document)


def continuation(document: _flows.Document) -> Continuation:
    """A family along width."""
    from relu_landscape_client.families import Continuation

    return Continuation.from_document(document)


def leaks(document: _flows.Document) -> Leaks:
    """A point of a structure along the leak."""
    from relu_landscape_client.leaks import Leaks

    return Leaks.from_document(document)


def learning_rates(document: _flows.Document) -> LearningRates:
    """A minimum under one-pass SGD."""
    from relu_landscape_client.learning_rates import LearningRates

    return LearningRates.from_document(document)


def structures(document: _flows.Document) -> StructureChoices:
    """Which structures can be asked for."""
    from relu_landscape_client.structures import StructureChoices

    return StructureChoices.from_document(document)


def estimate(document: _flows.Document) -> Estimate:
    """What a landscape will take."""
    from relu_landscape_client.estimates import Estimate

    return Estimate.from_document(document)


def frequencies(document: _flows.Document) -> Frequencies:
    """Frequencies of SGD."""
    from relu_landscape_client.frequencies import Frequencies

    return Frequencies.from_document(document)


def descents(document: _flows.Document) -> Descents:
    """Ends of descents."""
    from relu_landscape_client.descents import Descents

    return Descents.from_document(document)


def perturbations(document: _flows.Document) -> Perturbations:
    """Perturbations of a fixed point."""
    from relu_landscape_client.perturbations import Perturbations

    return Perturbations.from_document(document)


def points(document: _flows.Document) -> Points:
    """Located networks."""
    from relu_landscape_client.locations import Points

    return Points.from_document(document)


def trajectory(document: _flows.Document) -> Trajectory:
    """A trajectory."""
    from relu_landscape_client.trajectories import Trajectory

    return Trajectory.from_document(document)


def sweep(document: _flows.Document) -> Sweep:
    """A sweep."""
    from relu_landscape_client.sweeps import Sweep

    return Sweep.from_document(document)


def run(document: _flows.Document) -> TrajectoryRun:
    """A run of a trajectory, in full."""
    from relu_landscape_client.trajectories import TrajectoryRun

    return TrajectoryRun.from_document(document)
