"""Finer than windows: an embedding for each part of what the tower hears at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from clap_sb.clips import window_starts
from clap_sb.encoders.htsat import HTSAT
from clap_sb.inference.audio_input import open_input
from clap_sb.inference.encoder import Encoder
from clap_sb.inference.window_embeddings import WindowEmbeddings
from clap_sb.inference.windows import grouped, read_windows

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
    wav : tensor, array, path, or open file
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
    with open_input(wav, sample_rate, rate) as sound:
        length = sound.num_samples
        windows = read_windows(sound, size, step, batch_size)
        parts = torch.cat(list(_embed_parts(clap, windows, batch_size)))
    begin = torch.tensor(window_starts(length, size, step), dtype=torch.float64)
    edges = torch.arange(parts.shape[1] + 1, dtype=torch.float64) * size
    edges = begin[:, None] + edges / parts.shape[1]
    start, end = edges[:, :-1].flatten(), edges[:, 1:].flatten().clamp(max=length)
    real = start < end  # a short sound was filled up
    embedding = parts.flatten(0, 1)[real]
    return WindowEmbeddings(start[real] / rate, end[real] / rate, embedding)


def _embed_parts(
    clap: Encoder, windows: Iterator[torch.Tensor], batch_size: int
) -> Iterator[torch.Tensor]:
    """``[windows, parts, joint_dim]`` of each batch."""
    for group in grouped(windows, batch_size):
        wavs, wav_lens = clap.padded(group)
        with clap.autocast():
            frames = clap.model.audio_encoder.frames(wavs, wav_lens)
            parts = clap.model.audio_projection(frames)
        yield F.normalize(parts.float(), dim=-1).cpu()
