"""Tests of a trained model and of a checkpoint: what they begin and end with."""

from __future__ import annotations

from pathlib import Path

from speechbrain.utils.distributed import if_main_process, infer_device

from clap_sb.brain import CLAPBrain
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.run_export import EXPORT_FOLDER, tell_scores
from clap_sb.checkpoints.run_folder import selection_of
from clap_sb.data.csv_rows import read_rows
from clap_sb.data.listing import Listing
from clap_sb.evaluation.attribute_pairs import attribute_pairs, prefers_right
from clap_sb.evaluation.bootstrap import bootstrap_interval
from clap_sb.evaluation.by_protocol import Evaluation
from clap_sb.evaluation.card import ProtocolCard
from clap_sb.evaluation.embedding import Embedded, embed_captions, embed_clips
from clap_sb.evaluation.plots import plot_training_curves
from clap_sb.evaluation.protocols import PROTOCOLS
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval import retrieval
from clap_sb.evaluation.retrieval_report import (
    AttributeScores,
    Origin,
    report_retrieval,
)
from clap_sb.experiment.run import Experiment
from clap_sb.experiment.training_run import TrainingRun
from clap_sb.training.epochs import BEST_METRICS


def report_test(
    experiment: Experiment,
    brain: CLAPBrain,
    pairs_file: Path | None = None,
    listing: Listing | None = None,
    notes: tuple[str, ...] = (),
) -> None:
    """Writes and prints the report of a test by retrieval.

    Arguments
    ---------
    experiment : Experiment
        The run.
    brain : CLAPBrain
        After ``evaluate``.
    pairs_file : Path, optional
        Attribute pairs of the built-in set; absent elsewhere.
    listing : Listing, optional
        What the data set's list has of the split, where that is known.
    notes : tuple of str
        What a reader of the scores must know besides.
    """
    if not if_main_process():
        return
    hparams = vars(brain.hparams)
    metric = hparams["best_metric"]
    meta = brain.best_checkpoint.meta
    origin = Origin(
        system=hparams["system"],
        dataset=experiment.dataset_name,
        split="test",
        checkpoint=brain.best_checkpoint.path.name,
        selection=f"{selection_of(metric, meta)}; trained on {hparams['trained_on']}",
        text_tower_origin=hparams["text_tower_origin"],
        seed=hparams["seed"],
        num_resamples=hparams["num_resamples"],
        listing=listing,
    )
    official, num_clips = PROTOCOLS["official"], len(brain.embedded.clips)
    notes += official.pool_notes(num_clips, experiment.dataset_name, origin.split)
    attributes = None
    if pairs_file is not None and pairs_file.is_file():
        attributes = score_attributes(brain, brain.embedded, pairs_file)
    summary, path = report_retrieval(
        experiment.folder,
        brain.embedded,
        brain.retrieval,
        origin,
        attributes,
        notes=notes,
    )
    tell_scores(experiment.folder)
    if hparams["history"].rows:
        plot_training_curves(
            hparams["history"].rows,
            experiment.folder / "training_curves.png",
            f"{origin.system} on {origin.dataset}",
            meta["epoch"],
        )
    plots = sorted(experiment.folder.glob("*.png"))
    told = [
        f"  report        {path} (and .json)",
        f"  plots         {', '.join(map(str, plots))}",
    ]
    print("\n".join(["", summary, *told, *where_kept(experiment, brain)]))


def where_kept(experiment: Experiment, brain: CLAPBrain) -> list[str]:
    """Where the model is; with ``--debug`` it is nowhere.

    Arguments
    ---------
    experiment : Experiment
        The run.
    brain : CLAPBrain
        Its brain.

    Returns
    -------
    list of str
        Lines for the terminal.
    """
    folder = experiment.folder
    if brain.debug and not brain.debug_persistently:
        return [f"  model         not kept (--debug): {folder} can be deleted"]
    return [
        f"  checkpoints   {folder / 'save'}",
        f"  export        {folder / EXPORT_FOLDER}  (CLAP.from_hparams)",
        f"  use it        --checkpoint {folder}",
    ]


