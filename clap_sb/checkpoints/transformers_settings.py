"""What a transformers folder's JSON files say: of the model, and of what it hears."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.front_end import LAION, LAION_FUSED
from clap_sb.checkpoints.laion import CLIP_SAMPLES

logger = logging.getLogger(__name__)

KIND = "ClapFeatureExtractor"
_DEFAULTS = {
    "sampling_rate": 48000,
    "fft_window_size": 1024,
    "hop_length": 480,
    "feature_size": 64,
    "frequency_min": 0,
    "frequency_max": 14000,
    "max_length_s": 10,
    "padding": "repeatpad",
}
# theirs: ours
_FRONT_END = {
    "sampling_rate": "sample_rate",
    "fft_window_size": "n_fft",
    "hop_length": "hop_length",
    "feature_size": "n_mels",
    "frequency_min": "f_min",
    "frequency_max": "f_max",
}
_WITHOUT_EFFECT = {"top_db": None, "padding_value": 0}

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


@dataclass(frozen=True)
class Hearing:
    """How a model hears.

    Arguments
    ---------
    front_end : dict
        Numbers of its log-mel.
    clip_samples : int
        Samples in its window.
    padding : str
        How short clips are filled up, see :func:`clap_sb.clips.fill`.
    """

    front_end: dict[str, Any]
    clip_samples: int = CLIP_SAMPLES
    padding: str = "repeatpad"


def hearing(processor: Mapping[str, Any], fused: bool) -> Hearing:
    """Reads the settings of a feature extractor.

    Arguments
    ---------
    processor : mapping
        What stands in ``preprocessor_config.json``, or in ``processor_config.json`` as
        ``feature_extractor``; empty if there is neither, and then the published
        models' settings hold.
    fused : bool
        Whether the weights have feature fusion.

    Returns
    -------
    Hearing

    Raises
    ------
    CheckpointError
        If it is another kind of extractor, does not fit the weights, or its window is
        no whole number of samples.

    Example
    -------
    >>> hearing({"max_length_s": 5, "padding": "pad"}, fused=False).clip_samples
    240000
    """
    usual = LAION_FUSED if fused else LAION
    if not processor:
        return Hearing(dict(usual))
    _check_processor(processor, fused)
    said = {key: processor.get(key, usually) for key, usually in _DEFAULTS.items()}
    numbers = {ours: said[theirs] for theirs, ours in _FRONT_END.items()}
    for name in ("sample_rate", "n_fft", "hop_length", "n_mels"):
        numbers[name] = _whole(numbers[name], name)
    samples = said["max_length_s"] * numbers["sample_rate"]
    return Hearing(
        {**usual, **numbers},
        _whole(samples, "max_length_s times sampling_rate"),
        # whatever else it says, zeros follow
        said["padding"] if said["padding"] in ("repeatpad", "repeat") else "pad",
    )


def _check_processor(processor: Mapping[str, Any], fused: bool) -> None:
    kind = processor.get("feature_extractor_type", KIND)
    if kind != KIND:
        raise CheckpointError(
            f"the folder's feature extractor is a {kind}, and a ClapModel's is a {KIND}"
        )
    fitting = "fusion" if fused else "rand_trunc"
    truncation = processor.get("truncation", fitting)
    if truncation != fitting:
        raise CheckpointError(
            f"the folder's feature extractor has truncation {truncation!r}, and its "
            f"weights have {'' if fused else 'no '}feature fusion: what it gives does "
            f"not fit the model. Write {fitting!r} into its configuration if that is "
            "what the model was trained with"
        )


def tell_ignored(processor: Mapping[str, Any]) -> None:
    """Warns of settings that are not followed, and are not in transformers either.

    Arguments
    ---------
    processor : mapping
        As :func:`hearing` takes it.
    """
    ignored = {
        key: processor[key]
        for key, usual in _WITHOUT_EFFECT.items()
        if processor.get(key, usual) != usual
    }
    if ignored:
        named = ", ".join(f"{key} {value!r}" for key, value in ignored.items())
        logger.warning(
            "the folder's feature extractor has %s: transformers takes no notice of "
            "that, and nor is any taken here",
            named,
        )


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CheckpointError(f"the feature extractor's {name} is {value!r}: no number")
    if value != value // 1 or value < 1:
        raise CheckpointError(
            f"the feature extractor's {name} is {value!r}: no whole number, 1 or more"
        )
    return int(value)


# ClapTextConfig's defaults: what a file leaves out


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
    _check_config(said, _HEAD, "text")
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
    _check_config(said, _AUDIO_AS_USUAL, "audio")
    stride = said.get("patch_stride", [patch_size] * 2)
    if stride not in (patch_size, [patch_size] * 2):
        raise CheckpointError(
            f"config.json has patch_stride {stride!r} with patches of {patch_size}: "
            "patches that overlap are not supported here"
        )
    return said.get("spec_size", _SPEC_SIZE)


def _check_config(
    said: Mapping[str, Any], as_usual: Mapping[str, Any], tower: str
) -> None:
    for key, usual in as_usual.items():
        if said.get(key, usual) != usual:
            raise CheckpointError(
                f"config.json has {key} {said[key]!r} for the {tower} tower, and only "
                f"{usual!r} is supported here"
            )
