"""Files as FFmpeg (PyAV) opens them, and what their containers tell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clap_sb.data.audio_source import (
    AudioError,
    AudioSource,
    UnknownFormatError,
    opened,
    source_name,
)

if TYPE_CHECKING:
    import av

# FFmpeg's names for the containers that may be read. Others, such as playlists, can
# make it open further files.
CONTAINERS = (
    "aac ac3 act adx aiff amr ape apm asf au avi caf dsf dts dtshd eac3 flac flv g722 "
    "gsm iff ircam latm loas matroska webm mlp mov mp4 m4a 3gp 3g2 mj2 mp3 mpc mpc8 "
    "mpeg mpegts mpegvideo mxf nist nut ogg oma qcp qoa rm rso shn sln sox spdif tak "
    "truehd tta voc vqf w64 wav wsaud wtv wv xwma"
).split()

# The first PyAV that reads tags that are not UTF-8 without being told how.
_TAGS_OF_ANY_BYTES = 19


@contextmanager
def open_container(source: AudioSource) -> Iterator[av.container.InputContainer]:
    """Opens a file with FFmpeg.

    Arguments
    ---------
    source : str, path-like or binary file
        The file; one that is open already stays open.

    Yields
    ------
    av.container.InputContainer

    Raises
    ------
    UnknownFormatError
        If FFmpeg cannot open it.
    AudioError
        If PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise AudioError(
            f"{source_name(source)}: is read by PyAV, which is not installed: "
            "pip install av"
        ) from None
    options: dict[str, Any] = {"options": {"format_whitelist": ",".join(CONTAINERS)}}
    if int(av.__version__.partition(".")[0]) < _TAGS_OF_ANY_BYTES:
        options["metadata_errors"] = "replace"
    with opened(source) as file:
        try:
            container = av.open(file, **options)
        except (av.FFmpegError, ValueError) as error:
            raise UnknownFormatError(
                f"{source_name(source)}: cannot be decoded ({ffmpeg_reason(error)})"
            ) from None
        with container:
            yield container


def count_packets(source: AudioSource) -> int:
    """Counts the frames of the best audio stream, which takes no decoding.

    Arguments
    ---------
    source : str, path-like or binary file
        A file that FFmpeg reads.

    Returns
    -------
    int
        Packets, as FFmpeg says: those of MP3 but for the one that holds the header.
    """
    with open_container(source) as container:
        stream = container.streams.best("audio")
        return sum(1 for packet in container.demux(stream) if packet.size)


def stands_alone(source: AudioSource) -> bool:
    """Whether what else plays a file can only play what is heard here.

    Arguments
    ---------
    source : str, path-like or binary file
        A file that FFmpeg reads.

    Returns
    -------
    bool
        False if there are further sounds or a video in it, or if its length is not
        told: what browsers record does not, and they cannot find a time in it. The
        picture of a record's cover does not count.
    """
    from av.stream import Disposition

    with open_container(source) as container:
        streams = [
            stream
            for stream in (*container.streams.audio, *container.streams.video)
            if not stream.disposition & Disposition.attached_pic
        ]
        return len(streams) == 1 and container.duration is not None


def ffmpeg_reason(error: Exception) -> str:
    """FFmpeg's words, without its numbers and the name.

    Arguments
    ---------
    error : Exception
        PyAV's.

    Returns
    -------
    str

    Example
    -------
    >>> ffmpeg_reason(ValueError("no such layout"))
    'no such layout'
    """
    return getattr(error, "strerror", None) or str(error)
