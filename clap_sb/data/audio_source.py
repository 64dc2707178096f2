"""Where audio is read from, what messages call it, and the error of what is no use."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

AudioSource = str | os.PathLike | BinaryIO


class AudioError(ValueError):
    """An audio file that cannot be used; the message names the file and the reason.

    Example
    -------
    >>> raise AudioError("broken.wav: the file is empty")
    Traceback (most recent call last):
    ...
    clap_sb.data.audio_source.AudioError: broken.wav: the file is empty
    """


class UnknownFormatError(AudioError):
    """An audio file that a decoder cannot even open."""


class CutShortError(AudioError):
    """An audio file whose end is missing, as broken-off downloads leave them.

    Arguments
    ---------
    name : str
        The file.
    evidence : str
        What tells.

    Example
    -------
    >>> str(CutShortError("a.wav", "80 of 160 bytes are missing"))[:66]
    'a.wav: the audio data is cut short (80 of 160 bytes are missing): '
    """

    def __init__(self, name: str, evidence: str):
        super().__init__(
            f"{name}: the audio data is cut short ({evidence}): fetch it again, or "
            "save what is there as a file of its own"
        )


def is_path(source: AudioSource) -> bool:
    """Whether a source is the name of a file, and no file that is open already.

    Arguments
    ---------
    source : str, path-like or binary file
        The source.

    Returns
    -------
    bool
    """
    return isinstance(source, (str, os.PathLike))


def source_name(source: AudioSource) -> str:
    """What messages call a file.

    Arguments
    ---------
    source : str, path-like or binary file
        The file.

    Returns
    -------
    str
        Its path, or the name that an open file has.

    Example
    -------
    >>> import io
    >>> source_name("a/dog.wav"), source_name(io.BytesIO())
    ('a/dog.wav', 'the audio given')
    """
    if is_path(source):
        return os.fspath(source)
    return str(getattr(source, "name", "the audio given"))


def conversion_advice(source: AudioSource) -> str:
    """How a file that others play becomes one that can be decoded here.

    Arguments
    ---------
    source : str, path-like or binary file
        The file.

    Returns
    -------
    str
        With a command that can be typed as it is, where the file has a name.

    Example
    -------
    >>> conversion_advice("a dog.wav")
    "convert it, as with `ffmpeg -i 'a dog.wav' 'a dog-converted.wav'`"
    """
    if not is_path(source):
        return "convert it to WAV or FLAC with one of them"
    name = Path(source).name
    name = f"./{name}" if name.startswith("-") else name
    converted = f"{name.removesuffix(Path(name).suffix)}-converted.wav"
    return (
        f"convert it, as with `ffmpeg -i {shlex.quote(name)} {shlex.quote(converted)}`"
    )


@contextmanager
def opened(source: AudioSource) -> Iterator[BinaryIO]:
    """A file from its beginning; one that was open already stays open.

    Arguments
    ---------
    source : str, path-like or binary file
        The file.

    Yields
    ------
    binary file
    """
    if is_path(source):
        with open(source, "rb") as file:
            yield file
    else:
        source.seek(0)
        yield source
