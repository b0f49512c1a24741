"""What every finished result of the client has: an id, a digest, and its document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from relu_landscape_client import _files, _frames
from relu_landscape_client._decode import Document


class Sealed:
    """A result: equal where id and digest are, and pickled as its document."""

    id: str
    digest: str
    request: Mapping[str, Any]
    document: Document

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Read a result; each kind says how."""
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_document, (self.document,)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return (self.id, self.digest) == (other.id, other.digest)

    def __hash__(self) -> int:
        return hash((self.id, self.digest))

    @property
    def _origin(self) -> dict[str, Any]:
        """What a table says of where it comes from."""
        return {"id": self.id, "digest": self.digest, "request": self.request}

    def to_json(self, path: str | Path | None = None) -> str:
        """The whole result as strict JSON text (NaN as null), also written to ``path``."""
        return _files.write_json(self.document, path)


class Tabular(Sealed):
    """A result with one table, of these columns."""

    _columns: ClassVar[_frames.Columns]

    def _rows(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def to_parquet(self, path: str | Path) -> None:
        """The table of ``to_dataframe`` in Parquet (the extra ``parquet``), with id, digest and
        request as its metadata."""
        _frames.write_parquet(path, self._rows(), self._columns, self._origin)
