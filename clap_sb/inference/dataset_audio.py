"""A sound as a data set of Hugging Face holds it: samples with their rate, or a file.

=================================== =================================================
given                               heard as
=================================== =================================================
``{"array", "sampling_rate"}``      the array at that rate (`datasets` up to 3)
an object with ``get_all_samples``  what it decodes: torchcodec's, of `datasets` 4
``{"bytes", "path"}``               the file (``Audio(decode=False)``); the path
                                    where there are no bytes
=================================== =================================================
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch

    from clap_sb.data.audio_file import AudioSource


class Decoder(Protocol):
    """torchcodec's ``AudioDecoder``."""

    def get_all_samples(self) -> Any:
        """Gives ``data``, ``[channels, time]``, and ``sample_rate``."""


DatasetAudio = Mapping[str, Any] | Decoder


def is_dataset_audio(clip: object) -> bool:
    """Whether a clip is to be heard by the table of this module.

    Arguments
    ---------
    clip : object
        What a user calls a clip.

    Returns
    -------
    bool

    Example
    -------
    >>> is_dataset_audio({"array": [0.0], "sampling_rate": 8000}), is_dataset_audio([])
    (True, False)
    """
    return isinstance(clip, Mapping) or hasattr(clip, "get_all_samples")


def undressed(
    clip: DatasetAudio,
) -> tuple[torch.Tensor | np.ndarray | AudioSource, int | None]:
    """The samples, or the file, of a data set's sound.

    Arguments
    ---------
    clip : mapping or decoder
        One sound.

    Returns
    -------
    samples : tensor, array, path, or open file
        ``[time]`` or ``[channels, time]``, or what has them.
    sample_rate : int or None
        Their rate, Hz; None for a file, which knows its own.

    Raises
    ------
    ValueError
        If it is a mapping with other entries.

    Example
    -------
    >>> undressed({"array": [0.5, 0.5], "sampling_rate": 8000, "path": "dog.wav"})
    ([0.5, 0.5], 8000)
    >>> undressed({"bytes": None, "path": "dog.wav"})
    ('dog.wav', None)
    """
    if not isinstance(clip, Mapping):
        decoded = clip.get_all_samples()
        return decoded.data, decoded.sample_rate
    if clip.get("array") is not None:
        return clip["array"], clip.get("sampling_rate")
    if clip.get("bytes") is not None:
        return io.BytesIO(clip["bytes"]), None
    if clip.get("path") is not None:
        return clip["path"], None
    raise ValueError(
        "a sound that is a mapping has array and sampling_rate, or bytes, or path, as "
        f"Hugging Face's data sets have it; this one has {sorted(map(str, clip))}"
    )
