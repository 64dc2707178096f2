"""Audio towers in public checkpoints: their numbers, read from names and shapes.

All families keep the names of the original HTSAT and PANNs code inside the tower, and
differ in the prefix before them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from clap_sb.checkpoints.architecture import Part
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.front_end import LOG_MEL

# of no use to us: the DFT as convolution kernels (ours is an FFT; they
# are checked before they are dropped), buffers that are rebuilt, a head and a block of
# iAFF that were never used
_UNUSED = re.compile(
    r"spectrogram_extractor\.|head\.|.*\.attn_mask$|.*\.relative_position_index$|"
    r".*fusion_model\.global_att2\."
)
_CLASS_HEADS = ("tscam_conv.", "fc_audioset.")
_BLOCKS = range(1, 7)
_CNN14_DIM = 2048
# by width and number of blocks
_SIZES = {(96, 12): "tiny", (128, 18): "base", (256, 18): "large"}


def renamed(key: str, prefixes: Iterable[tuple[str, str]]) -> str:
    """A parameter's name with another beginning.

    Arguments
    ---------
    key : str
        The name.
    prefixes : iterable of (str, str)
        Beginnings, and what takes their place; the first that fits does.

    Returns
    -------
    str

    Example
    -------
    >>> renamed("text_branch.norm.bias", [("text_branch.", "text_encoder.")])
    'text_encoder.norm.bias'
    """
    for old, new in prefixes:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def under(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The entries whose names begin with a prefix, without it.

    Arguments
    ---------
    state : mapping
        A state dict.
    prefix : str
        Beginning of the names.

    Returns
    -------
    dict

    Example
    -------
    >>> under({"audio.w": 1, "text.w": 2}, "audio.")
    {'w': 1}
    """
    return {
        key.removeprefix(prefix): value
        for key, value in state.items()
        if key.startswith(prefix)
    }


def fusion_of(tower: Mapping[str, torch.Tensor]) -> str | None:
    """Kind of feature fusion (2211.06687, section 3.2), from the names alone.

    Arguments
    ---------
    tower : mapping
        State dict of an audio tower.

    Returns
    -------
    str or None
        As the encoders' ``fusion`` takes it.

    Example
    -------
    >>> fusion_of({"mel_conv1d.0.weight": torch.zeros(64, 64, 5)})
    'daf_1d'
    """
    names = " ".join(tower)
    first = _first_convolution(tower)
    if first is not None and first.shape[1] == 4:
        return "channel_map"
    for convolution, dimension in (("mel_conv1d.", "1d"), ("mel_conv2d.", "2d")):
        if convolution in names:
            kind = "aff" if "fusion_model.local_att." in names else "daf"
            kind = "iaff" if "fusion_model.local_att2." in names else kind
            return f"{kind}_{dimension}"
    return None


