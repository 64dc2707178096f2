"""What fine-tuning has changed: the unchanged checkpoint on the same test clips."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain.utils.distributed import if_main_process, infer_device

from clap_sb.brain import CLAPBrain
from clap_sb.data.manifest import Clip
from clap_sb.evaluation.card import ProtocolCard
from clap_sb.evaluation.embedding import embed_clips
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval import Retrieval, retrieval
from clap_sb.experiment.initial import read_initial
from clap_sb.experiment.run import Experiment
from clap_sb.training.best_metric import BEST_METRICS


def _score_initial(experiment: Experiment, clips: Sequence[Clip]) -> Retrieval | None:
    """Scores the checkpoint that a run starts from, as it is, on the main process."""
    values = experiment.values
    if values["init"] is None or not if_main_process():
        return None
    device = experiment.run_opts.device or infer_device()
    embedded = embed_clips(
        read_initial(values["init"], values["init_tokenizer"], values["trust"]).clap.to(
            device
        ),
        clips,
        batch_size=values["valid_batch_size"],
        num_workers=values["num_workers"],
        device=device,
    )
    return retrieval(embedded.audio, embedded.text, embedded.caption_clip)


def report_gain(
    experiment: Experiment, brain: CLAPBrain, clips: Sequence[Clip]
) -> None:
    """Writes and prints the test scores of the unchanged and the fine-tuned model.

    Without a checkpoint to start from there is nothing to compare with, and nothing is
    done.

    Arguments
    ---------
    experiment : Experiment
        The run.
    brain : CLAPBrain
        After the test.
    clips : sequence of Clip
        Test clips.
    """
    values = experiment.values
    before = _score_initial(experiment, clips)
    if before is None:
        return
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
