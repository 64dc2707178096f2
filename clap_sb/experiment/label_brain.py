"""Training on labels: the captions are prompts, and validation classifies by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from speechbrain.utils.distributed import if_main_process, infer_device

from clap_sb.brain import CLAPBrain
from clap_sb.checkpoints.run_export import tell_scores
from clap_sb.checkpoints.run_folder import selection_of
from clap_sb.config import ConfigError
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.evaluation.embedding import embed_captions, embed_clips
from clap_sb.evaluation.folds_report import (
    LABEL_TEXT,
    FoldedClasses,
    HeldOutFold,
    report_folds,
)
from clap_sb.evaluation.linear_probe import linear_probe
from clap_sb.evaluation.plots import plot_training_curves
from clap_sb.evaluation.prompts import read_descriptions
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.evaluation.zero_shot import ZeroShot, prompt, zero_shot
from clap_sb.evaluation.zero_shot_report import report_zero_shot
from clap_sb.experiment.initial import read_initial
from clap_sb.experiment.run import Experiment, tell
from clap_sb.experiment.testing import where_kept
from clap_sb.training.epochs import LAST


class LabelBrain(CLAPBrain):
    """Trains a CLAP on labelled clips; validates and tests it by prompt.

    There is no class head: a clip's captions are prompts of its label
    (:func:`captioned`), clips of one class are no negatives of each other
    (:class:`~clap_sb.data.pairs.Pair`), and a clip is given the class whose prompt is
    most similar. The model stays one that takes any words.

    It takes from ``hparams``, besides what :class:`~clap_sb.brain.CLAPBrain` does,
    ``labels`` (all classes) and ``prompt`` (the template to classify with).
    ``best_metric`` is ``accuracy``, or ``epoch`` to keep the last one.

    Arguments
    ---------
    *args, **kwargs
        As ``CLAPBrain``.
    """

    best_metrics = ("accuracy", LAST)

    def score(self) -> dict[str, float]:
        """Classifies the clips of the stage that has ended.

        Returns
        -------
        dict
            ``accuracy`` and ``top_5_accuracy``, in percent; the outcome itself is in
            ``outcome``.
        """
        labels = list(self.hparams.labels)
        prompts = [prompt(label, self.hparams.prompt) for label in labels]
        targets = [labels.index(clip.label) for clip in self.embedded.clips]
        self.outcome: ZeroShot = zero_shot(
            self.embedded.audio,
            embed_captions(self.embedding_model, prompts),
            torch.tensor(targets),
            labels,
            torch.tensor([clip.fold for clip in self.embedded.clips]),
        )
        scores = self.outcome.scores()
        return {name: scores[name] for name in ("accuracy", "top_5_accuracy")}


def captioned(
    clips: Sequence[Clip],
    templates: Sequence[str],
    descriptions: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Clip]:
    """Gives labelled clips the prompts and the descriptions of their label as captions.

    Arguments
    ---------
    clips : sequence of Clip
        Each with a label.
    templates : sequence of str
        Each with ``{label}`` where the label goes.
    descriptions : mapping
        Sentences by label, taken as they are; of some labels, of all, or of none.

    Returns
    -------
    list of Clip
        With one caption a template and description.

    Raises
    ------
    ValueError
        If a template has no ``{label}``, or there is none.

    Example
    -------
    >>> clip = Clip("a", "/audio/a.wav", 5.0, label="sea_waves")
    >>> captioned([clip], ["The sound of {label}.", "{label}"])[0].captions
    ('The sound of sea waves.', 'sea waves')
    """
    if not templates:
        raise ValueError("there is no template to make captions of labels with")
    return [
        replace(
            clip,
            captions=(
                *(prompt(clip.label, text) for text in templates),
                *descriptions.get(clip.label, ()),
            ),
        )
        for clip in clips
    ]


def descriptions_of(experiment: Experiment, folder: Path) -> dict[str, tuple[str, ...]]:
    """What the file of the setting ``descriptions`` says of the labels.

    Arguments
    ---------
    experiment : Experiment
        The run, with its ``labels``.
    folder : Path
        Where the file lies, if it does not here.

    Returns
    -------
    dict
        Sentences by label, of those that are described.

    Raises
    ------
    ConfigError
        If the file cannot be used, or one that was asked for describes no label.
    """
    file, labels = experiment.values["descriptions"], experiment.values["labels"]
    if file is None:
        return {}
    path = Path(file) if Path(file).is_file() else folder / file
    try:
        described = read_descriptions(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"descriptions: {error}") from error
    known = {label: described[label] for label in labels if label in described}
    if not known and "descriptions" in experiment.config.given:
        raise ConfigError(
            f"{path} describes {', '.join(list(described)[:5])}, ..., and none of the "
            f"set's labels: {', '.join(labels[:5])}, ..."
        )
    tell(f"  {len(known)} of {len(labels)} labels are described, in {path.name}")
    return known


def report_fold(
    experiment: Experiment, brain: LabelBrain, listing: Listing | None = None
) -> HeldOutFold:
    """Writes and prints the report of a fold that was held out.

    Arguments
    ---------
    experiment : Experiment
        The fold's run.
    brain : LabelBrain
        After ``evaluate``.
    listing : Listing, optional
        What the data set's list has, where that is known.

    Returns
    -------
    HeldOutFold
    """
    hparams = vars(brain.hparams)
    metric = hparams["best_metric"]
    fold = experiment.values["fold"]
    selection = selection_of(metric, brain.best_checkpoint.meta)
    origin = _origin(
        hparams,
        experiment,
        split=f"fold {fold}",
        listing=listing and listing.of_folds([fold]),
        checkpoint=brain.best_checkpoint.path.name,
        selection=f"{selection}; trained on {hparams['trained_on']}, other folds",
        text_tower_origin=hparams["text_tower_origin"],
    )
    if if_main_process():
        card = origin.card(
            brain.embedded, prompt=hparams["prompt"], label_text=LABEL_TEXT
        )
        told, *_ = report_zero_shot(experiment.folder, brain.outcome, origin, card)
        tell_scores(experiment.folder)
        if hparams["history"].rows:
            plot_training_curves(
                hparams["history"].rows,
                experiment.folder / "training_curves.png",
                f"{origin.system} on {origin.dataset}, {origin.split} held out",
                brain.best_checkpoint.meta["epoch"],
            )
        print("\n".join(["", told, *where_kept(experiment, brain), ""]))
    return HeldOutFold(brain.embedded, brain.outcome, origin)


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


def _origin(values: Mapping[str, Any], experiment: Experiment, **told: Any) -> Origin:
    return Origin(
        system=values["system"],
        dataset=experiment.dataset_name,
        seed=values["seed"],
        num_resamples=values["num_resamples"],
        **told,
    )
