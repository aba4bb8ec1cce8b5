"""The documentation cannot lie: generated pages are current, links lead somewhere, examples run."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    p for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")) if ".venv" not in p.parts
)


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_current(generator: ModuleType) -> None:
    stale = [
        name
        for name, content in generator.pages().items()
        if not (ROOT / "docs" / "reference" / name).exists()
        or (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") != content
    ]
    assert not stale, f"run `make docs`: {stale}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = [
        target
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_every_page_is_reached_from_readme() -> None:
    """By links, where a link to a folder reaches the pages in it."""
    reached: set[Path] = set()
    todo = [ROOT / "README.md"]
    while todo:
        page = todo.pop().resolve()
        if page in reached:
            continue
        reached.add(page)
        if page.is_dir():
            todo += page.glob("*.md")
            continue
        if page.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                todo.append(page.parent / target)
    assert not [str(p.relative_to(ROOT)) for p in PAGES if p.resolve() not in reached]


def test_every_command_in_the_docs_exists() -> None:
    from connectors.cli import main

    named = {
        (page.name, command)
        for page in PAGES
        for block in re.findall(r"```.*?```", page.read_text(encoding="utf-8"), re.DOTALL)
        for command in re.findall(
            r"^(?:\$ )?(?:\S*/bin/)?linetwin ([a-z][a-z-]*)", block, re.MULTILINE
        )
    }
    assert named
    assert not {(page, command) for page, command in named if command not in main.commands}


def test_every_target_of_make_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(
            r"`make ([a-z-]+)`|^\$ make ([a-z-]+)", page.read_text(), re.MULTILINE
        )
        for target in target
        if target
    }
    assert {"demo", "test", "check"} <= named
    assert named <= targets


def test_every_setting_in_the_docs_exists() -> None:
    from connectors.settings import PREFIX, Settings

    known = {PREFIX + name.upper() for name in Settings.model_fields}
    named = {v for page in PAGES for v in re.findall(r"LINETWIN_[A-Z_]*[A-Z]", page.read_text())}
    assert named == known


def test_the_pinned_requirements_name_no_registry() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        lines = file.read_text().splitlines()
        assert any(line.strip().startswith("--hash=sha256:") for line in lines)
        assert not [line for line in lines if "://" in line or line.startswith("-")], file.name


def test_no_path_of_a_machine_is_in_the_repository() -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, text=True
    )
    if files.returncode != 0:
        pytest.skip("not a git checkout")
    homes = re.compile("|".join(re.escape(f"{place}/") for place in (ROOT, Path.home())))
    found = []
    for name in files.stdout.split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix not in {".png", ".parquet"}:
            text = path.read_text(encoding="utf-8", errors="ignore")
            found += [f"{name}: {m}" for m in homes.findall(text)]
    assert not found
