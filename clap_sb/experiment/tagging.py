"""Zero-shot tagging of clips with several labels each, with all that is reported."""

from __future__ import annotations

from collections.abc import Sequence

from clap_sb.data.manifest import Clip
from clap_sb.evaluation.multi_label import MultiLabel, multi_label
from clap_sb.evaluation.protocols import Protocol
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.experiment.classification import prompts_of
from clap_sb.experiment.evaluation import Evaluation, compare_protocols, suffix_of


def tag(
    evaluation: Evaluation, clips: Sequence[Clip], split: str, labels: Sequence[str]
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

    Returns
    -------
    str
        What to print.
    """
    origin = evaluation.origin(split)
    told, rows = [], []
    for protocol in evaluation.protocols:
        text, row = _by_protocol(evaluation, protocol, clips, origin, labels)
        told.append(text)
        rows.append(row)
    if len(rows) > 1:
        told.append(compare_protocols(evaluation, origin, rows))
    return "\n\n".join(told)


def _by_protocol(
    evaluation: Evaluation,
    protocol: Protocol,
    clips: Sequence[Clip],
    origin: Origin,
    labels: Sequence[str],
) -> tuple[str, dict[str, object]]:
    """Scores and reports by one protocol; also its row of the table."""
    prompts = prompts_of(evaluation.values, protocol)
    embedded = evaluation.embed(clips, protocol, with_captions=False)
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
            *protocol.notes(len(embedded.clips), evaluation.values["dataset"]),
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
