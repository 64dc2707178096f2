"""Pictures of a run: training curves, similarity and confusion matrices.

They are drawn on canvases of their own: no window, no pyplot, no global state.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clap_sb.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

_DPI = 100
_PANEL = (5.0, 3.4)  # inches
_COUNTS_UP_TO = 20  # classes
_LABEL_LENGTH = 30  # characters
_TITLE_DENSITY = 9  # characters an inch

_MOST_CLIPS = 32  # of a similarity matrix: their captions can be read

# A series goes to the first panel that shares a word with its name, or to its own;
# each panel has a unit.
_PANELS = {
    "Loss": ({"loss"}, "as the objective has it (InfoNCE: nats)"),
    "Similarity": ({"similarity"}, "cosine"),
    "Temperature": ({"temperature"}, "1 / logit scale"),
    "Median rank": ({"median"}, "rank (1: the first)"),
    "Text to audio": ({"t2a"}, "% of captions"),
    "Audio to text": ({"a2t"}, "% of clips"),
    "Accuracy": ({"accuracy"}, "%"),
    "Mean average precision": ({"map"}, "%"),
    "Logit scale": ({"logit"}, "factor of cosines"),
    "Learning rate": ({"lr", "rate"}, "of the optimizer's steps"),
    "Time": ({"seconds"}, "s an epoch"),
}


def plot_training_curves(
    history: Sequence[Mapping[str, float]],
    path: str | Path,
    title: str,
    kept: int | None = None,
) -> None:
    """Draws what was logged for each epoch, one panel for what belongs together.

    Arguments
    ---------
    history : sequence of mapping
        Numbers by name, one mapping an epoch. ``epoch`` is the abscissa if it is
        there, else epochs count from 1. A name may be missing in some epochs. The
        words of a name (``train_loss``, ``t2a_recall_at_1``) choose its panel.
    path : str or pathlib.Path
        PNG to write.
    title : str
        Title of the picture.
    kept : int, optional
        The epoch whose model was kept, which is marked and told in the title.

    Raises
    ------
    ValueError
        If there is nothing to draw.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "curves.png")
    ...     plot_training_curves(
    ...         [{"train_loss": 2.0}, {"train_loss": 1.0}], file, "Run"
    ...     )
    ...     file.stat().st_size > 1000
    True
    """
    panels = _panels(history)
    if not panels:
        raise ValueError("the history is empty; there is no curve to draw")
    epochs = [entry.get("epoch", i) for i, entry in enumerate(history, start=1)]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    if kept is not None:
        title += f"; dashed: epoch {kept}, which was kept"
    figure = _figure(_PANEL[0] * columns, _PANEL[1] * rows + 0.4, title)
    for index, (name, series) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, index)
        _draw_series(axes, epochs, history, series)
        if kept is not None:
            axes.axvline(kept, color="black", linestyle="--", linewidth=1)
        axes.set_title(name, fontsize=10, parse_math=False)
        if name in _PANELS:
            axes.set_ylabel(_PANELS[name][1], fontsize=9)
    _save(figure, path)


def plot_similarity_matrix(
    audio: Tensor,
    text: Tensor,
    caption_clip: Tensor,
    captions: Sequence[str],
    path: str | Path,
    title: str,
) -> None:
    """Draws the cosines of captions and clips: a row for the captions of a clip.

    Of more than 32 clips, 32 are drawn, at even distances, so that their captions can
    be read. A row is the mean over its clip's captions, and has the first for a name. A
    dot marks the best clip of each row: black on the diagonal, where it belongs, and
    red elsewhere.

    Arguments
    ---------
    audio : torch.Tensor
        Embeddings of clips ``[clips, dim]``, unit norm.
    text : torch.Tensor
        Of captions ``[captions, dim]``, likewise.
    caption_clip : torch.Tensor
        Each caption's clip ``[captions]``; each clip has one at least.
    captions : sequence of str
        The captions.
    path : str or pathlib.Path
        PNG to write.
    title : str
        Title of the picture.

    Example
    -------
    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "similarity.png")
    ...     clips, names = torch.arange(8), [f"sound {place}" for place in range(8)]
    ...     plot_similarity_matrix(
    ...         torch.eye(8), torch.eye(8), clips, names, file, "Run"
    ...     )
    ...     file.stat().st_size > 1000
    True
    """
    shown = _evenly(len(audio), _MOST_CLIPS)
    owned = [(caption_clip == clip).nonzero()[:, 0] for clip in shown]
    similarity, best = _by_clip(audio[shown], text, owned)
    if len(shown) < len(audio):
        title += f"; {len(shown)} of {len(audio)} clips"
    side = max(3.0, 0.22 * len(shown))
    figure = _figure(side + 4.6, side + 1.6, title)
    axes = figure.add_subplot()
    image = axes.imshow(similarity.numpy(), aspect="auto", cmap="viridis")
    colors = ["black" if b == row else "red" for row, b in enumerate(best)]
    axes.scatter(best, range(len(best)), s=10, color=colors)
    names = [
        f"{_cut(captions[rows[0]])}  {clip}"
        for clip, rows in zip(shown, owned, strict=True)
    ]
    axes.set_yticks(range(len(shown)), names, fontsize=8, parse_math=False)
    axes.set_xticks(range(len(shown)), shown, fontsize=8, rotation=90)
    axes.set(xlabel="clip (its number)", ylabel="captions of a clip, and its number")
    figure.colorbar(image, label="cosine, mean over the captions; dot: the row's best")
    _save(figure, path)


def plot_confusion(
    confusion: Tensor, labels: Sequence[str], path: str | Path, title: str
) -> None:
    """Draws a confusion matrix, coloured by the share of each right class.

    Up to 20 classes, the numbers of clips are written into the cells. Labels are
    cut after 30 characters.

    Arguments
    ---------
    confusion : torch.Tensor
        Numbers of clips ``[num_classes, num_classes]``, a row a right class.
    labels : sequence of str
        Names of the classes.
    path : str or pathlib.Path
        PNG to write.
    title : str
        Title of the picture.

    Raises
    ------
    ValueError
        If the matrix does not fit the labels.

    Example
    -------
    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "confusion.png")
    ...     plot_confusion(torch.eye(2).long(), ["dog", "cat"], file, "Run")
    ...     file.stat().st_size > 1000
    True
    """
    count = len(labels)
    if tuple(confusion.shape) != (count, count):
        raise ValueError(
            f"a confusion matrix of shape {tuple(confusion.shape)} does not fit "
            f"{count} labels"
        )
    cell = min(0.45 if count <= _COUNTS_UP_TO else 0.22, 40 / count)  # inches
    side = max(3.0, cell * count)
    figure = _figure(side + 3.2, side + 2.2, title)
    axes = figure.add_subplot()
    confusion = confusion.cpu()
    share = 100 * confusion / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    image = axes.imshow(share.numpy(), cmap="Blues", vmin=0, vmax=100)
    font = min(9.0, 50 * side / count)
    _name_classes(axes, labels, font)
    if count <= _COUNTS_UP_TO:
        _write_counts(axes, confusion, share, font)
    figure.colorbar(image, label="share of the class (%)", shrink=0.8)
    _save(figure, path)


def _panels(history: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    """Names of the series by the title of their panel, in the order of panels."""
    names = dict.fromkeys(name for entry in history for name in entry)
    names.pop("epoch", None)
    panels: dict[str, list[str]] = {title: [] for title in _PANELS}
    for name in names:
        words = set(re.split(r"[\W_]+", name.lower()))
        fitting = (title for title, (keys, _) in _PANELS.items() if keys & words)
        panels.setdefault(next(fitting, _readable(name)), []).append(name)
    return {title: series for title, series in panels.items() if series}


def _draw_series(
    axes: Axes,
    epochs: Sequence[float],
    history: Sequence[Mapping[str, float]],
    series: Sequence[str],
) -> None:
    """Draws some series into one panel, with gaps where a value is missing."""
    from matplotlib.ticker import MaxNLocator

    for name in series:
        values = [float(entry.get(name, "nan")) for entry in history]
        axes.plot(epochs, values, marker="o", markersize=3, label=_readable(name))
    axes.set_xlabel("epoch", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    for text in axes.legend(fontsize=8).get_texts():
        text.set_parse_math(False)


def _readable(name: str) -> str:
    """The name with spaces; matplotlib would hide one that begins with a bar."""
    return name.replace("_", " ").strip()


def _cut(label: str) -> str:
    """At most so long that the picture has more room than the names."""
    long = len(label) > _LABEL_LENGTH
    return label[: _LABEL_LENGTH - 1] + "…" if long else label


def _evenly(count: int, most: int) -> list[int]:
    """Numbers below `count`, from the first to the last, `most` at most."""
    if count <= most:
        return list(range(count))
    return [place * (count - 1) // (most - 1) for place in range(most)]


def _by_clip(
    audio: Tensor, text: Tensor, owned: Sequence[Tensor]
) -> tuple[Tensor, list[int]]:
    """Cosines, a row the mean over a clip's captions, and the best clip of each."""
    import torch

    rows = [(text[captions].float() @ audio.float().T).mean(0) for captions in owned]
    similarity = torch.stack(rows).detach().cpu()
    return similarity, similarity.argmax(1).tolist()


def _name_classes(axes: Axes, labels: Sequence[str], font: float) -> None:
    """Writes the labels beside rows and below columns."""
    names = [_cut(_readable(label)) for label in labels]
    style = {"fontsize": font, "parse_math": False}
    axes.set_xticks(range(len(names)), names, rotation=90, **style)
    axes.set_yticks(range(len(names)), names, **style)
    axes.set(xlabel="predicted class", ylabel="right class (cells: clips)")


def _write_counts(axes: Axes, confusion: Tensor, share: Tensor, font: float) -> None:
    """Writes the numbers of clips into the cells that have any."""
    for row, column in confusion.nonzero().tolist():
        axes.text(
            column,
            row,
            str(confusion[row, column].item()),
            ha="center",
            va="center",
            fontsize=font,
            color="white" if share[row, column] > 50 else "black",
        )


def _figure(width: float, height: float, title: str) -> Figure:
    """A titled figure in inches on an Agg canvas of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    lines = textwrap.wrap(title, width=int(width * _TITLE_DENSITY))
    figure.suptitle("\n".join(lines), fontsize=12, parse_math=False)
    return figure


def _save(figure: Figure, path: str | Path) -> None:
    """Writes the figure, in a folder that is made if need be."""
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png")
