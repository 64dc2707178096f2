"""Files with exactly the keys of the public models: recognised, loaded, and right."""

from __future__ import annotations

import ast
import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import FRONT_ENDS, difference, figures, filled, signal
from small_checkpoints import stft_kernels

from clap_sb.checkpoints.detect import detect
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.public_file import describe_weights, load_weights
from clap_sb.checkpoints.weights_file import Weights
from clap_sb.fusion_views import chunk_ranges

KEYS = Path(__file__).parent / "fixtures" / "checkpoint_keys"

# file: towers, and the case in the golden figures
MODELS = {
    "laion_htsat_tiny_roberta": (
        "HTSAT-tiny + RoBERTa",
        "HTSAT-tiny L=200000 text=roberta",
    ),
    "laion_htsat_base_roberta": (
        "HTSAT-base + RoBERTa",
        "HTSAT-base L=480000 text=roberta",
    ),
    "laion_pann14_bert": ("CNN14 + BERT", "PANN-14 L=200000 text=bert"),
    "laion_pann14_cliptext_aff2d": (
        "CNN14, fusion aff_2d + CLIP transformer",
        "PANN-14 aff_2d L=900000 text=transformer",
    ),
    "laion_pann14_bart_aff1d": (
        "CNN14, fusion aff_1d + BART encoder",
        "PANN-14 aff_1d L=900000 text=bart",
    ),
    "msclap_2022": ("CNN14 + BERT", "msclap2022"),
    "msclap_2023": ("HTSAT-tiny + GPT-2", "msclap2023"),
    **{
        f"laion_htsat_tiny_roberta_{name}": (
            f"HTSAT-tiny, fusion {fusion} + RoBERTa",
            f"HTSAT-tiny {fusion} L=900000 text=roberta",
        )
        for name, fusion in {
            "aff2d": "aff_2d",
            "aff_1d": "aff_1d",
            "iaff_2d": "iaff_2d",
            "iaff_1d": "iaff_1d",
            "daf_2d": "daf_2d",
            "daf_1d": "daf_1d",
            "channel_map": "channel_map",
        }.items()
    },
}
TOKENS = {
    "roberta": [0, 713, 16, 10, 2182, 9, 2335, 2],
    "bert": [101, 2023, 2003, 1037, 2614, 1997, 3899, 102],
    "clip_text_model": [49406, 589, 533, 320, 2557, 49407],
    "gpt2": [5661, 318, 262, 2128, 286, 3290, 220, 50256],
}
# BART's embedding is a mean over all 77 positions
PADDED = [*TOKENS["roberta"], *[1] * 69]


def shapes_of(name: str) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    lines = (KEYS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return {
        key: (ast.literal_eval(shape), getattr(torch, dtype))
        for key, shape, dtype, _ in rows
    }


def without_content(name: str) -> Weights:
    """Names and shapes alone: tensors on the meta device."""
    state = {
        key: torch.empty(shape, dtype=dtype, device="meta")
        for key, (shape, dtype) in shapes_of(name).items()
    }
    return Weights(state, Path("renamed.bin"))


def test_all_lists_of_keys_are_tested():
    assert {path.stem for path in KEYS.glob("*.tsv")} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_architecture_is_told_by_names_and_shapes_alone(name):
    weights = without_content(name)
    architecture = detect(weights).describe(weights)
    family, joint_dim, rate = "LAION-CLAP", 512, 48000
    if name.startswith("msclap"):
        family, joint_dim, rate = "MS-CLAP", 1024, 44100
    assert architecture.family == family
    assert architecture.description == MODELS[name][0]
    assert architecture.joint_dim == joint_dim
    assert architecture.sample_rate == rate


@pytest.mark.parametrize("name", MODELS)
def test_nothing_that_was_trained_is_dropped(name):
    """What a converter leaves out is listed here, so that nothing else can be."""
    weights = without_content(name)
    kept = detect(weights).convert(weights.state)
    dropped = (
        "spectrogram_extractor. tscam_conv. fc_audioset. .head. attn_mask "
        "relative_position_index logit_scale_t audio_transform. text_transform. "
        "global_att2. text_branch.decoder. text_branch.shared."
    ).split()
    if name == "msclap_2022":  # reads the first token, before the pooler
        dropped.append("caption_encoder.base.pooler.")
    if "fusion" in MODELS[name][0]:  # log-mel outside the model, HTK
        dropped.append("logmel_extractor.")
    expected = [
        key for key in weights.state if not any(part in key for part in dropped)
    ]
    assert len(kept) == len(expected)


def filled_file(name: str) -> Weights:
    """The weights that the golden figures were computed with."""
    shapes = {key: shape for key, (shape, _) in shapes_of(name).items()}
    return Weights(filled(shapes, FRONT_ENDS[name]), Path("renamed.bin"))


def tokens_of(kind: str) -> dict[str, torch.Tensor]:
    ids = torch.tensor([PADDED if kind == "bart" else TOKENS[kind]])
    padding = ids == 1 if kind == "bart" else torch.zeros_like(ids, dtype=torch.bool)
    return {"input_ids": ids, "attention_mask": (~padding).long()}


def with_upstream_chunks(clap, num_samples: int) -> None:
    """Lets the views start where upstream's generator, seeded with 7, put them."""
    random = np.random.RandomState(7)
    ranges = chunk_ranges(num_samples // 480 + 1, 1001)
    views = clap.audio_encoder.fusion_views
    starts = [[int(random.choice(list(part))) for part in ranges]]
    views.forward = partial(type(views).forward, views, starts=starts)


@pytest.mark.parity
@pytest.mark.parametrize("name", MODELS)
def test_a_full_file_loads_strictly_and_gives_the_upstream_embeddings(name):
    case = MODELS[name][1]
    figure = figures()[case]
    weights = filled_file(name)
    clap, text = load_weights(weights), describe_weights(weights).architecture.text
    microsoft = name.startswith("msclap")
    size = clap.clip_samples
    if not microsoft:
        size = int(re.search(r"L=(\d+)", case)[1])
    if size > clap.clip_samples:
        with_upstream_chunks(clap, size)
    with torch.no_grad():
        wav = signal(size, clap.sample_rate, int16=not microsoft)
        audio = clap.audio_projection(clap.audio_encoder(wav))
        words = clap.text_encoder(tokens_of(text.config["model_type"]))
        words = clap.text_projection(words)
    if microsoft:
        assert difference(audio, figure["audio_proj"]) < 1e-4
        assert difference(words, figure["text_proj"]) < 1e-4
    else:
        unit = torch.nn.functional.normalize
        assert difference(unit(audio), figure["projected_l2"]) < 1e-5
        assert difference(unit(words), figure["text_l2"]) < 1e-5


def test_kernels_that_are_no_dft_are_refused():
    weights = without_content("laion_htsat_tiny_roberta")
    key = "audio_branch.spectrogram_extractor.stft.conv_imag.weight"
    weights.state[key.replace("imag", "real")] = stft_kernels()[0]
    weights.state[key] = stft_kernels()[1]
    weights.state[key][3, 0, 5] += 2e-5
    with pytest.raises(CheckpointError, match="not a windowed DFT"):
        load_weights(weights)
