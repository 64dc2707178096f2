"""Finer than windows: an embedding for each part of what the tower hears at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from clap_sb.clips import window_starts
from clap_sb.encoders.htsat import HTSAT
from clap_sb.inference.audio_input import open_input
from clap_sb.inference.encoder import Encoder
from clap_sb.inference.window_embeddings import WindowEmbeddings
from clap_sb.inference.windows import Sound, grouped, read_windows

if TYPE_CHECKING:
    from clap_sb.inference.audio_input import AudioInput


@torch.no_grad()
def embed_frames(
    clap: Encoder,
    wav: AudioInput,
    sample_rate: int | None = None,
    hop: float | None = None,
    batch_size: int = 16,
) -> WindowEmbeddings:
    """Embeds the parts of each window of a sound, with HTSAT's frame embeddings.

    The tower's window moves over the sound; each of the equal parts that HTSAT divides
    it into (32 for HTSAT-tiny) goes through the audio projection by itself.

    Arguments
    ---------
    clap : Encoder
        The model.
    wav : tensor, array, path, open file, or data set's sound
        One clip, ``[time]`` or ``[channels, time]``.
    sample_rate : int, optional
        Its sample rate, Hz; a file knows its own.
    hop : float, optional
        From one window to the next, seconds; half a window unless given, so that no
        part is heard at a window's border only.
    batch_size : int
        Windows that go through the tower, and are read from a file, at once.

    Returns
    -------
    WindowEmbeddings
        Of the parts; those of different windows overlap.

    Raises
    ------
    ValueError
        If the audio tower is no HTSAT, or the hop not within a window.
    """
    with open_input(wav, sample_rate, clap.sample_rate) as sound:
        return WindowEmbeddings.joined(stream_frames(clap, sound, hop, batch_size))


@torch.no_grad()
def stream_frames(
    clap: Encoder, sound: Sound, hop: float | None = None, batch_size: int = 16
) -> Iterator[WindowEmbeddings]:
    """Does what :func:`embed_frames` does, and keeps nothing.

    Arguments
    ---------
    clap : Encoder
        The model.
    sound : Sound
        Open, at the model's sample rate.
    hop : float, optional
        As in :func:`embed_frames`.
    batch_size : int
        Windows that are in memory at once.

    Yields
    ------
    WindowEmbeddings
        Of the parts of a batch of windows, in order.

    Raises
    ------
    ValueError
        As :func:`embed_frames` does.
    """
    tower = clap.model.audio_encoder
    if not isinstance(tower, HTSAT):
        raise ValueError(
            f"frame-level embeddings come from HTSAT, and this model's audio tower is "
            f"{type(tower).__name__}: take windows instead"
        )
    rate, size = clap.sample_rate, tower.clip_samples
    step = size // 2 if hop is None else round(hop * rate)
    if not 1 <= step <= size:
        raise ValueError(
            f"a hop of {step / rate:g} s cannot be: the window is {size / rate:g} s"
        )
    starts = window_starts(sound.num_samples, size, step)
    windows = read_windows(sound, size, step, batch_size)
    for begin in grouped(starts, batch_size):
        parts = _embed_parts(clap, list(islice(windows, len(begin))))
        edges = torch.arange(parts.shape[1] + 1, dtype=torch.float64) * size
        edges = torch.tensor(begin).double()[:, None] + edges / parts.shape[1]
        start = edges[:, :-1].flatten()
        end = edges[:, 1:].flatten().clamp(max=sound.num_samples)
        real = start < end  # a short sound was filled up
        embedding = parts.flatten(0, 1)[real]
        yield WindowEmbeddings(start[real] / rate, end[real] / rate, embedding)


def _embed_parts(clap: Encoder, windows: list[torch.Tensor]) -> torch.Tensor:
    """``[windows, parts, joint_dim]``."""
    wavs, wav_lens = clap.padded(windows)
    with clap.autocast():
        frames = clap.model.audio_encoder.frames(wavs, wav_lens)
        parts = clap.model.audio_projection(frames)
    return F.normalize(parts.float(), dim=-1).cpu()
