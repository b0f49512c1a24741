"""Ends of one point are stored once, and what is composed of them has the same bits.

A job of a million starts at K = 64 kept the weights of every group of ends of every task, 18 GB of
them, and most were of points that others had reached before.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pytest

from relu_landscape.analyses import ANALYSES
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.condensing import Condenser
from relu_landscape.engine.landscape.ends import EndGroup, Ends
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import Escape, Sample
from relu_landscape.engine.model import population
from relu_landscape.engine.points import identity
from relu_landscape.engine.tasks import Task
from relu_landscape.jobs.pool.base import Work
from relu_landscape.jobs.pool.codec import decode_answer, encode_answer
from relu_landscape.jobs.running.attempt import Attempt, ChunkRunner
from relu_landscape.jobs.running.progress import ProgressMonitor
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.scripts import needs
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.helpers import PROVENANCE, QUEUES, lapse
from tests.service.jobs.running.test_memos import Desk, Died, Here, HereLane

ProblemT = TypeVar("ProblemT")
AnswerT = TypeVar("AnswerT")

#: At these widths starts end at the global minimum and at 1+5; in ten tasks, of four starts.
ASKED = LandscapeRequest(
    student_width=6, teacher_width=6, starts=40, seed=3, structures=("1+5", "6")
)
PROBLEM = COMPOSITION.problem(ASKED)
CHUNK = 4


def sample(first: int) -> Sample:
    return Sample(key=f"sample/{first}", numbers=(first, first + 1), hand_back=True)


def group(start: int, W: Any) -> EndGroup:
    loss = float(population.loss(W, PROBLEM.teacher))
    return EndGroup(start, W, loss, (start,), np.array([1e-9]), (True,))


def points() -> tuple[Any, Any]:
    """Weights of two different points, relabelled copies of which are one."""
    rng = np.random.default_rng(1)
    return rng.standard_normal((6, 6)), rng.standard_normal((6, 6))


def attempt(claims: ClaimingStore, pool: Here) -> Attempt:
    claim = claims.claim(QUEUES)
    assert claim is not None
    analysis = ANALYSES.analysis("landscape")
    return Attempt(claim, claims, pool, analysis, CHUNK, PROVENANCE, needs("cpu"))


def stored(claims: ClaimingStore, job: str) -> list[EndGroup]:
    """Every group in the job's checkpoints of starts, as it is stored."""
    names = sorted(each for each in claims.finished_chunks(job) if each.startswith("sample/"))
    answers = [answer for _, answer in claims.answers(job, names)]
    found = [decode_answer(sample(0), answer) for answer in answers if answer is not None]
    return [each for answer in found for each in answer.groups]


@pytest.mark.parametrize("dies_after", [5, 9])
async def test_a_job_that_was_killed_goes_on_from_what_is_stored_to_the_same_bits(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, dies_after: int
) -> None:
    desk = Desk(asking, watcher)
    job = desk.job(ASKED)
    await asking.submit(job, ASKED.kind, ASKED.canonical())
    before = Here(dies_after=dies_after)  # the search, done beside the starts, counts as well
    with pytest.raises(Died):
        attempt(claims, before).run()
    found = stored(claims, job)
    kept = [each for each in found if each.like is None]
    assert all(each.W.size == 0 for each in found if each.like is not None)
    assert len(kept) < len(found)
    # Once for each point, but where a lower start came later.
    assert {each.like for each in found} - {None} <= {each.start for each in kept}
    lapse(watcher, job)
    again = Here()
    attempt(watcher, again).run()
    assert (await asking.status(job)).state == "finished"
    assert again.ran["sample"] == 10 - before.ran["sample"], "what is stored is not computed again"
    await desk.check(ASKED)


@dataclass
class Shuffled(Here):
    """Answers come back in any order, as from many workers."""

    chance: random.Random = field(default_factory=random.Random)

    def lane(self, work: Work) -> HereLane:
        lane = super().lane(work)
        self.before = lambda: self.chance.shuffle(lane.waiting)
        return lane


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_the_order_and_however_often_it_dies_the_bits_are_the_same(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, seed: int
) -> None:
    desk = Desk(asking, watcher)
    job, chance = desk.job(ASKED), random.Random(seed)
    await asking.submit(job, ASKED.kind, ASKED.canonical())
    for dies_after in (5, 1, 4):
        with pytest.raises(Died):
            attempt(claims, Shuffled(dies_after=dies_after, chance=chance)).run()
        lapse(watcher, job)
    assert any(each.like is not None for each in stored(claims, job))
    attempt(watcher, Shuffled(chance=chance)).run()
    assert (await asking.status(job)).state == "finished"
    await desk.check(ASKED)


