"""``relu-landscape mcp``: what a server answers, as tools for assistants (Model Context Protocol).

Over standard input and output, as assistants start such programs. A tool asks the server through
the client; the atlas comes with the client and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import relu_landscape
from relu_landscape.errors import ConfigurationError
from relu_landscape_cli.exits import reporting
from relu_landscape_cli.remote import DEFAULT_SERVER, ApiKey, Server, connect

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

Answer = TypeVar("Answer")

_PURPOSE = (
    "Loss landscapes of two-layer ReLU networks with Gaussian inputs in the teacher-student "
    "setting: minima, saddles, their losses, spectra, symmetries and how often random starts end "
    "there. Losses are expected losses, 1/2 of the mean squared difference of the two outputs."
)
#: What an assistant cannot read anyway, and what would fill its memory: matrices and coefficients.
_LEFT_OUT = frozenset({"overlaps", "details", "certificate", "eigenvalues", "weights", "Q", "R"})


def mcp(server: Server = DEFAULT_SERVER, api_key: ApiKey = None) -> None:
    """Offer landscape, locate, family and atlas to an assistant, over standard input and output.

    Needs pip install 'relu-landscape[mcp]'. Runs until its input ends.
    """
    with reporting(as_json=False):
        tools(server, api_key).run("stdio")


def tools(server: str, api_key: str | None) -> MCPServer[Any]:
    """The four tools. Raises ``ConfigurationError`` where the SDK is not installed."""
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    except ImportError as error:
        raise ConfigurationError("this needs mcp: pip install 'relu-landscape[mcp]'") from error
    offered: MCPServer[Any] = MCPServer(
        "relu-landscape", instructions=_PURPOSE, version=relu_landscape.__version__,
        log_level="WARNING",
    )  # fmt: skip

    def told(question: Callable[[], Answer]) -> Answer:
        """The answer; an error that was foreseen is told to the assistant in its sentence."""
        from relu_landscape_cli.exits import code_of

        try:
            return question()
        except Exception as error:
            if code_of(error) is None:
                raise
            raise ToolError(str(error)) from error

    def landscape(
        student_width: int, teacher_width: int, starts: int = 1000, seed: int = 0,
        saddles: bool = False, certify: str = "none",
    ) -> dict[str, Any]:  # fmt: skip
        """Minima (with ``saddles`` also saddles) of a student fitting a teacher with orthonormal
        units: loss, structure, orbit size, share of random starts. certify: none, fast, strict.
        Small widths take seconds, 20 and more minutes; the same question is answered at once.
        """
        asked = {"starts": starts, "seed": seed, "saddles": saddles, "certify": certify}

        def ask() -> dict[str, Any]:
            with connect(server, api_key) as client:
                found = client.landscape(
                    student_width,
                    teacher_width,
                    progress=False,
                    **asked,  # type: ignore[arg-type]
                )
            return _shortened(found.document)

        return told(ask)

    def locate(weights: list[list[float]], teacher: list[list[float]]) -> dict[str, Any]:
        """Where a network of yours stands, and where gradient flow takes it: ``weights`` (K, d),
        one row per unit, ``teacher`` (M, d) likewise.
        """

        def ask() -> dict[str, Any]:
            import numpy as np

            with connect(server, api_key) as client:
                found = client.locate(np.array(weights), np.array(teacher), progress=False)
            return _shortened(found.document)

        return told(ask)

    def family(structure: str, student_width: int, teacher_width: int) -> dict[str, Any]:
        """A symmetric family of fixed points, such as 1+6 or one-anti-aligned, at any width up to
        10^9: loss, spectrum and stability.
        """

        def ask() -> dict[str, Any]:
            with connect(server, api_key) as client:
                return _shortened(client.family(student_width, teacher_width, structure).document)

        return told(ask)

    def atlas(student_width: int, teacher_width: int) -> dict[str, Any]:
        """What is known of these widths from many random starts, computed beforehand."""

        def look() -> dict[str, Any]:
            from relu_landscape_client import atlas as installed

            document = installed().document
            for cell in document["cells"]:
                if (cell["student_width"], cell["teacher_width"]) == (student_width, teacher_width):
                    return _shortened(cell)
            raise KeyError(f"the atlas has no {student_width} students of {teacher_width} teachers")

        return told(look)

    for each in (landscape, locate, family, atlas):
        offered.tool(structured_output=False)(each)
    return offered


def _shortened(document: Any) -> Any:
    """The document without what is long, at any depth."""
    if isinstance(document, dict):
        return {name: _shortened(each) for name, each in document.items() if name not in _LEFT_OUT}
    return [_shortened(each) for each in document] if isinstance(document, list) else document
