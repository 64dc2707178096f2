"""Towers that are not of the package: trained, gone on with, exported, used."""

from __future__ import annotations

import csv
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from recipe_table import error_of
from scripts import CUSTOM_ZERO_SHOT, ROOT, run_script
from small_run import write_run

from clap_sb import model
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.part import Part
from clap_sb.checkpoints.run_export import export_run
from clap_sb.encoders.built_again import generators_kept
from clap_sb.encoders.contract import try_towers
from clap_sb.inference import CLAP
from clap_sb.inference.conversion import convert, inform
from clap_sb.inference.model_fingerprint import fingerprint, tokenizer_fingerprint

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
ON_TOWERS = PAGE[: PAGE.index("## Who is trusted")]
AUDIO, SYSTEM, TEXT, BYTES = re.findall(
    r"```(?:python|yaml)\n(.*?)```", ON_TOWERS, re.S
)
NAME = "my_tower.LogMelTransformer"
SCRIPT = "recipes/Custom/train.py"

# Waveforms by convolutions: no log-mel, and arguments of every kind.
WAVES = """
import torch
from torch import nn

class Waves(nn.Module):
    sample_rate = 8000

    def __init__(self, width, /, kernel, act, layers, notes, clip_samples=8000):
        super().__init__()
        assert isinstance(kernel, tuple), kernel
        self.clip_samples, self.embedding_dim = clip_samples, width
        self.notes = notes
        self.first = nn.Conv1d(1, width, kernel, stride=16)
        self.act, self.layers = act(), nn.ModuleList(layers)
        self.register_buffer("gain", self.first.weight.detach().norm())

    def forward(self, wavs, wav_lens):
        x = self.act(self.first(wavs.unsqueeze(1)) / self.gain)
        frames = torch.arange(x.shape[2])
        ends = (wav_lens * wavs.shape[1] / 16).round().clamp(min=1)
        heard = (frames < ends.unsqueeze(1)).unsqueeze(1)
        x = (x * heard).sum(2) / heard.sum(2)
        for layer in self.layers:
            x = layer(x)
        return x
"""


LISTED = """

class Listed(ByteText):
    def __init__(self, source: str, width: int):
        super().__init__(width)
        assert source == "words.txt"
        self.source = source
"""


