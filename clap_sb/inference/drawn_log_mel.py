"""The front end that a sound is drawn with: the tower's own, where it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.features import LogMel

if TYPE_CHECKING:
    from clap_sb.model import CLAP


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
