"""The first minute of README, as a newcomer does it: every command in a console block."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest

from connectors.cli import main
from tests.system.product import ROOT, Product, environment

pytestmark = [pytest.mark.slow, pytest.mark.alone]

BLOCKS = re.findall(r"^```console\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.M)
COMMANDS = [
    line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines() if line[:2] == "$ "
]
AT_HAND = ("--no-index", "--no-deps", "--no-build-isolation")
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone of this working tree would hold, in an empty directory."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0 or shutil.which("make") is None:
        pytest.skip("not a git checkout, or no make (Debian packages: git, make)")
    folder = tmp_path_factory.mktemp("clone")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def at_hand(clone: Path) -> Mapping[str, str]:
    """The libraries of this environment, seen from the clone's: pip finds its pins satisfied.

    Only the download is left out; make, pip and the product do the rest as they always do.
    """
    quiet = {"cwd": clone, "check": True, "capture_output": True, "text": True}
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], **quiet)
    question = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([clone / ".venv/bin/python", "-c", question], **quiet).stdout.strip()
    ours = subprocess.run([sys.executable, "-c", question], **quiet).stdout
    Path(own, "libraries.pth").write_text(ours)
    return {**OFFLINE, "PYTHONPATH": ""}


def test_the_blocks_are_found() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]
    assert len(COMMANDS) >= 8


def test_make_demo_answers_at_one_url_and_ends_with_everything_it_started(
    clone: Path, at_hand: Mapping[str, str], history: Path
) -> None:
    data = clone / ".demo"
    data.mkdir()
    shutil.copytree(history, data / history.name)  # as of an earlier start
    make = ("make", "--no-print-directory", "--silent", "demo")
    with Product(clone, "ARGS=--port 0 --json", command=make, cwd=clone, env=at_hand) as product:
        assert product.first_page_s() > 0
        assert product.get("/plant")["name"]
        assert (clone / ".venv" / "run").exists()
        running = {p.name() for p in product.processes()}
        assert "make" in running
        assert any(str(clone) in " ".join(p.cmdline()) for p in product.processes())
        product.signalled(signal.SIGINT)
        assert "Traceback" not in product.errors


def test_make_test_runs_the_tests(clone: Path) -> None:
    """Not from within the tests: what it would do is enough."""
    for target, wanted in (("test", "pytest"), ("check", "lint-imports")):
        told = subprocess.run(
            ["make", "-n", target], cwd=clone, capture_output=True, text=True, check=True
        )
        assert f"bin/{wanted}" in told.stdout
        assert "--require-hashes" in told.stdout or (clone / ".venv" / "dev").exists()


def test_the_commands_without_make_are_as_pip_takes_them() -> None:
    made, installed, started = (c for c in COMMANDS if re.search(r"\bvenv\b", c))
    assert made == "python3 -m venv venv"
    program, *arguments = shlex.split(installed)
    assert program == "venv/bin/pip"
    told = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--dry-run", "--quiet", *AT_HAND],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # what the wheel holds is the business of test_packaging
    assert told.returncode == 0, told.stderr
    assert parses(started)


def test_every_command_of_linetwin_is_one(clone: Path) -> None:
    named = [command for command in COMMANDS if "linetwin" in shlex.split(command)[0]]
    assert {shlex.split(command)[1] for command in named} >= {"demo", "check", "serve"}
    assert all(map(parses, named))


def test_your_own_plant_begins_as_a_copy_of_the_example(clone: Path, tmp_path: Path) -> None:
    block = next(b for b in BLOCKS if "my-plant" in b)
    lines = [line.removeprefix("$ ") for line in block.splitlines()]
    copy, check, serve = (shlex.split(line) for line in lines)
    assert copy[0] == "cp"
    subprocess.run(copy, cwd=clone, check=True)
    told = subprocess.run(
        [sys.executable, "-m", "connectors", *check[1:]],
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert told.returncode == 0, told.stderr
    assert "no faults" in told.stdout
    assert (clone / serve[serve.index("--plant") + 1]).exists()


def parses(command: str) -> bool:
    """Whether the command line takes it."""
    _, name, *arguments = shlex.split(command)
    with click.Context(main) as context:
        made = main.commands[name].make_context(name, arguments, parent=context)
        return made.command is main.commands[name]
