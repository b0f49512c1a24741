"""Names of checkpoints, digests, progress, reasons to stop, and an attempt's last words."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, cast

import numpy as np
import orjson
import pytest
from pydantic import ValidationError

from relu_landscape.analyses import LANDSCAPE
from relu_landscape.engine.tasks import Task
from relu_landscape.errors import Cancelled, StoreUnavailable
from relu_landscape.jobs.about import after
from relu_landscape.jobs.pool.base import Pool, chunk_name
from relu_landscape.jobs.running.attempt import Attempt
from relu_landscape.jobs.running.progress import ProgressMonitor, StopSign
from relu_landscape.jobs.running.sealing import digest, seal
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from relu_landscape.jobs.store.scripts import needs
from relu_landscape.jobs.testing import perfect_copy
from relu_landscape.wire.base import JsonObject, Wire
from relu_landscape.wire.jobs import Provenance
from relu_landscape.wire.landscape import LandscapeBody
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.jobs.helpers import PROVENANCE
from tests.service.jobs.toy_engine import TOY, Judge, Sample, finding

ASKED = LandscapeRequest(student_width=2, teacher_width=2, starts=3)


def test_chunks_that_do_other_things_have_other_names() -> None:
    one = Sample(key="sample:0", first=0, last=10)
    assert chunk_name(one) == chunk_name(replace(one))
    others: list[Task[Any, Any]] = [
        replace(one, last=7),
        replace(one, key="sample:1"),
        Judge(key="sample:0", place=0, losses=np.zeros(2)),
        Judge(key="sample:0", place=0, losses=np.array([0.0, -0.0])),
    ]
    assert len({chunk_name(task) for task in [one, *others]}) == 5


@pytest.fixture
def body() -> LandscapeBody:
    found = perfect_copy(ASKED).result
    assert isinstance(found, LandscapeBody)
    return found


def sealed(body: Wire, made_by: Provenance = PROVENANCE) -> dict[str, Any]:
    whole: dict[str, Any] = orjson.loads(seal(LANDSCAPE, "an-id", ASKED, body, made_by))
    return whole


def test_the_digest_covers_all_but_itself_and_the_provenance(body: LandscapeBody) -> None:
    whole = sealed(body)
    core = {key: value for key, value in whole.items() if key not in ("digest", "provenance")}
    assert set(core) == set(whole) - {"digest", "provenance"}
    # Sorted keys at every level, shortest digits, no spaces, UTF-8.
    canonical = orjson.dumps(core, option=orjson.OPT_SORT_KEYS)
    assert whole["digest"] == hashlib.sha256(canonical).hexdigest()
    elsewhere = PROVENANCE.model_copy(update={"device": "another machine"})
    assert sealed(body, elsewhere)["digest"] == whole["digest"]
    changed = body.model_copy(update={"fixed_points": []})
    assert sealed(changed)["digest"] != whole["digest"]
    assert digest(whole) == whole["digest"]


def test_a_result_keeps_every_digit(body: LandscapeBody) -> None:
    awkward = [0.1, 1e-320, 1.7976931348623157e308, -0.0, 2 / 3]
    point = body.fixed_points[0].model_copy(update={"norms": awkward})
    norms = sealed(body.model_copy(update={"fixed_points": [point]}))["fixed_points"][0]["norms"]
    assert [value.hex() for value in norms] == [value.hex() for value in awkward]


def test_a_result_that_is_none_is_refused(body: LandscapeBody) -> None:
    with pytest.raises(ValidationError, match="starts"):
        sealed(body.model_copy(update={"starts": None}))


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
    task = Sample(key="sample", first=0, last=10)
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
            "seconds_left_range": [1.0, 5.0],  # one chunk tells the pace to a factor of two
        },
    )
    monitor.findings([finding(3)])
    assert [kind for kind, _ in said] == ["progress"] * 2, "findings are rationed too"
    monitor.computed()
    monitor.advance(task)  # the last of a phase is told at once
    assert said[-2][1]["fraction"] == 1.0
    assert said[-1:] == [("findings", {"findings": [finding(3).model_dump()]})]
    monitor.phase("certify", 1)
    monitor.advance(Sample(key="c", first=0, last=10))
    assert said[-1][1]["starts_done"] == 30, "no more starts than were asked for"


def test_a_monitor_passes_the_stop_sign_on() -> None:
    stop = StopSign()
    monitor = ProgressMonitor(1, stop, lambda kind, data: None)
    stop.set("cancel")
    for call in (
        monitor.check,
        lambda: monitor.phase("sample", 1),
        lambda: monitor.advance(Sample(key="s", first=0, last=1)),
        lambda: monitor.findings([]),
    ):
        with pytest.raises(Cancelled):
            call()


class LastWords:
    """A pool and a store's claims that know only how an attempt ends."""

    def __init__(self, is_away: bool = False) -> None:
        self.is_away = is_away
        self.said: list[tuple[str, str]] = []
        self.owed: list[tuple[str, str]] = []

    def stop(self, claim: Claim, outcome: str, error: str = "") -> None:
        if self.is_away:
            raise StoreUnavailable("away")
        self.said.append((outcome, error))

    def owe(self, claim: Claim, outcome: str, error: str = "") -> None:
        self.owed.append((outcome, error))

    def report(self, claim: Claim, kind: str, data: object) -> str:
        raise StoreUnavailable("away")


def attempt(claims: LastWords, request: JsonObject) -> Attempt:
    claim = Claim("an-id", "landscape", "1", request, seconds=0.0, attempts=1)
    return Attempt(
        claim=claim,
        claims=cast(ClaimingStore, claims),
        pool=cast(Pool, claims),
        analysis=TOY.analysis("landscape"),
        chunk_starts=None,
        provenance=PROVENANCE,
        needs=needs("cpu"),
    )


