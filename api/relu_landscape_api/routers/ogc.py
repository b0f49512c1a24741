"""Every kind of analysis as a process of OGC API - Processes, Part 1: Core 1.0 (OGC 18-062r2).

The same jobs under the same ids, keys, limits and audit as under ``/v1``, for clients that know the
standard and nothing of this service.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from time import time
from typing import Annotated, Any, TypeAlias
from urllib.parse import unquote_to_bytes, urlencode

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from relu_landscape import ALGORITHM
from relu_landscape.analyses import Analysis
from relu_landscape.errors import Cancelled, JobFailed, NotFound
from relu_landscape.jobs.identity import allows
from relu_landscape.jobs.listing import Wanted
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape.wire.ogc import OgcExecute, OgcObject
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape_api.answering.answers import Answers, json_response
from relu_landscape_api.auditing import remember
from relu_landscape_api.dependencies import Known, Service, ServiceSettings
from relu_landscape_api.layers.gate import identity_of, wrong_scope
from relu_landscape_api.openapi import answer_docs, body_docs, problem_docs, query_docs
from relu_landscape_api.reading import fields
from relu_landscape_api.reading.bodies import parse_json, read_body
from relu_landscape_api.reading.negotiation import JSON_TYPE
from relu_landscape_api.reading.queries import OgcJobsQuery, OgcProcessesQuery, OgcResultsQuery
from relu_landscape_api.routers.analyses import begun

_DEFINED = "http://www.opengis.net/def/"
_REL = f"{_DEFINED}rel/ogc/1.0/"
#: The conformance classes that hold.
_CLASSES = [
    f"http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/{name}"
    for name in ("core", "json", "ogc-process-description", "job-list", "dismiss")
]
#: The standard's states, each with ours.
_STATES = {
    "accepted": ("queued",), "running": ("running",), "successful": ("finished",),
    "failed": ("failed",), "dismissed": ("cancelling", "cancelled"),
}  # fmt: skip
_THEIRS = {own: word for word, owns in _STATES.items() for own in owns}


Name = Annotated[str, Path(json_schema_extra={"pattern": "^[a-z]+$"})]
Digits = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9a-f]{64}$"})]


class _None(NotFound):
    """There is none, in a word of the standard."""

    def __init__(self, word: str, message: str) -> None:
        self.standard_type = f"{_DEFINED}exceptions/ogcapi-processes-1/1.0/{word}"
        super().__init__(message)


async def _process(id: Name, registry: Known) -> Analysis:  # noqa: A002 - the name in the path
    try:
        return registry.analysis(id)
    except NotFound as error:
        raise _None("no-such-process", str(error)) from None


async def _job(id: Digits, service: Service) -> AnyStatus:  # noqa: A002 - the name in the path
    try:
        return await service.status(id)
    except NotFound as error:
        raise _None("no-such-job", str(error)) from None


_QUERIES = (OgcProcessesQuery, OgcJobsQuery, OgcResultsQuery)
Members: TypeAlias = dict[str, Any]
Process = Annotated[Analysis, Depends(_process)]
Job = Annotated[AnyStatus, Depends(_job)]


def ogc_router(answers: Mapping[str, Answers]) -> APIRouter:
    """Every resource of the standard; ``answers`` by kind."""

    async def results(status: Job, request: Request, service: Service) -> Response:
        """The result itself; with `response=document` as the standard's document of outputs."""
        form = _query(request, OgcResultsQuery).response
        if status.state == "failed":
            raise JobFailed(f"The job {status.id} failed: {status.error}")
        if _THEIRS[status.state] == "dismissed":
            raise Cancelled(f"The job {status.id} was dismissed; execute it again to start it.")
        if status.state != "finished":
            raise _None("result-not-ready", f"The job {status.id} is {status.state}.")
        if form == "raw":
            return await answers[status.kind].finished(request.scope, service, status.id)
        whole = b'{"result":{"mediaType":"application/json","value":%s}}'
        return Response(whole % await service.result(status.id), media_type=JSON_TYPE)

    router = APIRouter(tags=["ogc"])
    asked = {each: {"parameters": query_docs(fields.schema_of(each))} for each in _QUERIES}
    for method, path, call, faults, extra in (
        ("GET", "", landing, (), {}),
        ("GET", "/conformance", conformance, (), {}),
        ("GET", "/processes", processes, (422,), asked[OgcProcessesQuery]),
        ("GET", "/processes/{id}", process, (404,), {}),
        ("POST", "/processes/{id}/execution", execute, (400, 404, 408, 413, 415, 422),
         body_docs(OgcExecute)),
        ("GET", "/jobs", jobs, (422,), asked[OgcJobsQuery]),
        ("GET", "/jobs/{id}", job, (404, 422), asked[OgcResultsQuery]),
        ("DELETE", "/jobs/{id}", dismiss, (404, 409), {}),
        ("GET", "/jobs/{id}/results", results, (404, 409, 422), asked[OgcResultsQuery]),
    ):  # fmt: skip
        status, headers = (201, ("Location",)) if call is execute else (200, ())
        docs = answer_docs(status, "an object of the standard", OgcObject, headers=headers)
        router.add_api_route(
            f"/ogc{path}", call, methods=[method], operation_id=f"ogc_{call.__name__}",
            openapi_extra=extra, responses=docs | problem_docs(*faults),
        )  # fmt: skip
    # What clients make of an address whose last slash somebody took.
    router.add_api_route("/ogc/", landing, methods=["GET"], include_in_schema=False)
    return router


