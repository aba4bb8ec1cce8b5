"""How the API takes questions to the twin: what is read of them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.test_web_api import JOB, client, service_of


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("simulations", {"precision": 0.01, "warm_up_s": "auto"}, "simulation"),
        ("sweeps", {"grid": {"buffer.aoi_in.capacity": [4, "+6"]}}, "sweep"),
        ("selections", {"scenarios": [{"name": "as it is"}, {"changes": ["a.b=1"]}]}, "selection"),
        ("bottlenecks", {"sensitivities": False}, "bottleneck"),
    ],
)
def test_every_kind_of_question_becomes_a_job_of_its_kind(
    path: str, body: dict[str, Any], kind: str
) -> None:
    service, web = service_of({**JOB, "kind": kind})
    answer = web.post(f"/api/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["kind"]) == (202, kind)
    ((_, question),) = service.asked
    assert question.kind == kind
    assert client({**JOB, "kind": kind}).get("/api/v1/jobs/J-1").json()["kind"] == kind


def test_numbers_of_a_grid_are_set_and_texts_stay_what_they_are() -> None:
    service, web = service_of({**JOB, "kind": "sweep"})
    web.post("/api/v1/sweeps", json={"grid": {"a.b": [4, 2.5, "+6", "*1.1"]}})
    ((_, question),) = service.asked
    assert question.grid == {"a.b": (4.0, 2.5, "+6", "*1.1")}
    assert [type(v) for v in question.grid["a.b"]] == [float, float, str, str]


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("sweeps", {"grid": {"a.b": []}}, "body.grid.a.b"),
        ("sweeps", {"grid": {"a.b": [1] * 21, "a.c": [1] * 20}}, "body.grid"),
        ("selections", {"scenarios": [{"name": "alone"}]}, "body.scenarios"),
        ("bottlenecks", {"kpi": "happiness"}, "body.kpi"),
        ("simulations", {"engine": "steam"}, "body.engine"),
        ("simulations", {"warm_up_s": -1}, "body.warm_up_s.constrained-float"),
    ],
)
def test_a_question_out_of_bounds_is_refused_with_its_place(
    path: str, body: dict[str, Any], place: str
) -> None:
    service, web = service_of(JOB)
    answer = web.post(f"/api/v1/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert answer.json()["errors"][0]["place"].startswith(place.partition(".constr")[0])
    assert service.asked == []
