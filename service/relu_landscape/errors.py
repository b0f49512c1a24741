"""The one tree of exceptions.

    LandscapeError
    ├── InputError (also ValueError)      the caller asked for something impossible
    │   ├── RequestError                  a field of a request is out of its bounds
    │   ├── TeacherError                  the teacher's Gram matrix cannot be used
    │   └── TooCostly                     it would take more than this service allows
    ├── NumericalError                    a computation has no answer it can vouch for
    ├── Cancelled                         somebody asked the computation to stop
    ├── NotFound                          no such job, part of a result, or kind
    ├── WrongState                        the job is in no state for that; the text says which
    ├── JobFailed                         the job ended with an error; the text says which
    ├── Busy                              too much work waiting; try again later
    ├── Unavailable                       something the service needs does not answer
    │   ├── StoreUnavailable
    │   └── PoolUnavailable
    ├── DeviceLost                        a GPU failed; this process can use it no more
    ├── LeaseLost                         another process runs this job now: write nothing
    └── ConfigurationError                the service cannot start with these settings

Every message is a sentence that names what was wrong and, where there is one, the remedy.
"""

from __future__ import annotations


class LandscapeError(Exception):
    """Base of everything this project raises on purpose."""

    #: The name of its kind in a standard that has one, for whoever speaks it.
    standard_type: str | None = None


class InputError(LandscapeError, ValueError):
    """The caller asked for something impossible; the message says what would be possible."""


class RequestError(InputError):
    """A field of a request is out of its bounds.

    ``field`` names it, ``value`` is what came, ``bounds`` says what would be accepted.
    """

    def __init__(self, field: str, value: object, bounds: str) -> None:
        self.field = field
        self.value = value
        self.bounds = bounds
        super().__init__(f"{field} = {value!r} is not accepted: {bounds}.")


class TeacherError(InputError):
    """The teacher's Gram matrix is singular, not symmetric or not positive definite."""


class TooCostly(InputError):  # noqa: N818 - says what is wrong with the request
    """It is expected to take more than this service's settings allow; the message has both."""


class NumericalError(LandscapeError):
    """A computation has no answer it can vouch for."""


class Cancelled(LandscapeError):  # noqa: N818 - a state, not a fault
    """Somebody asked the computation to stop."""


class NotFound(LandscapeError):  # noqa: N818 - named after the HTTP answer
    """No job, part of a result, or kind under this name."""


class WrongState(LandscapeError):  # noqa: N818 - a state of a job
    """The job is in no state for what was asked; the message says in which, and the remedy."""


class JobFailed(LandscapeError):  # noqa: N818 - a state of a job
    """The job ended with an error; the message says which."""


class Busy(LandscapeError):  # noqa: N818 - a state, not a fault
    """Too much work is waiting; ``retry_after_seconds`` says when to come again."""

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class Unavailable(LandscapeError):  # noqa: N818 - named after the HTTP answer
    """Something the service needs does not answer."""


class StoreUnavailable(Unavailable):
    """The Redis-protocol server does not answer."""


class PoolUnavailable(Unavailable):
    """The compute pool does not answer."""


class LeaseLost(LandscapeError):  # noqa: N818 - a state of a job
    """Another process runs this job now: write nothing more."""


class ConfigurationError(LandscapeError):
    """The service cannot start with these settings; the message says which line to write."""


class DeviceLost(LandscapeError):  # noqa: N818 - a state, not a fault of the request
    """A GPU failed under this process, which can use it no more; another one may."""
