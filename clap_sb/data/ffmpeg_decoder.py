"""Sounds through FFmpeg (PyAV): what libsndfile does not read, or not to its end."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from clap_sb.data.audio_source import (
    AudioError,
    AudioSource,
    CutShortError,
    UnknownFormatError,
    source_name,
)
from clap_sb.data.ffmpeg_container import ffmpeg_reason, open_container
from clap_sb.data.read_on import ReadOn

if TYPE_CHECKING:
    import av

# Frames one after the other, between which tags may lie, or half a frame.
_BARE_STREAMS = {"mp3", "aac", "ac3", "eac3", "dts", "loas", "mpegts", "mpeg"}
_MOST_UNDECODABLE = 0.02
# Which tell exactly how long a sound is; the others' lengths may be a guess.
_TELLING = {"mov,mp4,m4a,3gp,3g2,mj2", "flac", "wv", "tta", "ape", "tak", "caf"}
# Frames that an encoder may have added at the end.
_SLACK = 8192
_ROUNDING = 1.5e-3  # seconds
_ALAC_FRAMES = 4096  # of a packet
# Which word of iTunes' note on gapless playback is the length, in samples.
_SMPB_LENGTH = 3


class FFmpegDecoder:
    """An open sound, as FFmpeg decodes it: the best of the file's audio streams.

    What the container says of the encoder's delay and padding is left out. Its length
    is what comes out of it.

    Arguments
    ---------
    source : str, path-like or binary file
        The file; one that is open already stays open.

    Raises
    ------
    UnknownFormatError
        If FFmpeg cannot open it.
    AudioError
        If there is no sound in it, or none that can be decoded.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.flac"
    >>> soundfile.write(path, np.zeros((100, 2)), 8000)
    >>> decoder = FFmpegDecoder(path)
    >>> decoder.num_frames, decoder.sample_rate, decoder.read(10, 200).shape
    (None, 8000, (90, 2))
    """

    num_frames = None  # until it was decoded to its end
    may_exceed = True

    def __init__(self, source: AudioSource):
        self.source, self._name = source, source_name(source)
        self._open = ExitStack()
        self.sample_rate = 0
        blocks = self._blocks()
        try:
            first = next(blocks, None)
        except AudioError:
            self.close()
            raise
        if first is None:
            self.close()
            raise AudioError(f"{self._name}: the file has a header but no samples")
        self.num_channels = first.shape[1]
        begun = iter([itertools.chain([first], blocks)])
        self._read_on = ReadOn(lambda _: next(begun, None) or self._blocks())

    def _blocks(self) -> Iterator[np.ndarray]:
        """The sound from its beginning, ``[frames, channels]`` each."""
        import av

        self.close()
        container = self._open.enter_context(open_container(self.source))
        stream = container.streams.best("audio")
        if stream is None and container.streams.video:
            raise AudioError(f"{self._name}: there is no sound in the file")
        if stream is None:
            raise UnknownFormatError(f"{self._name}: cannot be decoded (no stream)")
        if stream.codec_context is None:
            raise AudioError(f"{self._name}: its codec is none that FFmpeg knows")
        self.container = container.format.name
        self.codec = stream.codec_context.name
        stream.codec_context.thread_count = 1
        if self.container == "caf" and self.codec == "alac":
            # or padding that its last packet does not hold is cut from the sound
            stream.codec_context.flags2 |= av.codec.context.Flags2.skip_manual
        yield from self._trimmed(_Interleaved(self._frames(container, stream)), stream)

    def _trimmed(
        self, blocks: _Interleaved, stream: av.AudioStream
    ) -> Iterator[np.ndarray]:
        """Leaves out what the encoder added at the end; finds what is missing there."""
        count, held, num_held = 0, deque(), 0
        for block in blocks:
            self.sample_rate = blocks.sample_rate
            count += len(block)
            num_held += len(block)
            held.append(block)
            while num_held - len(held[0]) >= _SLACK:
                num_held -= len(held[0])
                yield held.popleft()
        promised = self._promised(stream)
        slack = _SLACK if self._is_rounded(stream) else 0
        if promised is not None and count < promised - slack:
            raise CutShortError(
                self._name, f"of {promised} frames, {count} could be decoded"
            )
        padding = 0 if promised is None else count - promised
        if held:
            frames = np.concatenate(held)
            # more of it is no padding: then the header was wrong
            yield frames[: len(frames) - padding] if 0 < padding <= _SLACK else frames

    def _is_rounded(self, stream: av.AudioStream) -> bool:
        """Whether the container may promise more than there is, and all of it is there.

        MP4 rounds to milliseconds. FFmpeg up to 8.0 counts the last packet of ALAC in
        CAF as if it were full.
        """
        if (self.container, self.codec) == ("caf", "alac"):
            begin, before = self._begins
            step = _ALAC_FRAMES if before is None else begin - before
            return begin + step >= (stream.duration or 0)
        return self.container.startswith("mov")

    def _promised(self, stream: av.AudioStream) -> int | None:
        """Frames that the container says there are, once all packets were seen."""
        if self.container not in _TELLING or not stream.duration:
            return None
        smpb = stream.container.metadata.get("iTunSMPB", "").split()
        if len(smpb) > _SMPB_LENGTH:
            return int(smpb[_SMPB_LENGTH], 16)
        if self.container == "caf" and self.codec.startswith("pcm"):
            return stream.frames
        frames = self.sample_rate * stream.time_base
        promised, seen = round(stream.duration * frames), round(self._end * frames)
        # durations in the header are often rounded to milliseconds, packets' are not
        rounded = abs(promised - seen) <= _ROUNDING * self.sample_rate
        return seen if rounded else promised

    def _frames(
        self, container: av.container.InputContainer, stream: av.AudioStream
    ) -> Iterator[av.AudioFrame]:
        """The frames, past what lies between those of a bare stream."""
        import av

        packets = undecodable = 0
        self._end, self._begins = 0, (0, None)
        try:
            for packet in container.demux(stream):
                packets += 1
                if packet.pts is not None:
                    before = self._begins[0] if packets > 1 else None
                    self._begins = packet.pts, before
                    self._end = packet.pts + (packet.duration or 0)
                try:
                    yield from packet.decode()
                except av.InvalidDataError:
                    undecodable += 1
                    if not _BARE_STREAMS.intersection(self.container.split(",")):
                        raise
        except (av.FFmpegError, ValueError) as error:
            raise AudioError(
                f"{self._name}: the audio data is corrupt or cut short "
                f"({ffmpeg_reason(error)})"
            ) from None
        if undecodable > 2 + _MOST_UNDECODABLE * packets:
            raise AudioError(
                f"{self._name}: the audio data is corrupt ({undecodable} of {packets} "
                "packets cannot be decoded)"
            )

    def read(self, begin: int, end: int) -> np.ndarray:
        """Decodes a span.

        Arguments
        ---------
        begin : int
            First frame.
        end : int
            The one after the last.

        Returns
        -------
        np.ndarray
            ``[frames, channels]``, float32; fewer frames where the sound ends.

        Raises
        ------
        AudioError
            If the data is corrupt or cut short.
        """
        return self._read_on.read(begin, end)

    def close(self) -> None:
        """Closes the file."""
        self._open.close()


class _Interleaved:
    """Frames as arrays, all at the rate and with the channels of the first.

    Streams may change both on their way, as radio does.

    Arguments
    ---------
    frames : iterator of av.AudioFrame
        The frames.
    """

    def __init__(self, frames: Iterator[av.AudioFrame]):
        self._all = frames
        self.sample_rate = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Gives ``[frames, channels]`` each, float32."""
        from av import AudioResampler

        resampler, setup, layout = None, None, None
        for frame in self._all:
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != setup:
                if resampler is None:
                    layout, self.sample_rate = frame.layout, frame.sample_rate
                else:
                    yield from self._arrays(resampler, None)
                resampler = AudioResampler("flt", layout, self.sample_rate)
                setup = kind
            yield from self._arrays(resampler, frame)
        if resampler is not None:
            yield from self._arrays(resampler, None)

    @staticmethod
    def _arrays(
        resampler: av.AudioResampler, frame: av.AudioFrame | None
    ) -> Iterator[np.ndarray]:
        for converted in resampler.resample(frame):
            if converted.samples:
                channels = len(converted.layout.channels)
                yield converted.to_ndarray().reshape(-1, channels)
