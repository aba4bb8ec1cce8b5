"""The web server around a running product: one socket, one loop, one clean end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from typing import Any

import click
import uvicorn

from connectors.runtime import Runtime
from connectors.runtime.ownership import owned
from connectors.settings import Settings
from connectors.web.app import create_app
from twin.errors import SourceError
from twin.plant import load_plant

__all__ = [
    "bound_socket",
    "run_until_signal",
    "serve_product",
    "serve_runtime",
    "set_up_logging",
]


PATIENCE_S = 10.0
"""How long a source may take to be reached at the start. [s]"""

_LOUD = ("asyncua", "amqtt", "transitions", "paho")


def serve_product(settings: Settings, *, wait: bool, in_json: bool) -> None:
    """Read the plant file, then serve until a signal.

    Args:
        settings: Where things are.
        wait: Go on trying sources that cannot be reached at the start.
        in_json: Say where it listens as JSON.
    """
    plant = load_plant(settings.plant)
    with owned(settings.data), bound_socket(settings.host, settings.port) as listener:
        runtime = Runtime(settings, plant, patience_s=None if wait else PATIENCE_S)
        serve_runtime(runtime, settings, listener, in_json=in_json)


def set_up_logging(form: str = "text") -> None:
    """Warnings of ours to standard error; libraries that tell the same with tracebacks are quiet.

    Args:
        form: ``text``, or ``json`` for one object a line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonLines()
        if form == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def serve_runtime(
    runtime: Runtime, settings: Settings, listener: socket.socket, *, in_json: bool
) -> None:
    """Serve page and API of a runtime on a socket until SIGINT or SIGTERM."""
    set_up_logging(settings.log)
    app = create_app(runtime.desk, allowed_hosts=settings.allowed_hosts)
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=1, lifespan="off", ws="none"
    )

    async def serve(stopping: asyncio.Event) -> None:
        server = _Server(config)
        web = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not web.done():
            await asyncio.sleep(0.01)
        _say(listener, in_json)
        try:
            await runtime.run(stopping)
        finally:
            server.should_exit = True
            await web

    run_until_signal(serve)


def run_until_signal(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run an async function that ends when the event it is given is set; SIGINT and SIGTERM set it."""

    async def run() -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        await main(stopping)

    asyncio.run(run())


@contextlib.contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, so that a taken port is said in one line before anything starts.

    Raises:
        SourceError: The address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(128)
        except OSError as e:
            raise SourceError(
                f"cannot listen on {host}:{port}: {e.strerror}; "
                "stop what uses it, or choose another with --port"
            ) from e
        yield listener


class _JsonLines(logging.Formatter):
    """One JSON object a line: at, level, logger, message, and what broke."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Server(uvicorn.Server):
    """Leaves signals to us: one handler stops the product and the page."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _say(listener: socket.socket, in_json: bool) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}/"
    event = {"event": "listening", "url": url}
    click.echo(json.dumps(event) if in_json else f"linetwin is at {url}   (Ctrl-C stops it)")
    sys.stdout.flush()
