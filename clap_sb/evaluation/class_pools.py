"""A labelled set by each protocol: what it scores is known before all embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.evaluation.by_protocol import Evaluation, compare_protocols
from clap_sb.evaluation.protocols import NotApplicable, Protocol
from clap_sb.evaluation.retrieval_report import Origin


@dataclass(frozen=True)
class ClassPool:
    """The clips that a protocol scores.

    Arguments
    ---------
    protocol : Protocol
        Protocol.
    clips : list of Clip
        Its clips.
    listing : Listing or None
        What the data set's list has of them, where that is known.
    """

    protocol: Protocol
    clips: list[Clip]
    listing: Listing | None


Report = Callable[
    [Evaluation, ClassPool, Origin, Sequence[str]], tuple[str, dict[str, object]]
]


def by_protocols(
    evaluation: Evaluation,
    clips: Sequence[Clip],
    split: str,
    labels: Sequence[str],
    listing: Listing | None,
    report: Report,
) -> str:
    """Scores by each protocol that was asked for, and compares them.

    Arguments
    ---------
    evaluation : Evaluation
        The checkpoint and the settings.
    clips : sequence of Clip
        All clips.
    split : str
        What they are, in words.
    labels : sequence of str
        The classes.
    listing : Listing or None
        What the data set's list has, where that is known.
    report : callable
        Scores a pool, given the evaluation, the pool, where the numbers come from, and
        the classes; gives what to print, and the row of the table.

    Returns
    -------
    str
        What to print.

    Raises
    ------
    NotApplicable
        If no protocol scores any of the clips.
    """
    pools, not_applicable = _class_pools(evaluation, clips, listing)
    told, rows = [], []
    for pool in pools:
        text, row = report(
            evaluation, pool, evaluation.origin(split, pool.listing), labels
        )
        told.append(text)
        rows.append(row)
    if len(evaluation.protocols) > 1:
        origin = evaluation.origin(split)
        told.append(compare_protocols(evaluation, origin, rows, not_applicable))
    return "\n\n".join(told)


def _class_pools(
    evaluation: Evaluation, clips: Sequence[Clip], listing: Listing | None
) -> tuple[list[ClassPool], dict[str, str]]:
    """The pools of the protocols, and why the others have none."""
    dataset = evaluation.values["dataset"]
    pools, not_applicable = [], {}
    for protocol in evaluation.protocols:
        try:
            pool = protocol.class_pool(clips, dataset)
        except NotApplicable as reason:
            not_applicable[protocol.name] = str(reason)
            continue
        folds, listed = protocol.set_folds.get(dataset), listing
        if folds is not None and listing is not None:
            listed = listing.of_folds(folds)
        pools.append(ClassPool(protocol, pool, listed))
    if not pools:
        raise NotApplicable("; ".join(not_applicable.values()))
    return pools, not_applicable
