"""Losses and augmentations of a user's own: a file beside the package, and YAML."""

from __future__ import annotations

import functools
import json
import math
import os
import shutil
import signal
import sys
from pathlib import Path

import extending_doc
import pytest
import torch
import yaml
from scripts import TINY, TRAIN, command, run_script
from torch.nn.functional import logsigmoid, normalize

from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.data.builtin import write_audiocaps
from clap_sb.inference import CLAP
from clap_sb.inference.model_fingerprint import fingerprint
from clap_sb.objectives.contract import ObjectiveError, try_objective
from clap_sb.objectives.logit_scale import LogitScale

COMMON = {
    **TINY,
    "number_of_epochs": 2,
    "batch_size": 8,  # two steps an epoch
    "valid_batch_size": 4,
    "warmup_steps": 0,
    "lr": 0.003,
    "weight_decay": 0.1,
    "ckpt_interval_minutes": 0,
    "ckpt_interval_steps": 1,
}
NOT_TORCHS = {"statistics", "epoch_counter", "dataloader-TRAIN", "brain"}
EXAMPLES = ("siglip.SigLIP", "predicting.Predicting", "SpeedPerturb")


def prepare(modules: Path, kill: int | None) -> None:
    """Lets Python find the examples, and ends the process after so many batches."""
    from clap_sb.brain import CLAPBrain

    sys.path.insert(0, str(modules))
    if kill is None:
        return
    left = [None] * kill

    def ending(self, batch, outputs, loss, should_step):
        left.pop()
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    CLAPBrain.on_fit_batch_end = ending


def train(
    system: Path | str, folder: Path, words: list[str], kill: int | None = None
) -> str:
    """Runs the recipe, in a folder beside ``data`` and ``modules``."""
    data, modules = folder.parent / "data", folder.parent / "modules"
    settings = {**COMMON, "data_folder": data, "output_folder": folder}
    finished = run_script(
        TRAIN,
        [*command(str(system), settings), *words],
        folder.with_name(f"{folder.name}_log"),
        functools.partial(prepare, modules, kill),
    )
    assert finished.code == (0 if kill is None else -signal.SIGKILL), finished.output
    return finished.output


def checkpoints(run: Path) -> dict[int, dict[str, dict]]:
    """What torch has saved of each epoch."""
    found = {}
    for folder in (run / "save").iterdir():
        meta = yaml.safe_load((folder / "CKPT.yaml").read_text(encoding="utf-8"))
        found[meta["epoch"]] = {
            path.stem: torch.load(path, weights_only=True)
            for path in folder.glob("*.ckpt")
            if path.stem not in NOT_TORCHS
        }
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    write_audiocaps(folder / "data", 22, 6, 6, seed=1)
    extending_doc.write_modules(folder / "modules")
    return folder


@pytest.fixture(scope="module")
def trained(root):
    """Gives the run of an example that nothing happened to, by a word of its YAML."""

    @functools.cache
    def make(word: str) -> Path:
        system = extending_doc.write_system(root / f"{word}.yaml", word)
        folder = root / f"{word} run"
        train(system, folder, [])
        return folder

    return make


@pytest.fixture(scope="module")
def siglip(root):
    """The module as the page has it."""
    sys.path.insert(0, str(root / "modules"))
    import siglip

    yield siglip
    sys.path.remove(str(root / "modules"))
    del sys.modules["siglip"]


def unit(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator), dim=-1)


# ------------------------------------------------------------------ the loss


@pytest.mark.parametrize("with_keys", [False, True])
def test_the_sigmoid_loss_equals_a_loop_over_the_pairs(with_keys, siglip):
    audio, text = unit(7, 8, seed=1), unit(7, 8, seed=2)
    clips = torch.tensor([0, 0, 1, 2, 3, 4, 4]) if with_keys else torch.arange(7)
    captions = torch.tensor([0, 1, 2, 2, 3, 4, 5]) if with_keys else torch.arange(7)
    logit_scale = LogitScale(temperature=0.1, bias=-3.0)
    loss = siglip.SigLIP()(audio, text, logit_scale, clips, captions)
    loss.backward()
    total, by_scale, by_bias = 0.0, 0.0, 0.0
    for i in range(7):
        for j in range(7):
            matches = clips[i] == clips[j] or captions[i] == captions[j]
            sign, cosine = (1 if matches else -1), float(audio[i] @ text[j])
            logit = 10.0 * cosine - 3.0
            total += math.log1p(math.exp(-sign * logit)) / 7
            slope = -sign / (1 + math.exp(sign * logit)) / 7
            by_bias += slope
            by_scale += slope * 10.0 * cosine  # d exp(t) / dt = exp(t)
    assert loss.item() == pytest.approx(total, rel=1e-5)
    assert logit_scale.bias.grad.item() == pytest.approx(by_bias, rel=1e-4)
    assert logit_scale.log_scale.grad.item() == pytest.approx(by_scale, rel=1e-4)


