"""Training on labels: the captions are prompts, and validation classifies by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import torch

from clap_sb.brain import CLAPBrain
from clap_sb.data.manifest import Clip
from clap_sb.evaluation.embedding import embed_captions
from clap_sb.evaluation.zero_shot import ZeroShot, prompt, zero_shot
from clap_sb.training.best_metric import LAST


class LabelBrain(CLAPBrain):
    """Trains a CLAP on labelled clips; validates and tests it by prompt.

    There is no class head: a clip's captions are prompts of its label
    (:func:`captioned`), clips of one class are no negatives of each other
    (:class:`~clap_sb.data.pairs.Pair`), and a clip is given the class whose prompt is
    most similar. The model stays one that takes any words.

    It takes from ``hparams``, besides what :class:`~clap_sb.brain.CLAPBrain` does,
    ``labels`` (all classes) and ``prompt`` (the template to classify with).
    ``best_metric`` is ``accuracy``, or ``epoch`` to keep the last one.

    Arguments
    ---------
    *args, **kwargs
        As ``CLAPBrain``.
    """

    best_metrics = ("accuracy", LAST)

    def score(self) -> dict[str, float]:
        """Classifies the clips of the stage that has ended.

        Returns
        -------
        dict
            ``accuracy`` and ``top_5_accuracy``, in percent; the outcome itself is in
            ``outcome``.
        """
        labels = list(self.hparams.labels)
        prompts = [prompt(label, self.hparams.prompt) for label in labels]
        targets = [labels.index(clip.label) for clip in self.embedded.clips]
        self.outcome: ZeroShot = zero_shot(
            self.embedded.audio,
            embed_captions(self.clap, prompts),
            torch.tensor(targets),
            labels,
            torch.tensor([clip.fold for clip in self.embedded.clips]),
        )
        scores = self.outcome.scores()
        return {name: scores[name] for name in ("accuracy", "top_5_accuracy")}


def captioned(
    clips: Sequence[Clip],
    templates: Sequence[str],
    descriptions: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> list[Clip]:
    """Gives labelled clips the prompts and the descriptions of their label as captions.

    Arguments
    ---------
    clips : sequence of Clip
        Each with a label.
    templates : sequence of str
        Each with ``{label}`` where the label goes.
    descriptions : mapping
        Sentences by label, taken as they are; of some labels, of all, or of none.

    Returns
    -------
    list of Clip
        With one caption a template and description.

    Raises
    ------
    ValueError
        If a template has no ``{label}``, or there is none.

    Example
    -------
    >>> clip = Clip("a", "/audio/a.wav", 5.0, label="sea_waves")
    >>> captioned([clip], ["The sound of {label}.", "{label}"])[0].captions
    ('The sound of sea waves.', 'sea waves')
    """
    if not templates:
        raise ValueError("there is no template to make captions of labels with")
    return [
        replace(
            clip,
            captions=(
                *(prompt(clip.label, text) for text in templates),
                *descriptions.get(clip.label, ()),
            ),
        )
        for clip in clips
    ]
