"""What the ``config.json`` of a transformers folder says beyond names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clap_sb.checkpoints.errors import CheckpointError

# ClapTextConfig's defaults: what a file leaves out
_TEXT = {
    "num_attention_heads": 12,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
_SPEC_SIZE = 256
_HEAD = {"projection_hidden_act": "relu"}
# what the towers here are, and weights do not tell
_AUDIO_AS_USUAL = {
    **_HEAD,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "flatten_patch_embeds": True,
}


def text_numbers(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the text tower's configuration has to tell.

    Arguments
    ---------
    config : mapping
        ``config.json`` of a ``ClapModel``; empty if there is none.

    Returns
    -------
    dict

    Raises
    ------
    CheckpointError
        If the projection's activation is another than here.

    Example
    -------
    >>> text_numbers({"text_config": {"num_attention_heads": 4}})["layer_norm_eps"]
    1e-12
    """
    if not config:
        return {}
    said = config.get("text_config") or {}
    _check(said, _HEAD, "text")
    return {key: said.get(key, usual) for key, usual in _TEXT.items()}


def spec_size(config: Mapping[str, Any], patch_size: int) -> int:
    """Side of the audio tower's image.

    Arguments
    ---------
    config : mapping
        ``config.json`` of a ``ClapModel``, or of an audio tower alone; empty if there
        is none.
    patch_size : int
        Side of a patch.

    Returns
    -------
    int

    Raises
    ------
    CheckpointError
        If it tells of a tower that cannot be built here.

    Example
    -------
    >>> spec_size({"audio_config": {"spec_size": 128}}, 4), spec_size({}, 4)
    (128, 256)
    """
    said = config.get("audio_config") or config
    _check(said, _AUDIO_AS_USUAL, "audio")
    stride = said.get("patch_stride", [patch_size] * 2)
    if stride not in (patch_size, [patch_size] * 2):
        raise CheckpointError(
            f"config.json has patch_stride {stride!r} with patches of {patch_size}: "
            "patches that overlap are not supported here"
        )
    return said.get("spec_size", _SPEC_SIZE)


def _check(said: Mapping[str, Any], as_usual: Mapping[str, Any], tower: str) -> None:
    for key, usual in as_usual.items():
        if said.get(key, usual) != usual:
            raise CheckpointError(
                f"config.json has {key} {said[key]!r} for the {tower} tower, and only "
                f"{usual!r} is supported here"
            )
