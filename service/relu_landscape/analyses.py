"""The kinds of analysis that exist: one registry, from which everything else follows.

An ``Analysis`` is a kind of job: a question that takes long enough to be queued, watched and
cancelled. A ``ShortCall`` is a question that is answered at once. Jobs, HTTP routes, their OpenAPI
document and the published schema are made from these declarations; a new kind is its own folder in
the engine, its models in ``wire``, one entry here, and its documentation (CONTRIBUTING.md).

What computes is named by dotted names, imported when it is first needed, in the process that needs
it: this module is light.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Union, cast

from pydantic import create_model

from relu_landscape.errors import ConfigurationError, NotFound
from relu_landscape.wire.base import Wire
from relu_landscape.wire.descents import PHASES as DESCENTS_PHASES
from relu_landscape.wire.descents import Descents, DescentsFinding, DescentsRequest
from relu_landscape.wire.estimates import Estimate
from relu_landscape.wire.families import Continuation, ContinuationQuery, Family, FamilyQuery
from relu_landscape.wire.frequencies import PHASES as FREQUENCIES_PHASES
from relu_landscape.wire.frequencies import (
    Frequencies,
    FrequenciesFinding,
    FrequenciesRequest,
)
from relu_landscape.wire.jobs import AnyStatus, FindingsEvent, JobStatus, Page, Sealed
from relu_landscape.wire.landscape import (
    PHASES,
    FixedPointDetails,
    FixedPointInFull,
    Landscape,
    LandscapeFinding,
)
from relu_landscape.wire.leaks import Leaks, LeaksQuery
from relu_landscape.wire.learning_rates import LearningRates, LearningRatesQuery
from relu_landscape.wire.located import PHASES as POINTS_PHASES
from relu_landscape.wire.located import Points, PointsFinding
from relu_landscape.wire.perturbations import PHASES as PERTURBATIONS_PHASES
from relu_landscape.wire.perturbations import (
    Perturbations,
    PerturbationsFinding,
    PerturbationsRequest,
)
from relu_landscape.wire.points import PointsRequest
from relu_landscape.wire.requests import AnalysisRequest, LandscapeRequest
from relu_landscape.wire.structures import StructureChoices, StructuresQuery
from relu_landscape.wire.sweeps import PHASES as SWEEP_PHASES
from relu_landscape.wire.sweeps import Sweep, SweepFinding, SweepRequest
from relu_landscape.wire.trajectories import PHASES as TRAJECTORY_PHASES
from relu_landscape.wire.trajectories import Trajectory, TrajectoryRequest
from relu_landscape.wire.trajectory_answers import (
    RunDetails,
    RunInFull,
    TrajectoryFinding,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from relu_landscape.engine.tasks import Composition, Cost


@dataclass(frozen=True)
class Parts:
    """What is too long for the overview of a result, and fetched by key.

    ``collection`` is the member of the result that lists the overviews, each with a ``key``;
    ``path`` is the last but one step of a part's address; ``details`` is what the engine adds to
    the overview, ``full`` what is answered.
    """

    path: str
    collection: str
    noun: str
    details: type[Wire]
    full: type[Wire]


@dataclass(frozen=True)
class Analysis:
    """One kind of job.

    ``noun`` and ``plural`` name it in sentences and in routes (``/v1/landscapes``); ``phases`` are
    the names that its progress may say; ``composition`` is the dotted name of an
    ``engine.tasks.Composition``. ``has_short_form``: it can also be asked for from a query string
    under its noun, with a GET that waits. ``asks_others``: its tasks are questions to other
    analyses (``engine.tasks.Question``): it waits for their jobs, and takes no place of one that
    computes.
    """

    noun: str
    plural: str
    summary: str
    request: type[AnalysisRequest]
    finding: type[Wire]
    result: type[Sealed]
    phases: tuple[str, ...]
    composition: str
    parts: Parts | None = None
    has_short_form: bool = True
    asks_others: bool = False

    @property
    def kind(self) -> str:
        """Its name in jobs, ids and the registry."""
        return self.request.kind

    @property
    def status(self) -> type[AnyStatus]:
        """What is said about one of its jobs."""
        return JobStatus[self.request, self.finding]  # type: ignore[name-defined]

    @property
    def page(self) -> type[Page[AnyStatus]]:
        """One page of its jobs."""
        return Page[self.status]  # type: ignore[name-defined]

    @property
    def findings(self) -> type[FindingsEvent[Any]]:
        """Data of its events named ``findings``."""
        return FindingsEvent[self.finding]  # type: ignore[name-defined]


@dataclass(frozen=True)
class ShortCall:
    """One question that is answered at once; ``function`` is a dotted name.

    The function takes the query model and returns the result model. ``cost`` is the dotted name of
    a function that takes the query as well and says by plain arithmetic what answering it will
    take (``engine.tasks.Cost``), so that what is too long is refused; None: never too long.
    """

    name: str
    path: str
    summary: str
    description: str
    query: type[Wire]
    result: type[Wire]
    function: str
    cost: str | None = None


@dataclass(frozen=True)
class Registry:
    """The analyses and short calls that a service knows."""

    analyses: tuple[Analysis, ...]
    calls: tuple[ShortCall, ...]

    @property
    def page(self) -> type[Page[AnyStatus]]:
        """One page of the jobs of every kind."""
        return _page(self)

    def analysis(self, kind: str) -> Analysis:
        """The analysis of this kind. Raises ``NotFound``."""
        for each in self.analyses:
            if each.kind == kind:
                return each
        known = ", ".join(each.kind for each in self.analyses)
        raise NotFound(f"There is no analysis {kind!r}; there is: {known}.")

    def call(self, name: str) -> ShortCall:
        """The short call of this name. Raises ``NotFound``."""
        for each in self.calls:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.calls) or "none"
        raise NotFound(f"There is no calculation {name!r}; there is: {known}.")

    @property
    def modules(self) -> list[str]:
        """Of what computes: all that the dotted names begin with, each once."""
        return sorted({name.partition(":")[0] for name in self._dotted_names()})

    def check_names(self) -> None:
        """Raise ``ConfigurationError`` unless every module exists; imports none of them."""
        for name in self._dotted_names():
            module = name.partition(":")[0]
            try:
                found = importlib.util.find_spec(module)
            except ImportError:  # the package above it is missing
                found = None
            if found is None:
                raise ConfigurationError(f"The engine's {name} cannot be imported: no such module.")

    def _dotted_names(self) -> Iterator[str]:
        yield from (each.composition for each in self.analyses)
        yield from (each.function for each in self.calls)
        yield from (each.cost for each in self.calls if each.cost is not None)


@cache
def _page(registry: Registry) -> type[Page[AnyStatus]]:
    item: Any = Union[tuple(each.status for each in registry.analyses)]  # noqa: UP007 - made here
    return create_model("JobPage", __base__=Page[item])


def load(name: str) -> Any:
    """The object behind ``module:attribute``. Raises ``ConfigurationError`` if there is none."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"The engine's {name} cannot be imported: {error}.") from error


