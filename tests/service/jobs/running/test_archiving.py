"""The archivist: what is finished is kept, whoever died, and comes back when it is asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.running import archiving
from relu_landscape.jobs.running.archiving import Archivist
from relu_landscape.jobs.store.archive import Archive, FolderPlace
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.bundle import Bundle
from relu_landscape.jobs.store.claims import ClaimingStore
from tests.service.jobs.helpers import submitted, until
from tests.service.jobs.running.conftest import JOBS, Flaky
from tests.service.jobs.store.contents import Contents


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