# ------------------------------------------------------------------ runs


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize("word", EXAMPLES)
def test_a_killed_run_ends_as_if_nothing_had_happened(word, trained, root):
    whole = trained(word)
    folder = root / f"{word} killed"
    system, words = root / f"{word}.yaml", []
    if word == "siglip.SigLIP":  # the command says the same as the YAML
        system, words = "hparams/demo.yaml", extending_doc.options_of(word)
    train(system, folder, words, kill=4)
    train(system, folder, words)
    ours, theirs = checkpoints(folder), checkpoints(whole)
    assert ours.keys() == theirs.keys() and 2 in ours
    for epoch, parts in theirs.items():
        assert parts.keys() >= {"audio_encoder", "logit_scale", "optimizer"}
        for part, state in parts.items():
            assert_equal(ours[epoch][part], state, f"{epoch} {part}")
    histories = [
        json.loads((run / "history.json").read_text(encoding="utf-8"))
        for run in (folder, whole)
    ]
    assert histories[0] == histories[1]
    assert all(math.isfinite(row["valid_loss"]) for row in histories[0])


def assert_equal(ours: object, theirs: object, where: str) -> None:
    """Nested states are the same, bit for bit."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key, value in theirs.items():
            assert_equal(ours[key], value, f"{where} {key}")
    elif isinstance(theirs, torch.Tensor):
        assert torch.equal(ours, theirs), where
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), where
        for place, value in enumerate(theirs):
            assert_equal(ours[place], value, f"{where} {place}")
    else:
        assert ours == theirs, where


def test_a_bias_is_trained_saved_exported_loaded_and_evaluated(trained):
    run = trained("siglip.SigLIP")
    last = checkpoints(run)[2]
    assert last["logit_scale"].keys() == {"log_scale", "bias"}
    assert "objective" not in last  # it has nothing to save
    assert 0.001 < abs(last["logit_scale"]["bias"].item() + 10.0) < 0.1
    *_, group = last["optimizer"]["param_groups"]
    assert (len(group["params"]), group["weight_decay"]) == (2, 0.0)
    scores = json.loads((run / "results" / "retrieval.json").read_text("utf-8"))
    assert scores["num_clips"] == 6

    clap = CLAP.from_hparams(run / "export")
    best = open_checkpoint(run).clap
    assert clap.logit_bias == best.logit_scale.bias.item()
    assert fingerprint(clap) == fingerprint(CLAP.from_checkpoint(run))
    audio, text = clap.encode_audio(torch.rand(2, 48000), 48000), unit(5, 16, seed=1)
    logits = clap.logit_scale * (audio @ text.T) + clap.logit_bias
    assert torch.allclose(clap.logits(audio, text), logits)
    found = clap.classify_batch(torch.rand(2, 48000), labels=["dog", "rain", "siren"])
    assert found.out_prob.exp().sum(1).max() < 0.5  # each on its own: all unlikely
    assert torch.equal(found.out_prob.max(1).values, found.score)
    assert torch.allclose(clap.log_probability(audio, text), logsigmoid(logits))


def test_another_bias_is_another_model(trained, tmp_path):
    clap = CLAP.from_hparams(trained("siglip.SigLIP") / "export")
    before = fingerprint(clap)
    with torch.no_grad():
        clap.model.logit_scale.bias.add_(1.0)
    assert fingerprint(clap) != before


def test_what_an_objective_learns_is_trained_and_saved_with_the_run(trained):
    run = trained("predicting.Predicting")
    last = checkpoints(run)[2]
    assert last["objective"].keys() == {"predict.weight", "predict.bias"}
    assert last["logit_scale"].keys() == {"log_scale"}
    *_, matrix, vector = last["optimizer"]["param_groups"]
    for group, decay in ((matrix, 0.1), (vector, 0.0)):
        assert (len(group["params"]), group["base_lr"]) == (1, 0.003)
        assert group["weight_decay"] == decay
        assert last["optimizer"]["state"][group["params"][0]]["exp_avg"].any()
    assert not (run / "export" / "objective.ckpt").exists()
    assert CLAP.from_hparams(run / "export").logit_bias is None


def test_a_run_is_not_gone_on_with_by_an_objective_that_learns_where_it_did_not(
    trained, root
):
    run, data = trained("predicting.Predicting"), {"data_folder": root / "data"}
    settings = {**COMMON, **data, "number_of_epochs": 3}
    own = extending_doc.write_system(root / "own.yaml", "predicting.Predicting")
    plain = trained("siglip.SigLIP")
    by_siglip = extending_doc.options_of("siglip.SigLIP")[2:]
    for system, folder, words, said in (
        ("hparams/demo.yaml", run, [], "predicting.Predicting there, clap_sb.obj"),
        (own, plain, by_siglip, "siglip.SigLIP there, predicting.Predicting here"),
    ):
        before = (folder / "hyperparams.yaml").read_text(encoding="utf-8")
        finished = run_script(
            TRAIN,
            [*command(str(system), {**settings, "output_folder": folder}), *words],
            root / "refused_log",
            functools.partial(prepare, root / "modules", None),
        )
        assert finished.code == 1 and "Traceback" not in finished.output
        assert f"objective ({said}" in finished.output
        assert (folder / "hyperparams.yaml").read_text(encoding="utf-8") == before
        # a test needs none
        train(system, folder, ["--stage", "evaluate", *words])


def test_augmented_waveforms_teach_something_else(trained, root, tmp_path):
    plain = root / "plain"
    train("hparams/demo.yaml", plain, [])
    ours, theirs = (checkpoints(run)[2] for run in (trained("SpeedPerturb"), plain))
    assert ours.keys() == theirs.keys()  # there is nothing of it to save
    gain = root / "gain"
    train("hparams/demo.yaml", gain, extending_doc.options_of("gain.Gain"))
    for other in (ours, checkpoints(gain)[2]):
        moved = [
            (other["audio_projection"][name] - value).abs().max()
            for name, value in theirs["audio_projection"].items()
        ]
        assert max(moved) > 1e-4


# ------------------------------------------------------------------ what is none


def contrast(audio, text, logit_scale, clip_keys, caption_keys):
    logits = logit_scale(audio @ text.T)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(audio)))


class Remembers(torch.nn.Module):
    """A running mean, as a list, an attribute or a buffer."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind, self.seen, self.steps = kind, [], 0
        self.register_buffer("mean", torch.zeros(8), persistent=kind == "saved")

    def forward(self, audio, text, *rest):
        loss = contrast(audio, text, *rest)
        if self.kind == "list":
            self.seen.append(text.detach())
            return loss + (audio @ torch.cat(self.seen).T).mean()
        if self.kind == "count":
            self.steps += 1
            return loss * (1.0 + self.steps)
        self.mean.mul_(0.9).add_(audio.detach().mean(0))
        return loss + (audio @ self.mean).mean()


