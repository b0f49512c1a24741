"""From ends to fixed points: classified once, starts credited, those in doubt looked at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape.catalogue import Catalogue, Group
from relu_landscape.engine.landscape.classified import classified
from relu_landscape.engine.landscape.ends import Ends
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import Escape, Follow
from relu_landscape.engine.tasks import Task

#: How often a start is pushed off saddles before it is given up.
PUSHES = 6
#: Starts per task: a second look is one long path, a push two, which wait for each other. Few
#: second looks are shared out among some tasks, each with a path for every lane.
FOLLOWED_PER_TASK = 64
FEWEST_FOLLOWED, FOLLOWING_TASKS = 8, 4
ESCAPES_PER_TASK = 8


def settle(problem: Problem, phases: Phases, catalogue: Catalogue, answers: Sequence[Ends]) -> None:
    """Enter the points at which starts ended into the catalogue, each start credited or failed."""
    groups = catalogue.collect(answers)
    looked_again: set[int] = set()
    for turn in range(PUSHES):
        doubts, resting = _credited(problem, phases, catalogue, groups, turn)
        _give_up(catalogue, doubts, resting, looked_again)
        follow = sorted(doubts.keys() - looked_again)
        escape = sorted(resting - catalogue.left_saddles)
        looked_again.update(follow)
        catalogue.left_saddles.update(escape)
        groups = catalogue.collect(phases.map("second look", _again(follow, escape, turn)))
        if not groups:
            return


def _credited(
    problem: Problem, phases: Phases, catalogue: Catalogue, groups: list[Group], turn: int
) -> tuple[dict[int, Outcome], set[int]]:
    """Classify the groups and credit their members; the starts in doubt, and those at saddles.

    Of each start in doubt, what becomes of it if the doubt stays.
    """
    doubts: dict[int, Outcome] = {}
    resting: set[int] = set()
    points = classified(problem, phases, f"classify/{turn}", [group.W for group in groups])
    for group, point in zip(groups, points, strict=True):
        if point is None:
            doubts.update(dict.fromkeys(group.members, Outcome.NO_POINT))
            continue
        entry = catalogue.add(f"sampled {group.start}", point, "sampled")
        more, at_saddle = catalogue.credit(group, entry, point)
        doubts.update(dict.fromkeys(more, Outcome.UNDECIDED))
        resting.update(at_saddle)
    return doubts, resting


def _again(follow: list[int], escape: list[int], turn: int) -> list[Task[Problem, Ends]]:
    """Tasks of a second look."""
    tasks: list[Task[Problem, Ends]] = []
    share = max(FEWEST_FOLLOWED, -(-len(follow) // FOLLOWING_TASKS))
    size = min(FOLLOWED_PER_TASK, share)
    for first in range(0, len(follow), size):
        numbers = tuple(follow[first : first + size])
        tasks.append(Follow(key=f"follow/{turn}/{first}", numbers=numbers))
    for first in range(0, len(escape), ESCAPES_PER_TASK):
        numbers = tuple(escape[first : first + ESCAPES_PER_TASK])
        tasks.append(Escape(key=f"escape/{turn}/{first}", numbers=numbers, rounds=PUSHES))
    return tasks


def _give_up(
    catalogue: Catalogue,
    doubts: Mapping[int, Outcome],
    resting: set[int],
    looked_again: set[int],
) -> None:
    """Starts that stay in doubt after the second look failed; they are counted, not dropped."""
    for start in sorted(doubts.keys() & looked_again):
        catalogue.failed[start] = doubts[start].name
    for start in sorted(resting & catalogue.left_saddles):
        catalogue.failed[start] = Outcome.SADDLE.name
