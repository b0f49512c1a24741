"""For people: the explorer, the atlas, the guide, and the interactive documentation."""

from __future__ import annotations

import mimetypes
from html import escape
from pathlib import Path, PurePosixPath
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from relu_landscape.analyses import Registry
from relu_landscape_api.dependencies import Known
from relu_landscape_api.reading.fields import schema_of

router = APIRouter(include_in_schema=False)

EXPLORER = Path(__file__).parents[1] / "explorer"
#: Built there by ``make guide``, and a part of every wheel.
GUIDE = Path(__file__).parents[1] / "guide"

#: Everything from here and nothing from elsewhere: no inline script or style, no other host.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

#: Sphinx's theme sets styles of single elements; its scripts are in files of their own.
GUIDE_POLICY = PAGE_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")

#: The system's table may know none of these, and a browser refuses a module of another type.
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".map": "application/json",
}

_files = StaticFiles(directory=EXPLORER, check_dir=False)
_guide = StaticFiles(directory=GUIDE, check_dir=False)

_NO_GUIDE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>relu-landscape: the guide</title></head>
<body>
<h1>The guide is not built here</h1>
<p>In the repository, <code>make guide</code> builds it; a wheel has it. The same pages are the
files in <code>docs</code>. Meanwhile: <a href="/docs">every call</a>,
<a href="/">the explorer</a>.</p>
</body>
</html>
"""

_LINKS = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>relu-landscape</title></head>
<body>
<h1>relu-landscape</h1>
<p>Loss landscapes of two-layer ReLU networks, as a REST service.</p>
<ul>
{analyses}
<li><a href="/v1/jobs">jobs so far</a></li>
<li><a href="/v1/service-info">versions, backend, limits</a></li>
<li><a href="/openapi.json">this interface in OpenAPI</a>,
<a href="/v1/schema.json">every JSON shape</a></li>
<li><a href="/readyz">readiness</a>, <a href="/metrics">figures for Prometheus</a></li>
</ul>
</body>
</html>
"""


@router.get("/")
async def index(request: Request, registry: Known) -> Response:
    """The explorer page, or a page of links where it is not installed."""
    if (EXPLORER / "index.html").is_file():
        return await _file("index.html", request)
    return HTMLResponse(_links(registry), headers=_page_headers())


@router.get("/atlas")
async def atlas_page(request: Request) -> Response:
    """The atlas as a map."""
    return await _file("atlas.html", request)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Swagger UI from the service's own files."""
    return await _file("docs.html", request)


@router.get("/guide")
@router.get("/guide/")
async def guide(request: Request) -> Response:
    """The documentation as a site, from its first page; or how to come by it."""
    if (GUIDE / "docs" / "index.html").is_file():
        # Relative: a proxy may have put the service under a prefix.
        below = "" if request.url.path.endswith("/") else "guide/"
        return RedirectResponse(f"{below}docs/index.html")
    return HTMLResponse(_NO_GUIDE, status_code=404, headers=_page_headers())


@router.get("/guide/{path:path}")
async def guide_file(path: str, request: Request) -> Response:
    """One file of the guide."""
    return await _file(path, request, _guide, GUIDE_POLICY)


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:
    """Browsers ask for it whatever a page says."""
    return await _file("icon.svg", request)


@router.get("/explorer/{path:path}")
async def explorer_file(path: str, request: Request) -> Response:
    """One file of the explorer."""
    return await _file(path, request)


async def _file(
    path: str, request: Request, files: StaticFiles | None = None, policy: str = PAGE_POLICY
) -> Response:
    normal = str(PurePosixPath(path))
    if "\0" in normal:  # the operating system's own answer would be an error of another kind
        raise HTTPException(404)
    response = await (files or _files).get_response(normal, request.scope)
    suffix = PurePosixPath(normal).suffix
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(normal)[0] or "application/octet-stream"
    if response.status_code == 200:
        charset = "; charset=utf-8" if media_type.startswith("text/") else ""
        response.headers["Content-Type"] = media_type + charset
    if suffix == ".html":
        response.headers.update(_page_headers(policy))
    # Asked again each time and answered 304: a new version of the service shows at once.
    response.headers["Cache-Control"] = "no-cache"
    return response


def _links(registry: Registry) -> str:
    """A page of links, with one to ask for each kind's example."""
    lines = []
    for analysis in registry.analyses:
        examples = schema_of(analysis.request).get("examples")
        line = f'<li><a href="/v1/{analysis.plural}">{analysis.plural} so far</a>'
        if examples and analysis.has_short_form:
            address = escape(f"/v1/{analysis.noun}?{urlencode(examples[0])}")
            line += f', <a href="{address}">an example</a>'
        lines.append(f"{line}</li>")
    return _LINKS.format(analyses="\n".join(lines))


def _page_headers(policy: str = PAGE_POLICY) -> dict[str, str]:
    return {"Content-Security-Policy": policy}