async def test_what_other_jobs_read_is_never_condensed(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """They have not seen what it would refer to."""
    asked = ASKED.model_copy(update={"starts": 4})
    await asking.submit("a", asked.kind, asked.canonical())
    held = attempt(claims, Here())
    told: list[str] = []

    class Listening(Condenser):
        def condense(self, task: Task[Any, Any], answer: Any) -> Any:
            told.append(task.key)
            return super().condense(task, answer)

        def restore(self, task: Task[Any, Any], answer: Any) -> Any | None:
            told.append(task.key)
            return super().restore(task, answer)

    work = Work(held.analysis.composition, asked)
    monitor = ProgressMonitor(4, held.stop, lambda *_: None)
    runner = ChunkRunner(
        held.claim, claims, Here(), work, held.needs, held.stop, monitor, Listening(PROBLEM)
    )
    whole: list[Task[Any, Any]] = []

    def run(
        tasks: Sequence[Task[ProblemT, AnswerT]],
    ) -> Iterator[tuple[Task[ProblemT, AnswerT], AnswerT]]:
        for task, answer in runner(tasks):
            whole.extend([task] if task.memo is not None else [])
            yield task, answer

    COMPOSITION.compose(PROBLEM, run=run, monitor=monitor, chunk_starts=CHUNK)
    assert whole, "there are such tasks"
    assert told
    assert not set(told) & {task.key for task in whole}


async def test_what_refers_to_a_lost_checkpoint_is_computed_again(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore
) -> None:
    desk = Desk(asking, watcher)
    job = desk.job(ASKED)
    await asking.submit(job, ASKED.kind, ASKED.canonical())
    with pytest.raises(Died):
        attempt(claims, Here(dies_after=10)).run()
    first = next(each for each in claims.finished_chunks(job) if each.startswith("sample/0/4/0:"))
    claims._client.hdel(claims._keys.of("chunks", job), first)
    lapse(watcher, job)
    again = Here()
    attempt(watcher, again).run()
    assert again.ran["sample"] > 1, "the one that was lost, and those that had its weights"
    await desk.check(ASKED)


def test_only_weights_that_are_stored_are_left_out() -> None:
    """Of a lower start, that comes before in the order in which answers are read again."""
    W, other = points()
    condenser = Condenser(PROBLEM)
    first = Ends(groups=(group(8, W), group(9, other)))
    assert condenser.condense(sample(8), first) is first
    assert condenser.condense(sample(8), first) is first, "it is not stored yet"
    assert condenser.restore(sample(8), first) == first
    # The same points by later starts, one of them relabelled; and by an earlier one.
    later = Ends(groups=(group(12, W[::-1]), group(13, other)), reached_global=(14,))
    short = condenser.condense(sample(12), later)
    assert [(each.like, each.W.size) for each in short.groups] == [(8, 0), (9, 0)]
    assert short.reached_global == (14,)
    whole = condenser.restore(sample(12), decode_answer(sample(12), encode_answer(short)))
    assert whole is not None
    for was, came, W_of in zip(later.groups, whole.groups, (W, other), strict=True):
        assert (came.start, came.members, came.loss) == (was.start, was.members, was.loss)
        assert np.array_equal(came.W, W_of)
    earlier = Ends(groups=(group(2, W),))
    assert condenser.condense(sample(2), earlier) is earlier
    condenser.restore(sample(2), earlier)
    last = condenser.condense(sample(20), Ends(groups=(group(20, W),)))
    assert last.groups[0].like == 2


def test_close_points_are_kept_apart() -> None:
    """Closer than what makes ends one point, and further than a tenth of it."""
    W, _ = points()
    condenser = Condenser(PROBLEM)
    first = Ends(groups=(group(1, W),))
    condenser.restore(sample(1), first)
    beside = W.copy()
    beside[0, 0] += 3e-6
    near = Ends(groups=(group(3, beside),))
    assert condenser.condense(sample(3), near) is near


def test_what_is_joined_does_not_depend_on_whose_answer_came_first() -> None:
    """The third of these is beside the second, and further from the first than one point's ends:
    with the second's weights, which it had if that came before it, it was the first's."""
    W, _ = points()

    def numbers(length: float) -> Any:
        return identity.invariants(length * W, PROBLEM.teacher, 0.0)

    pace = np.abs(numbers(2.0) - numbers(1.0)).max()  # they are linear in the length

    def longer(start: int, distance: float) -> Ends:
        found = group(start, W * (1.0 + distance * identity.RAW / pace))
        return Ends(groups=(replace(found, loss=0.0),))

    asked = [(sample(each), longer(each, far)) for each, far in ((1, 0.0), (3, 0.95), (7, 1.04))]
    found = []
    for order in itertools.permutations(asked):
        condenser = Condenser(PROBLEM)
        whole = [condenser.restore(task, condenser.condense(task, each)) for task, each in order]
        groups = Catalogue(PROBLEM).collect(whole)  # type: ignore[arg-type]
        found.append([(each.start, list(each.members)) for each in groups])
    assert found == [[(1, [1, 3]), (7, [7])]] * 6


def test_an_answer_of_which_weights_are_gone_cannot_be_restored() -> None:
    W, _ = points()
    short = Ends(groups=(replace(group(5, W), W=np.zeros((0, 0)), like=1),))
    assert Condenser(PROBLEM).restore(sample(5), short) is None


@pytest.mark.parametrize("asked", [{"certify": "fast"}, {}])
def test_nothing_else_is_shortened(asked: dict[str, Any]) -> None:
    """Where a proof is asked for; and pushes off saddles, which are joined by themselves."""
    W, _ = points()
    problem = Problem.from_request(ASKED.model_copy(update=asked))
    condenser = Condenser(problem)
    task = sample(9) if asked else Escape(key="escape/0", numbers=(9,), rounds=1)
    condenser.restore(sample(1), Ends(groups=(group(1, W),)))
    answer = Ends(groups=(group(9, W),))
    assert condenser.condense(task, answer) is answer
    assert condenser.restore(task, answer) is answer
