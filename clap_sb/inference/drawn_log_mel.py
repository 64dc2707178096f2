"""What a sound is drawn with: the tower's own front end, if it has one; its scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.features import LogMel

if TYPE_CHECKING:
    from clap_sb.model import CLAP

_RANGE_DB = 70.0
# Above the scale, for no sound but a tone has all its power in one band.
_HEADROOM_DB = 20.0


def drawn_log_mel(model: CLAP) -> LogMel:
    """The log-mel to draw a sound by.

    Arguments
    ---------
    model : clap_sb.model.CLAP
        The model.

    Returns
    -------
    LogMel
        That of the audio tower; for a tower that is no
        :class:`~clap_sb.encoders.audio_tower.AudioTower`, one over all frequencies.

    Example
    -------
    >>> import torch
    >>> tower = torch.nn.Identity()
    >>> tower.sample_rate = 16000
    >>> from clap_sb.model import CLAP
    >>> drawn_log_mel(CLAP(tower, *(torch.nn.Identity() for _ in range(4)))).sample_rate
    16000
    """
    tower = model.audio_encoder
    if isinstance(tower, AudioTower):
        return tower.log_mel
    rate = model.sample_rate
    hop = rate // 100  # 10 ms
    return LogMel(rate, n_fft=4 * hop, hop_length=hop, f_min=0, f_max=rate / 2)


def drawn_decibels(log_mel: LogMel) -> tuple[float, float]:
    """Where the scale of a picture begins and ends: the same for all sounds.

    So that a quiet sound is darker than a loud one, and silence is black.

    Arguments
    ---------
    log_mel : LogMel
        What draws the sounds.

    Returns
    -------
    lowest : float
        70 dB below the highest, or the front end's floor, if that is higher.
    highest : float
        20 dB below the loudest tone, one from -1 to 1.

    Example
    -------
    >>> lowest, highest = drawn_decibels(LogMel(amin=1e-4))
    >>> lowest, round(highest, 1)
    (-40.0, 10.8)
    """
    tone = (log_mel.window.sum().item() / 2) ** 2 * log_mel.mel_filters.max().item()
    highest = 10 * math.log10(tone) - _HEADROOM_DB
    floor = 10 * math.log10(log_mel.amin)
    return max(highest - _RANGE_DB, min(floor, highest - 1)), highest