def folder_of_mine(folder: Path) -> Path:
    """The files of docs/extending.md, and clips to train on."""
    (folder / "my_tower.py").write_text(AUDIO)
    (folder / "my_text.py").write_text(TEXT)
    (folder / "my_system.yaml").write_text(SYSTEM)
    other = re.sub(r"text_source: .*?\n(?=\njoint_dim)", BYTES, SYSTEM, flags=re.S)
    (folder / "bytes.yaml").write_text(other)
    generator = torch.Generator().manual_seed(0)
    with open(folder / "my.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "caption"])
        for index in range(12):
            wav = 0.1 * torch.randn(6000 + 1000 * index, generator=generator)
            soundfile.write(folder / f"{index}.wav", wav.numpy(), 16000)
            rows.writerow([f"{index}.wav", f"sound number {index} of a dog"])
    return folder


def train(folder: Path, out: Path, *options: str, system: str = "my_system.yaml"):
    words = [folder / system, "--train_csv", folder / "my.csv", "--output_folder", out]
    words += ["--valid_share", "0", "--best_metric", "epoch", "--batch_size", "4"]
    words += ["--device", "cpu", "--noprogressbar", "--num_resamples", "20", *options]
    return run_script(SCRIPT, words, folder / "log.txt")


def done(finished) -> str:
    assert finished.code == 0, finished.output
    return finished.output


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with a run of the documentation's audio tower, of two steps."""
    folder = folder_of_mine(tmp_path_factory.mktemp("mine"))
    done(train(folder, folder / "run", "--number_of_epochs", "1"))
    return folder


@pytest.fixture
def importable(mine, monkeypatch):
    """As for a user who stands in the folder."""
    monkeypatch.syspath_prepend(str(mine))
    yield mine
    for name in ("my_tower", "my_text", "waves"):
        sys.modules.pop(name, None)


def test_it_is_exported_and_loads_where_it_is_trusted(importable):
    run = importable / "run"
    for load in (CLAP.from_hparams, CLAP.from_checkpoint):
        with pytest.raises(CheckpointError, match=f"{NAME}.*--trust.*trust=True"):
            load(run)
        with pytest.raises(CheckpointError, match=NAME):
            load(run, trust=["my_tower.Another"])
    clap = CLAP.from_hparams(run, trust=True, run_opts={"device": "cpu"})
    best = CLAP.from_checkpoint(run, trust=[NAME])
    wav = 0.1 * torch.randn(40000, generator=torch.Generator().manual_seed(1))
    audio = clap.encode_audio(wav, 16000)
    assert torch.equal(audio, best.encode_audio(wav, 16000))
    assert torch.equal(clap.encode_text(["a dog"]), best.encode_text(["a dog"]))
    assert fingerprint(clap) == fingerprint(best)
    assert "trust=True" in (run / "export" / "README.md").read_text()
    # what was trained is what was loaded
    state = torch.load(next((run / "save").glob("CKPT*/audio_encoder.ckpt")))
    assert torch.equal(clap.model.audio_encoder.position, state["position"])


def test_speechbrain_builds_it_from_the_yaml_alone(importable):
    from speechbrain.inference.interfaces import Pretrained

    export = importable / "run" / "export"
    model = Pretrained.from_hparams(export, savedir=importable / "linked")
    clap = CLAP.from_hparams(export, trust=True, run_opts={"device": "cpu"})
    wavs = torch.randn(2, 16000)
    expected = clap.encode_audio(wavs, 16000)
    assert torch.equal(model.mods.clap.encode_audio(wavs), expected)


def test_it_is_gone_on_with_to_the_bit_without_being_trusted(mine):
    options = ("--number_of_epochs", "2")
    done(train(mine, mine / "whole", *options))
    done(
        train(
            mine,
            mine / "halves",
            "--number_of_epochs",
            "2",
            "--optimizer_step_limit",
            "2",
        )
    )
    (half,) = (mine / "halves" / "save").glob("CKPT*/CKPT.yaml")
    assert "epoch: 1" in half.read_text()
    done(train(mine, mine / "halves", *options))
    whole, halves = (
        torch.load(mine / name / "export" / "audio_encoder.ckpt")
        for name in ("whole", "halves")
    )
    assert all(torch.equal(whole[key], halves[key]) for key in whole)
    refused = train(mine, mine / "halves", "--audio_encoder", "{width: 64}")
    assert "audio_encoder.width (48 there, 64 here)" in error_of(refused)


def test_info_imports_nothing_and_names_the_class(mine, monkeypatch, caplog):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(mine)])
    for path in (mine / "run", mine / "run" / "export"):
        facts = inform(path)
        assert (facts.sample_rate, facts.window, facts.joint_dim) == (16000, 1.0, 24)
        assert f"classes          {NAME}" in facts.table()
        assert "texts were not compared" in caplog.text
    assert "my_tower" not in sys.modules
    # trusted, and nowhere to be found
    with pytest.raises(CheckpointError, match=f"no class {NAME} here: put the file"):
        CLAP.from_hparams(mine / "run", trust=True)


def test_a_class_that_has_changed_since_is_told(mine, tmp_path, monkeypatch):
    (tmp_path / "my_tower.py").write_text(AUDIO.replace("width", "breadth"))
    monkeypatch.syspath_prepend(str(tmp_path))
    for path in (mine / "run", mine / "run" / "export"):
        with pytest.raises(CheckpointError, match="can be built: .*width"):
            CLAP.from_checkpoint(path, trust=True)
    sys.modules.pop("my_tower")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="-P is new in Python 3.11")
