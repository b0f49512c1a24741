"""The one tree of exceptions.

    ClientError
    ├── AddressError (also ValueError)        the server's address cannot be used
    ├── ConnectionFailed (also ConnectionError)   no answer, or none that arrived whole
    │   └── ServerAbsent                  nothing can be reached at the server's ``address``
    ├── TimedOut (also TimeoutError)          the time given is over; the server goes on computing
    ├── ProtocolError                         an answer that the contract does not know
    ├── AnswerError                           the server refused: ``status``, ``detail``, ``errors``
    │   ├── RequestRefused (also ValueError)  400, 413, 415, 422: a field is out of its bounds
    │   ├── NotAuthorised                     401, 403: no API key, or one that does not open this
    │   ├── NotFound (also LookupError)       404, 410: no such landscape or fixed point
    │   ├── Busy                              429, 503: come again after ``retry_after_seconds``
    │   └── ServerError                       any other 5xx: a fault of the server
    ├── LandscapeFailed                       the computation ended with an error
    ├── LandscapeCancelled                    somebody cancelled the computation
    ├── FileError (also ValueError)           a saved landscape cannot be read
    ├── MissingExtra (also ImportError)       an optional library is not installed
    ├── MissingService (also ImportError)     ``Client.local()`` without the service installed
    └── LocalServiceFailed                    the service of ``Client.local()`` did not start

Every message is a sentence that names what was wrong and, where there is one, the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Base of everything this library raises on purpose."""


class AddressError(ClientError, ValueError):
    """The server's address cannot be used."""


class ConnectionFailed(ClientError, ConnectionError):  # noqa: N818 - an event, not a fault
    """No answer came, or none that arrived whole, although the call was repeated."""


class ServerAbsent(ConnectionFailed):
    """Nothing can be reached at ``address``: no call has arrived there, let alone an answer."""

    def __init__(self, what: str, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(f"{what}: {reason}")


class TimedOut(ClientError, TimeoutError):  # noqa: N818 - a state, not a fault
    """The time given is over; the server goes on, and asking again picks the result up."""


class ProtocolError(ClientError):
    """The server's answer is not one that the contract knows."""


class AnswerError(ClientError):
    """The server refused (problem+json, RFC 9457).

    ``status`` is the HTTP status (0: refused before it was sent), ``title`` and ``detail`` are the
    server's words, ``errors`` the fields it found wrong (``{field, value, message}`` each), and
    ``request_id`` is what to quote when asking the server's keeper.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        text = f"{self.status} {self.title}" if self.status else self.title
        if self.detail:
            text += f": {self.detail}"
        fields = [
            f"{error.get('field', '?')}: {error['message']}"
            for error in self.errors
            if "message" in error and str(error["message"]) not in self.detail
        ]
        if fields:
            text += f" ({'; '.join(fields)})"
        if self.request_id:
            text += f" [request {self.request_id}]"
        return text


class RequestRefused(AnswerError, ValueError):  # noqa: N818 - named after the HTTP answer
    """A field of the request is out of its bounds, unknown, or too large."""


class NotAuthorised(AnswerError):  # noqa: N818 - named after the HTTP answer
    """The API key is missing or does not open this: pass ``api_key`` to the client.

    ``detail`` says which: none came, it is unknown, expired or revoked, or its scope is too small.
    """


class NotFound(AnswerError, LookupError):  # noqa: N818 - named after the HTTP answer
    """No landscape or fixed point under this name."""


class Busy(AnswerError):  # noqa: N818 - a state, not a fault
    """Too much work is waiting; ``retry_after_seconds`` says when to come again."""


class ServerError(AnswerError):
    """A fault of the server; its log tells more under the request id."""


class LandscapeFailed(ClientError):  # noqa: N818 - a state of a job
    """The computation ended with an error; ``id`` names the landscape, or the trajectory."""

    def __init__(self, job_id: str, reason: str, noun: str = "landscape") -> None:
        self.id = job_id
        self.reason = reason
        super().__init__(f"{noun} {job_id[:12]} failed: {reason}")


class LandscapeCancelled(ClientError):  # noqa: N818 - a state of a job
    """Somebody cancelled the computation; asking again starts it again."""

    def __init__(self, job_id: str, noun: str = "landscape") -> None:
        self.id = job_id
        super().__init__(f"{noun} {job_id[:12]} was cancelled; asking again starts it again")


class FileError(ClientError, ValueError):
    """A saved landscape cannot be read."""


class MissingExtra(ClientError, ImportError):  # noqa: N818 - what it says
    """An optional library is not installed; the message holds the line that installs it."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"this needs {library}: pip install 'relu-landscape-client[{extra}]'")


class MissingService(ClientError, ImportError):  # noqa: N818 - what it says
    """``Client.local()`` runs the service itself, which this Python does not have."""

    def __init__(self, python: str) -> None:
        super().__init__(
            "Client.local() runs the service itself, which is not installed for "
            f"{python}: pip install relu-landscape there, or give Client the address of a server"
        )


class LocalServiceFailed(ClientError):  # noqa: N818 - an event, not a fault
    """The service of ``Client.local()`` did not start; the message ends with what it said."""
