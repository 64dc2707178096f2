"""The card of an export: what the hub reads of it, and what people do."""

from __future__ import annotations

import shutil

import pytest
import torch
import yaml
from small_checkpoints import laion_state, write_tokenizer
from small_run import write_run

from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.run_export import export_run, tell_scores
from clap_sb.checkpoints.speechbrain_folder import write_speechbrain_folder
from clap_sb.checkpoints.transformers_folder import write_transformers_folder
from clap_sb.evaluation.card import ProtocolCard
from clap_sb.evaluation.report import write_results


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    write_run(run, tmp_path_factory.mktemp("source"), {1: 20.0, 2: 40.0})
    export_run(run)
    return run


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def read(folder) -> tuple[dict, str]:
    """What stands in front, and the text."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    start, front, text = card.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(front), text


def report(run, name: str, checkpoint: str, title: str = "tiny on noise, test") -> None:
    """A report as tests write it."""
    scores = {"t2a_recall_at_1": 65.04, "t2a_median_rank": 2}
    card = ProtocolCard("noise", "test", 123, "windows", checkpoint, "best", 0)
    intervals = {"t2a_recall_at_1": (57.36, 72.21)}
    write_results(run / "results", name, title, scores, intervals, card)


def test_a_model_of_a_run_has_what_the_hub_reads(trained):
    front, text = read(trained / "export")
    assert front == {
        "license": "other",
        "license_name": "see-the-section-on-the-licence",
        "library_name": "speechbrain",
        "pipeline_tag": "feature-extraction",
        "tags": [
            "audio",
            "clap",
            "audio-text-retrieval",
            "zero-shot-audio-classification",
        ],
    }
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads == ["## Use", "## Limits", "## Licence"]
    assert "windows of 2.5 s at 8000 Hz" in text and "synthesised" not in text


def test_the_card_gets_the_scores_of_its_checkpoint_once_there_are_some(run):
    best = open_checkpoint(run).path.name
    report(run, "retrieval", best, "tiny on /some/place/list.csv,\ntest | retrieval")
    report(run, "fine_tuning", "laion/clap-htsat-unfused")
    before = read(run / "export")
    tell_scores(run)
    front, text = read(run / "export")
    assert front == before[0]
    row = "| tiny on list.csv, test / retrieval | `t2a_recall_at_1` | 65.0 "
    assert f"{row}| [57.4, 72.2] | 123 |\n" in text
    assert text.count("`t2a_") == 1, "a rank has no interval; another's has no place"
    assert text.count("## Scores") == 1 and "## Scores" not in before[1]


@pytest.mark.parametrize("to", ["speechbrain", "transformers"])
def test_a_run_that_was_tested_is_converted_with_its_scores(run, tmp_path, to):
    checkpoint = open_checkpoint(run)
    report(run, "retrieval", checkpoint.path.name)
    if to == "transformers":  # has no place for this model: a card alone
        from clap_sb.checkpoints.model_card import model_card

        card = model_card(checkpoint.architecture, {}, checkpoint.scores(), to)
        assert "library_name: transformers\n" in card and "[57.4, 72.2]" in card
        assert "CLAP.from_checkpoint(" in card
    else:
        write_speechbrain_folder(checkpoint, tmp_path / "out")
        assert "[57.4, 72.2]" in read(tmp_path / "out")[1]


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        "[" * 100_000,
        '{"card": {"checkpoint": "BEST"}}',
        '{"card": {"checkpoint": "BEST", "num_clips": 1}, "title": "", '
        '"intervals": {"a": [1]}, "a": 1}',
        '{"card": {"checkpoint": "BEST", "num_clips": 1}, "title": "", '
        '"intervals": {"a": [1, NaN], "b | c": [1, 2]}, "a": 1, "b | c": 1}',
    ],
)
def test_what_is_no_report_is_passed_by(content, run):
    best = open_checkpoint(run).path.name
    (run / "results").mkdir()
    (run / "results" / "a.json").write_text(content.replace("BEST", best))
    tell_scores(run)
    assert "## Scores" not in read(run / "export")[1]


def test_a_run_without_an_export_gets_no_card(run):
    shutil.rmtree(run / "export")
    tell_scores(run)
    assert not (run / "export").exists()


def test_a_public_checkpoint_has_its_authors_licence(tmp_path):
    torch.save({"state_dict": laion_state()}, tmp_path / "model.pt")
    loaded = open_checkpoint(tmp_path / "model.pt", write_tokenizer(tmp_path / "words"))
    for name, write in (
        ("speechbrain", write_speechbrain_folder),
        ("transformers", write_transformers_folder),
    ):
        (tmp_path / name).mkdir()
        write(loaded, tmp_path / name)
        front, text = read(tmp_path / name)
        assert (front["license"], front["library_name"]) == ("cc0-1.0", name)
        assert "license_name" not in front
        assert "CC0-1.0, of the weights as they were published." in text
        assert "2211.06687" in text


def test_the_built_in_set_is_told_as_what_it_is(run):
    path = run / "model.yaml"
    told = path.read_text().replace("on: nothing", "on: builtin (synthetic)")
    path.write_text(told)
    tell_scores(run)
    assert "scores say nothing about real audio" in read(run / "export")[1]