def test_commands_take_it_from_the_current_folder(mine):
    words = ["embed", "--checkpoint", "run", "0.wav", "--json"]
    code = "import sys; from clap_sb.cli.main import main; sys.exit(main(sys.argv[1:]))"
    told = [
        subprocess.run(
            [sys.executable, "-P", "-c", code, *words, *trust],
            cwd=mine,
            capture_output=True,
            text=True,
        )
        for trust in ([], ["--trust"])
    ]
    assert told[0].returncode == 1 and NAME in told[0].stderr
    assert "Traceback" not in told[0].stderr
    assert told[1].returncode == 0, told[1].stderr


def test_evaluation_and_zero_shot_say_what_to_trust(mine):
    rows = "path,label\n" + "".join(f"{i}.wav,{'ab'[i % 2]}\n" for i in range(6))
    (mine / "labels.csv").write_text(rows)
    words = [mine / "my_system.yaml", "--csv", mine / "labels.csv"]
    words += ["--checkpoint", mine / "run", "--output_folder", mine / "shot"]
    words += ["--device", "cpu", "--num_resamples", "20"]
    log = mine / "shot.txt"
    assert NAME in error_of(run_script(CUSTOM_ZERO_SHOT, words, log))
    done(run_script(CUSTOM_ZERO_SHOT, [*words, "--trust"], log))
    assert list((mine / "shot" / "results").glob("*.json"))


def test_fine_tuning_starts_from_it(mine):
    options = ("--init", str(mine / "run"), "--finetune_epochs", "1")
    told = error_of(train(mine, mine / "tuned", *options))
    assert NAME in told
    done(train(mine, mine / "tuned", *options, "--trust", "--freeze_audio"))
    before, after = (
        torch.load(mine / name / "export" / "audio_encoder.ckpt")
        for name in ("run", "tuned")
    )
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_both_towers_may_be_strange(importable):
    """No log-mel, no source; arguments by place, tuples, classes, nested objects."""
    folder = importable
    (folder / "waves.py").write_text(WAVES)
    system = (folder / "bytes.yaml").read_text()
    audio = (
        "audio_encoder: !new:waves.Waves\n    - 48\n    - (32,)\n"
        "    - !name:torch.nn.GELU\n"
        "    - [!new:torch.nn.Linear [48, 48], !new:torch.nn.Tanh {}]\n"
        "    - {name: x, arguments: {tuple: [1]}, rate: 0.5}\n"
    )
    system = re.sub(r"^audio_encoder:.*\n( .*\n)*", audio, system, flags=re.M)
    system = re.sub(r"^freeze_audio:.*\n", "", system, flags=re.M)
    # what it means by a source is its own affair
    (folder / "my_text.py").write_text(TEXT + LISTED)
    old, new = "my_text.ByteText\n", "my_text.Listed\n    source: words.txt\n"
    assert old in system
    (folder / "waves.yaml").write_text(system.replace(old, new))
    run = folder / "strange"
    done(train(folder, run, "--number_of_epochs", "1", system="waves.yaml"))
    done(train(folder, run, "--number_of_epochs", "2", system="waves.yaml"))
    with pytest.raises(CheckpointError) as caught:
        CLAP.from_hparams(run)
    for name in ("waves.Waves", "torch.nn.GELU", "torch.nn.Linear", "my_text.Listed"):
        assert name in str(caught.value)
    clap = CLAP.from_hparams(run, trust=True, run_opts={"device": "cpu"})
    assert clap.model.audio_encoder.notes == {
        "name": "x",
        "arguments": {"tuple": [1]},
        "rate": 0.5,
    }
    best = CLAP.from_checkpoint(run, trust=True)
    assert clap.model.text_encoder.source == best.model.text_encoder.source
    wav = torch.randn(3, 8000)
    assert torch.equal(clap.encode_audio(wav, 8000), best.encode_audio(wav, 8000))
    assert torch.equal(clap.encode_text(["a dog"]), best.encode_text(["a dog"]))
    assert not (run / "export" / "text").exists()
    assert fingerprint(clap) == fingerprint(best)
    assert tokenizer_fingerprint(clap) == tokenizer_fingerprint(best) != ""
    tuned = ("--init", str(run), "--trust", "--finetune_epochs", "1")
    done(train(folder, folder / "from_it", *tuned, system="waves.yaml"))
    facts = inform(run, trust=True)
    assert (facts.window, facts.tokenizer) == (1.0, "its own, in the class")
    assert facts.text_cosine is not None


