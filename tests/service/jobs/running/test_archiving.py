"""The archivist: what is finished is kept, whoever died, and comes back when it is asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.running import archiving
from relu_landscape.jobs.running.archiving import Archivist
from relu_landscape.jobs.store.archive import Archive, FolderPlace
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.bundle import Bundle
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.keeping import KeepingStore
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from tests.service.jobs.helpers import submitted, until
from tests.service.jobs.store.contents import Contents

JOBS = [f"{n:064x}" for n in range(4)]


class Flaky(FolderPlace):
    """A folder that may be away, and that may be told to wait before it writes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.is_away = False
        self.may_write = threading.Event()
        self.may_write.set()
        self.is_writing = threading.Event()
        self.writes: list[str] = []

    def write(self, name: str, data: bytes) -> None:
        self.is_writing.set()
        assert self.may_write.wait(60)
        if self.is_away:
            raise OSError("it is away")
        self.writes.append(name)
        super().write(name, data)


@pytest.fixture
def contents(target: Target, settings: Settings) -> Iterator[Contents]:
    with target.connect() as client:
        yield Contents(client, settings.redis_prefix)


@pytest.fixture
def place(tmp_path: Path) -> Flaky:
    return Flaky(tmp_path / "kept")


@pytest.fixture
def make(target: Target, settings: Settings, place: Flaky) -> Iterator[Callable[..., Archivist]]:
    opened: list[Archivist] = []

    def archivist(**changes: Any) -> Archivist:
        chosen = settings.model_copy(update=changes)
        closing = threading.Event()
        shelf = Shelf(target, chosen, patience=1.0, stop=closing)
        made = Archivist(Archive(place, "here"), shelf, closing, retry_seconds=0.01)
        opened.append(made)
        return made

    yield archivist
    place.may_write.set()
    for each in opened:
        each.close()


@pytest.fixture
def deleting(target: Target, settings: Settings) -> Callable[[str, str], str | None]:
    """One call of a ``KeepingStore`` by its name, for those that wait for nothing."""

    async def call(name: str, job: str) -> str | None:
        keeping = KeepingStore(target, settings.model_copy(update={"archive": "/somewhere"}))
        try:
            answer: str | None = await getattr(keeping, name)(job)
            return answer
        finally:
            await keeping.close()

    return lambda name, job: asyncio.run(call(name, job))


async def finished(asking: AskingStore, claims: ClaimingStore, job: str) -> bytes:
    """The result's bytes."""
    claim = await submitted(asking, claims, job)
    result = b'{"id":"' + job.encode() + b'"}'
    claims.finish(claim, result, {"m1": b"[1]"})
    return result


