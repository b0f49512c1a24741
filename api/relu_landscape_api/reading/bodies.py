"""Request bodies: JSON as RFC 8259 defines it, and nothing that merely looks like it."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable
from email.message import Message
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from relu_landscape_api.reading.echo import shown
from relu_landscape_api.reading.negotiation import NPZ_TYPE

#: Longest number taken from a request. Doubles need 17 significant digits and the largest integer
#: field 16; Python refuses integers beyond 4,300 digits with an error of its own.
LONGEST_NUMBER = 400
#: Arrays and objects in one text, and members of objects: several times those of the largest
#: request that there is. Python's parser makes them, and the collector of cycles follows them,
#: without letting another thread run: a megabyte of empty arrays would keep the event loop waiting
#: for half a second, one of members for a tenth.
MOST_PARTS = 10_000
#: Bodies up to this size are read in the event loop: a millisecond at the most, whatever they hold,
#: and a thread's round trip would cost more. Larger ones are read in a thread.
SMALL_BODY_BYTES = 4096

#: What could be half of a surrogate pair; a text without it, decoded from UTF-8, holds no half.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

Read = TypeVar("Read")


class _NotJsonError(ValueError):
    """Raised inside the parser's hooks; never leaves this module."""


class _TooMuchError(ValueError):
    """For what may be JSON, but more of it than is read."""


def _refuse_constant(name: str) -> NoReturn:
    raise _NotJsonError(f"{name} is not a JSON number")


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise _NotJsonError(f"a number has {len(text)} characters; {LONGEST_NUMBER} is the most")
    return int(text)


def _number(text: str) -> float:
    if len(text) > LONGEST_NUMBER:
        raise _NotJsonError(f"a number has {len(text)} characters; {LONGEST_NUMBER} is the most")
    number = float(text)
    if not math.isfinite(number):
        raise _NotJsonError(f"{text} is beyond the range of double precision")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    answer = dict(pairs)
    if len(answer) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _NotJsonError(f"the name {name[:100]!r} is given twice in one object")
            seen.add(name)
    return answer


def parse_json(text: str) -> Any:
    """The JSON value of ``text``; ``ValueError`` with a sentence for everything else.

    Refused although Python's parser takes them: ``NaN`` and ``Infinity``, numbers that overflow,
    duplicate names, lone surrogates. Nesting deeper than the parser's stack is refused too, and
    more than ``MOST_PARTS`` arrays and objects, or members (a bracket or colon in a text counts).
    """
    if text.count("[") + text.count("{") > MOST_PARTS:
        raise _TooMuchError(f"it has more than {MOST_PARTS:,} opening brackets")
    if text.count(":") > MOST_PARTS:
        raise _TooMuchError(f"it has more than {MOST_PARTS:,} colons")
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_number,
            object_pairs_hook=_unique,
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise _TooMuchError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    except UnicodeEncodeError:
        raise ValueError("it holds a lone surrogate, which is not a character") from None
    return value


async def read_body(
    request: Request,
    read: Callable[[Any], Read],
    *,
    limit_bytes: int,
    timeout_seconds: float,
    read_arrays: Callable[[bytes], Read] | None = None,
) -> Read:
    """What ``read`` makes of the JSON value in the request's body.

    A large body is parsed and read in a thread, since nobody else is answered while the event loop
    is busy. ``read_arrays`` reads a body that is declared as NumPy's format instead; None: there is
    no such form.

    Raises ``HTTPException``: 415 for a content type that is not JSON or a coding other than
    identity, 413 beyond ``limit_bytes`` (counted as it arrives, so a body without a declared length
    cannot fill the memory), 408 if it has not come within ``timeout_seconds``, 400 for what is not
    JSON; and what ``read`` raises.
    """
    is_npz = read_arrays is not None and _media_type(request) == NPZ_TYPE
    _require_plain(request)
    if not is_npz:
        _require_json_type(request)
    try:
        async with asyncio.timeout(timeout_seconds):
            body = await _received(request, limit_bytes)
    except TimeoutError:
        raise HTTPException(
            408,
            f"The body did not arrive within {timeout_seconds:g} s.",
            headers={"Connection": "close"},
        ) from None
    if read_arrays is not None and is_npz:
        return await asyncio.to_thread(read_arrays, body)
    if len(body) <= SMALL_BODY_BYTES:
        return read(_value(body))
    return await asyncio.to_thread(_read_apart, read, body)


def _read_apart(read: Callable[[Any], Read], body: bytes) -> Read:
    """``read`` of the body's value, of which no refusal keeps anything long.

    To free hundreds of thousands of objects takes as long as to make them, and falls to the thread
    that holds the last of them: this one, not the event loop's.
    """
    try:
        return read(_value(body))
    except RequestValidationError as error:
        faults = [{**each, "input": shown(each.get("input"))} for each in error.errors()]
    raise RequestValidationError(faults)  # without the frames that hold the value


def _value(body: bytes) -> Any:
    if not body.strip():
        raise HTTPException(400, "The body is empty; it must be a JSON object.")
    try:
        return parse_json(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise HTTPException(400, "The body is not UTF-8.") from None
    except _TooMuchError as error:
        raise HTTPException(400, f"The body is not read: {error}.") from None
    except ValueError as error:
        raise HTTPException(400, f"The body is not JSON: {error}.") from None


def _require_plain(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "Send the body without a Content-Encoding.")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _require_json_type(request: Request) -> None:
    message = Message()
    declared = request.headers.get("content-type", "")
    message["content-type"] = declared if declared.isascii() else ""
    kind, charset = message.get_content_type(), message.get_content_charset("utf-8")
    is_json = kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    if not is_json or charset not in ("utf-8", "us-ascii"):
        raise HTTPException(
            415, "Send the request as application/json in UTF-8 (header Content-Type)."
        )


async def _received(request: Request, limit_bytes: int) -> bytes:
    # The rest of the body would have to be read before another request on this connection.
    too_large = HTTPException(
        413, f"The body is larger than {limit_bytes} bytes.", headers={"Connection": "close"}
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise too_large
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit_bytes:
            raise too_large
    return bytes(body)
