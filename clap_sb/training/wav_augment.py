"""Augmentation of the waveforms of a training batch."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from speechbrain.augment.augmenter import Augmenter

from clap_sb.encoders.built_again import generators_kept
from clap_sb.training.optimization import seed_step

logger = logging.getLogger(__name__)

_TOLD = (
    "It is called with (wavs, lengths), see docs/extending.md; SpeechBrain's "
    "augmentations go into an Augmenter"
)


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
        If it fails, gives another number of clips, whose captions would be others', or
        no ``[batch, time]``.

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
    out = _called(_copied(augment), wavs, wav_lens)
    changed, lens = out if isinstance(out, tuple) and len(out) == 2 else (out, wav_lens)
    if not all(isinstance(part, torch.Tensor) for part in (changed, lens)):
        raise ValueError(
            f"{_named(augment)} gives a {type(changed).__name__}, and no tensors: it "
            f"is to give the waveforms, or (waveforms, lengths). {_TOLD}"
        )
    if changed.dim() != 2 or not len(changed) == len(lens) == len(wavs):
        raise ValueError(
            f"wav_augment made {tuple(changed.shape)} of waveforms of "
            f"{tuple(wavs.shape)}, and {len(lens)} lengths: it is to give one waveform "
            "for each, [batch, time]. Leave concat_original and parallel_augment of "
            "SpeechBrain's Augmenter False, and repeat_augment 1"
        )
    time = changed.shape[1]
    if time == 0:
        raise ValueError(f"{_named(augment)} leaves nothing of the waveforms")
    if longest is not None and time > longest:
        changed = changed[:, :longest]
        lens = (lens * (time / longest)).clamp(max=1.0)
    return changed.to(wavs.dtype), lens


def _named(augment: Any) -> str:
    kind = augment if hasattr(augment, "__qualname__") else type(augment)
    return f"wav_augment ({kind.__module__}.{kind.__qualname__})"


def _copied(augment: Any) -> Any:
    try:
        return copy.deepcopy(augment)
    except Exception as error:
        raise ValueError(
            f"{_named(augment)} cannot be copied, and each step works on a copy: "
            f"{error}. Have it open files, or start processes, when it is called"
        ) from error


def _called(augment: Any, wavs: torch.Tensor, wav_lens: torch.Tensor) -> Any:
    try:
        with torch.no_grad(), torch.autocast(wavs.device.type, enabled=False):
            return augment(wavs.clone(), wav_lens.clone())
    except Exception as error:
        raise ValueError(
            f"{_named(augment)} fails on waveforms {tuple(wavs.shape)}: "
            f"{type(error).__name__}: {' '.join(str(error).split())}. {_TOLD}"
        ) from error


def try_augment(augment: Any, sample_rate: int, longest: int | None) -> None:
    """Changes some noise, before an epoch is spent on it.

    The global generators are left as they were.

    Arguments
    ---------
    augment : callable
        As :func:`augmented` takes it, on the CPU.
    sample_rate : int
        Of the waveforms, Hz; there are two seconds.
    longest : int or None
        As :func:`augmented` takes it.

    Raises
    ------
    ValueError
        If it fails, gives something else than it is to give, or would change each batch
        in the same way: each step works on a copy of it as it was built, so that a
        generator, counter or list of its own never gets on.

    Example
    -------
    >>> class Own:
    ...     def __init__(self):
    ...         self.drawn = torch.Generator().manual_seed(0)
    ...
    ...     def __call__(self, wavs, lengths):
    ...         return wavs * torch.rand(1, generator=self.drawn), lengths
    >>> try_augment(lambda wavs, lengths: wavs * torch.rand(1), 8000, None)
    >>> try_augment(Own(), 8000, None)
    Traceback (most recent call last):
    ...
    ValueError: wav_augment (clap_sb.training.wav_augment.Own) would change each batch \
in the same way: each step works on a copy of it as it was built. Have it draw from \
the global generators of torch, Python or NumPy, and a list be in random order
    """
    generator = torch.Generator().manual_seed(0)
    size = 2 * sample_rate if longest is None else min(longest, 2 * sample_rate)
    wavs = 0.1 * torch.randn(4, size, generator=generator)
    lens = torch.tensor([1.0, 0.5, 1.0, 0.8], dtype=torch.float64)

    def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        seed_step(seed)
        found = augmented(augment, wavs, lens, longest)
        if not found[0].isfinite().all():
            raise ValueError(
                f"{_named(augment)} makes numbers of noise that are not finite"
            )
        return found

    with _seeds_kept():
        first, *others = [drawn(seed) for seed in range(4)]
        repeats = _same(first, drawn(0))
        constant = all(_same(first, other) for other in others)
        gets_on = constant and repeats and _gets_on(augment, wavs, lens)
    if gets_on:
        raise ValueError(
            f"{_named(augment)} would change each batch in the same way: each step "
            "works on a copy of it as it was built. Have it draw from the global "
            "generators of torch, Python or NumPy, and a list be in random order"
        )
    if not repeats:
        logger.warning(
            "%s draws from something else than the global generators of torch, Python "
            "and NumPy: no run can be repeated, and one that is interrupted ends "
            "another way",
            _named(augment),
        )


def _gets_on(augment: Any, wavs: torch.Tensor, lens: torch.Tensor) -> bool:
    """Whether one and the same object gives something else from call to call."""
    own, found = _copied(augment), []
    for _ in range(2):
        seed_step(0)
        out = _called(own, wavs, lens)
        found.append((out if isinstance(out, tuple) else (out,))[0])
    return not _same(*([part] for part in found))


def _same(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    return all(map(torch.equal, one, other))


@contextlib.contextmanager
def _seeds_kept() -> Iterator[None]:
    """Leaves all that a step seeds as it was."""
    seed = os.environ.get("SB_GLOBAL_SEED")
    try:
        with generators_kept():
            yield
    finally:
        if seed is None:
            os.environ.pop("SB_GLOBAL_SEED", None)
        else:
            os.environ["SB_GLOBAL_SEED"] = seed
