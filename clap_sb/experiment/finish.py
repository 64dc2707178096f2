"""The end of a training recipe: test the best checkpoint, and tell what came out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from speechbrain.utils.distributed import if_main_process

from clap_sb.brain import CLAPBrain
from clap_sb.checkpoints.run_export import EXPORT_FOLDER
from clap_sb.checkpoints.run_folder import selection_of
from clap_sb.data.csv_rows import read_rows
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WholeClipDataset
from clap_sb.evaluation.attribute_pairs import attribute_pairs, prefers_right
from clap_sb.evaluation.bootstrap import bootstrap_interval
from clap_sb.evaluation.embedding import Embedded, embed_captions
from clap_sb.evaluation.plots import plot_training_curves
from clap_sb.evaluation.protocols import PROTOCOLS
from clap_sb.evaluation.retrieval_report import (
    AttributeScores,
    Origin,
    report_retrieval,
)
from clap_sb.experiment.run import Experiment, whole_clip_loader


def finish_by_retrieval(
    experiment: Experiment,
    brain: CLAPBrain,
    clips: Sequence[Clip],
    pairs_file: Path | None = None,
    listing: Listing | None = None,
    notes: tuple[str, ...] = (),
) -> None:
    """Tests the best checkpoint by retrieval, and writes and prints the report.

    Arguments
    ---------
    experiment : Experiment
        The run.
    brain : CLAPBrain
        After training, or fresh with ``--test_only``.
    clips : sequence of Clip
        Test clips.
    pairs_file : Path, optional
        Attribute pairs of the built-in set; absent elsewhere.
    listing : Listing, optional
        What the data set's list has of the split, where that is known.
    notes : tuple of str
        What a reader of the scores must know besides.
    """
    hparams = vars(brain.hparams)
    metric = hparams["best_metric"]
    brain.evaluate(
        WholeClipDataset(clips, brain.clap.sample_rate),
        max_key=metric,
        test_loader_kwargs=whole_clip_loader(hparams),
    )
    if not if_main_process():
        return
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
    if hparams["history"].rows:
        plot_training_curves(
            hparams["history"].rows,
            experiment.folder / "training_curves.png",
            f"{origin.system} on {origin.dataset}",
        )
    print(f"\n{summary}\n{_where(experiment, path)}")


def _where(experiment: Experiment, report: Path) -> str:
    folder = experiment.folder
    return "\n".join(
        [
            f"  report        {report} (and .json)",
            f"  plots         {folder / 'training_curves.png'}, "
            f"{folder / 'similarity.png'}",
            f"  checkpoints   {folder / 'save'}",
            f"  export        {folder / EXPORT_FOLDER}  (CLAP.from_hparams)",
            f"  use it        --checkpoint {folder}",
        ]
    )


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
