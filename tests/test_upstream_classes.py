"""Our models against the peers' own classes, from one state dict.

Of each list of keys, the peer's whole class is built (its text tower too), filled, and
heard through its own loader; ours reads the same state dict and the same waveforms.
"""

from __future__ import annotations

import ast
from pathlib import Path

import peers
import pytest
import torch
import torch.nn.functional as F
from builders import fixture
from golden import CONSTANTS, FRONT_ENDS, filled
from parity.make_figures import small_figures
from peer_inputs import PEERS, noise, our_outputs
from small_checkpoints import stft_kernels

from clap_sb.checkpoints.front_end import LAION, MS_2022, MS_2023, PANNS, filters_of
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.public_file import load_weights
from clap_sb.checkpoints.weights_file import Weights

KEYS = Path(__file__).parent / "fixtures" / "checkpoint_keys"
pytestmark = pytest.mark.parity


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    lines = (KEYS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return {key: ast.literal_eval(shape) for key, shape, *_ in rows}


@pytest.mark.parametrize("name", PEERS)
def test_both_towers_give_what_the_wheel_gives(name):
    theirs = peers.build(name)
    shapes = shapes_of(name)
    own = theirs.state_dict()
    assert {key: tuple(value.shape) for key, value in own.items()} == shapes
    state = filled(shapes, FRONT_ENDS[name])
    state |= {k: v for k, v in own.items() if any(part in k for part in CONSTANTS)}
    theirs.load_state_dict(state, strict=True)
    expected = peers.outputs(name, theirs)
    ours = load_weights(Weights(state, Path("renamed.bin")))
    compare(our_outputs(PEERS[name], ours), expected)


def compare(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    close = torch.testing.assert_close
    close(found["embedding"], expected["embedding"], atol=1e-4, rtol=1e-5)
    for modality in ("audio", "text"):
        close(found[modality], expected[modality], atol=1e-5, rtol=0)


@torch.no_grad()
def test_panns_give_what_the_wheel_gives(tmp_path):
    """From a file as PANNs' training code writes it."""
    theirs = peers.panns()
    shapes = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
    theirs.load_state_dict(filled(shapes, PANNS), strict=True)
    path = tmp_path / "renamed.bin"
    torch.save({"iteration": 600000, "model": theirs.state_dict()}, path)
    loaded = open_checkpoint(path)
    tower = loaded.clap.audio_encoder
    assert loaded.architecture.family == "PANNs"
    wav = noise(320000, 1)
    short = wav[:100000]
    padded = torch.stack([wav, F.pad(short, (0, 220000))])
    expected = theirs(padded)
    lengths = torch.tensor([1.0, 100000 / 320000], dtype=torch.float64)
    found = tower(padded, lengths)
    torch.testing.assert_close(found, expected["embedding"], atol=1e-4, rtol=1e-5)
    classes = tower.classify(padded, lengths).sigmoid()
    torch.testing.assert_close(classes, expected["clipwise_output"], atol=1e-4, rtol=0)


@torch.no_grad()
def test_htsats_own_files_give_what_its_network_gives(tmp_path):
    theirs = peers.published_htsat()
    own = theirs.state_dict()
    shapes = {f"sed_model.{key}": tuple(value.shape) for key, value in own.items()}
    state = filled(shapes, PANNS)
    state |= {
        f"sed_model.{key}": value
        for key, value in own.items()
        if any(part in key for part in CONSTANTS)
    }
    theirs.load_state_dict({k.removeprefix("sed_model."): v for k, v in state.items()})
    path = tmp_path / "renamed.bin"
    torch.save({"epoch": 3, "state_dict": state}, path)
    loaded = open_checkpoint(path)
    assert loaded.architecture.family == "HTSAT AudioSet"
    wav = noise(320000, 1)[None]
    expected, tower = theirs(wav), loaded.clap.audio_encoder
    torch.testing.assert_close(
        tower(wav), expected["latent_output"], atol=1e-4, rtol=1e-5
    )
    classes = tower.classify(wav).sigmoid()
    torch.testing.assert_close(classes, expected["clipwise_output"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "front_end"),
    [
        ("msclap_2022", MS_2022),
        ("msclap_2023", MS_2023),
        ("laion_htsat_tiny_roberta", LAION),
        ("panns", PANNS),
    ],
)
def test_front_ends_are_those_of_the_wheels(name, front_end):
    """The filterbank and the kernels, as torchlibrosa builds them."""
    theirs = peers.panns(True) if name == "panns" else peers.build(name, small=True)
    state = {k.rpartition("extractor.")[2]: v for k, v in theirs.state_dict().items()}
    built = filters_of(front_end)
    torch.testing.assert_close(state["melW"], built, atol=1e-6, rtol=1e-3)
    for kernel, part in zip(stft_kernels(), ("real", "imag"), strict=True):
        torch.testing.assert_close(state[f"stft.conv_{part}.weight"], kernel)


@pytest.mark.parametrize("name", [*PEERS, "panns"])
def test_stored_figures_are_those_of_the_wheels(name):
    """What ``make test`` compares ours with."""
    stored, computed = fixture("upstream.json")[name], small_figures(name)
    assert computed.keys() == stored.keys()
    assert computed["shapes"] == stored["shapes"]
    for key in stored.keys() - {"shapes"}:
        found, expected = torch.tensor(computed[key]), torch.tensor(stored[key])
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
