"""What the pool's workers say of their chunks, added up."""

from __future__ import annotations

from relu_landscape.jobs.pool.watch import TOPIC, Watch


def _said(chunk: str, *, begins: bool) -> tuple[str, dict[str, object]]:
    return TOPIC, {"chunk": chunk, "worker": "tcp://a:1", "begins": begins}


def test_only_chunks_that_end_are_counted_with_their_seconds() -> None:
    now = 100.0
    watch = Watch(lambda: now)
    ended, killed, going_on = (watch.new_name() for _ in range(3))
    for name in (ended, killed, going_on, "another pool's"):
        watch.hear(_said(name, begins=True))
    now = 101.5
    watch.forget(killed)  # its worker is gone
    for name in (ended, killed, "another pool's"):
        watch.hear(_said(name, begins=False))
    now = 200.0
    assert watch.figures() == {"chunks_computed": 1, "chunk_compute_seconds": 1.5}
    assert watch.computing().keys() == {going_on}