def score_attributes(
    brain: CLAPBrain, embedded: Embedded, pairs_file: Path
) -> AttributeScores:
    """Scores captions against the same captions with one attribute wrong.

    Arguments
    ---------
    brain : CLAPBrain
        With the model.
    embedded : Embedded
        The test clips.
    pairs_file : Path
        CSV with ``youtube_id,caption,foil,attribute``.

    Returns
    -------
    AttributeScores
        Of the pairs whose clip could be read.
    """
    rows = read_rows(pairs_file, ("youtube_id", "caption", "foil", "attribute"))
    place = {Path(clip.path).stem: i for i, clip in enumerate(embedded.clips)}
    rows = [row for row in rows if row["youtube_id"] in place]
    if not rows:
        return AttributeScores()
    audio = embedded.audio[[place[row["youtube_id"]] for row in rows]]
    right = embed_captions(brain.clap, [row["caption"] for row in rows])
    foil = embed_captions(brain.clap, [row["foil"] for row in rows])
    scores = attribute_pairs(audio, right, foil, [row["attribute"] for row in rows])
    preferred = prefers_right(audio, right, foil).double()
    low, high = bootstrap_interval(
        preferred,
        preferred.new_ones(len(preferred)),
        brain.hparams.seed,
        brain.hparams.num_resamples,
    )
    return AttributeScores(scores, {"attribute_accuracy": (100 * low, 100 * high)})


def report_gain(run: TrainingRun, brain: CLAPBrain) -> None:
    """Writes and prints the test scores of the unchanged and the fine-tuned model.

    Without a checkpoint to start from there is nothing to compare with, and nothing is
    done.

    Arguments
    ---------
    run : TrainingRun
        The run, with what it started from.
    brain : CLAPBrain
        After the test.
    """
    if run.initial is None or not if_main_process():
        return
    experiment, values = run.experiment, run.experiment.values
    embedded = embed_clips(
        run.initial.clap.to(brain.device),
        run.splits["test"],
        batch_size=values["valid_batch_size"],
        num_workers=values["num_workers"],
        device=brain.device,
    )
    before = retrieval(embedded.audio, embedded.text, embedded.caption_clip)
    old, new = before.scores(), brain.retrieval.scores()
    rows = [
        {
            "score": name,
            "unchanged": old[name],
            "fine_tuned": new[name],
            "gain": new[name] - old[name],
        }
        for name in BEST_METRICS
    ]
    title = f"{values['system']} on {experiment.dataset_name}: fine-tuning"
    scores = {
        f"{row['score']}_{column}": row[column]
        for row in rows
        for column in ("unchanged", "fine_tuned")
    }
    card = ProtocolCard(
        dataset=experiment.dataset_name,
        split="test",
        num_clips=len(brain.embedded.clips),
        crop_rule=brain.embedded.crop_rule,
        checkpoint=str(values["init"]),
        selection="the checkpoint that training started from, and what became of it",
        seed=values["seed"],
        num_captions=len(brain.embedded.captions),
    )
    _, path = write_results(
        experiment.folder / "results", "fine_tuning", title, scores, {}, card
    )
    print(f"\n{'':<18}{'unchanged':>10}{'fine-tuned':>12}{'gain':>8}")
    for row in rows:
        numbers = f"{row['unchanged']:>10.2f}{row['fine_tuned']:>12.2f}"
        print(f"{row['score']:<18}{numbers}{row['gain']:>+8.2f}")
    print(f"  report        {path} (and .json)")


def open_evaluation(experiment: Experiment) -> Evaluation:
    """Loads the checkpoint that was asked for.

    Arguments
    ---------
    experiment : Experiment
        The script's run.

    Returns
    -------
    Evaluation

    Raises
    ------
    CheckpointError
        If none was asked for, it cannot be loaded, or it is of a training run of
        another system than the command names.
    """
    values = experiment.values
    if values["checkpoint"] is None:
        raise CheckpointError(
            "there is nothing to evaluate: give --checkpoint, the output folder of a "
            "recipe's train.py, one checkpoint of it, an export, or a public file"
        )
    device = experiment.run_opts.device or infer_device()
    model = open_checkpoint(
        values["checkpoint"], values["tokenizer"], device, values["trust"]
    )
    if model.run is not None and model.system != values["system"]:
        raise CheckpointError(
            f"{values['checkpoint']} is a {model.system!r} model, the command names "
            f"{values['system']!r}: run it with hparams/{model.system}.yaml"
        )
    about = Origin(
        system=model.system,
        dataset=experiment.dataset_name,
        split="",
        checkpoint=model.place,
        selection=f"{model.selection}; trained on {model.trained_on}",
        text_tower_origin=model.text_tower_origin,
        seed=values["seed"],
        num_resamples=values["num_resamples"],
    )
    return Evaluation(model.clap, about, values, experiment.folder, device)
