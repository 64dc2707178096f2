"""What a fused system hears of a clip of any length: four log-mels of one size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.clips import fill
from clap_sb.features import LogMel

NUM_CHUNKS = 3


def chunk_ranges(frames: int, chunk: int) -> list[range]:
    """Where the front, middle and end chunk of a long clip may start.

    The start positions are split into three parts as NumPy's ``array_split`` does; a
    part without a position becomes position 0, as in LAION-CLAP's loader.

    Arguments
    ---------
    frames : int
        Frames of the clip, more than ``chunk``.
    chunk : int
        Frames of a chunk.

    Returns
    -------
    list of range
        Three.

    Example
    -------
    >>> chunk_ranges(14, 10)
    [range(0, 2), range(2, 4), range(4, 5)]
    >>> chunk_ranges(11, 10)
    [range(0, 1), range(1, 2), range(0, 1)]
    """
    each, more = divmod(frames - chunk + 1, NUM_CHUNKS)
    ranges, start = [], 0
    for part in range(NUM_CHUNKS):
        stop = start + each + (part < more)
        ranges.append(range(start, stop) if stop > start else range(1))
        start = stop
    return ranges


class FusionViews(nn.Module):
    """The input of feature fusion (2211.06687, section 3.2; LAION's fused models).

    A clip of more than ``clip_samples`` gives its whole log-mel, shrunk (bilinear,
    without antialias, as the released models were trained), and one chunk each of its
    front, middle and end. A shorter one is filled up, and gives the same log-mel four
    times.

    In training the chunks start at random places, drawn from torch's global generator;
    in eval mode in the middle of each third, so that a file has one embedding. The
    log-mel of a long clip is computed by itself, from its own last sample on, so that
    the batch does not matter and memory does not grow with it.

    Arguments
    ---------
    clip_samples : int
        Samples in a chunk.
    padding : str
        How short clips are filled up, see :func:`clap_sb.clips.fill`.

    Example
    -------
    >>> views = FusionViews(480000).eval()
    >>> log_mel = LogMel(mel_scale="htk", mel_norm=None)
    >>> wavs, lengths = torch.randn(2, 900000), torch.tensor([900000, 48000])
    >>> mels, longer = views(log_mel, wavs, lengths)
    >>> mels.shape, longer.tolist()
    (torch.Size([2, 4, 1001, 64]), [True, False])
    """

    def __init__(self, clip_samples: int, padding: str = "repeatpad"):
        super().__init__()
        self.clip_samples = clip_samples
        self.padding = padding

    def forward(
        self,
        log_mel: LogMel,
        wavs: torch.Tensor,
        lengths: torch.Tensor,
        starts: Sequence[Sequence[int]] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes the views of a batch.

        Arguments
        ---------
        log_mel : LogMel
            Front end; the released fused models have the HTK scale, unnormalised.
        wavs : torch.Tensor
            Whole clips, ``[batch, time]``.
        lengths : torch.Tensor
            Sample counts, ``[batch]``.
        starts : sequence, optional
            First frames of the three chunks of each clip, ``[batch][3]``, instead of
            random or fixed ones; those of short clips are not looked at.

        Returns
        -------
        views : torch.Tensor
            ``[batch, 4, frames, n_mels]``, dB: shrunk, front, middle, end.
        longer : torch.Tensor
            ``[batch]``, True where there are more frames than a chunk has.
        """
        frames = log_mel.num_frames(self.clip_samples)
        rows, longer = [], []
        for index, length in enumerate(lengths.tolist()):
            mel = self._whole(log_mel, wavs[index : index + 1, :length])
            longer.append(mel.shape[2] > frames)
            if longer[-1]:
                chosen = self._starts(mel.shape[2], frames)
                if starts is not None:
                    chosen = starts[index]
                chunks = [mel[:, :, start : start + frames] for start in chosen]
                mel = torch.cat([_shrunk(mel, frames), *chunks], dim=1)
            rows.append(mel.expand(-1, 1 + NUM_CHUNKS, -1, -1))
        return torch.cat(rows), torch.tensor(longer, device=wavs.device)

    def _whole(self, log_mel: LogMel, wav: torch.Tensor) -> torch.Tensor:
        length = wav.shape[1]
        if length <= self.clip_samples:
            whole = torch.tensor([length], device=wav.device)
            wav = fill(wav, whole, self.clip_samples, self.padding)
        return log_mel(wav)

    def _starts(self, frames: int, chunk: int) -> list[int]:
        ranges = chunk_ranges(frames, chunk)
        if not self.training:
            return [part[len(part) // 2] for part in ranges]
        drawn = torch.rand(NUM_CHUNKS).tolist()
        return [
            part[int(share * len(part))]
            for part, share in zip(ranges, drawn, strict=True)
        ]


def _shrunk(mel: torch.Tensor, frames: int) -> torch.Tensor:
    return F.interpolate(mel, (frames, mel.shape[3]), mode="bilinear")
