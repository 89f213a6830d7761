"""Errors as RFC 9457 problem documents: what happened, whether to try again, a correlation id; no path, SQL or
traceback."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from xueliang_central.errors import CentralError

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:xueliang:problem:"
REQUEST_ID_KEY: Final = "xueliang.request_id"
_MAX_NAMED: Final = 20
_CODE_OF_STATUS: Final = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "media_type"}


def problem_bytes(status: int, code: str, title: str, request_id: str, detail: str = "", **extra: Any) -> bytes:
    """One problem document."""
    body = {"type": TYPE_PREFIX + code, "code": code, "title": title, "status": status, "request_id": request_id}
    if detail:
        body["detail"] = detail
    return json.dumps({**extra, **body}, ensure_ascii=False).encode()


def _answer(request: Request, status: int, code: str, title: str, detail: str = "", **extra: Any) -> Response:
    content = problem_bytes(status, code, title, str(request.scope.get(REQUEST_ID_KEY, "")), detail, **extra)
    return Response(content, status_code=status, media_type=MEDIA_TYPE)


async def _central(request: Request, error: Exception) -> Response:
    if not isinstance(error, CentralError):
        raise error
    if error.status >= 500:
        log.warning("request failed", extra={"code": error.code, "request_id": request.scope.get(REQUEST_ID_KEY)})
    answer = _answer(request, error.status, error.code, error.title, error.detail, **error.extra)
    if error.retry_after_s is not None:
        answer.headers["retry-after"] = str(error.retry_after_s)
    return answer


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [
        {"where": ".".join(str(part) for part in item["loc"]), "expected": str(item["msg"])}
        for item in error.errors()[:_MAX_NAMED]
    ]
    return _answer(request, 422, "invalid", "The request is not as expected", problems=problems)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODE_OF_STATUS.get(error.status_code, "http")
    if error.status_code == 404:  # the same words as for an object that is missing or out of scope
        return _answer(request, 404, code, "There is no such thing here")
    answer = _answer(request, error.status_code, code, HTTPStatus(error.status_code).phrase)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _unforeseen(request: Request, _error: Exception) -> Response:
    """A fault of ours; the guard logs it with the same request_id."""
    return _answer(request, 500, "internal", "Something went wrong here")


def speak_problems(app: FastAPI) -> None:
    """Let every error of this application leave as a problem document."""
    app.add_exception_handler(CentralError, _central)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unforeseen)
