"""A landscape as others show it: LaTeX, HTML in a notebook, BibTeX, a graph of networkx."""

from __future__ import annotations

import html as escaping
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from relu_landscape_client._ladder import COLOURS, group, percent
from relu_landscape_client.disconnectivity import Disconnectivity
from relu_landscape_client.errors import MissingExtra
from relu_landscape_client.points import FixedPoint, FixedPoints

if TYPE_CHECKING:
    import networkx as nx

WIDTH, HEIGHT, MARGIN = 360, 130, 18
#: Rows of the table that a notebook shows.
MOST_ROWS = 12
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


class Shown(Protocol):
    """What is shown of a landscape; ``results.Landscape`` has it."""

    @property
    def id(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def request(self) -> Mapping[str, Any]: ...
    @property
    def provenance(self) -> Mapping[str, Any]: ...
    @property
    def fixed_points(self) -> FixedPoints: ...
    @property
    def student_width(self) -> int: ...
    @property
    def teacher_width(self) -> int: ...


def widths(landscape: Shown) -> str:
    """The widths in words.

    >>> from types import SimpleNamespace
    >>> widths(SimpleNamespace(student_width=1, teacher_width=2))
    '1 student unit, 2 teacher units'
    """
    return ", ".join(
        f"{count} {whose} unit{'s' * (count != 1)}"
        for count, whose in (
            (landscape.student_width, "student"),
            (landscape.teacher_width, "teacher"),
        )
    )


def latex(landscape: Shown, caption: str | None) -> str:
    """A table with a line per fixed point; ``caption`` is taken as LaTeX, None: the widths."""
    told = caption if caption is not None else (
        f"Fixed points for {widths(landscape)} "
        f"(relu-landscape {tex(str(landscape.provenance.get('version', '')))}, "
        rf"digest \texttt{{{landscape.digest[:12]}}})."
    )  # fmt: skip
    rows = [
        " & ".join(
            (tex(point.key), tex(point.kind.replace("_", " ")), _number(point.loss),
             str(point.stability.index), _number(point.stability.min_eigenvalue_span),
             _chance(point), tex(point.structure.name))
        ) + r" \\"
        for point in landscape.fixed_points
    ]  # fmt: skip
    return "\n".join(
        [r"\begin{table}", r"  \centering", rf"  \caption{{{told}}}",
         r"  \begin{tabular}{llrrrll}", r"    \toprule",
         r"    & kind & loss & index & smallest eigenvalue & probability & structure \\",
         r"    \midrule", *(f"    {row}" for row in rows),
         r"    \bottomrule", r"  \end{tabular}", r"\end{table}", ""]
    )  # fmt: skip


def tex(text: str) -> str:
    r"""Text in which no character means anything to LaTeX.

    >>> tex("50% of m_1")
    '50\\% of m\\_1'
    """
    return "".join(_TEX.get(each, each) for each in text)


def _number(value: float) -> str:
    """Eight digits; powers of ten as LaTeX writes them.

    >>> _number(0.0125), _number(-3e-09), _number(float("nan"))
    ('0.0125', '$-3 \\\\times 10^{-9}$', '--')
    """
    if math.isnan(value):
        return "--"
    mantissa, _, exponent = f"{value:.8g}".partition("e")
    if exponent:
        return rf"${mantissa} \times 10^{{{int(exponent)}}}$"
    return mantissa if value >= 0.0 else f"${mantissa}$"


def _chance(point: FixedPoint) -> str:
    if point.attraction is None:
        return "--"
    low, high = point.attraction.interval_95
    return f"{point.probability:.4f} ({low:.4f} to {high:.4f})"


def bibtex(landscape: Shown) -> str:
    """This result, by id and digest, and the paper."""
    made = landscape.provenance
    asked = ", ".join(
        f"{name} {landscape.request[name]}"
        for name in ("starts", "seed", "input_dimension", "leak")
        if name in landscape.request
    )
    note = tex(
        f"{asked}; relu-landscape {made.get('version', '')}, algorithm {made.get('algorithm', '')}"
    )
    return f"""@misc{{relu-landscape-{landscape.digest[:12]},
  author = {{{{The relu-landscape developers}}}},
  title  = {{Loss landscape of {widths(landscape)}}},
  note   = {{{note}. Content id {landscape.id}, SHA-256 of the result {landscape.digest}}}
}}

@inproceedings{{huang2026sharp,
  author        = {{Huang and Loureiro, Bruno and Sarao Mannelli, Stefano}},
  title         = {{Sharp description of local minima in the loss landscape of high-dimensional
                   two-layer {{ReLU}} neural networks}},
  booktitle     = {{International Conference on Machine Learning}},
  year          = {{2026}},
  eprint        = {{2604.09412}},
  archiveprefix = {{arXiv}}
}}
"""


def graph(tree: Disconnectivity) -> nx.DiGraph[str]:
    """Joins point to what they join."""
    try:
        import networkx as nx
    except ImportError as error:
        raise MissingExtra("networkx", "graphs") from error
    made: nx.DiGraph[str] = nx.DiGraph()
    for leaf in tree.leaves:
        made.add_node(leaf.key, kind="minimum", loss=leaf.loss)
    for node in tree.nodes:
        made.add_node(node.key, kind="join", loss=node.level, saddle=node.saddle)
    made.add_edges_from((node.key, child) for node in tree.nodes for child in node.children)
    return made


def html(landscape: Shown) -> str:
    """A heading, a ladder, and the first rows of the table."""
    points = list(landscape.fixed_points)
    heads = ("", "kind", "loss", "index", "probability", "structure")
    rows = "".join(
        "<tr>" + "".join(f"<td>{escaping.escape(cell)}</td>" for cell in _cells(point)) + "</tr>"
        for point in points[:MOST_ROWS]
    )
    rest = len(points) - MOST_ROWS
    more = f"<p>and {rest} more; to_dataframe() has all</p>" if rest > 0 else ""
    return (
        f"<div><p><b>{widths(landscape)}</b>: {len(points)} fixed points</p>"
        f"{ladder(points)}<table><thead><tr>"
        + "".join(f"<th>{head}</th>" for head in heads)
        + f"</tr></thead><tbody>{rows}</tbody></table>{more}</div>"
    )


def _cells(point: FixedPoint) -> tuple[str, ...]:
    chance = "" if point.attraction is None else f"{point.probability:.4g}"
    return (point.key, point.kind.replace("_", " "), f"{point.loss:.8g}",
            str(point.stability.index), chance, point.structure.name)  # fmt: skip


def ladder(points: Sequence[FixedPoint]) -> str:
    """Loss against probability, as inline SVG with ``plot``'s axes; nothing without points."""
    if not points:
        return ""
    highest = max(point.loss for point in points) or 1.0
    begin = 2 * MARGIN  # saddles left of it: no start ends there
    discs = []
    for point in points:
        chance = percent(point) / 100.0
        across = begin + chance * (WIDTH - MARGIN - begin)
        if point.kind == "saddle":
            across = MARGIN
        down = HEIGHT - MARGIN - point.loss / highest * (HEIGHT - 2 * MARGIN)
        title = escaping.escape(f"{point.key}: loss {point.loss:.8g}, probability {chance:.4g}")
        discs.append(
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{3 + 6 * math.sqrt(chance):.1f}" '
            f'fill="{COLOURS[group(point)]}" fill-opacity="0.8"><title>{title}</title></circle>'
        )
    floor = HEIGHT - MARGIN
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" '
        'aria-label="loss of each fixed point against its probability">'
        f'<path d="M{begin} {MARGIN / 2}V{floor}H{WIDTH - MARGIN}" fill="none" stroke="#888"/>'
        + "".join(discs)
        + f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 4}" font-size="10" text-anchor="end" '
        f'fill="#888">probability, to 1</text>'
        f'<text x="{begin + 4}" y="12" font-size="10" fill="#888">loss, to {highest:.4g}</text>'
        "</svg>"
    )
