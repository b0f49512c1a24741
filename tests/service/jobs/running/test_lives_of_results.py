"""Results that are kept, pinned, deleted and forgotten in any order, against a dictionary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relu_landscape.jobs.running.archiving import Archivist
from relu_landscape.jobs.store.bundle import Bundle
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.connection import Target
from relu_landscape.jobs.store.shelf import Shelf
from relu_landscape.settings import Settings
from tests.service.jobs.running.conftest import JOBS
from tests.service.jobs.store.contents import Contents


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
            if not is_killed:
                self.here.remove(job)
                self.half_deleted.discard(job)
            elif job in self.results and job not in self.unkept:  # else the archive has none
                self.half_deleted.add(job)
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
