"""Fine-tuning: what a run takes from a checkpoint, and what from its YAML files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import ruamel.yaml
import torch
from builders import tiny_clap
from small_checkpoints import laion_state, write_tokenizer

from clap_sb.checkpoints.architecture import Part
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.speechbrain_folder import write_speechbrain_folder
from clap_sb.config import Config, ConfigError, join
from clap_sb.encoders.htsat import HTSAT
from clap_sb.experiment.initial import _KEPT, architecture_keys, read_initial
from clap_sb.features import LogMel
from clap_sb.inference.clap import CLAP
from clap_sb.inference.conversion import convert

ROOT = Path(__file__).resolve().parents[1]


def joined(
    overrides: str | dict = "",
    system: Path = ROOT / "hparams" / "small_cnn14.yaml",
    recipe: str = "Custom/train.yaml",
) -> Config:
    names = ("common.yaml", "training.yaml", recipe)
    return join([*(ROOT / "recipes" / name for name in names), system], overrides)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> Path:
    """A LAION checkpoint with another audio tower than the YAML's."""
    path = tmp_path_factory.mktemp("foreign") / "laion.pt"
    torch.save(laion_state(), path)
    write_tokenizer(path.parent / "tokenizer")
    return path


@pytest.fixture(scope="module")
def sources(foreign) -> dict[str, tuple[Path, str | None]]:
    export = foreign.parent / "export"
    convert(foreign, export, "speechbrain", str(foreign.parent / "tokenizer"))
    tokenizer = str(foreign.parent / "tokenizer")
    return {"file": (foreign, tokenizer), "export": (export, None)}


@pytest.mark.parametrize("kind", ["file", "export"])
def test_the_model_is_the_checkpoints_and_embeds_as_it_does(kind, sources, tmp_path):
    path, tokenizer = sources[kind]
    initial = read_initial(path, tokenizer)
    initial.write_text(tmp_path / "text")
    config = initial.adopt(joined("{freeze_text: True}"), tmp_path / "text")
    clap = config.build()["clap"]
    initial.load_into(clap)
    clap.eval()
    wavs, captions = torch.randn(2, 30000), ["a dog barks twice", "rain falls"]
    ready = CLAP.from_checkpoint(path, tokenizer)
    with torch.no_grad():
        audio, text = clap(wavs, None, captions)
    assert torch.allclose(audio, ready.encode_audio(wavs, 48000), atol=1e-6)
    assert torch.allclose(text, ready.encode_text(captions), atol=1e-6)
    assert clap.text_encoder.frozen and not clap.audio_encoder.frozen
    # what acts in training alone is the YAML's
    assert clap.audio_encoder.spec_augment.time_width == 8
    assert config.values()["lr"] == joined().values()["lr"]


@pytest.mark.parametrize("kind", ["file", "export"])
def test_a_checkpoint_is_the_same_however_it_is_spelled(kind, sources, monkeypatch):
    path, tokenizer = sources[kind]
    monkeypatch.chdir(path.parent)
    spellings = (path.name, f"./{path.name}", f".//{path.name}{'/' * path.is_dir()}")
    initials = [read_initial(spelling, tokenizer) for spelling in spellings]
    assert {initial.description.split(" (")[0] for initial in initials} == {path.name}
    assert {initial.trained_on for initial in initials} == {f"the data of {path.name}"}


def test_texts_of_another_tower_do_not_stay(sources, tmp_path):
    initial = read_initial(*sources["export"])
    initial.write_text(tmp_path)
    (tmp_path / "sentencepiece.json").write_text("of another tower")
    initial.write_text(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        initial.text_files
    )


@pytest.mark.parametrize(
    "key", ["joint_dim", "channels", "text_dim", "text_vocab_size"]
)
def test_a_setting_that_would_have_no_effect_is_an_error(key, sources, tmp_path):
    initial = read_initial(*sources["export"])
    with pytest.raises(ConfigError, match=f"{key} cannot be set together with --init"):
        initial.adopt(joined(f"{{{key}: 8}}"), tmp_path)


def test_a_bias_that_the_checkpoint_lacks_starts_as_the_yaml_has_it(sources, tmp_path):
    initial = read_initial(*sources["file"])
    initial.write_text(tmp_path)
    words = {"logit_scale": "{bias: -10}"}
    by_yaml = replace(joined().updated({"logit_scale": {"bias": -10.0}}), given={})
    for config in (by_yaml, joined(words)):
        adopted = initial.adopt(config, tmp_path)
        clap = adopted.build()["clap"]
        initial.load_into(clap)
        assert clap.logit_scale.bias.item() == -10.0
        scale = initial.clap.logit_scale.log_scale
        assert torch.equal(clap.logit_scale.log_scale, scale)
        assert "bias: -10" in adopted.extract(["logit_scale"])
    clap = initial.adopt(joined(), tmp_path).build()["clap"]
    assert clap.logit_scale.bias is None
    for word in ("{bias: -10, temperature: 0.1}", "{temperature: 0.1}"):
        with pytest.raises(ConfigError, match="logit_scale cannot be set"):
            initial.adopt(joined({"logit_scale": word}), tmp_path)


