"""Augmentation of the waveforms of a training batch."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from speechbrain.augment.augmenter import Augmenter


def move_augmenter(augment: Any, device: str | torch.device) -> None:
    """Moves an augmenter to a device, with all that is in it.

    SpeechBrain's ``Augmenter`` has its augmentations in a dictionary, where ``to`` does
    not find what they hold.

    Arguments
    ---------
    augment : Any
        The augmenter; what is no module stays where it is.
    device : str or torch.device
        Where the waveforms will be.

    Example
    -------
    >>> from speechbrain.augment.augmenter import Augmenter
    >>> layer = torch.nn.Linear(1, 1)
    >>> move_augmenter(Augmenter(augmentations=[layer]), "meta")
    >>> layer.weight.device
    device(type='meta')
    """
    parts = [augment]
    if isinstance(augment, Augmenter):
        parts += augment.augmentations.values()
    for part in parts:
        if isinstance(part, torch.nn.Module):
            part.to(device)


def augmented(
    augment: Callable[..., torch.Tensor | tuple[torch.Tensor, torch.Tensor]],
    wavs: torch.Tensor,
    wav_lens: torch.Tensor,
    longest: int | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Changes waveforms at random: float32, on their device, without gradients.

    Each call works on a copy of the augmenter as it was built. What it remembers (how
    far SpeechBrain's ``AddNoise`` is in its list of noises) is in no checkpoint, and
    would make a run that goes on another one than a run that was not interrupted.

    Arguments
    ---------
    augment : callable
        ``(wavs, lengths) -> (wavs, lengths)``, or the waveforms alone where their
        lengths stay: SpeechBrain's ``Augmenter``, or another one. It draws from the
        global generators of torch, Python or NumPy.
    wavs : torch.Tensor
        ``[batch, time]``; they stay as they are.
    wav_lens : torch.Tensor
        Relative lengths, ``[batch]``.
    longest : int or None
        Samples that are kept of what has become longer; None for all.

    Returns
    -------
    wavs : torch.Tensor
        ``[batch, time]``, of another time perhaps.
    wav_lens : torch.Tensor
        Relative lengths, ``[batch]``.

    Raises
    ------
    ValueError
        If it gives another number of clips, whose captions would be others', or no
        ``[batch, time]``.

    Example
    -------
    >>> from speechbrain.augment.augmenter import Augmenter
    >>> from speechbrain.augment.time_domain import SpeedPerturb
    >>> slower = Augmenter(augmentations=[SpeedPerturb(8000, speeds=[80])])
    >>> wavs, lens = augmented(
    ...     slower, torch.rand(2, 800), torch.tensor([1.0, 0.5]), 900
    ... )
    >>> wavs.shape, [round(900 * share) for share in lens.tolist()]
    (torch.Size([2, 900]), [900, 500])
    """
    with torch.no_grad(), torch.autocast(wavs.device.type, enabled=False):
        out = copy.deepcopy(augment)(wavs.clone(), wav_lens.clone())
    changed, lens = out if isinstance(out, tuple) else (out, wav_lens)
    if changed.dim() != 2 or not len(changed) == len(lens) == len(wavs):
        raise ValueError(
            f"wav_augment made {tuple(changed.shape)} of waveforms of "
            f"{tuple(wavs.shape)}, and {len(lens)} lengths: it is to give one waveform "
            "for each, [batch, time]. Leave concat_original and parallel_augment of "
            "SpeechBrain's Augmenter False, and repeat_augment 1"
        )
    time = changed.shape[1]
    if longest is not None and time > longest:
        changed = changed[:, :longest]
        lens = (lens * (time / longest)).clamp(max=1.0)
    return changed, lens
