"""Our audio towers against the peers' own classes, from one state dict."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import torch
from small_checkpoints import amplified, stft_kernels
from upstream import laion_tower, microsoft_tower

from clap_sb.checkpoints.audio_towers import under
from clap_sb.checkpoints.front_end import LAION, MS_2022, MS_2023, filters_of
from clap_sb.checkpoints.loading import load_weights
from clap_sb.checkpoints.reading import Weights

KEYS = Path(__file__).parent / "fixtures" / "checkpoint_keys"
LAION_MODELS = {
    "laion_htsat_tiny_roberta": ("tiny", None),
    "laion_htsat_base_roberta": ("base", None),
    "laion_htsat_tiny_roberta_aff2d": ("tiny", "aff_2d"),
    "laion_htsat_tiny_roberta_iaff_2d": ("tiny", "iaff_2d"),
    "laion_htsat_tiny_roberta_daf_2d": ("tiny", "daf_2d"),
    "laion_htsat_tiny_roberta_aff_1d": ("tiny", "aff_1d"),
    "laion_htsat_tiny_roberta_iaff_1d": ("tiny", "iaff_1d"),
    "laion_htsat_tiny_roberta_daf_1d": ("tiny", "daf_1d"),
    "laion_htsat_tiny_roberta_channel_map": ("tiny", "channel_map"),
    "laion_pann14_bert": ("Cnn14", None),
    "laion_pann14_cliptext_aff2d": ("Cnn14", "aff_2d"),
    "laion_pann14_bart_aff1d": ("Cnn14", "aff_1d"),
}

pytestmark = pytest.mark.parity


def state_of(name: str, upstream: dict[str, torch.Tensor], prefix: str):
    """All keys of the model; constants of the tower as the peer builds them."""
    lines = (KEYS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t")[:2] for line in lines]
    state = amplified({key: ast.literal_eval(shape) for key, shape in rows})
    constants = ("spectrogram_", "logmel_", "attn_mask", "position_index", "tracked")
    for key, value in upstream.items():
        if any(part in key for part in constants):
            state[prefix + key] = value
    return Weights(state, Path(name))


@pytest.mark.parametrize("name", LAION_MODELS)
def test_laion_towers_give_what_the_wheel_gives(name):
    kind, fusion = LAION_MODELS[name]
    theirs = laion_tower(kind, fusion)
    weights = state_of(name, theirs.state_dict(), "audio_branch.")
    theirs.load_state_dict(under(weights.state, "audio_branch."), strict=True)
    ours = load_weights(weights).clap.audio_encoder
    size = 480000 if fusion is None else 620000
    wav = 0.2 * torch.randn(2, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mels, longer = ours.views(wav, torch.full((2,), size))
        inputs = {"waveform": wav[:, :480000], "longer": longer, "mel_fusion": mels}
        expected = theirs(inputs, device="cpu")["embedding"]
        found = ours(wav)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("year", [2022, 2023])
def test_microsoft_towers_give_what_the_wheel_gives(year):
    theirs = microsoft_tower(year)
    prefix = "audio_encoder."
    weights = state_of(f"msclap_{year}", theirs.state_dict(), prefix)
    theirs.load_state_dict(under(weights.state, prefix), strict=True)
    clap = load_weights(weights).clap
    size = clap.clip_samples
    wav = 0.2 * torch.randn(2, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, _ = theirs(wav)
        found = clap.audio_projection(clap.audio_encoder(wav))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("year", "front_end"), [(2022, MS_2022), (2023, MS_2023), (None, LAION)]
)
def test_front_ends_are_those_of_the_wheels(year, front_end):
    """The filterbank and the kernels, as torchlibrosa builds them."""
    theirs = laion_tower("tiny", None) if year is None else microsoft_tower(year)
    state = {k.rpartition("extractor.")[2]: v for k, v in theirs.state_dict().items()}
    built = filters_of(front_end)
    torch.testing.assert_close(state["melW"], built, atol=1e-6, rtol=1e-3)
    for kernel, part in zip(stft_kernels(), ("real", "imag"), strict=True):
        torch.testing.assert_close(state[f"stft.conv_{part}.weight"], kernel)
