"""Starts the audio tower of a training run from a checkpoint."""

from __future__ import annotations

import re
from pathlib import Path

from torch import nn

from clap_sb.checkpoints.open_checkpoint import audio_state
from clap_sb.checkpoints.strict_loading import load_strictly

# A tower keeps its own front end, whose sample rate need not be the file's. It may have
# feature fusion where the file has none, and the file classes where it has none.
_OWN = re.compile(r"log_mel\.|(patch_embed\.)?(fusion_model|mel_conv[12]d)\.")
_CLASS_HEADS = re.compile(r"(tscam_conv|fc_audioset)\.")


def load_audio_weights(encoder: nn.Module, source: str | Path) -> str:
    """Loads an audio tower's weights from a checkpoint of any family.

    Of AudioSet's (HTSAT, PANNs), as LAION-CLAP and MS-CLAP started, or of a CLAP's. No
    class that it names is imported.

    Arguments
    ---------
    encoder : nn.Module
        The audio tower.
    source : str or Path
        As :func:`~clap_sb.checkpoints.open_checkpoint.open_checkpoint` takes it.

    Returns
    -------
    str
        What was loaded.

    Raises
    ------
    CheckpointError
        If the file cannot be read, is of no known family, or holds another tower.

    Example
    -------
    >>> from clap_sb.encoders.htsat import HTSAT
    >>> from clap_sb.features import LogMel
    >>> import torch
    >>> shape = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2]}
    >>> one, other = (HTSAT(LogMel(), **shape) for _ in range(2))
    >>> state = {f"sed_model.{k}": v for k, v in one.state_dict().items()}
    >>> state["sed_model.tscam_conv.weight"] = torch.zeros(5, 16, 8, 3)
    >>> path = getfixture("tmp_path") / "htsat.ckpt"
    >>> torch.save({"state_dict": state}, path)
    >>> load_audio_weights(other, path)
    'HTSAT AudioSet: HTSAT-8, audio tower alone'
    >>> torch.equal(other.norm.weight, one.norm.weight)
    True
    """
    description, theirs = audio_state(source)
    own = encoder.state_dict()
    state = {key: value for key, value in own.items() if _OWN.match(key)}
    for key, value in theirs.items():
        is_unwanted_class = _CLASS_HEADS.match(key) and key not in own
        if not is_unwanted_class and not key.startswith("log_mel."):
            state[key] = value
    load_strictly(encoder, state, f"{source} ({description})")
    return description
