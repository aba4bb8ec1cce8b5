"""What the files of the page promise: everything local, nothing inline, every import there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.web.app import UI

OWN = sorted(p for p in UI.rglob("*.js") if "vendor" not in p.parts)
IMPORT = re.compile(r"""(?:from|import)\s+"([^"]+)";""")


@pytest.mark.parametrize("path", OWN, ids=lambda p: p.name)
def test_every_import_is_a_file_of_the_page(path: Path) -> None:
    for name in IMPORT.findall(path.read_text()):
        assert name.startswith("."), f"{path}: {name}"
        assert (path.parent / name).is_file(), f"{path}: {name}"


@pytest.mark.parametrize("path", OWN, ids=lambda p: p.name)
def test_a_module_stays_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400


def test_no_file_names_another_host() -> None:
    for path in [*OWN, *UI.rglob("*.css"), UI / "index.html"]:
        assert not re.search(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", path.read_text()), path


def test_the_page_has_nothing_inline() -> None:
    page = (UI / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)


def test_everything_the_page_links_exists() -> None:
    page = (UI / "index.html").read_text()
    linked = re.findall(r'(?:href|src)="/ui/([^"]+)"', page)
    assert len(linked) >= 5
    for name in linked:
        assert (UI / name).is_file(), name


def test_what_is_vendored_names_its_licence() -> None:
    licences = (UI / "vendor" / "LICENSES.txt").read_text()
    for name in ("preact", "htm", "uplot"):
        assert re.search(rf"^==== {name} \d+\.\d+\.\d+ \((MIT|Apache-2\.0)\) ====$", licences, re.M)
    for path in (UI / "vendor").glob("*.js"):
        assert "LICENSES.txt" in path.read_text()[:200], path
