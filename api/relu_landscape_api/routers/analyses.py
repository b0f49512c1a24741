"""The calls of one kind of analysis: asking, reading, cancelling, listing."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from relu_landscape.analyses import Analysis
from relu_landscape.errors import NotFound
from relu_landscape.jobs.identity import allows
from relu_landscape.wire.jobs import AnyStatus
from relu_landscape.wire.requests import AnalysisRequest
from relu_landscape.wire.widths import width_notice
from relu_landscape_api.answering.answers import Answers, noticed, wait_for
from relu_landscape_api.auditing import remember
from relu_landscape_api.dependencies import Draining, JobId, Service, job_of
from relu_landscape_api.layers.gate import all_spent, identity_of, wrong_scope
from relu_landscape_api.layers.rates import Rates
from relu_landscape_api.openapi import (
    PREFER,
    Extra,
    Responses,
    answer_docs,
    body_docs,
    problem_docs,
    query_docs,
)
from relu_landscape_api.reading.bodies import read_body
from relu_landscape_api.reading.fields import (
    invalid,
    query_model,
    query_pairs,
    schema_of,
    schema_within,
    validated,
    with_arrays,
    with_long_names,
)
from relu_landscape_api.reading.negotiation import preferred_wait
from relu_landscape_api.reading.npz import read_npz
from relu_landscape_api.reading.queries import KindQuery, WaitQuery
from relu_landscape_api.routers.events import add_events
from relu_landscape_api.routers.listing import listing_docs, page_response
from relu_landscape_api.routers.parts import add_parts
from relu_landscape_api.settings import ApiSettings

_NOT_MODIFIED: Responses = {
    304: {"description": "the result under the entity tag of If-None-Match is still right"}
}
#: Said to one who cancels a job that goes on.
_OTHERS = "It goes on: others want it as well ({} of them)."
_WHERE_AND_WHEN = ("Location", "Retry-After")


def analysis_router(analysis: Analysis, settings: ApiSettings, answers: Answers) -> APIRouter:
    """Every call of this kind, from what its declaration says."""
    router = APIRouter(tags=[analysis.plural])
    calls = _Calls(analysis, settings, answers)
    name = re.sub(r"\W", "_", analysis.kind)
    _add_asking(router, analysis, calls, name)
    _add_listing(router, analysis, calls)
    _add_one(router, analysis, calls, name)
    add_events(router, analysis, operation_id=f"follow_{name}")
    add_parts(router, analysis, operation_id=f"read_{name}_part")
    return router


def _add_asking(router: APIRouter, analysis: Analysis, calls: _Calls, name: str) -> None:
    """Asking by a body, and from a query string where the kind has that."""
    answers = answer_docs(200, f"the {analysis.noun}", analysis.result) | answer_docs(
        202,
        "not known yet: the job's state; Location says where the answer will be, Retry-After when "
        "to look",
        analysis.status,
        headers=_WHERE_AND_WHEN,
    )
    router.add_api_route(
        f"/v1/{analysis.plural}",
        calls.submit,
        methods=["POST"],
        operation_id=f"submit_{name}",
        summary=f"Ask: {analysis.summary[:1].lower()}{analysis.summary[1:]}",
        responses=answers | problem_docs(400, 408, 409, 413, 415, 422),
        openapi_extra={**body_docs(analysis.request), "parameters": [PREFER]},
    )
    if analysis.has_short_form:
        router.add_api_route(
            f"/v1/{analysis.noun}",
            calls.ask,
            methods=["GET"],
            operation_id=f"ask_{name}",
            summary="Ask from a query string",
            responses=answers | _NOT_MODIFIED | problem_docs(409, 422),
            openapi_extra=calls.query_docs(),
        )


def _add_listing(router: APIRouter, analysis: Analysis, calls: _Calls) -> None:
    """The list of this kind's jobs."""
    names = re.sub(r"\W", "_", analysis.plural)
    router.add_api_route(
        f"/v1/{analysis.plural}",
        calls.listing,
        methods=["GET"],
        operation_id=f"list_{names}",
        summary=f"List {analysis.plural}, newest first",
        responses=listing_docs(analysis.page),
        openapi_extra={"parameters": query_docs(schema_of(KindQuery))},
    )


