"""What a run in a folder may be gone on with by, and what is refused untouched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from builders import write_text_source
from scripts import ROOT
from small_run import write_run
from speechbrain.utils.run_opts import RunOptions

from clap_sb.config import ConfigError, join
from clap_sb.data.manifest import Clip
from clap_sb.encoders.text_source import TextSourceError
from clap_sb.experiment.run import Experiment
from clap_sb.experiment.settle import settle
from clap_sb.experiment.training_run import TrainingRun

FILES = [
    *(ROOT / "recipes" / f"{name}.yaml" for name in ("common", "training", "captions")),
    ROOT / "recipes" / "AudioCaps" / "recipe.yaml",
]
SYSTEMS = sorted(path.stem for path in (ROOT / "hparams").glob("*.yaml"))
TEST_ONLY = RunOptions(test_only=True)
CLIPS = [
    Clip("a", "/a.wav", 1.0, ("A dog barks",)),
    Clip("b", "/b.wav", 1.0, ("Rain",)),
]
OTHERS = [CLIPS[0], Clip("b", "/b.wav", 1.0, ("Rain falls",))]


class Folder:
    """A run's folder, and commands that would go on there."""

    def __init__(self, folder: Path, **settings: object):
        self.folder = folder
        self.settings = {"data_folder": "real", "output_folder": str(folder)} | settings

    def settle(
        self,
        clips=CLIPS,
        options: RunOptions | None = None,
        system: str = "demo",
        **settings: object,
    ) -> TrainingRun:
        self.folder.mkdir(exist_ok=True)
        files = [*FILES, ROOT / "hparams" / f"{system}.yaml"]
        config = join(files, json.dumps(self.settings | settings))
        splits = {"train": clips, "valid": CLIPS, "test": CLIPS}
        return settle(Experiment(config, options or RunOptions()), splits)

    def train(self, **command: object) -> None:
        """Stands in for a training, as far as it leaves files."""
        self.settle(**command)
        text = self.folder / "text"
        if not text.is_dir():
            write_text_source(text)
        (self.folder / "save" / "CKPT+1").mkdir(parents=True)

    def files(self) -> dict[str, bytes]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}


@pytest.fixture
def run(tmp_path) -> Folder:
    """A run from random weights."""
    run = Folder(tmp_path / "run")
    run.train()
    return run


@pytest.fixture
def pretrained(tmp_path) -> Folder:
    """A run whose text tower came from elsewhere, which is gone."""
    source = write_text_source(tmp_path / "source")
    run = Folder(tmp_path / "run", pretrained_text=True, text_source=str(source))
    run.train()
    shutil.rmtree(source)
    return run


@pytest.mark.parametrize(
    ("clips", "settings", "named"),
    [
        (OTHERS, {}, r"on AudioCaps \(2 clips, 2 captions\).*training_clips"),
        (CLIPS[:1], {}, r"would be on AudioCaps \(1 clips, 1 captions\)"),
        (CLIPS, {"caption_policy": "all"}, r"caption_policy \(random there, all here"),
        (CLIPS, {"keyword_captions": "templates"}, r"keyword_captions \(None there"),
        (CLIPS, {"joint_dim": 8}, r"audio_projection.joint_dim \(128 there, 8 here\)"),
        (CLIPS, {"text_vocab_size": 30}, "text_vocab_size"),
        (CLIPS, {"best_metric": "t2a_recall_at_1"}, "best_metric"),
        (CLIPS, {"freeze_text": True}, r"freeze_text \(False there, True here\)"),
        (
            CLIPS,
            {"seed": 1},
            r"another run: .* differ in seed \(3407 there, 1 here",
        ),
    ],
    ids=str,
)
def test_another_run_is_refused_and_nothing_is_touched(clips, settings, named, run):
    before = run.files()
    with pytest.raises(ConfigError, match=f"{named}.*--output_folder"):
        run.settle(clips, **settings)
    assert run.files() == before


@pytest.mark.parametrize("options", [None, TEST_ONLY], ids=["train", "test"])
def test_a_pretrained_tower_is_not_overwritten_by_another(pretrained, options):
    before = pretrained.files()
    with pytest.raises(ConfigError, match=r"pretrained_text \(True there, False here"):
        pretrained.settle(options=options, pretrained_text=False)
    assert pretrained.files() == before


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_checkpointing": True},
        {"spec_augment": None},
        {"audio_encoder": {"drop_path": 0.5}},
        {"lr": 0.1, "number_of_epochs": 99},
        {"pin_memory": True, "data_folder": "moved"},
    ],
    ids=str,
)
def test_what_changes_no_weight_and_no_token_may_change(settings, run):
    assert run.settle(**settings).goes_on


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_same_command_goes_on(system, tmp_path, monkeypatch):
    monkeypatch.setattr("clap_sb.training.text_start.fetch", lambda source: tmp_path)
    run = Folder(tmp_path / "run")
    run.train(system=system)
    before = run.files()
    assert run.settle(system=system).goes_on
    assert run.files() == before


