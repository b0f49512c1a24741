"""Small jobs in the store: a queue of their own, in the order of all."""

from __future__ import annotations

from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from relu_landscape.jobs.store.scripts import queue_name
from tests.service.jobs.helpers import KIND, QUEUES, REQUEST

SMALL = queue_name(KIND, "cpu", small=True)


async def test_small_jobs_stand_apart_and_in_the_order_of_all(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    await asking.submit("large", KIND, REQUEST)
    await asking.submit("small", KIND, REQUEST, small=True)
    await asking.submit("later", KIND, REQUEST)
    assert (await asking.status("later")).waiting_before == 2
    assert await asking.stranded() == []  # a service with this backend computes both
    first = claims.claim([SMALL])
    assert first is not None
    assert first.job == "small"
    assert claims.claim([SMALL]) is None
    # Given back, it stands where it stood: before what was submitted after it.
    claims.stop(first, "returned")
    taken = [claims.claim([*QUEUES, SMALL]) for _ in range(3)]
    assert [each and each.job for each in taken] == ["large", "small", "later"]


async def test_a_small_job_that_is_cancelled_and_asked_for_again_is_small_still(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    await asking.submit("small", KIND, REQUEST, small=True)
    assert await asking.cancel("small") == "cancelled"
    assert claims.claim([SMALL]) is None
    await asking.submit("small", KIND, REQUEST, small=True)
    claim = claims.claim([SMALL])
    assert claim is not None
    claims.finish(claim, b"{}", {})
    assert (await asking.status("small")).state == "finished"
