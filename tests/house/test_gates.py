"""Which tests are left out where, and what continuous integration makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.house import ci_report, validation_table
from tests.house.gates import NO_GPU, NOT_ASKED, reason_to_skip
from tests.house.repository import ROOT


def nothing(program: str) -> None:
    return None


def everything(program: str) -> str:
    return program


GATES = ["slow", "acceptance", "gpu", "netns", "page", "external_redis"]


@pytest.mark.parametrize("marker", GATES)
def test_a_bare_machine_skips_and_says_why(marker: str) -> None:
    reason = reason_to_skip({marker}, {}, which=nothing, has_gpu=lambda: False)
    assert reason is not None
    assert reason_to_skip(set(), {}, which=nothing, has_gpu=lambda: False) is None


@pytest.mark.parametrize("marker", GATES)
def test_a_full_run_on_a_full_machine_skips_nothing(marker: str) -> None:
    environment = {"RELU_LANDSCAPE_LONG": "1", "RELU_LANDSCAPE_NETNS": "1"}
    assert reason_to_skip({marker}, environment, which=everything, has_gpu=lambda: True) is None


def test_acceptance_can_be_asked_for_alone() -> None:
    environment = {"RELU_LANDSCAPE_ACCEPTANCE": "1"}
    assert reason_to_skip({"acceptance"}, environment, which=nothing) is None
    assert reason_to_skip({"acceptance", "slow"}, environment, which=nothing) is not None


#: A suite with one test per way of skipping; run by a real pytest, so that its report is real too.
SUITE = {
    "page/test_shown.py": "import pytest\n@pytest.mark.skip(reason='no browser (apt)')\n"
    "def test_a(): 0",
    "page/test_whole.py": "import pytest\npytest.skip('no browser here', allow_module_level=True)",
    "service/jobs/test_store.py": "import pytest\ndef test_b(): pytest.skip('no redis')",
    "service/jobs/test_long.py": f"import pytest\n@pytest.mark.skip(reason={NOT_ASKED + 'x'!r})\n"
    "def test_c(): 0",
    "service/engine/test_gpu.py": f"import pytest\n@pytest.mark.skip(reason={NO_GPU + 'x'!r})\n"
    "def test_d(): 0",
    "service/engine/test_other.py": "import pytest\ndef test_e(): pytest.importorskip('no_such')\n"
    "@pytest.mark.xfail\ndef test_f(): assert 0\ndef test_g(): 0",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n")
    for name, source in SUITE.items():
        path = folder / "tests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for package in [path.parent, *path.parent.parents]:
            if package.is_relative_to(folder / "tests"):
                (package / "__init__.py").touch()
        path.write_text(source)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "--junitxml=report.xml"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "report.xml"


def test_every_way_of_skipping_is_read(report: Path) -> None:
    skips = {
        skip.test: skip.reason for skip in ci_report.skipped(ElementTree.parse(report).getroot())
    }
    assert skips == {
        "tests.page.test_shown.test_a": "no browser (apt)",
        "tests.page.test_whole": "no browser here",
        "tests.service.jobs.test_store.test_b": "no redis",
        "tests.service.jobs.test_long.test_c": NOT_ASKED + "x",
        "tests.service.engine.test_gpu.test_d": NO_GPU + "x",
        "tests.service.engine.test_other.test_e":
            "could not import 'no_such': No module named 'no_such'",
    }  # fmt: skip


def test_integration_refuses_what_could_have_run(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coverage = tmp_path / "coverage.json"
    coverage.write_text(json.dumps({"summary": {"covered_branches": 90, "missing_branches": 30}}))
    assert ci_report.main(str(report), str(coverage)) == 1
    printed = capsys.readouterr()
    assert "branch coverage: 75.0 % (90 of 120 branches)" in printed.out
    refused = [line.split()[5] for line in printed.err.splitlines()]
    assert refused == [
        "tests.page.test_whole", "tests.page.test_shown.test_a",
        "tests.service.jobs.test_store.test_b",
    ]  # fmt: skip


def test_integration_accepts_a_run_without_such_skips(report: Path, tmp_path: Path) -> None:
    tree = ElementTree.parse(report)
    (suite,) = tree.getroot().iter("testsuite")
    for case in list(suite):
        if (
            "page" in case.get("classname", "") + case.get("name", "")
            or case.get("name") == "test_b"
        ):
            suite.remove(case)
    tree.write(tmp_path / "rest.xml")
    (tmp_path / "coverage.json").write_text(
        '{"summary": {"covered_branches": 0, "missing_branches": 0}}'
    )
    assert ci_report.main(str(tmp_path / "rest.xml"), str(tmp_path / "coverage.json")) == 0


def test_an_acceptance_test_reports_its_rows_and_its_memory(tmp_path: Path) -> None:
    # Our own settings, reports and warnings included.
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "conftest.py").write_text(
        "from tests.conftest import _peak_memory, pytest_collection_modifyitems, validation_row\n"
    )
    (tmp_path / "test_case.py").write_text(
        "import pytest\n"
        "@pytest.mark.acceptance\n"
        "def test_case(validation_row):\n"
        "    held = b'x' * 2**28\n"
        "    validation_row('loss', 0.5, 0.25)\n"
    )
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--junitxml=report.xml", "test_case.py"],
        cwd=tmp_path, check=True, capture_output=True,
        env={"RELU_LANDSCAPE_ACCEPTANCE": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    (line,) = validation_table.rows(ElementTree.parse(tmp_path / "report.xml").getroot())
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells[:5] == ["case", "loss", "0.5", "0.25", "yes"]
    # 256 MiB were held; an interpreter with pytest takes well below as much again.
    assert not Path("/proc/self/clear_refs").exists() or 256 <= int(cells[6]) < 512


def test_validation_table_has_a_line_per_row(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase name="test_width_six[a|b]" time="12.34"><properties>'
        '<property name="row" value=\'["loss", "0.1", "0.1"]\'/>'
        '<property name="row" value=\'["hits", "61", "60"]\'/>'
        '<property name="peak_mib" value="210"/></properties></testcase>'
        '<testcase name="test_bad" time="1"><properties>'
        '<property name="row" value=\'["loss", "0.1", "0.2"]\'/></properties><failure/></testcase>'
        '<testcase name="test_quiet" time="1"/></testsuite></testsuites>'
    )
    document = tmp_path / "validation.md"
    assert validation_table.main(str(report), str(document)) == 0
    lines = document.read_text().splitlines()
    first = lines.index("|---|---|---|---|---|---|---|") + 1
    assert lines[first : first + 3] == [
        "| width six[a\\|b] | loss | 0.1 | 0.1 | yes | 12.3 | 210 |",
        "|  | hits | 61 | 60 | yes |  |  |",
        "| bad | loss | 0.1 | 0.2 | no | 1.0 |  |",
    ]


def test_validation_table_of_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text("<testsuites/>")
    assert validation_table.main(str(tmp_path / "report.xml"), str(tmp_path / "x.md")) == 1
    assert not (tmp_path / "x.md").exists()
