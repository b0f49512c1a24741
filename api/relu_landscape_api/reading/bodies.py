"""Request bodies: JSON as RFC 8259 defines it, and nothing that merely looks like it."""

from __future__ import annotations

import json
import math
from email.message import Message
from typing import Any, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException

#: Longest number taken from a request. Doubles need 17 significant digits and the largest integer
#: field 16; Python refuses integers beyond 4,300 digits with an error of its own.
LONGEST_NUMBER = 400


class _NotJsonError(ValueError):
    """Raised inside the parser's hooks; never leaves this module."""


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
    duplicate names, lone surrogates. Nesting deeper than the parser's stack is refused too.
    """
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_number,
            object_pairs_hook=_unique,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    except UnicodeEncodeError:
        raise ValueError("it holds a lone surrogate, which is not a character") from None
    return value


async def read_json(request: Request, *, limit_bytes: int) -> Any:
    """The JSON value of the request's body.

    Raises ``HTTPException``: 415 for a content type that is not JSON or a coding other than
    identity, 413 beyond ``limit_bytes`` (counted as it arrives, so a body without a declared
    length cannot fill the memory), 400 for what is not JSON.
    """
    _require_json_type(request)
    body = await _read_body(request, limit_bytes)
    if not body.strip():
        raise HTTPException(400, "The body is empty; it must be a JSON object.")
    try:
        return parse_json(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise HTTPException(400, "The body is not UTF-8.") from None
    except ValueError as error:
        raise HTTPException(400, f"The body is not JSON: {error}.") from None


def _require_json_type(request: Request) -> None:
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException(415, "Send the body without a Content-Encoding.")
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


async def _read_body(request: Request, limit_bytes: int) -> bytes:
    too_large = HTTPException(413, f"The body is larger than {limit_bytes} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit_bytes:
        raise too_large
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit_bytes:
            raise too_large
    return bytes(body)