def _first_convolution(tower: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    for key in ("patch_embed.proj.weight", "conv_block1.conv1.weight"):
        if key in tower:
            return tower[key]
    return None


def audio_part(
    tower: Mapping[str, torch.Tensor], log_mel: Mapping[str, Any], **arguments: Any
) -> Part:
    """Describes an audio tower.

    Arguments
    ---------
    tower : mapping
        State dict of the tower, under the original names.
    log_mel : mapping
        Numbers of the family's front end.
    **arguments : Any
        What the weights do not tell: ``clip_samples``, ``padding``, ...

    Returns
    -------
    Part

    Raises
    ------
    CheckpointError
        If it is neither HTSAT nor CNN14.
    """
    arguments = {"log_mel": Part(LOG_MEL, dict(log_mel)), **arguments}
    if fusion_of(tower) is not None:
        arguments["fusion"] = fusion_of(tower)
    if "patch_embed.proj.weight" in tower:
        return Part("clap_sb.encoders.htsat.HTSAT", {**arguments, **_htsat(tower)})
    if "conv_block6.conv2.weight" in tower:
        return Part("clap_sb.encoders.cnn14.CNN14", {**arguments, **_cnn14(tower)})
    raise CheckpointError(
        "the audio tower is neither an HTSAT (no patch_embed.proj) nor a CNN14 (no "
        "conv_block6): this kind of encoder is not known here"
    )


def _htsat(tower: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    blocks = [
        (int(found[1]), int(found[2]))
        for found in (
            re.match(r"layers\.(\d+)\.blocks\.(\d+)\.norm1\.w", k) for k in tower
        )
        if found
    ]
    stages = range(1 + max(stage for stage, _ in blocks))
    tables = [
        tower[f"layers.{stage}.blocks.0.attn.relative_position_bias_table"].shape
        for stage in stages
    ]
    dim, _, patch, _ = tower["patch_embed.proj.weight"].shape
    return {
        "patch_size": patch,
        "window_size": (math.isqrt(tables[0][0]) + 1) // 2,
        "embed_dim": dim,
        "depths": [1 + max(j for s, j in blocks if s == stage) for stage in stages],
        "num_heads": [heads for _, heads in tables],
        "mlp_ratio": tower["layers.0.blocks.0.mlp.fc1.weight"].shape[0] / dim,
    }


def _cnn14(tower: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    widths = [tower[f"conv_block{block}.conv2.weight"].shape[0] for block in _BLOCKS]
    numbers = {"channels": widths, "with_fc1": "fc1.weight" in tower}
    if numbers["with_fc1"] and tower["fc1.weight"].shape[0] != widths[-1]:
        numbers["fc1_dim"] = tower["fc1.weight"].shape[0]
    return numbers


def embedding_dim(part: Part) -> int:
    """Width of what a tower gives.

    Arguments
    ---------
    part : Part
        From :func:`audio_part`.

    Returns
    -------
    int
    """
    if part.name.endswith("CNN14"):
        return part.arguments.get("fc1_dim", part.arguments["channels"][-1])
    return part.arguments["embed_dim"] * 2 ** (len(part.arguments["depths"]) - 1)


def audio_name(part: Part) -> str:
    """The tower in words.

    Arguments
    ---------
    part : Part
        From :func:`audio_part`.

    Returns
    -------
    str

    Example
    -------
    >>> numbers = {"embed_dim": 96, "depths": [2, 2, 6, 2]}
    >>> audio_name(Part("clap_sb.encoders.htsat.HTSAT", numbers))
    'HTSAT-tiny'
    """
    numbers = part.arguments
    if part.name.endswith("HTSAT"):
        dim = numbers["embed_dim"]
        name = f"HTSAT-{_SIZES.get((dim, sum(numbers['depths'])), dim)}"
    else:
        dim = embedding_dim(part)
        name = "CNN14" if dim == _CNN14_DIM else f"CNN14-{dim}"
    return name + (f", fusion {numbers['fusion']}" if "fusion" in numbers else "")


def audio_state(
    tower: Mapping[str, torch.Tensor], with_classes: bool = False
) -> dict[str, torch.Tensor]:
    """An audio tower's state dict under our names.

    The filterbank of the file goes along, except in a fused model, which computes its
    log-mel outside and with another one.

    Arguments
    ---------
    tower : mapping
        State dict under the original names.
    with_classes : bool
        Whether the class head is kept.

    Returns
    -------
    dict
        What the tower's ``load_state_dict`` takes.

    Example
    -------
    >>> list(audio_state({"logmel_extractor.melW": 0, "head.bias": 0, "norm.bias": 0}))
    ['log_mel.mel_filters', 'norm.bias']
    """
    unused = () if with_classes else _CLASS_HEADS
    if fusion_of(tower) is not None:
        unused += ("logmel_extractor.",)
    return {
        key.replace("logmel_extractor.melW", "log_mel.mel_filters"): value
        for key, value in tower.items()
        if not key.startswith(unused) and not _UNUSED.match(key)
    }
