"""How the API transports: problems, guard, headers, strictness. What documents say is tested end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from connectors.runtime.experiments import Question, Runs, WhatIf
from connectors.web.app import create_app
from connectors.web.service import Decision, Document, Event
from twin.errors import (
    ConflictError,
    DataError,
    Fault,
    FileFaults,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from twin.scenarios import scenario_of

JOB = {
    "job_id": "J-1",
    "kind": "whatif",
    "state": "queued",
    "progress": 0.0,
    "submitted_at": "2026-03-16T06:00:00+01:00",
    "finished_at": None,
    "result": None,
    "error": None,
}
LEDGER_ENTRY = {
    "seq": 8,
    "at": "2026-03-16T06:00:00+01:00",
    "kind": "proposal-approved",
    "subject": "PP-1",
    "who": "M. Sommer",
    "why": "",
    "body": {"quantity": 5},
    "digest": "00",
}


class OneAnswerService:
    """Gives one fixed answer, or raises one error, wherever it is asked."""

    def __init__(self, answer: Document | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []

    def _give(self, *asked: Any) -> Document:
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def plant(self) -> Document:
        return self._give("plant")

    def line(self) -> Document:
        return self._give("line")

    def kpis(self, hours: float) -> Document:
        return self._give("kpis", hours)

    def signals(self) -> Document:
        return self._give("signals")

    def samples(
        self, signal: str, start: datetime | None, end: datetime | None, limit: int
    ) -> Document:
        return self._give("samples", signal, start, end, limit)

    def calibration(self) -> Document:
        return self._give("calibration")

    def submit(self, question: Question) -> Document:
        return self._give("submit", question)

    def jobs(self) -> Document:
        return self._give("jobs")

    def job(self, job_id: str) -> Document:
        return self._give("job", job_id)

    def cancel(self, job_id: str) -> Document:
        return self._give("cancel", job_id)

    def forecasts(self) -> Document:
        return self._give("forecasts")

    def alerts(self, state: str | None) -> Document:
        return self._give("alerts", state)

    def acknowledge(self, alert_id: str, who: str, why: str) -> Document:
        return self._give("acknowledge", alert_id, who, why)

    def clear(self, alert_id: str, who: str, why: str) -> Document:
        return self._give("clear", alert_id, who, why)

    def schedule(self) -> Document:
        return self._give("schedule")

    def demand(self) -> Document:
        return self._give("demand")

    def proposals(self) -> Document:
        return self._give("proposals")

    def decide(
        self, proposal_id: str, decision: Decision, who: str, why: str, quantity: float | None
    ) -> Document:
        return self._give("decide", proposal_id, decision, who, why, quantity)

    def health(self) -> Document:
        return self._give("health")

    def ledger(self, after: int, limit: int) -> Document:
        return self._give("ledger", after, limit)

    async def subscribe(self, after_id: int | None) -> AsyncIterator[Event]:
        self.asked.append(("subscribe", after_id))
        return
        yield


def client(answer: Document | Exception) -> TestClient:
    return TestClient(
        create_app(OneAnswerService(answer)),
        base_url="http://127.0.0.1:8000",
        raise_server_exceptions=False,
    )


def service_of(answer: Document | Exception) -> tuple[OneAnswerService, TestClient]:
    service = OneAnswerService(answer)
    return service, TestClient(create_app(service), base_url="http://localhost")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotReadyError("history is being read"), 503, "not-ready"),
        (NotFoundError('no alert "A-9"'), 404, "not-found"),
        (ConflictError("cleared already"), 409, "conflict"),
        (DataError("parameter outside 230 to 260"), 422, "data"),
        (StoreError("disk is full"), 503, "store"),
        (RuntimeError("secret detail"), 500, "internal"),
    ],
)
def test_every_error_is_a_problem_with_a_stable_code(
    error: Exception, status: int, code: str
) -> None:
    answer = client(error).get("/api/v1/line")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["code"], told["instance"]) == (status, code, "/api/v1/line")
    assert told["type"] == f"urn:linetwin:problem:{code}"
    assert "secret detail" not in answer.text
    assert ("retry-after" in answer.headers) is (status == 503)


def test_a_problem_of_a_file_lists_every_fault() -> None:
    faults = FileFaults(
        [
            Fault("plant.toml", "reflow", 'unit "Celsius" is not known', "use degC"),
            Fault("items.csv", "line 3", "lead time -1", "use 0 or more"),
        ]
    )
    told = client(faults).get("/api/v1/plant").json()
    assert [e["place"] for e in told["errors"]] == ["plant.toml [reflow]", "items.csv [line 3]"]
    assert told["errors"][0]["found"] == 'unit "Celsius" is not known; use degC'


def test_unknown_routes_and_methods_are_problems_too() -> None:
    web = client({})
    missing = web.get("/api/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "no-route")
    wrong = web.post("/api/v1/line")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method-not-allowed")
    assert wrong.headers["allow"] == "GET"
    assert wrong.headers["content-type"] == "application/problem+json"


def test_an_unknown_key_of_a_request_is_named() -> None:
    answer = client(JOB).post("/api/v1/whatif", json={"changes": ["a.b=+1"], "horizon": 8})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-request"
    assert [e["place"] for e in answer.json()["errors"]] == ["body.horizon"]


def test_a_document_that_breaks_its_contract_is_not_sent() -> None:
    answer = client({**JOB, "progres": 1}).get("/api/v1/jobs/J-1")
    assert (answer.status_code, answer.json()["code"]) == (500, "bad-document")
    assert "progres" in answer.json()["detail"]


def test_a_number_that_json_cannot_say_is_not_sent() -> None:
    answer = client({**JOB, "progress": float("nan")}).get("/api/v1/jobs/J-1")
    assert (answer.status_code, answer.json()["code"]) == (500, "bad-document")


def test_long_work_is_accepted_and_says_where_it_is() -> None:
    service, web = service_of(JOB)
    answer = web.post("/api/v1/whatif", json={"changes": ["buffer.aoi_in.capacity=12"]})
    assert answer.status_code == 202
    assert answer.headers["location"] == "/api/v1/jobs/J-1"
    assert answer.json() == JOB
    scenario = scenario_of(["buffer.aoi_in.capacity=12"])
    assert service.asked == [("submit", WhatIf(scenario=scenario, runs=Runs(), replications=16))]


@pytest.mark.parametrize("who", ["", "  "])
def test_a_decision_needs_a_name(who: str) -> None:
    service, web = service_of({})
    answer = web.post("/api/v1/alerts/A-1/acknowledge", json={"who": who, "why": "seen"})
    assert answer.status_code == 422
    assert service.asked == []


def test_a_signal_id_with_slashes_reaches_the_service() -> None:
    samples = {
        "signal": "PLT1/electronics/line1/reflow/vibration",
        "unit": "mm/s",
        "measured_at": ["2026-03-16T06:00:00+01:00"],
        "value": [None],
        "quality": [2],
    }
    service, web = service_of(samples)
    answer = web.get("/api/v1/signals/PLT1/electronics/line1/reflow/vibration/samples?limit=5")
    assert answer.json() == samples
    assert service.asked == [("samples", "PLT1/electronics/line1/reflow/vibration", None, None, 5)]


def test_an_instant_without_offset_is_refused() -> None:
    answer = client({}).get("/api/v1/signals/a/samples?start=2026-03-16T06:00:00")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")


def test_the_ledger_is_read_from_a_sequence_number_on() -> None:
    service, web = service_of({"entries": [LEDGER_ENTRY], "intact": True})
    assert web.get("/api/v1/ledger?after=7&limit=1").json()["entries"] == [LEDGER_ENTRY]
    assert service.asked == [("ledger", 7, 1)]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "169.254.0.1", ""])
def test_a_strange_host_is_refused(host: str) -> None:
    answer = client({}).get("/", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host-not-allowed")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "[::1]:8765"])
def test_loopback_is_served_on_every_port(host: str) -> None:
    assert client({}).get("/", headers={"Host": host}).status_code == 200


def test_a_host_that_the_settings_allow_is_served() -> None:
    app = create_app(OneAnswerService({}), allowed_hosts=["twin.plant.example"])
    web = TestClient(app, base_url="http://twin.plant.example:8000")
    assert web.get("/").status_code == 200
    assert web.get("/", headers={"Host": "localhost"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_another_site_cannot_change_anything(method: str, headers: dict[str, str]) -> None:
    service = OneAnswerService(JOB)
    web = TestClient(create_app(service), base_url="http://127.0.0.1:8000")
    answer = web.request(method, "/api/v1/jobs/J-1", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross-origin")
    assert service.asked == []


def test_the_page_itself_and_scripts_may_change_things() -> None:
    web = client(JOB)
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert web.delete("/api/v1/jobs/J-1", headers=own).status_code == 200
    assert web.delete("/api/v1/jobs/J-1").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/ui/main.js", "/api/v1/line", "/api/v1/nothing", "/ui/nothing.js"]
)
def test_every_answer_carries_the_security_headers(path: str) -> None:
    headers = client(NotReadyError()).get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_page_comes_while_the_product_is_starting() -> None:
    service = OneAnswerService(NotReadyError("starting"))
    web = TestClient(create_app(service), base_url="http://localhost")
    assert web.get("/").headers["content-type"].startswith("text/html")
    assert web.get("/ui/main.js").headers["content-type"].startswith("text/javascript")
    assert service.asked == []


def test_nothing_above_the_ui_folder_is_served() -> None:
    web = client({})
    assert web.get("/ui/%2e%2e/app.py").status_code == 404
    assert web.get("/ui/../app.py").status_code == 404


def test_no_page_of_the_framework_is_served() -> None:
    web = client({})
    assert [web.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3


def test_openapi_types_every_answer() -> None:
    paths = client({}).get("/api/v1/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method, route in methods.items():
            if path.endswith(("/events", ".csv")):
                continue
            good = next(r for status, r in route["responses"].items() if status.startswith("2"))
            schema = good["content"]["application/json"]["schema"]
            assert {"$ref", "oneOf"} & set(schema), (method, path)


@pytest.mark.parametrize(
    ("table", "document"),
    [
        ("schedule", {"entries": [], "maintenance": []}),
        ("demand", {"buckets": [], "items": []}),
        ("proposals", {"proposals": []}),
    ],
)
def test_what_planners_ask_is_a_table_to_download_too(table: str, document: Document) -> None:
    answer = client(document).get(f"/api/v1/{table}.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{table}.csv"'
    assert len(answer.text.splitlines()) == 1  # the names of the columns


def test_a_table_that_is_not_computed_yet_is_a_problem() -> None:
    answer = client(NotReadyError("the plan is being computed")).get("/api/v1/schedule.csv")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
