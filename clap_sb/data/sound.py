"""An open sound whose length is sure, and which of its channels are heard."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np

from clap_sb.data.audio_source import (
    AudioError,
    AudioSource,
    UnknownFormatError,
    conversion_advice,
    is_path,
    source_name,
)
from clap_sb.data.channels import ChannelEnergies
from clap_sb.data.decode_limit import gets_on, limited
from clap_sb.data.decoders import Decoder, Opener, choose_decoder
from clap_sb.data.sound_limits import check_header, check_length, fault_of

# Read at once: a sound that is no longer is decoded once, and not once more.
_SECONDS = 30
_MOST_AT_ONCE = 2**24  # samples of all channels, but for a second
_MOST_KNOWN = 100_000


@dataclass(frozen=True)
class Survey:
    """What was found out about a sound.

    Arguments
    ---------
    opener : callable
        Opens it with the decoder that reads it right.
    num_frames : int
        Samples in a channel.
    channel : int or None
        The one channel that is heard; None for the mean of all.
    remarks : tuple of str
        What is worth telling of it.
    num_heard : int
        Frames that were decoded for it, from the beginning.
    fault : str or None
        What makes samples among these of no use.
    """

    opener: Opener
    num_frames: int
    channel: int | None = None
    remarks: tuple[str, ...] = ()
    num_heard: int = 0
    fault: str | None = None


# A path, and what changes with the file of that name.
Stamp = tuple[str, int, int, int, int]
# What this process has surveyed.
_known: dict[Stamp, Survey] = {}
_lock = Lock()


@limited
def open_sound(source: AudioSource) -> tuple[Decoder, Survey]:
    """Opens a sound, and finds out what its header leaves open.

    Of a file whose length is unknown, all is decoded, of one with several channels its
    first minute of sound; once, for the process remembers it as long as size and time
    of change are the same.

    Arguments
    ---------
    source : str, path-like or binary file
        The file; one that is open already is read from its beginning, and stays open.

    Returns
    -------
    decoder : Decoder
        The open sound.
    survey : Survey
        What was found out.

    Raises
    ------
    AudioError
        Whatever goes wrong with the file: if it is missing, empty, cut short, cannot be
        decoded, has no samples, or a rate, channels or a length that no sound has; or
        if its decoder stands still.
    """
    with _told(source):
        stamp = _stamp(source)
        survey = _known.get(stamp) if stamp else None
        if survey is not None:
            return survey.opener(source), survey
        opener = choose_decoder(source)
        decoder = opener(source)
        try:
            check_header(source_name(source), decoder.sample_rate, decoder.num_channels)
            survey = _survey(decoder, opener)
            check_length(source_name(source), survey.num_frames, decoder.sample_rate)
        except BaseException:
            decoder.close()
            raise
    if stamp:
        with _lock:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[stamp] = survey
    return decoder, survey


def size_up_to(source: AudioSource, longest: float) -> tuple[float, int]:
    """Tells how much sound a file has, and reads no more of it than is allowed.

    Arguments
    ---------
    source : str, path-like or binary file
        The file.
    longest : float
        Seconds. A file whose length is unknown is decoded so far, and one second more.

    Returns
    -------
    seconds : float
        Its length; of a file whose length is unknown, something above `longest` if it
        is above.
    samples_a_second : int
        Of all channels together.

    Raises
    ------
    AudioError
        As of :func:`open_sound`.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "tone.wav"
    >>> soundfile.write(path, np.zeros((8000, 2)), 16000)
    >>> size_up_to(path, 60.0)
    (0.5, 32000)
    """
    with _told(source):
        decoder = choose_decoder(source)(source)
        try:
            rate, channels = decoder.sample_rate, decoder.num_channels
            check_header(source_name(source), rate, channels)
            frames = decoder.num_frames
            if frames is None:
                frames, step = 0, _step(decoder)
                while frames <= longest * rate:
                    count = len(decoder.read(frames, frames + step))
                    frames += count
                    if count < step:
                        break
        finally:
            decoder.close()
    return frames / rate, rate * channels


@contextlib.contextmanager
def _told(source: AudioSource) -> Iterator[None]:
    """Whatever goes wrong within is an error of the file."""
    try:
        yield
    except UnknownFormatError as error:
        raise UnknownFormatError(f"{error}; {conversion_advice(source)}") from None
    except AudioError:
        raise
    except Exception as error:  # of decoders that are not ours, on any file at all
        raise _unreadable(source, error) from error


def _unreadable(source: AudioSource, error: Exception) -> AudioError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return AudioError(f"{source_name(source)}: cannot be read ({reason})")


def _stamp(source: AudioSource) -> Stamp | None:
    if not is_path(source):
        return None
    try:
        status = os.stat(source)
    except (OSError, ValueError):
        return None  # told when it is opened
    # the time of change is another for another file under the name, the size may not be
    kept = status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return os.path.abspath(source), *kept


def _survey(decoder: Decoder, opener: Opener) -> Survey:
    energies = ChannelEnergies(decoder.sample_rate)
    num_frames = decoder.num_frames
    listens = decoder.num_channels > 1 or decoder.may_exceed
    at, step, fault = 0, _step(decoder), None
    while num_frames is None or (listens and at < num_frames):
        frames = decoder.read(at, at + step)
        gets_on()
        at += len(frames)
        energies.add(np.asarray(frames))
        fault = fault or fault_of(frames)
        if len(frames) < step:
            num_frames = at if num_frames is None else num_frames
            break
        listens = not energies.is_settled
    told = energies.channel, energies.remarks
    return Survey(opener, num_frames, *told, at, fault)


def _step(decoder: Decoder) -> int:
    """Frames to read at once: whole seconds."""
    rate = decoder.sample_rate
    seconds = _MOST_AT_ONCE // (rate * decoder.num_channels)
    return rate * max(1, min(_SECONDS, seconds))


@limited
def read_frames(decoder: Decoder, survey: Survey, begin: int, end: int) -> np.ndarray:
    """Decodes a span, all of it.

    Arguments
    ---------
    decoder : Decoder
        The open sound.
    survey : Survey
        What was found out about it.
    begin : int
        First frame.
    end : int
        The one after the last, at most ``survey.num_frames``.

    Returns
    -------
    np.ndarray
        ``[frames, channels]``, float32.

    Raises
    ------
    AudioError
        If the data is corrupt, cut short, not finite, or absurdly loud.
    """
    name = source_name(decoder.source)
    try:
        frames = decoder.read(begin, end)
    except AudioError:
        raise
    except Exception as error:  # as above: the file may be gone, or the disk broken
        raise _unreadable(decoder.source, error) from error
    if len(frames) < end - begin:
        raise AudioError(
            f"{name}: the audio data is corrupt or cut short (the header promises "
            f"{survey.num_frames} frames; of {end - begin} from frame {begin}, only "
            f"{len(frames)} could be decoded)"
        )
    if (fault := fault_of(frames)) is not None:
        raise AudioError(f"{name}: {fault}")
    return frames


def check_samples(decoder: Decoder, survey: Survey) -> None:
    """Sees that a sound can be used to its end.

    Samples that were saved as floats are all decoded, for any of them may be no number;
    of others the end, which tells files that are cut short.

    Arguments
    ---------
    decoder : Decoder
        The open sound.
    survey : Survey
        What was found out about it.

    Raises
    ------
    AudioError
        If the data is corrupt, cut short, not finite, or absurdly loud.
    """
    if survey.fault is not None:
        raise AudioError(f"{source_name(decoder.source)}: {survey.fault}")
    end, step = survey.num_frames, _step(decoder)
    if decoder.num_frames is None:
        return  # it was decoded to its end
    begin = survey.num_heard
    if not decoder.may_exceed:
        begin = max(0, end - decoder.sample_rate // 100)
    for at in range(begin, end, step):
        read_frames(decoder, survey, at, min(at + step, end))