def test_the_same_command_goes_on_from_a_checkpoint(tmp_path):
    for name in ("first", "first/text"):
        (tmp_path / name).mkdir()
    write_run(tmp_path / "first", tmp_path / "source", {1: 0.5})
    run = Folder(tmp_path / "run", init=str(tmp_path / "first"))
    run.train()
    before = run.files()
    start = run.settle(init=f"{tmp_path}/./first/")
    assert start.goes_on and start.initial is not None
    assert run.files() == before


@pytest.mark.parametrize(
    ("key", "spellings"),
    [("audio_weights", ("w.pt", "./w.pt")), ("text_source", ("a/tower", "a//tower/"))],
    ids=str,
)
def test_a_place_is_the_same_however_it_is_spelled(
    key, spellings, tmp_path, monkeypatch
):
    monkeypatch.setattr("clap_sb.training.text_start.fetch", lambda source: tmp_path)
    run = Folder(tmp_path / "run", pretrained_text=True, text_source="x")
    run.train(**{key: spellings[0]})
    assert run.settle(**{key: spellings[1]}).goes_on
    with pytest.raises(ConfigError, match=f"differ in {key}"):
        run.settle(**{key: "another"})


def test_a_run_is_not_debugged_over(run):
    """Its history and results would be those of two batches of a new model."""
    before = run.files()
    with pytest.raises(ConfigError, match="--debug would write over.*--output_folder"):
        run.settle(options=RunOptions(debug=True))
    assert run.files() == before
    assert run.settle(options=RunOptions(debug=True, debug_persistently=True)).goes_on


@pytest.mark.parametrize("settings", [{"freeze_audio": True}, {"seed": 1}], ids=str)
def test_what_training_alone_takes_is_of_no_account_to_a_test(settings, run):
    assert run.settle(**settings, options=TEST_ONLY).goes_on


@pytest.mark.parametrize("key", ["seed", "objective", "opt_class"])
def test_a_run_of_before_that_does_not_tell_of_it_goes_on(key, run):
    path = run.folder / "identity.json"
    told = json.loads(path.read_text("utf-8"))
    del told["asked"][key]
    path.write_text(json.dumps(told), encoding="utf-8")
    assert run.settle().goes_on


def test_a_run_goes_on_with_its_own_text_tower(pretrained):
    before = pretrained.files()
    for options in (None, TEST_ONLY):
        start = pretrained.settle(options=options)
        values = start.experiment.values
        assert start.goes_on
        assert values["text_source"] == str(pretrained.folder / "text")
        assert values["pretrained_text"] is False
        assert values["text_tower_origin"].endswith("source, pretrained")
    assert pretrained.files() == before


def test_a_tower_that_could_not_be_fetched_stays_what_it_became(tmp_path, monkeypatch):
    """On the built-in set: random weights, and trained along, though to be frozen."""

    def no_hub(source: str) -> Path:
        raise TextSourceError("no network")

    monkeypatch.setattr("clap_sb.training.text_start.fetch", no_hub)
    asked = {"pretrained_text": True, "text_source": "roberta-base"}
    run = Folder(tmp_path / "run", data_folder="builtin", freeze_text=True, **asked)
    run.train()
    before = run.files()
    monkeypatch.setattr("clap_sb.training.text_start.fetch", lambda source: tmp_path)
    values = run.settle().experiment.values
    assert (
        "a transformer of 2 layers, 144 wide, from random"
        in values["text_tower_origin"]
    )
    assert values["freeze_text"] is False and values["pretrained_text"] is False
    assert run.files() == before


def test_there_is_nothing_to_test_before_a_training(tmp_path):
    run = Folder(tmp_path / "run")
    with pytest.raises(ConfigError, match="no checkpoint in .*train first"):
        run.settle(options=TEST_ONLY)
    assert run.files() == {}


def test_what_left_no_checkpoint_may_become_another_run(tmp_path):
    run = Folder(tmp_path / "run")
    run.settle()
    first = run.files()
    assert not run.settle(OTHERS).goes_on
    later = run.files()
    assert first.keys() == later.keys()
    for name in ("identity.json", "text/sentencepiece.json"):
        assert first[name] != later[name]


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"asked": {}}'])
def test_checkpoints_of_which_nothing_is_told_are_left_alone(text, run):
    path = run.folder / "identity.json"
    path.unlink() if text is None else path.write_text(text)
    before = run.files()
    with pytest.raises(
        ConfigError, match="identity.json, which tells.*--output_folder"
    ):
        run.settle()
    assert run.files() == before
