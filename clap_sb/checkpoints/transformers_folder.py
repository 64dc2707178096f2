"""A model as a folder that transformers' ``ClapModel.from_pretrained`` loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from clap_sb.checkpoints.architecture import Architecture, write_text_source
from clap_sb.checkpoints.checkpoint import Checkpoint
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.front_end import is_built_by
from clap_sb.checkpoints.model_card import model_card
from clap_sb.checkpoints.speechbrain_folder import CARD_FILE
from clap_sb.checkpoints.strict_loading import load_strictly
from clap_sb.checkpoints.transformers_clap import is_constant, to_transformers
from clap_sb.encoders.transformers_models import import_without_torchaudio

_FUSION = "aff_2d"
_FLOOR = 1e-10


def write_transformers_folder(checkpoint: Checkpoint, folder: str | Path) -> None:
    """Writes a model for ``ClapModel`` and ``ClapProcessor``.

    Arguments
    ---------
    checkpoint : Checkpoint
        A model of HTSAT, RoBERTa and MLP projections, without fusion or with AFF 2-D.
    folder : str or Path
        Receives weights, configurations, tokenizer and a model card.

    Raises
    ------
    CheckpointError
        If ``ClapModel`` has no place for the model.
    """
    import_without_torchaudio()
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    architecture = checkpoint.architecture
    _check(checkpoint)
    folder = Path(folder)
    write_text_source(architecture.text, folder, checkpoint.tokenizer)
    model = ClapModel(
        ClapConfig(
            text_config=_text_config(architecture),
            audio_config=_audio_config(architecture),
            projection_dim=architecture.joint_dim,
        )
    )
    _load(model, to_transformers(checkpoint.clap.state_dict()))
    model.save_pretrained(folder)
    ClapFeatureExtractor(**_processor(architecture)).save_pretrained(folder)
    told = checkpoint.to_hand_on()
    card = model_card(
        told.architecture, told.facts, checkpoint.scores(), "transformers"
    )
    (folder / CARD_FILE).write_text(card, encoding="utf-8")


def _load(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Loads all that is learned; constants of the port are as it builds them."""
    constants = {
        key: value for key, value in model.state_dict().items() if is_constant(key)
    }
    load_strictly(model, constants | state, "transformers' ClapModel")


def _check(checkpoint: Checkpoint) -> None:
    """``ClapModel`` is HTSAT and RoBERTa, with its filterbank made from numbers."""
    architecture = checkpoint.architecture
    text = architecture.text
    if architecture.strange_names:
        raise CheckpointError(
            f"{architecture.family} ({architecture.description}) cannot become a "
            f"transformers ClapModel, which has no {architecture.strange_names[0]}. "
            "Export it for SpeechBrain instead"
        )
    arguments = architecture.audio_encoder.arguments
    front_end = arguments["log_mel"].arguments
    obstacles = {
        "its audio tower is not HTSAT": "embed_dim" not in arguments,
        "its text tower is not RoBERTa": (
            text is None or text.config.get("model_type") != "roberta"
        ),
        "its captions are not pooled by RoBERTa's pooler": (
            text is None or text.part.arguments.get("pooling") != "pooler"
        ),
        "its patches come from a convolutional stem": (
            arguments.get("stem_channels") is not None
        ),
        "its waveforms are not at the rate of its filterbank": (
            architecture.sample_rate != front_end["sample_rate"]
        ),
        "its window is no whole number of seconds": architecture.seconds % 1 != 0,
        "its log-mel has another floor than -100 dB": (
            front_end.get("amin", _FLOOR) != _FLOOR
        ),
        "its projections are not LAION's": (
            not architecture.audio_projection.name.endswith("MLPProjection")
        ),
        "its logits have a bias": checkpoint.clap.logit_scale.bias is not None,
        f"its fusion is not {_FUSION}": arguments.get("fusion", _FUSION) != _FUSION,
        "its filterbank is not the one that its numbers give": not is_built_by(
            checkpoint.clap.audio_encoder.log_mel.mel_filters,
            front_end,
        ),
    }
    for obstacle, holds in obstacles.items():
        if holds:
            raise CheckpointError(
                f"{architecture.family} ({architecture.description}) cannot become a "
                f"transformers ClapModel: {obstacle}. Export it for SpeechBrain instead"
            )


def _text_config(architecture: Architecture) -> dict[str, Any]:
    config = dict(architecture.text.config)
    del config["model_type"]
    return config


def _audio_config(architecture: Architecture) -> dict[str, Any]:
    tower = architecture.audio_encoder.arguments
    stages = len(tower["depths"])
    patch = tower["patch_size"]
    fused = "fusion" in tower
    return {
        "window_size": tower["window_size"],
        "num_mel_bins": tower["log_mel"].arguments["n_mels"],
        "spec_size": tower.get("spec_size", 256),
        "patch_size": patch,
        "patch_stride": [patch, patch],
        "hidden_size": tower["embed_dim"] * 2 ** (stages - 1),
        "patch_embeds_hidden_size": tower["embed_dim"],
        "depths": list(tower["depths"]),
        "num_attention_heads": list(tower["num_heads"]),
        "num_hidden_layers": stages,
        "mlp_ratio": tower["mlp_ratio"],
        "enable_fusion": fused,
        "fusion_type": _FUSION if fused else None,
    }


def _processor(architecture: Architecture) -> dict[str, Any]:
    tower = architecture.audio_encoder.arguments
    front_end = tower["log_mel"].arguments
    return {
        "feature_size": front_end["n_mels"],
        "sampling_rate": front_end["sample_rate"],
        "hop_length": front_end["hop_length"],
        "fft_window_size": front_end["n_fft"],
        "frequency_min": front_end["f_min"],
        "frequency_max": front_end["f_max"],
        "max_length_s": tower["clip_samples"] // front_end["sample_rate"],
        "truncation": "fusion" if "fusion" in tower else "rand_trunc",
        "padding": tower.get("padding", "repeatpad"),
    }
