"""What an index notes about its model, its files and its sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clap_sb.search.scan import Stamp


@dataclass(frozen=True)
class ModelFacts:
    """The model whose embeddings an index holds.

    Arguments
    ---------
    fingerprint : str
        Hash of its weights and settings, its tokenizer aside.
    description : str
        What it is, in words.
    checkpoint : str
        Where it was loaded from.
    tokenizer : str or None
        The tokenizer that was given beside it.
    signature : str
        Sizes and times of the files of both; empty if they are not here.
    dim : int
        Joint dimension.
    sample_rate : int
        In Hz.
    clip_samples : int
        Samples in a window.
    tokenizer_fingerprint : str
        Hash of what its tokenizer does; empty as long as it was seen without one.
    """

    fingerprint: str
    description: str
    checkpoint: str
    tokenizer: str | None
    signature: str
    dim: int
    sample_rate: int
    clip_samples: int
    tokenizer_fingerprint: str = ""


@dataclass(frozen=True)
class FileRecord:
    """What is known of a file.

    Arguments
    ---------
    stamp : Stamp
        When it was last looked at.
    sound : int or None
        Id of the sound that it holds.
    error : str or None
        Why it holds none.
    """

    stamp: Stamp
    sound: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Header:
    """What the header of a file tells.

    Arguments
    ---------
    rate : int
        Sample rate in Hz.
    channels : int
        Number of channels.
    """

    rate: int
    channels: int


@dataclass(frozen=True)
class NewSound:
    """A sound that was embedded.

    Arguments
    ---------
    hash : str
        Of the file's bytes.
    samples : int
        Length at the model's sample rate.
    embedding : np.ndarray
        ``[windows, dim]``.
    remarks : tuple of str
        What is worth telling about it.
    header : Header, optional
        What that of its file tells.
    """

    hash: str
    samples: int
    embedding: np.ndarray
    remarks: tuple[str, ...] = ()
    header: Header | None = None
