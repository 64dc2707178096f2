"""A picture of tagging over time: spectrogram, curves and segments, one below another.

It is drawn on a canvas of its own: no window, no pyplot, no global state.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from clap_sb.inference.audio_input import open_input
from clap_sb.inference.drawn_log_mel import drawn_decibels, drawn_log_mel
from clap_sb.inference.encoder import Encoder
from clap_sb.inference.tagging import NONE, Tagging
from clap_sb.inference.windows import read_windows
from clap_sb.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clap_sb.inference.audio_input import AudioInput

_DPI = 100
_MOST_COLUMNS = 2000
_MOST_CURVES = 10


def plot_tagging(
    clap: Encoder,
    wav: AudioInput,
    tagging: Tagging,
    path: str | Path,
    sample_rate: int | None = None,
    title: str = "",
) -> None:
    """Draws what sounds when, under the spectrogram that the model hears.

    Arguments
    ---------
    clap : Encoder
        The model; its front end makes the spectrogram.
    wav : tensor, array, path, open file, or data set's sound
        The sound, ``[time]`` or ``[channels, time]``.
    tagging : Tagging
        What was found in it. Of many labels, the ten with the highest peaks are drawn.
    path : str or Path
        PNG to write.
    sample_rate : int, optional
        The sound's sample rate, Hz; a file knows its own.
    title : str
        Title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    sound, curves, bars = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 2])
    sound.set_title(title)
    duration = tagging.edges[-1].item()
    _draw_spectrogram(sound, clap, wav, sample_rate, duration)
    drawn = (
        tagging.probability[:, :-1].amax(0).topk(min(_MOST_CURVES, len(tagging.labels)))
    )
    places = sorted(drawn.indices.tolist())
    _draw_curves(curves, tagging, places)
    _draw_segments(bars, tagging, places)
    bars.set_xlim(0, duration)
    bars.set_xlabel("time (s)")
    with whole_file(path) as unfinished:
        figure.savefig(unfinished, format="png")


def _draw_spectrogram(
    axes: Axes,
    clap: Encoder,
    wav: AudioInput,
    sample_rate: int | None,
    duration: float,
) -> None:
    image = spectrogram(clap, wav, sample_rate)
    log_mel = drawn_log_mel(clap.model)
    lowest, highest = drawn_decibels(log_mel)
    axes.imshow(
        image.T.numpy(),
        origin="lower",
        aspect="auto",
        extent=(0.0, duration, 0.0, float(image.shape[1])),
        vmin=lowest,
        vmax=highest,
        cmap="magma",
    )
    peaks = log_mel.mel_filters.argmax(0).cpu() * clap.sample_rate / log_mel.n_fft
    bands = range(0, len(peaks), max(1, len(peaks) // 5))
    axes.set_yticks([band + 0.5 for band in bands])
    axes.set_yticklabels([f"{peaks[band].item() / 1000:.1f}" for band in bands])
    axes.set_ylabel("frequency (kHz, mel)")


@torch.no_grad()
def spectrogram(
    clap: Encoder, wav: AudioInput, sample_rate: int | None = None
) -> torch.Tensor:
    """The log-mel that a model hears of a sound, in no more columns than can be seen.

    Of a tower without one, see :func:`clap_sb.inference.drawn_log_mel.drawn_log_mel`.

    Arguments
    ---------
    clap : Encoder
        The model.
    wav : tensor, array, path, open file, or data set's sound
        The sound, ``[time]`` or ``[channels, time]``; read bit by bit.
    sample_rate : int, optional
        Its sample rate, Hz; a file knows its own.

    Returns
    -------
    torch.Tensor
        ``[columns, n_mels]``, dB.
    """
    log_mel = drawn_log_mel(clap.model).to(clap.device)
    size = clap.model.clip_samples
    parts = []
    with open_input(wav, sample_rate, clap.sample_rate) as sound:
        length = sound.num_samples
        pool = max(1, log_mel.num_frames(length) // _MOST_COLUMNS)
        size = max(1, size // log_mel.hop_length // pool) * log_mel.hop_length * pool
        for place, piece in enumerate(read_windows(sound, size, at_once=1)):
            piece = piece[max(0, place * size + len(piece) - length) :]
            frames = -(-len(piece) // log_mel.hop_length)
            piece = F.pad(piece, (0, max(0, log_mel.n_fft - len(piece))))
            mel = log_mel(piece[None].to(clap.device))[0, 0, :frames].cpu()
            parts.append(F.avg_pool1d(mel.T, pool, ceil_mode=True).T)
    return torch.cat(parts)


def _draw_curves(axes: Axes, tagging: Tagging, places: list[int]) -> None:
    middle = ((tagging.edges[:-1] + tagging.edges[1:]) / 2).numpy()
    for place in places:
        curve = tagging.probability[:, place].numpy()
        axes.plot(middle, curve, color=_color(place), label=tagging.labels[place])
    none = tagging.probability[:, -1].numpy()
    axes.plot(middle, none, color="grey", linestyle=":", label=NONE)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("probability")
    more = f" ({len(places)} of {len(tagging.labels)})"
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        title="label" + (more if len(places) < len(tagging.labels) else ""),
    )


def _draw_segments(axes: Axes, tagging: Tagging, places: list[int]) -> None:
    names = [tagging.labels[place] for place in places]
    for row, (place, name) in enumerate(zip(places, names, strict=True)):
        own = [segment for segment in tagging.segments if segment.label == name]
        spans = [(segment.start, segment.end - segment.start) for segment in own]
        axes.broken_barh(spans, (row - 0.4, 0.8), facecolors=_color(place))
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)


def _color(place: int) -> str:
    return f"C{place % _MOST_CURVES}"
