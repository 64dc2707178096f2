"""Keyword-to-caption: further training captions made of keywords or labels."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from clap_sb.data.captioned import captioned_only
from clap_sb.data.keyword_model import KeywordModel
from clap_sb.data.manifest import Clip, in_place, read_note, write_manifest
from clap_sb.data.templates import sentences

logger = logging.getLogger(__name__)

TEMPLATES = "templates"
"""The generator that needs no model."""

MIN_SECONDS = 2.0
"""Shorter clips get no made caption: a sentence tells more than they hold
(2211.06687)."""


def add_keyword_captions(
    clips: Sequence[Clip],
    manifest: str | os.PathLike,
    generator: str = TEMPLATES,
    count: int = 1,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Path:
    """Makes captions of the clips' keywords, and writes the clips as a manifest.

    A clip without keywords is captioned by its label. Made captions come after those a
    clip has; one of less than two seconds gets none. Clips that have no caption in the
    end are left out, and counted. A manifest made before from the same clips in the
    same way is kept as it is: a model runs once. What a model says is kept beside the
    manifest, in ``<name>_model.jsonl``, batch by batch: where it was interrupted, it
    goes on.

    For training only: nothing made is ever to be evaluated with.

    Arguments
    ---------
    clips : sequence of Clip
        Training clips.
    manifest : str or path-like
        Where to write.
    generator : str
        ``templates``, or a T5 model for
        :class:`~clap_sb.data.keyword_model.KeywordModel`.
    count : int
        Captions a clip.
    seed : int
        Seed of the templates.
    device : str or torch.device
        Where a model runs.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    ValueError
        If no clip has keywords or a label.

    Example
    -------
    >>> from clap_sb.data.manifest import read_manifest
    >>> clip = Clip("a", "/audio/a.wav", 5.0, label="sea_waves")
    >>> path = getfixture("tmp_path") / "train_keywords.json"
    >>> [made] = read_manifest(add_keyword_captions([clip], path))
    >>> made.captions
    ('Someone recorded sea waves.',)
    """
    manifest = Path(manifest)
    stamp = _stamp(clips, generator, count, seed)
    note = read_note(manifest) if manifest.is_file() else {}
    if note.get("stamp") == stamp:
        logger.info("%s is up to date", in_place(manifest))
        return manifest
    told = [clip for clip in clips if _keywords(clip) and clip.duration >= MIN_SECONDS]
    if not told:
        raise ValueError(
            "not one training clip of two seconds or more has keywords or a label to "
            "make captions of: leave keyword_captions out"
        )
    if generator == TEMPLATES:
        made = [sentences(_keywords(clip), count, (seed, clip.id)) for clip in told]
    else:
        cache = manifest.with_name(f"{manifest.stem}_model.jsonl")
        model = KeywordModel(generator, device=device)
        made = model([_keywords(clip) for clip in told], count, cache)
    by_id = dict(zip((clip.id for clip in told), made, strict=True))
    captioned = [_captioned(clip, by_id.get(clip.id, ())) for clip in clips]
    short = sum(bool(_keywords(clip)) for clip in clips) - len(told)
    logger.info(
        "captions of keywords (%s): %d clips got some, %d clips of less than %g s none",
        *(generator, len(told), short, MIN_SECONDS),
    )
    kept = captioned_only(captioned, "training clips, with captions of keywords")
    note = {"stamp": stamp, "generator": generator, "left_out": len(clips) - len(kept)}
    write_manifest(manifest, kept, note)
    return manifest


def _keywords(clip: Clip) -> tuple[str, ...]:
    return clip.keywords or ((clip.label,) if clip.label else ())


def _captioned(clip: Clip, made: Sequence[str]) -> Clip:
    return replace(clip, captions=tuple(dict.fromkeys((*clip.captions, *made))))


def _stamp(clips: Sequence[Clip], *settings: object) -> str:
    return hashlib.sha256(repr([list(clips), settings]).encode()).hexdigest()
