"""Settings: defaults, bounds, and errors that say what to write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from relu_landscape.errors import ConfigurationError
from relu_landscape.settings import PREFIX, Settings


def test_the_defaults_serve_one_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = Settings.load()
    assert settings.data_dir == tmp_path / "relu-landscape"
    assert settings.redis_url is None
    assert settings.dask_scheduler is None
    assert settings.workers == len(os.sched_getaffinity(0))
    assert (settings.largest_width, settings.largest_starts) == (64, 1_000_000)


def test_without_xdg_the_data_lie_below_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.load().data_dir == tmp_path / ".local" / "share" / "relu-landscape"


def test_the_environment_is_read_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}JOBS_AT_ONCE", "5")
    monkeypatch.setenv(f"{PREFIX}WORKERS", "3")
    monkeypatch.setenv(f"{PREFIX}REDIS_URL", "")  # empty counts as not set
    settings = Settings.load(jobs_at_once=6)
    assert (settings.jobs_at_once, settings.workers, settings.redis_url) == (6, 3, None)


def test_what_belongs_to_another_layer_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}PORT", "many")
    assert "port" not in Settings.load().model_dump()


def test_relative_and_home_folders_become_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Settings.load(data_dir="~/x").data_dir == tmp_path / "x"
    assert Settings.load(data_dir="y").data_dir == tmp_path / "y"


def test_an_archive_is_a_folder_or_the_address_of_a_bucket(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Settings.load().archive is None
    for given, expected in (
        ("~/x", f"{tmp_path}/x"),
        ("y", f"{tmp_path}/y"),
        ("file:///srv/kept", "file:///srv/kept"),
        ("s3://bucket/below", "s3://bucket/below"),
    ):
        assert Settings.load(archive=given).archive == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARCHIVE", "ftp://somewhere/else"),
        ("WORKERS", "0"),
        ("BACKEND", "torch"),
        ("LEASE_SECONDS", "0"),
        ("LEASE_SECONDS", "nan"),
        ("LARGEST_WIDTH", "100000"),
        ("REDIS_URL", "localhost:6379"),
        ("DASK_SCHEDULER", "lab"),
        ("REDIS_PREFIX", "a b"),
        ("CHUNK_STARTS", "0"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(ConfigurationError) as error:
        Settings.load()
    text = str(error.value)
    assert f"{PREFIX}{name}={value!r}" in text
    assert "Write for example: " in text
    assert str(Settings.model_fields[name.lower()].description) in text


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}WORKERS", "-1")
    monkeypatch.setenv(f"{PREFIX}JOBS_AT_ONCE", "0")
    with pytest.raises(ConfigurationError, match=r"(?s)WORKERS.*JOBS_AT_ONCE"):
        Settings.load()


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="prot: there is no such setting"):
        Settings.load(prot=1)


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
