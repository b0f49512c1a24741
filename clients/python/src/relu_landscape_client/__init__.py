"""Client of relu-landscape: loss landscapes of two-layer ReLU networks on demand.

    from relu_landscape_client import Client

    landscape = Client.local().landscape(student_width=7, teacher_width=7)
    landscape.minima[0].R

``Client("http://lab:8000")`` asks a server instead.

Names are loaded when first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relu_landscape_client._decode import strict_json as strict_json
    from relu_landscape_client._http import silence_repeats as silence_repeats
    from relu_landscape_client.atlases import Atlas as Atlas
    from relu_landscape_client.atlases import AtlasCell as AtlasCell
    from relu_landscape_client.atlases import AtlasPoint as AtlasPoint
    from relu_landscape_client.atlases import atlas as atlas
    from relu_landscape_client.client import AsyncClient as AsyncClient
    from relu_landscape_client.client import Client as Client
    from relu_landscape_client.comparison import ComparedPoint as ComparedPoint
    from relu_landscape_client.comparison import Comparison as Comparison
    from relu_landscape_client.comparison import compare as compare
    from relu_landscape_client.descents import Curvature as Curvature
    from relu_landscape_client.descents import DescentEnd as DescentEnd
    from relu_landscape_client.descents import Descents as Descents
    from relu_landscape_client.descents import OtherEnd as OtherEnd
    from relu_landscape_client.descents import PatternSearch as PatternSearch
    from relu_landscape_client.descents import StructuredSearch as StructuredSearch
    from relu_landscape_client.descents import UniformFamily as UniformFamily
    from relu_landscape_client.disconnectivity import Disconnectivity as Disconnectivity
    from relu_landscape_client.errors import AddressError as AddressError
    from relu_landscape_client.errors import AnswerError as AnswerError
    from relu_landscape_client.errors import Busy as Busy
    from relu_landscape_client.errors import ClientError as ClientError
    from relu_landscape_client.errors import ConnectionFailed as ConnectionFailed
    from relu_landscape_client.errors import FileError as FileError
    from relu_landscape_client.errors import LandscapeCancelled as LandscapeCancelled
    from relu_landscape_client.errors import LandscapeFailed as LandscapeFailed
    from relu_landscape_client.errors import LocalServiceFailed as LocalServiceFailed
    from relu_landscape_client.errors import MissingExtra as MissingExtra
    from relu_landscape_client.errors import MissingService as MissingService
    from relu_landscape_client.errors import NotAuthorised as NotAuthorised
    from relu_landscape_client.errors import NotFound as NotFound
    from relu_landscape_client.errors import ProtocolError as ProtocolError
    from relu_landscape_client.errors import RequestRefused as RequestRefused
    from relu_landscape_client.errors import ServerAbsent as ServerAbsent
    from relu_landscape_client.errors import ServerError as ServerError
    from relu_landscape_client.errors import TimedOut as TimedOut
    from relu_landscape_client.estimates import Estimate as Estimate
    from relu_landscape_client.families import Change as Change
    from relu_landscape_client.families import Continuation as Continuation
    from relu_landscape_client.families import Event as Event
    from relu_landscape_client.families import Family as Family
    from relu_landscape_client.families import FamilyStability as FamilyStability
    from relu_landscape_client.frequencies import Frequencies as Frequencies
    from relu_landscape_client.frequencies import RateFrequencies as RateFrequencies
    from relu_landscape_client.frequencies import Reached as Reached
    from relu_landscape_client.frequencies import StartEnds as StartEnds
    from relu_landscape_client.frequencies import Transition as Transition
    from relu_landscape_client.leaks import Leaks as Leaks
    from relu_landscape_client.learning_rates import LearningRates as LearningRates
    from relu_landscape_client.lines import Origin as Origin
    from relu_landscape_client.lines import SaddleLine as SaddleLine
    from relu_landscape_client.locations import LocatedEnd as LocatedEnd
    from relu_landscape_client.locations import LocatedPoint as LocatedPoint
    from relu_landscape_client.locations import LocatedWidening as LocatedWidening
    from relu_landscape_client.locations import Near as Near
    from relu_landscape_client.locations import OneMore as OneMore
    from relu_landscape_client.locations import Points as Points
    from relu_landscape_client.locations import SignedEnd as SignedEnd
    from relu_landscape_client.locations import StatisticalError as StatisticalError
    from relu_landscape_client.parts import Attraction as Attraction
    from relu_landscape_client.parts import Details as Details
    from relu_landscape_client.parts import Overlaps as Overlaps
    from relu_landscape_client.parts import Spectrum as Spectrum
    from relu_landscape_client.parts import Stability as Stability
    from relu_landscape_client.parts import Structure as Structure
    from relu_landscape_client.perturbations import KickedEnd as KickedEnd
    from relu_landscape_client.perturbations import KickSize as KickSize
    from relu_landscape_client.perturbations import Perturbations as Perturbations
    from relu_landscape_client.points import FixedPoint as FixedPoint
    from relu_landscape_client.points import FixedPoints as FixedPoints
    from relu_landscape_client.rated import LearningRateDiagram as LearningRateDiagram
    from relu_landscape_client.rated import PointRates as PointRates
    from relu_landscape_client.results import Landscape as Landscape
    from relu_landscape_client.results import Pathway as Pathway
    from relu_landscape_client.status import Finding as Finding
    from relu_landscape_client.status import Progress as Progress
    from relu_landscape_client.status import Status as Status
    from relu_landscape_client.structures import StructureChoice as StructureChoice
    from relu_landscape_client.structures import StructureChoices as StructureChoices
    from relu_landscape_client.sweeps import Sweep as Sweep
    from relu_landscape_client.sweeps import SweepAxis as SweepAxis
    from relu_landscape_client.sweeps import SweepMinimum as SweepMinimum
    from relu_landscape_client.sweeps import SweepRow as SweepRow
    from relu_landscape_client.trajectories import Attractor as Attractor
    from relu_landscape_client.trajectories import LossCurve as LossCurve
    from relu_landscape_client.trajectories import RunSummary as RunSummary
    from relu_landscape_client.trajectories import Trajectory as Trajectory
    from relu_landscape_client.trajectories import TrajectoryRun as TrajectoryRun
    from relu_landscape_client.widening import AddedStudent as AddedStudent
    from relu_landscape_client.widening import SplitStudent as SplitStudent
    from relu_landscape_client.widening import SplitWay as SplitWay
    from relu_landscape_client.widening import Widening as Widening
    from relu_landscape_client.widening import WiderEnd as WiderEnd

__version__ = "0.2.0"

_HOMES = {
    "_decode": ("strict_json",),
    "_http": ("silence_repeats",),
    "atlases": ("Atlas", "AtlasCell", "AtlasPoint", "atlas"),
    "client": ("AsyncClient", "Client"),
    "comparison": ("ComparedPoint", "Comparison", "compare"),
    "errors": (
        "AddressError", "AnswerError", "Busy", "ClientError", "ConnectionFailed", "FileError",
        "LandscapeCancelled", "LandscapeFailed", "LocalServiceFailed", "MissingExtra",
        "MissingService", "NotAuthorised", "NotFound", "ProtocolError", "RequestRefused",
        "ServerAbsent", "ServerError", "TimedOut",
    ),
    "descents": (
        "Curvature", "DescentEnd", "Descents", "OtherEnd", "PatternSearch", "StructuredSearch",
        "UniformFamily",
    ),
    "disconnectivity": ("Disconnectivity",),
    "estimates": ("Estimate",),
    "families": ("Change", "Continuation", "Event", "Family", "FamilyStability"),
    "frequencies": ("Frequencies", "RateFrequencies", "Reached", "StartEnds", "Transition"),
    "leaks": ("Leaks",),
    "learning_rates": ("LearningRates",),
    "lines": ("Origin", "SaddleLine"),
    "locations": (
        "LocatedEnd", "LocatedPoint", "LocatedWidening", "Near", "OneMore", "Points", "SignedEnd",
        "StatisticalError",
    ),
    "parts": ("Attraction", "Details", "Overlaps", "Spectrum", "Stability", "Structure"),
    "perturbations": ("KickedEnd", "KickSize", "Perturbations"),
    "points": ("FixedPoint", "FixedPoints"),
    "rated": ("LearningRateDiagram", "PointRates"),
    "results": ("Landscape", "Pathway"),
    "status": ("Finding", "Progress", "Status"),
    "structures": ("StructureChoice", "StructureChoices"),
    "sweeps": ("Sweep", "SweepAxis", "SweepMinimum", "SweepRow"),
    "trajectories": ("Attractor", "LossCurve", "RunSummary", "Trajectory", "TrajectoryRun"),
    "widening": ("AddedStudent", "SplitStudent", "SplitWay", "Widening", "WiderEnd"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
