"""Zero-shot classes by one protocol or several: one label a clip, or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.evaluation.by_protocol import Evaluation, suffix_of
from clap_sb.evaluation.card import ProtocolCard
from clap_sb.evaluation.class_pools import ClassPool, by_protocols
from clap_sb.evaluation.multi_label import MultiLabel, multi_label, relevance
from clap_sb.evaluation.prompts import Prompts, read_descriptions, read_templates
from clap_sb.evaluation.protocols import Protocol
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.evaluation.zero_shot import zero_shot
from clap_sb.evaluation.zero_shot_report import report_zero_shot


def prompts_of(values: Mapping[str, Any], protocol: Protocol) -> Prompts:
    """The sentences that were asked for, or the protocol's.

    Arguments
    ---------
    values : mapping
        Settings: ``dataset``, ``prompt``, ``class_descriptions``.
    protocol : Protocol
        Protocol.

    Returns
    -------
    Prompts

    Raises
    ------
    ValueError
        If both a prompt and descriptions are given.
    """
    usual = protocol.prompts(values["dataset"])
    if values["class_descriptions"] is not None:
        if values["prompt"] is not None:
            raise ValueError(
                "prompt and class_descriptions are both given, and descriptions are "
                "taken as they are: give one of them"
            )
        return Prompts(descriptions=read_descriptions(values["class_descriptions"]))
    if values["prompt"] is None:
        return usual
    return Prompts(read_templates(values["prompt"]), usual.keep_underscores)


def classify(
    evaluation: Evaluation,
    clips: Sequence[Clip],
    split: str = "all folds",
    labels: Sequence[str] | None = None,
    listing: Listing | None = None,
) -> str:
    """Gives each clip the class with the closest sentence, and writes the reports.

    Arguments
    ---------
    evaluation : Evaluation
        The checkpoint and the settings.
    clips : sequence of Clip
        Clips with one label each.
    split : str
        What they are, in words.
    labels : sequence of str, optional
        The classes to choose from; those of the clips unless given.
    listing : Listing, optional
        What the data set's list has, where that is known.

    Returns
    -------
    str
        What to print.
    """
    labels = labels or sorted({clip.label for clip in clips})
    _check_labels(clips, labels)
    return by_protocols(evaluation, clips, split, labels, listing, _report_classes)


def _report_classes(
    evaluation: Evaluation, pool: ClassPool, origin: Origin, labels: Sequence[str]
) -> tuple[str, dict[str, object]]:
    """Scores and reports by one protocol; also its row of the table."""
    protocol = pool.protocol
    prompts = prompts_of(evaluation.values, protocol)
    embedded = evaluation.embed(pool.clips, protocol, with_captions=False)
    folds = [clip.fold for clip in embedded.clips]
    outcome = zero_shot(
        embedded.audio,
        prompts.embed(evaluation.clap, labels),
        torch.tensor([labels.index(clip.label) for clip in embedded.clips]),
        labels,
        None if None in folds else torch.tensor(folds),
    )
    counted, notes = protocol.class_rule, evaluation.notes(protocol, len(folds))
    if counted == "mean of folds" and outcome.folds is None:
        counted = "pooled"
        notes += ("there are no folds: accuracy is over all clips, not their mean",)
    card = origin.card(
        embedded,
        protocol=evaluation.name_of(protocol, "prompt", "class_descriptions"),
        prompt=prompts.text,
        label_text=prompts.label_text,
        notes=notes,
    )
    text, scores, intervals = report_zero_shot(
        evaluation.folder,
        outcome,
        origin,
        card,
        counted,
        suffix_of(protocol),
    )
    return text, _row(card, counted, scores, intervals["accuracy"])


def _row(
    card: ProtocolCard,
    counted: str,
    scores: Mapping[str, object],
    interval: tuple[float, float],
) -> dict[str, object]:
    return {
        "protocol": card.protocol,
        "clips": card.num_clips,
        "prompt": card.prompt,
        "crop_rule": card.crop_rule,
        "counted": counted,
        "accuracy": scores["accuracy"],
        "95 % interval": "{:.2f} to {:.2f}".format(*interval),
    }


def _check_labels(clips: Sequence[Clip], labels: Sequence[str]) -> None:
    unknown = sorted({clip.label for clip in clips} - set(labels))
    if unknown:
        raise ValueError(
            f"{unknown[0]!r} is none of the {len(labels)} classes to choose from, such "
            f"as {labels[0]!r}"
        )


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
    return by_protocols(evaluation, clips, split, labels, listing, _report_labels)


def _report_labels(
    evaluation: Evaluation, pool: ClassPool, origin: Origin, labels: Sequence[str]
) -> tuple[str, dict[str, object]]:
    """Scores and reports by one protocol; also its row of the table."""
    protocol = pool.protocol
    prompts = prompts_of(evaluation.values, protocol)
    embedded = evaluation.embed(pool.clips, protocol, with_captions=False)
    outcome = multi_label(
        embedded.audio,
        prompts.embed(evaluation.clap, labels),
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
        evaluation.folder / "results",
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
