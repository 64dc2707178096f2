"""Zero-shot tagging of clips with several labels each, with all that is reported."""

from __future__ import annotations

from collections.abc import Sequence

from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.evaluation.multi_label import MultiLabel, multi_label, relevance
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.experiment.class_pools import ClassPool, by_protocols
from clap_sb.experiment.classification import prompts_of
from clap_sb.experiment.evaluation import Evaluation, suffix_of


def tag(
    evaluation: Evaluation,
    clips: Sequence[Clip],
    split: str,
    labels: Sequence[str],
    listing: Listing | None = None,
) -> str:
    """Ranks the clips by each class, and writes the reports.

    Arguments
    ---------
    evaluation : Evaluation
        The checkpoint and the settings.
    clips : sequence of Clip
        Clips; their labels are their ``keywords``.
    split : str
        What they are, in words.
    labels : sequence of str
        The classes.
    listing : Listing, optional
        What the data set's list has, where that is known.

    Returns
    -------
    str
        What to print.

    Raises
    ------
    ValueError
        If a label is no class, or not one class can be scored.
    """
    relevance([clip.keywords for clip in clips], labels)  # before all embedding
    return by_protocols(evaluation, clips, split, labels, listing, _by_protocol)


def _by_protocol(
    evaluation: Evaluation, pool: ClassPool, origin: Origin, labels: Sequence[str]
) -> tuple[str, dict[str, object]]:
    """Scores and reports by one protocol; also its row of the table."""
    protocol = pool.protocol
    prompts = prompts_of(evaluation.values, protocol)
    embedded = evaluation.embed(pool.clips, protocol, with_captions=False)
    outcome = multi_label(
        embedded.audio,
        prompts.embed(evaluation.model.clap, labels),
        [clip.keywords for clip in embedded.clips],
        labels,
    )
    card = origin.card(
        embedded,
        protocol=evaluation.name_of(protocol, "prompt", "class_descriptions"),
        prompt=prompts.text,
        label_text=prompts.label_text,
        notes=(
            *evaluation.notes(protocol, len(embedded.clips)),
            "each class ranks the clips by their cosines; means over the classes",
        ),
    )
    title = f"{origin.system} on {origin.dataset}, {origin.split}: zero-shot tagging"
    scores = outcome.scores()
    intervals = outcome.intervals(origin.seed, origin.num_resamples)
    _, path = write_results(
        evaluation.experiment.folder / "results",
        f"tagging{suffix_of(protocol)}",
        title,
        scores,
        intervals,
        card,
        {"Classes": outcome.per_class()},
    )
    lines = [
        title,
        f"  protocol {card.protocol}; {scores['num_clips']} clips, "
        f"{scores['num_scored_classes']} of {scores['num_classes']} classes scored; "
        f"chance mAP {_chance(outcome):.1f} %; prompt {card.prompt!r}",
    ]
    for name, (low, high) in intervals.items():
        lines.append(f"  {name:<16} {scores[name]:6.2f} %   [{low:.2f}, {high:.2f}]")
    lines.append(f"  report           {path} (and .json)")
    row = {
        "protocol": card.protocol,
        "clips": card.num_clips,
        "prompt": card.prompt,
        "crop_rule": card.crop_rule,
        "map": scores["map"],
        "roc_auc": scores["roc_auc"],
    }
    return "\n".join(lines), row


def _chance(outcome: MultiLabel) -> float:
    """The mAP of one answer to everything: the mean share of clips with a label."""
    share = outcome.relevant.double().mean(0)
    return 100 * share[(share > 0) & (share < 1)].mean().item()
