"""A checkpoint that is evaluated by one published protocol or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clap_sb.data.crop_rules import crop_rule
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import Clip
from clap_sb.evaluation.card import ProtocolCard, markdown_table
from clap_sb.evaluation.embedded_once import EmbeddedOnce
from clap_sb.evaluation.embedding import Embedded, embed_clips
from clap_sb.evaluation.protocols import Protocol, protocols_named
from clap_sb.evaluation.report import write_results
from clap_sb.evaluation.retrieval_report import Origin
from clap_sb.model import CLAP


@dataclass(frozen=True)
class Evaluation:
    """A checkpoint that is being evaluated.

    Arguments
    ---------
    clap : CLAP
        The model, on its device.
    about : Origin
        What is known of it and of the data; of no split yet.
    values : mapping
        Settings: ``dataset``, ``protocol``, ``crop_rule``, ``valid_batch_size``,
        ``num_workers``, and those of the kind of test.
    folder : Path
        Where results go.
    device : str
        Where the model is.
    once : EmbeddedOnce
        What was embedded already.
    """

    clap: CLAP
    about: Origin
    values: Mapping[str, Any]
    folder: Path
    device: str
    once: EmbeddedOnce = field(default_factory=EmbeddedOnce)

    def of_dataset(self, name: str) -> Evaluation:
        """The same, of data under the name of what they turned out to be.

        Arguments
        ---------
        name : str
            The name.

        Returns
        -------
        Evaluation
        """
        about = replace(self.about, dataset=name)
        return replace(self, about=about, values={**self.values, "dataset": name})

    @property
    def protocols(self) -> list[Protocol]:
        """Those that were asked for."""
        return protocols_named(self.values["protocol"])

    def origin(self, split: str, listing: Listing | None = None) -> Origin:
        """Where the numbers come from.

        Arguments
        ---------
        split : str
            What was scored.
        listing : Listing, optional
            What the data set's list has, where that is known.

        Returns
        -------
        Origin
        """
        return replace(self.about, split=split, listing=listing)

    def notes(
        self, protocol: Protocol, num_clips: int, split: str = ""
    ) -> tuple[str, ...]:
        """What a reader of a score by a protocol must know besides.

        Arguments
        ---------
        protocol : Protocol
            Protocol.
        num_clips : int
            Clips that were scored.
        split : str
            The split that they are, where there are splits.

        Returns
        -------
        tuple of str
        """
        # a published pool is that of the real set, never of the built-in one
        pool = protocol.pool_notes(num_clips, self.about.dataset, split)
        return protocol.notes(self.values["dataset"]) + pool

    def embed(
        self, clips: Sequence[Clip], protocol: Protocol, with_captions: bool
    ) -> Embedded:
        """Embeds clips by the crop rule that was asked for, or the protocol's.

        What was embedded by the same rule before is not embedded again.

        Arguments
        ---------
        clips : sequence of Clip
            Clips.
        protocol : Protocol
            Protocol.
        with_captions : bool
            Whether captions are embedded too.

        Returns
        -------
        Embedded
        """
        name = self.values["crop_rule"] or protocol.crop_rule
        rule = f"{name}, with captions" if with_captions else name
        known = self.once.find(clips, rule)
        if known is not None:
            return known
        embedded = embed_clips(
            self.clap,
            clips,
            batch_size=self.values["valid_batch_size"],
            num_workers=self.values["num_workers"],
            device=self.device,
            with_captions=with_captions,
            progress=True,
            crop_rule=crop_rule(name),
        )
        self.once.keep(clips, rule, embedded)
        return embedded

    def name_of(self, protocol: Protocol, *changed: str) -> str:
        """The protocol's name for the card, with what differs from it.

        Arguments
        ---------
        protocol : Protocol
            Protocol.
        *changed : str
            Settings that replace rules of the protocol where they are given.

        Returns
        -------
        str
        """
        names = [name for name in ("crop_rule", *changed) if self.values[name]]
        other = " and ".join(name.replace("_", " ") for name in names)
        return f"{protocol.name}, but for {other}" if names else protocol.name


def suffix_of(protocol: Protocol) -> str:
    """What the names of a protocol's files end with: nothing for the default.

    Arguments
    ---------
    protocol : Protocol
        Protocol.

    Returns
    -------
    str

    Example
    -------
    >>> [suffix_of(protocol) for protocol in protocols_named(["official", "laion"])]
    ['', '_laion']
    """
    return "" if protocol.name == "official" else f"_{protocol.name}"


def compare_protocols(
    evaluation: Evaluation,
    origin: Origin,
    rows: Sequence[Mapping[str, object]],
    not_applicable: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Writes ``results/protocols.{json,md}``, the table of all that were asked for.

    Arguments
    ---------
    evaluation : Evaluation
        The checkpoint.
    origin : Origin
        Where the numbers come from.
    rows : sequence of mapping
        A row for each protocol, with ``protocol``, ``clips`` and scores.
    not_applicable : mapping of str to str
        The protocols that score nothing of the set, and why; they have rows, too.

    Returns
    -------
    str
        The table, for the terminal.
    """
    card = ProtocolCard(
        dataset=origin.dataset,
        split=origin.split,
        num_clips=max(row["clips"] for row in rows),
        crop_rule="by protocol",
        checkpoint=origin.checkpoint,
        selection=origin.selection,
        seed=origin.seed,
        protocol=", ".join(str(row["protocol"]) for row in rows),
        text_tower_origin=origin.text_tower_origin,
        notes=("each protocol has a result file, and a card, of its own",),
    )
    table = [dict(row) for row in rows]
    if not_applicable:
        table = [{**row, "not_applicable": None} for row in table]
        table += [
            {**dict.fromkeys(table[0]), "protocol": name, "not_applicable": reason}
            for name, reason in not_applicable.items()
        ]
    title = f"{origin.system} on {origin.dataset}, {origin.split}: protocols"
    _, path = write_results(
        evaluation.folder / "results",
        "protocols",
        title,
        {"num_protocols": len(rows)},
        {},
        card,
        {"Protocols": table},
    )
    return f"{title}\n{markdown_table(table)}\n  report           {path} (and .json)"
