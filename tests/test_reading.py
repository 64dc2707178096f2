"""Reading weights: what holds data is read, what holds more or less is refused."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.public_file import read_public
from clap_sb.checkpoints.weights_file import read_weights

STATE = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


def one_line(path) -> str:
    """What reading a bad file says."""
    with pytest.raises(CheckpointError) as caught:
        read_weights(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message and len(message) < 400
    return message


def assert_is_state(weights) -> None:
    assert weights.state.keys() == STATE.keys()
    assert all(torch.equal(weights.state[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize(
    "nested", [None, "state_dict", "model", "model_state_dict", "net", "clap", "module"]
)
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_found_wherever_training_scripts_put_them(
    tmp_path, nested, prefix, zipped
):
    state = {prefix + key: value for key, value in STATE.items()}
    content = state if nested is None else {"epoch": 3, "name": "x", nested: state}
    path = tmp_path / "file.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert_is_state(read_weights(path))


@pytest.mark.parametrize(
    "prefix", ["model.", "_orig_mod.", "clap.", "net.", "model.module._orig_mod."]
)
def test_what_a_model_was_wrapped_in_is_taken_away(tmp_path, prefix):
    path = tmp_path / "file.pt"
    torch.save(
        {"state_dict": {prefix + key: value for key, value in STATE.items()}}, path
    )
    assert_is_state(read_public(path))


def test_names_of_compiled_parts_are_as_before_compiling(tmp_path):
    state = {"model.tower._orig_mod.a": STATE["a"], "model.b": STATE["b"]}
    torch.save({"state_dict": {"model": state}}, tmp_path / "file.pt")
    assert read_public(tmp_path / "file.pt").state.keys() == {"tower.a", "b"}


def test_what_not_all_names_begin_with_stays(tmp_path):
    """As in clapcap, whose audio tower is under ``clap.``, beside a captioner."""
    state = {"clap.base.a": STATE["a"], "clap_project.b": STATE["b"]}
    torch.save(state, tmp_path / "file.pt")
    assert read_public(tmp_path / "file.pt").state.keys() == state.keys()


def test_optimizer_and_numpy_numbers_do_no_harm(tmp_path):
    path = tmp_path / "file.pt"
    content = {
        "epoch": np.int64(45),
        "loss": np.float32(0.5),
        "metrics": {"map": np.float64(0.25), "ok": np.bool_(True)},
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
        "state_dict": STATE,
    }
    torch.save(content, path)
    assert_is_state(read_weights(path))


def replace_pickle(path, old: bytes, new: bytes) -> int:
    """Rewrites the pickle within a zipped checkpoint; tells how often."""
    with zipfile.ZipFile(path) as archive:
        entries = {info: archive.read(info) for info in archive.infolist()}
    count = 0
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in entries.items():
            if info.filename.endswith("data.pkl"):
                count, data = data.count(old), data.replace(old, new)
            archive.writestr(info, data)
    return count


def test_a_file_written_under_numpy_1_is_read(tmp_path):
    path = tmp_path / "file.pt"
    torch.save({"best": np.float64(0.75), "state_dict": STATE}, path)
    module = b"numpy.core.multiarray\n"
    if module not in pickle.dumps(np.float64(0), protocol=2):  # this is NumPy 2
        assert replace_pickle(path, b"numpy._core.multiarray\n", module) == 1
    assert_is_state(read_weights(path))


def test_a_numpy_1_pickle_made_by_hand_is_read(tmp_path):
    """Opcodes as NumPy 1.23 under Python 3.8 wrote them, protocol 2."""
    scalar = (
        b"cnumpy.core.multiarray\nscalar\n"
        b"(cnumpy\ndtype\n(X\x02\x00\x00\x00f8K\x00K\x01tR"
        b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"c_codecs\nencode\n(X"
    )
    text = struct.pack("<d", 0.25).decode("latin1").encode("utf-8")
    scalar += struct.pack("<i", len(text)) + text + b"X\x06\x00\x00\x00latin1tRtR"
    path = tmp_path / "file.pt"
    torch.save({"best": "HERE", "state_dict": STATE}, path)
    string = b"X\x04\x00\x00\x00HERE"
    assert replace_pickle(path, string, scalar) == 1
    assert_is_state(read_weights(path))


def test_an_object_scalar_is_refused(tmp_path):
    """NumPy's own function takes objects of any kind; ours takes numbers."""
    path = tmp_path / "file.pt"
    torch.save({"best": np.float64(0.75), "state_dict": STATE}, path)
    assert replace_pickle(path, b"X\x02\x00\x00\x00f8", b"X\x02\x00\x00\x00O8") == 1
    one_line(path)


