"""What SpeechBrain's ``Pretrainer`` loads our towers with."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from clap_sb.checkpoints.strict_loading import load_strictly
from clap_sb.checkpoints.weights_file import read_part


def load_exactly(module: nn.Module, path: str | Path) -> None:
    """Loads a part of an export; a hook for SpeechBrain's ``Pretrainer``.

    Its own loading warns of weights that are missing or left over, and goes on with
    random ones. In a recipe's YAML::

        pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
            loadables:
                encoder: !ref <encoder>
            paths:
                encoder: EXPORT/audio_encoder.ckpt
            custom_hooks:
                encoder: !name:clap_sb.checkpoints.pretrainer.load_exactly

    Arguments
    ---------
    module : nn.Module
        The tower, or another part of a model.
    path : str or Path
        Its file in an export, or in a checkpoint of a training run.

    Raises
    ------
    CheckpointError
        If the file cannot be read, or holds another tower; the differences are named.

    Example
    -------
    >>> import torch
    >>> from clap_sb.encoders.projection import LinearProjection
    >>> path = getfixture("tmp_path") / "audio_projection.ckpt"
    >>> torch.save(LinearProjection(2, 3).state_dict(), path)
    >>> load_exactly(LinearProjection(2, 3), path)
    >>> load_exactly(LinearProjection(2, 4), path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    clap_sb.checkpoints.errors.CheckpointError: ...audio_projection.ckpt does not fit \
its architecture: weight is [3, 2] in the file and [4, 2] in the model, bias is [3] in \
the file and [4] in the model
    """
    load_strictly(module, read_part(path), str(path))