def test_what_takes_our_towers_says_so(importable, tmp_path):
    from clap_sb.inference.onnx_graphs import AudioGraph
    from clap_sb.inference.tag_plot import spectrogram
    from clap_sb.inference.window_embeddings import embed_frames
    from clap_sb.serve.picture import spectrogram_png

    run, wav = importable / "run", 0.1 * torch.randn(30000)
    clap = CLAP.from_checkpoint(run, trust=True)
    with pytest.raises(ValueError, match="come from HTSAT.*LogMelTransformer"):
        embed_frames(clap, wav, 16000)
    with pytest.raises(ValueError, match="LogMelTransformer cannot be exported"):
        AudioGraph(clap.model)
    with pytest.raises(CheckpointError, match=f"has no {NAME}"):
        convert(run, tmp_path / "hf", "transformers", trust=True)
    assert spectrogram(clap, wav, 16000).isfinite().all()
    assert spectrogram_png(clap, wav).startswith(b"\x89PNG")
    convert(run, tmp_path / "again", "speechbrain", trust=True)
    again = CLAP.from_hparams(tmp_path / "again", trust=True)
    assert torch.equal(again.encode_text(["a dog"]), clap.encode_text(["a dog"]))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("self.embedding_dim = width\n", "pass\n", ["audio_encoder", "embedding_dim"]),
        ("mean(1)", "mean(2)", ["audio_encoder", "gives [2, 51]", "[2, 48]"]),
        (", wav_lens=None", "", ["audio_encoder", "positional"]),
        ("class LogMelTransformer", "class Other", [NAME, "no class", "beside"]),
        ("import torch\n", "import nowhere\n", [NAME, "nowhere"]),
    ],
)
def test_what_a_tower_lacks_is_told_before_training(tmp_path, old, new, words):
    folder = folder_of_mine(tmp_path)
    assert old in AUDIO
    (folder / "my_tower.py").write_text(AUDIO.replace(old, new, 1))
    told = error_of(train(folder, folder / "run"))
    assert all(word in told for word in words), told
    assert not (folder / "run" / "save").exists() or not list(
        (folder / "run" / "save").iterdir()
    )


def test_freezing_that_is_not_heeded_is_an_error(tmp_path):
    folder = folder_of_mine(tmp_path)
    (folder / "my_tower.py").write_text(
        AUDIO.replace("requires_grad_(False)", "eval()")
    )
    told = error_of(train(folder, folder / "run", "--freeze_audio"))
    assert "freeze_audio is on, and audio_encoder (LogMelTransformer)" in told


def test_a_setting_that_a_system_lacks_is_told(tmp_path):
    folder = folder_of_mine(tmp_path)
    less = SYSTEM.replace("weight_decay: 0.05\n", "").replace(
        "text_lr: !ref <lr>\n", ""
    )
    (folder / "my_system.yaml").write_text(less)
    assert "lacks text_lr, weight_decay" in error_of(train(folder, folder / "run"))


def test_files_of_before_are_read_as_ever(tmp_path):
    """A run's and an export's description, as they were when no tower was strange."""
    (run := tmp_path / "run").mkdir()
    write_run(run, tmp_path / "source", {1: 20.0})
    export_run(run)
    clap = CLAP.from_hparams(run, run_opts={"device": "cpu"})
    before = ROOT / "tests" / "fixtures" / "export_of_before"
    for name in ("architecture.json", "hyperparams.yaml"):
        shutil.copy(before / f"{name}.txt", run / "export" / name)
    assert same(CLAP.from_hparams(run, run_opts={"device": "cpu"}), clap)
    shutil.copy(before / "model.yaml.txt", run / "model.yaml")
    assert same(CLAP.from_checkpoint(run), clap)
    export_run(run)
    written = (run / "export" / "hyperparams.yaml").read_text()
    assert told(written) == told((before / "hyperparams.yaml.txt").read_text())
    assert same(CLAP.from_checkpoint(run / "export"), clap)


