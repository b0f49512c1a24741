"""The structured search of a landscape is made once, for every request of its widths."""

from __future__ import annotations

import pickle
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest

from relu_landscape.analyses import ANALYSES
from relu_landscape.engine.families.search import Search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.structured import JudgePoints, SearchRounds
from relu_landscape.engine.locating import COMPOSITION as LOCATING
from relu_landscape.engine.model.arrays import backend_named
from relu_landscape.engine.tasks import Composed, Task
from relu_landscape.jobs.pool.base import Returned, Work, memo_name
from relu_landscape.jobs.pool.codec import encode_answer
from relu_landscape.jobs.running import attempt
from relu_landscape.jobs.running.attempt import Attempt
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.scripts import needs
from relu_landscape.settings import Settings
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.landscape import solving
from tests.service.engine.landscape.solving import as_bytes, body, details
from tests.service.jobs.helpers import PATIENCE_SECONDS, PROVENANCE, QUEUES
from tests.service.jobs.store.contents import Contents
from tests.service.jobs.toy_engine import Judge, Sample

NUMPY = backend_named("numpy")
LANDSCAPE = ANALYSES.analysis("landscape")
#: Kinds of tasks that do not depend on starts, seed or dimension.
SEARCH = ("structure", "judge")
#: Few structures and few starts: a search of some seconds would show no more.
ASKED = LandscapeRequest(
    student_width=4, teacher_width=4, starts=0, seed=1, input_dimension=9, structures=("1+3", "4")
)


@dataclass
class Here:
    """A pool of this thread, which counts what it computes by kind, and may die on the way.

    ``idle`` is called when a job looks and nothing is there for it, ``before`` each task.
    """

    dies_after: int | None = None
    idle: Callable[[], object] = int
    before: Callable[[], object] = int
    pace: int = 1
    ran: Counter[str] = field(default_factory=Counter)

    def lane(self, work: Work) -> HereLane:
        return HereLane(self, work)

    def close_lane(self, lane: Any) -> None: ...

    def learn(self, read: Any) -> None: ...

    @property
    def searched(self) -> int:
        return sum(self.ran[kind] for kind in SEARCH)


class Died(BaseException):
    """No code runs after it, as after ``kill -9``."""


@dataclass
class HereLane:
    pool: Here
    work: Work
    waiting: deque[Task[Any, Any]] = field(default_factory=deque)

    def put(self, tasks: Iterable[Task[Any, Any]]) -> None:
        self.waiting.extend(tasks)

    def next(self, timeout_seconds: float) -> Returned | None:
        if not self.waiting:
            self.pool.idle()
            return None
        self.pool.before()
        if self.pool.dies_after == self.pool.ran.total():
            raise Died
        task = self.waiting.popleft()
        self.pool.ran[task.kind] += 1
        return Returned(task, answered(task, self.work.request))

    def withdraw(self) -> None:
        self.waiting.clear()

    @property
    def is_idle(self) -> bool:
        return not self.waiting


#: Of all tests here, by what was asked: they ask the same of many pools, to see who asks.
ANSWERS: dict[bytes, bytes] = {}


def answered(task: Task[Any, Any], request: Any) -> bytes:
    """The answer of a task, which depends on itself and the request alone, to the last bit."""
    asked = pickle.dumps((task, request.canonical()))
    if asked not in ANSWERS:
        ANSWERS[asked] = encode_answer(task.run(COMPOSITION.problem(request), NUMPY))
    return ANSWERS[asked]


@cache
def solved(request: LandscapeRequest) -> Composed:
    """The same without a store, a pool or anything that is kept."""
    return solving.solve(request, backend=NUMPY)


@dataclass
class Desk:
    """Has requests computed one after the other, on one store."""

    asking: AskingStore
    claims: ClaimingStore

    async def computed(
        self, request: LandscapeRequest, pool: Here | None = None, needed: str = needs("cpu")
    ) -> Here:
        """Submit the request and run it to its end; the pool that did."""
        pool = pool or Here()
        await self.asking.submit(self.job(request), request.kind, request.canonical())
        claim = self.claims.claim(QUEUES)
        assert claim is not None
        analysis = ANALYSES.analysis(request.kind)
        Attempt(claim, self.claims, pool, analysis, None, PROVENANCE, needed).run()
        assert (await self.asking.status(self.job(request))).state == "finished"
        return pool

    @staticmethod
    def job(request: LandscapeRequest) -> str:
        return request.content_id("cpu")

    async def check(self, request: LandscapeRequest) -> None:
        """The result is, to the byte, that of a computation without a store."""
        alone = solved(request)
        result = orjson.loads(await self.asking.result(self.job(request)) or b"")
        assert {name: result[name] for name in body(alone).model_dump()} == orjson.loads(
            as_bytes(alone)
        )["landscape"]
        for key, part in details(alone).items():
            stored = await self.asking.details(self.job(request), key)
            assert orjson.loads(stored or b"") == part.model_dump(mode="json")


