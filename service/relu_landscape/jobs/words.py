"""Sentences and forms that every implementation of ``jobs.interface.Service`` has in common."""

from __future__ import annotations

import re

from relu_landscape.analyses import Analysis
from relu_landscape.errors import NotFound, RequestError, WrongState
from relu_landscape.wire.jobs import AnyStatus

#: Who asks where nobody says who; all of them together hold a job once.
ANYONE = "anyone"

#: The store's streams number their entries by milliseconds and a count, two words of 64 bits, and
#: refuse larger ones. Nineteen digits always fit, and last for 300 million years.
EVENT_ID = "[0-9]{1,19}-[0-9]{1,19}"


def is_event_id(text: str) -> bool:
    """Whether an event can have had this id."""
    return re.fullmatch(EVENT_ID, text) is not None


def no_event(text: str) -> RequestError:
    """No event can have had this id."""
    return RequestError("Last-Event-ID", text, "the id of an earlier event")


def unknown(job: str) -> NotFound:
    """No job has this id."""
    return NotFound(f"There is no job {job}.")


def not_finished(job: str, state: str | None) -> WrongState | NotFound:
    """Only what is finished can be pinned; None is the state of a job that went meanwhile."""
    if state is None:
        return unknown(job)
    return WrongState(f"The job {job} is {state}; only a finished one can be pinned.")


def not_deleted(job: str, state: str | None) -> WrongState | NotFound:
    """Only what is over and not pinned can be deleted; None: there is no such job."""
    if state is None:
        return unknown(job)
    return WrongState(
        f"The job {job} is {state}; {'unpin' if state == 'pinned' else 'cancel'} it before it is "
        "deleted."
    )


def no_part(analysis: Analysis, job: str, key: str) -> NotFound:
    """The result has no such part, or its kind has none at all."""
    noun = "part" if analysis.parts is None else analysis.parts.noun
    return NotFound(f"The {analysis.noun} {job} has no {noun} {key!r}.")


def no_result(analysis: Analysis, status: AnyStatus) -> NotFound:
    """The job has not come to a result, or it is gone."""
    if status.state == "finished":
        return NotFound(f"The result of {status.id} is no longer in the store; submit it again.")
    return NotFound(f"The {analysis.noun} {status.id} has no result: it is {status.state}.")
