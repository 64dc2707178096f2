"""Zero-shot tagging over time: which of some labels sounds when, or none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clap_sb.data.audio_file import AudioError, AudioFile
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT
from clap_sb.inference.audio_input import open_input
from clap_sb.inference.calibration import Calibration, best_threshold
from clap_sb.inference.labels import Labels
from clap_sb.inference.segments import Segment, find_segments
from clap_sb.inference.tag_options import TagOptions
from clap_sb.inference.time_bins import Audible, PieceMeans, bin_edges
from clap_sb.inference.window_embeddings import (
    WindowEmbeddings,
    stream_frames,
    stream_windows,
)

if TYPE_CHECKING:
    from clap_sb.inference.audio_input import AudioInput
    from clap_sb.inference.clap import CLAP
    from clap_sb.inference.windows import Sound

NONE = "none of these"


@dataclass(frozen=True, eq=False)
class Tagging:
    """What sounds when in one file.

    Arguments
    ---------
    labels : tuple of str
        The labels that were asked for.
    edges : torch.Tensor
        Borders of the bins, seconds, ``[bins + 1]``.
    similarity : torch.Tensor
        Mean cosine with each label, ``[bins, labels]``.
    probability : torch.Tensor
        Mean probability of each label, and last of none of them,
        ``[bins, labels + 1]``.
    segments : list of Segment
        When each label sounds, by start.
    """

    labels: tuple[str, ...]
    edges: torch.Tensor
    similarity: torch.Tensor
    probability: torch.Tensor
    segments: list[Segment]

    @property
    def answer(self) -> list[str]:
        """The most likely label of each bin, or that it is none of these."""
        names = (*self.labels, NONE)
        return [names[place] for place in self.probability.argmax(1).tolist()]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON.

        Returns
        -------
        dict
            ``segments``, and ``curves``: ``edges``, and ``probability`` by label.
        """
        columns = zip((*self.labels, NONE), self.probability.T.tolist(), strict=True)
        return {
            "segments": [_as_data(segment) for segment in self.segments],
            "curves": {
                "edges": [round(edge, 4) for edge in self.edges.tolist()],
                "probability": {
                    name: [round(value, 4) for value in column]
                    for name, column in columns
                },
            },
        }


def _as_data(segment: Segment) -> dict[str, Any]:
    """As curves call it: in JSON, what is a probability has that name."""
    fields = dict(vars(segment))
    return {**fields, "probability": fields.pop("score")}


