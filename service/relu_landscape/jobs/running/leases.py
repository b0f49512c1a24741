"""Keeping the leases of this process's jobs, from a thread of its own.

A job's thread may be deep in numerics or wait for the store; its lease must not lapse for that.
"""

from __future__ import annotations

import logging
import threading

from relu_landscape.errors import LeaseLost, StoreUnavailable
from relu_landscape.jobs.running.progress import StopSign
from relu_landscape.jobs.store.claims import Claim, ClaimingStore

logger = logging.getLogger(__name__)

#: Renewals per term of the lease: two may fail before it lapses.
RENEWALS_PER_TERM = 3


class LeaseKeeper:
    """Renews every lease held here, and sets the stop sign of a job that was lost or cancelled."""

    def __init__(self, claims: ClaimingStore, lease_seconds: float) -> None:
        self._claims = claims
        self._pause = lease_seconds / RENEWALS_PER_TERM
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

    def _keep(self) -> None:
        while not self._stop.wait(self._pause):
            with self._lock:
                held = list(self._held.values())
            for claim, stop in held:
                self._renew(claim, stop)

    def _renew(self, claim: Claim, stop: StopSign) -> None:
        try:
            if self._claims.renew(claim) == "cancel":
                stop.set("cancel")
        except LeaseLost:
            with self._lock:
                ours = claim.token in self._held
            if ours:  # otherwise the job ended between the copy and the renewal
                logger.warning("lost the lease of %s", claim.job)
                stop.set("lost")
        except StoreUnavailable as error:
            # The fence is the token in the job itself: if nobody took the job meanwhile, the
            # next renewal finds it still ours.
            logger.warning("the lease of %s was not renewed: %s", claim.job, error)
        except Exception:
            logger.exception("renewing the lease of %s", claim.job)
