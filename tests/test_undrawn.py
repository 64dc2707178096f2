"""Models that are built to be loaded: nothing is drawn, all else is as ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from small_checkpoints import clap_model, feature_extractor, write_tokenizer

from clap_sb.checkpoints.architecture import Architecture, Part, build
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.undrawn import build_undrawn

LOG_MEL = Part("clap_sb.features.LogMel")
HEAD = Part("torch.nn.Identity")
TOWERS = {
    "HTSAT": {
        "log_mel": LOG_MEL,
        "embed_dim": 8,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2],
    },
    "stem": {
        "log_mel": LOG_MEL,
        "stem_channels": [4, 8, 8],
        "patch_size": 8,
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [1, 2],
    },
    "CNN14": {"log_mel": LOG_MEL, "channels": [4, 8, 8, 8, 8, 16]},
    "MobileNetV3": {"log_mel": LOG_MEL, "table": "small", "width": 0.125},
}
MODULES = {"CNN14": "cnn14.CNN14", "MobileNetV3": "mobilenet.MobileNetV3"}


@pytest.mark.parametrize("tower", TOWERS)
def test_nothing_is_drawn_and_buffers_are_computed(tower):
    name = MODULES.get(tower, "htsat.HTSAT")
    part = Part(f"clap_sb.encoders.{name}", TOWERS[tower])
    architecture = Architecture("none", "small", part, HEAD, 16)
    expected = build(architecture)
    before = torch.get_rng_state()
    clap = build_undrawn(architecture)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(parameter.is_meta for parameter in clap.parameters())
    assert {name: (p.shape, p.stride()) for name, p in clap.named_parameters()} == {
        name: (p.shape, p.stride()) for name, p in expected.named_parameters()
    }
    for name, buffer in expected.named_buffers():
        assert torch.equal(clap.get_buffer(name), buffer), name
    clap.load_state_dict(expected.state_dict(), strict=True)
    wav = torch.randn(1, 48000)
    with torch.no_grad():
        assert torch.equal(clap.encode_audio(wav), expected.encode_audio(wav))


def test_other_threads_build_as_ever(monkeypatch):
    """The hook is for the whole process."""
    built = []

    def build_elsewhere(*arguments):
        other = threading.Thread(target=lambda: built.append(torch.nn.Linear(2, 2)))
        other.start()
        other.join()
        return build(*arguments)

    monkeypatch.setattr("clap_sb.checkpoints.undrawn.build", build_elsewhere)
    part = Part("clap_sb.encoders.cnn14.CNN14", TOWERS["CNN14"])
    build_undrawn(Architecture("none", "small", part, HEAD, 16))
    assert built[0].weight.abs().min() > 0


def test_two_threads_load_at_once():
    part = Part("clap_sb.encoders.cnn14.CNN14", TOWERS["CNN14"])
    architecture = Architecture("none", "small", part, HEAD, 16)
    with ThreadPoolExecutor(3) as pool:
        built = list(pool.map(build_undrawn, [architecture] * 60))
    assert not any(p.is_meta for clap in built for p in clap.parameters())


def test_after_a_failure_weights_are_drawn_again():
    part = Part("clap_sb.encoders.cnn14.CNN14", {})
    with pytest.raises(TypeError, match="log_mel"):
        build_undrawn(Architecture("none", "none", part, HEAD, 2))
    assert not torch.nn.Linear(2, 2).weight.is_meta


def test_a_public_checkpoint_draws_nothing(tmp_path):
    folder = write_tokenizer(tmp_path)
    clap_model().save_pretrained(folder)
    feature_extractor().save_pretrained(folder)
    before = torch.get_rng_state()
    loaded = open_checkpoint(folder)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        assert loaded.clap.encode_text(["a dog"]).isfinite().all()
