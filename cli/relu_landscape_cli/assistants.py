"""``relu-landscape mcp``: what a server answers, as tools for assistants (Model Context Protocol).

Over standard input and output, as assistants start such programs. A tool asks the server through
the client; the atlas comes with the client and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import relu_landscape
from relu_landscape.errors import ConfigurationError
from relu_landscape_cli.exits import code_of, reporting
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
    except ImportError as error:
        raise ConfigurationError("this needs mcp: pip install 'relu-landscape[mcp]'") from error
    offered: MCPServer[Any] = MCPServer(
        "relu-landscape", instructions=_PURPOSE, version=relu_landscape.__version__,
        log_level="WARNING",
    )  # fmt: skip
    asked = Tools(server, api_key)
    for each in (asked.landscape, asked.locate, asked.family, asked.atlas):
        offered.tool(structured_output=False)(each)
    return offered


def _told(question: Callable[[], Answer]) -> Answer:
    """The answer; an error that was foreseen is told to the assistant in its sentence."""
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        return question()
    except Exception as error:
        if code_of(error) is None:
            raise
        raise ToolError(str(error)) from error


@dataclass(frozen=True)
class Tools:
    """What an assistant may ask of one server; the words below each are what it reads of it."""

    server: str
    api_key: str | None

    def landscape(
        self, student_width: int, teacher_width: int, starts: int = 1000, seed: int = 0,
        saddles: bool = False, certify: str = "none",
    ) -> dict[str, Any]:  # fmt: skip
        """Minima (with ``saddles`` also saddles) of a student fitting a teacher with orthonormal
        units: loss, structure, orbit size, share of random starts. certify: none, fast, strict.
        Small widths take seconds, 20 and more minutes; the same question is answered at once.
        """
        options: Any = {"starts": starts, "seed": seed, "saddles": saddles, "certify": certify}

        def ask() -> dict[str, Any]:
            with connect(self.server, self.api_key) as client:
                found = client.landscape(student_width, teacher_width, progress=False, **options)
            return _shortened(found.document)

        return _told(ask)

    def locate(self, weights: list[list[float]], teacher: list[list[float]]) -> dict[str, Any]:
        """Where a network of yours stands, and where gradient flow takes it: ``weights`` (K, d),
        one row per unit, ``teacher`` (M, d) likewise.
        """

        def ask() -> dict[str, Any]:
            import numpy as np

            with connect(self.server, self.api_key) as client:
                found = client.locate(np.array(weights), np.array(teacher), progress=False)
            return _shortened(found.document)

        return _told(ask)

    def family(
        self, structure: str, student_width: int, teacher_width: int, leak: float = 0.0
    ) -> dict[str, Any]:
        """A symmetric family of fixed points, such as 1+6 or one-anti-aligned, at any width up to
        10^9: loss, spectrum and stability. ``leak``: of leaky ReLU, -0.9 to 0.9.
        """

        def ask() -> dict[str, Any]:
            with connect(self.server, self.api_key) as client:
                found = client.family(student_width, teacher_width, structure, leak=leak)
            return _shortened(found.document)

        return _told(ask)

    def atlas(self, student_width: int, teacher_width: int) -> dict[str, Any]:
        """What is known of these widths from many random starts, computed beforehand."""

        def look() -> dict[str, Any]:
            from relu_landscape_client import atlas as installed

            for cell in installed().document["cells"]:
                if (cell["student_width"], cell["teacher_width"]) == (student_width, teacher_width):
                    return _shortened(cell)
            raise KeyError(f"the atlas has no {student_width} students of {teacher_width} teachers")

        return _told(look)


def _shortened(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without what is long, at any depth."""
    return {name: _short(each) for name, each in document.items() if name not in _LEFT_OUT}


def _short(part: Any) -> Any:
    if isinstance(part, dict):
        return _shortened(part)
    return [_short(each) for each in part] if isinstance(part, list) else part