class Malicious:
    """Pickles as a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return (os.system, (self.command,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_file_is_refused_and_runs_nothing(tmp_path, zipped):
    path, trace = tmp_path / "file.pt", tmp_path / "trace"
    content = {"state_dict": STATE, "extra": Malicious(f"touch {trace}")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    message = one_line(path)
    assert not trace.exists()
    assert "system" in message and "nothing was executed" in message


def test_a_plain_malicious_pickle_runs_nothing(tmp_path):
    path, trace = tmp_path / "pytorch_model.bin", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Malicious(f"touch {trace}")))
    one_line(path)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_says_so(tmp_path, suffix, share):
    path = tmp_path / f"file{suffix}"
    state = {"weight": torch.randn(5000)}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    message = one_line(path)
    assert "truncated" in message or "no whole" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"<!DOCTYPE html><html><body>Quota exceeded", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
        (bytes(range(256)) * 20, "no checkpoint"),
    ],
)
def test_what_is_no_checkpoint_is_told_apart(tmp_path, content, said):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    assert said in one_line(path)


def test_a_missing_file_and_a_file_without_tensors(tmp_path):
    assert "no file" in one_line(tmp_path / "missing.pt")
    path = tmp_path / "empty.pt"
    torch.save({"epoch": 3}, path)
    assert "no state dict" in one_line(path)
    assert "holds no weights" in one_line(tmp_path)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("sharded", [True, False])
def test_a_transformers_folder_is_read(tmp_path, kind, sharded):
    stem = {"safetensors": "model", "bin": "pytorch_model"}[kind]
    save = {"safetensors": save_file, "bin": torch.save}[kind]
    (tmp_path / "config.json").write_text('{"model_type": "clap"}')
    (tmp_path / "preprocessor_config.json").write_text('{"frequency_min": 50}')
    if sharded:
        names = {key: f"{stem}-{index}.{kind}" for index, key in enumerate(STATE)}
        for key, name in names.items():
            save({key: STATE[key]}, tmp_path / name)
        index = {"metadata": {}, "weight_map": names}
        (tmp_path / f"{stem}.{kind}.index.json").write_text(json.dumps(index))
    else:
        save(STATE, tmp_path / f"{stem}.{kind}")
    weights = read_weights(tmp_path)
    assert_is_state(weights)
    assert weights.config == {"model_type": "clap"}
    assert weights.processor == {"frequency_min": 50}


def test_a_processor_of_transformers_5_nests_its_feature_extractor(tmp_path):
    save_file(STATE, tmp_path / "model.safetensors")
    nested = {"feature_extractor": {"frequency_max": 8000}, "processor_class": "x"}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    assert read_weights(tmp_path).processor == {"frequency_max": 8000}


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors", "model"])
def test_safetensors_are_told_by_content(tmp_path, name):
    save_file(STATE, tmp_path / name)
    assert_is_state(read_weights(tmp_path / name))


def test_safetensors_are_not_taken_for_a_web_page(tmp_path):
    """The length of the header comes first, and may be that of a bracket."""
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    header = json.dumps({"a": tensor}).encode()
    header = header.ljust(ord("<") + 256)
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<f", 2.5))
    assert path.read_bytes().startswith(b"<")
    assert read_weights(path).state == {"a": torch.tensor([2.5])}


def test_an_index_cannot_reach_out_of_its_folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    torch.save(STATE, tmp_path / "secret.bin")
    index = {"weight_map": {"a": "../secret.bin"}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    assert "own folder" in one_line(folder)


def test_a_missing_shard_is_named(tmp_path):
    index = {"weight_map": {"a": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="model-1.safetensors"):
        read_weights(tmp_path)


def test_broken_json_is_named(tmp_path):
    torch.save(STATE, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text("{")
    assert "config.json is not valid JSON" in one_line(tmp_path)


def test_nothing_is_ever_read_without_weights_only(tmp_path, monkeypatch):
    """Whatever the file is, torch.load is asked for data alone."""
    asked = []
    original = torch.load

    def load(*arguments, **options):
        asked.append(options["weights_only"])
        return original(*arguments, **options)

    monkeypatch.setattr(torch, "load", load)
    buffer = io.BytesIO()
    torch.save({"x": Malicious("true")}, buffer)
    (tmp_path / "bad.pt").write_bytes(buffer.getvalue())
    torch.save(STATE, tmp_path / "good.pt")
    read_weights(tmp_path / "good.pt")
    one_line(tmp_path / "bad.pt")
    assert asked == [True, True]
