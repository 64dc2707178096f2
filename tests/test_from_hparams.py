"""Our own exports: a run's best model in SpeechBrain's way, with the same names."""

from __future__ import annotations

import json
import shutil

import pytest
import soundfile
import torch
from builders import CAPTIONS, SAMPLE_RATE
from small_run import write_run

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.run_export import export_run
from clap_sb.inference import CLAP
from clap_sb.inference.captions import Captioner, everyday_captions
from clap_sb.inference.labels import Labels
from clap_sb.inference.run_options import run_options

WAV = 0.1 * torch.randn(50000, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    write_run(run, tmp_path_factory.mktemp("source"), {1: 20.0, 2: 40.0, 3: 30.0})
    export_run(run)
    return run


@pytest.fixture(scope="module")
def clap(run):
    return CLAP.from_hparams(run / "export", run_opts={"device": "cpu"})


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "a.wav"
    soundfile.write(path, WAV.numpy(), SAMPLE_RATE, subtype="FLOAT")
    return path


def test_an_export_is_the_best_checkpoint_of_its_run(run, clap):
    best = CLAP.from_checkpoint(run)
    for other in (clap, CLAP.from_checkpoint(run / "export"), CLAP.from_hparams(run)):
        audio = other.encode_audio(WAV, SAMPLE_RATE)
        assert torch.equal(audio, best.encode_audio(WAV, SAMPLE_RATE))
        assert torch.equal(other.encode_text(CAPTIONS), best.encode_text(CAPTIONS))
        assert other.logit_scale == best.logit_scale
    assert clap.description == "tiny, trained on nothing"


def test_an_export_stands_by_itself_and_says_what_it_is(run, clap, tmp_path):
    moved = shutil.copytree(run / "export", tmp_path / "moved")
    again = CLAP.from_hparams(moved)
    assert torch.equal(again.encode_text(CAPTIONS), clap.encode_text(CAPTIONS))
    card = (moved / "README.md").read_text(encoding="utf-8")
    for fact in ("tiny, trained on nothing", "score (40.00 in epoch 2)", "random"):
        assert fact in card


def test_a_later_export_replaces_the_first(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "export" / "left").write_text("of the first")
    (copy / "export.partial").mkdir()
    export_run(copy)
    names = {path.name for path in (copy / "export").iterdir()}
    assert names == {path.name for path in (run / "export").iterdir()}
    assert not (copy / "export.partial").exists()


def test_speechbrain_builds_an_export_from_its_yaml(run, clap):
    from speechbrain.inference.interfaces import Pretrained

    export = run / "export"
    model = Pretrained.from_hparams(str(export), savedir=None)
    wav = WAV[:15000]
    audio = model.mods.clap.encode_audio(wav[None])
    assert torch.equal(audio, clap.encode_audio(wav, SAMPLE_RATE))


def test_savedir_gets_links_and_is_a_source_itself(run, clap, tmp_path):
    savedir = tmp_path / "save"
    for _ in range(2):  # links that are there already are no obstacle
        linked = CLAP.from_hparams(run / "export", savedir=savedir)
        assert torch.equal(linked.encode_text(CAPTIONS), clap.encode_text(CAPTIONS))
    assert (savedir / "text" / "config.json").is_symlink()
    stale, old = savedir / "audio_encoder.ckpt", savedir / "logit_scale.ckpt"
    for path in (stale, old):
        path.unlink()
    stale.symlink_to(tmp_path / "gone")
    old.write_bytes(b"of another model")
    CLAP.from_hparams(run / "export", savedir=savedir)
    assert stale.resolve() == (run / "export" / stale.name).resolve()
    assert old.is_symlink()
    again = CLAP.from_hparams(savedir, savedir=savedir)
    assert torch.equal(again.encode_text(CAPTIONS), clap.encode_text(CAPTIONS))


def test_frozen_unless_asked(run, clap):
    wavs = WAV[None, :8000]
    assert not any(p.requires_grad for p in clap.parameters())
    assert not clap.train().training and not clap.model.audio_encoder.training
    assert not clap.encode_batch(wavs).requires_grad
    free = CLAP.from_hparams(run, freeze_params=False)
    assert not free.training and free.train().training
    free.eval().encode_batch(wavs).sum().backward()
    grad = free.model.audio_encoder.patch_embed.proj.weight.grad
    assert grad.abs().sum() > 0


def test_run_options_are_speechbrains():
    from speechbrain.utils.run_opts import RunOptions

    assert run_options(RunOptions(device="cpu")).device == "cpu"
    assert run_options({"device": None}).device == run_options(None).device
    with pytest.raises(ValueError, match="max_grad_norm"):
        run_options({"max_grad_norm": 1.0})


def test_precision_is_that_of_the_towers(run, clap):
    half = CLAP.from_hparams(run, run_opts={"device": "cpu", "precision": "bf16"})
    found = half.encode_audio(WAV, SAMPLE_RATE)
    expected = clap.encode_audio(WAV, SAMPLE_RATE)
    assert found.dtype == torch.float32
    assert 1e-5 < (found - expected).abs().max() < 0.3
    with pytest.raises(ValueError, match="fp64"):
        CLAP.from_hparams(run, run_opts={"device": "cpu", "precision": "fp64"})


def test_what_is_no_export_is_refused(run):
    with pytest.raises(CheckpointError, match="from_checkpoint"):
        CLAP.from_hparams(run / "save")


def test_only_our_own_classes_can_be_exported(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    text = (copy / "model.yaml").read_text()
    safe = "!new:clap_sb.objectives.logit_scale.LogitScale"
    for other in ("!new:torch.nn.Linear", "!name:clap_sb.encoders.htsat.HTSAT"):
        changed = text.replace("!new:clap_sb.encoders.htsat.HTSAT", other)
        assert changed != text and safe in changed
        (copy / "model.yaml").write_text(changed)
        with pytest.raises((CheckpointError, TypeError)):
            export_run(copy)


def test_files_and_batches_are_classified(clap, file):
    labels = ["dog", "sea_waves", "rain"]
    found = clap.classify_file(file, labels)
    audio = clap.embed_files(file)
    sentences = ["This is a sound of " + x + "." for x in ("dog", "sea waves", "rain")]
    logits = clap.logit_scale * audio @ clap.encode_text(sentences).T
    torch.testing.assert_close(found.out_prob, logits.log_softmax(1))
    assert found.index.item() == logits.argmax() and found.score == found.out_prob.max()
    assert found.text_lab == [labels[found.index]]
    out_prob, score, index, text_lab = clap.classify_batch(WAV[None], labels=labels)
    torch.testing.assert_close(out_prob, found.out_prob, atol=1e-4, rtol=0)
    other = clap.classify_file(file, labels, template="{label}").out_prob
    assert not torch.allclose(other, out_prob, atol=1e-3)


def test_labels_may_have_several_descriptions(clap):
    texts = {"dog": ["a dog barks", "rain falls"], "bird": "birds sing"}
    found = Labels.of(texts).embed(clap)
    both = clap.encode_text(["a dog barks", "rain falls"]).mean(0)
    torch.testing.assert_close(found[0], both / both.norm())
    torch.testing.assert_close(found[1:], clap.encode_text("birds sing"))


@pytest.mark.parametrize(
    ("labels", "said"),
    [("dog", "list of names"), ([], "no labels"), (["a", "a"], "twice")]
    + [({"a": ""}, "empty description"), ({"a": []}, "empty description")],
)
def test_labels_that_make_no_sense(labels, said):
    with pytest.raises(ValueError, match=said):
        Labels.of(labels)


def test_a_file_is_captioned_with_the_nearest_sentences(clap, file):
    found = clap.caption_file(file, CAPTIONS, top=2)
    similarity = clap.similarity(clap.embed_files(file), clap.encode_text(CAPTIONS))[0]
    best = similarity.topk(2)
    assert [row.caption for row in found] == [CAPTIONS[i] for i in best.indices]
    assert [row.similarity for row in found] == pytest.approx(best.values.tolist())
    assert len(clap.caption_file(file, CAPTIONS, top=99)) == len(CAPTIONS)
    assert clap.caption_file(file)[0].caption in everyday_captions()
    with pytest.raises(ValueError, match="top"):
        clap.caption_file(file, top=0)
    with pytest.raises(ValueError, match="list"):
        Captioner(clap, "a dog barks")


def test_the_bank_is_several_hundred_different_sentences():
    bank = everyday_captions()
    assert len(bank) == len(set(bank)) > 300
    assert all(line[0].isupper() and line.endswith(".") for line in bank)
    words = json.dumps(bank).lower()
    for (
        label
    ) in "dog rooster rain wave fire baby sneez clock helicopter chainsaw".split():
        assert label in words


def test_an_export_comes_from_the_hub(run, clap, monkeypatch, tmp_path):
    """The repository's description tells which files are wanted."""
    asked = []

    def snapshot(name, patterns, required="*"):
        asked.append((name, required))
        return run / "export"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("clap_sb.checkpoints.find_checkpoint.fetch_snapshot", snapshot)
    found = CLAP.from_hparams("somebody/clap", savedir=tmp_path / "save")
    assert torch.equal(found.encode_text(CAPTIONS), clap.encode_text(CAPTIONS))
    assert asked == [("somebody/clap", "*"), ("somebody/clap", "*.ckpt")]
