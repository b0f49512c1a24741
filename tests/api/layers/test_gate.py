"""Keys, their scopes, and rate limits."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from starlette.testclient import TestClient

from relu_landscape.errors import StoreUnavailable
from relu_landscape.jobs.identity import Key, Wanted, utc_now
from relu_landscape.jobs.testing import Job
from relu_landscape.jobs.testing.identity import MemoryKeys
from relu_landscape.wire.identity import Me, Scope
from relu_landscape_api.layers.door import NOBODY
from relu_landscape_api.layers.rates import Rates
from relu_landscape_api.settings import ApiSettings
from tests.api.conftest import MakeClient, service_of

FREE = ("/livez", "/readyz", "/metrics", "/", "/openapi.json")
KEY = "correct horse b\u00e4ttery"


@pytest.fixture
def keyed(make_client: MakeClient) -> TestClient:
    return make_client(api_key=KEY)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}".encode()},
        {"Authorization": KEY.encode()},
        {"Authorization": f"Bearer {KEY}x".encode()},
    ],
)
def test_without_the_key_nothing_under_v1_answers(
    keyed: TestClient, headers: dict[str, str]
) -> None:
    for path in ("/v1/landscapes", "/v1/service-info", "/v1/nothing"):
        answer = keyed.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert KEY not in answer.text
    for path in FREE:
        assert keyed.get(path, headers=headers).status_code == 200


def test_a_key_beyond_ascii_opens(keyed: TestClient) -> None:
    headers = {b"Authorization": f"Bearer {KEY}".encode()}
    assert keyed.get("/v1/landscapes", headers=headers).status_code == 200


def test_guesses_at_the_key_are_limited_too(make_client: MakeClient) -> None:
    client = make_client(api_key="correct-horse", rate_limit="2/hour")
    statuses = [client.get("/v1/landscapes").status_code for _ in range(4)]
    assert statuses == [401, 401, 429, 429]


def test_the_key_opens(make_client: MakeClient) -> None:
    client = make_client(api_key="correct-horse")
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} correct-horse"}
        assert client.get("/v1/landscapes", headers=headers).status_code == 200
    schema = client.get("/openapi.json").json()
    assert schema["paths"]["/v1/landscapes"]["get"]["security"] == [{"key": []}]
    assert "security" not in schema["paths"]["/livez"]["get"]


def test_too_many_requests_are_told_when_to_come_back(make_client: MakeClient) -> None:
    client = make_client(rate_limit="3/hour;100/day")
    for _ in range(3):
        assert client.get("/v1/landscapes").status_code == 200
    answer = client.get("/v1/landscapes")
    assert answer.status_code == 429
    assert 3500 <= int(answer.headers["retry-after"]) <= 3600
    assert answer.headers["content-type"] == "application/problem+json"
    for path in FREE:
        assert client.get(path).status_code == 200


async def test_a_limit_that_cannot_be_counted_lets_pass(
    caplog: pytest.LogCaptureFixture,
    unused_tcp_port: int,
    make_settings: Callable[..., ApiSettings],
) -> None:
    url = f"redis://127.0.0.1:{unused_tcp_port}/0"
    rates = Rates(make_settings(rate_limit="1/hour", redis_url=url))
    scope = {"client": ("192.0.2.1", 1234)}
    with caplog.at_level(logging.WARNING):
        assert await rates.exceeded(None, scope) is None
        assert await rates.exceeded(None, scope) is None
        [quota] = await rates.quotas(NOBODY, scope, MemoryKeys(lambda: None))
    assert "rate limit not counted" in caplog.text
    assert (quota.quota, quota.remaining) == (1, None)


async def test_a_clock_that_was_set_back_shuts_nobody_out(
    make_settings: Callable[..., ApiSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever had asked as often as they may in a minute, by a clock an hour ahead, was told
    to come back an hour later."""
    real, ahead = time.time, [3600.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    rates = Rates(make_settings(rate_limit="2/minute"))
    scope = {"client": ("192.0.2.1", 1234)}

    async def allowed() -> bool:
        return await rates.exceeded(None, scope) is None

    assert [await allowed() for _ in range(3)] == [True, True, False]
    ahead[0] = 0.0
    assert [await allowed() for _ in range(3)] == [True, True, False], "counted anew"
    ahead[0] = -30.0
    assert not await allowed(), "less than a window is no more than a wait"


def test_who_has_used_the_cores_of_a_day_has_nothing_more_computed(make_client: MakeClient) -> None:
    """What is known is answered, and what others have left is theirs."""
    client = make_client(core_seconds_per_day=100)
    spent = service_of(client).keys.used_today
    ada, bob = bearer(make_key(client, "ada")), bearer(make_key(client, "bob"))
    asked = {"student_width": 2, "teacher_width": 2, "seed": 1}
    spent["ada"] = 99.5
    assert client.post("/v1/landscapes", json=asked, headers=ada).status_code == 200
    spent["ada"] = 100.0
    answer = client.post("/v1/landscapes", json=asked | {"seed": 2}, headers=ada)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "3600"
    assert answer.headers["ratelimit-policy"] == '"core-seconds-per-day";q=100;w=86400'
    assert answer.headers["ratelimit"] == '"core-seconds-per-day";r=0;t=3600'
    assert answer.json()["violated-policies"] == ["core-seconds-per-day"]
    assert "'ada'" in answer.json()["detail"]
    assert len(service_of(client).submitted) == 1
    assert client.post("/v1/landscapes", json=asked, headers=ada).status_code == 200
    for same in (ada, bob):
        taken = client.post("/v1/landscapes", json=asked | {"seed": 3}, headers=same)
        assert taken.status_code == (429 if same is ada else 200)
    known = client.post("/v1/landscapes", json=asked | {"seed": 3}, headers=ada)
    assert known.status_code == 200, "bob's job costs ada nothing"


def test_a_key_may_have_a_day_of_its_own(make_client: MakeClient) -> None:
    client = make_client(core_seconds_per_day=100)
    spent = service_of(client).keys.used_today
    ada = bearer(make_key(client, "ada", core_seconds_per_day=1000))
    spent["ada"] = 250.75
    asked = {"student_width": 2, "teacher_width": 2}
    assert client.post("/v1/landscapes", json=asked, headers=ada).status_code == 200
    assert client.get("/v1/me", headers=ada).json()["limits"] == [
        {"policy": "core-seconds-per-day", "quota": 1000, "window_seconds": 86_400,
         "remaining": 750, "reset_seconds": 3600},
    ]  # fmt: skip


def test_without_a_limit_nothing_is_read_of_what_was_used(make_client: MakeClient) -> None:
    client = make_client()
    asked = {"student_width": 2, "teacher_width": 2}
    service_of(client).keys.used_today["anyone"] = 1e9
    assert client.post("/v1/landscapes", json=asked).status_code == 200
    assert client.get("/v1/me").json()["limits"] == []


def make_key(client: TestClient, name: str, scope: Scope = "submit", **more: Any) -> str:
    """A key of the service behind the client; its text."""
    portal = client.portal
    assert isinstance(portal, BlockingPortal)
    wanted = Wanted(name, scope, **more)
    _, text = portal.call(service_of(client).keys.create, wanted, utc_now())
    return text


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


ASKED = {"student_width": 2, "teacher_width": 2}
JOB = "/v1/landscapes/" + "0" * 64
ANY_JOB = "/v1/jobs/" + "0" * 64
SHORT = "/v1/landscape?K=2&width=3"
FAMILY = "/v1/families?K=2&width=2&structure=global"
#: What each call needs, written out by hand: the table of docs/http-api.md.
NEEDS: dict[tuple[str, str], Scope] = {
    ("GET", "/v1/me"): "read",
    ("GET", "/v1/service-info"): "read",
    ("GET", "/v1/schema.json"): "read",
    ("GET", "/v1/jobs"): "read",
    ("GET", "/v1/landscapes"): "read",
    ("HEAD", "/v1/landscapes"): "read",
    ("OPTIONS", "/v1/landscapes"): "read",
    ("OPTIONS", "/v1/families"): "read",
    ("GET", JOB): "read",
    ("GET", f"{JOB}/events"): "read",
    ("GET", f"{JOB}/fixed-points/m1"): "read",
    ("GET", "/v1/nothing"): "read",
    ("GET", SHORT): "submit",
    ("HEAD", SHORT): "submit",
    ("GET", FAMILY): "submit",
    ("HEAD", FAMILY): "submit",
    ("GET", "/v1/families/continuation?structure=1%2B*&from_width=2&to_width=9"): "submit",
    ("GET", "/v1/learning-rates?K=8&width=8&structure=one-anti-aligned"): "submit",
    ("POST", "/v1/landscapes"): "submit",
    ("POST", "/v1/trajectories"): "submit",
    ("DELETE", JOB): "submit",
    ("DELETE", ANY_JOB): "admin",
    ("PUT", f"{ANY_JOB}/pin"): "submit",
    ("DELETE", f"{ANY_JOB}/pin"): "submit",
    ("GET", "/v1/audit"): "admin",
    ("HEAD", "/v1/audit"): "admin",
}
SCOPES: list[Scope] = ["read", "submit", "admin"]


@pytest.fixture
def holders(client: TestClient) -> dict[Scope, dict[str, str]]:
    """Headers with a key of each scope."""
    return {scope: bearer(make_key(client, f"who-{scope}s", scope)) for scope in SCOPES}


@pytest.mark.parametrize(("call", "needed"), NEEDS.items(), ids=str)
def test_a_key_may_what_its_scope_says(
    client: TestClient,
    holders: dict[Scope, dict[str, str]],
    call: tuple[str, str],
    needed: Scope,
) -> None:
    method, path = call
    body = ASKED if method == "POST" else None
    for place, scope in enumerate(SCOPES):
        answer = client.request(method, path, headers=holders[scope], json=body)
        may = place >= SCOPES.index(needed)
        assert (answer.status_code != 403) is may, (scope, answer.text)
        if not may and method != "HEAD":
            problem = answer.json()
            assert (problem["needed_scope"], problem["scope"]) == (needed, scope)
            assert f"'who-{scope}s'" in problem["detail"]
    assert client.request(method, path, json=body).status_code == 401


def test_what_is_known_or_under_way_is_read_with_a_key_that_only_looks(
    client: TestClient, holders: dict[Scope, dict[str, str]]
) -> None:
    service = service_of(client)
    read, submit = holders["read"], holders["submit"]
    assert client.get(SHORT, headers=read).status_code == 403
    assert service.submitted == []
    assert client.get(SHORT, headers=submit).status_code == 200
    assert client.get(SHORT, headers=read).status_code == 200
    service.holds_jobs = True
    other = "/v1/landscape?K=2&width=4&wait=0"
    assert client.get(other, headers=submit).status_code == 202
    assert client.get(other, headers=read).status_code == 202
    [_, job] = service.jobs.values()
    service.from_thread(lambda: Job.fail(job, "no luck"))
    # Asked for, it would begin again.
    assert client.get(other, headers=read).status_code == 403
    assert len(service.submitted) == 2


def test_each_fault_of_a_key_is_told(client: TestClient) -> None:
    service, portal = service_of(client), client.portal
    assert portal is not None
    alive = make_key(client, "alive")
    ended = make_key(client, "ended", expires_at=utc_now() + timedelta(days=1))
    revoked = make_key(client, "revoked")
    portal.call(service.keys.revoke, "revoked", utc_now())

    async def expire() -> Key:
        key = await service.keys.find(ended[:12])
        assert key is not None
        past = key.model_copy(update={"expires_at": utc_now().replace(year=2025, month=3, day=4)})
        service.keys._kept[key.prefix] = past
        return past

    portal.call(expire)
    said = {}
    for name, headers in {
        "missing": {},
        "unknown": bearer("rlk_01234567_" + "A" * 43),
        "expired": bearer(ended),
        "revoked": bearer(revoked),
    }.items():
        answer = client.get("/v1/jobs", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["key"] == name
        assert answer.headers["www-authenticate"].startswith('Bearer realm="relu-landscape"')
        said[name] = answer.json()["detail"]
        assert not any(each[13:] in answer.text for each in (alive, ended, revoked))
    assert "No key came" in said["missing"]
    assert "does not know that key" in said["unknown"]
    assert f"'ended' ({ended[:12]}) expired on 2025-03-04." in said["expired"]
    assert f"'revoked' ({revoked[:12]}) was revoked." in said["revoked"]
    assert client.get("/v1/jobs", headers=bearer(alive)).status_code == 200


@pytest.mark.parametrize("name", ["api_key", "API_KEY", "api-key", "apikey", "access_token", "key"])
def test_a_key_in_an_address_is_refused_whether_it_fits_or_not(
    make_client: MakeClient, name: str
) -> None:
    client = make_client(api_key="correct-horse")
    headers = bearer("correct-horse")
    for query in (f"{name}=correct-horse", f"limit=5&{name}=x"):
        answer = client.get(f"/v1/jobs?{query}", headers=headers)
        assert answer.status_code == 401
        assert "must not stand in the address" in answer.json()["detail"]
        assert "correct-horse" not in answer.text
    made = make_key(client, "ada")
    answer = client.get(f"/v1/jobs?cursor={made}", headers=headers)
    assert answer.status_code == 401
    assert made not in answer.text


def test_without_the_store_a_named_key_is_not_believed(
    client: TestClient, make_client: MakeClient
) -> None:
    headers = bearer(make_key(client, "ada"))
    service_of(client).error = StoreUnavailable("The store does not answer.")
    answer = client.get("/v1/service-info", headers=headers)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (
        503, "store-unavailable",
    )  # fmt: skip
    assert answer.headers["retry-after"]
    other = make_client(api_key="correct-horse")
    service_of(other).error = StoreUnavailable("The store does not answer.")
    assert other.get("/v1/service-info", headers=bearer("correct-horse")).status_code == 200


def test_results_that_took_a_key_are_private(client: TestClient, make_client: MakeClient) -> None:
    """A shared cache before the service must not hand them to whoever has none."""
    job = client.get("/v1/landscape?K=2&width=2").json()["id"]
    first = client.get(f"/v1/landscapes/{job}")
    assert first.headers["cache-control"].startswith("public")
    keyed = make_client()
    headers = bearer(make_key(keyed, "ada"))
    job = keyed.get("/v1/landscape?K=2&width=2", headers=headers).json()["id"]
    for _ in range(2):  # from the service, and at hand
        answer = keyed.get(f"/v1/landscapes/{job}", headers=headers)
        assert answer.headers["cache-control"].startswith("private")


def test_me(make_client: MakeClient) -> None:
    client = make_client(rate_limit="5/hour", api_key="correct-horse")
    ends = utc_now() + timedelta(days=1)
    ada = make_key(client, "ada", "read", expires_at=ends, rate="2/minute;30/day")
    found = Me.model_validate(client.get("/v1/me", headers=bearer(ada)).json())
    assert (found.name, found.scope) == ("ada", "read")
    assert found.expires_at == ends.isoformat().replace("+00:00", "Z")
    assert [(each.policy, each.quota, each.remaining) for each in found.limits] == [
        ("2-per-minute", 2, 1), ("30-per-day", 30, 29),
    ]  # fmt: skip
    found = Me.model_validate(client.get("/v1/me", headers=bearer("correct-horse")).json())
    assert (found.name, found.scope, found.expires_at) == ("setting", "admin", None)
    assert [each.policy for each in found.limits] == ["5-per-hour"]
    found = Me.model_validate(make_client().get("/v1/me").json())
    assert (found.name, found.scope, found.limits) == ("anonymous", "admin", [])


def test_each_key_has_its_own_share(make_client: MakeClient) -> None:
    client = make_client(rate_limit="3/hour;100/day")
    ada, bob = (bearer(make_key(client, name)) for name in ("ada", "bob"))
    slow = bearer(make_key(client, "slow", rate="1/2minutes"))
    statuses = [client.get("/v1/jobs", headers=ada).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    answer = client.get("/v1/jobs", headers=ada)
    seconds = int(answer.headers["retry-after"])
    assert (
        answer.headers["ratelimit-policy"] == '"3-per-hour";q=3;w=3600, "100-per-day";q=100;w=86400'
    )
    assert answer.headers["ratelimit"] == f'"3-per-hour";r=0;t={seconds}'
    assert answer.json()["violated-policies"] == ["3-per-hour"]
    assert "'ada'" in answer.json()["detail"]
    assert client.get("/v1/jobs", headers=bob).status_code == 200
    assert client.get("/v1/jobs", headers=slow).status_code == 200
    answer = client.get("/v1/jobs", headers=slow)
    assert answer.headers["ratelimit-policy"] == '"1-per-2-minute";q=1;w=120'
    # Whoever guesses is counted by address, and does not use up what ada may ask.
    guesses = [client.get("/v1/jobs", headers=bearer("x")).status_code for _ in range(4)]
    assert guesses == [401, 401, 401, 429]
    assert "This address" in client.get("/v1/jobs").json()["detail"]
