"""LAION-CLAP's state dicts (2211.06687), unfused, HTSAT with RoBERTa or BERT."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

# ours, theirs; the first that matches is applied
_PREFIXES = (
    ("audio_encoder.log_mel.mel_filters", "audio_branch.logmel_extractor.melW"),
    ("audio_encoder.", "audio_branch."),
    ("text_encoder.model.", "text_branch."),
    ("logit_scale.log_scale", "logit_scale_a"),
)

# in every file, and of no use to an embedding: the DFT as convolution kernels (ours is
# an FFT), class heads, buffers that are rebuilt, the text-side scale and the extra MLPs
# that only LAION's unused loss trains
_UNUSED = re.compile(
    r"spectrogram_extractor\.|tscam_conv\.|\.head\.|\.attn_mask$|"
    r"relative_position_index$|position_ids$|token_type_ids$|"
    r"logit_scale_t$|(audio|text)_transform\."
)


def to_laion_key(key: str) -> str:
    """Name of one of our parameters in LAION's layout.

    Arguments
    ---------
    key : str
        A key of ``CLAP.state_dict()``.

    Returns
    -------
    str

    Example
    -------
    >>> to_laion_key("audio_encoder.layers.0.blocks.0.norm1.weight")
    'audio_branch.layers.0.blocks.0.norm1.weight'
    """
    return _rename(key, _PREFIXES)


def from_laion(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Converts a LAION-CLAP state dict into ours.

    Arguments
    ---------
    state_dict : mapping
        The ``state_dict`` entry of a LAION file, with or without ``module.``.

    Returns
    -------
    dict
        What ``CLAP.load_state_dict(..., strict=True)`` takes.

    Example
    -------
    >>> theirs = {"module.logit_scale_a": torch.tensor(2.6), "module.logit_scale_t": 0}
    >>> list(from_laion(theirs))
    ['logit_scale.log_scale']
    """
    backwards = tuple((theirs, ours) for ours, theirs in _PREFIXES)
    plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
    return {
        _rename(key, backwards): value
        for key, value in plain.items()
        if not _UNUSED.search(key)
    }


def _rename(key: str, prefixes: tuple[tuple[str, str], ...]) -> str:
    for old, new in prefixes:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key
