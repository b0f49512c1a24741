"""A page somewhere else cannot use the browser that shows it to compute here."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import MakeClient, service_of

ASKED = {"student_width": 2, "teacher_width": 2}
FAMILY = "/v1/families?K=2&width=2&structure=global"
#: How a browser marks the request of a page elsewhere; older ones, or without TLS, send the last.
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "null"},
    {"Origin": "http://[x"},
]
OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://localhost"},
    {"Origin": "http://localhost:80"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_nothing_is_started_for_a_page_elsewhere(
    client: TestClient, headers: dict[str, str]
) -> None:
    for answer in (
        client.post("/v1/landscapes", json=ASKED, headers=headers),
        client.get("/v1/landscape?K=2&width=2", headers=headers),
        client.head("/v1/landscape?K=2&width=2", headers=headers),
        client.get(FAMILY, headers=headers),
        client.delete("/v1/landscapes/" + "0" * 64, headers=headers),
    ):
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
    service = service_of(client)
    assert (service.submitted, service.called) == ([], [])


@pytest.mark.parametrize("headers", OWN, ids=str)
def test_the_own_page_and_programs_are_served(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/v1/landscapes", json=ASKED, headers=headers).status_code == 200
    assert client.get("/v1/landscape?K=2&width=2", headers=headers).status_code == 200
    assert client.get(FAMILY, headers=headers).status_code == 200


def test_a_link_from_elsewhere_leads_here(client: TestClient) -> None:
    """What only reads is for browsers to keep from the page: there is no CORS header."""
    for path in ("/", "/v1/landscapes", "/v1/service-info", "/readyz"):
        answer = client.get(path, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example"])
def test_another_name_for_this_machine_is_refused(client: TestClient, host: str) -> None:
    """A page whose name leads to this machine is of one origin with it for a browser."""
    for path in ("/v1/landscapes", "/v1/landscape?K=2&width=2"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 403
        assert "RELU_LANDSCAPE_TRUSTED_HOSTS" in answer.json()["detail"]
    assert client.get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:8000", "[::1]:8000", ""]
)
def test_the_names_of_this_machine_are_known(client: TestClient, host: str) -> None:
    assert client.get("/v1/landscapes", headers={"Host": host}).status_code == 200


def test_names_can_be_added(make_client: MakeClient) -> None:
    client = make_client(trusted_hosts="lab.example, other.example")
    headers = {"Host": "lab.example:8000"}
    assert client.get("/v1/landscapes", headers=headers).status_code == 200
    assert client.get("/v1/landscapes").status_code == 200
    assert client.get("/v1/landscapes", headers={"Host": "evil.example"}).status_code == 403
    # A proxy that speaks to the service under another name than its callers speak to it.
    proxied = {"Host": "127.0.0.1:8000", "Origin": "https://lab.example"}
    assert client.post("/v1/landscapes", json=ASKED, headers=proxied).status_code == 200


@pytest.mark.parametrize(
    "settings", [{"host": "0.0.0.0", "insecure": True}, {"trusted_hosts": "*"}]
)
def test_where_others_connect_names_cannot_be_known(
    make_client: MakeClient, settings: dict[str, Any]
) -> None:
    client = make_client(**settings)
    headers = {"Host": "lab.example:8000", "Origin": "http://lab.example:8000"}
    assert client.post("/v1/landscapes", json=ASKED, headers=headers).status_code == 200
    headers["Origin"] = "http://evil.example:8000"
    assert client.post("/v1/landscapes", json=ASKED, headers=headers).status_code == 403
