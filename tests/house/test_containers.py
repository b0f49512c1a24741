"""The compose file and the image, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.repository import ROOT

COMPOSE = ROOT / "docker-compose.yml"


def services() -> dict[str, dict[str, Any]]:
    """The services with YAML's merge keys resolved."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined, comments dropped."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return [(word, rest.strip()) for word, _, rest in (x.partition(" ") for x in lines) if word]


def test_compose_follows_the_specification() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         str(COMPOSE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout


def test_services_are_those_of_the_design() -> None:
    profiles = {name: service.get("profiles", []) for name, service in services().items()}
    assert profiles == {
        "api": [],
        "worker": [],
        "redis": [],
        "scheduler": [],
        "gpu-api": ["gpu"],
        "gpu-worker": ["gpu"],
    }


def test_one_backend_on_both_sides() -> None:
    """A job's chunks must find a worker that has the backend which the API chose."""
    for name, backend, image in [
        ("api", "numpy", "relu-landscape:local"),
        ("gpu-api", "cupy", "relu-landscape:local-gpu"),
    ]:
        assert services()[name]["environment"]["RELU_LANDSCAPE_BACKEND"] == backend
        assert services()[name]["image"] == image
    assert services()["worker"]["image"] == services()["api"]["image"]
    assert services()["gpu-worker"]["image"] == services()["gpu-api"]["image"]


def test_who_is_waited_for_can_say_that_it_is_healthy() -> None:
    for name, service in services().items():
        for other, wish in service.get("depends_on", {}).items():
            assert wish == {"condition": "service_healthy"}, name
            assert "test" in services()[other]["healthcheck"], other


def test_volumes_are_declared() -> None:
    declared = set(yaml.safe_load(COMPOSE.read_text())["volumes"])
    used = {
        volume.partition(":")[0]
        for service in services().values()
        for volume in service.get("volumes", [])
    }
    assert used == declared


def test_redis_keeps_every_acknowledged_job() -> None:
    command = services()["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"
    assert "redis-data:/data" in services()["redis"]["volumes"]


def test_nobody_is_let_in_without_somebody_saying_so() -> None:
    """The image listens to everybody; key and consent come from the operator, neither from here."""
    for name in ("api", "gpu-api"):
        environment = services()[name]["environment"]
        assert environment["RELU_LANDSCAPE_API_KEY"] is None
        assert environment["RELU_LANDSCAPE_INSECURE"] is None
        assert environment["RELU_LANDSCAPE_TRUSTED_HOSTS"].endswith(":-localhost}")
    assert "RELU_LANDSCAPE_INSECURE=" not in " ".join(
        rest for word, rest in instructions() if word == "ENV"
    )


def image_command() -> list[str]:
    (command,) = [rest for word, rest in instructions() if word == "CMD"]
    parsed: list[str] = json.loads(command)
    return parsed


@pytest.mark.parametrize("name", ["api", "gpu-api", "scheduler", "worker", "gpu-worker"])
def test_commands_exist_and_take_their_options(name: str) -> None:
    command = services()[name].get("command", image_command())
    program = Path(sys.executable).with_name(command[0])
    answer = subprocess.run(
        [program, command[1], "--help"], capture_output=True, text=True, check=False, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    for option in (word for word in command[2:] if word.startswith("--")):
        assert option in answer.stdout


@pytest.mark.parametrize("name", ["gpu-api", "gpu-worker"])
def test_gpu_services_ask_for_a_gpu_and_its_packages(name: str) -> None:
    service = services()[name]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    lock = ROOT / f"requirements/{service['build']['args']['LOCK']}.lock"
    assert re.search(r"^cupy-cuda\d+x==", lock.read_text(), re.MULTILINE)


def test_image_runs_as_nobody_special_and_says_whether_it_lives() -> None:
    stages = [index for index, (word, _) in enumerate(instructions()) if word == "FROM"]
    last = dict(instructions()[stages[-1] :])
    assert len(stages) == 2
    assert last["USER"] not in {"root", "0"}
    assert "/livez" in last["HEALTHCHECK"]
    check = re.search(r"CMD (\[.*\])", last["HEALTHCHECK"])
    assert check is not None
    compile(json.loads(check[1])[2], "healthcheck", "exec")


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    sources = [
        rest.split()[0] for word, rest in instructions() if word == "COPY" and "--" not in rest
    ]
    assert sources == ["requirements/", "."]
    kept = [x[1:] for x in (ROOT / ".dockerignore").read_text().splitlines() if x.startswith("!")]
    missing = [name for name in kept if not (ROOT / name).exists()]
    assert missing == []
    project = (ROOT / "pyproject.toml").read_text()
    for needed in re.findall(r'"(service|api|cli)/\w+"', project):
        assert needed in kept
    assert {"pyproject.toml", "README.md", "LICENSE", "requirements"} <= set(kept)


def test_our_containers_can_write_nothing_but_their_data() -> None:
    ours = [each for each in services().values() if each["image"].startswith("relu-landscape:")]
    assert len(ours) == 5
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        # Dask's scratch folder, and what libraries keep in the home.
        assert service["tmpfs"] == ["/tmp", options_of_the_user()["--home-dir"]]


def options_of_the_user() -> dict[str, str]:
    """The options with which the image makes its user."""
    (made,) = [rest for word, rest in instructions() if word == "RUN" and "useradd" in rest]
    words = made.partition("&&")[0].split()
    return dict(pairwise(words))


def test_both_stages_come_from_one_image_that_can_be_pinned() -> None:
    given = dict(
        rest.split("=", 1) for word, rest in instructions() if word == "ARG" and "=" in rest
    )
    assert given["PYTHON_IMAGE"].startswith("python:3.")
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert bases == ["${PYTHON_IMAGE}"] * 2
