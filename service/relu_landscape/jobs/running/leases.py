"""Keeping the leases of this process's jobs, and watching those of others, in a thread of its own.

A job's thread may be deep in numerics or wait for the store; its lease must not lapse for that.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection

from relu_landscape.errors import LeaseLost, StoreUnavailable
from relu_landscape.jobs.running.progress import StopSign
from relu_landscape.jobs.store.claims import Claim, ClaimingStore, Held

logger = logging.getLogger(__name__)

#: Renewals per term of the lease: two may fail before it lapses.
RENEWALS_PER_TERM = 3
#: Looks come as often as renewals; a longer gap between two, as a share of a term, is a silence.
LONGEST_GAP = 2 / 3
#: So is a look that waited longer for its answer. A silence that neither shows is shorter than half
#: a term, and a holder that last renewed a third before it and was held up still comes in time.
LONGEST_LOOK = 1 / 6


class Watch:
    """Which leases of others have lapsed: held through a whole term without a single renewal.

    The term is measured by this process's steady clock, under its own eyes: after a silence
    (the store was away or refused writes, this process stood still) every lease has a whole term
    again, because its holder may have been as silenced. So neither an outage nor a step of any
    clock takes a job from a process that lives.
    """

    def __init__(self, term_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._term = term_seconds
        self._clock = clock
        self._since: dict[Held, float] = {}
        self._looked = -math.inf

    def forget(self) -> None:
        """The store was silent: every lease has a whole term from the next look on."""
        self._looked = -math.inf

    def lapsed(self, look: Callable[[], Collection[Held]]) -> list[Held]:
        """Look once more. Raises what ``look`` does, and then counts that as a silence."""
        began = self._clock()
        try:
            held = look()
        except BaseException:
            self.forget()
            raise
        ended = self._clock()
        is_slow = ended - began > LONGEST_LOOK * self._term
        if is_slow or ended - self._looked > LONGEST_GAP * self._term:
            self._since = {}
        self._looked = ended
        self._since = {each: self._since.get(each, ended) for each in held}
        return [each for each, since in self._since.items() if began - since >= self._term]


class LeaseKeeper:
    """Renews every lease held here, and sets the stop sign of a job that was lost or cancelled.

    Jobs of processes that died are queued again; never one that this process holds itself.
    """

    def __init__(self, claims: ClaimingStore, lease_seconds: float) -> None:
        self._claims = claims
        self._pause = lease_seconds / RENEWALS_PER_TERM
        self._watch = Watch(lease_seconds)
        self._held: dict[str, tuple[Claim, StopSign]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def hold(self, claim: Claim, stop: StopSign) -> None:
        """Renew this claim's lease from now on."""
        with self._lock:
            self._held[claim.token] = (claim, stop)

    def drop(self, claim: Claim) -> None:
        """Renew it no longer; its job is over or was given back."""
        with self._lock:
            self._held.pop(claim.token, None)

    def keep_once(self) -> None:
        """Renew the leases held here, then look at those of others. Never raises."""
        try:
            self._renew_all()
            self._reclaim()
        except StoreUnavailable as error:
            self._watch.forget()
            logger.warning("the leases are not kept for now: %s", error)
        except Exception:
            logger.exception("keeping the leases")

    def _keep(self) -> None:
        self.keep_once()
        while not self._stop.wait(self._pause):
            self.keep_once()

    def _renew_all(self) -> None:
        """One's own first: after an outage that is what keeps them."""
        with self._lock:
            held = list(self._held.values())
        for claim, stop in held:
            # The fence is the token in the job itself: if the store does not answer and nobody
            # took the job meanwhile, the next renewal finds it still ours.
            self._renew(claim, stop)

    def _renew(self, claim: Claim, stop: StopSign) -> None:
        try:
            if self._claims.renew(claim) == "cancel":
                stop.set("cancel")
        except LeaseLost:
            if claim.token not in self._tokens():
                return  # the job ended meanwhile
            stop.set("lost")
            if not self._claims.is_over(claim.job):  # its end is noted there before it is here
                logger.warning("lost the lease of %s", claim.job)
        except StoreUnavailable:
            raise  # it will not answer for the others either
        except Exception:
            logger.exception("renewing the lease of %s", claim.job)

    def _reclaim(self) -> None:
        def of_others() -> list[Held]:
            found, mine = self._claims.look(), self._tokens()
            return [each for each in found if each.token not in mine]

        lapsed = self._watch.lapsed(of_others)
        if lapsed:
            for job in self._claims.reclaim(lapsed):
                logger.warning("took %s from a process that died", job)

    def _tokens(self) -> set[str]:
        with self._lock:
            return set(self._held)
