"""A headless Chromium of our own, driven over the DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

__all__ = ["Page", "chromium", "find_chromium"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # containers of CI have no user namespaces
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-default-browser-check",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
START_S = 30.0
CALL_S = 20.0


def find_chromium() -> str | None:
    """Path of a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab: what it asked for, what it complained about, and what is on it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._session: str | None = None
        self.complaints: list[str] = []
        """Console errors, exceptions, failed loads and violations of the content-security policy."""
        self.urls: list[str] = []
        """Every address that the page requested."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self._call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Go to `url`; returns at once."""
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression on the page; a promise is awaited."""
        answer = self._call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = 20.0) -> Any:
        """The first truthy value of `expression`."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            value = self.evaluate(expression)
            if value:
                return value
            self.listen(0.1)
        raise AssertionError(f"{expression} stayed false for {timeout_s} s: {self.complaints}")

    def listen(self, seconds: float) -> None:
        """Take what the browser tells for some time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                self._heard(json.loads(self._socket.recv(timeout=left)))

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Window size in CSS pixels, and the theme that the system prefers."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Save what is to be seen, or the whole page, as PNG."""
        answer = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        deadline = time.monotonic() + CALL_S
        while True:
            answer = json.loads(self._socket.recv(timeout=deadline - time.monotonic()))
            if answer.get("id") == number:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self._heard(answer)

    def _heard(self, message: dict[str, Any]) -> None:
        hear = _HEARD.get(message.get("method", ""))
        if hear is not None:
            hear(self, message["params"])


def _console(page: Page, said: dict[str, Any]) -> None:
    if said["type"] in {"error", "assert", "warning"}:
        words = [str(a.get("value", a.get("description", ""))) for a in said["args"]]
        page.complaints.append(f"console {said['type']}: {' '.join(words)}")


def _exception(page: Page, said: dict[str, Any]) -> None:
    details = said["exceptionDetails"]
    text = details.get("exception", {}).get("description", details["text"])
    page.complaints.append(f"exception: {text}")


def _log(page: Page, said: dict[str, Any]) -> None:
    if said["entry"]["level"] == "error":
        page.complaints.append(f"log: {said['entry']['text']} {said['entry'].get('url', '')}")


def _issue(page: Page, said: dict[str, Any]) -> None:
    if said["issue"]["code"] == "ContentSecurityPolicyIssue":
        page.complaints.append(f"content-security policy: {said['issue']['details']}")


def _request(page: Page, said: dict[str, Any]) -> None:
    page.urls.append(said["request"]["url"])


_HEARD: dict[str, Callable[[Page, dict[str, Any]], None]] = {
    "Runtime.consoleAPICalled": _console,
    "Runtime.exceptionThrown": _exception,
    "Log.entryAdded": _log,
    "Audits.issueAdded": _issue,
    "Network.requestWillBeSent": _request,
}


@contextlib.contextmanager
def chromium(executable: str, profile: Path) -> Iterator[Page]:
    """A page in a browser of its own, which ends with the block."""
    command = [executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        with connect(_address(process, profile), max_size=None, open_timeout=START_S) as socket:
            yield Page(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # the helpers of this browser are of its group
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def _address(process: subprocess.Popen[bytes], profile: Path) -> str:
    told = profile / "DevToolsActivePort"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"chromium ended with {process.returncode}")
        if told.exists() and len(lines := told.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise AssertionError(f"chromium told no debugging port within {START_S} s")
