"""Networks of any library as arrays, and a question about them as a NumPy archive.

Nothing is imported that the caller has not: what can ``detach`` is a tensor, what has ``items`` a
``state_dict``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape_client import _decode
from relu_landscape_client.errors import RequestRefused

#: Options that are arrays: matrices, and the second layers, as K numbers or as PyTorch has them.
_MATRICES = ("teacher_gram", "Q", "R")
_LAYERS = ("second_layer", "teacher_second_layer")


def archive(weights: Any, teacher: Any, options: Mapping[str, Any]) -> bytes:
    """The body of a request: equal questions give equal bytes. Raises ``RequestRefused``."""
    given = {"weights": weights, "teacher": teacher}
    given |= {name: options.get(name) for name in _MATRICES}
    arrays = {name: network(name, each) for name, each in given.items() if each is not None}
    layers = {name: options[name] for name in _LAYERS if options.get(name) is not None}
    arrays |= {name: np.ravel(network(name, layer)) for name, layer in layers.items()}
    for name, first in zip(_LAYERS, ("weights", "teacher"), strict=True):
        signs = None if given[first] is None else _signs(given[first])
        if signs is not None and name in arrays:
            raise _refused(name, f"the state_dict of {first} has a second layer of its own")
        if signs is not None:
            arrays[name] = signs
    others = {n: each for n, each in options.items() if n not in (*_MATRICES, *_LAYERS)}
    text = _decode.strict_json(_decode.plain(dict(sorted(others.items()))))
    buffer = io.BytesIO()
    # Not compressed: digits of weights are noise, which zlib only reads slowly.
    np.savez(buffer, allow_pickle=False, options=np.array(text), **arrays)
    return buffer.getvalue()


def network(name: str, given: Any) -> NDArray[Any]:
    """The first layer of a network: an array (K, d), or whatever else is real numbers.

    A ``state_dict`` (a mapping of names to arrays or tensors) must be that of a network with one
    hidden layer: one matrix (K, d), or two of which the second is (1, K). Sizes of the second
    layer's weights are folded into the first, a ReLU(w.x) = sign(a) ReLU(|a| w.x); where some are
    negative, ``archive`` sends the signs beside. Biases must be zero: the service knows networks
    without. Raises ``RequestRefused``.
    """
    array = _folded(name, given) if hasattr(given, "items") else _plain(given)
    if array.dtype.kind not in "iuf":
        raise _refused(name, f"numbers of type {array.dtype} are not real numbers")
    return array


def _plain(given: Any) -> NDArray[Any]:
    if hasattr(given, "detach"):
        given = given.detach().cpu().numpy()
    try:
        return np.asarray(given)
    except ValueError as error:  # rows of different lengths
        raise RequestRefused(0, "Not sent", f"an array cannot be made of it: {error}") from error


def _folded(name: str, state: Mapping[str, Any]) -> NDArray[Any]:
    layers = []
    for key, value in state.items():
        array = _plain(value)
        if array.ndim == 2:
            layers.append((key, array))
        elif np.any(array != 0):
            raise _refused(name, f"{key} is no matrix and not zero; biases are not known here")
    shapes = ", ".join(f"{key} {array.shape}" for key, array in layers)
    if len(layers) not in (1, 2):
        raise _refused(name, f"one or two matrices are needed, and there are: {shapes or 'none'}")
    first = layers[0][1]
    if len(layers) == 1:
        return first
    key, second = layers[1]
    if second.shape != (1, len(first)):
        raise _refused(name, f"the second layer must be (1, {len(first)}): {shapes}")
    if not np.all(second):
        raise _refused(name, f"{key} has a zero: such a unit adds nothing, so leave it out")
    return np.asarray(first * np.abs(second.T))


def _signs(given: Any) -> NDArray[Any] | None:
    """Signs (K,) of the second layer of a ``state_dict`` that was taken; None: none is negative."""
    if not hasattr(given, "items"):
        return None
    layers = [array for array in map(_plain, given.values()) if array.ndim == 2]
    if len(layers) == 1 or np.all(layers[1] > 0):
        return None
    return np.asarray(np.sign(np.ravel(layers[1])), dtype=np.float64)


def _refused(name: str, reason: str) -> RequestRefused:
    return RequestRefused(0, "Not sent", f"{name}: {reason}")