async def landing(request: Request) -> Response:
    """Where everything else is."""
    links = [
        _link(request, "openapi.json", "service-desc", kind="vnd.oai.openapi+json;version=3.1"),
        _link(request, "ogc", "self"),
        _link(request, "ogc/conformance", f"{_REL}conformance"),
        _link(request, "ogc/processes", f"{_REL}processes"),
        _link(request, "ogc/jobs", f"{_REL}job-list"),
    ]
    return _object(links=links, title="relu-landscape")


async def conformance(request: Request) -> Response:
    """The classes of the standard that hold."""
    return _object(links=[_link(request, "ogc/conformance", "self")], conformsTo=_CLASSES)


async def processes(request: Request, registry: Known) -> Response:
    """One for each kind of analysis."""
    limit = _query(request, OgcProcessesQuery).limit
    found = [_summary(request, each) for each in registry.analyses[:limit]]
    return _object(links=[_link(request, "ogc/processes", "self")], processes=found)


async def process(analysis: Process, request: Request, settings: ServiceSettings) -> Response:
    """Its inputs are the fields of the request under `/v1`, its output is the result."""
    schema = fields.schema_within(analysis.request, settings)
    inputs = {
        name: {
            "title": name, "minOccurs": int(name in schema.get("required", ())),
            "schema": openapi_30(part, schema.get("$defs", {})),
        } for name, part in schema["properties"].items()
    }  # fmt: skip
    shape = f"{request.base_url}v1/schema.json#/$defs/{analysis.result.__name__}"
    outputs = {"result": {"title": f"the {analysis.noun}", "schema": {"$ref": shape}}}
    return _object(**_summary(request, analysis), inputs=inputs, outputs=outputs)


async def execute(
    analysis: Process, request: Request, service: Service, settings: ServiceSettings
) -> Response:
    """Always asynchronous: 201, and Location has the job. One that is known is finished already."""
    model = analysis.request

    def read(body: Any) -> tuple[AnalysisRequest, str]:
        if not isinstance(body, dict):
            raise fields.invalid("body", body, "it must be a JSON object", place="body")
        whole = fields.validated(OgcExecute, body, fields.schema_of(OgcExecute), place="body")
        given = [(name, _value(name, value)) for name, value in whole.inputs.items()]
        values = fields.with_long_names(given, model, place="body")
        schema = fields.schema_within(model, settings)
        return fields.validated(model, values, schema, place="body"), whole.response

    asked, form = await read_body(
        request, read, limit_bytes=settings.body_limit_bytes, timeout_seconds=settings.body_seconds
    )
    status = await begun(request, service, asked)
    if isinstance(status, Response):
        return status
    info = _status_info(request, analysis, status, form)
    response = _object(**info)
    response.status_code = 201
    response.headers["Location"] = info["links"][0]["href"]
    if "respond-async" in request.headers.get("prefer", ""):
        response.headers["Preference-Applied"] = "respond-async"
    return response


async def jobs(request: Request, service: Service, registry: Known) -> Response:
    """Newest first; a link `next` has the next page."""
    query = _query(request, OgcJobsQuery)
    since, until = query.interval()
    kinds = query.processID.split(",") if query.processID else []
    states = [own for word in (query.status or "").split(",") for own in _STATES.get(word, ())]
    wanted = Wanted(kinds=kinds, states=states, since=since, until=until)
    page = await service.list(kind=None, cursor=query.cursor, limit=query.limit, wanted=wanted)
    links = [_link(request, "ogc/jobs", "self", query=request.url.query)]
    if page.next_cursor is not None:
        others = [pair for pair in fields.query_pairs(request) if pair[0] != "cursor"]
        following = urlencode([*others, ("cursor", page.next_cursor)])
        links.append(_link(request, "ogc/jobs", "next", query=following))
    found = [each for each in page.items if query.holds(_seconds(each))]
    infos = [_status_info(request, registry.analysis(each.kind), each, "raw") for each in found]
    return _object(links=links, jobs=infos)


async def job(status: Job, request: Request, registry: Known) -> Response:
    """Accepted, running, successful, failed or dismissed."""
    analysis = registry.analysis(status.kind)
    form = _query(request, OgcResultsQuery).response
    return _object(**_status_info(request, analysis, status, form))


