"""What sounds when: an embedding for each window of one sound, or for its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from clap_sb.clips import window_starts
from clap_sb.encoders.htsat import HTSAT
from clap_sb.inference.ahead import side_by_side, threads
from clap_sb.inference.audio_input import open_input
from clap_sb.inference.encoded_ahead import encoded_ahead
from clap_sb.inference.encoder import Encoder
from clap_sb.inference.listener import Heard
from clap_sb.inference.windows import Sound, grouped, read_windows

if TYPE_CHECKING:
    from clap_sb.inference.audio_input import AudioInput


@dataclass(frozen=True, eq=False)
class WindowEmbeddings:
    """Embeddings of the windows of one sound.

    Arguments
    ---------
    start : torch.Tensor
        Where each begins, seconds, ``[windows]``, float64.
    end : torch.Tensor
        Where each ends, seconds, ``[windows]``, float64.
    embedding : torch.Tensor
        ``[windows, joint_dim]``, unit norm, on the CPU.
    """

    start: torch.Tensor
    end: torch.Tensor
    embedding: torch.Tensor

    @classmethod
    def joined(cls, parts: Iterable[WindowEmbeddings]) -> WindowEmbeddings:
        """Joins what was embedded bit by bit.

        Arguments
        ---------
        parts : iterable of WindowEmbeddings
            One at least.

        Returns
        -------
        WindowEmbeddings
        """
        columns = zip(*((p.start, p.end, p.embedding) for p in parts), strict=True)
        return cls(*(torch.cat(column) for column in columns))


@torch.no_grad()
def embed_windows(
    clap: Encoder,
    wav: AudioInput,
    sample_rate: int | None = None,
    window: float | None = None,
    hop: float | None = None,
    batch_size: int = 16,
) -> WindowEmbeddings:
    """Embeds each window of one sound, of any length.

    Arguments
    ---------
    clap : Encoder
        The model.
    wav : tensor, array, path, open file, or data set's sound
        One clip, ``[time]`` or ``[channels, time]``.
    sample_rate : int, optional
        Its sample rate, Hz; a file knows its own.
    window : float, optional
        Length of a window, seconds; the tower's own unless given. A shorter one is
        filled up as short clips are.
    hop : float, optional
        From one window to the next, seconds; ``window`` unless given. The last window
        ends the sound.
    batch_size : int
        Windows that go through the tower, and are read from a file, at once.

    Returns
    -------
    WindowEmbeddings

    Raises
    ------
    ValueError
        If the window or the hop has no sample, the window is longer than the tower's,
        or the hop is longer than the window.
    """
    with open_input(wav, sample_rate, clap.sample_rate) as sound:
        parts = stream_windows(clap, sound, window, hop, batch_size)
        return WindowEmbeddings.joined(parts)


@torch.no_grad()
def stream_windows(
    clap: Encoder,
    sound: Sound,
    window: float | None = None,
    hop: float | None = None,
    batch_size: int = 16,
) -> Iterator[WindowEmbeddings]:
    """Does what :func:`embed_windows` does, and keeps nothing.

    Arguments
    ---------
    clap : Encoder
        The model.
    sound : Sound
        Open, at the model's sample rate.
    window : float, optional
        As in :func:`embed_windows`.
    hop : float, optional
        As in :func:`embed_windows`.
    batch_size : int
        Windows that go through the tower, and are read from a file, at once.

    Yields
    ------
    WindowEmbeddings
        Of a batch of windows, in order.

    Raises
    ------
    ValueError
        As :func:`embed_windows` does.
    """
    rate, most = clap.sample_rate, clap.model.clip_samples
    size = most if window is None else round(window * rate)
    step = size if hop is None else round(hop * rate)
    if not 1 <= step <= size <= most:
        raise ValueError(
            f"windows of {size / rate:g} s every {step / rate:g} s cannot be: a window "
            f"is at most the {most / rate:g} s that the model hears at once, and the "
            "hop more than 0 and no longer than the window"
        )
    for begin, embedding in _embedded(clap, sound, size, step, batch_size):
        start = torch.tensor(begin, dtype=torch.float64)
        end = (start + size).clamp(max=sound.num_samples)
        yield WindowEmbeddings(start / rate, end / rate, embedding)


def _embedded(
    clap: Encoder,
    sound: Sound,
    size: int,
    step: int,
    batch_size: int,
    embed: Callable[[Heard], torch.Tensor] | None = None,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Where some windows begin, in samples, and their embeddings.

    What is read is a group ahead of what is embedded.
    """
    begins = grouped(window_starts(sound.num_samples, size, step), batch_size)
    windows = read_windows(sound, size, step, batch_size)
    groups = ((begin, list(islice(windows, len(begin)))) for begin in begins)
    with (
        threads(1) as reader,
        closing(side_by_side(reader, [groups], 1)) as read,
        closing(encoded_ahead(clap, read, embed)) as embedded,
    ):
        yield from embedded


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
        Windows that go through the tower, and are read from a file, at once.

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
    embed = partial(_embed_parts, clap)
    for begin, parts in _embedded(clap, sound, size, step, batch_size, embed):
        edges = torch.arange(parts.shape[1] + 1, dtype=torch.float64) * size
        edges = torch.tensor(begin).double()[:, None] + edges / parts.shape[1]
        start = edges[:, :-1].flatten()
        end = edges[:, 1:].flatten().clamp(max=sound.num_samples)
        real = start < end  # a short sound was filled up
        embedding = parts.flatten(0, 1)[real]
        yield WindowEmbeddings(start[real] / rate, end[real] / rate, embedding)


def _embed_parts(clap: Encoder, heard: Heard) -> torch.Tensor:
    """``[windows, parts, joint_dim]``."""
    with clap.autocast():
        frames = clap.computed.audio_encoder.frames_of_log_mel(*heard)
        parts = clap.model.audio_projection(frames)
    return F.normalize(parts.float(), dim=-1).cpu()