def composition(name: str) -> Composition[Any]:
    """How an analysis is computed; the heavy part of the engine is imported here."""
    return cast("Composition[Any]", load(name))


def function(name: str) -> Callable[[Any], Wire]:
    """What a short call computes."""
    return cast("Callable[[Any], Wire]", load(name))


def cost(name: str) -> Callable[[Any], Cost]:
    """What a short call is said to take."""
    return cast("Callable[[Any], Cost]", load(name))


LANDSCAPE = Analysis(
    noun="landscape",
    plural="landscapes",
    summary="Every fixed point that can be found for two widths",
    request=LandscapeRequest,
    finding=LandscapeFinding,
    result=Landscape,
    phases=PHASES,
    composition="relu_landscape.engine.landscape:COMPOSITION",
    parts=Parts(
        path="fixed-points",
        collection="fixed_points",
        noun="fixed point",
        details=FixedPointDetails,
        full=FixedPointInFull,
    ),
)

TRAJECTORY = Analysis(
    noun="trajectory",
    plural="trajectories",
    summary="Gradient flow, or one-pass SGD at a learning rate, from one start",
    request=TrajectoryRequest,
    finding=TrajectoryFinding,
    result=Trajectory,
    phases=TRAJECTORY_PHASES,
    composition="relu_landscape.engine.dynamics:COMPOSITION",
    parts=Parts(path="runs", collection="runs", noun="run", details=RunDetails, full=RunInFull),
    # Its fields bound each other, and its starts are matrices: no matter for a query string.
    has_short_form=False,
)

POINTS = Analysis(
    noun="location",
    plural="points",
    summary="Where given networks stand, and where gradient flow takes them",
    request=PointsRequest,
    finding=PointsFinding,
    result=Points,
    phases=POINTS_PHASES,
    composition="relu_landscape.engine.locating:COMPOSITION",
    has_short_form=False,
)