async def dismiss(status: Job, request: Request, service: Service, registry: Known) -> Response:
    """Cancels a job for whoever asks; it goes on for others who want it, and `message` says so.

    One that is over is deleted, which takes a key with the scope `admin`.
    """
    asker, is_over = identity_of(request.scope), status.is_over
    if not is_over:
        for_all = asker.scope == "admin" and not asker.is_anybody
        status = await service.cancel(status.id, None if for_all else asker.name)
    elif allows(asker.scope, "admin"):
        await service.delete(status.id)
        request.app.state.at_hand.drop(status.id)
    else:
        return wrong_scope(request.scope, "admin")
    await remember(request, service, "deleted" if is_over else "cancelled", status.id, status.kind)
    goes_on = status.state in ("queued", "running")
    message = f"it goes on for others: {status.holders}" if goes_on else "it is gone"
    info = _status_info(request, registry.analysis(status.kind), status, "raw")
    return _object(**info | {"status": "dismissed", "message": message})


def _object(**members: Any) -> Response:
    return json_response(OgcObject(**members))


def _query(request: Request, model: type[fields.Model]) -> fields.Model:
    return fields.query_model(fields.query_pairs(request), model, fields.schema_of(model))


def _link(request: Request, path: str, rel: str, query: str = "", kind: str = "json") -> Members:
    href = f"{request.base_url}{path}{query and '?'}{query}"
    return {"href": href, "rel": rel, "type": f"application/{kind}"}


def _summary(request: Request, analysis: Analysis) -> Members:
    path = f"ogc/processes/{analysis.kind}"
    execution = _link(request, f"{path}/execution", f"{_REL}execute")
    return {
        "id": analysis.kind, "version": ALGORITHM, "title": analysis.noun,
        "description": analysis.summary, "jobControlOptions": ["async-execute", "dismiss"],
        "outputTransmission": ["value"], "links": [_link(request, path, "self"), execution],
    }  # fmt: skip


def _status_info(request: Request, analysis: Analysis, status: AnyStatus, form: str) -> Members:
    """A job; in its progress phases count alike, however long each takes.

    ``form``: of the results that its links lead to. Whoever asks for the same shares the job, so
    it stands in the links that each gets.
    """
    progress, phases = status.progress, analysis.phases
    passed = phases.index(progress.phase) if progress.phase in phases else 0
    share = 1.0 if status.state == "finished" else (passed + progress.fraction) / len(phases)
    path, query = f"ogc/jobs/{status.id}", "" if form == "raw" else f"response={form}"
    links = [_link(request, path, rel, query=query) for rel in ("self", "monitor")]
    if status.state == "finished":
        links.append(_link(request, f"{path}/results", f"{_REL}results", query=query))
    times = (status.created_at, status.started_at, status.finished_at)
    known = zip(("created", "started", "finished"), times, strict=True)
    return {
        "processID": status.kind, "type": "process", "jobID": status.id, "links": links,
        "status": _THEIRS[status.state], "message": status.error or progress.phase or status.state,
        "progress": int(100 * share), **{name: at for name, at in known if at is not None},
    }  # fmt: skip


def _seconds(status: AnyStatus) -> float | None:
    """From a job's start to its end, or to now; None: it has not begun."""
    if status.started_at is None:
        return None
    over = status.finished_at and datetime.fromisoformat(status.finished_at).timestamp()
    return (over or time()) - datetime.fromisoformat(status.started_at).timestamp()


def _value(name: str, given: Any) -> Any:
    """An input as it is, in the standard's envelope, or by reference.

    No other reference than ``data:`` is followed: a service that fetches whatever address it is
    told reaches what only its own network should. Raises ``RequestValidationError``.
    """
    if not isinstance(given, dict) or not given.keys() & {"value", "href"}:
        return given
    if "value" in given:
        return given["value"]
    head, _, text = str(given["href"]).partition(",")
    try:
        if not head.startswith("data:"):
            raise ValueError("this is none")
        packed = head.endswith(";base64")
        data = base64.b64decode(text, validate=True) if packed else unquote_to_bytes(text)
        return parse_json(data.decode("utf-8"))
    except ValueError as error:
        bounds = f"references are data: addresses of JSON, {error}"
        raise fields.invalid(name, given["href"], bounds, place="body") from None


def openapi_30(schema: Any, known: fields.Schema) -> Any:
    """A schema in the dialect that the standard takes, OpenAPI 3.0, without references."""
    if isinstance(schema, list):
        return [openapi_30(each, known) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return openapi_30(known[schema["$ref"].rpartition("/")[2]], known)
    found = {key: value for key, value in schema.items() if key not in ("$defs", "examples")}
    choices = [each for each in found.get("anyOf", ()) if each.get("type") != "null"]
    if len(choices) < len(found.get("anyOf", ())):  # null is a type in our dialect alone
        del found["anyOf"]
        found |= {"nullable": True, **(choices[0] if len(choices) == 1 else {"anyOf": choices})}
    for bound in ("minimum", "maximum"):
        strict = f"exclusive{bound.capitalize()}"
        if strict in found:
            found |= {bound: found[strict], strict: True}
    kept = ("default", "enum")
    return {key: part if key in kept else openapi_30(part, known) for key, part in found.items()}
