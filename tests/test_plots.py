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
        "Text to audio": ["t2a_recall_at_1"],
        "Audio to text": ["a2t_recall_at_1"],
        "Time": ["seconds"],
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


@pytest.fixture
def drawn(monkeypatch):
    """Figures, instead of the files that they would go to."""
    figures = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: figures.append(figure))
    return figures


def test_the_epoch_that_was_kept_is_marked_in_each_panel(drawn):
    plots.plot_training_curves(history(12), "x.png", "Demo", kept=7)
    [figure] = drawn
    assert figure.get_suptitle() == "Demo; dashed: epoch 7, which was kept"
    assert len(figure.axes) == 7
    for axes in figure.axes:
        [line] = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert list(line.get_xdata()) == [7, 7]


def test_each_panel_has_its_unit(drawn):
    plots.plot_training_curves(history(2), "x.png", "Demo")
    units = {axes.get_title(): axes.get_ylabel() for axes in drawn[0].axes}
    assert units["Text to audio"] == "% of captions"
    assert units["Time"] == "s an epoch" and all(units.values())
    assert not any(line.get_linestyle() == "--" for line in drawn[0].axes[0].lines)


def clips_and_captions(count: int):
    """As many clips, orthogonal, with five captions each, in an order of their own."""
    clips = torch.eye(count)
    caption_clip = torch.randperm(5 * count, generator=torch.manual_seed(0)) % count
    names = [f"a $ sound {int(clip)} " + 9 * "and so on " for clip in caption_clip]
    return clips, clips[caption_clip], caption_clip, names


def test_similarity_matrix_has_a_row_for_the_captions_of_a_clip(drawn):
    clips, text, caption_clip, names = clips_and_captions(20)
    text[(caption_clip == 3).nonzero()[0]] = clips[4]  # one of five is wrong
    text[caption_clip == 7] = clips[8]  # all are
    plots.plot_similarity_matrix(clips, text, caption_clip, names, "x.png", "Run")
    axes = drawn[0].axes[0]
    expected = torch.eye(20)
    expected[3, 3], expected[3, 4] = 0.8, 0.2
    expected[7, 7], expected[7, 8] = 0, 1
    found = torch.tensor(axes.images[0].get_array().tolist())
    torch.testing.assert_close(found, expected)
    dots = axes.collections[0]
    best = [*range(7), 8, *range(8, 20)]
    assert dots.get_offsets().tolist() == [[b, row] for row, b in enumerate(best)]
    red = [row for row, color in enumerate(dots.get_facecolors()) if color[0] == 1]
    assert red == [7]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert all(label.startswith(f"a $ sound {n} ") for n, label in enumerate(labels))


def test_of_many_clips_some_are_drawn_that_can_be_read(tmp_path, drawn):
    plots.plot_similarity_matrix(*clips_and_captions(500), "x.png", "Run")
    axes = drawn[0].axes[0]
    shown = [int(text.get_text()) for text in axes.get_xticklabels()]
    assert (shown[0], shown[-1], len(shown)) == (0, 499, 32)
    assert axes.images[0].get_array().shape == (32, 32)
    assert drawn[0].get_suptitle() == "Run; 32 of 500 clips"


@pytest.mark.parametrize("clips", [1, 8, 100])
def test_similarity_matrix_is_written_whatever_its_size(clips, tmp_path):
    path = tmp_path / "similarity.png"
    plots.plot_similarity_matrix(*clips_and_captions(clips), path, "Run " * 20)
    image = pixels(path)[..., :3]
    border = [image[0], image[-1], image[:, 0], image[:, -1]]
    assert all((edge == 1).all() for edge in border)


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
