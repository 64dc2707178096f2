"""Writes everything that a zero-shot test leaves behind, and tells it in short."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from clap_sb.evaluation.card import ProtocolCard
from clap_sb.evaluation.class_rules import class_intervals, class_scores
from clap_sb.evaluation.plots import plot_confusion
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.evaluation.zero_shot import ZeroShot


def report_zero_shot(
    folder: str | Path,
    outcome: ZeroShot,
    origin: Origin,
    card: ProtocolCard,
    rule: str = "pooled",
    suffix: str = "",
) -> tuple[str, dict[str, object], dict[str, tuple[float, float]]]:
    """Writes ``results/zero_shot.{json,md}`` and the confusion matrix.

    Arguments
    ---------
    folder : str or Path
        The output folder.
    outcome : ZeroShot
        The classes given.
    origin : Origin
        Where the numbers come from.
    card : ProtocolCard
        What they mean.
    rule : str
        What counts, one of :data:`clap_sb.evaluation.class_rules.CLASS_RULES`.
    suffix : str
        What the files' names end with.

    Returns
    -------
    summary : str
        Some lines for the terminal.
    scores : dict
        The scores.
    intervals : dict
        Their intervals.
    """
    folder = Path(folder)
    title = f"{origin.system} on {origin.dataset}, {origin.split}: zero-shot"
    scores = {**class_scores(outcome, rule), "prompt": card.prompt}
    intervals = class_intervals(outcome, rule, origin.seed, origin.num_resamples)
    tables = {"Classes": outcome.per_class()}
    _, path = write_results(
        folder / "results",
        f"zero_shot{suffix}",
        title,
        scores,
        intervals,
        card,
        tables,
    )
    confusion = folder / f"confusion{suffix}.png"
    plot_confusion(outcome.confusion, outcome.labels, confusion, title)
    lines = _summary(title, scores, intervals, card)
    lines.append(f"  report           {path} (and .json)")
    lines.append(f"  confusion matrix {confusion}")
    return "\n".join(lines), scores, intervals


def _summary(
    title: str,
    scores: Mapping[str, object],
    intervals: Mapping[str, tuple[float, float]],
    card: ProtocolCard,
) -> list[str]:
    lines = [
        title,
        f"  protocol {card.protocol}; {scores['num_clips']} clips, "
        f"{scores['num_classes']} classes; "
        f"chance {100 / scores['num_classes']:.1f} %; prompt {card.prompt!r}",
    ]
    for name, (low, high) in intervals.items():
        lines.append(f"  {name:<16} {scores[name]:6.2f} %   [{low:.2f}, {high:.2f}]")
    for fold, accuracy in scores.get("fold_accuracies", {}).items():
        lines.append(f"  fold {fold:<11} {accuracy:6.2f} %")
    if "fold_std" in scores:
        mean, std = scores["fold_mean"], scores["fold_std"]
        lines.append(f"  mean of folds    {mean:6.2f} %   deviation {std:.2f}")
    return lines