@pytest.fixture
def contents(target: Target, settings: Settings) -> Iterator[Contents]:
    with target.connect() as client:
        yield Contents(client, settings.redis_prefix)


@pytest.fixture
def desk(asking: AskingStore, claims: ClaimingStore) -> Desk:
    return Desk(asking, claims)


async def test_the_second_request_of_these_widths_does_not_search_again(desk: Desk) -> None:
    """Whatever its seed, starts, dimension and scale; with saddles, which the same search finds."""
    first = await desk.computed(ASKED)
    assert first.ran["structure"] >= 2
    assert first.ran["judge"] >= 2
    for other in (
        {"seed": 2},
        {"starts": 3, "input_dimension": 5},
        {"starts": 2, "init_scale": 2.0, "saddles": True},
        {"structures": ("4",)},
    ):
        request = ASKED.model_copy(update=other)
        assert (await desk.computed(request)).searched == 0
        await desk.check(request)
    # Of one more structure, that one alone is searched.
    more = await desk.computed(ASKED.model_copy(update={"structures": ("1+3", "2+2", "4")}))
    assert 0 < more.searched < first.searched


async def test_another_algorithm_or_backend_trusts_none_of_it(desk: Desk) -> None:
    first = await desk.computed(ASKED)
    for seed, needed in enumerate((needs("native-1"), needs("gpu"), "another/cpu"), 2):
        request = ASKED.model_copy(update={"seed": seed})
        assert (await desk.computed(request, needed=needed)).searched == first.searched
        again = request.model_copy(update={"seed": seed + 10})
        assert (await desk.computed(again, needed=needed)).searched == 0


async def test_what_is_lost_is_searched_again(desk: Desk, contents: Contents) -> None:
    first = await desk.computed(ASKED)
    names = sorted(contents.client.scan_iter(f"{contents.prefix}:memo:*"))
    assert len(names) == first.searched
    contents.client.delete(*names[::2])
    request = ASKED.model_copy(update={"seed": 2})
    assert (await desk.computed(request)).searched == len(names[::2])
    await desk.check(request)


async def test_a_process_that_dies_leaves_whole_answers_and_an_open_job(
    desk: Desk, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents
) -> None:
    """At every task: what was finished is used by the next process, and by other jobs."""
    asked = ASKED.model_copy(update={"structures": ("1+3",)})
    whole = (await desk.computed(asked)).searched
    assert whole >= 3
    for survived in range(whole):
        for name in contents.client.scan_iter(f"{contents.prefix}:memo*"):
            contents.client.delete(name)
        request = asked.model_copy(update={"seed": 100 + survived})
        dying = Here(dies_after=survived)
        with pytest.raises(Died):
            await desk.computed(request, dying)
        assert len(list(contents.client.scan_iter(f"{contents.prefix}:memo:*"))) == survived
        # Another job waits for it until it is known to be dead, and computes what it had not.
        other = request.model_copy(update={"starts": 2})
        taken: list[str] = []

        def bury(taken: list[str] = taken, dead: str = desk.job(request)) -> None:
            here = [each for each in watcher.look() if each.job == dead]
            taken.extend(watcher.reclaim(here))

        pool = Here(idle=bury)
        assert (await desk.computed(other, pool)).searched == whole - survived
        await desk.check(other)
        bury()
        assert taken == [desk.job(request)]
        claim = watcher.claim(QUEUES)
        assert claim is not None
        pool = Here()
        Attempt(claim, watcher, pool, LANDSCAPE, None, PROVENANCE, needs("cpu")).run()
        assert pool.searched == 0
        await desk.check(request)


