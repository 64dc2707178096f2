"""Towers that another runtime computes: the same numbers, kept on disk, told of."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import torch
from builders import CAPTIONS, SAMPLE_RATE, tiny_htsat
from indexes import write_sound
from small_run import write_run
from torch import nn

from clap_sb.cli import main
from clap_sb.inference import CLAP
from clap_sb.inference.window_embeddings import embed_frames
from clap_sb.runtimes import choice, compiled, graph_cache
from clap_sb.runtimes.choice import OTHERS, RuntimeChoiceError
from clap_sb.runtimes.graph_cache import VARIABLE, code_fingerprint, graph_path
from clap_sb.runtimes.tower_graph import LogMelGraph, audio_graph
from clap_sb.runtimes.towers import through_runtime

SECONDS = (2.5, 0.3, 7.1)
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One for all tests: to convert a tower takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv(VARIABLE, str(folder))
        yield folder


@pytest.fixture(scope="module")
def run(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, tmp_path_factory.mktemp("source"), {1: 20.0})
    return folder


@pytest.fixture(scope="module", params=list(OTHERS))
def runtime(request):
    for package in OTHERS[request.param]:
        pytest.importorskip(package)
    return request.param


@pytest.fixture(scope="module")
def plain(run):
    return CLAP.from_checkpoint(run)


@pytest.fixture(scope="module")
def other(run, runtime):
    told = []
    clap = CLAP.from_checkpoint(run, runtime=runtime, tell=told.append)
    clap.encode_audio(torch.zeros(100), SAMPLE_RATE)
    clap.encode_text("rain")
    assert [re.sub(r" \(.*", "", line) for line in told] == [
        f"{runtime}: the {role}" for role in ("audio_encoder", "text_encoder")
    ]
    return clap


def noise(seconds: float) -> torch.Tensor:
    return 0.1 * torch.randn(round(seconds * SAMPLE_RATE))


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_embeddings_are_those_of_torch(plain, other, batch_size):
    wavs = [noise(seconds) for seconds in (*SECONDS, *SECONDS)]
    found = other.encode_audio(wavs, SAMPLE_RATE, batch_size)
    expected = plain.encode_audio(wavs, SAMPLE_RATE, batch_size)
    same(found, expected)
    assert not torch.equal(found, expected), "torch has computed both"
    same(
        other.encode_text(CAPTIONS, batch_size), plain.encode_text(CAPTIONS, batch_size)
    )
    wavs, lens = torch.stack([noise(4.0)] * batch_size), torch.linspace(0.2, 1, 8)
    lens = lens[-batch_size:]
    same(other.encode_batch(wavs, lens), plain.encode_batch(wavs, lens))


def test_parts_of_windows_are_those_of_torch(plain, other):
    wav = noise(7.0)
    found = embed_frames(other, wav, SAMPLE_RATE).embedding
    expected = embed_frames(plain, wav, SAMPLE_RATE).embedding
    same(found, expected)
    assert not torch.equal(found, expected)


def test_a_model_is_the_same_model(plain, other):
    assert other.state_dict().keys() == plain.state_dict().keys()
    tokens = plain.model.text_encoder.tokenize(CAPTIONS[:2])
    same(other.encode_text(tokens), plain.encode_text(tokens))
    with pytest.raises(RuntimeChoiceError, match="takes input_ids, attention_mask"):
        other.encode_text({"input_ids": tokens["input_ids"]})


def test_what_was_converted_is_kept(run, plain, other, runtime, monkeypatch):
    room = importlib.import_module(f"clap_sb.runtimes.{runtime}_graph")
    monkeypatch.setattr(room, "convert", lambda graph: pytest.fail("converted again"))
    told = []
    again = CLAP.from_checkpoint(run, runtime=runtime, tell=told.append)
    wav = noise(1.0)
    assert torch.equal(
        again.encode_audio(wav, SAMPLE_RATE), other.encode_audio(wav, SAMPLE_RATE)
    )
    assert told == []


@pytest.mark.parametrize("damage", [lambda c: c[:-9], lambda c: c[:-1] + b"!"])
def test_what_is_damaged_is_made_again(plain, other, runtime, monkeypatch, damage):
    room = importlib.import_module(f"clap_sb.runtimes.{runtime}_graph")
    tower = plain.model.audio_encoder
    path = graph_path(tower, "LogMelGraph", room.PACKAGES)
    whole = path.read_bytes()
    # what it would be converted to, without the seconds that this takes
    parts = {k: bytes(v) for k, v in compiled.read_graph(path).items()}
    monkeypatch.setattr(room, "convert", lambda graph: parts)
    path.write_bytes(damage(whole))
    told, graph = [], audio_graph(tower)
    inputs = list(graph.example().values())
    engine = compiled.compiled(graph, runtime, "fp32", told.append)
    torch.testing.assert_close(
        engine(inputs)[0], graph.computed(inputs)[0], atol=1e-4, rtol=1e-5
    )
    assert [line.split(":")[0] for line in told] == [
        "the kept tower is made again",
        runtime,
    ]
    assert path.read_bytes() == whole


def test_other_weights_and_other_code_have_another_file(plain, cache, monkeypatch):
    tower = tiny_htsat().eval()
    before = graph_path(tower, "LogMelGraph", ("torch",))
    assert before.parent == cache / "graphs"
    assert before == graph_path(tower, "LogMelGraph", ("torch",))
    assert before != graph_path(tower, "LogMelGraph", ("torch", "numpy"))
    with torch.no_grad():
        tower.norm.bias[0] += 1e-3
    assert before != graph_path(tower, "LogMelGraph", ("torch",))
    with torch.no_grad():
        tower.norm.bias[0] -= 1e-3
    tower.layers[0].register_module("more", Strange())
    assert code_fingerprint(tower) != code_fingerprint(tiny_htsat())


def test_a_cache_that_cannot_be_written_is_told_of(
    plain, runtime, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    room = importlib.import_module(f"clap_sb.runtimes.{runtime}_graph")
    monkeypatch.setattr(room, "convert", lambda graph: {})
    monkeypatch.setattr(room, compiled._GRAPHS[runtime], lambda parts, precision: None)
    monkeypatch.setattr(compiled, "check_same", lambda *given: None)
    told = []
    compiled.compiled(
        audio_graph(plain.model.audio_encoder), runtime, "fp32", told.append
    )
    assert any("is not kept" in line for line in told)


def test_auto_takes_what_is_there(run, plain, other, runtime, monkeypatch):
    present = OTHERS[runtime]
    monkeypatch.setattr(choice, "is_installed", lambda package: package in present)
    told, wav = [], noise(1.0)
    clap = CLAP.from_checkpoint(run, runtime="auto", tell=told.append)
    found = clap.encode_audio(wav, SAMPLE_RATE)
    assert torch.equal(found, other.encode_audio(wav, SAMPLE_RATE))
    assert told == []


def test_auto_tells_why_it_takes_torch(run, plain, monkeypatch):
    monkeypatch.setattr(choice, "is_installed", lambda package: False)
    wav = noise(1.0)
    with pytest.warns(UserWarning, match=r"auto takes torch: .*clap_sb\[openvino\]"):
        clap = CLAP.from_checkpoint(run, runtime="auto")
    assert torch.equal(
        clap.encode_audio(wav, SAMPLE_RATE), plain.encode_audio(wav, SAMPLE_RATE)
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_auto_compares_the_first_batch(plain, monkeypatch, precision):
    monkeypatch.setattr(choice, "is_installed", lambda package: True)

    def wrong(graph, runtime, precision, tell):
        if runtime == "onnxruntime":
            raise RuntimeChoiceError("runtime onnxruntime: cannot be converted")
        return lambda inputs: [value.flip(1) for value in graph.computed(inputs)]

    monkeypatch.setattr("clap_sb.runtimes.towers.compiled", wrong)
    told = []
    model = through_runtime(plain.model, "auto", precision, told.append)
    wavs = noise(2.0)[None]
    with torch.no_grad():
        found = model.encode_audio(wavs)
        assert torch.equal(found, plain.model.encode_audio(wavs))
    reasons = {"fp32": "the first batch differs by", "bf16": "has a cosine of"}
    assert reasons[precision] in told[0]
    assert told[0].startswith("runtime auto takes torch, not openvino: ")
    expected = {"fp32": ["runtime onnxruntime: cannot be converted"], "bf16": []}
    assert told[1:] == expected[precision]


@pytest.mark.parametrize("command", ["embed", "tag", "index", "search", "serve"])
def test_what_is_not_installed_is_told_at_once(
    run, tmp_path, capsys, monkeypatch, command
):
    monkeypatch.setattr(choice, "is_installed", lambda package: False)
    sound, index = str(write_sound(tmp_path / "a.wav", 1)), str(tmp_path / "index")
    model = ["--checkpoint", str(run)]
    if command in ("search", "serve"):
        assert main(["index", str(tmp_path), *model, "--out", index]) == 0
    words = {
        "embed": ["embed", sound, "--json", *model],
        "tag": ["tag", sound, "--label", "rain", *model],
        "index": ["index", str(tmp_path), "--out", index, *model],
        "search": ["search", index, "rain", *model],
        "serve": ["serve", index, "--port", "0", "--no-open", *model],
    }
    capsys.readouterr()
    assert main([*words[command], "--runtime", "openvino"]) == 1
    assert capsys.readouterr().err == (
        "clap-sb: runtime openvino takes openvino: pip install 'clap_sb[openvino]', or "
        "take --runtime torch\n"
    )


def test_commands_take_a_runtime(run, other, runtime, tmp_path, capsys):
    sound, index = str(write_sound(tmp_path / "a.wav", 1)), str(tmp_path / "index")
    how = ["--checkpoint", str(run), "--runtime", runtime]
    assert main(["embed", sound, "--out", str(tmp_path / "a.npz"), *how]) == 0
    assert main(["tag", sound, "--label", "rain", "--frames", *how]) == 0
    assert main(["index", str(tmp_path), "--out", index, *how]) == 0
    assert main(["search", index, "rain", "--no-server", *how]) == 0
    # the vectors are the model's, whatever computes it
    assert main(["search", index, "rain", "--no-server"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "given, message",
    [
        ({"runtime": "fast"}, "runtime is one of torch"),
        ({"runtime": "onnxruntime", "precision": "bf16"}, "has no precision bf16"),
        ({"runtime": "openvino", "precision": "fp16"}, "has no precision fp16"),
        ({"runtime": "openvino", "freeze_params": False}, "no gradients"),
        ({"precision": "int8"}, "precision is one of"),
    ],
)
def test_what_cannot_be_chosen_says_why(plain, monkeypatch, given, message):
    monkeypatch.setattr(choice, "is_installed", lambda package: True)
    with pytest.raises(ValueError, match=message):
        CLAP(plain.model, **given)


class Strange(nn.Module):
    """A tower of the contract; one kind of it depends on what it hears."""

    sample_rate, clip_samples, embedding_dim = SAMPLE_RATE, 4000, 6
    takes_whole_clips = False

    def __init__(self, decides: bool = False):
        super().__init__()
        self.decides = decides
        self.layer = nn.Conv1d(1, 6, 64, stride=32)

    def forward(self, wavs, wav_lens):
        if self.decides and wavs.max() > 0.5:
            wavs = -wavs
        x = self.layer(wavs.unsqueeze(1)).tanh().mean(2)
        return x * wav_lens.unsqueeze(1).to(x.dtype)


def test_a_tower_that_is_not_ours(runtime, cache):
    tower = Strange().eval()
    graph = audio_graph(tower)
    engine = compiled.compiled(graph, runtime, "fp32", lambda line: None)
    for size, count in ((4000, 1), (999, 3)):
        inputs = [torch.randn(count, size), torch.rand(count, dtype=torch.float64)]
        same(engine(inputs)[0], tower(*inputs))


def test_a_tower_that_cannot_be_converted_is_named(runtime, cache):
    graph = audio_graph(Strange(decides=True).eval())
    with pytest.raises(RuntimeChoiceError) as error:
        compiled.compiled(graph, runtime, "fp32", lambda line: None)
    told = str(error.value)
    assert told.startswith(f"runtime {runtime}: audio_encoder (test_runtimes.Strange) ")
    assert "cannot be converted" in told
    assert told.endswith("take --runtime torch")


def test_a_graph_that_is_another_is_refused(plain):
    graph = LogMelGraph(plain.model.audio_encoder)

    def other(inputs):
        return [value * 1.001 for value in graph.computed(inputs)]

    compiled.check_same(graph, graph.computed, "openvino")
    with pytest.raises(RuntimeChoiceError, match="gives other embeddings"):
        compiled.check_same(graph, other, "openvino")


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(graph_cache.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert graph_cache.cache_folder() == tmp_path / "clap_sb" / "graphs"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # in each folder another: none
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert graph_cache.cache_folder() == tmp_path / ".cache" / "clap_sb" / "graphs"


def test_who_has_no_home_is_told_what_to_set(monkeypatch, plain):
    def home():
        raise RuntimeError("Could not determine home directory.")

    for name in (VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(graph_cache.sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", home)
    graph = LogMelGraph(plain.model.audio_encoder)
    with pytest.raises(RuntimeChoiceError, match=f"set HOME.*{VARIABLE}"):
        compiled.compiled(graph, "onnxruntime", "fp32", lambda line: None)