def test_a_bias_of_the_checkpoint_is_kept(sources, tmp_path):
    loaded = open_checkpoint(*sources["file"])
    scale = Part("clap_sb.objectives.logit_scale.LogitScale", {"bias": 0.0})
    loaded.clap.logit_scale = scale.build()
    with torch.no_grad():
        loaded.clap.logit_scale.bias.fill_(-3.0)
    architecture = replace(loaded.architecture, logit_scale=scale)
    loaded = replace(loaded, architecture=architecture)
    write_speechbrain_folder(loaded, tmp_path / "export")
    initial = read_initial(tmp_path / "export")
    initial.write_text(tmp_path / "text")
    for words in ({}, {"logit_scale": "{bias: -10.0}"}):
        clap = initial.adopt(joined(words), tmp_path / "text").build()["clap"]
        initial.load_into(clap)
        assert clap.logit_scale.bias.item() == -3.0
    assert CLAP.from_checkpoint(tmp_path / "export").logit_bias == -3.0


def test_what_belongs_to_the_architecture():
    keys = architecture_keys(joined().text)
    assert keys >= {"log_mel", "sample_rate", "channels", "joint_dim", "text_config"}
    assert keys >= {"text_heads", "audio_encoder", "logit_scale"}
    trained = {"lr", "batch_size", "freeze_audio", "spec_augment", "opt_class", "seed"}
    assert not keys & (trained | {"clap", "objective", "train_csv", "system"})


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("hparams/*.yaml")), ids=lambda path: path.stem
)
def test_each_system_has_the_keys_that_parts_refer_to(path):
    keys = {key for kept in _KEPT.values() for key in kept.values()}
    names = (
        "recipes/common.yaml",
        "recipes/training.yaml",
        "recipes/Custom/train.yaml",
    )
    assert keys <= join([*(ROOT / name for name in names), path], "").values().keys()


@pytest.mark.parametrize("written", ["nowhere", "in the towers"])
def test_yaml_files_of_a_users_own_need_no_such_keys(written, sources, tmp_path):
    text = (ROOT / "hparams" / "small_cnn14.yaml").read_text(encoding="utf-8")
    yaml = ruamel.yaml.YAML()
    values, augment = yaml.load(text), None
    for part, kept in _KEPT.items():
        for argument, key in kept.items():
            augment = values.get("spec_augment", augment)
            values.pop(key, None)
            values[part].pop(argument)
    if written == "in the towers":
        values["audio_encoder"] |= {"freeze": True, "spec_augment": augment}
    own = tmp_path / "own.yaml"
    yaml.dump(values, own)
    names = (
        "recipes/common.yaml",
        "recipes/training.yaml",
        "recipes/Custom/train.yaml",
    )
    config = join([*(ROOT / name for name in names), own], "")
    initial = read_initial(*sources["export"])
    initial.write_text(tmp_path / "a <text>")
    clap = initial.adopt(config, tmp_path / "a <text>").build()["clap"]
    initial.load_into(clap)
    tower = clap.audio_encoder
    assert not tower.gradient_checkpointing and not clap.text_encoder.frozen
    if written == "in the towers":
        assert tower.frozen and tower.spec_augment.time_width == 8
    else:
        assert not tower.frozen and isinstance(tower.spec_augment, torch.nn.Identity)


def test_an_audio_tower_alone_is_no_start_for_both(tmp_path):
    shape = {"embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2]}
    tower = HTSAT(LogMel(), **shape)
    state = {f"sed_model.{key}": value for key, value in tower.state_dict().items()}
    state["sed_model.tscam_conv.weight"] = torch.zeros(5, 16, 8, 3)
    state["sed_model.tscam_conv.bias"] = torch.zeros(5)
    torch.save({"state_dict": state}, tmp_path / "htsat.ckpt")
    with pytest.raises(CheckpointError, match="audio_weights"):
        read_initial(tmp_path / "htsat.ckpt")


def test_a_checkpoint_without_its_tokenizer_says_how_to_give_it(foreign, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(
        "clap_sb.checkpoints.open_checkpoint.find_tokenizer", lambda *arguments: None
    )
    with pytest.raises(CheckpointError, match="--init_tokenizer FOLDER"):
        read_initial(foreign)


def test_weights_of_another_model_do_not_fit(sources, tmp_path):
    initial = read_initial(*sources["export"])
    with pytest.raises(CheckpointError, match="does not fit its architecture"):
        initial.load_into(tiny_clap(tmp_path))