@pytest.mark.parametrize("ahead", [0, 1, 3])
async def test_two_that_come_together_search_once(
    desk: Desk, claims: ClaimingStore, watcher: ClaimingStore, ahead: int
) -> None:
    """Each task is computed by one of them, wherever the first is when the second comes."""
    begun, go_on = threading.Event(), threading.Event()
    passed: list[int] = []

    def before() -> None:
        passed.append(0)
        if len(passed) > ahead:
            begun.set()
            assert go_on.wait(PATIENCE_SECONDS)

    pools = slow, quick = Here(before=before), Here(idle=go_on.set)
    requests = [ASKED.model_copy(update={"seed": seed}) for seed in (7, 8)]
    for request in requests:
        await desk.asking.submit(desk.job(request), request.kind, request.canonical())
    first, second = (
        Attempt(_claimed(store), store, pool, LANDSCAPE, None, PROVENANCE, needs("cpu"))
        for store, pool in zip((watcher, claims), pools, strict=True)
    )
    thread = threading.Thread(target=first.run)
    thread.start()
    assert begun.wait(PATIENCE_SECONDS)
    second.run()
    thread.join(PATIENCE_SECONDS)
    assert slow.searched > ahead
    assert slow.searched + quick.searched == len(_names())
    for request in requests:
        await desk.check(request)


async def test_who_has_no_workers_is_not_waited_for_for_ever(
    desk: Desk, claims: ClaimingStore, watcher: ClaimingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process lives, and renews its lease: it does not compute."""
    monkeypatch.setattr(attempt, "MOST_LOOKS", 20)
    idle = ASKED.model_copy(update={"seed": 5})
    await desk.asking.submit(desk.job(idle), idle.kind, idle.canonical())
    held, names = _claimed(watcher), _names()
    assert watcher.take(held, names) == [True] * len(names)
    looks: list[int] = []
    pool = Here(idle=lambda: looks.append(0))
    assert (await desk.computed(ASKED, pool)).searched == len(names)
    assert len(looks) > 20
    watcher.finish(held, b"{}", {})


def _names() -> list[str]:
    """Of the answers that the search of ``ASKED`` needs."""
    problem = COMPOSITION.problem(ASKED)
    names: list[str | None] = []

    def note(tasks: Iterable[Task[Any, Any]]) -> Iterator[tuple[Task[Any, Any], Any]]:
        for task in tasks:
            names.append(memo_name(task, needs("cpu")))
            yield task, task.run(problem, NUMPY)

    solving.solve(ASKED, run=note)
    return [name for name in names if name is not None]


def _claimed(store: ClaimingStore) -> Claim:
    claim = store.claim(QUEUES)
    assert claim is not None
    return claim


class Alike(Judge):
    """Another class of tasks, with the same kind and fields."""


def test_points_know_what_landscapes_searched() -> None:
    """The structured search is one, whoever asks: its tasks are the same classes in both kinds."""
    assert {SearchRounds, JudgePoints} <= set(COMPOSITION.tasks) & set(LOCATING.tasks)


def test_all_that_an_answer_depends_on_is_in_the_name() -> None:
    one = Judge(key="classify:0", place=0, losses=np.zeros(2))
    name = memo_name(one, "3/cpu")
    assert name == memo_name(replace(one), "3/cpu")
    others = [
        memo_name(replace(one, losses=np.array([0.0, -0.0])), "3/cpu"),
        memo_name(replace(one, place=1), "3/cpu"),
        memo_name(Alike(key="classify:0", place=0, losses=np.zeros(2)), "3/cpu"),
        memo_name(one, "4/cpu"),
        memo_name(one, "3/native-1"),
    ]
    assert None not in others
    assert len({name, *others}) == 6
    assert memo_name(Sample(key="sample:0", first=0, last=10), "3/cpu") is None


class Unseen:
    """A problem that nobody may look at."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the answer depends on {name} of the problem")


def test_tasks_of_the_search_do_not_look_at_the_problem() -> None:
    structure = parse("1+3 extra 1")
    rounds = SearchRounds(key="a", name=structure.name, first=0, count=1)
    problem: Any = Unseen()
    backend = backend_named("numpy")  # its class is part of the name of what is remembered
    (found,) = rounds.run(problem, backend).rounds
    fresh = Search(structure).add(found)
    assert fresh is not None
    judging = JudgePoints(key="b", name=structure.name, rounds=(fresh,))
    assert judging.run(problem, backend).rounds
    assert rounds.memo == judging.memo == ""
    # No other kind of task of a landscape is shared.
    shared = [each.kind for each in COMPOSITION.tasks if each.memo is not Task.memo]
    assert sorted(shared) == sorted(SEARCH)
