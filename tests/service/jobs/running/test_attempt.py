"""Names of checkpoints, digests, progress, and the order of reasons to stop."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from relu_landscape.engine.tasks import SilentMonitor, Task
from relu_landscape.errors import Cancelled
from relu_landscape.jobs.running.attempt import chunk_name, digest, seal
from relu_landscape.jobs.running.progress import ProgressMonitor, StopSign
from relu_landscape.jobs.store.claims import Claim
from tests.service.jobs import toy_engine
from tests.service.jobs.helpers import PROVENANCE, request


def test_chunks_that_do_other_things_have_other_names() -> None:
    one = Task("sample", "sample:0", {"first": 0, "last": 10}, 10)
    assert chunk_name(one) == chunk_name(Task("sample", "sample:0", {"last": 10, "first": 0}, 9))
    others = [
        Task("sample", "sample:0", {"first": 0, "last": 7}, 7),
        Task("classify", "sample:0", {"first": 0, "last": 10}, 10),
        Task("sample", "sample:1", {"first": 0, "last": 10}, 10),
    ]
    assert len({chunk_name(task) for task in [one, *others]}) == 4


@pytest.fixture
def landscape() -> dict[str, Any]:
    canonical = request(starts=3).canonical()

    def run(tasks: Any) -> Any:
        for task in tasks:
            yield (
                task,
                orjson.loads(
                    orjson.dumps(
                        toy_engine.compute(canonical, task), option=orjson.OPT_SERIALIZE_NUMPY
                    )
                ),
            )

    answer = toy_engine.solve(canonical, run=run, monitor=SilentMonitor(), chunk_starts=None)
    found: dict[str, Any] = answer["landscape"]
    return found


def test_the_digest_covers_all_but_itself_and_the_provenance(landscape: dict[str, Any]) -> None:
    claim = Claim("an-id", "1", request().canonical(), 0.0, 1)
    sealed = orjson.loads(seal(claim, landscape, PROVENANCE))
    core = {key: value for key, value in sealed.items() if key not in ("digest", "provenance")}
    assert set(core) == set(sealed) - {"digest", "provenance"}
    # Sorted keys at every level, shortest digits, no spaces, UTF-8.
    canonical = orjson.dumps(core, option=orjson.OPT_SORT_KEYS)
    assert sealed["digest"] == hashlib.sha256(canonical).hexdigest()
    elsewhere = {**PROVENANCE, "device": "another machine"}
    assert orjson.loads(seal(claim, landscape, elsewhere))["digest"] == sealed["digest"]
    changed = {**landscape, "fixed_points": []}
    assert orjson.loads(seal(claim, changed, PROVENANCE))["digest"] != sealed["digest"]
    assert digest(sealed) == sealed["digest"]


def test_a_result_keeps_every_digit(landscape: dict[str, Any]) -> None:
    awkward = [0.1, 1e-320, 1.7976931348623157e308, -0.0, 2 / 3]
    landscape["fixed_points"][0]["norms"] = np.array(awkward)
    sealed = seal(Claim("an-id", "1", {}, 0.0, 1), landscape, PROVENANCE)
    norms = orjson.loads(sealed)["fixed_points"][0]["norms"]
    assert [value.hex() for value in norms] == [value.hex() for value in awkward]


def test_a_result_that_is_none_is_refused(landscape: dict[str, Any]) -> None:
    del landscape["starts"]
    with pytest.raises(ValidationError, match="starts"):
        seal(Claim("an-id", "1", {}, 0.0, 1), landscape, PROVENANCE)


def test_losing_the_lease_outweighs_every_other_reason_to_stop() -> None:
    stop = StopSign()
    stop.check()
    stop.set("cancel")
    stop.set("close")
    reasons = [stop.reason]
    with pytest.raises(Cancelled):
        stop.check()
    stop.set("lost")
    reasons.append(stop.reason)
    stop.set("cancel")
    reasons.append(stop.reason)
    assert reasons == ["cancel", "lost", "lost"]


def test_progress_counts_and_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("relu_landscape.jobs.running.progress.time.monotonic", lambda: clock[0])
    said: list[tuple[str, Any]] = []
    monitor = ProgressMonitor(30, StopSign(), lambda kind, data: said.append((kind, data)))
    task = Task("sample", "sample", starts=10)
    monitor.phase("sample", 3)
    assert said[-1][1]["seconds_left"] is None
    monitor.advance(task)  # from a checkpoint: it says nothing about the pace
    assert len(said) == 1, "publications are rationed"
    clock[0] += 2.0
    monitor.computed()
    monitor.advance(task)
    assert said[-1] == (
        "progress",
        {
            "phase": "sample",
            "tasks_done": 2,
            "tasks": 3,
            "starts_done": 20,
            "starts": 30,
            "fraction": pytest.approx(2 / 3),
            "seconds_left": 2.0,
        },
    )
    monitor.findings([{"key": "m1", "loss": 0.5}])
    assert [kind for kind, _ in said] == ["progress"] * 2, "findings are rationed too"
    monitor.computed()
    monitor.advance(task)  # the last of a phase is told at once
    assert said[-2][1]["fraction"] == 1.0
    assert said[-1:] == [("findings", {"findings": [{"key": "m1", "loss": 0.5}]})]
    monitor.phase("certify", 1)
    monitor.advance(Task("certify", "c", starts=10))
    assert said[-1][1]["starts_done"] == 30, "no more starts than were asked for"


def test_a_monitor_passes_the_stop_sign_on() -> None:
    stop = StopSign()
    monitor = ProgressMonitor(1, stop, lambda kind, data: None)
    stop.set("cancel")
    for call in (
        monitor.check,
        lambda: monitor.phase("sample", 1),
        lambda: monitor.advance(Task("sample", "s")),
        lambda: monitor.findings([]),
    ):
        with pytest.raises(Cancelled):
            call()