class Tagger:
    """Finds when each of some labels sounds, without any training.

    Each piece of a sound (a window, or a frame) has a cosine with each label. Its
    probability is the softmax over the labels of ``logit_scale * cosine``, times how
    far the cosine is above the label's threshold, ``sigmoid(logit_scale * (cosine -
    threshold))``; what is left is none of these. A bin of the curves is the mean over
    the pieces that cover it, and none of these where it is silent.

    Arguments
    ---------
    clap : CLAP
        The model.
    labels : Labels, sequence of str, or mapping
        Names, or names with one or several sentences each.
    calibration : Calibration, optional
        Thresholds, which hold for one way to listen; a rough guess for all labels
        unless given.
    options : TagOptions, optional
        How to listen; as the calibration has it unless given.
    template : str
        Sentence for a name alone, with ``{label}`` where it goes.

    Raises
    ------
    ValueError
        If the calibration is of another model, of another way to listen, or without
        one of the labels.
    """

    def __init__(
        self,
        clap: CLAP,
        labels: Labels | Sequence[str] | Mapping[str, str | Sequence[str]],
        calibration: Calibration | None = None,
        options: TagOptions | None = None,
        template: str = DEFAULT_PROMPT,
    ):
        self.clap = clap
        self.labels = Labels.of(labels, template)
        if calibration is None:
            calibration = Calibration.uniform(self.labels.names, options)
        self.calibration = calibration
        self.options = options or calibration.options
        calibration.check(clap, self.options)
        self._thresholds = self.calibration.of(self.labels.names)
        self._text = self.labels.embed(clap)

    def tag(self, wav: AudioInput, sample_rate: int | None = None) -> Tagging:
        """Tags one sound, of any length.

        It is heard bit by bit: of a long one, no more than some windows and the curves
        are in memory.

        Arguments
        ---------
        wav : tensor, array, path, open file, or data set's sound
            One clip, ``[time]`` or ``[channels, time]``.
        sample_rate : int, optional
            Its sample rate, Hz; a file knows its own.

        Returns
        -------
        Tagging
        """
        num = len(self.labels.names)
        with open_input(wav, sample_rate, self.clap.sample_rate) as sound:
            edges, audible = self._bins(sound)
            means = PieceMeans(edges, 2 * num + 1)
            for pieces in self._listen(sound):
                similarity = self.clap.similarity(pieces.embedding, self._text)
                probability = self._probability(similarity)
                means.add(torch.cat([similarity, probability], dim=1), pieces)
        similarity, probability = means.result().split([num, num + 1], dim=1)
        probability[~audible.bins] = torch.eye(num + 1)[-1]
        segments = find_segments(
            probability[:, :-1],
            edges,
            self.labels.names,
            self.options.threshold,
            self.options.min_duration,
            self.options.max_gap,
        )
        return Tagging(self.labels.names, edges, similarity, probability, segments)

    def _probability(self, similarity: torch.Tensor) -> torch.Tensor:
        """Of each label, and last of none of them, ``[pieces, labels + 1]``."""
        scale = self.clap.logit_scale
        believed = (scale * (similarity - self._thresholds)).sigmoid()
        among = (scale * similarity).softmax(1) * believed
        return torch.cat([among, 1.0 - among.sum(1, keepdim=True)], dim=1)

    def calibrated(
        self,
        annotated: Mapping[Path, Sequence[Segment]],
        on_error: Callable[[AudioError], object] | None = None,
        on_remarks: Callable[[Path, Sequence[str]], object] | None = None,
    ) -> Tagger:
        """Learns the thresholds from a few recordings.

        A piece has a label if half of it lies within a segment of the label, or half of
        such a segment within it; and has not if no segment reaches into it. What is in
        between is left out, and so are silent pieces, if there are others without it.
        A label's threshold is the one with the highest F1 among the pieces that have
        it, have no label, or are wrongly more similar to it than to any other.

        Arguments
        ---------
        annotated : mapping of path to sequence of Segment
            What sounds when; see
            :func:`~clap_sb.inference.calibration.read_annotations`.
        on_error : callable, optional
            Called with what is wrong with a recording, which is left out then; it is
            raised unless this is given.
        on_remarks : callable, optional
            Called with a recording and what is worth telling about it, if anything is.

        Returns
        -------
        Tagger
            The same, with a calibration.

        Raises
        ------
        ValueError
            If a label is in none of the recordings, or an annotation is none of the
            labels, or not within its recording.
        """
        self._check_annotated(annotated)
        similarity, covered, audible = [], [], []
        for path, segments in annotated.items():
            try:
                with AudioFile(path, self.clap.sample_rate) as sound:
                    seconds = sound.num_samples / self.clap.sample_rate
                    for segment in segments:
                        segment.check_within(seconds, str(path))
                    heard = self._heard(sound, segments)
            except AudioError as error:
                if on_error is None:
                    raise
                on_error(error)
                continue
            for one, of_all in zip(heard, (similarity, covered, audible), strict=True):
                of_all.append(one)
            if sound.remarks and on_remarks is not None:
                on_remarks(path, sound.remarks)
        if not similarity:
            raise ValueError("none of the recordings can be read")
        cosines, share = torch.cat(similarity), torch.cat(covered)
        nearest, unlabelled = cosines.argmax(1), share.sum(1) == 0
        thresholds = {}
        for place, name in enumerate(self.labels.names):
            has = share[:, place] >= 0.5
            if not has.any():
                raise ValueError(f"none of the recordings is annotated with {name!r}")
            wrong = (share[:, place] == 0) & ((nearest == place) | unlabelled)
            heard = wrong & torch.cat(audible)
            taken = has | (heard if heard.any() else wrong)
            thresholds[name] = best_threshold(cosines[taken, place], has[taken])
        calibration = Calibration.of_model(thresholds, self.options, self.clap)
        return Tagger(self.clap, self.labels, calibration)

    def _heard(
        self, sound: Sound, segments: Sequence[Segment]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of each piece: its cosines, how far it has the labels, and whether it sounds.

        ``[pieces, labels]`` twice, and ``[pieces]``.
        """
        _, sounding = self._bins(sound)
        parts = [
            (
                self.clap.similarity(pieces.embedding, self._text),
                self._covered(pieces, segments),
                sounding.seconds(pieces.start, pieces.end) > 0,
            )
            for pieces in self._listen(sound)
        ]
        similarity, covered, audible = map(torch.cat, zip(*parts, strict=True))
        return similarity, covered, audible

    def _check_annotated(self, annotated: Mapping[Path, Sequence[Segment]]) -> None:
        """A label that was mistyped would pass for a sound that is none of them."""
        names = {name.lower(): name for name in self.labels.names}
        for path, segments in annotated.items():
            for label in (segment.label for segment in segments):
                if label not in self.labels.names:
                    near = get_close_matches(label.lower(), names, n=1, cutoff=0.0)
                    raise ValueError(
                        f"{path} is annotated with {label!r}, which is none of the "
                        f"labels; the nearest is {names[near[0]]!r}. Correct it, or "
                        "leave it out: what is not annotated is none of the labels"
                    )

    def _listen(self, sound: Sound) -> Iterator[WindowEmbeddings]:
        options = self.options
        if options.frames:
            return stream_frames(self.clap, sound, options.frames_hop)
        return stream_windows(self.clap, sound, options.window, options.hop)

    def _bins(self, sound: Sound) -> tuple[torch.Tensor, Audible]:
        """Borders of the curves' bins, and which of these are no silence."""
        rate = self.clap.sample_rate
        edges = bin_edges(sound.num_samples / rate, self.options.hop)
        return edges, Audible(sound, rate, edges, self.options.silence_db)

    def _covered(
        self, pieces: WindowEmbeddings, segments: Sequence[Segment]
    ) -> torch.Tensor:
        """How far each piece and a label's segments share time, ``[pieces, labels]``.

        As a share of the piece, or of the segment where that is shorter.
        """
        covered = torch.zeros(len(pieces.start), len(self.labels.names))
        for segment in segments:
            place = self.labels.names.index(segment.label)
            end = pieces.end.clamp(max=segment.end)
            both = (end - pieces.start.clamp(min=segment.start)).clamp(min=0)
            shorter = (pieces.end - pieces.start).clamp(max=segment.end - segment.start)
            covered[:, place] = covered[:, place].maximum((both / shorter).float())
        return covered
