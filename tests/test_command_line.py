"""The words of a recipe's command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts import ROOT, run_script
from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

from clap_sb.config import ConfigError, join
from clap_sb.experiment.command_line import read_command_line, run_option_kinds

CUSTOM_TRAIN = "recipes/Custom/train.py"
CLASSIFICATION = "recipes/ESC-50/classification_with_clap_encoder"
SYSTEM = "hparams/small_cnn14.yaml"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--lr", "0.1"], {"lr": "0.1"}),
        (["--lr=-1", "--x", "-2"], {"lr": "-1", "x": "-2"}),
        (["--prompt", "x = {label}"], {"prompt": "x = {label}"}),
        (["--prompt=x = {label}"], {"prompt": "x = {label}"}),
        (["--folder=--a"], {"folder": "--a"}),
        (["--prompt", "--{label}"], {"prompt": "--{label}"}),
        (["--a", "--b", "", "--c="], {"a": None, "b": "", "c": ""}),
        (["--a", "x\ny: 1"], {"a": "x\ny: 1"}),
        (["--test", "a", "--max", "b"], {"test": "a", "max": "b"}),  # not shortened
    ],
)
def test_words_are_taken_as_they_are(words, expected):
    line = read_command_line([SYSTEM, *words])
    assert (line.file, dict(line.settings)) == (SYSTEM, expected)
    assert not line.run_opts.overridden_args


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--debug"], {"debug": True}),
        (["--debug", "no", "--jit", "off"], {"debug": False, "jit": False}),
        (["--test_only=False"], {"test_only": False}),
        (["--noprogressbar", "Yes"], {"noprogressbar": True}),
        (["--device", "cpu"], {"device": "cpu"}),
        (["--precision", "bf16"], {"precision": "bf16"}),
        (["--max_grad_norm", "-1"], {"max_grad_norm": -1.0}),
        (["--optimizer_step_limit", "5"], {"optimizer_step_limit": 5}),
        (["--debug_batches", "3"], {"debug_batches": 3}),
        (["--compile_module_keys", "a", "b"], {"compile_module_keys": ["a", "b"]}),
    ],
)
def test_run_options(words, expected):
    run_opts = read_command_line([SYSTEM, *words]).run_opts
    assert run_opts.overridden_args == expected.keys()
    default = RunOptions(param_file=SYSTEM).as_dict()
    assert run_opts.as_dict() == {
        **default, **expected, "overridden_args": set(expected)
    }  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ["--device", "cpu", "--noprogressbar", "--precision", "bf16"],
        [
            "--max_grad_norm",
            "1",
            "--debug",
            "--debug_epochs=4",
            "--jit_module_keys",
            "a",
        ],
    ],
)
def test_run_options_are_speechbrains(words):
    _, expected, _ = RunOptions.from_command_line_args([SYSTEM, *words])
    assert read_command_line([SYSTEM, *words]).run_opts == expected


def test_every_run_option_is_known():
    words = {"jit_module_keys", "compile_module_keys"}
    assert run_option_kinds().keys() | words >= HELP_TEXTS.keys()


@pytest.mark.parametrize(
    "argv",
    [
        ["--device", "cpu", SYSTEM, "--lr", "1"],
        ["--debug", SYSTEM, "--device", "cpu", "--lr", "1"],
        ["--device", "cpu", "--lr", "1", SYSTEM],
    ],
)
def test_the_file_may_come_after_options(argv):
    line = read_command_line(argv)
    assert (line.file, line.run_opts.device) == (SYSTEM, "cpu")
    assert dict(line.settings) == {"lr": "1"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give the YAML file of a system first"),
        (["--lr", "1"], "give the YAML file of a system first"),
        ([SYSTEM, "-lr", "1"], "'-lr' belongs to no option"),
        ([SYSTEM, "--lr", "1", "--lr=2"], "--lr is given twice"),
        ([SYSTEM, "--debug", "--debug"], "--debug is given twice"),
        ([SYSTEM, "--folder", "my", "folder"], "'folder' stands after it: put quotes"),
        ([SYSTEM, "--debug", "maybe"], "--debug takes True, False, yes, no, on, off"),
        ([SYSTEM, "--device", "gpu"], "--device takes cpu, cuda.*not 'gpu'"),
        ([SYSTEM, "--device", "cuda:99"], "--device takes .*torch finds [0-9]+ GPUs"),
        ([SYSTEM, "--precision", "fp8"], "--precision takes one of fp32, fp16, bf16"),
        ([SYSTEM, "--debug_batches", "2.5"], "--debug_batches takes a whole number"),
        ([SYSTEM, "--ckpt_interval_minutes"], "--ckpt_interval_minutes needs a value"),
    ],
)
def test_what_is_refused(argv, message):
    with pytest.raises(ConfigError, match=message):
        read_command_line(argv)


@pytest.fixture
def captions(tmp_path) -> Path:
    import numpy as np
    import soundfile

    rows = ["path,caption"]
    for number in range(12):
        wav = 0.3 * np.sin(np.arange(16000) * (number + 1) / 50)
        soundfile.write(tmp_path / f"{number}.wav", wav, 16000)
        rows.append(f"{number}.wav,tone {number}")
    path = tmp_path / "my #1.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--number_of_epochs", "2.5"], "--number_of_epochs takes a whole number"),
        (["--lr", "0,001"], "--lr takes a number, such as 0.001, not '0,001'"),
        (["--freeze_text", "maybe"], "--freeze_text takes True, False"),
        (
            ["--batchsize", "3"],
            "there is no setting 'batchsize': did you mean batch_size",
        ),
        (["--devise", "cpu"], "there is no setting 'devise': did you mean device"),
        (["--debug", "perhaps"], "--debug takes True, False"),
        (["--checkpoint", "x"], "there is no setting 'checkpoint'"),
    ],
)
@pytest.mark.parametrize("script", [CUSTOM_TRAIN, f"{CLASSIFICATION}/train.py"])
def test_a_script_says_it_in_one_line_and_writes_nothing(
    tmp_path, script, words, message
):
    if script != CUSTOM_TRAIN and "--freeze_text" in words:
        words, message = ["--freeze_encoder", "maybe"], "--freeze_encoder takes True"
    system = (
        SYSTEM if script == CUSTOM_TRAIN else f"{CLASSIFICATION}/hparams/train.yaml"
    )
    words = [system, "--output_folder", tmp_path / "run", *words]
    finished = run_script(script, words, tmp_path / "log")
    lines = finished.output.splitlines()
    assert finished.code == 1 and f"error: {message}" in lines[-1], finished.output
    assert "Traceback" not in finished.output
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_training_classifies_by_one_prompt(tmp_path):
    words = [SYSTEM, "--prompt", "['{label}', 'a {label}']", "--device", "cpu"]
    words += ["--output_folder", tmp_path / "run"]
    finished = run_script("recipes/ESC-50/train.py", words, tmp_path / "log")
    assert finished.code == 1
    assert "error: prompt is one sentence here, not 2" in finished.output


@pytest.mark.parametrize("name", ["a #1", "2026-01-01", "20260101", "<seed>", "(a) b"])
def test_the_folder_is_the_one_that_was_named(tmp_path, captions, name):
    before = set(tmp_path.iterdir())
    words = [SYSTEM, "--train_csv", captions, "--stage=prepare", "--device", "cpu"]
    words += ["--output_folder", tmp_path / name]
    finished = run_script(CUSTOM_TRAIN, words, tmp_path / "log")
    assert finished.code == 0, finished.output
    assert set(tmp_path.iterdir()) - before == {tmp_path / name, tmp_path / "log"}
    assert (tmp_path / name / "manifests" / "train.json").is_file()


def test_the_docs_name_a_command_that_works():
    docs = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    command = next(x for x in docs.splitlines() if x.startswith("python recipes/"))
    line = read_command_line(command.split()[2:])
    assert (ROOT / line.file).is_file() and line.settings["freeze_text"] is None


# ----------------------------------------------------------------------------- help


def test_help_lists_the_settings_and_ends(tmp_path):
    words = ["hparams/small_cnn14.yaml", "--help"]
    finished = run_script("recipes/ESC-50/train.py", words, tmp_path / "log")
    assert finished.code == 0
    for line in (
        "Trains on the labels of ESC-50",
        "settings of recipes/training.yaml:",
        "--stage all                      # or one of them: prepare, train, evaluate",
        "settings of ESC-50/train.yaml:",
        "--fold 5                         # held out; 'all' holds out each in turn",
        "settings of hparams/small_cnn14.yaml:",
        "--precision                    one of fp32, fp16, bf16",
    ):
        assert line in finished.output, line


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("learning_rate", "lr"),
        ("epochs", "number_of_epochs"),
        ("batch", "batch_size"),
        ("bach_size", "batch_size"),
    ],
)
def test_a_mistyped_setting_is_told_its_likes(typed, meant):
    names = ("common", "training", "captions", "AudioCaps/recipe")
    files = [ROOT / "recipes" / f"{name}.yaml" for name in names]
    config = join([*files, ROOT / SYSTEM])
    with pytest.raises(ConfigError, match=rf"did you mean .*\b{meant}\b"):
        config.read({typed: "1"})
