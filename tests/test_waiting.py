"""How threads that wait for one another wait: asleep, unless told otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(
    path.relative_to(ROOT)
    for path in ROOT.glob("recipes/**/*.py")
    if "run_recipe(" in path.read_text() or path.name == "train.py"
)

VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")

# Runs a script as far as where it loads torch, and tells what is set by then.
TO_TORCH = """
import os, runpy, sys

class Torch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("threads:", os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Torch())
sys.path.insert(0, os.getcwd())
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*words: str, **variables: str) -> str:
    kept = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**kept, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_scripts_that_train_or_score_are_found():
    names = {path.as_posix() for path in SCRIPTS}
    assert {"recipes/AudioCaps/train.py", "recipes/AudioCaps/search.py"} <= names
    assert len(names) >= 9


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_a_recipe_sets_it_before_torch_is_loaded(script):
    assert run("-c", TO_TORCH, str(script)) == "threads: passive\n"


def test_the_command_line_sets_it_before_torch_is_loaded():
    search = str(Path("clap_sb", "cli", "__main__.py"))
    words = ("info", "no such file")
    assert run("-c", TO_TORCH, search, *words) == "threads: passive\n"


@pytest.mark.parametrize(
    ("given", "policy", "spins"),
    [
        ({}, "PASSIVE", "1000"),
        ({"GOMP_SPINCOUNT": "77"}, "PASSIVE", "77"),
        ({"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "88"}, "ACTIVE", "88"),
    ],
)
def test_torch_s_threads_go_by_it_and_what_the_user_has_set_stands(
    given, policy, spins
):
    told = run("-c", "import clap_sb, torch", OMP_DISPLAY_ENV="verbose", **given)
    if "OMP_WAIT_POLICY" not in told:
        pytest.skip("this torch has no OpenMP that tells its settings")
    assert f"OMP_WAIT_POLICY = '{policy}'" in told
    if "GOMP_SPINCOUNT" in told:  # GNU's
        assert f"GOMP_SPINCOUNT = '{spins}'" in told


def test_threads_that_are_to_spin_spin_as_long_as_they_would_without_the_package():
    def told(words):
        found = run("-c", words, OMP_DISPLAY_ENV="verbose", OMP_WAIT_POLICY="active")
        return [line for line in found.splitlines() if "GOMP_SPINCOUNT" in line]

    assert told("import clap_sb, torch") == told("import torch")
