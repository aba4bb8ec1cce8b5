"""The processes of a Dask cluster as an executor for experiments."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any, cast

from twin.errors import ConflictError, DataError, NotFoundError, SourceError

__all__ = ["cluster"]

_HOW = 'pip install "linetwin[cluster]"'


@contextlib.contextmanager
def cluster(address: str, *, timeout_s: float = 10.0) -> Iterator[Executor]:
    """Work of this block runs on the workers of a running ``dask scheduler``.

    Every worker must have the same linetwin: the program text that decides the bits of a result is
    compared at the beginning, so that it cannot matter where a piece runs.

    Args:
        address: Of the scheduler: ``tcp://host:port``, or ``tls://host:port`` with Dask's own settings
            for certificates.
        timeout_s: How long it may take to answer. [s]

    Yields:
        An executor for ``twin.scenarios``; what still runs at the end of the block is cancelled.

    Raises:
        NotFoundError: The library of the extra ``cluster`` is not installed.
        DataError: The address is none.
        SourceError: No scheduler answers there, or it has no worker.
        ConflictError: A worker runs other code; the message names it.

    Source:
        https://distributed.dask.org/en/stable/client.html

    Example:
        >>> with cluster("tcp://127.0.0.1:1", timeout_s=0.2) as executor:
        ...     pass
        Traceback (most recent call last):
        twin.errors.SourceError: no Dask scheduler answers at tcp://127.0.0.1:1 within 0.2 s
    """
    try:
        from distributed import Client  # a tenth of all we install, and only clusters need it
    except ImportError:
        raise NotFoundError(f"a cluster needs the library distributed: {_HOW}") from None
    place = _place(address)
    try:
        # Asked first: a client that found nobody waits again when it goes, and says so at length.
        socket.create_connection(place, timeout=timeout_s).close()
        client = Client(address, timeout=timeout_s, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as e:
        within = f"within {timeout_s:g} s"
        raise SourceError(f"no Dask scheduler answers at {address} {within}") from e
    with contextlib.closing(client):
        _check(client, address)
        executor = cast("Executor", client.get_executor(pure=False))
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def _place(address: str) -> tuple[str, int]:
    """Host and port of a scheduler."""
    match = re.fullmatch(r"(?:tcp|tls)://(?:\[(.+)\]|([^:/]+)):(\d{1,5})", address)
    if match is None or int(match[3]) > 65_535:
        raise DataError(f'"{address}" is no address of a Dask scheduler; write tcp://host:port')
    return match[1] or match[2], int(match[3])


def _check(client: Any, address: str) -> None:
    """The workers are there, and their code is ours."""
    from twin.scenarios import code_version

    found = client.run(code_version, on_error="return")
    if not found:
        raise SourceError(f"the Dask scheduler at {address} has no worker")
    others = sorted(worker for worker, version in found.items() if version != code_version())
    if others:
        raise ConflictError(
            f"workers run another linetwin than this one, or none: {', '.join(others)}; install the same there"
        )
