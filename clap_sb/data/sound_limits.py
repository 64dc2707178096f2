"""What no sound has: rates, channels, lengths and amplitudes that only damage makes."""

from __future__ import annotations

import numpy as np

from clap_sb.data.audio_source import AudioError

# The lowest is that of recordings of whales and of the ground, the highest more than
# that of DSD512 as FFmpeg gives it (2.8 MHz).
LOWEST_RATE = 100
HIGHEST_RATE = 4_000_000
MOST_CHANNELS = 256
# Of all channels together: a second of them fits into memory.
MOST_SAMPLES_A_SECOND = 2**26
LONGEST_SECONDS = 31 * 24 * 3600
# Whole numbers of 32 bits that were saved as floats do not reach it. Far beyond it, the
# sums of squares of a spectrogram leave float32.
LOUDEST = 2.0**32

_DAMAGED = "the header is damaged, or the file is no sound"


def check_header(name: str, sample_rate: int, num_channels: int) -> None:
    """Refuses what no sound has, before any memory is asked for on its account.

    Arguments
    ---------
    name : str
        The file, for messages.
    sample_rate : int
        Hz.
    num_channels : int
        Channels.

    Raises
    ------
    AudioError
        If there is no such sound.

    Example
    -------
    >>> check_header("a.wav", 48000, 2)
    >>> check_header("a.wav", 4_294_967_295, 1)
    Traceback (most recent call last):
    ...
    clap_sb.data.audio_source.AudioError: a.wav: its header says 4294967295 Hz, and \
sounds have from 100 to 4000000 Hz: the header is damaged, or the file is no sound
    """
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise AudioError(
            f"{name}: its header says {sample_rate} Hz, and sounds have from "
            f"{LOWEST_RATE} to {HIGHEST_RATE} Hz: {_DAMAGED}"
        )
    if not 1 <= num_channels <= MOST_CHANNELS:
        raise AudioError(
            f"{name}: its header says {num_channels} channels, and sounds have from 1 "
            f"to {MOST_CHANNELS}: {_DAMAGED}"
        )
    if sample_rate * num_channels > MOST_SAMPLES_A_SECOND:
        raise AudioError(
            f"{name}: its header says {num_channels} channels of {sample_rate} Hz, "
            f"which together are more than {MOST_SAMPLES_A_SECOND} samples a second: "
            f"{_DAMAGED}"
        )


def check_length(name: str, num_frames: int, sample_rate: int) -> None:
    """Refuses lengths that no sound has, and sounds without a sample.

    Arguments
    ---------
    name : str
        The file, for messages.
    num_frames : int
        Samples in a channel.
    sample_rate : int
        Hz.

    Raises
    ------
    AudioError
        If there is no such sound.

    Example
    -------
    >>> check_length("a.flac", 2**36, 8000)
    Traceback (most recent call last):
    ...
    clap_sb.data.audio_source.AudioError: a.flac: its header says 99 days, and a sound \
has at most 31: the header is damaged; where it is not, cut the file into parts
    """
    if num_frames < 1:
        raise AudioError(f"{name}: the file has a header but no samples")
    seconds = num_frames / sample_rate
    if seconds > LONGEST_SECONDS:
        raise AudioError(
            f"{name}: its header says {seconds / 86400:.0f} days, and a sound has at "
            f"most {LONGEST_SECONDS // 86400}: the header is damaged; where it is not, "
            "cut the file into parts"
        )


def fault_of(samples: np.ndarray) -> str | None:
    """What makes samples of no use.

    Arguments
    ---------
    samples : np.ndarray
        Of any shape, floats.

    Returns
    -------
    str or None
        In words, or None if all of them are finite and none is absurdly large.

    Example
    -------
    >>> fault_of(np.array([0.5, np.nan]))
    'some samples are not finite numbers (NaN or inf)'
    >>> fault_of(np.array([0.5, -1e30]))
    'its samples reach 1e+30, which no sound does (at most 4.29e+09): \
it is damaged, or none'
    >>> fault_of(np.array([0.5, 32767.0]))
    """
    if not samples.size:
        return None
    lowest, highest = float(samples.min()), float(samples.max())  # NaN, if there is any
    if -LOUDEST <= lowest and highest <= LOUDEST:
        return None
    reached = max(-lowest, highest)
    if not np.isfinite(reached):
        return "some samples are not finite numbers (NaN or inf)"
    return (
        f"its samples reach {reached:.3g}, which no sound does (at most "
        f"{LOUDEST:.3g}): it is damaged, or none"
    )
