"""Models written for onnxruntime: the same embeddings, whatever the shapes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import CAPTIONS, amplify, tiny_clap, tiny_htsat, tiny_log_mel
from small_checkpoints import amplified, write_tokenizer
from small_clip import JOINT_DIM, write_clip

from clap_sb.checkpoints.architecture import Architecture, Part, TextTower, build
from clap_sb.checkpoints.checkpoint import Checkpoint
from clap_sb.checkpoints.speechbrain_folder import write_speechbrain_folder
from clap_sb.cli import main
from clap_sb.encoders.clip_joint_text import ClipJointText
from clap_sb.encoders.text import TransformersText
from clap_sb.features import LogMel
from clap_sb.inference import CLAP
from clap_sb.inference.onnx_export import describe
from clap_sb.inference.onnx_graphs import AudioGraph, DftLogMel
from clap_sb.inference.onnx_towers import ExportError, _difference, write_text

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

ROOT = Path(__file__).resolve().parents[1]
RATE, SIZE = 8000, 20000
SCALE = "logit_scale.log_scale"
FRONT_END = {"sample_rate": RATE, "n_fft": 256, "hop_length": 80, "n_mels": 16}
TOWERS = {
    "HTSAT": {
        "name": "clap_sb.encoders.htsat.HTSAT",
        "arguments": {
            "spec_size": 64,
            "window_size": 4,
            "embed_dim": 16,
            "depths": [2, 1],
            "num_heads": [2, 4],
        },
        "width": 32,
    },
    "CNN14": {
        "name": "clap_sb.encoders.cnn14.CNN14",
        "arguments": {"channels": [4, 8, 16], "padding": "repeat"},
        "width": 16,
    },
}
ROBERTA = {
    "model_type": "roberta",
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 80,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}


def checkpoint(kind: str, folder: Path, text: bool) -> Path:
    """An export of a small model with weights that make all of its parts matter."""
    made = TOWERS[kind]
    log_mel = Part("clap_sb.features.LogMel", {**FRONT_END, "f_max": 4000.0})
    numbers = {**made["arguments"], "clip_samples": SIZE, "log_mel": log_mel}

    def head(width: int) -> Part:
        numbers = {"input_dim": width, "joint_dim": 12}
        return Part("clap_sb.encoders.projection.MLPProjection", numbers)

    tower = Part("clap_sb.encoders.text.TransformersText", {"pretrained": False})
    architecture = Architecture(
        family="LAION-CLAP",
        description=kind,
        audio_encoder=Part(made["name"], numbers),
        audio_projection=head(made["width"]),
        joint_dim=12,
        text=TextTower(tower, ROBERTA, "roberta-base") if text else None,
        text_projection=head(16) if text else None,
    )
    tokenizer = write_tokenizer(folder / "tokenizer")
    (tokenizer / "config.json").write_text(json.dumps(ROBERTA))
    clap = build(architecture, tokenizer)
    kept = {k: v for k, v in clap.state_dict().items() if "mel_filters" in k}
    kept |= {k: v for k, v in clap.state_dict().items() if "num_batches" in k}
    shapes = {k: v.shape for k, v in clap.state_dict().items()}
    clap.load_state_dict(amplified(shapes) | kept | {SCALE: torch.tensor(2.5)})
    made = Checkpoint(
        source=kind,
        path=folder,
        architecture=architecture,
        system=kind,
        clap=clap,
        tokenizer=tokenizer if text else None,
    )
    write_speechbrain_folder(made, folder / "clap")
    return folder / "clap"


@pytest.fixture(scope="module", params=list(TOWERS))
def exported(request, tmp_path_factory):
    """A checkpoint and what the command line made of it."""
    folder = tmp_path_factory.mktemp(request.param)
    source = checkpoint(request.param, folder, text=request.param == "HTSAT")
    assert main(["export", "--onnx", str(source), str(folder / "onnx")]) == 0
    return CLAP.from_checkpoint(source), folder / "onnx"


@pytest.fixture(scope="module")
def session(exported):
    return onnxruntime.InferenceSession(exported[1] / "audio.onnx")


def sounds(count: int, samples: int) -> torch.Tensor:
    """Tones in noise, each of another pitch and loudness."""
    time = torch.arange(samples) / RATE
    pitch = torch.tensor([[300.0], [1100.0], [2900.0]])[:count]
    loudness = torch.tensor([[0.5], [0.05], [0.005]])[:count]
    tones = torch.sin(2 * torch.pi * pitch * time)
    return loudness * (tones + 0.01 * torch.randn(count, samples))


@pytest.mark.parametrize(
    ("samples", "lengths"),
    [
        (SIZE, [SIZE]),
        (SIZE, [SIZE, 700, 12345]),
        (900, [900]),
        (6001, [6001, 40, 3000]),
    ],
)
def test_sounds_lie_where_pytorch_has_them(exported, session, samples, lengths):
    clap, _ = exported
    wavs = sounds(len(lengths), samples)
    given = {"wavs": wavs.numpy(), "lengths": np.array(lengths)}
    (found,) = session.run(None, given)
    clips = [wav[:length] for wav, length in zip(wavs, lengths, strict=True)]
    expected = clap.encode_audio(clips, RATE).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if len(lengths) > 1:
        assert torch.pdist(torch.from_numpy(found)).min() > 0.05, "no power"


def test_a_length_out_of_range_gives_no_embedding(session):
    wavs = 0.1 * np.ones((2, SIZE + 500), np.float32)
    given = {"wavs": wavs, "lengths": np.array([SIZE + 500, SIZE])}
    found = session.run(None, given)[0]
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


def test_what_is_known_of_the_model_is_beside_it_and_in_it(exported, session):
    clap, folder = exported
    metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    audio = metadata["audio"]
    assert (audio["sample_rate"], audio["clip_samples"]) == (RATE, SIZE)
    assert metadata["joint_dim"] == 12
    assert metadata["logit_scale"] == pytest.approx(clap.logit_scale)
    assert metadata["logit_bias"] is None
    inside = session.get_modelmeta().custom_metadata_map
    assert json.loads(inside["clap_sb.clip_samples"]) == SIZE
    assert (metadata["text"] is None) == (not (folder / "text.onnx").exists())
    assert not folder.with_name("onnx.partial").exists()


@pytest.mark.parametrize("count", [1, 3, 6])
def test_captions_lie_where_pytorch_has_them(exported, count):
    clap, folder = exported
    if not (folder / "text.onnx").exists():
        pytest.skip("an audio tower alone")
    tokens = clap.model.text_encoder.tokenize(CAPTIONS[:count])
    session = onnxruntime.InferenceSession(folder / "text.onnx")
    arrays = {name: value.numpy() for name, value in tokens.items()}
    found = session.run(None, arrays)[0]
    expected = clap.encode_text(CAPTIONS[:count]).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_example_of_the_docs_is_right(exported, tmp_path, monkeypatch):
    """It runs without PyTorch, and covers long clips as ours does."""
    import soundfile

    clap, folder = exported
    if not (folder / "text.onnx").exists():
        pytest.skip("an audio tower alone")
    text = (ROOT / "docs" / "portable.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert "torch" not in code and "clap_sb" not in code
    (tmp_path / "my_model_onnx").symlink_to(folder)
    wav = (0.1 * torch.randn(3 * SIZE + 4321)).numpy()
    soundfile.write(tmp_path / "dog.wav", wav, RATE, subtype="FLOAT")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(code, names)
    np.testing.assert_allclose(
        names["audio"], clap.embed_files(["dog.wav"])[0], atol=1e-5
    )
    captions = ["a dog barks", "rain on a tin roof"]
    np.testing.assert_allclose(names["text"], clap.encode_text(captions), atol=1e-5)


# ---------------------------------------------------------------- text towers


def bert(folder: Path) -> TransformersText:
    config = {**ROBERTA, "model_type": "bert", "type_vocab_size": 2, "pad_token_id": 0}
    return tower(folder, config, pooling="cls")


def gpt2(folder: Path) -> TransformersText:
    config = {"model_type": "gpt2", "vocab_size": 60, "n_embd": 16, "n_layer": 1}
    config |= {"n_head": 2, "n_positions": 80, "bos_token_id": 0, "eos_token_id": 2}
    return tower(folder, config, pooling="last")


def bart(folder: Path) -> TransformersText:
    config = {"model_type": "bart", "vocab_size": 60, "d_model": 16}
    config |= {"encoder_layers": 1, "encoder_attention_heads": 2}
    config |= {"encoder_ffn_dim": 32, "max_position_embeddings": 80, "pad_token_id": 1}
    return tower(folder, config, pooling="mean_padded")


def clip(folder: Path) -> ClipJointText:
    source = write_clip(folder / "clip")
    return ClipJointText(source, source, JOINT_DIM)


def tower(folder: Path, config: dict, pooling: str) -> TransformersText:
    write_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(config))
    return amplify(TransformersText(folder, pretrained=False, pooling=pooling))


@pytest.mark.parametrize("kind", [bert, gpt2, bart, clip])
def test_text_towers_of_all_kinds(kind, tmp_path):
    clap = tiny_clap(tmp_path)
    clap.text_encoder = kind(tmp_path / "text").eval()
    clap.text_projection = torch.nn.Identity()
    described = describe(CLAP(clap))["text"]
    assert write_text(clap, tmp_path, described) < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "text.onnx")
    for captions in (CAPTIONS, CAPTIONS[:1]):
        tokens = clap.text_encoder.tokenize(captions)
        given = {name: tokens[name].numpy() for name in described["inputs"]}
        found = session.run(None, given)[0]
        with torch.no_grad():
            expected = clap.encode_text(captions)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
        # captions are told apart, or what is equal would say nothing
        assert len(captions) == 1 or torch.pdist(expected).min() > 1e-3


# ---------------------------------------------------------------- the front end


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sample_rate": 44100, "hop_length": 320, "mel_scale": "htk", "mel_norm": None},
        {"sample_rate": 16000, "n_fft": 512, "hop_length": 280, "f_max": 8000.0},
    ],
)
def test_the_dft_written_out_is_the_front_end(options):
    log_mel = LogMel(**options)
    wavs = torch.tensor([[0.3], [1e-3], [0.0]]) * torch.randn(3, 20000)
    torch.testing.assert_close(
        DftLogMel(log_mel)(wavs), log_mel(wavs), atol=2e-3, rtol=0
    )


# ---------------------------------------------------------------- what is refused


def test_a_model_with_fusion_is_refused(tmp_path):
    clap = tiny_clap(tmp_path, tiny_htsat(fusion="daf_2d"))
    with pytest.raises(ValueError, match="feature fusion"):
        AudioGraph(clap)


def test_a_folder_in_use_is_not_written_to(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["export", "--onnx", str(tmp_path), str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_missing_packages_are_named(tmp_path, monkeypatch, capsys):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n == "onnxscript" else find(n)
    )
    assert main(["export", "--onnx", str(tmp_path), str(tmp_path / "out")]) == 1
    assert "takes onnxscript: pip install" in capsys.readouterr().err


def test_another_model_does_not_pass_for_the_same(exported):
    clap, folder = exported
    wavs, lengths = 0.1 * torch.randn(2, SIZE), torch.tensor([SIZE, 500])
    expected = clap.encode_audio(wavs, RATE)
    with pytest.raises(ExportError, match="not the same model"):
        _difference(folder / "audio.onnx", {"wavs": wavs, "lengths": lengths}, expected)


def test_log_mels_of_the_builders_are_those_of_the_towers():
    """The small front ends here and there are one, or the sizes above would not fit."""
    log_mel = tiny_log_mel()
    assert (log_mel.sample_rate, log_mel.n_fft, log_mel.hop_length) == (RATE, 256, 80)
