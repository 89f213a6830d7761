"""The web console's files; a plain page saying how to build them when they are not there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from xueliang_central.centre import centre_of
from xueliang_central.errors import NotFound
from xueliang_central.rights.policy import public

router: Final = APIRouter(include_in_schema=False)

_NOT_BUILT: Final = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><title>Xueliang Edge</title></head><body>
<h1>控制台尚未构建 · Console not built</h1>
<p>接口已可用：<code>/api/health</code>。The API is running: <code>/api/health</code>.</p>
<p>构建控制台 · To build the console: <code>python hatch_build.py</code>,
then reload this page.</p>
</body></html>
"""
_FOREVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
_ASK_EACH_TIME: Final = {"cache-control": "no-cache"}


@router.api_route("/{path:path}", methods=["GET", "HEAD"], dependencies=[Depends(public)])
async def console(request: Request, path: str) -> Response:
    """A file of the console; for any other address its start page, which routes by itself."""
    if path == "api" or path.startswith("api/"):
        raise NotFound
    root = centre_of(request).settings.console_dir
    index = root / "index.html"
    found = _inside(root, path)
    if found is not None:
        hashed = path.startswith("assets/")  # the build puts the hash of their content in these names
        return FileResponse(found, headers=_FOREVER if hashed else _ASK_EACH_TIME)
    if "." in path.rsplit("/", 1)[-1]:
        raise NotFound  # a file that is not there, not a page
    if index.is_file():
        return FileResponse(index, headers=_ASK_EACH_TIME)
    return HTMLResponse(_NOT_BUILT, status_code=200 if not path else 404, headers=_ASK_EACH_TIME)


def _inside(root: Path, path: str) -> Path | None:
    """The file of that name below `root`; None when there is none, or when the name leads elsewhere."""
    if not path or "\0" in path:
        return None
    try:
        found = (root / path).resolve()
        return found if found.is_file() and found.is_relative_to(root.resolve()) else None
    except OSError:  # a name too long for the file system
        return None
