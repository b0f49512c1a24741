"""Request bodies in NumPy's format: arrays and, as JSON text, what else was asked.

An archive is a ZIP file of ``.npy`` files, and both can lie about their sizes. What each would come
to is read from the directory and from the headers, and held against the bounds, before any memory
is taken for it; nothing is ever unpickled.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException

from relu_landscape_api.reading.bodies import parse_json

#: Member that holds the other fields of the request, as JSON text in an array of no dimensions.
OPTIONS = "options"
#: Bytes of arrays for each byte of the body: compressed zeros are a thousand times as many, real
#: numbers at most twice. And for any body, so that small ones may hold zeros.
MOST_TIMES, SMALL_BYTES = 8, 1_048_576
#: Members, axes of an array, and characters of a header.
MOST_MEMBERS, MOST_AXES, LONGEST_HEADER = 16, 3, 1024
#: Bytes of the options: four for each character.
LONGEST_OPTIONS = 65_536

_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def read_npz(body: bytes, names: tuple[str, ...]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of an archive that are called one of ``names``, and its options.

    Raises ``HTTPException``: 400 for what is no archive of plain arrays, or whose members are
    larger than their bounds or than they say.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return _members(archive, names, max(SMALL_BYTES, MOST_TIMES * len(body)))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise _unreadable(f"it is no ZIP archive that can be read: {error}") from None


def _members(
    archive: zipfile.ZipFile, names: tuple[str, ...], most_bytes: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise _unreadable(f"it has {len(members)} members; {MOST_MEMBERS} are the most")
    known = dict(_named(members, names))
    whole = sum(member.file_size for member in known.values())
    if whole > most_bytes:
        raise _unreadable(f"its arrays have {whole:,} bytes; {most_bytes:,} are the most here")
    arrays: dict[str, NDArray[Any]] = {}
    options: dict[str, Any] = {}
    for name, member in known.items():
        with archive.open(member) as stream:
            if name == OPTIONS:
                options = _options(_array(name, stream, member.file_size, text=True))
            else:
                arrays[name] = _array(name, stream, member.file_size)
    return arrays, options


def _named(
    members: list[zipfile.ZipInfo], names: tuple[str, ...]
) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    seen: set[str] = set()
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name not in (*names, OPTIONS):
            known = ", ".join((*names, OPTIONS))
            raise _unreadable(f"there is no array {name[:80]!r}; the names are {known}")
        if name in seen:
            raise _unreadable(f"the array {name!r} is there twice")
        if member.compress_type not in _COMPRESSIONS or member.flag_bits & 1:
            raise _unreadable(f"the array {name!r} is encrypted, or compressed in a rare way")
        seen.add(name)
        yield name, member


def _array(name: str, stream: IO[bytes], size: int, *, text: bool = False) -> NDArray[Any]:
    """One array: its header first, then as many bytes as that says."""
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read(stream, max_header_size=LONGEST_HEADER)
    except (ValueError, KeyError, SyntaxError, OverflowError, RecursionError):
        raise _unreadable(f"the array {name!r} has no header of NumPy's format") from None
    if dtype.hasobject:
        raise _unreadable(f"the array {name!r} holds Python objects, which are not unpickled")
    if text != (dtype.kind == "U") or dtype.fields is not None:
        raise _unreadable(f"the array {name!r} has dtype {str(dtype)[:80]}")
    count = math.prod(shape)
    wanted = count * dtype.itemsize
    if len(shape) > MOST_AXES or any(not 0 <= length <= size for length in shape):
        raise _unreadable(f"the array {name!r} has a shape that cannot be")
    if wanted > size or (text and wanted > LONGEST_OPTIONS):
        raise _unreadable(f"the array {name!r} would have {wanted:,} bytes, more than it may")
    data = stream.read(wanted)
    if len(data) != wanted or stream.read(1):
        raise _unreadable(f"the array {name!r} has another size than its header says")
    array = np.frombuffer(data, dtype=dtype, count=count)
    return array.reshape(shape, order="F" if is_fortran else "C")


def _options(array: NDArray[Any]) -> dict[str, Any]:
    if array.ndim:
        raise _unreadable(f"{OPTIONS} has shape {array.shape}; it must be one text")
    try:
        options = parse_json(str(array.item()))
    except ValueError as error:
        raise _unreadable(f"{OPTIONS} is not JSON: {error}") from None
    if not isinstance(options, Mapping):
        raise _unreadable(f"{OPTIONS} must be a JSON object")
    return dict(options)


def _unreadable(reason: str) -> HTTPException:
    return HTTPException(400, f"The body is not read: {reason}.")
