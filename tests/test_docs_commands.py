"""What README and docs tell to type: it is taken, and names what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from clap_sb.cli.main import parse

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "recipes").glob("*/README.md"))
EXTRAS = set(re.findall(r'^        "(\w+)": ', (ROOT / "setup.py").read_text(), re.M))


def blocks(page: Path) -> str:
    """What stands in blocks of code, each command in a line of its own."""
    found = re.findall(r"^```\w*\n(.*?)^```", page.read_text(), re.M | re.S)
    return re.sub(r"\\\n\s*", " ", "".join(found))


def commands(page: Path) -> list[str]:
    """Lines of ``clap-sb``, without what is told beside them or done with them."""
    lines = re.findall(r"(?:^|\| )clap-sb (.*)", blocks(page), re.M)
    return [re.split(r"\s{3,}(?![-\s])|\s+#| \| | > ", line)[0] for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_command_takes_what_is_told(page):
    for line in commands(page):
        if line.startswith("--help"):
            continue
        assert callable(parse(shlex.split(line)).run), line


def test_there_are_commands_to_take():
    assert sum(len(commands(page)) for page in PAGES) > 30


def test_what_is_installed_is_the_clone():
    """No index has the package: `pip install clap_sb[...]` is no way to begin with."""
    told = [
        line for page in PAGES for line in re.findall("pip install .*", blocks(page))
    ]
    extras = [match for line in told for match in re.findall(r"\[([\w,]+)\]", line)]
    assert len(extras) >= 3
    assert {name for names in extras for name in names.split(",")} <= EXTRAS
    assert not [line for line in told if "clap_sb" in line]


def test_paths_of_the_demo_are_those_that_make_demo_writes():
    demo = re.search(r"^DEMO := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1]
    told = re.findall(r"results/[\w/]*demo[\w/]*", "".join(map(blocks, PAGES)))
    assert told and {path for path in told if not path.startswith(demo)} == set()


def test_checkpoints_to_take_are_known_with_their_licences():
    known = {}
    for line in (ROOT / "docs" / "checkpoints.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) > 4 and cells[0].startswith("`"):
            known[cells[0].strip("`")] = cells
    page = (ROOT / "docs" / "search.md").read_text()
    table = page.split("## Which checkpoint")[1].split("## Keeping")[0]
    rows = re.findall(
        r"^\| `(\w[\w/.-]+)` \|.*\| ([\w.-]+) \| ([^|]*) \|$", table, re.M
    )
    assert len(rows) == 4
    for name, licence, score in rows:
        cells = known.get(name) or known[name.rpartition("/")[2]]
        assert licence in cells, name
        assert score == "–" or score.split(" (")[0] in cells[4], name