def told(text: str) -> list[str]:
    """Its lines; WavCaps' rule was the model's own, and is its tower's now."""
    return [
        line for line in text.splitlines() if "strip_punctuation: false" not in line
    ]


def same(one: CLAP, other: CLAP) -> bool:
    wav = torch.randn(20000, generator=torch.Generator().manual_seed(2))
    audio = [clap.encode_audio(wav, 16000) for clap in (one, other)]
    text = [clap.encode_text(["a dog"]) for clap in (one, other)]
    return torch.equal(*audio) and torch.equal(*text)


# What looks like a tower and is none: found before training, in the model alone.
NO_TOWERS = """
import torch
from torch import nn
from my_tower import LogMelTransformer as Base


class Drawn(Base):
    def __init__(self):
        super().__init__()
        self.register_buffer("mix", torch.randn(48, 48), persistent=False)

    def forward(self, wavs, wav_lens=None):
        return super().forward(wavs, wav_lens) @ self.mix


class OfItsWeights(Base):
    def __init__(self):
        super().__init__()
        self.gain = self.position.detach().norm().item()

    def forward(self, wavs, wav_lens=None):
        return super().forward(wavs, wav_lens) * self.gain


class Noisy(Base):
    def forward(self, wavs, wav_lens=None):
        return super().forward(wavs, wav_lens) + torch.rand(1)


class Lazy(Base):
    def __init__(self):
        super().__init__()
        self.last = nn.LazyLinear(48)

    def forward(self, wavs, wav_lens=None):
        return self.last(super().forward(wavs, wav_lens))


class Counting(Base):
    def get_extra_state(self):
        return {"count": 1}

    def set_extra_state(self, state):
        pass


class Divides(Base):
    def forward(self, wavs, wav_lens=None):
        return super().forward(wavs / wavs.abs().amax(1, keepdim=True), wav_lens)


class Half(Base):
    def forward(self, wavs, wav_lens=None):
        return super().forward(wavs, wav_lens).half()


class WholeOnly(Base):
    def forward(self, wavs, wav_lens=None):
        assert wavs.shape[1] == self.clip_samples, "one window"
        return super().forward(wavs, wav_lens)


class Fraction(Base):
    def __init__(self):
        super().__init__()
        self.clip_samples = 1.5 * self.sample_rate
"""
NO_TEXTS = """
import torch
from my_text import ByteText


class Grows(ByteText):
    def __init__(self):
        super().__init__()
        self.words = {}

    def tokenize(self, captions):
        ids = [[self.words.setdefault(c, len(self.words) + 1)] for c in captions]
        return {"bytes": torch.tensor(ids)}


class Captions(ByteText):
    def tokenize(self, captions):
        return {**super().tokenize(captions), "captions": list(captions)}
"""


def tried(audio: str = "my_tower.LogMelTransformer", text: str = "my_text.ByteText"):
    """The model of the page, of other towers, as a recipe tries it."""
    towers = {"audio_encoder": Part(audio).build, "text_encoder": Part(text).build}
    heads = torch.nn.Linear(48, 8), torch.nn.Linear(32, 8), torch.nn.Identity()
    clap = model.CLAP(*(build() for build in towers.values()), *heads)
    with generators_kept():  # those of the trial alone are looked at
        torch.manual_seed(3)
        random.seed(3)
        np.random.seed(3)
        before = generators()
        width = try_towers(clap, towers)
        assert generators() == before
    return width


