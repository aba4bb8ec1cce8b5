"""The page's modules parse, import only what is in the wheel, and say numbers as people read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UI = Path(__file__).parents[2] / "connectors" / "web" / "ui"
MODULES = sorted(p for p in UI.rglob("*.js") if "vendor" not in p.parts)

node = pytest.mark.skipif(
    shutil.which("node") is None, reason="no node on this machine (Debian package: nodejs)"
)


@pytest.mark.parametrize("module", MODULES, ids=lambda p: str(p.relative_to(UI)))
def test_every_import_names_a_file_of_the_wheel(module: Path) -> None:
    targets = re.findall(r"""(?:from|import)\s+["']([^"']+)["']""", module.read_text("utf-8"))
    for target in targets:
        assert target.startswith("."), f"{target} is not local"
        assert (module.parent / target).resolve().is_file(), target


@node
def test_every_module_parses(tmp_path: Path) -> None:
    copies = []
    for module in MODULES:
        copy = tmp_path / ("-".join(module.relative_to(UI).parts).removesuffix(".js") + ".mjs")
        copy.write_text(module.read_text("utf-8"), "utf-8")
        copies.append(copy)
    for copy in copies:
        done = subprocess.run(
            ["node", "--check", copy], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@node
def test_numbers_and_chances_are_said_for_people(tmp_path: Path) -> None:
    shutil.copytree(UI, tmp_path / "ui")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "say.js").write_text(
        "globalThis.document = {addEventListener() {}, documentElement: {dataset: {}}};\n"
        "globalThis.localStorage = {getItem: () => null, setItem() {}};\n"
        "globalThis.matchMedia = () => ({matches: false, addEventListener() {}});\n"
        'const f = await import("./ui/lib/format.js");\n'
        "console.log(JSON.stringify([f.number(1234567), f.number(0.012345), f.number(null),"
        " f.number(-2.5), f.percent(0.256), f.chance(0.999), f.chance(0.001), f.chance(1),"
        ' f.quantity(14500, "W"), f.quantity(244, "degC"), f.signed(3)]));\n'
    )
    done = subprocess.run(
        ["node", "say.js"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        "1,234,567",
        "0.0123",
        "–",
        "−2.5",
        "26 %",
        "> 99 %",
        "< 1 %",
        "100 %",
        "14.5 kW",
        "244 °C",
        "+3",
    ]