class Gives(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, audio, text, *rest):
        return self.function(audio, text, *rest)


@pytest.mark.parametrize(
    ("objective", "told"),
    [
        (Remembers("list"), r"Remembers\) remembers something.*register_buffer"),
        (Remembers("count"), r"Remembers\) remembers something.*register_buffer"),
        (Remembers("unsaved"), r"Remembers\) remembers something.*register_buffer"),
        (Gives(lambda a, t: a.sum()), "takes 2 positional arguments.*extending.md"),
        (Gives(lambda a, t, *r: (a * t).sum(1)), r"gives \[6\], and not a scalar"),
        (Gives(lambda a, t, *r: (a.sum(), {})), "'tuple'>, and not a scalar"),
        (Gives(lambda a, t, *r: torch.tensor(1.0)), "has no gradient"),
        (Gives(lambda a, t, *r: a.sum() * math.nan), "gives nan for a batch of noise"),
        (Gives(lambda a, t, s, *r: (s * a).sum()), "TypeError: unsupported operand"),
    ],
)
def test_what_cannot_be_an_objective_is_told_before_training(objective, told):
    with pytest.raises(ObjectiveError, match=told):
        try_objective(objective, LogitScale(), rows=6, joint_dim=8)


def test_a_trial_of_an_objective_changes_nothing():
    objective, scale = Remembers("saved"), LogitScale(bias=-3.0)
    before = torch.get_rng_state()
    try_objective(objective, scale, rows=6, joint_dim=8)
    assert torch.equal(before, torch.get_rng_state())
    assert not objective.mean.any() and scale.bias.grad is None
    assert scale.bias.item() == -3.0


def test_a_run_goes_on_with_its_own_loss_and_optimizer(trained, root, tmp_path):
    """Their arguments may change, and win; a test has no use for either."""
    folder = Path(shutil.copytree(trained("predicting.Predicting"), tmp_path / "run"))
    system = root / "predicting.Predicting.yaml"

    def told(*words: str) -> str:
        settings = {**COMMON, "data_folder": root / "data", "output_folder": folder}
        finished = run_script(
            TRAIN,
            [*command(str(system), settings | {"number_of_epochs": 3}), *words],
            tmp_path / "log",
            functools.partial(prepare, root / "modules", None),
        )
        assert "Traceback" not in finished.output
        return finished.output

    other = "!new:clap_sb.objectives.info_nce.InfoNCE {}"
    assert "objective (predicting.Predicting there, clap_sb." in told(
        "--objective", other
    )
    sgd = "!name:torch.optim.SGD {momentum: 0.9}"
    assert "opt_class (torch.optim.AdamW there, torch.optim.SGD" in told(
        "--opt_class", sgd
    )
    assert "shapes cannot be multiplied" in told("--objective", "{dim: 8}")
    assert "t2a_map_at_10" in told("--stage", "evaluate", "--objective", other)
    told("--objective", "{weight: 0.25}", "--opt_class", "{betas: [0.5, 0.75]}")
    groups = checkpoints(folder)[3]["optimizer"]["param_groups"]
    assert {tuple(group["betas"]) for group in groups} == {(0.5, 0.75)}
