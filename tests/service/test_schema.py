"""The published document: complete, valid, and true of what a service says."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import jsonschema
import orjson
import pytest

from relu_landscape.analyses import ANALYSES, LANDSCAPE, Registry
from relu_landscape.jobs.testing import InMemoryService
from relu_landscape.schema import definitions, published
from relu_landscape.settings import Settings
from relu_landscape.wire.jobs import Progress
from relu_landscape.wire.landscape import LandscapeFinding
from relu_landscape.wire.requests import LandscapeRequest


def refers_to(document: Any, reference: dict[str, str]) -> jsonschema.Draft202012Validator:
    """A validator of what a reference of the document means."""
    return jsonschema.Draft202012Validator({"$defs": document["$defs"], **reference})


def test_it_is_a_schema_and_every_reference_leads_somewhere() -> None:
    document = published(ANALYSES)
    text = orjson.dumps(document).decode()
    jsonschema.Draft202012Validator.check_schema(document)
    led_to = set(re.findall(r'"\$ref":"#/\$defs/(\w+)"', text))
    assert led_to == set(definitions(ANALYSES))  # and nothing stands there in vain
    assert "$defs/" not in re.sub(r'"\$ref":"#/\$defs/\w+"', "", text)


def as_json(request: LandscapeRequest) -> dict[str, Any]:
    """Every field, those at their default too, which a request leaves out."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(dict(request)))
    return found


def test_every_shape_is_described() -> None:
    assert [name for name, shape in definitions(ANALYSES).items() if not shape["description"]] == []


def test_it_names_what_the_registry_has() -> None:
    document: Any = published(ANALYSES)
    assert list(document["analyses"]) == [each.kind for each in ANALYSES.analyses]
    assert list(document["calls"]) == [each.name for each in ANALYSES.calls]
    landscape = document["analyses"]["landscape"]
    assert landscape["phases"] == list(LANDSCAPE.phases)
    assert landscape["short_names"] == {
        "student": "student_width", "width": "student_width",
        "teacher": "teacher_width", "M": "teacher_width", "K": "teacher_width",
    }  # fmt: skip
    assert landscape["defaults"] == {
        name: value
        for name, value in as_json(LandscapeRequest(student_width=1, teacher_width=1)).items()
        if name not in ("student_width", "teacher_width")
    }


async def test_what_a_service_says_is_as_it_is_published(tmp_path: Any) -> None:
    document: Any = published(ANALYSES)
    landscape = document["analyses"]["landscape"]
    service = InMemoryService(Settings(data_dir=tmp_path))
    service.holds_jobs = True
    asked = LandscapeRequest(student_width=3, teacher_width=2)
    refers_to(document, landscape["request"]).validate(asked.canonical())
    job = service.jobs[(await service.submit(asked)).id]
    job.report(Progress(phase="sample", tasks=2))
    job.find(LandscapeFinding(key="m1", kind="unclassified", loss=0.5, hits=3))
    refers_to(document, landscape["status"]).validate(orjson.loads(job.status.model_dump_json()))
    page = await service.list(kind=None, cursor=None, limit=10)
    for shape in (landscape["page"], document["jobs"]["page"]):
        refers_to(document, shape).validate(orjson.loads(page.model_dump_json()))
    events = document["jobs"]["events"] | {"findings": landscape["findings"]}
    for event in job.events:
        refers_to(document, events[event.name]).validate(event.data)
    service.release()
    refers_to(document, landscape["result"]).validate(orjson.loads(await service.result(job.id)))
    full = landscape["parts"]["full"]
    refers_to(document, full).validate(await service.part(job.id, "m1"))


def test_a_status_says_of_which_kind_it_is() -> None:
    kind = definitions(ANALYSES)["LandscapeStatus"]["properties"]["kind"]
    assert kind["const"] == "landscape"


def test_two_models_of_one_name_are_refused() -> None:
    class Landscape(LANDSCAPE.result):  # type: ignore[misc, name-defined]
        """Another one of this name."""

    twice = Registry(analyses=(LANDSCAPE, replace(LANDSCAPE, result=Landscape)), calls=())
    with pytest.raises(ValueError, match="Two models have one name"):
        definitions(twice)