FREQUENCIES = Analysis(
    noun="set of frequencies",
    plural="frequencies",
    summary="Which minima one-pass SGD reaches, and how often, beside gradient flow",
    request=FrequenciesRequest,
    finding=FrequenciesFinding,
    result=Frequencies,
    phases=FREQUENCIES_PHASES,
    composition="relu_landscape.engine.frequencies:COMPOSITION",
    # Its fields bound each other, and it has lists.
    has_short_form=False,
)

PERTURBATIONS = Analysis(
    noun="set of perturbations",
    plural="perturbations",
    summary="How large a kick a fixed point withstands",
    request=PerturbationsRequest,
    finding=PerturbationsFinding,
    result=Perturbations,
    phases=PERTURBATIONS_PHASES,
    composition="relu_landscape.engine.perturbations:COMPOSITION",
    # It has lists.
    has_short_form=False,
)

DESCENTS = Analysis(
    noun="set of descents",
    plural="descents",
    summary="Where descents under constraints, in steps or with signs end",
    request=DescentsRequest,
    finding=DescentsFinding,
    result=Descents,
    phases=DESCENTS_PHASES,
    composition="relu_landscape.engine.descents:COMPOSITION",
    # Its fields bound each other, and it has lists.
    has_short_form=False,
)

SWEEP = Analysis(
    noun="sweep",
    plural="sweeps",
    summary="Landscapes over a grid of requests, as one table",
    request=SweepRequest,
    finding=SweepFinding,
    result=Sweep,
    phases=SWEEP_PHASES,
    composition="relu_landscape.engine.sweeping:COMPOSITION",
    has_short_form=False,
    asks_others=True,
)

ANALYSES = Registry(
    analyses=(LANDSCAPE, TRAJECTORY, POINTS, FREQUENCIES, PERTURBATIONS, DESCENTS, SWEEP),
    calls=(
        ShortCall(
            name="family",
            path="/v1/families",
            summary="One family at any width",
            description="Loss, overlaps, spectrum and stability of a family at any width up to "
            "10^9.",
            query=FamilyQuery,
            result=Family,
            function="relu_landscape.engine.families.answers:family_answer",
            cost="relu_landscape.engine.families.asking:family_cost",
        ),
        ShortCall(
            name="continuation",
            path="/v1/families/continuation",
            summary="A family along real width",
            description="A family along real width, with the widths at which its stability "
            "changes.",
            query=ContinuationQuery,
            result=Continuation,
            function="relu_landscape.engine.families.answers:continuation_answer",
            cost="relu_landscape.engine.families.asking:continuation_cost",
        ),
        ShortCall(
            name="leaks",
            path="/v1/families/leaks",
            summary="A point of a structure along the leak",
            description="A critical point of a structure as the slope below zero of the activation "
            "changes (leaky ReLU), with the leaks at which it appears, vanishes or changes "
            "stability.",
            query=LeaksQuery,
            result=Leaks,
            function="relu_landscape.engine.families.answers:leaks_answer",
            cost="relu_landscape.engine.families.asking:leaks_cost",
        ),
        ShortCall(
            name="learning_rates",
            path="/v1/learning-rates",
            summary="A minimum under one-pass SGD",
            description="The largest stable learning rate of a minimum of a family, and its loss "
            "up to that, in high dimension.",
            query=LearningRatesQuery,
            result=LearningRates,
            function="relu_landscape.engine.dynamics.answers:learning_rates_answer",
            cost="relu_landscape.engine.families.asking:learning_rates_cost",
        ),
        ShortCall(
            name="structures",
            path="/v1/structures",
            summary="Structures that can be asked for",
            description="The structures that a landscape of these widths searches where none are "
            "named, each in words, with the well-known families that have it.",
            query=StructuresQuery,
            result=StructureChoices,
            function="relu_landscape.engine.families.choices:structures_answer",
        ),
        ShortCall(
            name="estimate",
            path="/v1/estimate",
            summary="What a landscape will take",
            description="Processor seconds by phase, bytes in the store and memory of a worker, "
            "said before anything is computed. The query string is that of GET /v1/landscape.",
            query=LandscapeRequest,
            result=Estimate,
            function="relu_landscape.engine.landscape.estimates:estimate_answer",
        ),
    ),
)
