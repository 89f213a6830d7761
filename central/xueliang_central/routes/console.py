"""The web console's files; a plain page saying how to build them when they are not there."""

from __future__ import annotations

import re
from mimetypes import guess_type
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
_FORBIDDEN: Final = re.compile(r"\s*q\s*=\s*0(\.0{0,3})?\s*")
_CODINGS: Final = (("br", ".br"), ("gzip", ".gz"))  # the best first; central/console/build/compressed.ts makes them


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
        return _answer(request, found, _FOREVER if hashed else _ASK_EACH_TIME)
    if "." in path.rsplit("/", 1)[-1]:
        raise NotFound  # a file that is not there, not a page
    if _is_phone(path) and (root / "phone.html").is_file():
        return _answer(request, root / "phone.html", _ASK_EACH_TIME)
    if index.is_file():
        return _answer(request, index, _ASK_EACH_TIME)
    return HTMLResponse(_NOT_BUILT, status_code=200 if not path else 404, headers=_ASK_EACH_TIME)


def _is_phone(path: str) -> bool:
    """Whether a page at this path is one of the phone: its start page asks for the phone's files at once."""
    return path == "phone" or path.startswith("phone/")


def _answer(request: Request, file: Path, headers: dict[str, str]) -> Response:
    """The file, or what the build has put beside it compressed when the browser reads that."""
    media_type = guess_type(file.name)[0]
    there = [(coding, file.with_name(file.name + suffix)) for coding, suffix in _CODINGS]
    beside = [(coding, path) for coding, path in there if path.is_file()]
    if not beside:
        return FileResponse(file, headers=headers)
    read = _codings_read(request.headers.get("accept-encoding", ""))
    coding, path = next(((coding, path) for coding, path in beside if coding in read), ("identity", file))
    more = {"vary": "accept-encoding"} | ({"content-encoding": coding} if coding != "identity" else {})
    return FileResponse(path, headers=headers | more, media_type=media_type)


def _codings_read(accepted: str) -> set[str]:
    """What an Accept-Encoding header names and does not forbid ("br;q=0")."""
    named = (one.partition(";") for one in accepted.lower().split(","))
    return {coding.strip() for coding, _, weight in named if not _FORBIDDEN.fullmatch(weight)}


def _inside(root: Path, path: str) -> Path | None:
    """The file of that name below `root`; None when there is none, or when the name leads elsewhere."""
    if not path or "\0" in path:
        return None
    try:
        found = (root / path).resolve()
        return found if found.is_file() and found.is_relative_to(root.resolve()) else None
    except OSError:  # a name too long for the file system
        return None
