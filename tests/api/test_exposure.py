"""Listening where others can connect takes a key, or somebody who says that it shall have none."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest

from relu_landscape.errors import ConfigurationError
from relu_landscape_api.exposure import is_loopback, require_consent, warnings
from relu_landscape_api.serve import EXIT_CONFIGURATION
from relu_landscape_api.settings import ApiSettings
from tests.api.conftest import MakeClient, service_of
from tests.api.process import DEADLINE_SECONDS, Server

OPEN = ["0.0.0.0", "::", "192.0.2.1", "no-such-host.invalid", ""]
CLOSED = ["127.0.0.1", "127.0.0.2", "::1", "localhost"]


@pytest.mark.parametrize("host", OPEN + CLOSED)
def test_addresses_that_others_reach(host: str) -> None:
    assert is_loopback(host) is (host in CLOSED)


@pytest.mark.parametrize("host", OPEN)
def test_without_a_key_somebody_must_say_so(
    make_settings: Callable[..., ApiSettings], host: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        require_consent(make_settings(host=host), has_keys=False)
    for line in (
        "relu-landscape keys create",
        "RELU_LANDSCAPE_API_KEY=",
        "RELU_LANDSCAPE_INSECURE=true",
        "--insecure",
    ):
        assert line in str(error.value)
    require_consent(make_settings(host=host), has_keys=True)
    require_consent(make_settings(host=host, insecure=True), has_keys=False)
    require_consent(make_settings(host=host, api_key="correct horse"), has_keys=False)
    insecure = make_settings(host=host, insecure=True)
    assert len(warnings(insecure, has_keys=False)) == 1
    assert warnings(insecure, has_keys=True) == []
    keyed = make_settings(host=host, insecure=True, api_key="correct horse")
    assert warnings(keyed, has_keys=False) == []


def test_this_machine_alone_needs_no_key(make_settings: Callable[..., ApiSettings]) -> None:
    for host in CLOSED:
        require_consent(make_settings(host=host), has_keys=False)
        assert warnings(make_settings(host=host), has_keys=False) == []


def test_readiness_repeats_the_warning(make_client: MakeClient) -> None:
    client = make_client(host="0.0.0.0", insecure=True)
    [warning] = client.get("/readyz").json()["warnings"]
    assert "without a key" in warning
    service_of(client).faults = {"pool": "no workers"}
    assert client.get("/readyz").json()["warnings"] == [warning]


def test_the_start_is_refused_in_words(tmp_path: Path) -> None:
    server = Server(tmp_path, RELU_LANDSCAPE_HOST="0.0.0.0")
    out, err = server.process.communicate(timeout=DEADLINE_SECONDS)
    assert server.process.returncode == EXIT_CONFIGURATION
    assert out == ""
    assert "RELU_LANDSCAPE_INSECURE=true" in err
    assert "Traceback" not in err


def test_the_start_is_refused_before_anything_but_the_store_is_started() -> None:
    """Workers took seconds to start, and a job was claimed, before it was refused."""
    with tempfile.TemporaryDirectory(prefix="rl-") as name:
        environment = {
            **os.environ, "RELU_LANDSCAPE_DATA_DIR": name, "RELU_LANDSCAPE_PORT": "0",
            "RELU_LANDSCAPE_HOST": "0.0.0.0",
        }  # fmt: skip
        ended = subprocess.run(
            [sys.executable, "-m", "relu_landscape_api"],
            env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False,
        )  # fmt: skip
        assert not (Path(name) / "store" / "store.pid").exists()
    assert (ended.returncode, ended.stdout) == (EXIT_CONFIGURATION, "")
    assert "relu-landscape keys create NAME" in ended.stderr
    assert "starting the embedded store" in ended.stderr
    assert "distributed" not in ended.stderr


def test_an_open_start_is_warned_about(tmp_path: Path) -> None:
    server = Server(tmp_path, RELU_LANDSCAPE_HOST="0.0.0.0", RELU_LANDSCAPE_INSECURE="true")
    port = server.ready_url().rpartition(":")[2]
    answer = httpx.get(f"http://127.0.0.1:{port}/readyz")
    assert len(answer.json()["warnings"]) == 1
    _, err = server.stop()
    assert "listens on 0.0.0.0 without a key" in err
