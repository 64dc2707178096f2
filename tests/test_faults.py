"""A small sample of each long run of `make faults`; see docs/reliability.md."""

from __future__ import annotations

import sys
from typing import ClassVar

import pytest
from faults.kills import kill_indexing, kill_training
from faults.mutations import KINDS, answers, mutated, outcome
from faults.scenarios import IndexScenarios, ModelScenarios, TrainingScenario
from faults.soak import Sample, Sampling, growth, soak
from faults.survival import FAULTS, survive
from sound_files import make

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and asks /proc")

# Of the operations of a scenario, every so many fail; another one with each fault.
SPARSE = {"index": 11, "model": 40, "training": 60}


def test_damaged_files_are_the_same_each_time(tmp_path):
    content = make(tmp_path, KINDS["wav"], 1.0)[0].read_bytes()
    for seed in range(20):
        assert mutated(content, seed) == mutated(content, seed) != content


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(tmp_path, kind):
    content = make(tmp_path, KINDS[kind], 1.0)[0].read_bytes()
    path = tmp_path / f"mutated.{kind}"
    for seed in range(5000, 5020):
        path.write_bytes(mutated(content, seed))
        assert outcome(path) in ("read", "refused"), seed


def test_a_decoder_that_hangs_or_dies_is_ended_and_its_file_named(monkeypatch):
    from faults import mutations

    code = (
        "import os, sys, time\n"
        "begin, end = map(int, sys.argv[3:5])\n"
        "for seed in range(begin, end):\n"
        "    if seed == 1: time.sleep(1000)\n"
        "    if seed == 3: os._exit(11)\n"
        "    print(seed, 'read', flush=True)\n"
    )
    monkeypatch.setattr(mutations, "_SELF", ["-c", code])
    monkeypatch.setattr(mutations, "_START_SECONDS", 3)
    found = dict(answers("wav", range(5), limit=1.0))
    assert found == {
        0: "read", 1: "hung", 2: "read", 3: "ended the process", 4: "read",
    }  # fmt: skip


@pytest.mark.parametrize("kind", [IndexScenarios, ModelScenarios, TrainingScenario])
def test_each_write_may_fail_once(tmp_path, kind):
    name = kind.__name__.lower()
    step = next(step for key, step in SPARSE.items() if name.startswith(key))
    for number, scenario in enumerate(kind(tmp_path).all()):
        for offset, fault in enumerate(FAULTS, 1 + number):
            places = lambda n, at=offset: range(1 + 3 * at % step, n + 1, step)  # noqa: E731
            result = survive(scenario, [fault], places)
            assert result.tried and (result.killed == 0 or fault.kills)


def test_an_index_survives_a_kill(tmp_path):
    assert kill_indexing(tmp_path, 1, seed=1) == 1


def test_a_training_survives_a_kill(tmp_path):
    assert kill_training(tmp_path, 1, seed=1).total() == 1


class Leaking(Sampling):
    """Leaves a file open in each epoch."""

    kept: ClassVar[list] = []

    def _finish_epoch(self, epoch, valid):
        self.kept.append(open(__file__, encoding="utf-8"))  # noqa: SIM115
        super()._finish_epoch(epoch, valid)


def test_a_training_that_grows_is_told(tmp_path):
    samples = soak(tmp_path, 10, brain_class=Leaking, steps=6)
    for file in Leaking.kept:
        file.close()
    with pytest.raises(AssertionError, match="6 open files and 0 threads more"):
        growth(samples)
    steady = [Sample(100.0, 7, 2)] * 10
    assert growth(steady) == (0.0, 0, 0)
    grown = [Sample(100.0 + 2 * epoch, 7, 2) for epoch in range(10)]
    with pytest.raises(AssertionError, match=r"12\.0 MB"):
        growth(grown)
