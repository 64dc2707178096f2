"""Pictures out of a video, evenly over its length."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_QUARTER = 90


class VideoError(ValueError):
    """A video that cannot be used; the message names the file and says why."""


def sample_frames(path: str | Path, count: int) -> list[np.ndarray]:
    """Reads the pictures in the middle of equal parts of a video.

    Only what lies between these pictures and the key frames before them is decoded, so
    that long videos cost little more than short ones.

    Arguments
    ---------
    path : str or Path
        A file in any format that FFmpeg reads.
    count : int
        How many pictures, at least 1.

    Returns
    -------
    list of np.ndarray
        ``[height, width, 3]``, uint8, upright.

    Raises
    ------
    VideoError
        If there is no such file, it holds no picture, or is broken; or if PyAV is not
        installed.
    ValueError
        If no picture is asked for.

    Example
    -------
    >>> sample_frames("no-such-file.mp4", 4)
    Traceback (most recent call last):
    ...
    clap_sb.data.video.VideoError: there is no file no-such-file.mp4
    """
    if count < 1:
        raise ValueError(f"a video is seen by at least 1 picture, not {count}")
    if not Path(path).is_file():
        raise VideoError(f"there is no file {path}")
    try:
        import av
    except ImportError as error:
        raise VideoError(
            "videos are read by PyAV, which is not installed: pip install av"
        ) from error
    try:
        with av.open(str(path)) as container:
            return _sample(container, count, path)
    except av.FFmpegError as error:
        raise VideoError(f"{path} cannot be read as a video: {error}") from error


def _sample(container: Any, count: int, path: str | Path) -> list[np.ndarray]:
    if not container.streams.video:
        raise VideoError(f"{path} holds no pictures")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    start, length = _span(container, stream)
    frames = []
    for index in range(count):
        frame = _frame_at(container, stream, start + (index + 0.5) / count * length)
        if frame is None:
            raise VideoError(
                f"{path} has no picture where it should, in part {index + 1} of "
                f"{count}: the file may be cut"
            )
        frames.append(_upright(frame))
    return frames


def _span(container: Any, stream: Any) -> tuple[float, float]:
    """Where the pictures begin and how long they last, seconds."""
    unit = stream.time_base
    start = float((stream.start_time or 0) * unit)
    if stream.duration:
        return start, float(stream.duration * unit)
    if container.duration:
        return start, container.duration / 1e6
    # what browsers record does not tell its length
    ends = [
        packet.pts + (packet.duration or 0)
        for packet in container.demux(stream)
        if packet.pts is not None
    ]
    return start, float(max(ends, default=0) * unit) - start


def _frame_at(container: Any, stream: Any, seconds: float) -> Any:
    """The frame that is shown at a time: the last one that begins before it."""
    container.seek(int(seconds / stream.time_base), stream=stream)
    shown = None
    for frame in container.decode(stream):
        if shown is not None and frame.time is not None and frame.time > seconds:
            break
        shown = frame
    return shown


def _upright(frame: Any) -> np.ndarray:
    """Telephones film on their side, and say so."""
    import numpy as np

    picture = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / _QUARTER)))
