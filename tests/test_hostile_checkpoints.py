"""Files and folders made to do harm, or bent: one line of error, and nothing is run."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile
import zipfile

import pytest
import torch
from small_checkpoints import CAPTIONS, laion_state, write_tokenizer

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.public_file import load_weights
from clap_sb.checkpoints.weights_file import Weights, read_weights
from clap_sb.encoders.text import TransformersText
from clap_sb.encoders.tokenizer_file import load_tokenizer
from clap_sb.encoders.tokenizer_file import write_tokenizer as pack
from clap_sb.inference import CLAP


def one_line(path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message and len(message) < 500
    return message


# ---------------------------------------------------------------- what would run


class Malicious:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (os.system, (f"touch {self.trace}",))


def test_a_tar_of_the_first_torch_versions_runs_nothing(tmp_path):
    trace, path = tmp_path / "trace", tmp_path / "model.pt"
    content = pickle.dumps(Malicious(trace))
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    assert "tar archive" in one_line(path)
    assert not trace.exists()


def test_a_program_of_torchscript_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    module = torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))
    torch.jit.save(module, path)
    one_line(path)


@pytest.mark.parametrize("model_type", ["evil", "roberta"])
def test_code_beside_a_text_tower_is_not_run(tmp_path, model_type, monkeypatch):
    """transformers would ask on the terminal whether to run it."""
    monkeypatch.setattr("builtins.input", lambda *a: pytest.fail("it asked"))
    trace = tmp_path / "trace"
    folder = write_tokenizer(tmp_path / "tower")
    (folder / "evil.py").write_text(f"open({str(trace)!r}, 'w')\nclass C: pass\n")
    sizes = {"vocab_size": 60, "hidden_size": 8, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 1, "intermediate_size": 8}
    code = {"auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.C"}}
    config = {"model_type": model_type, "max_position_embeddings": 90, **sizes, **code}
    (folder / "config.json").write_text(json.dumps(config))
    if model_type == "evil":
        with pytest.raises(ValueError):
            TransformersText(folder, pretrained=False)
    else:
        assert TransformersText(folder, pretrained=False)(CAPTIONS).shape == (3, 8)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["../out.json", "/out.json", "a/b.json", "evil.py"])
def test_a_packed_tokenizer_stays_in_its_folder(tmp_path, name):
    path = tmp_path / "tokenizer.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "{}")
    with pytest.raises(ValueError, match="more than a tokenizer"):
        load_tokenizer(None, path)
    path.write_bytes(pickle.dumps(Malicious(tmp_path / "trace")))
    with pytest.raises(ValueError, match="no packed tokenizer"):
        load_tokenizer(None, path)
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.ckpt"]


def test_a_tokenizer_is_packed_the_same_each_time(tmp_path):
    folder = write_tokenizer(tmp_path / "tokenizer")
    (folder / "left.py").write_text("no part of it")
    for name in ("a", "b"):
        pack(folder, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "left.py" not in zipfile.ZipFile(tmp_path / "a").namelist()


# ---------------------------------------------------------------- what is bent


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(100000, 100000),
        torch.eye(3).to_sparse(),
        torch.zeros(3, device="meta"),
    ],
    ids=["expanded", "sparse", "meta"],
)
def test_a_tensor_has_its_numbers_in_the_file(tmp_path, tensor):
    """Forty gigabytes are claimed in a file of a kilobyte."""
    path = tmp_path / "model.pt"
    torch.save({"audio_branch.norm.weight": tensor}, path)
    assert "norm.weight is no plain tensor" in one_line(path)


@pytest.mark.parametrize("named", [["a.bin"], {"a": 3}, {"a": None}, "a", 5, {}])
def test_an_index_that_names_no_files(tmp_path, named):
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": named}))
    with pytest.raises(CheckpointError, match="does not name weight files"):
        read_weights(tmp_path)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (0, 0, 0, 0), (2, 1, 3, 1, 2)])
@pytest.mark.parametrize(
    "key",
    [
        "audio_branch.patch_embed.proj.weight",
        "audio_branch.layers.0.blocks.0.attn.relative_position_bias_table",
        "audio_branch.layers.0.blocks.0.mlp.fc1.weight",
        "audio_branch.logmel_extractor.melW",
        "audio_branch.spectrogram_extractor.stft.conv_real.weight",
        "text_branch.embeddings.word_embeddings.weight",
        "text_branch.embeddings.token_type_embeddings.weight",
        "text_branch.encoder.layer.0.intermediate.dense.weight",
        "audio_projection.0.weight",
        "logit_scale_a",
    ],
)
def test_a_tensor_of_any_shape_is_an_error_of_one_line(tmp_path, key, shape, whole):
    if whole[key].shape == shape:
        pytest.skip("the right one")
    state = {**whole, key: torch.zeros(shape)}
    with pytest.raises(CheckpointError) as caught:
        load_weights(Weights(state, tmp_path / "model.pt"))
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def whole():
    return laion_state()


def test_integers_are_not_taken_for_weights(tmp_path, whole):
    """Files quantised by other programs hold numbers of another meaning."""
    key = "audio_projection.0.weight"
    state = {**whole, key: whole[key].to(torch.int8)}
    with pytest.raises(CheckpointError, match="0.weight is int8 in the file and float"):
        load_weights(Weights(state, tmp_path / "model.pt"))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float16, 0.01), (torch.bfloat16, 0.1)]
)
def test_weights_in_half_precision_are_read(tmp_path, whole, dtype, tolerance):
    """STFT kernels and filterbank are rounded too; all is computed in float32."""
    half = {
        f"module.{k}": v.to(dtype) if v.is_floating_point() else v
        for k, v in whole.items()
    }
    for name, state in (("half", half), ("full", whole)):
        torch.save({"state_dict": state}, tmp_path / f"{name}.pt")
    tokenizer = write_tokenizer(tmp_path / "tokenizer")
    found, expected = (
        CLAP.from_checkpoint(tmp_path / f"{name}.pt", tokenizer=tokenizer)
        for name in ("half", "full")
    )
    for embed in (of_audio, of_text):
        first, second = embed(found), embed(expected)
        assert first.dtype == torch.float32
        assert (first - second).abs().max() < tolerance


def of_audio(clap: CLAP) -> torch.Tensor:
    wav = 0.1 * torch.randn(48000, generator=torch.Generator().manual_seed(0))
    return clap.encode_audio(wav, 48000)


def of_text(clap: CLAP) -> torch.Tensor:
    return clap.encode_text("rain")
