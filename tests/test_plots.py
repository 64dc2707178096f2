"""Pictures: their size, their content by panel, and that nothing else changes."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from clap_sb.evaluation import plots

ROOT = Path(__file__).resolve().parents[1]


def pixels(path):
    """Pixels of a PNG ``[height, width, channels]``, from 0 to 1."""
    from matplotlib.image import imread

    return imread(path)


@pytest.fixture(autouse=True)
def _no_warnings():
    """A layout that does not fit is a warning of matplotlib's, and a fault here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def history(epochs: int) -> list[dict[str, float]]:
    """What a training run logs."""
    return [
        {
            "epoch": epoch,
            "train_loss": 3 / epoch,
            "valid_loss": 4 / epoch,
            "matching_similarity": 0.5,
            "other_similarity": 0.1,
            "t2a_recall_at_1": epoch,
            "a2t_recall_at_1": epoch,
            "t2a_median_rank": 9.0,
            "temperature": 0.07,
            "seconds": 12.0,
        }
        for epoch in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("epochs", [1, 12])
def test_training_curves(tmp_path, epochs):
    path = tmp_path / "new" / "curves.png"
    plots.plot_training_curves(history(epochs), path, "Demo on builtin (synthetic)")
    assert pixels(path).shape == (1400, 1000, 4)  # 7 panels: 4 rows of 2
    assert path.stat().st_size > 20_000


def test_series_share_the_panel_they_belong_to():
    assert plots._panels(history(1)) == {
        "Loss": ["train_loss", "valid_loss"],
        "Similarity": ["matching_similarity", "other_similarity"],
        "Temperature": ["temperature"],
        "Median rank": ["t2a_median_rank"],
        "Text to audio (%)": ["t2a_recall_at_1"],
        "Audio to text (%)": ["a2t_recall_at_1"],
        "seconds": ["seconds"],
    }


def test_gaps_and_odd_names_are_drawn(tmp_path):
    path = tmp_path / "curves.png"
    entries = [{"train_loss": 1.0}, {"valid_loss": 2.0, "_cost_in_$_and_$": 1}]
    plots.plot_training_curves(entries, path, "50 $ or 100 $, " * 20)
    assert pixels(path).shape == (380, 1000, 4)


@pytest.mark.parametrize("entries", [[], [{}], [{"epoch": 1}]])
def test_no_curve_is_an_error(tmp_path, entries):
    with pytest.raises(ValueError, match="no curve to draw"):
        plots.plot_training_curves(entries, tmp_path / "curves.png", "Run")


def test_similarity_matrix_shows_its_diagonal(tmp_path):
    path = tmp_path / "similarity.png"
    plots.plot_similarity_matrix(torch.eye(20).repeat_interleave(5, 0), path, "Run")
    image = pixels(path)
    assert image.shape == (640, 700, 4)
    yellow = (image[..., :3] - torch.tensor([0.993, 0.906, 0.144]).numpy()) ** 2
    rows, columns = (yellow.sum(-1) < 0.01)[:, :560].nonzero()
    assert len(rows) > 3000
    assert torch.corrcoef(torch.tensor([rows.tolist(), columns.tolist()]))[0, 1] > 0.9


@pytest.mark.parametrize(("classes", "side"), [(2, 300), (12, 540), (50, 1100)])
def test_confusion(tmp_path, classes, side):
    path = tmp_path / "confusion.png"
    labels = [f"washing_machine $ {index}" for index in range(classes)]
    confusion = torch.randint(0, 3, (classes, classes)) + 30 * torch.eye(classes).long()
    plots.plot_confusion(confusion, labels, path, "Demo on builtin (synthetic)")
    assert pixels(path).shape == (side + 220, side + 320, 4)
    assert path.stat().st_size > 10_000


def test_nothing_is_cut_off(tmp_path):
    path = tmp_path / "confusion.png"
    labels = [
        f"{index} a label that is much too long to be shown" for index in range(20)
    ]
    plots.plot_confusion(torch.eye(20).long(), labels, path, "A long title " * 12)
    image = pixels(path)[..., :3]
    border = [image[0], image[-1], image[:, 0], image[:, -1]]
    assert all((edge == 1).all() for edge in border)


def test_a_class_without_clips_is_drawn(tmp_path):
    path = tmp_path / "confusion.png"
    plots.plot_confusion(torch.tensor([[0, 0], [1, 2]]), ["a", "b"], path, "Run")
    assert path.is_file()


def test_labels_must_fit_the_matrix(tmp_path):
    with pytest.raises(ValueError, match="3 labels"):
        plots.plot_confusion(torch.eye(2), list("abc"), tmp_path / "x.png", "Run")


def test_drawing_is_lazy_and_leaves_pyplot_alone(tmp_path):
    code = f"""
import sys
from clap_sb.evaluation.plots import plot_training_curves
assert "matplotlib" not in sys.modules
plot_training_curves([{{"train_loss": 1.0}}], {str(tmp_path / "x.png")!r}, "Run")
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
