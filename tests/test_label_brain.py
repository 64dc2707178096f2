"""Training on labels: prompts as captions, and classification by them."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from builders import SAMPLE_RATE
from test_brain import clips, fit, make_brain, model  # noqa: F401  (fixtures)

from clap_sb.data.whole_clips import WholeClipDataset, WindowCollate
from clap_sb.evaluation.embedding import embed_captions, embed_clips
from clap_sb.experiment.label_brain import LabelBrain, captioned

LABELS = ["dog_barks", "rain", "birds"]
PROMPT = "the sound of {label}"


@pytest.fixture
def labelled(clips):  # noqa: F811
    return [
        replace(clip, label=LABELS[index % 3], fold=index % 2, captions=())
        for index, clip in enumerate(clips)
    ]


def label_brain(model, folder, **settings):  # noqa: F811
    settings = {
        "best_metric": "accuracy",
        "labels": LABELS,
        "prompt": PROMPT,
    } | settings
    rates = dict.fromkeys(("lr", "audio_lr", "text_lr"), 0.01)
    return make_brain(
        copy.deepcopy(model), folder, brain_class=LabelBrain, **rates, **settings
    )


def test_captions_are_the_prompts_of_the_label(labelled):
    (first, *_) = captioned(labelled, [PROMPT, "{label}!"])
    assert first.captions == ("the sound of dog barks", "dog barks!")
    described = captioned(labelled, [PROMPT], {"rain": ["it pours", "drizzle"]})
    assert described[0].captions == ("the sound of dog barks",)
    assert described[1].captions == ("the sound of rain", "it pours", "drizzle")
    with pytest.raises(ValueError, match="no template"):
        captioned(labelled, [])


def test_accuracy_is_that_of_the_nearest_prompt(model, labelled, tmp_path):  # noqa: F811
    brain = label_brain(model, tmp_path)
    classified = captioned(labelled, [PROMPT])
    fit(brain, classified, validate=True)
    row = brain.hparams.history.rows[-1]
    brain.evaluate(
        WholeClipDataset(classified, SAMPLE_RATE),
        test_loader_kwargs={
            "batch_size": 5,
            "collate_fn": WindowCollate(brain.clap.clip_samples),
        },
    )
    audio = embed_clips(brain.clap, labelled, with_captions=False).audio
    text = embed_captions(
        brain.clap, [f"the sound of {x}" for x in ("dog barks", *LABELS[1:])]
    )
    hits = [
        max(range(3), key=lambda k: float(a @ text[k])) == LABELS.index(clip.label)
        for a, clip in zip(audio, labelled, strict=True)
    ]
    assert brain.outcome.scores()["accuracy"] == pytest.approx(100 * sum(hits) / 12)
    assert row["accuracy"] == pytest.approx(100 * sum(hits) / 12)
    assert torch.equal(brain.outcome.folds, torch.arange(12) % 2)


def test_a_score_that_is_not_its_own_is_refused(model, tmp_path):  # noqa: F811
    with pytest.raises(ValueError, match="'t2a_map_at_10' is not among.*accuracy"):
        label_brain(model, tmp_path, best_metric="t2a_map_at_10")
