"""The benchmark against the peers: what it runs, checks, counts and writes."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import against_peers
    finally:
        sys.path.remove(str(BENCHMARKS))
    return against_peers


def options(bench, **changed) -> Namespace:
    given = {"device": torch.device("cpu"), "variants": ("fp32",), "small": True}
    return Namespace(**{**given, "batch_size": 2, "rounds": 2, "command": ""} | changed)


@pytest.fixture
def race(bench, tmp_path):
    return bench.Race(bench.LAION, options(bench), tmp_path)


def test_each_round_has_a_turn_of_each_and_models_are_trained(bench, race):
    transformers = bench.PEERS[bench.LAION][1]
    contestants = [kind(*race.given()) for kind in (bench.Ours, transformers)]
    race.check(contestants)
    names = ["clap_sb", "transformers"]
    before = [next(one.model.parameters()).clone() for one in contestants]
    flops = {
        one.package: bench.training_flops(one, race.wavs, race.tokens)
        for one in contestants
    }
    # both compute the same products, but for the filterbank, which is NumPy's there
    filterbank = 2 * len(race.wavs) * 1001 * 513 * 64
    assert flops["clap_sb"] == flops["transformers"] + filterbank
    taken = race.run("fp32", contestants)
    assert set(taken.wall) == {
        (name, what) for name in names for what in (*bench.EVAL, bench.TRAINING)
    }
    assert all(len(rounds) == 2 for rounds in taken.wall.values())
    for one, start in zip(contestants, before, strict=True):
        assert not torch.equal(next(one.model.parameters()), start), one.package
    rows = list(bench.rows("fp32", taken, names[1:]))
    assert len(rows) == 5 and rows[-1].startswith("| fp32, transformers | training")
    share = bench.share("fp32", taken, flops, bench.Limit(torch.device("cpu"), True))
    assert share.count("%") == 2
    with torch.no_grad():
        next(contestants[1].model.audio_projection.parameters()).mul_(1.5)
    with pytest.raises(RuntimeError, match="transformers's audio is off by"):
        race.check(contestants)


def test_a_peer_that_is_not_installed_is_named(bench, race, monkeypatch):
    for peer in bench.PEERS[bench.LAION]:
        monkeypatch.setattr(peer, "version", classmethod(lambda cls: None))
    peaks = {"start and loading, s": 1.0}
    monkeypatch.setattr(bench, "alone", lambda race, name: peaks)
    race.options.rounds = 1
    limit = bench.Limit(race.options.device, small=True)
    lines = list(bench.section(race, limit))
    assert "Not installed, and not here: laion_clap, transformers." in lines
    assert any(line.startswith("Of the fp32 limit, ") for line in lines)
    assert lines[-1] == "| start and loading, s | 1.0 |"
    told = "\n".join([*bench.machine(race.options, {bench.Ours}, 1.0), *limit.told()])
    assert f"torch {torch.__version__}" in told and "load of" in told
    assert "GFLOP/s of a core" in told


def test_memory_and_loading_are_those_of_a_process_of_its_own(bench, race, capsys):
    given = [race.kind, "1", str(race.folder), "cpu", "2", "0.0"]
    bench.main(["--alone", "clap_sb", *given])
    figures = bench.json.loads(capsys.readouterr().out)
    assert list(figures) == [
        "start and loading, s",
        "memory, files, MB",
        "memory, training step, MB",
    ]
    files, step = list(figures.values())[1:]
    assert 100 < files <= step


def test_the_section_goes_between_its_marks(bench, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before\n" + "".join(bench.MARKS) + "After\n", encoding="utf-8")
    for lines in (["old"], ["new", "lines"]):
        bench.write(lines, page)
    first, last = bench.MARKS
    expected = f"Before\n{first}new\nlines\n\n{last}After\n"
    assert page.read_text(encoding="utf-8") == expected
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the lines"):
        bench.write(["new"], page)


@pytest.mark.parity
def test_all_peers_give_what_ours_gives(bench, tmp_path):
    for kind, peers in bench.PEERS.items():
        folder = tmp_path / kind
        folder.mkdir()
        race = bench.Race(kind, options(bench), folder)
        race.check([one(*race.given()) for one in (bench.Ours, *peers)])