def _add_one(router: APIRouter, analysis: Analysis, calls: _Calls, name: str) -> None:
    """Reading one, and cancelling it."""
    path = f"/v1/{analysis.plural}/{{id}}"
    either = f"the {analysis.noun}, or the state of its job"
    router.add_api_route(
        path,
        calls.read,
        methods=["GET"],
        operation_id=f"read_{name}",
        summary=f"{either[:1].upper()}{either[1:]}",
        responses=answer_docs(200, either, analysis.result, analysis.status)
        | _NOT_MODIFIED
        | problem_docs(404),
        openapi_extra={"parameters": [PREFER]},
    )
    router.add_api_route(
        path,
        calls.cancel,
        methods=["DELETE"],
        operation_id=f"cancel_{name}",
        summary="Cancel",
        responses=answer_docs(200, "the job is over", analysis.status)
        | answer_docs(202, "the job is stopping", analysis.status, headers=_WHERE_AND_WHEN)
        | problem_docs(404),
    )


class _Calls:
    """What the routes of one kind do."""

    def __init__(self, analysis: Analysis, settings: ApiSettings, answers: Answers) -> None:
        self._analysis = analysis
        self._body_limit_bytes = settings.body_limit_bytes
        self._body_seconds = settings.body_seconds
        self._answers = answers
        self._schema = schema_within(analysis.request, settings)

    def query_docs(self) -> Extra:
        """What the query string of ``ask`` may hold."""
        return {"parameters": query_docs(self._schema) + query_docs(schema_of(WaitQuery))}

    async def submit(self, request: Request, service: Service, drain: Draining) -> Response:
        """The result if it is known (200), else the job that computes it (202).

        The same request always has the same id, and however many ask for it at once, it is
        computed once. `Prefer: wait=N` waits up to N seconds (60 at the most) for the result.
        """
        asked, notice = await self._posted(request)
        seconds = preferred_wait(request.headers)
        response = await self._answered(request, service, asked, seconds, drain)
        return noticed(_applied(response, seconds), notice)

    async def ask(self, request: Request, service: Service, drain: Draining) -> Response:
        """As the POST, for curl and browsers; waits up to 60 s unless `wait` says otherwise.

        Matrices are written as JSON; lists of names as JSON or with commas. Remember that a plus
        sign in a query string is written `%2B`.
        """
        pairs = query_pairs(request)
        own = [pair for pair in pairs if pair[0] in WaitQuery.model_fields]
        others = [pair for pair in pairs if pair[0] not in WaitQuery.model_fields]
        seconds = query_model(own, WaitQuery, schema_of(WaitQuery)).wait
        asked = query_model(others, self._analysis.request, self._schema)
        response = await self._answered(request, service, asked, seconds, drain)
        return noticed(response, width_notice([name for name, _ in others], asked))

    async def listing(self, request: Request, service: Service) -> Response:
        """Jobs in every state, newest first; the header Link names the next page.

        `Accept: text/csv` makes it a table.
        """
        query = query_model(query_pairs(request), KindQuery, schema_of(KindQuery))
        kind = self._analysis.kind
        path = f"/v1/{self._analysis.plural}"
        return await page_response(request, service, query, kind=kind, path=path)

    async def read(
        self,
        id: JobId,  # noqa: A002 - the name in the path
        request: Request,
        service: Service,
        drain: Draining,
    ) -> Response:
        """The result once the job is finished; until then, and if it failed, its state.

        Only a job has `state`, only a result `digest`. `Prefer: wait=N` waits for the job to end.
        """
        seconds = preferred_wait(request.headers)
        known = self._answers.known(request.scope, id)
        if known is not None:
            return _applied(known, seconds)
        status = await job_of(self._analysis, service, id)
        status = await wait_for(request, service, status, seconds, drain)
        if status.state == "finished":
            return _applied(await self._answers.finished(request.scope, service, id), seconds)
        return _applied(self._answers.status(request.scope, status, status_code=200), seconds)

    async def cancel(
        self,
        id: JobId,  # noqa: A002 - the name in the path
        request: Request,
        service: Service,
    ) -> Response:
        """Stop the job: 202 with the state `cancelling` until its cores are free, 200 once it is
        over.

        A finished job stays what it is. One that others want goes on, and the header Notice says
        so; a key with the scope admin stops it for all of them.
        """
        await job_of(self._analysis, service, id)
        asker = identity_of(request.scope)
        for_all = asker.scope == "admin" and not asker.is_anybody
        status = await service.cancel(id, None if for_all else asker.name)
        await remember(request, service, "cancelled", status.id, status.kind)
        response = self._answers.status(
            request.scope, status, status_code=200 if status.is_over else 202
        )
        goes_on = status.state in ("queued", "running")
        return noticed(response, _OTHERS.format(status.holders) if goes_on else None)

    async def _answered(
        self,
        request: Request,
        service: Service,
        asked: AnalysisRequest,
        seconds: float | None,
        drain: Draining,
    ) -> Response:
        """What is known already, else what is known after ``seconds`` of waiting."""
        job = service.identify(asked)
        known = self._answers.known(request.scope, job)
        if known is not None:
            if allows(identity_of(request.scope).scope, "submit"):
                await service.note_asker(job, identity_of(request.scope).name)
            return known
        if not allows(identity_of(request.scope).scope, "submit"):
            looked = await _looked_up(service, job)
            if looked is None:
                return wrong_scope(request.scope, "submit")
            status = looked
        else:
            started = await begun(request, service, asked)
            if isinstance(started, Response):
                return started
            status = started
        status = await wait_for(request, service, status, seconds, drain)
        return await self._answers.submitted(request, service, status)

    async def _posted(self, request: Request) -> tuple[AnalysisRequest, str | None]:
        """The request in a body, and what to say of how it was asked.

        Raises what ``read_body`` and ``validated`` raise.
        """
        return await read_body(
            request,
            self._from_body,
            limit_bytes=self._body_limit_bytes,
            timeout_seconds=self._body_seconds,
            read_arrays=self._from_arrays if self._analysis.request.array_names else None,
        )

    def _from_arrays(self, body: bytes) -> tuple[AnalysisRequest, str | None]:
        model = self._analysis.request
        arrays, options = read_npz(body, model.array_names)
        values = with_long_names(options.items(), model, place="body")
        asked = validated(model, with_arrays(model, arrays, values), self._schema, place="body")
        return asked, None

    def _from_body(self, body: Any) -> tuple[AnalysisRequest, str | None]:
        model = self._analysis.request
        if not isinstance(body, dict):
            raise invalid("body", body, "it must be a JSON object", place="body")
        values = with_long_names(body.items(), model, place="body")
        asked = validated(model, values, self._schema, place="body")
        return asked, width_notice(body, asked)


async def begun(request: Request, service: Service, asked: AnalysisRequest) -> AnyStatus | Response:
    """The job that answers the request, known or begun; 429 where a day's cores are used up and it
    would have to be computed. Raises what ``Service.submit`` raises.
    """
    identity = identity_of(request.scope)
    rates: Rates = request.app.state.rates
    exceeded = await rates.spent(identity, service.keys)
    if exceeded is not None and await _looked_up(service, service.identify(asked)) is None:
        return all_spent(request.scope, exceeded)
    status = await service.submit(asked, identity.name)
    await remember(request, service, "submitted", status.id, status.kind)
    return status


async def _looked_up(service: Service, job: str) -> AnyStatus | None:
    """A job that is there already, for whoever may not start one."""
    try:
        status = await service.status(job)
    except NotFound:
        return None
    return None if status.state in ("failed", "cancelled") else status


def _applied(response: Response, seconds: float | None) -> Response:
    if seconds is not None:
        response.headers["Preference-Applied"] = f"wait={seconds:.0f}"
    return response
