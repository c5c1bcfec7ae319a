"""Static files of the pages: ours, and the chart library out of the installed plotly package.

They are read once. Their addresses carry their hash, so that browsers keep them for a year; an
address without it is asked for again each time, and answered with 304 where nothing changed.
"""

import functools
import gzip
import hashlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler

FOLDER = Path(__file__).parent / "static"
STYLES = ("base.css", "colors.css", "parts.css", "run.css", "tables.css")
"""Of the report, whose pages wear the same."""
PLOTLY = "plotly.min.js"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_YEAR = "public, max-age=31536000, immutable"
_WORTH_PACKING = 1_000_000


class Asset:
    """One static file.

    Args:
        name: what it is asked for by.
        content: its bytes.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.content = content
        self.kind = _KINDS[Path(name).suffix]
        self.version = hashlib.sha256(content).hexdigest()[:16]
        self.address = f"/static/{name}?v={self.version}"

    @functools.cached_property
    def packed(self) -> bytes:
        """Its bytes in gzip, made when first asked for."""
        return gzip.compress(self.content, compresslevel=6, mtime=0)


@functools.cache
def read_assets() -> Mapping[str, Asset]:
    """Name -> file, of all there are."""
    files = {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in _KINDS}
    worn = resources.files("grokwatch.monitor.report").joinpath("static")
    files |= {name: worn.joinpath(name).read_bytes() for name in STYLES}
    files[PLOTLY] = resources.files("plotly").joinpath("package_data", PLOTLY).read_bytes()
    return {name: Asset(name, content) for name, content in files.items()}


def addresses(assets: Mapping[str, Asset]) -> dict[str, str]:
    """Name -> address with its version, for templates."""
    return {name: asset.address for name, asset in assets.items()}


def static_route(assets: Mapping[str, Asset]) -> HTTPRouteHandler:
    """Build the route that serves them."""

    @get("/static/{name:str}", sync_to_thread=True, include_in_schema=False)
    def static(request: Request[Any, Any, Any]) -> Response[bytes]:
        name = request.path_params["name"]
        asset = assets.get(name)
        if asset is None:
            msg = f"Expected one of {sorted(assets)}, got {name!r}. Try the address in the page."
            raise NotFoundException(msg)
        return _answer(asset, request)

    return static


def _answer(asset: Asset, request: Request[Any, Any, Any]) -> Response[bytes]:
    """The file, or that what the browser has is still right."""
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    is_packed = takes_gzip and len(asset.content) >= _WORTH_PACKING
    tag = f'"{asset.version}{"-gzip" if is_packed else ""}"'
    is_versioned = request.query_params.get("v") == asset.version
    headers = {
        "ETag": tag,
        "Cache-Control": _YEAR if is_versioned else "no-cache",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers)
    if is_packed:
        headers["Content-Encoding"] = "gzip"
    body = asset.packed if is_packed else asset.content
    return Response(body, media_type=asset.kind, headers=headers)
