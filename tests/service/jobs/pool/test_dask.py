"""The dispatcher against a scheduler that the test plays: who is sent when, and what then."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import orjson
import pytest

from relu_landscape import ALGORITHM
from relu_landscape.errors import PoolUnavailable
from relu_landscape.jobs.pool import worker, workers
from relu_landscape.jobs.pool.codec import decode_answer, encode_task
from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.lanes import (
    LARGEST_DEATHS_ALONE,
    LARGEST_RAISES,
)
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import until
from tests.service.jobs.pool.played import (
    BACKEND,
    COMPOSITION,
    REQUEST,
    WORK,
    Scheduler,
    killed,
    returned,
    tasks,
)
from tests.service.jobs.toy_engine import TOY, Losses, Sample


def chunks(pool: DaskPool) -> tuple[float, float]:
    """Those that wait, and those in flight."""
    figures = pool.figures()
    return figures["chunks_waiting"], figures["chunks_in_flight"]


def test_chunks_are_dealt_to_the_lanes_in_turn(pool: DaskPool, scheduler: Scheduler) -> None:
    large, small = pool.lane(WORK), pool.lane(WORK)
    large.put(tasks("large", 100))
    assert scheduler.names(2) == ["large0", "large1"]  # two per worker, no more
    assert [future.carried for future in scheduler.open] == [REQUEST, REQUEST]
    small.put(tasks("small", 2))
    scheduler.end("large0")
    scheduler.end("large1")
    sent = set(scheduler.names(2))
    assert sent == {"small0", "large2"}
    for name in sorted(sent):
        scheduler.end(name)
    assert set(scheduler.names(2)) == {"small1", "large3"}
    scheduler.end("small1")
    assert {returned(small).task.key for _ in range(2)} == {"small0", "small1"}
    assert small.is_idle
    assert not large.is_idle
    assert set(scheduler.names(2)) == {"large3", "large4"}
    assert chunks(pool) == (95, 2)


def test_more_workers_get_more_chunks(pool: DaskPool, scheduler: Scheduler) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 100))
    scheduler.names(2)
    scheduler.threads = 4
    scheduler.names(8)
    assert pool.threads == 4


def test_a_lane_that_withdraws_is_idle_when_its_chunks_are_back(
    pool: DaskPool, scheduler: Scheduler
) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 10))
    scheduler.names(2)
    lane.withdraw()
    assert not lane.is_idle
    scheduler.end("a0")
    scheduler.end("a1")
    assert {returned(lane).task.key, returned(lane).task.key} == {"a0", "a1"}
    assert lane.is_idle
    assert scheduler.open == []


def test_a_bystander_of_a_dead_worker_is_not_blamed(pool: DaskPool, scheduler: Scheduler) -> None:
    """Two chunks were with the worker when it died, and only one of them had killed it."""
    lane = pool.lane(WORK)
    lane.put([*tasks("guilty", 1), *tasks("innocent", 1), *tasks("later", 1)])
    scheduler.names(2)
    scheduler.end("guilty0", killed(), "error")
    scheduler.end("innocent0", killed(), "error")
    for _ in range(LARGEST_DEATHS_ALONE):
        # Each suspect runs with nothing beside it, the third chunk not either.
        (name,) = scheduler.names(1)
        if name == "innocent0":
            scheduler.end(name)
            assert returned(lane).task.key == "innocent0"
            (name,) = scheduler.names(1)
        assert name == "guilty0"
        scheduler.end(name, killed(), "error")
    failed = returned(lane)
    assert (failed.task.key, failed.answer) == ("guilty0", None)
    assert failed.error is not None
    assert "ended every worker that tried it" in failed.error
    scheduler.end("later0")
    assert returned(lane).answer == b'"later0"'
    assert lane.is_idle


def test_an_external_scheduler_has_tried_before_it_gives_up(
    pool: DaskPool, scheduler: Scheduler
) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    rounds = 0
    while True:
        scheduler.end("a0", killed(allowed=3), "error")
        rounds += 1
        if not lane.inbox.empty():
            break
        scheduler.names(1)
    assert rounds == 3  # the first beside others, then two of four deaths each
    assert returned(lane).answer is None


def test_an_exception_of_ours_is_final(pool: DaskPool, scheduler: Scheduler) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    text = orjson.dumps({"text": "no such width.", "final": True, "traceback": ""})
    scheduler.end("a0", ("error", text))
    assert returned(lane).error == "The chunk a0 failed: no such width."


def test_any_other_exception_may_pass(pool: DaskPool, scheduler: Scheduler) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 2))
    text = orjson.dumps({"text": "MemoryError: ", "final": False, "traceback": "Traceback ..."})
    for _ in range(LARGEST_RAISES - 1):
        scheduler.end("a0", ("error", text))
    scheduler.end("a0")
    assert returned(lane).answer == b'"a0"'
    for _ in range(LARGEST_RAISES):
        scheduler.end("a1", ("error", text))
    assert returned(lane).error == "The chunk a1 failed: MemoryError: "


def test_a_worker_that_lacks_the_package_is_named(pool: DaskPool, scheduler: Scheduler) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    for _ in range(LARGEST_RAISES):
        scheduler.end("a0", ModuleNotFoundError("No module named 'relu_landscape'"), "error")
    error = returned(lane).error
    assert error is not None
    assert "No module named 'relu_landscape'" in error


def test_a_scheduler_that_vanishes_costs_nothing_but_time(
    pool: DaskPool, scheduler: Scheduler
) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 2))
    scheduler.names(2)
    scheduler.fault = OSError("connection refused")
    for _ in range(2):
        scheduler.end(scheduler.open[0].task, RuntimeError("cancelled"), "cancelled")
    until(lambda: "does not answer" in (pool.problem or ""), "the problem is told")
    assert scheduler.open == []
    assert pool.threads == 0
    scheduler.fault = None
    assert sorted(scheduler.names(2)) == ["a0", "a1"]
    assert pool.problem is None


def test_a_chunk_that_could_not_be_sent_is_sent_later(pool: DaskPool, scheduler: Scheduler) -> None:
    """Several are chosen at once; those after the one that failed were forgotten once."""
    scheduler.threads = 4
    until(lambda: pool.threads == 4, "the workers are counted")
    scheduler.refusals = 3
    lane = pool.lane(WORK)
    lane.put(tasks("a", 8))
    assert sorted(scheduler.names(8)) == [f"a{number}" for number in range(8)]
    for number in range(8):
        scheduler.end(f"a{number}")
    assert {returned(lane).task.key for _ in range(8)} == {f"a{number}" for number in range(8)}
    assert lane.is_idle


def test_a_lane_never_looks_idle_while_a_chunk_comes_back_to_it(
    pool: DaskPool, scheduler: Scheduler
) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    over, looks = threading.Event(), []

    def look() -> None:
        while not over.is_set():
            looks.append(lane.is_idle)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(50):
        scheduler.end("a0", RuntimeError("cancelled"), "cancelled")
    over.set()
    thread.join()
    assert len(looks) > 50
    assert not any(looks)


def test_a_withdrawn_lane_has_nothing_sent_again(pool: DaskPool, scheduler: Scheduler) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 2))
    scheduler.names(2)
    lane.withdraw()
    scheduler.end("a0", RuntimeError("cancelled"), "cancelled")
    scheduler.end("a1", killed(), "error")
    assert lane.is_idle


def test_without_workers_chunks_wait_and_the_reason_is_told(
    pool: DaskPool, scheduler: Scheduler
) -> None:
    scheduler.threads = 0
    until(lambda: "no workers" in (pool.problem or ""), "the problem is told")
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    assert scheduler.open == []
    scheduler.threads = 1
    scheduler.names(1)


def test_answers_for_a_lane_that_ended_are_dropped(pool: DaskPool, scheduler: Scheduler) -> None:
    lane = pool.lane(WORK)
    lane.put(tasks("a", 10))
    scheduler.names(2)
    pool.close_lane(lane)
    scheduler.end("a0")
    scheduler.end("a1", killed(), "error")
    other = pool.lane(WORK)
    other.put(tasks("b", 1))
    scheduler.end("b0")
    assert returned(other).task.key == "b0"
    assert scheduler.open == []
    assert chunks(pool) == (0, 0)


def test_workers_that_do_not_start_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(workers, "LocalCluster", broken)
    pool = DaskPool(Settings.load(workers=1), TOY, BACKEND)
    with pytest.raises(PoolUnavailable, match="worker processes do not start: no more processes"):
        pool.open()


TASK = encode_task(Sample(key="sample:0", first=0, last=2))


def test_a_worker_of_another_release_refuses() -> None:
    kind, payload = worker.execute("0", COMPOSITION, b"{}", b"{}", "numpy")
    error = orjson.loads(payload)
    assert (kind, error["final"]) == ("error", True)
    assert "install the same release" in error["text"]


def test_a_worker_answers_in_json() -> None:
    task = Sample(key="sample:0", first=0, last=2)
    kind, payload = worker.execute(ALGORITHM, COMPOSITION, REQUEST, encode_task(task), "numpy")
    assert kind == "answer"
    answer = decode_answer(task, payload)
    assert isinstance(answer, Losses)
    assert answer.numbers.tolist() == [0, 1]


def test_a_worker_whose_gpu_failed_ends() -> None:
    """No later chunk could be computed in it; the pool makes another, and has this one again."""
    script = (
        "from relu_landscape import ALGORITHM\n"
        "from relu_landscape.errors import DeviceLost\n"
        "from relu_landscape.jobs.pool import device, worker\n"
        "def lost(name): raise DeviceLost('The GPU failed: illegal memory access')\n"
        "device.backend_here = lost\n"
        f"worker.execute(ALGORITHM, {COMPOSITION!r}, {REQUEST!r}, {TASK!r}, 'cuda-3')\n"
        "print('went on')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (worker.EXIT_WITHOUT_DEVICE, "")
    assert "illegal memory access; this worker process ends" in done.stderr


def test_what_a_scheduler_imports_is_light() -> None:
    """An external scheduler once stood still for a minute while it imported the whole engine."""
    script = (
        "import sys, relu_landscape.jobs.pool.worker\n"
        "heavy = {'numpy', 'scipy', 'igraph', 'pydantic', 'redis'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_every_blas_of_a_worker_has_one_thread() -> None:
    script = (
        "import os\n"
        "for name in [n for n in os.environ if n.endswith('_NUM_THREADS')]: del os.environ[name]\n"
        "from relu_landscape.jobs.pool.worker import one_thread\n"
        "one_thread()\n"
        "import scipy.optimize, threadpoolctl\n"
        "print(sorted({pool['num_threads'] for pool in threadpoolctl.threadpool_info()}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[1]"
