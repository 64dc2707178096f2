"""Labels, and the sentences that stand for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from clap_sb.encoders.readable import is_blank, why_unreadable
from clap_sb.evaluation.prompts import Prompts
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT, prompt
from clap_sb.inference.encoder import Encoder


@dataclass(frozen=True)
class Labels:
    """Labels, each with one sentence or more that describes it.

    Arguments
    ---------
    names : tuple of str
        The labels, all different.
    texts : tuple of tuple of str
        Sentences of each.

    Raises
    ------
    ValueError
        If there is no label, one is there twice, or one has no sentence.

    Example
    -------
    >>> Labels.of(["dog", "sea_waves"]).texts
    (('This is a sound of dog.',), ('This is a sound of sea waves.',))
    >>> Labels.of({"dog": ["A dog barks.", "A dog howls."]}).names
    ('dog',)
    """

    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]

    def __post_init__(self):
        if not self.names:
            raise ValueError("there are no labels: give one or more")
        for name, texts in zip(self.names, self.texts, strict=True):
            for text in (name, *texts):
                if (reason := why_unreadable(text)) is not None:
                    raise ValueError(f"a label, or its description, {reason}")
            if is_blank(name):
                raise ValueError(f"a label is empty ({name!r}): leave it out")
            if self.names.count(name) > 1:
                raise ValueError(f"the label {name!r} is there twice")
            if not texts or any(map(is_blank, texts)):
                raise ValueError(f"the label {name!r} has an empty description")

    @classmethod
    def of(
        cls,
        labels: Labels | Sequence[str] | Mapping[str, str | Sequence[str]],
        template: str = DEFAULT_PROMPT,
    ) -> Labels:
        """Makes labels of what users give.

        Arguments
        ---------
        labels : Labels, sequence of str, or mapping
            Names, or names with one or several sentences each, which are taken as they
            are.
        template : str
            Sentence for a name alone, with ``{label}`` where it goes.

        Returns
        -------
        Labels

        Raises
        ------
        ValueError
            If it is a single string, or one is no string, or it makes no labels.
        """
        if isinstance(labels, Labels):
            return labels
        if isinstance(labels, str):
            raise ValueError(
                f"labels are a list of names, not one string: [{labels!r}]"
            )
        if isinstance(labels, Mapping):
            texts = [(t,) if isinstance(t, str) else tuple(t) for t in labels.values()]
        else:
            labels = list(labels)
            for place, name in enumerate(labels):
                if not isinstance(name, str):
                    raise ValueError(
                        f"labels [{place}] is {name!r}, of type "
                        f"{type(name).__name__}, and labels are texts"
                    )
            texts = [(prompt(name, template),) for name in labels]
        return cls(tuple(labels), tuple(texts))

    def embed(self, clap: Encoder) -> torch.Tensor:
        """Embeds each label: the mean over its sentences, normalised.

        Arguments
        ---------
        clap : Encoder
            The model.

        Returns
        -------
        torch.Tensor
            ``[labels, joint_dim]``, unit norm.
        """
        described = dict(zip(self.names, self.texts, strict=True))
        return Prompts(descriptions=described).embed(clap, self.names)