def generators() -> tuple[object, ...]:
    drawn = np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()
    return random.getstate(), *drawn


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Drawn", "built again.*state_dict.*register_buffer"),
        ("OfItsWeights", "built again.*state_dict.*register_buffer"),
        ("Noisy", "another embedding each time"),
        ("Lazy", r"without a shape .*last.weight, last.bias"),
        ("Counting", "_extra_state.*register_buffer"),
        ("Divides", "not finite for silence"),
        ("Half", "gives float16 and not float32"),
        ("WholeOnly", r"given \[2, 8000\].*one window; docs/extending.md"),
        ("Fraction", r"lacks clip_samples.*\(clip_samples is 24000.0\)"),
    ],
)
def test_what_would_be_lost_or_spoilt_is_told_before(importable, name, words):
    (importable / "no_towers.py").write_text(NO_TOWERS)
    sys.modules.pop("no_towers", None)
    with pytest.raises(ValueError, match=f"no_towers.{name}.*{words}"):
        tried(f"no_towers.{name}")


def test_texts_that_depend_on_those_before_or_are_no_tensors(importable):
    (importable / "no_texts.py").write_text(NO_TEXTS)
    sys.modules.pop("no_texts", None)
    for name, words in (("Grows", "built again"), ("Captions", "no dict of tensors")):
        with pytest.raises(ValueError, match=f"no_texts.{name}.*{words}"):
            tried(text=f"no_texts.{name}")


def test_a_trial_draws_nothing_and_hears_padding(importable, caplog):
    """Also of a tower that keeps its tokens as transformers' tokenizers give them."""
    (importable / "deaf.py").write_text(
        "import random\nimport numpy as np\nfrom my_tower import LogMelTransformer\n"
        "from my_text import ByteText\nfrom transformers import BatchEncoding\n\n\n"
        "class Deaf(LogMelTransformer):\n    def forward(self, wavs, wav_lens=None):\n"
        "        random.random(), np.random.rand()\n"
        "        return super().forward(wavs, None)\n\n\n"
        "class Encoded(ByteText):\n    def tokenize(self, captions):\n"
        "        return BatchEncoding(super().tokenize(captions))\n"
    )
    sys.modules.pop("deaf", None)

    assert tried() == 8 and "beside something longer" not in caplog.text
    assert tried("deaf.Deaf", "deaf.Encoded") == 8
    assert "deaf.Deaf) gives another embedding beside something longer" in caplog.text


# A tower with files of its own, as the page says: TextTower, and the folder ``source``.
SOURCED = """
import json
from pathlib import Path

from torch import nn

from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.text_tower import TextTower


class Pieces(TextTower):
    def __init__(self, source, width=32, freeze=False):
        super().__init__(CaptionTokenizer.from_folder(Path(source), 32), freeze)
        config = json.loads((Path(source) / "config.json").read_text())
        self.embedding_dim = width
        self.table = nn.Embedding(config["vocab_size"], width)
        self.freeze_if_asked()

    def encode(self, tokens):
        mask = tokens["attention_mask"].unsqueeze(2)
        return (self.table(tokens["input_ids"]) * mask).sum(1) / mask.sum(1)


class NoTextTower(nn.Module):
    def __init__(self, source, width=32):
        super().__init__()
        self.inner, self.embedding_dim = Pieces(source, width), width
        self.tokenize = self.inner.tokenize

    def forward(self, captions):
        return self.inner(captions)
"""
ARGUMENTS = """
import math

from my_tower import LogMelTransformer


class Particular(LogMelTransformer):
    def __init__(self, rates, floor, layers):
        super().__init__()
        assert rates == {1: 2.5, "x": 3} and floor == -math.inf, (rates, floor)
        assert [layer.negative_slope for layer in layers] == [0.25, 0.5]
"""


