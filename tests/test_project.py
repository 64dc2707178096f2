"""The project's own promises: light imports, one-way dependencies, documentation."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "clap_sb").rglob("*.py"))

ROW = re.compile(r"^\| `clap_sb/(\w+)(?:\.py|/)` \|.*\| ([^|]+) \|$", re.MULTILINE)


def table_of_rooms() -> dict[str, set[str]]:
    """Each room of the package, and the rooms it may import, as documented."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return {
        room: set() if rooms == "nothing of ours" else set(rooms.split(", "))
        for room, rooms in ROW.findall(text)
    }


MAY_IMPORT = table_of_rooms()
TRAINING_ROOMS = {"brain", "distillation", "frozen_cache", "experiment", "training"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> str | None:
    """The part after ``clap_sb.``; None for the package itself and other packages."""
    package, _, rest = name.partition(".")
    return rest.split(".")[0] if package == "clap_sb" and rest else None


def imported_names(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def modules_loaded_by(*names: str) -> set[str]:
    """What a fresh interpreter has loaded after importing some modules."""
    code = "import importlib, json, sys\nbefore = set(sys.modules)\n"
    code += f"for name in {names!r}:\n    importlib.import_module(name)\n"
    code += "print(json.dumps(sorted(set(sys.modules) - before)))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(json.loads(result.stdout.splitlines()[-1]))


def test_importing_the_package_loads_only_the_standard_library():
    loaded = {name.split(".")[0] for name in modules_loaded_by("clap_sb")}
    assert loaded - sys.stdlib_module_names == {"clap_sb"}


def test_heavy_packages_are_loaded_only_where_they_are_used():
    names = {module_name(path) for path in MODULES}
    light = [name for name in names if room_of(name) not in TRAINING_ROOMS]
    heavy = {"matplotlib", "pandas", "sentencepiece", "speechbrain", "transformers"}
    heavy |= {"faiss", "pyarrow", "starlette", "torchaudio", "uvicorn"}
    assert not modules_loaded_by(*sorted(light)) & heavy


def test_a_module_is_known_by_its_name():
    """But for commands, and for what each room has under one name."""
    rooms = {"contract", "errors", "__init__"}
    names = Counter(path.stem for path in MODULES if path.parent.name != "cli")
    assert [
        name for name, count in names.items() if count > 1 and name not in rooms
    ] == []


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_dependencies_point_one_way(path):
    room = room_of(module_name(path))
    imported = {room_of(name) for name in imported_names(path)} - {None, room}
    allowed = MAY_IMPORT[room] if room else set()
    assert imported <= allowed, f"{path.name} ({room}) may import {sorted(allowed)}"


def test_the_table_has_a_row_for_each_room_and_names_no_other():
    rooms = {room_of(module_name(path)) for path in MODULES} - {None}
    assert MAY_IMPORT.keys() == rooms
    assert set().union(*MAY_IMPORT.values()) <= rooms


def test_the_table_of_dependencies_has_no_cycle():
    done: set[str] = set()
    while len(done) < len(MAY_IMPORT):
        ready = {room for room, needs in MAY_IMPORT.items() if needs <= done} - done
        assert ready, f"a cycle among {sorted(MAY_IMPORT.keys() - done)}"
        done |= ready


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_what_is_public_is_documented(path):
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(module), f"{path.name} has no docstring"
    definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

    def public(scope):
        nodes = [node for node in scope.body if isinstance(node, definitions)]
        return [node for node in nodes if not node.name.startswith("_")]

    nodes = public(module)
    nodes += [n for c in nodes if isinstance(c, ast.ClassDef) for n in public(c)]
    bare = [node.name for node in nodes if not ast.get_docstring(node)]
    assert not bare, f"{path.name}: no docstring for {', '.join(bare)}"


def test_hparams_holds_what_the_wheel_carries():
    """Setup.py takes ``*.yaml`` from the folder itself, and nothing deeper."""
    files = [path for path in (ROOT / "hparams").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"demo.yaml", "htsat_roberta.yaml"}
    assert [path for path in files if path.suffix != ".yaml"] == []
    assert {path.parent for path in files} == {ROOT / "hparams"}


def test_nothing_is_a_symbolic_link():
    folders = ["clap_sb", "hparams", "recipes", "tests"]
    links = [p for name in folders for p in (ROOT / name).rglob("*") if p.is_symlink()]
    assert links == []


def test_no_file_names_a_machine_or_a_registry():
    suffixes = {".py", ".yaml", ".md", ".toml"}
    folders = ["clap_sb", "hparams", "recipes", "tests", "docs", "benchmarks"]
    files = [path for name in folders for path in (ROOT / name).rglob("*")]
    files += ROOT.iterdir()
    private = re.compile(r"/(?:home|root|work|Users)/|\bpypi\b", flags=re.IGNORECASE)
    naming = [
        path.relative_to(ROOT).as_posix()
        for path in files
        if path.is_file() and (path.suffix in suffixes or path.name == "Makefile")
        if private.search(path.read_text(encoding="utf-8"))
    ]
    # This module has to spell out what is looked for.
    assert set(naming) <= {"tests/test_project.py"}
