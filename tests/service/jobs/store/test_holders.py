"""Who wants a job: a cancel lets go in one name, and stops it only where nobody else is left.

A cancel used to stop the job of everybody who had asked the same; a sweep over landscapes that
others wait for would have ended theirs.
"""

from __future__ import annotations

import pytest

from relu_landscape.jobs.store.asking import AskingStore
from relu_landscape.jobs.store.claims import ClaimingStore
from tests.service.jobs.helpers import KIND, REQUEST, submitted
from tests.service.jobs.store.contents import Contents


async def holders(asking: AskingStore) -> tuple[str, int]:
    status = await asking.status("a")
    return status.state, status.holders


async def test_a_job_that_two_want_goes_on_until_both_let_go(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    claim = await submitted(asking, claims)
    assert await asking.submit("a", KIND, REQUEST, "sweep:1") == "running"
    assert await holders(asking) == ("running", 2)
    assert await asking.cancel("a") == "running"
    assert await holders(asking) == ("running", 1)
    assert claims.renew(claim) == "held", "who computes it heard of nothing"
    assert await asking.cancel("a", "sweep:1") == "cancelling"
    assert claims.renew(claim) == "cancel"


async def test_one_that_waits_is_cancelled_by_the_last_of_them(asking: AskingStore) -> None:
    for who in ("anna", "bert", "anna"):
        assert await asking.submit("a", KIND, REQUEST, who) == "queued"
    assert await holders(asking) == ("queued", 2), "whoever asks twice counts once"
    assert await asking.cancel("a", "anna") == "queued"
    assert await asking.cancel("a", "anna") == "queued"
    assert await asking.cancel("a", "bert") == "cancelled"
    assert await holders(asking) == ("cancelled", 0)


async def test_who_does_not_hold_it_cancels_nothing(asking: AskingStore) -> None:
    await asking.submit("a", KIND, REQUEST, "anna")
    assert await asking.cancel("a", "bert") == "queued"
    assert await holders(asking) == ("queued", 1)


async def test_an_operator_cancels_for_all(asking: AskingStore, claims: ClaimingStore) -> None:
    await submitted(asking, claims)
    await asking.submit("a", KIND, REQUEST, "anna")
    assert await asking.cancel("a", None) == "cancelling"
    assert await holders(asking) == ("cancelling", 0)


async def test_who_asks_while_it_stops_has_it_begun_again(
    asking: AskingStore, claims: ClaimingStore
) -> None:
    """And a late cancel by those who let go before does not take it away again."""
    claim = await submitted(asking, claims)
    assert await asking.cancel("a") == "cancelling"
    assert await asking.submit("a", KIND, REQUEST, "anna") == "cancelling"
    assert await asking.cancel("a") == "cancelling"
    claims.stop(claim, "cancelled")
    assert await holders(asking) == ("queued", 1)
    assert await asking.cancel("a", "anna") == "cancelled"


@pytest.mark.parametrize("end", ["finished", "failed"])
async def test_a_job_that_is_over_is_held_by_nobody(
    asking: AskingStore, claims: ClaimingStore, contents: Contents, end: str
) -> None:
    """Else whoever asks for a failed one again could not cancel it: the others never will."""
    claim = await submitted(asking, claims)
    await asking.submit("a", KIND, REQUEST, "anna")
    if end == "finished":
        claims.finish(claim, b"{}", {})
        contents.client.delete(contents.key("result:a"))  # dropped by a store short of memory
    else:
        claims.stop(claim, "failed", "a reason")
    assert await holders(asking) == (end, 0)
    assert await asking.submit("a", KIND, REQUEST, "bert") == "queued"
    assert await holders(asking) == ("queued", 1)
    assert await asking.cancel("a", "bert") == "cancelled"


async def test_a_job_of_an_older_release_which_nobody_holds_is_cancelled_by_anyone(
    asking: AskingStore, contents: Contents
) -> None:
    await asking.submit("a", KIND, REQUEST)
    contents.client.hdel(contents.key("job:a"), "wanted:anyone")
    assert await asking.cancel("a") == "cancelled"