def test_a_text_tower_with_files_is_exported_with_them(importable, tmp_path):
    from speechbrain.inference.interfaces import Pretrained

    folder, run = importable, tmp_path / "run"
    (folder / "sourced.py").write_text(SOURCED)
    text = "text_encoder: !new:sourced.Pieces\n    source: !ref <text_source>\n"
    text += "    freeze: !ref <freeze_text>\n"
    system = re.sub(r"^text_encoder:.*\n( .*\n)*", text, SYSTEM, flags=re.M)
    (folder / "sourced.yaml").write_text(system)
    done(train(folder, run, "--number_of_epochs", "1", system="sourced.yaml"))
    done(train(folder, run, "--number_of_epochs", "2", system="sourced.yaml"))
    clap = CLAP.from_hparams(run, trust=True, run_opts={"device": "cpu"})
    captions = ["sound number 3 of a dog", "a dog"]
    expected = clap.encode_text(captions)
    best = CLAP.from_checkpoint(run, trust=True)
    assert torch.equal(best.encode_text(captions), expected)
    alone = shutil.move(run / "export", tmp_path / "alone")
    model = Pretrained.from_hparams(alone, savedir=tmp_path / "linked")
    assert torch.equal(model.mods.clap.encode_text(captions), expected)
    tuned = ("--init", str(alone), "--trust", "--finetune_epochs", "1")
    done(train(folder, tmp_path / "tuned", *tuned, system="sourced.yaml"))
    other = system.replace("sourced.Pieces", "sourced.NoTextTower")
    (folder / "sourced.yaml").write_text(
        re.sub(r"    freeze: .*freeze_text>\n", "", other)
    )
    told = error_of(train(folder, tmp_path / "no", system="sourced.yaml"))
    assert "text_encoder (NoTextTower) takes text_source, and is to derive" in told


def test_arguments_of_every_kind_are_exported(importable, tmp_path):
    """Keys that are numbers, infinity, and objects of one argument in a list."""
    from speechbrain.inference.interfaces import Pretrained

    folder, run, layer = importable, tmp_path / "run", "torch.nn.modules.activation"
    (folder / "particular.py").write_text(ARGUMENTS)
    audio = (
        "audio_encoder: !new:particular.Particular\n    rates: {1: 2.5, x: 3}\n"
        "    floor: -.inf\n    layers:\n"
        f"        - !new:{layer}.LeakyReLU {{negative_slope: 0.25}}\n"
        f"        - !new:{layer}.LeakyReLU {{negative_slope: 0.5}}\n"
    )
    system = re.sub(r"^audio_encoder:.*\n( .*\n)*", audio, SYSTEM, flags=re.M)
    (folder / "particular.yaml").write_text(system)
    done(train(folder, run, "--number_of_epochs", "1", system="particular.yaml"))
    wavs = 0.1 * torch.randn(2, 16000)
    clap = CLAP.from_hparams(run, trust=True, run_opts={"device": "cpu"})
    expected = clap.encode_audio(wavs, 16000)
    best = CLAP.from_checkpoint(run, trust=True)
    assert torch.equal(best.encode_audio(wavs, 16000), expected)
    model = Pretrained.from_hparams(run / "export", savedir=tmp_path / "linked")
    assert torch.equal(model.mods.clap.encode_audio(wavs), expected)


def test_what_names_no_class_and_what_fails_as_it_is_loaded(mine, tmp_path):
    (mine / "failing.py").write_text("def tower():\n    raise AttributeError\n")
    for audio, told in (
        ("my_tower.LogMelTransformer", "audio_encoder of the system's YAML names no"),
        ("null", "audio_encoder of the system's YAML names no class"),
        ("!new:failing.tower {}", "failing.tower is no class: write one that calls it"),
        ("!new:my_tower.LogMelTransformer {widht: 3}", "keyword argument 'widht'"),
    ):
        text = f"audio_encoder: {audio}\n"
        system = re.sub(r"^audio_encoder:.*\n( .*\n)*", text, SYSTEM, flags=re.M)
        (mine / "wrong.yaml").write_text(system)
        assert told in error_of(train(mine, tmp_path / "run", system="wrong.yaml"))


@pytest.mark.parametrize(
    "error", ["AttributeError", "FileNotFoundError", "AssertionError"]
)
def test_whatever_a_class_raises_as_it_is_loaded_is_told(
    error, mine, tmp_path, monkeypatch
):
    code = AUDIO.replace("super().__init__()", f"raise {error}('gone')", 1)
    (tmp_path / "my_tower.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    for path in (mine / "run", mine / "run" / "export"):
        with pytest.raises(CheckpointError, match="can be built: .*gone"):
            CLAP.from_checkpoint(path, trust=True)
    sys.modules.pop("my_tower")
