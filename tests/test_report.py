"""Results on disk: JSON that reads back, Markdown that holds together, the card."""

from __future__ import annotations

import json

import pytest
import torch

from clap_sb.evaluation.card import ProtocolCard, markdown_table, package_versions
from clap_sb.evaluation.report import write_results

SCORES = {"accuracy": 81.25, "num_clips": 400, "prompt": "a {label} | b"}
INTERVALS = {"accuracy": (77.5, 85.0)}
TABLES = {
    "Classes": [{"label": "dog", "recall": 12.3456}, {"label": "x", "recall": None}]
}


def card(**change) -> ProtocolCard:
    """A card with the fields that have to be there."""
    values = {
        "dataset": "ESC-50",
        "split": "folds 1-5",
        "num_clips": 400,
        "crop_rule": "windows of 10 s",
        "checkpoint": "results/demo",
        "selection": "best validation t2a_map_at_10",
        "seed": 1,
    }
    return ProtocolCard(**(values | change))


def write(folder, **change):
    """Writes the results above, with some of them changed."""
    values = {
        "name": "zero_shot",
        "title": "Demo on builtin (synthetic)",
        "scores": SCORES,
        "intervals": INTERVALS,
        "card": card(),
        "tables": TABLES,
    }
    return write_results(folder, **(values | change))


def test_json_reads_back(tmp_path):
    path, _ = write(tmp_path / "results" / "deep")
    assert path == tmp_path / "results" / "deep" / "zero_shot.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    assert {name: result[name] for name in SCORES} == SCORES
    assert result["intervals"] == {"accuracy": [77.5, 85.0]}
    assert result["card"] == card().as_dict()
    assert result["tables"] == TABLES
    assert result["title"] == "Demo on builtin (synthetic)"


def test_markdown_shows_scores_tables_and_card(tmp_path):
    scores = SCORES | {"fold_accuracies": {"1": 80.0, "2": 82.5}}
    _, path = write(tmp_path, scores=scores, card=card(notes=("one clip is silent",)))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Demo on builtin (synthetic)"
    for line in (
        "| accuracy | 81.25 | 77.50 to 85.00 |",
        "| num clips | 400 | – |",
        r"| prompt | a {label} \| b | – |",
        "| fold accuracies: 2 | 82.50 | – |",
        "## Classes",
        "| dog | 12.35 |",
        "| x | – |",
        "| crop rule | windows of 10 s |",
        "* one clip is silent",
    ):
        assert line in lines


def test_a_second_result_replaces_the_first_and_leaves_nothing_else(tmp_path):
    write(tmp_path)
    path, _ = write(tmp_path, scores={"accuracy": 1.0})
    assert json.loads(path.read_text(encoding="utf-8"))["accuracy"] == 1
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["zero_shot.json", "zero_shot.md"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"scores": {"accuracy": float("nan")}}, ValueError, "results.accuracy is nan"),
        (
            {"intervals": {"accuracy": (0.0, float("inf"))}},
            ValueError,
            r"accuracy\[1\]",
        ),
        ({"scores": {"accuracy": torch.tensor(1.0)}}, TypeError, "Tensor.*item"),
        ({"tables": {"t": [{"a": {1}}]}}, TypeError, r"results.tables.t\[0\].a"),
        ({"scores": {"card": 1.0}, "intervals": {}}, ValueError, "hide"),
        ({"intervals": {"recall": (0.0, 1.0)}}, ValueError, "no scores"),
        ({"name": "a/b"}, ValueError, "no file name"),
        ({"tables": {"t": [{"a": 1}, {"b": 1}]}}, ValueError, "columns"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_appears(
    tmp_path, change, error, message
):
    with pytest.raises(error, match=message):
        write(tmp_path / "results", **change)
    assert not list(tmp_path.glob("results/*"))


def test_cells_are_escaped():
    table = markdown_table([{"the_name": "a|b\nc\r\nd", "share": 0.125, "count": 3}])
    assert table.splitlines() == [
        "| the name | share | count |",
        "|---|---|---|",
        r"| a\|b<br>c<br>d | 0.12 | 3 |",
    ]


def test_card_leaves_out_what_does_not_apply():
    text = card(prompt="a {label}", num_unreadable=0).as_markdown()
    assert "| prompt | a {label} |" in text
    assert "| num unreadable | 0 |" in text
    assert "captions" not in text and "None" not in text
    assert "captions_a_clip" not in card().as_dict()


def test_card_tells_versions():
    versions = package_versions()
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    text = card(packages={"torch": "2.0", "clap_sb": "not installed"}).as_markdown()
    assert "| packages | torch 2.0, clap_sb not installed |" in text


def test_a_missing_package_is_told(monkeypatch):
    monkeypatch.setattr("clap_sb.evaluation.card._PACKAGES", ("no_such_package",))
    assert package_versions()["no_such_package"] == "not installed"
