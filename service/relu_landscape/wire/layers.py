"""Fixed second layers: weights of students and teachers, of any sign."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat

from relu_landscape.errors import RequestError
from relu_landscape.wire.requests import LARGEST_WIDTH

#: Second-layer weights; the loss has their square as its unit.
SMALLEST_WEIGHT, LARGEST_WEIGHT = 1e-3, 1e3
#: Weights of a student network at an end, whose Hessian has their square: 0.5 GB of doubles.
LARGEST_END = 4096

Weight = Annotated[FiniteFloat, Field(ge=-LARGEST_WEIGHT, le=LARGEST_WEIGHT)]
Layer = Annotated[tuple[Weight, ...], Field(min_length=1, max_length=LARGEST_WIDTH)]


def check_layer(name: str, layer: tuple[float, ...] | None, width: int) -> None:
    """Raise ``RequestError`` where a layer has not this width, or a weight that is nearly zero."""
    if layer is not None and (len(layer) != width or min(map(abs, layer)) < SMALLEST_WEIGHT):
        raise RequestError(
            name, list(layer), f"{width} numbers of size {SMALLEST_WEIGHT:g} or more"
        )
