"""The fast engines are compiled once for a machine: now, or beside what is going on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
import time
from pathlib import Path

from connectors.runtime.pool import Workers
from twin.engine.warm import compile_engines, folder, is_warm
from twin.errors import StoreError

__all__ = ["begin_compiling", "compile_beside", "compile_now", "is_warm"]

logger = logging.getLogger(__name__)

_GIVEN_UP_S = 600.0
"""From then on, a compilation that was begun and is not there is thought to have died. [s]"""


def compile_now() -> Path:
    """Compile the fast engines, unless it has been done.

    Returns:
        The folder in which they are kept.

    Raises:
        StoreError: The folder cannot be written.
    """
    try:
        return compile_engines()
    except OSError as e:
        raise StoreError(f"{folder()} cannot be written: {e.strerror or e}") from e


def begin_compiling() -> bool:
    """Compile in a process of its own that goes on after this one.

    Returns:
        True if it was begun or goes on already; False if it cannot be.
    """
    try:
        if not _claimed():
            return True
        subprocess.Popen(
            [sys.executable, "-m", "twin.engine"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True


async def compile_beside() -> None:
    """Compile in a polite process of its own that ends with this one; what goes wrong is logged."""
    try:
        if is_warm() or not _claimed():
            return
    except OSError as e:
        logger.warning("the fast engines are not compiled: %s", e)
        return
    workers = Workers(1)
    try:
        await asyncio.wrap_future(workers.submit(compile_now))
    except Exception as e:  # noqa: BLE001  the reference answers meanwhile
        logger.warning("the fast engines are not compiled: %s", e)
    finally:
        _begun().unlink(missing_ok=True)
        workers.end()


def _begun() -> Path:
    return folder() / "begun"


def _claimed() -> bool:
    """This process is the one that compiles; False: another one does.

    Raises:
        OSError: The folder cannot be written.
    """
    mark = _begun()
    mark.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if time.time() - mark.stat().st_mtime > _GIVEN_UP_S:
            mark.unlink()
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
