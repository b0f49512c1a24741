"""The files of docs/deploy: units, script and manifests that agree with the service and compose."""

from __future__ import annotations

import configparser
import shlex
import stat
import subprocess
import sys
from typing import Any

import pytest
import yaml

from relu_landscape_api.settings import ApiSettings
from tests.house.repository import ROOT

DEPLOY = ROOT / "docs" / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
PREFIX = "RELU_LANDSCAPE_"


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def containers() -> dict[str, dict[str, Any]]:
    """Every container of the manifests by its name."""
    found = {}
    for each in manifests():
        if each["kind"] in ("Deployment", "StatefulSet"):
            [container] = each["spec"]["template"]["spec"]["containers"]
            found[container["name"]] = container
    return found


def unit(path: Any) -> configparser.RawConfigParser:
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(path.read_text())
    return parsed


def settings() -> set[str]:
    return {PREFIX + name.upper() for name in ApiSettings.model_fields}


def test_every_file_is_named_in_the_overview() -> None:
    overview = (DEPLOY / "README.md").read_text()
    for path in DEPLOY.iterdir():
        assert path.name in overview or path.name == "README.md"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_there_is(path: Any) -> None:
    service = unit(path)["Service"]
    program, command, *options = shlex.split(service["ExecStart"])
    assert program.startswith("/opt/relu-landscape/bin/")
    assert service["Restart"] == "always"
    tool = program.rpartition("/")[2]
    module = {"dask": "dask", "relu-landscape": "relu_landscape_cli.main"}[tool]
    asked = [sys.executable, "-m", module]
    told = subprocess.run(
        [*asked, command, "--help"], capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for option in options:
        if option.startswith("--"):
            assert option in told


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_sets_what_can_be_set(path: Any) -> None:
    words = path.read_text().split("Environment=")[1:]
    names = {word.partition("=")[0] for line in words for word in line.splitlines()[0].split()}
    threads = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}
    assert names <= settings() | threads


def test_the_scripts_options_are_those_of_dask() -> None:
    script = DEPLOY / "slurm-workers.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["sh", "-n", str(script)], check=True)
    lines = script.read_text().split("exec ")[1].replace("\\\n", " ").split()
    told = subprocess.run(
        [sys.executable, "-m", "dask", "worker", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    options = [word for word in lines if word.startswith("--")]
    assert "--lifetime" in options
    for option in options:
        assert option in told


def test_manifests_run_what_compose_runs() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    here = containers()
    assert here["redis"]["args"] == compose["redis"]["command"]
    assert here["redis"]["image"] == compose["redis"]["image"]
    assert sorted(here["worker"]["command"]) == sorted(compose["worker"]["command"])
    assert set(here) == {"redis", "scheduler", "worker", "api"}


def test_manifests_set_what_can_be_set_and_probe_what_answers() -> None:
    api = containers()["api"]
    assert {each["name"] for each in api["env"]} <= settings()
    paths = {api[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")}
    assert paths == {"/livez", "/readyz"}


def test_no_container_may_become_root_or_write_where_it_should_not() -> None:
    for container in containers().values():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    for each in manifests():
        if each["kind"] in ("Deployment", "StatefulSet"):
            assert each["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True


def test_services_lead_to_ports_that_are_open() -> None:
    open_ports = {
        name: {port["containerPort"] for port in container.get("ports", ())}
        for name, container in containers().items()
    }
    for each in manifests():
        if each["kind"] == "Service":
            name = each["spec"]["selector"]["app"]
            for port in each["spec"]["ports"]:
                assert port.get("targetPort", port["port"]) in open_ports[name]
