"""Small checkpoints in the layouts of the public families, for several test modules."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import torch

from clap_sb.checkpoints.front_end import LAION, filters_of
from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece

SEED = 20
CAPTIONS = ["a dog barks twice", "rain falls on a tin roof", "a siren in the distance"]
SMALL_AUDIO = {"depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "dim": 8}


def amplified(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Fills a state dict so that no layer is near to doing nothing.

    Each tensor depends on its name alone, so that tied ones are to be tied by hand.
    """
    return {key: _fill(key, shape) for key, shape in shapes.items()}


def _fill(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    values = torch.randn(shape, generator=generator)
    if key.endswith("running_var"):
        values = (1 + 0.25 * values**2) * (
            200 if "bn0" in key or "batch_n" in key else 1
        )
    elif key.endswith("running_mean"):
        values = 0.1 * values - (25 if "bn0" in key or "batch_n" in key else 0)
    elif values.dim() <= 1:
        values = 0.1 * values + (1 if key.endswith("weight") else 0)
    elif "bias_table" in key:
        values = 0.5 * values
    elif "embedding" in key:
        values = 0.1 * values
    else:
        values = 1.4 * values / (values.numel() / values.shape[0]) ** 0.5
    return values


def clap_model(fused: bool = False):
    """A small transformers ``ClapModel``, amplified."""
    from transformers import ClapConfig, ClapModel

    dim, stages = SMALL_AUDIO["dim"], len(SMALL_AUDIO["depths"])
    config = ClapConfig(
        text_config={
            "vocab_size": 60,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 32,
            "max_position_embeddings": 90,
        },
        audio_config={
            "patch_embeds_hidden_size": dim,
            "hidden_size": dim * 2 ** (stages - 1),
            "depths": SMALL_AUDIO["depths"],
            "num_attention_heads": SMALL_AUDIO["num_heads"],
            "enable_fusion": fused,
            "fusion_type": "aff_2d" if fused else None,
        },
        projection_dim=12,
    )
    model = ClapModel(config).eval()
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    filled = amplified(shapes)
    scales = {key: torch.tensor(2.5) for key in shapes if key.startswith("logit_scale")}
    kept = {k: v for k, v in model.state_dict().items() if not v.is_floating_point()}
    model.load_state_dict(filled | scales | kept, strict=True)
    return model


def feature_extractor(fused: bool = False):
    """The processor of the published models."""
    from transformers import ClapFeatureExtractor

    truncation = "fusion" if fused else "rand_trunc"
    return ClapFeatureExtractor(
        frequency_min=50, frequency_max=14000, truncation=truncation
    )


def laion_state() -> dict[str, torch.Tensor]:
    """A small LAION-CLAP of HTSAT and RoBERTa, with everything that the files hold."""
    from clap_sb.checkpoints.laion import to_laion_key
    from clap_sb.checkpoints.transformers_clap import from_transformers

    ours = from_transformers(clap_model().state_dict())
    state = {to_laion_key(key): value for key, value in ours.items()}
    real, imaginary = stft_kernels()
    mask = {f"audio_branch.layers.0.blocks.{j}.attn_mask": (4, 4) for j in (1,)}
    dropped = amplified(
        {
            "audio_branch.tscam_conv.weight": (5, 64, 2, 3),
            "audio_branch.tscam_conv.bias": (5,),
            "audio_branch.head.weight": (5, 5),
            "audio_branch.head.bias": (5,),
            "text_branch.embeddings.position_ids": (1, 90),
            "text_transform.sequential.0.weight": (12, 12),
            "audio_transform.sequential.3.bias": (12,),
            **mask,
        }
    )
    prefix = "audio_branch.spectrogram_extractor.stft"
    return {
        **state,
        **dropped,
        "audio_branch.logmel_extractor.melW": filters_of(LAION),
        f"{prefix}.conv_real.weight": real,
        f"{prefix}.conv_imag.weight": imaginary,
        "logit_scale_t": torch.tensor(2.659),
    }


def stft_kernels(size: int = 1024) -> tuple[torch.Tensor, torch.Tensor]:
    """The DFT as torchlibrosa keeps it, made by FFT of the unit impulses."""
    rows = torch.fft.rfft(torch.eye(size, dtype=torch.float64)).T
    windowed = rows * torch.hann_window(size, dtype=torch.float64)
    return windowed.real.float().unsqueeze(1), windowed.imag.float().unsqueeze(1)


def write_tokenizer(folder: Path) -> Path:
    """A SentencePiece tokenizer whose ids the small towers know."""
    train_sentencepiece(CAPTIONS, folder, 60)
    return folder
