"""Named protocols: the rules that published scores of CLAP models follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from clap_sb.data.manifest import Clip
from clap_sb.evaluation.prompts import Prompts
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT

# without the full stop that ours ends with
_AS_LAION = "This is a sound of {label}"

_ESC = ("ESC-50", "ESC-10")  # the set and its subset


class NotApplicable(ValueError):
    """A protocol scores clips of which the set at hand has none."""


@dataclass(frozen=True)
class Protocol:
    """How a score is measured, so that it can be compared with a published one.

    Ranks are the same in all of them (ties count against the model: the scripts that
    they come from have no rule for these); what is heard, read, counted and averaged
    differs.

    Arguments
    ---------
    name : str
        Name to select it by.
    source : str
        Whose rule it is.
    prompt : str
        Template that labels are put into.
    crop_rule : str
        One of :data:`clap_sb.data.crop_rules.CROP_RULES`.
    class_rule : str
        One of :data:`clap_sb.evaluation.class_rules.CLASS_RULES`.
    most_captions : int, optional
        Captions of a clip that are in the pool, the first ones; all unless given.
    sort_ranks : bool
        Whether audio-to-text mAP@10 sorts the ranks of a clip's captions.
    set_prompts : mapping
        Templates for some data sets, by name.
    underscored_sets : tuple of str
        Data sets whose labels keep their underscores; elsewhere they become spaces.
    set_folds : mapping
        Folds that are scored, for data sets where that is not all of them.
    set_pools : mapping
        Clips in the published pool, where it is known, by data set and split
        (``"AudioCaps test"``), or by data set where there are no splits.

    Example
    -------
    >>> PROTOCOLS["mteb"].prompts("ESC-50").of("sea_waves")
    ('This is a sound of sea_waves',)
    """

    name: str
    source: str
    prompt: str
    crop_rule: str
    class_rule: str = "pooled"
    most_captions: int | None = None
    sort_ranks: bool = True
    set_prompts: Mapping[str, str] = field(default_factory=dict)
    underscored_sets: tuple[str, ...] = ()
    set_folds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    set_pools: Mapping[str, int] = field(default_factory=dict)

    def prompts(self, dataset: str) -> Prompts:
        """How labels become sentences.

        Arguments
        ---------
        dataset : str
            Name of the data set.

        Returns
        -------
        Prompts
        """
        template = self.set_prompts.get(dataset, self.prompt)
        return Prompts((template,), dataset in self.underscored_sets)

    def class_pool(self, clips: Sequence[Clip], dataset: str) -> list[Clip]:
        """The clips that a classification scores.

        Arguments
        ---------
        clips : sequence of Clip
            All clips.
        dataset : str
            Name of the data set.

        Returns
        -------
        list of Clip

        Raises
        ------
        NotApplicable
            If none is in the folds that are scored.
        """
        folds = self.set_folds.get(dataset)
        if folds is None:
            return list(clips)
        kept = [clip for clip in clips if clip.fold in folds]
        if not kept:
            raise NotApplicable(
                f"protocol {self.name!r} scores fold {_listed(folds)} of {dataset}, "
                "and no clip is in it: give all folds, or another protocol"
            )
        return kept

    def caption_pool(self, clips: Sequence[Clip]) -> tuple[list[Clip], int]:
        """The clips and captions of a retrieval.

        A clip without a caption is no query and no answer.

        Arguments
        ---------
        clips : sequence of Clip
            All clips.

        Returns
        -------
        kept : list of Clip
            Those with a caption that is not blank, with the captions that count.
        left_out : int
            How many clips there were besides.

        Raises
        ------
        ValueError
            If no clip has a caption.

        Example
        -------
        >>> clips = [Clip("a", "a.wav", 1.0, ("rain", " ")), Clip("b", "b.wav", 1.0)]
        >>> kept, left_out = PROTOCOLS["official"].caption_pool(clips)
        >>> kept[0].captions, left_out
        (('rain',), 1)
        """
        kept = []
        for clip in clips:
            captions = [text for text in clip.captions if text.strip()]
            if captions:
                counted = tuple(captions[: self.most_captions])
                kept.append(replace(clip, captions=counted))
        if not kept:
            raise ValueError("not one clip has a caption: there is nothing to retrieve")
        return kept, len(clips) - len(kept)

    def notes(self, dataset: str) -> tuple[str, ...]:
        """What a reader of the score must know besides.

        Arguments
        ---------
        dataset : str
            Name of the data set.

        Returns
        -------
        tuple of str
        """
        notes = [f"protocol {self.name}: {self.source}"]
        if dataset in self.set_folds:
            notes.append(f"fold {_listed(self.set_folds[dataset])} alone")
        if not self.sort_ranks:
            notes.append("audio-to-text mAP@10 does not sort ranks: it can exceed 100")
        return tuple(notes)

    def pool_notes(self, num_clips: int, dataset: str, split: str) -> tuple[str, ...]:
        """Whether the pool has another size than the published one.

        Arguments
        ---------
        num_clips : int
            Clips that were scored.
        dataset : str
            Name of the data set.
        split : str
            The split that they are.

        Returns
        -------
        tuple of str
            One note, or none.

        Example
        -------
        >>> [note] = PROTOCOLS["wavcaps"].pool_notes(495, "AudioCaps", "valid")
        >>> note[:48]
        'the published pool has 494 clips, this one 495; '
        """
        of_all = self.set_pools.get(dataset, num_clips)
        published = self.set_pools.get(f"{dataset} {split}", of_all)
        if published == num_clips:
            return ()
        return (
            f"the published pool has {published} clips, this one {num_clips}; in "
            "retrieval a smaller pool gives higher scores",
        )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "official",
            source="clap_sb: whole clips, all captions, all folds",
            prompt=DEFAULT_PROMPT,
            crop_rule="whole",
            set_pools={
                "AudioCaps test": 975,
                "AudioCaps valid": 495,
                "Clotho test": 1045,
                "Clotho valid": 1045,
            },
        ),
        Protocol(
            "laion",
            source="LAION-CLAP, its scripts and README; ESC-50 as in its example",
            prompt=DEFAULT_PROMPT,
            crop_rule="laion",
            class_rule="ranks",
            most_captions=5,
            sort_ranks=False,
            set_prompts={
                **dict.fromkeys(_ESC, _AS_LAION),
                "GTZAN": "This is a {label} song.",
            },
            set_folds=dict.fromkeys(_ESC, (1,)),
        ),
        Protocol(
            "wavcaps",
            source="WavCaps, its retrieval and zero-shot scripts",
            prompt="{label} can be heard",
            crop_rule="wavcaps",
            class_rule="mean of folds",
            most_captions=5,
            set_prompts={"UrbanSound8K": "{label}"},
            set_pools={"AudioCaps test": 957, "AudioCaps valid": 494},
        ),
        Protocol(
            "msclap",
            source="MS-CLAP, the example of its README",
            prompt="this is the sound of {label}",
            crop_rule="msclap",
        ),
        Protocol(
            "mteb",
            source="MTEB, its audio tasks",
            prompt=_AS_LAION,
            crop_rule="mteb",
            underscored_sets=_ESC,
            set_pools={"AudioCaps test": 883, "UrbanSound8K": 2048},
        ),
    )
}


def protocols_named(names: str | Sequence[str]) -> list[Protocol]:
    """Finds protocols.

    Arguments
    ---------
    names : str or sequence of str
        One of :data:`PROTOCOLS`, several of them, or ``all``.

    Returns
    -------
    list of Protocol

    Raises
    ------
    ValueError
        If there is no such protocol.

    Example
    -------
    >>> [protocol.name for protocol in protocols_named("all")]
    ['official', 'laion', 'wavcaps', 'msclap', 'mteb']
    """
    if names == "all":
        return list(PROTOCOLS.values())
    names = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in names if name not in PROTOCOLS]
    if unknown or not names:
        raise ValueError(
            f"protocol is one of {', '.join(PROTOCOLS)}, a list of them, or all, not "
            f"{', '.join(map(repr, unknown)) or 'nothing'}"
        )
    return [PROTOCOLS[name] for name in names]
