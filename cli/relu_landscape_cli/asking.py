"""What a landscape can be asked with: the options that ``solve`` and ``submit`` share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer


def _gram(text: str) -> list[list[float]]:
    try:
        return [[float(entry) for entry in row.split(",")] for row in text.split(";")]
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no matrix such as '1,0.3;0.3,1'") from error


def _rates(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a list of numbers such as 0.05,0.1") from error


def _layer(text: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter("numbers with commas, such as 1,1,-1") from error


class Precision(StrEnum):
    """Arithmetic of gradient flow."""

    DOUBLE = "float64"
    SINGLE = "float32"


class Rule(StrEnum):
    """How students move."""

    GRADIENT_FLOW = "gradient_flow"
    GRADIENT_DESCENT = "gradient_descent"
    NORMALISED = "normalised"
    ORTHONORMALISED = "orthonormalised"
    TWO_LAYER = "two_layer"


class Certify(StrEnum):
    """Proofs to ask for."""

    NONE = "none"
    FAST = "fast"
    STRICT = "strict"


StudentWidth = Annotated[
    int, typer.Argument(metavar="STUDENT", help="How many ReLU units the student has.")
]
TeacherWidth = Annotated[
    int, typer.Argument(metavar="TEACHER", help="How many ReLU units the teacher has.")
]
Layer = Annotated[
    Any,  # what ``parser`` makes of a text; a list of floats would be an option to repeat
    typer.Option(
        parser=_layer, metavar="A,B,...", show_default="all 1", help="Fixed second layer."
    ),
]  # fmt: skip
Starts = Annotated[
    int | None,
    typer.Option(help="Random starts; 0 is the structured search alone.", show_default="1000"),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Start number n depends on (seed, n) alone.", show_default="0"),
]
InputDimension = Annotated[
    int | None, typer.Option(help="Dimension of the Gaussian inputs.", show_default="1000")
]
InitScale = Annotated[
    float | None, typer.Option(help="Norm of each student unit at the start.", show_default="1.0")
]
FlowTolerance = Annotated[
    float | None,
    typer.Option(help="Local error of the gradient flow's integrator.", show_default="0.001"),
]
Arithmetic = Annotated[
    Precision | None,
    typer.Option(
        "--precision", help="Of paths until they come near their ends; float32 is faster.",
        show_default="float64",
    ),
]  # fmt: skip
Leak = Annotated[
    float | None,
    typer.Option(
        help="Slope below zero of the activation, leaky ReLU: -0.9 to 0.9.", show_default="0"
    ),
]
Structured = Annotated[
    bool | None,
    typer.Option(
        "--structured/--sampled",
        help="Search symmetric families besides random starts, or do not.",
        show_default="structured",
    ),
]
Structures = Annotated[
    list[str] | None,
    typer.Option(
        help="A structure to search, such as 1+6; may be repeated.", show_default="the usual set"
    ),
]
Saddles = Annotated[
    bool | None,
    typer.Option(
        "--saddles/--no-saddles", help="Search saddles too, and the minima that each joins.",
        show_default="no-saddles",
    ),
]  # fmt: skip
Widen = Annotated[
    bool | None,
    typer.Option(
        "--widen/--no-widen", help="Say what one more student does at each point.",
        show_default="no-widen",
    ),
]  # fmt: skip
LearningRates = Annotated[
    Any,  # what ``parser`` makes of a text; a list of floats would be an option to repeat
    typer.Option(
        parser=_rates,
        metavar="A,B,...",
        help="Learning rates of SGD, such as 0.05,0.1: what each does to the minima.",
        show_default="none",
    ),
]
TeacherGram = Annotated[
    Any,  # as above
    typer.Option(
        parser=_gram,
        metavar="ROW;ROW;...",
        help="Gram matrix of the teacher, rows of numbers with commas: '1,0.3;0.3,1'.",
        show_default="orthonormal",
    ),
]
StartLayer = Annotated[
    float | None,
    typer.Option(help="two_layer: second layer at the start.", show_default="balanced"),
]
Proofs = Annotated[
    Certify | None,
    typer.Option("--certify", help="Computer-assisted proofs to add.", show_default="none"),
]


def options(**given: Any) -> dict[str, Any]:
    """The fields of a request that were given; the rest takes the service's defaults."""
    return {
        name: value.value if isinstance(value, StrEnum) else value
        for name, value in given.items()
        if value is not None
    }
