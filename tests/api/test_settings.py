"""Settings of the HTTP side, read together with those of the service."""

from __future__ import annotations

import pytest

from relu_landscape.errors import ConfigurationError
from relu_landscape.settings import PREFIX, Settings
from relu_landscape_api.settings import ApiSettings


def test_the_defaults_serve_one_machine() -> None:
    settings = ApiSettings.load()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.rate_limit is None
    assert settings.api_key is None
    assert isinstance(settings, Settings)


def test_the_environment_is_read_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}PORT", "9000")
    monkeypatch.setenv(f"{PREFIX}WORKERS", "3")
    settings = ApiSettings.load(port=9001)
    assert (settings.port, settings.workers) == (9001, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("RATE_LIMIT", "often"),
        ("BODY_LIMIT_BYTES", "0"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "127.0.0.1,proxy.lab"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(ConfigurationError) as error:
        ApiSettings.load()
    text = str(error.value)
    assert f"{PREFIX}{name}={value!r}" in text
    assert "Write for example: " in text
    assert str(ApiSettings.model_fields[name.lower()].description) in text


def test_settings_of_both_layers_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}PORT", "-1")
    monkeypatch.setenv(f"{PREFIX}JOBS_AT_ONCE", "0")
    with pytest.raises(ConfigurationError) as error:
        ApiSettings.load()
    assert "PORT" in str(error.value)
    assert "JOBS_AT_ONCE" in str(error.value)


def test_a_key_never_appears_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}API_KEY", "hush")  # too short
    with pytest.raises(ConfigurationError) as error:
        ApiSettings.load()
    assert "hush" not in str(error.value)
    settings = ApiSettings.load(api_key="a-long-secret")
    assert "a-long-secret" not in repr(settings)
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "a-long-secret"


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="prot: there is no such setting"):
        ApiSettings.load(prot=1)


def test_every_setting_is_described() -> None:
    for name, field in ApiSettings.model_fields.items():
        assert field.description, name