async def test_what_ends_is_kept_and_what_has_no_result_is_not(
    asking: AskingStore, claims: ClaimingStore, make: Callable[..., Archivist], place: Flaky,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    archivist, archive = make(), Archive(place, "here")
    archivist.start()
    claims.stop(await submitted(asking, claims, JOBS[1]), "failed", "why")
    result = await finished(asking, claims, JOBS[0])
    for job in (JOBS[1], JOBS[2], JOBS[0]):
        archivist.ended(job)
    until(lambda: archive.get(JOBS[0]) is not None, "it is kept")
    found = archive.get(JOBS[0])
    assert found is not None
    assert (found.result, found.parts) == (result, {"m1": b"[1]"})
    assert list(archive.jobs()) == [JOBS[0]]
    assert archivist.warnings == []
    archivist.close()
    assert [record.getMessage() for record in caplog.records] == []


async def test_what_was_finished_by_a_process_that_died_before_it_kept_it_is_kept_at_the_next_start(
    asking: AskingStore, claims: ClaimingStore, make: Callable[..., Archivist], place: Flaky
) -> None:
    """Killed between the store and the archive: nobody ever told the archivist of the job."""
    kept = await finished(asking, claims, JOBS[0])
    assert make().compare() == 1
    lost = await finished(asking, claims, JOBS[1])
    make().start()
    archive = Archive(place, "here")
    until(lambda: archive.get(JOBS[1]) is not None, "it is kept")
    results = [bundle.result for job in JOBS[:2] if (bundle := archive.get(job)) is not None]
    assert results == [kept, lost]
    # What was kept already is not written again.
    assert len(place.writes) == 2


async def test_nobody_waits_for_the_archive_and_nothing_is_lost_while_it_is_away(
    asking: AskingStore, claims: ClaimingStore, make: Callable[..., Archivist], place: Flaky
) -> None:
    place.is_away = True
    archivist = make()
    archivist.start()
    result = await finished(asking, claims, JOBS[0])
    archivist.ended(JOBS[0])
    until(lambda: bool(archivist.warnings), "it says so")
    assert "archive here does not answer: it is away" in archivist.warnings[0]
    assert await asking.result(JOBS[0]) == result
    place.is_away = False
    until(lambda: len(place.writes) == 1, "it is kept")
    until(lambda: archivist.warnings == [], "all is well again")


async def test_the_store_forgets_nothing_before_it_is_kept(
    asking: AskingStore, claims: ClaimingStore, make: Callable[..., Archivist], place: Flaky,
    contents: Contents,
) -> None:  # fmt: skip
    archivist = make(result_ttl_seconds=1000)
    place.may_write.clear()
    await finished(asking, claims, JOBS[0])
    archivist.start()
    assert "expiry" not in contents.all()
    place.may_write.set()
    until(lambda: "expiry" in contents.all(), "it may be forgotten")
    assert len(place.writes) == 1
    # A process that was killed between the two leaves it without its time: the next gives it.
    contents.client.delete(contents.key("expiry"))
    assert make(result_ttl_seconds=1000).compare() == 0
    assert [name for name, _ in contents.all()["expiry"]] == [JOBS[0]]


async def test_one_that_cannot_be_kept_does_not_keep_the_others(
    asking: AskingStore, claims: ClaimingStore, make: Callable[..., Archivist], place: Flaky,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    real = Bundle.to_bytes

    def fails(bundle: Bundle) -> bytes:
        if bundle.job == JOBS[0]:
            raise ValueError("no bytes")
        return real(bundle)

    monkeypatch.setattr(Bundle, "to_bytes", fails)
    for job in JOBS[:3]:
        await finished(asking, claims, job)
    assert make().compare() == 2
    assert f"archiving {JOBS[0]}" in caplog.text
    assert sorted(Archive(place, "here").jobs()) == JOBS[1:3]


async def test_damaged_files_are_counted_for_the_operator(
    asking: AskingStore, claims: ClaimingStore, make: Callable[..., Archivist], place: Flaky
) -> None:
    await finished(asking, claims, JOBS[0])
    archivist = make()
    archivist.compare()
    FolderPlace.write(place, place.writes[0], b"spoilt")
    assert archivist.bring_back(JOBS[0]) is None
    # It is written anew from the store, which has it still.
    assert archivist.compare() == 1
    assert archivist.warnings[0].startswith("1 damaged files of the archive here")
    assert archivist.bring_back(JOBS[0]) is not None


def test_another_process_s_jobs_are_looked_for_every_hour(
    make: Callable[..., Archivist], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "COMPARE_SECONDS", 0.0)
    archivist, compared = make(), threading.Semaphore(0)

    def compare() -> int:
        compared.release()
        return 0

    monkeypatch.setattr(archivist, "compare", compare)
    archivist.start()
    for _ in range(3):
        assert compared.acquire(timeout=60)


def test_what_the_store_cannot_say_ends_a_comparison(
    make: Callable[..., Archivist], monkeypatch: pytest.MonkeyPatch
) -> None:
    archivist = make()

    def away(job: str) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(archivist._shelf, "finished", lambda: iter(JOBS))
    monkeypatch.setattr(archivist._shelf, "bundle", away)
    with pytest.raises(StoreUnavailable):
        archivist.compare()


async def test_a_job_whose_deleter_was_killed_comes_back_from_nowhere(
    asking: AskingStore, claims: ClaimingStore, make: Callable[..., Archivist], place: Flaky,
    deleting: Callable[[str, str], str | None],
) -> None:  # fmt: skip
    """Killed between the store and the archive: it has a file there, and is served no more."""
    await finished(asking, claims, JOBS[0])
    archivist, archive = make(), Archive(place, "here")
    assert archivist.compare() == 1
    assert await asyncio.to_thread(deleting, "delete", JOBS[0]) == "deleted"
    assert archive.get(JOBS[0]) is not None
    assert archivist.bring_back(JOBS[0]) is None
    assert make().compare() == 0
    assert list(archive.jobs()) == []
    # Asked for again it is computed, kept, and stays.
    await finished(asking, claims, JOBS[0])
    assert archivist.compare() == 1
    assert archivist.compare() == 0
    assert archive.get(JOBS[0]) is not None


async def test_a_job_that_is_deleted_while_it_is_archived_is_not_left_there(
    asking: AskingStore, claims: ClaimingStore, make: Callable[..., Archivist], place: Flaky,
    deleting: Callable[[str, str], str | None],
) -> None:  # fmt: skip
    """Its writer had read it before, and wrote it after it was removed: it came back from there."""
    await finished(asking, claims, JOBS[0])
    archivist = make()
    place.may_write.clear()
    writing = threading.Thread(target=archivist.keep, args=(JOBS[0],))
    writing.start()
    assert await asyncio.to_thread(place.is_writing.wait, 60)
    assert await asyncio.to_thread(deleting, "delete", JOBS[0]) == "deleted"
    archivist.remove(JOBS[0])
    place.may_write.set()
    await asyncio.to_thread(writing.join)
    assert len(place.writes) == 1
    assert list(Archive(place, "here").jobs()) == []


class Life(RuleBasedStateMachine):
    """Whatever happens in whatever order, what was finished is served, with the same bytes.

    The model is a dictionary: the result of every job that was ever finished. The store may be
    emptied once the archive has had its turn; what was not kept by then is what the store had.
    """

    shelf: Shelf
    claims: ClaimingStore
    archivist: Callable[[], Archivist]
    contents: Contents
    pins: Callable[[str, str], str | None]

    def __init__(self) -> None:
        super().__init__()
        for key in self.contents.client.scan_iter(f"{self.contents.prefix}:*"):
            self.contents.client.delete(key)
        self.here = self.archivist()
        for job in list(self.here._archive.jobs()):
            self.here._archive.remove(job)
        self.results: dict[str, bytes] = {}
        self.unkept: set[str] = set()
        self.pinned: set[str] = set()
        self.half_deleted: set[str] = set()
        self.salts: dict[str, int] = {}

    def _in_store(self, job: str) -> bool:
        return self.shelf.bundle(job) is not None

    @rule(job=st.sampled_from(JOBS), salt=st.integers(0, 9))
    def finish(self, job: str, salt: int) -> None:
        """Nobody computes what the store or the archive has (``AnalysisService.submit``)."""
        if self.here.bring_back(job) is not None or self._in_store(job):
            assert job in self.results
            return
        assert job not in self.results
        salt = self.salts.setdefault(job, salt)  # what has one id has one content
        result = f'{{"id":"{job}","salt":{salt},"long":"{"x" * 300}"}}'.encode()
        bundle = Bundle(job, {"kind": "landscape", "finished": "1"}, result, {"m1": result})
        assert self.shelf.restore(bundle) == "restored"
        self.results[job] = result
        # A deletion that was not finished left it in the archive: wanted again, it is there.
        if job not in self.half_deleted:
            self.unkept.add(job)
        self.half_deleted.discard(job)

    @rule(job=st.sampled_from(JOBS))
    def keep(self, job: str) -> None:
        self.here._keep(job)
        self.unkept.discard(job)

    @rule(job=st.sampled_from(JOBS))
    def pin(self, job: str) -> None:
        """As ``Keeper`` does: from the archive if need be, into the store, then the archive."""
        if not self._in_store(job):
            self.here.bring_back(job)
        if self.pins("pin", job) == "pinned":
            assert job in self.results
            self.here.keep(job)
            self.pinned.add(job)
            self.unkept.discard(job)

    @rule(job=st.sampled_from(JOBS))
    def unpin(self, job: str) -> None:
        if not self._in_store(job):
            self.here.bring_back(job)
        if self.pins("unpin", job) == "unpinned":
            self.here.keep(job)
            self.pinned.discard(job)
            self.unkept.discard(job)

    @rule(job=st.sampled_from(JOBS), is_killed=st.booleans())
    def delete(self, job: str, is_killed: bool) -> None:
        """As ``Keeper`` does, or half of it."""
        answer = self.pins("delete", job)
        if answer is None and self.here.bring_back(job) is not None:
            answer = self.pins("delete", job)
        if job in self.pinned:
            assert answer == "pinned"
            return
        assert answer == "deleted" if job in self.results else answer in ("deleted", None)
        if answer == "deleted":
            if is_killed:
                self.half_deleted.add(job)
            else:
                self.here.remove(job)
                self.half_deleted.discard(job)
            self.results.pop(job, None)
            self.unkept.discard(job)

    @rule()
    def compare(self) -> None:
        assert self.here.compare() == len(self.unkept)
        self.unkept.clear()
        self.half_deleted.clear()

    @rule()
    def start_again(self) -> None:
        """The process is killed; what it was about to keep is forgotten, and compared later."""
        self.here = self.archivist()

    @rule(job=st.sampled_from(JOBS))
    def make_room(self, job: str) -> None:
        """As ``Retention`` does: what the archive has may go, unless it is pinned."""
        was_there = self._in_store(job)
        if self.here.has(job):
            self.shelf.forget(job)
        self.claims.sweep()
        assert self._in_store(job) == (was_there and (job in self.pinned or job in self.unkept))

    @precondition(lambda self: not self.unkept and not self.half_deleted)
    @rule()
    def empty_the_store(self) -> None:
        for key in self.contents.client.scan_iter(f"{self.contents.prefix}:*"):
            self.contents.client.delete(key)

    @rule(job=st.sampled_from(JOBS))
    def spoil_the_archive(self, job: str) -> None:
        """One that the store has: a file that is damaged is not served, and written again."""
        if job in self.results and job not in self.unkept and self._in_store(job):
            self.here._archive._place.write(f"{job[:2]}/{job}.json.zst", b"spoilt")
            assert self.here.bring_back(job) is None
            self.unkept.add(job)

    @rule(job=st.sampled_from(JOBS))
    def read(self, job: str) -> None:
        if not self._in_store(job):
            self.here.bring_back(job)
        found = self.shelf.bundle(job)
        assert (found and found.result) == self.results.get(job)
        assert found is None or found.parts == {"m1": self.results[job]}

    @invariant()
    def nothing_is_lost(self) -> None:
        for job, result in self.results.items():
            found = self.shelf.bundle(job) or self.here._archive.get(job)
            assert found is not None
            assert found.result == result
            assert ("pinned" in found.fields) == (job in self.pinned)


def test_any_life_of_results_is_that_of_a_dictionary(
    make: Callable[..., Archivist], target: Target, settings: Settings, contents: Contents,
    claims: ClaimingStore, deleting: Callable[[str, str], str | None],
) -> None:  # fmt: skip
    shelf = Shelf(target, settings, patience=1.0, stop=threading.Event())
    given: dict[str, Any] = {
        "shelf": shelf, "claims": claims, "archivist": staticmethod(make), "contents": contents,
        "pins": staticmethod(deleting),
    }  # fmt: skip
    machine: Any = type("Life", (Life,), given)
    machine.TestCase.settings = hypothesis_settings(
        max_examples=25, stateful_step_count=25, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    machine.TestCase("runTest").runTest()
    shelf.close()
