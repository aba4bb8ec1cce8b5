"""Errors as the API tells them: problem+json (RFC 9457) with a stable ``code``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from twin.errors import FileFaults, LinetwinError

__all__ = ["MEDIA_TYPE", "Problem", "ProblemPlace", "documented", "install", "problem_response"]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2

_log = logging.getLogger(__name__)

_STATUS_OF_CODE = {
    "file-faults": 422,
    "data": 422,
    "look-ahead": 422,
    "unit": 422,
    "not-found": 404,
    "conflict": 409,
    "not-ready": 503,
    "store": 503,
    "refused": 422,
    "source": 503,
    "solver": 503,
}
_CODE_OF_STATUS = {404: "no-route", 405: "method-not-allowed", 422: "invalid-request"}


class ProblemPlace(BaseModel):
    """One place of the request, or of a file, that is wrong."""

    place: str
    found: str


class Problem(BaseModel):
    """RFC 9457 problem details; scripts may rely on ``code``."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    errors: list[ProblemPlace] = []


def problem_response(
    *,
    status: int,
    code: str,
    detail: str,
    instance: str,
    errors: Sequence[ProblemPlace] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that tells one problem."""
    problem = Problem(
        type=f"urn:linetwin:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        instance=instance,
        errors=list(errors),
    )
    extra = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        extra.setdefault("Retry-After", str(RETRY_AFTER_S))
    return JSONResponse(
        problem.model_dump(exclude={"errors"} if not errors else None),
        status_code=status,
        headers=extra,
        media_type=MEDIA_TYPE,
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` argument of a route that can answer with these problems."""
    return {status: {"model": Problem, "content": {MEDIA_TYPE: {}}} for status in statuses}


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem: ours, the framework's and the unexpected."""
    app.add_exception_handler(LinetwinError, _linetwin)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(ResponseValidationError, _bad_document)
    app.add_exception_handler(Exception, _unexpected)


def _linetwin(request: Request, error: Exception) -> JSONResponse:
    code = getattr(error, "code", "linetwin")
    status = _STATUS_OF_CODE.get(code, 500)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and code != "not-ready":
        _log.warning("%s %s: %s: %s", request.method, request.url.path, code, error)
    faults = error.faults if isinstance(error, FileFaults) else ()
    return problem_response(
        status=status,
        code=code,
        detail=str(error) or HTTPStatus(status).phrase,
        instance=request.url.path,
        errors=[
            ProblemPlace(place=f"{f.file} [{f.place}]", found=f"{f.found}; {f.remedy}")
            for f in faults
        ],
    )


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - narrows what the framework promises
    code = _CODE_OF_STATUS.get(error.status_code, "http-error")
    detail = f"{request.method} {request.url.path}: {error.detail}"
    return problem_response(
        status=error.status_code,
        code=code,
        detail=detail,
        instance=request.url.path,
        headers=error.headers,
    )


def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    places = _places(error.errors())
    return problem_response(
        status=422,
        code="invalid-request",
        detail="; ".join(f"{p.place}: {p.found}" for p in places),
        instance=request.url.path,
        errors=places,
    )


def _bad_document(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ResponseValidationError)  # noqa: S101 - as above
    places = _places(error.errors())[:20]
    detail = "; ".join(f"{p.place}: {p.found}" for p in places)
    _log.error("%s %s: document breaks its contract: %s", request.method, request.url.path, detail)
    return problem_response(
        status=500,
        code="bad-document",
        detail=f"the document breaks its contract: {detail}",
        instance=request.url.path,
        errors=places,
    )


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem_response(
        status=500,
        code="internal",
        detail="something unexpected went wrong; the log of the server says what",
        instance=request.url.path,
    )


def _places(errors: Sequence[Any]) -> list[ProblemPlace]:
    return [ProblemPlace(place=".".join(map(str, e["loc"])), found=str(e["msg"])) for e in errors]
