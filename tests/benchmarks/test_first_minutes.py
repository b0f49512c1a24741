"""What the benchmark of the first minutes asks is what the README tells people to ask."""

from __future__ import annotations

import pytest

from benchmarks.first_minutes import first_question
from tests.house.repository import ROOT


def test_it_asks_the_readme_s_first_question() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert first_question(readme) == "/v1/landscape?student_width=7&teacher_width=7"
    with pytest.raises(SystemExit, match="no curl"):
        first_question("curl localhost:9000/elsewhere")
