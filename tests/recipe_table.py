"""The table of recipes, and what a run of one has to leave behind or say.

`tests/recipes/<Dataset>.csv` lists each recipe's scripts with the systems they run on,
as SpeechBrain's own tables do.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

from scripts import ROOT, Finished

TABLES = sorted((ROOT / "tests" / "recipes").glob("*.csv"))


def rows(script: str | None = None) -> list[dict[str, str]]:
    found = []
    for table in TABLES:
        with open(table, encoding="utf-8", newline="") as file:
            found += list(csv.DictReader(file))
    return [row for row in found if script in (None, row["Script_file"])]


def name_of(row: dict[str, str]) -> str:
    return f"{row['Script_file']} {row['Hparam_file']}"


def results(folder: Path, name: str) -> dict:
    return json.loads((folder / "results" / f"{name}.json").read_text(encoding="utf-8"))


def error_of(finished: Finished) -> str:
    """The one line that says what was wrong, with no traceback around it."""
    assert finished.code not in (0, None), finished.output
    assert "Traceback" not in finished.output
    lines = finished.output.splitlines()
    (line,) = (line for line in lines if line.startswith("error: "))
    return line


def assert_checks(row: dict[str, str], folder: Path, finished: Finished) -> None:
    """Does what the table's last column asks for."""
    assert finished.code == 0, finished.output
    kind, listed = re.fullmatch(r"(\w+)=\[(.*)\]", row["test_debug_checks"]).groups()
    if kind == "output":
        assert listed in finished.output
        return
    assert kind == "file_exists"
    missing = [name for name in listed.split(",") if not (folder / name).is_file()]
    assert not missing
