"""The array namespaces on which every kernel is tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat
import array_api_compat.numpy
import array_api_strict
import numpy as np
import pytest

from tests.service.engine.oracles import Real


@dataclass(frozen=True)
class Backend:
    """``asarray`` puts doubles into the namespace, ``to_numpy`` brings them back."""

    name: str
    xp: Any
    asarray: Callable[[Any], Any]
    to_numpy: Callable[[Any], Real]

    def check_kind(self, result: Any, like: Any) -> None:
        """The result belongs to the namespace and device of ``like`` and has its dtype."""
        assert array_api_compat.array_namespace(result) is array_api_compat.array_namespace(like)
        assert result.dtype == like.dtype
        assert array_api_compat.device(result) == array_api_compat.device(like)


def _read_only(values: Any) -> Real:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def _from_strict(array: Any) -> Real:
    return np.asarray(np.from_dlpack(array), dtype=np.float64)


@pytest.fixture(params=["numpy", "numpy-read-only", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "numpy":
        return Backend("numpy", array_api_compat.numpy, np.array, np.asarray)
    if request.param == "numpy-read-only":
        return Backend("numpy-read-only", array_api_compat.numpy, _read_only, np.asarray)
    return Backend("strict", array_api_strict, array_api_strict.asarray, _from_strict)
