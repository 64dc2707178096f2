"""What a sound looks like to the model."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from clap_sb.inference import CLAP

_RANGE_DB = 70.0
_MOST_COLUMNS = 800


def spectrogram_png(clap: CLAP, wav: torch.Tensor) -> bytes:
    """Draws the log-mel spectrogram that the audio tower sees.

    Of a tower without one, see :func:`clap_sb.inference.drawn_log_mel.drawn_log_mel`.

    Arguments
    ---------
    clap : CLAP
        The model.
    wav : torch.Tensor
        ``[time]`` at its sample rate.

    Returns
    -------
    bytes
        A PNG; time to the right, low frequencies below, the loudest 70 dB.
    """
    import torch
    from matplotlib.image import imsave

    from clap_sb.inference.drawn_log_mel import drawn_log_mel

    front_end = drawn_log_mel(clap.model).to(clap.device)
    # as much as one frame, for a picture needs a column
    wav = torch.nn.functional.pad(wav, (0, max(0, front_end.n_fft - len(wav))))
    with torch.no_grad():
        log_mel = front_end(wav[None].to(clap.device)).cpu()
    frames = log_mel.reshape(-1, log_mel.shape[-1]).T
    if frames.shape[1] > _MOST_COLUMNS:
        frames = torch.nn.functional.adaptive_max_pool1d(frames, _MOST_COLUMNS)
    top = frames.max().item()
    file = io.BytesIO()
    imsave(
        file,
        frames.numpy(),
        vmin=top - _RANGE_DB,
        vmax=top,
        cmap="magma",
        origin="lower",
        format="png",
    )
    return file.getvalue()
