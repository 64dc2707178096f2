"""The benchmark of the demo: its commands, and what a command takes."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SPIN = "import time\nwhile time.process_time() < 0.6: pass"


@pytest.fixture(scope="module")
def benchmark():
    path = ROOT / "benchmarks" / "demo_cost.py"
    spec = importlib.util.spec_from_file_location("demo_cost", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_cost"] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    return module


def test_the_commands_are_those_of_the_makefile(benchmark):
    training, zero_shot, search = benchmark.demo_commands(["--seed", "1"])
    assert training[:3] == [
        sys.executable,
        "recipes/AudioCaps/train.py",
        "hparams/demo.yaml",
    ]
    assert training[-2:] == ["--seed", "1"]
    assert zero_shot[1] == "recipes/ESC-50/zero_shot.py"
    assert zero_shot[-1] == f"{benchmark.RESULTS}/zero_shot"
    assert search[-3:] == [
        "a dog barking quickly",
        "rain falling",
        "a siren in the distance",
    ]


def test_the_work_of_a_child_counts_and_sleep_does_not(benchmark, tmp_path):
    in_child = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SPIN!r}])"
    )
    spun = benchmark.cost_of([sys.executable, "-c", in_child], tmp_path)
    assert 60 * spun.cores >= 0.6
    sleep = "import time; time.sleep(1.5)"
    slept = benchmark.cost_of([sys.executable, "-c", sleep], tmp_path)
    assert 60 * slept.wall >= 1.5
    assert 60 * slept.cores < 1
    both = spun + slept
    assert (both.wall, both.cores) == (
        spun.wall + slept.wall,
        spun.cores + slept.cores,
    )


def test_a_command_that_fails_ends_the_measurement_with_its_message(
    benchmark, tmp_path
):
    command = [sys.executable, "-c", "raise SystemExit('no such setting')"]
    with pytest.raises(RuntimeError, match="no such setting"):
        benchmark.cost_of(command, tmp_path)


def test_the_busy_process_ends_with_what_it_ran_beside(benchmark):
    with benchmark.busy_process(True) as process:
        assert process.poll() is None
    assert process.poll() is not None
    with benchmark.busy_process(False) as process:
        assert process is None


def test_the_scores_are_read_from_the_results(benchmark, tmp_path):
    for number, (file, name) in enumerate(benchmark.SCORES):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        known = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**known, name: 10.0 * number}))
    found = list(benchmark.scores(tmp_path))
    assert [value for _, value in found] == [0.0, 10.0, 20.0, 30.0]
