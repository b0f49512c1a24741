"""What the pool's workers say of their chunks, added up."""

from __future__ import annotations

import orjson

from relu_landscape.jobs.pool.dask import DaskPool
from relu_landscape.jobs.pool.watch import TOPIC, Watch
from tests.service.jobs.pool.played import WORK, Scheduler, returned, tasks


def _said(chunk: str, *, begins: bool, seconds: float = 0.0) -> tuple[str, dict[str, object]]:
    news = {"chunk": chunk, "worker": "tcp://a:1", "begins": begins}
    return TOPIC, news if begins else news | {"seconds": seconds}


def test_only_chunks_that_end_are_counted_with_their_seconds() -> None:
    now = 100.0
    watch = Watch(lambda: now)
    ended, killed, going_on = (watch.new_name() for _ in range(3))
    for name in (ended, killed, going_on, "another pool's"):
        watch.hear(_said(name, begins=True))
    now = 101.5
    watch.forget(killed)  # its worker is gone
    for name in (ended, killed, "another pool's"):
        watch.hear(_said(name, begins=False, seconds=1.25))  # the news were under way besides
    now = 200.0
    assert watch.figures() == {"chunks_computed": 1, "chunk_compute_seconds": 1.25}
    assert watch.computing().keys() == {going_on}


def test_what_chunks_took_that_failed_is_not_kept(pool: DaskPool, scheduler: Scheduler) -> None:
    """A figure was kept for ever of each that failed or came to a worker without its request."""
    lane = pool.lane(WORK)
    lane.put(tasks("a", 1))
    ends = {"worker": "tcp://a:1", "begins": False, "seconds": 1.0}
    error = orjson.dumps({"text": "no", "final": True, "traceback": ""})
    for outcome in (("unknown", b""), ("error", error)):
        future = scheduler.begin("a0", "tcp://a:1")
        scheduler._hear((0.0, {"chunk": future.key, **ends}))
        scheduler.end("a0", outcome)
        assert pool._watch.took(future.key) == 0.0
    assert returned(lane).error is not None


def test_what_a_chunk_took_is_what_its_worker_says_or_else_what_was_seen() -> None:
    """Its answer may arrive before the news that it ended: then the watch's own clock tells."""
    now = 100.0
    watch = Watch(lambda: now)
    said, late, unheard, killed = (watch.new_name() for _ in range(4))
    for name in (said, late, killed):
        watch.hear(_said(name, begins=True))
    now = 103.0
    watch.hear(_said(said, begins=False, seconds=2.5))
    watch.hear(_said(killed, begins=False, seconds=2.5))
    watch.forget(killed)
    assert [watch.took(name) for name in (said, late, unheard, killed)] == [2.5, 3.0, 0.0, 0.0]
    assert watch.took(said) == 0.0, "asked once"
    watch.hear(_said(late, begins=False, seconds=2.0))
    assert watch.computing() == {}
