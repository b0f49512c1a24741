"""A whole landscape: the composition of everything else.

``compose`` cuts the work into tasks, hands them to the injected runner and joins the answers. The
result is a function of the request alone: it does not depend on how the starts were cut into
chunks, on who computed them, or in which order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relu_landscape.engine.landscape import lines, pathways, report
from relu_landscape.engine.landscape.catalogue import Catalogue, Entry
from relu_landscape.engine.landscape.disconnectivity import disconnectivity
from relu_landscape.engine.landscape.findings import Findings
from relu_landscape.engine.landscape.pathways import Passed, follow_pathways
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.proofs import certified
from relu_landscape.engine.landscape.rated import rated
from relu_landscape.engine.landscape.report import Listed
from relu_landscape.engine.landscape.sampling import follow_starts
from relu_landscape.engine.landscape.settling import settle
from relu_landscape.engine.landscape.structured import begin_search, chosen, search_structures
from relu_landscape.engine.landscape.units import ScaledMonitor, scaled
from relu_landscape.engine.landscape.widened import widened
from relu_landscape.engine.tasks import Composed, Monitor, Runner
from relu_landscape.wire.landscape import LandscapeBody, Searched


def compose(
    problem: Problem, *, run: Runner, monitor: Monitor, chunk_starts: int | None = None
) -> Composed:
    """Compute a landscape.

    Parameters: ``run`` executes tasks; ``monitor`` is told of progress and may cancel;
    ``chunk_starts`` starts per task (default: about a second of work).
    Returns a ``wire.landscape.LandscapeBody``, and ``FixedPointDetails`` for each of its points.
    Raises ``Cancelled`` if the monitor says so.
    """
    if not problem.units.is_one:
        monitor = ScaledMonitor(monitor, problem.units)
    phases = Phases(run, monitor)
    catalogue = Catalogue(problem)
    findings = Findings(problem, monitor)
    names, explanation = chosen(problem)
    begun = begin_search(problem, phases, names)
    ends = follow_starts(problem, phases, chunk_starts=chunk_starts, seen=findings.see)
    settle(problem, phases, catalogue, ends)
    searches = search_structures(problem, phases, catalogue, begun)
    continua = lines.separate(problem, phases, catalogue)
    lines.split_minima(problem, phases, continua)
    passed = follow_pathways(problem, phases, catalogue)
    keys = _keys(problem, catalogue)
    listed = widened(problem, phases, _listed(problem, catalogue, keys, passed))
    listed, rates = rated(problem, phases, listed)
    listed = certified(problem, phases, listed)
    points = [item.point for item in listed]
    joined, unfinished = pathways.told(problem, passed, keys)
    body = LandscapeBody(
        starts=report.starts(problem, catalogue),
        missing_mass=report.missing_mass(problem, points),
        searched=Searched(
            structured=bool(names),
            explanation=explanation,
            structures=searches,
            pathways_without_end=unfinished,
        ),
        fixed_points=points,
        saddle_lines=lines.told(problem, continua),
        pathways=joined,
        disconnectivity=(
            disconnectivity(*report.losses(points), joined) if problem.saddles else None
        ),
        learning_rates=rates,
    )
    composed = Composed(result=body, parts={item.point.key: item.details for item in listed})
    return scaled(composed, problem.units)


def _keys(problem: Problem, catalogue: Catalogue) -> dict[Entry, str]:
    """Names of the isolated points, in canonical order: m1, m2 (minima), then s1 (saddles)."""
    counts = {"m": 0, "s": 0}
    keys: dict[Entry, str] = {}
    for entry in catalogue.in_order():
        letter = "s" if entry.point.index(problem.dimension) > 0 else "m"
        counts[letter] += 1
        keys[entry] = f"{letter}{counts[letter]}"
    return keys


def _listed(
    problem: Problem, catalogue: Catalogue, keys: Mapping[Entry, str], passed: Sequence[Passed]
) -> list[Listed]:
    """All fixed points in the order in which they are answered."""
    listed = [report.fixed_point(entry, key, problem) for entry, key in keys.items()]
    if problem.has_continuum:
        hits = len(catalogue.reached_global)
        below_saddle = pathways.meets_continuum(passed)
        listed.insert(0, report.global_continuum(problem, hits, below_saddle=below_saddle))
    return listed
