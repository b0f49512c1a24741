"""A landscape in LaTeX, HTML, BibTeX and as a graph."""

from __future__ import annotations

import html.parser
import sys

import pytest

from relu_landscape_client import Landscape, MissingExtra
from relu_landscape_client.presenting import MOST_ROWS, tex
from tests.clients.samples import document, fixed_point


@pytest.fixture(name="landscape")
def _landscape() -> Landscape:
    return Landscape.from_document(document())


def test_latex_has_a_line_per_point(landscape: Landscape) -> None:
    lines = landscape.to_latex().splitlines()
    rows = [line for line in lines if line.endswith(r"\\")][1:]
    assert len(rows) == len(landscape.fixed_points)
    assert all(row.count("&") == 6 for row in rows)
    assert rows[1].startswith("    m2 & minimum & 0.0125 & 0 & 0.125 & ")
    assert rows[2].split(" & ")[4] == "$-0.0204$"
    assert landscape.digest[:12] in landscape.to_latex()
    assert r"\caption{Ours}" in landscape.to_latex(caption="Ours")


def test_nothing_means_anything_to_latex() -> None:
    assert tex(r"a_b 5% {x} \ ~^$#&") == (
        r"a\_b 5\% \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{}\$\#\&"
    )


class Tags(html.parser.HTMLParser):
    """Counts tags, and sees that each that is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        self.seen.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_notebook_shows_a_ladder_and_a_table(landscape: Landscape) -> None:
    tags = Tags()
    tags.feed(landscape._repr_html_())
    assert tags.open == []
    assert tags.seen.count("circle") == len(landscape.fixed_points)
    assert tags.seen.count("tr") == len(landscape.fixed_points) + 1
    assert "2 student units, 2 teacher units" in landscape._repr_html_()


def test_a_long_table_is_cut_and_a_hostile_name_is_text() -> None:
    points = [fixed_point(f"m{number}", 0.01 * number) for number in range(1, MOST_ROWS + 4)]
    told = points[0].structure.model_copy(update={"name": "<script>"})
    points[0] = points[0].model_copy(update={"structure": told})
    shown = Landscape.from_document(document(fixed_points=points))._repr_html_()
    assert "<script>" not in shown
    assert "and 3 more" in shown
    empty = Landscape.from_document(document(fixed_points=[]))
    assert "<svg" not in empty._repr_html_()


def test_bibtex_names_the_very_result(landscape: Landscape) -> None:
    entry = landscape.to_bibtex()
    assert entry.count("@") == 2
    assert entry.count("{") == entry.count("}")
    assert landscape.digest in entry
    assert landscape.id in entry


def test_the_graph_points_downwards(landscape: Landscape) -> None:
    graph = landscape.to_networkx()
    (join,) = [name for name, told in graph.nodes.items() if told["kind"] == "join"]
    assert graph.nodes[join]["saddle"] == "s1"
    assert {child: graph.nodes[child]["loss"] for child in graph.successors(join)} == {
        "m1": 0.0, "m2": 0.0125,
    }  # fmt: skip
    with pytest.raises(ValueError, match="saddles=True"):
        Landscape.from_document(document(disconnectivity=None)).to_networkx()


def test_a_graph_without_networkx_says_what_to_install(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(MissingExtra, match="graphs"):
        landscape.to_networkx()
