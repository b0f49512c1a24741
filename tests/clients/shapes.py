"""Which class of the client reads which shape of the published schema.

``relu_landscape_client._decode.members`` gives the members that a class is read from; they are
those of the shape, by the same names.
"""

from __future__ import annotations

from relu_landscape_client import (
    disconnectivity,
    families,
    locations,
    parts,
    points,
    results,
    status,
    sweeps,
    trajectories,
    widening,
)

CLASSES: dict[str, type] = {
    "Attraction": parts.Attraction,
    "Attractor": trajectories.Attractor,
    "BranchEvent": families.Event,
    "Continuation": families.Continuation,
    "Disconnectivity": disconnectivity.Disconnectivity,
    "Family": families.Family,
    "FamilyStability": families.FamilyStability,
    "FixedPoint": points.FixedPoint,
    "FixedPointDetails": parts.Details,
    "JoinedCopies": disconnectivity.JoinedCopies,
    "Landscape": results.Landscape,
    "LandscapeFinding": status.Finding,
    "LandscapeStatus": status.Status,
    "Leaf": disconnectivity.Leaf,
    "Node": disconnectivity.Node,
    "LossCurve": trajectories.LossCurve,
    "Overlaps": parts.Overlaps,
    "Pathway": results.Pathway,
    "Progress": status.Progress,
    "Run": trajectories.RunSummary,
    "RunInFull": trajectories.TrajectoryRun,
    "Stability": parts.Stability,
    "StabilityChange": families.Change,
    "Structure": parts.Structure,
    "LocatedEnd": locations.LocatedEnd,
    "LocatedPoint": locations.LocatedPoint,
    "Near": locations.Near,
    "OneMore": locations.OneMore,
    "Points": locations.Points,
    "StatisticalError": locations.StatisticalError,
    "Sweep": sweeps.Sweep,
    "SweepAxis": sweeps.SweepAxis,
    "SweepMinimum": sweeps.SweepMinimum,
    "SweepRow": sweeps.SweepRow,
    "Trajectory": trajectories.Trajectory,
    "AddedStudent": widening.AddedStudent,
    "SplitStudent": widening.SplitStudent,
    "SplitWay": widening.SplitWay,
    "Widening": widening.Widening,
    "WiderEnd": widening.WiderEnd,
    "LocatedWidening": locations.LocatedWidening,
}
