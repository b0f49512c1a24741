"""The fence around a job: who lost it writes nothing, who holds it learns of a cancellation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from relu_landscape.errors import LeaseLost
from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import Claim, ClaimingStore
from tests.service.jobs.helpers import QUEUES, lapse, submitted
from tests.service.jobs.store.contents import Contents

WRITES: dict[str, Callable[[ClaimingStore, Claim], object]] = {
    "renew": lambda claims, claim: claims.renew(claim),
    "checkpoint": lambda claims, claim: claims.checkpoint(claim, "c2", b"stale"),
    "share": lambda claims, claim: claims.checkpoint(claim, "c2", b"stale", "m"),
    "progress": lambda claims, claim: claims.report(claim, "progress", {"phase": "stale"}),
    "findings": lambda claims, claim: claims.report(claim, "findings", {"n": -1}),
    "finish": lambda claims, claim: claims.finish(claim, b"stale", {"m1": b"stale"}),
    "fail": lambda claims, claim: claims.stop(claim, "failed", "stale"),
    "give back": lambda claims, claim: claims.stop(claim, "returned"),
    "cancel": lambda claims, claim: claims.stop(claim, "cancelled"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("since", ["waits", "runs elsewhere", "finished elsewhere"])
async def test_who_lost_the_lease_changes_nothing(
    asking: AskingStore, claims: ClaimingStore, watcher: ClaimingStore, contents: Contents,
    write: str, since: str,
) -> None:  # fmt: skip
    """Not a byte, whatever it tries, and whatever became of the job meanwhile."""
    stale = await submitted(asking, claims)
    lapse(watcher, "a")
    if since != "waits":
        fresh = watcher.claim(QUEUES)
        assert fresh is not None
        watcher.checkpoint(fresh, "c1", b"one")
        if since == "finished elsewhere":
            watcher.finish(fresh, b"{}", {"m1": b"[1]"})
    before = contents.all()
    with pytest.raises(LeaseLost):
        WRITES[write](claims, stale)
    assert contents.all() == before


@pytest.mark.parametrize("write", ["renew", "checkpoint", "share", "progress", "findings"])
async def test_who_holds_the_lease_is_told_of_a_cancellation_and_of_none_before(
    asking: AskingStore, claims: ClaimingStore, write: str
) -> None:
    claim = await submitted(asking, claims)
    assert WRITES[write](claims, claim) == "held"
    await asking.cancel("a")
    assert WRITES[write](claims, claim) == "cancel"
