"""What a sound looks like: all of it with its waveform, or as the model gets it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from clap_sb.data.audio_file import AudioFile
from clap_sb.inference.drawn_log_mel import drawn_decibels, drawn_log_mel

if TYPE_CHECKING:
    from clap_sb.inference import CLAP

_MOST_COLUMNS = 800
_OVERVIEW = (96, 600)  # rows, columns
# Of what is longer, each column shows its beginning.
_MOST_SECONDS = 600.0
_SECONDS_AT_ONCE = 30
_WAVE = 0.4  # share of white
_LEAST_PEAK = 0.012  # the line of silence


def spectrogram_png(clap: CLAP, wav: torch.Tensor) -> bytes:
    """Draws the log-mel spectrogram that the audio tower sees.

    Of a tower without one, see :func:`clap_sb.inference.drawn_log_mel.drawn_log_mel`.

    Arguments
    ---------
    clap : CLAP
        The model.
    wav : torch.Tensor
        ``[time]`` at its sample rate.

    Returns
    -------
    bytes
        A PNG; time to the right, low frequencies below, in the colours of
        :func:`~clap_sb.inference.drawn_log_mel.drawn_decibels`.
    """
    front_end = drawn_log_mel(clap.model).to(clap.device)
    frames = _frames(front_end, wav)
    if len(frames) > _MOST_COLUMNS:
        frames = torch.nn.functional.adaptive_max_pool1d(frames.T, _MOST_COLUMNS).T
    return _png(_coloured(frames.numpy(), front_end))


def overview_png(clap: CLAP, path: str | Path) -> bytes:
    """Draws a whole file: its waveform over its spectrogram.

    Arguments
    ---------
    clap : CLAP
        The model, whose front end makes the spectrogram.
    path : str or Path
        The file. Of one of more than ten minutes, the first tenth of a second of each
        column is read.

    Returns
    -------
    bytes
        A PNG; the waveform from -1 to 1, the spectrogram as of :func:`spectrogram_png`.

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    """
    front_end = drawn_log_mel(clap.model).to(clap.device)
    rows, most = _OVERVIEW
    levels, peaks = [], []
    with AudioFile(path, clap.sample_rate) as file:
        width = min(most, front_end.num_frames(file.num_samples))
        for wav, columns in _pieces(file, width):
            frames = _frames(front_end, wav)
            levels.append(torch.nn.functional.adaptive_max_pool1d(frames.T, columns))
            peaks += [part.abs().max().item() for part in wav.tensor_split(columns)]
    image = _coloured(torch.cat(levels, 1).T.numpy(), front_end)
    image = image[np.arange(rows) * len(image) // rows]
    _draw_wave(image, np.array(peaks))
    return _png(image)


def _pieces(file: AudioFile, width: int) -> Iterator[tuple[torch.Tensor, int]]:
    """What is read of a file, each with the columns that it fills."""
    length, rate = file.num_samples, file.sample_rate
    edges = np.linspace(0, length, width + 1).astype(int).tolist()
    if length > _MOST_SECONDS * rate:
        for begin in edges[:-1]:
            yield file.read(begin, begin + rate // 10), 1
        return
    columns = max(1, _SECONDS_AT_ONCE * rate * width // length)
    for first in range(0, width, columns):
        last = min(first + columns, width)
        yield file.read(edges[first], edges[last]), last - first


@torch.no_grad()
def _frames(front_end: torch.nn.Module, wav: torch.Tensor) -> torch.Tensor:
    """``[frames, n_mels]`` of ``[time]``."""
    # as much as one frame, for a picture needs a column
    wav = torch.nn.functional.pad(wav, (0, max(0, front_end.n_fft - len(wav))))
    log_mel = front_end(wav[None].to(front_end.window.device)).cpu()
    return log_mel.reshape(-1, log_mel.shape[-1])


def _coloured(frames: np.ndarray, front_end: torch.nn.Module) -> np.ndarray:
    """``[n_mels, frames, 3]``, high frequencies first."""
    from matplotlib import colormaps

    lowest, highest = drawn_decibels(front_end)
    share = np.clip((frames.T[::-1] - lowest) / (highest - lowest), 0, 1)
    return colormaps["magma"](share, bytes=True)[..., :3]


def _draw_wave(image: np.ndarray, peaks: np.ndarray) -> None:
    """Lightens what lies within each column's peak of the middle."""
    rows = len(image)
    height = np.abs(2 * np.arange(rows) + 1 - rows)[:, None] / rows
    inside = height <= np.clip(peaks, _LEAST_PEAK, 1)[None]
    image[inside] = (1 - _WAVE) * image[inside] + 255 * _WAVE


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "png")
    return file.getvalue()
