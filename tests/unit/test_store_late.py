"""A copy that is away keeps nobody from starting, and has everything when it is back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.runtime.telemetry import open_copies, open_main_historian
from connectors.settings import load_settings
from connectors.store.late import LateHistorian
from twin.errors import DataError, StoreError
from twin.telemetry import Historian, MemoryHistorian, Sample, SampleBatch

AT = datetime(2026, 3, 16, 12, tzinfo=UTC)
BATCH = SampleBatch.of([Sample(signal="a", value=1.0, measured_at=AT, available_at=AT)])


def test_a_store_is_opened_again_until_it_is_there_and_then_once() -> None:
    away, opened = [StoreError("nobody answers")] * 2, list[Historian]()

    def opening() -> Historian:
        if away:
            raise away.pop()
        opened.append(MemoryHistorian())
        return opened[-1]

    late = LateHistorian(opening)
    for _ in range(2):
        with pytest.raises(StoreError, match="nobody answers"):
            late.append(BATCH)
    assert late.append(BATCH) == 1
    assert (late.count(), len(opened)) == (1, 1)
    late.close()


def test_what_was_never_opened_is_not_opened_any_more_when_it_is_closed() -> None:
    late = LateHistorian(lambda: pytest.fail("it was opened"))
    late.close()
    with pytest.raises(StoreError, match="closed"):
        late.append(BATCH)


def test_a_copy_that_is_away_keeps_nobody_from_starting(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken")
    url = f"http://127.0.0.1:1?token_file={token}"
    copies = open_copies(load_settings({}, data=tmp_path, historian_copies=(url,)))
    (copy,) = copies.values()
    with pytest.raises(StoreError, match="cannot be opened"):
        copy.append(BATCH)
    copy.close()


@pytest.mark.parametrize(
    "url", ["influx://user:hidden@h", "http://user:hidden@h:port", "http://[h"]
)
def test_a_copy_that_is_no_server_is_refused_and_its_password_not_shown(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(DataError, match="http") as refused:
        open_copies(load_settings({}, data=tmp_path, historian_copies=(url,)))
    assert "hidden" not in str(refused.value)


def test_the_url_of_a_store_that_is_none_is_one_line(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0ken")
    settings = load_settings(
        {}, data=tmp_path, historian_url="http://u:hidden@[h", historian_token_file=token
    )
    with pytest.raises(DataError, match=r"historian is no URL; write http://HOST:PORT"):
        open_main_historian(settings)
