"""Where audio is read from, what messages call it, and the error of what is no use."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from clap_sb.data.suffixes import HEADERLESS

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
    """How a file that others play becomes one that can be decoded.

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
    >>> conversion_advice("a dog.wav").split("with ")[1]
    "`ffmpeg -i 'a dog.wav' 'a dog-converted.wav'`"
    """
    if not is_path(source):
        return "if other programs play it, convert it to WAV or FLAC with one of them"
    name, suffix = os.fspath(source), Path(source).suffix
    name = f"./{name}" if name.startswith("-") else name
    converted = shlex.quote(f"{name.removesuffix(suffix)}-converted.wav")
    command = f"ffmpeg -i {shlex.quote(name)} {converted}"
    if suffix.lower() in HEADERLESS:
        command = command.replace("-i", "-f s16le -ar 44100 -ac 1 -i", 1)
        return (
            "nothing in it tells the rate, the channels and the kind of its numbers: "
            f"give it a header, as with `{command}`"
        )
    return f"if other programs play it, convert it, as with `{command}`"


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
