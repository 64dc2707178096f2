"""The student in training: from log-mels, which were computed once, to embeddings."""

from __future__ import annotations

import torch
from torch import nn

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.model import CLAP


class AudioHalf(nn.Module):
    """The audio half of a model, from the log-mel on.

    One forward a training step is what DDP needs.

    Arguments
    ---------
    clap : CLAP
        The student, with the teacher's text half.
    augment : nn.Module, optional
        What is done to log-mels in training.

    Raises
    ------
    ValueError
        If the audio tower does not hear log-mels of windows.

    Example
    -------
    >>> from clap_sb.encoders.mobilenet import MobileNetV3
    >>> from clap_sb.features import LogMel
    >>> tower = MobileNetV3(LogMel(), 48000, table="small", width=0.25)
    >>> none = nn.Identity()
    >>> student = AudioHalf(CLAP(tower, none, nn.Linear(144, 8), none, none))
    >>> student(torch.randn(2, 1, 101, 64)).shape
    torch.Size([2, 8])
    """

    def __init__(self, clap: CLAP, augment: nn.Module | None = None):
        super().__init__()
        tower = clap.audio_encoder
        if not isinstance(tower, AudioTower) or tower.takes_whole_clips:
            raise ValueError(
                f"a student's audio tower is an AudioTower without feature fusion, not "
                f"{type(tower).__name__}: its log-mels are computed once"
            )
        self.clap = clap
        self.augment = nn.Identity() if augment is None else augment

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Embeds log-mels.

        Arguments
        ---------
        log_mel : torch.Tensor
            ``[batch, 1, frames, n_mels]``, dB.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, float32, unit norm.
        """
        embedding = self.clap.audio_encoder.embed_log_mel(self.augment(log_mel))
        return self.clap.project_audio(embedding)