def test_a_stored_request_that_cannot_be_read_fails_with_a_sentence() -> None:
    """It was read outside of all care: the attempt died, the lease lapsed, and the job was claimed
    again, for ever."""
    claims = LastWords()
    attempt(claims, {"widths": [2, 2]}).run()
    [(outcome, error)] = claims.said
    assert outcome == "failed"
    assert error.startswith("The stored request cannot be read: ")
    assert "student_width" in error


def test_what_the_store_cannot_be_told_is_owed() -> None:
    """A job that its process had given up while the store was away seemed to be held by a process
    that had died."""
    claims = LastWords(is_away=True)
    attempt(claims, ASKED.canonical()).run()
    assert claims.said == []
    assert claims.owed == [("returned", "")]


def test_seconds_go_on_from_the_first_start_whatever_the_clock_of_this_machine_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    steady = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: steady[0])
    running = attempt(LastWords(), ASKED.canonical())
    running.claim = replace(running.claim, seconds=20.5)
    running._began = 100.0
    steady[0] += 1.25
    assert running._seconds() == 21.75
    assert after(PROVENANCE, running._seconds() + 1e-5).seconds == 21.75
    assert after(PROVENANCE, -3.0).seconds == 0.0


def test_the_rest_of_a_job_is_estimated_from_what_its_phases_should_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine twice as slow as the one that was measured, with two cores: as fast as expected."""
    clock = [0.0]
    monkeypatch.setattr("relu_landscape.jobs.running.progress.time.monotonic", lambda: clock[0])
    said: list[Any] = []
    monitor = ProgressMonitor(0, StopSign(), lambda _, data: said.append(data["seconds_left"]))
    monitor.expect({"sample": 8.0, "classify": 2.0, "structures": 10.0})
    task = Sample(key="sample", first=0, last=10)

    def one(seconds: float) -> Any:
        clock[0] += seconds
        monitor.computed()
        monitor.advance(task)
        return said[-1]

    monitor.phase("sample", 4)
    assert said == [None], "nothing was computed yet: how fast this machine is, is not known"
    assert one(2.0) == 6.0 + 12.0
    assert one(2.0) == 4.0 + 12.0
    monitor.phase("slow starts", 1)  # a phase that nobody foresaw has its own pace alone
    assert said[-1] == 12.0
    assert one(4.0) == pytest.approx(12.0 * 8.0 / 4.0)
    monitor.phase("structures", 10)  # classify was skipped: it had no tasks
    assert said[-1] == pytest.approx(20.0)
    assert one(1.0) == 9.0


def test_how_far_the_estimate_is_known_is_told_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """This phase by the chunks that told its pace, what is to come by how well models are known."""
    clock = [0.0]
    monkeypatch.setattr("relu_landscape.jobs.running.progress.time.monotonic", lambda: clock[0])
    said: list[Any] = []
    monitor = ProgressMonitor(0, StopSign(), lambda _, data: said.append(data))
    monitor.expect({"sample": 8.0, "structures": 10.0})
    task = Sample(key="sample", first=0, last=10)
    monitor.phase("sample", 8)
    assert said[-1]["seconds_left_range"] is None
    for _ in range(4):
        clock[0] += 1.0
        monitor.computed()
        monitor.advance(task)
    assert said[-1]["seconds_left"] == pytest.approx(4.0 + 10.0)
    assert said[-1]["seconds_left_range"] == pytest.approx([7.667, 27.0])
    monitor.phase("structures", 5)  # nothing of it is computed yet
    assert said[-1]["seconds_left_range"] == pytest.approx([5.0, 21.0])


def test_a_phase_that_is_worked_at_beside_another_one_shares_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search goes first: what passes until the first starts are done is mostly its time. It was
    taken for theirs, and was expected once more after them."""
    clock = [0.0]
    monkeypatch.setattr("relu_landscape.jobs.running.progress.time.monotonic", lambda: clock[0])
    said: list[Any] = []
    monitor = ProgressMonitor(0, StopSign(), lambda _, data: said.append(data["seconds_left"]))
    monitor.expect({"sample": 8.0, "structures": 6.0, "certify": 4.0})
    task = Sample(key="sample", first=0, last=10)

    class Searching(Sample):
        beside = "structures"

    searching = Searching(key="search", first=0, last=1)
    monitor.phase("sample", 4)
    clock[0] += 6.0
    monitor.computed(searching)
    clock[0] += 2.0
    monitor.computed(task)
    monitor.advance(task)
    # Of 8 s a quarter was theirs; a machine as fast as expected has 6 s of them left, then proofs.
    assert said[-1] == pytest.approx(6.0 + 4.0)
    monitor.phase("structures", 2)  # the end of it: what it will take is not known
    assert said[-1] == pytest.approx(4.0)
    clock[0] += 1.0
    monitor.computed(searching)
    monitor.advance(searching)
    assert 1.0 + 4.0 <= said[-1] <= 1.0 + 4.0 * 9.0 / 8.0


def test_without_a_model_the_estimate_is_of_the_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("relu_landscape.jobs.running.progress.time.monotonic", lambda: clock[0])
    said: list[Any] = []
    monitor = ProgressMonitor(0, StopSign(), lambda _, data: said.append(data["seconds_left"]))
    monitor.phase("runs", 2)
    clock[0] = 3.0
    monitor.computed()
    monitor.advance(Sample(key="sample", first=0, last=10))
    monitor.phase("joined", 2)
    assert said == [None, 3.0, None]
