"""A window of a file as a file of its own."""

from __future__ import annotations

import io
from pathlib import Path

from clap_sb.data.sound import open_sound, read_frames


def excerpt_wav(path: str | Path, start: float, end: float) -> bytes:
    """Cuts a span out of a file: its own sample rate, and all of its channels.

    Arguments
    ---------
    path : str or Path
        The file.
    start : float
        Where it begins, in seconds.
    end : float
        Where it ends, in seconds; the file may end before.

    Returns
    -------
    bytes
        A WAV file of 24 bits; what exceeds [-1, 1] is clipped.

    Raises
    ------
    AudioError
        If the file cannot be decoded.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "tone.wav"
    >>> soundfile.write(path, [[0.5, 0.25]] * 8000, 16000)
    >>> soundfile.read(io.BytesIO(excerpt_wav(path, 0.25, 1.0)))[0].shape
    (4000, 2)
    """
    import soundfile

    decoder, survey = open_sound(path)
    try:
        rate = decoder.sample_rate
        stop = min(round(end * rate), survey.num_frames)
        frames = read_frames(decoder, survey, round(start * rate), stop)
    finally:
        decoder.close()
    file = io.BytesIO()
    soundfile.write(file, frames, rate, format="WAV", subtype="PCM_24")
    return file.getvalue()
