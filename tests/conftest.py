"""One running demo for every test that needs one, after all tests that need the machine to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.system.product import Product, until, with_history

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the running demo come last, so that it runs during no other."""
    items.sort(key=lambda item: "demo" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first start of a demo makes, and every later one finds: two weeks of the practice plant."""
    data = tmp_path_factory.mktemp("history")
    with Product(data, "demo", "--port", "0", "--data", data, "--json", cwd=data) as product:
        product.listening()
        until(lambda: product.step("history") == "done", "history", 240)
        product.stop()
    (folder,) = data.glob("history-*")
    return folder


@pytest.fixture(scope="session")
def demo(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``linetwin demo`` with its whole chain computed."""
    data = with_history(tmp_path_factory.mktemp("demo"), history)
    with Product(data, "demo", "--port", "0", "--data", data, "--json", cwd=data) as product:
        product.listening()
        product.wait_for_chain()
        yield product
        product.stop()


@pytest.fixture(scope="session")
def demo_url(demo: Product) -> str:
    """Where it is."""
    return demo.url
