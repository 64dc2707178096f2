"""Cross-validation over a set's own folds: each is held out, and classified."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from speechbrain.utils.distributed import if_main_process, infer_device

from clap_sb.checkpoints.run_folder import selection_of
from clap_sb.config import ConfigError
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WholeClipDataset
from clap_sb.evaluation.embedding import Embedded, embed_clips
from clap_sb.evaluation.folds_report import FoldedClasses, report_folds
from clap_sb.evaluation.linear_probe import linear_probe
from clap_sb.evaluation.plots import plot_training_curves
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.evaluation.zero_shot import ZeroShot
from clap_sb.evaluation.zero_shot_report import report_zero_shot
from clap_sb.experiment.initial import read_initial
from clap_sb.experiment.label_brain import LabelBrain
from clap_sb.experiment.run import Experiment, whole_clip_loader

_LABEL_TEXT = "the data set's names, underscores turned to spaces"


@dataclass(frozen=True)
class HeldOutFold:
    """A held-out fold, classified by a model that was trained on the others.

    Arguments
    ---------
    embedded : Embedded
        Its clips.
    outcome : ZeroShot
        The classes they were given.
    origin : Origin
        Where the model comes from.
    """

    embedded: Embedded
    outcome: ZeroShot
    origin: Origin


def finish_fold(
    experiment: Experiment,
    brain: LabelBrain,
    clips: Sequence[Clip],
    listing: Listing | None = None,
) -> HeldOutFold:
    """Classifies a held-out fold by prompt, and writes and prints the report.

    Arguments
    ---------
    experiment : Experiment
        The fold's run.
    brain : LabelBrain
        After training, or fresh with ``--test_only``.
    clips : sequence of Clip
        The fold's clips.
    listing : Listing, optional
        What the data set's list has, where that is known.

    Returns
    -------
    HeldOutFold
    """
    hparams = vars(brain.hparams)
    metric = hparams["best_metric"]
    brain.evaluate(
        WholeClipDataset(clips, brain.clap.sample_rate),
        max_key=metric,
        test_loader_kwargs=whole_clip_loader(hparams),
    )
    selection = selection_of(metric, brain.best_checkpoint.meta)
    origin = _origin(
        hparams,
        experiment,
        split=f"fold {clips[0].fold}",
        listing=listing and listing.of_folds([clips[0].fold]),
        checkpoint=brain.best_checkpoint.path.name,
        selection=f"{selection}; trained on {hparams['trained_on']}, other folds",
        text_tower_origin=hparams["text_tower_origin"],
    )
    if if_main_process():
        card = origin.card(
            brain.embedded, prompt=hparams["prompt"], label_text=_LABEL_TEXT
        )
        told, *_ = report_zero_shot(experiment.folder, brain.outcome, origin, card)
        if hparams["history"].rows:
            plot_training_curves(
                hparams["history"].rows,
                experiment.folder / "training_curves.png",
                f"{origin.system} on {origin.dataset}, {origin.split} held out",
            )
        print(f"\n{told}\n  use it           --checkpoint {experiment.folder}\n")
    return HeldOutFold(brain.embedded, brain.outcome, origin)


def _origin(values: Mapping[str, Any], experiment: Experiment, **told: Any) -> Origin:
    return Origin(
        system=values["system"],
        dataset=experiment.dataset_name,
        seed=values["seed"],
        num_resamples=values["num_resamples"],
        **told,
    )


def report_trained_folds(
    experiment: Experiment,
    tested: Mapping[int, HeldOutFold],
    listing: Listing | None = None,
) -> None:
    """Reports mean and deviation over the folds, where there are several.

    Arguments
    ---------
    experiment : Experiment
        The run over all folds.
    tested : mapping of int to HeldOutFold
        What :func:`finish_fold` gave for each.
    listing : Listing, optional
        What the data set's list has, where that is known.
    """
    if len(tested) < 2 or not if_main_process():
        return
    folds = list(tested.values())
    outcomes = [fold.outcome for fold in folds]
    classes = FoldedClasses(
        outcomes[0].labels,
        torch.cat([outcome.targets for outcome in outcomes]),
        torch.cat([outcome.predictions for outcome in outcomes]),
        torch.cat([outcome.folds for outcome in outcomes]),
    )
    origin = _origin(
        experiment.values,
        experiment,
        split=f"{len(folds)} folds",
        listing=listing and listing.of_folds(tested),
        checkpoint=", ".join(f"fold_{fold}" for fold in tested),
        selection=f"of each fold: {folds[0].origin.selection}",
        text_tower_origin=folds[0].origin.text_tower_origin,
    )
    prompt = experiment.values["prompt"]
    told = report_folds(
        experiment.folder,
        "trained on the other folds, classified by prompt",
        classes,
        _together([fold.embedded for fold in folds]),
        origin,
        prompt=prompt,
        label_text=_LABEL_TEXT,
    )
    print(f"\n{told}")


def _together(parts: Sequence[Embedded]) -> Embedded:
    """Several sets as one; captions are left out."""
    return Embedded(
        clips=list(itertools.chain(*(part.clips for part in parts))),
        audio=torch.cat([part.audio for part in parts]),
        unreadable={k: v for part in parts for k, v in part.unreadable.items()},
        silent=list(itertools.chain(*(part.silent for part in parts))),
        crop_rule=parts[0].crop_rule,
    )


def probe_folds(
    experiment: Experiment, clips: Sequence[Clip], listing: Listing | None = None
) -> None:
    """Fits a linear probe on the embeddings of ``init``, each fold held out in turn.

    Arguments
    ---------
    experiment : Experiment
        The run.
    clips : sequence of Clip
        Labelled clips of all folds.
    listing : Listing, optional
        What the data set's list has, where that is known.

    Raises
    ------
    ConfigError
        If there is no ``init``.
    """
    values = experiment.values
    if values["init"] is None:
        raise ConfigError(
            "a probe needs a trained model: give --init CHECKPOINT (a run's folder, an "
            "export, or a public checkpoint)"
        )
    if not if_main_process():
        return
    initial = read_initial(values["init"], values["init_tokenizer"], values["trust"])
    device = experiment.run_opts.device or infer_device()
    embedded = embed_clips(
        initial.clap.to(device),
        clips,
        batch_size=values["valid_batch_size"],
        num_workers=values["num_workers"],
        device=device,
        with_captions=False,
        progress=not experiment.run_opts.noprogressbar,
    )
    labels = tuple(values["labels"])
    targets = torch.tensor([labels.index(clip.label) for clip in embedded.clips])
    folds = torch.tensor([clip.fold for clip in embedded.clips])
    probed = linear_probe(embedded.audio, targets, folds, len(labels))
    origin = _origin(
        values,
        experiment,
        split=f"{len(folds.unique())} folds",
        listing=listing,
        checkpoint=initial.description,
        selection=f"as given; trained on {initial.trained_on}",
        text_tower_origin="not used",
    )
    told = report_folds(
        experiment.folder,
        "linear probe",
        FoldedClasses(labels, targets, probed.predictions, folds),
        embedded,
        origin,
        protocol="logistic regression on the joint embeddings, which are not trained; "
        "its penalty is chosen on the training folds",
    )
    print(f"\n{told}")
