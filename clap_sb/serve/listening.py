"""The embedding of a file that was sent, made in turns with whoever searches."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from clap_sb.data.audio import AudioError
from clap_sb.data.printable import printable
from clap_sb.data.sound import size_up_to
from clap_sb.serve.examples import Sent
from clap_sb.serve.fair_lock import FairLock
from clap_sb.serve.uploads import UploadRefused

if TYPE_CHECKING:
    import torch

    from clap_sb.inference import CLAP

# Few bytes may be hours of silence. In seconds, which is 60 windows of most models.
LONGEST = 600.0
# Of all channels together, such as 22 of 192 kHz: some windows of it are in memory.
_MOST_SAMPLES_A_SECOND = 2**22
_MOST_PIXELS = 50_000_000
# Windows that go through the model in one turn: a search waits for no more.
_AT_ONCE = 4


def embedding_of(clap: CLAP, sent: Sent, lock: FairLock) -> torch.Tensor:
    """Embeds a sound, or a picture.

    Arguments
    ---------
    clap : CLAP
        The model.
    sent : Sent
        The file.
    lock : FairLock
        Taken for each batch alone: files are decoded beside what others ask.

    Returns
    -------
    torch.Tensor
        ``[1, dim]``, unit norm.

    Raises
    ------
    AudioError
        If the sound cannot be used.
    OSError, ValueError
        If the picture cannot.
    UploadRefused
        If it is too long, or too large.
    """
    name = printable(sent.name) or "the file that was sent"
    if not sent.content:
        raise AudioError(f"{name}: the file is empty (0 bytes)")
    file = io.BytesIO(sent.content)
    file.name = name  # what an error calls it
    if sent.is_picture:
        _check_pixels(file)
        with lock:
            return clap.encode_image(file)
    _check_length(file)
    return clap.encode_audio(file, batch_size=_AT_ONCE, turn=lock)


def _check_length(file: io.BytesIO) -> None:
    seconds, samples_a_second = size_up_to(file, LONGEST)
    if seconds > LONGEST:
        raise UploadRefused(
            413,
            f"{file.name}: is longer than {LONGEST / 60:.0f} minutes: cut out what is "
            "to be found",
        )
    if samples_a_second > _MOST_SAMPLES_A_SECOND:
        raise UploadRefused(
            413,
            f"{file.name}: has {samples_a_second} samples a second, of all channels "
            f"together, and {_MOST_SAMPLES_A_SECOND} are taken: make it mono",
        )


def _check_pixels(file: io.BytesIO) -> None:
    from PIL import Image

    try:
        with Image.open(file) as image:
            width, height = image.size
    except (SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file.name} is no picture that is taken: {error}") from error
    if width * height > _MOST_PIXELS:
        raise UploadRefused(
            413,
            f"{file.name}: has {width} x {height} pixels, and {_MOST_PIXELS} are "
            "taken: make it smaller",
        )
    file.seek(0)
