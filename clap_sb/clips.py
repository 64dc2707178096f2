"""Length rules for waveforms: un-padding, filling up and windows.

Everything here is a pure tensor function, vectorised over the batch, so that an
encoder that uses it gives the same embedding for a clip whatever else is in the
batch and compiles without a graph break.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

FILL_RULES = ("repeatpad", "repeat", "pad")


def num_samples(wavs: torch.Tensor, wav_lens: torch.Tensor | None) -> torch.Tensor:
    """Turns SpeechBrain's relative lengths into sample counts.

    Arguments
    ---------
    wavs : torch.Tensor
        Waveforms, ``[batch, time]``.
    wav_lens : torch.Tensor or None
        Relative lengths in (0, 1], ``[batch]``; None means all of ``time``.

    Returns
    -------
    torch.Tensor
        Sample counts, ``[batch]``, int64, at least 1. Exact for clips of up to a
        minute at 48 kHz; float32 ratios miss samples beyond that.

    Example
    -------
    >>> num_samples(torch.zeros(2, 100), torch.tensor([1.0, 0.5])).tolist()
    [100, 50]
    """
    batch, time = wavs.shape
    if wav_lens is None:
        return torch.full((batch,), time, device=wavs.device, dtype=torch.int64)
    counts = torch.round(wav_lens.to(wavs.device, torch.float64) * time)
    return counts.to(torch.int64).clamp(1, time)


def check_lengths(
    wavs: torch.Tensor, wav_lens: torch.Tensor | None, wait: bool = False
) -> None:
    """Makes sure that lengths are relative, and one a clip.

    Sample counts, taken for relative lengths, would have the batch's padding heard.
    What lengths hold is looked at on a CPU: a GPU would be waited for, and a graph that
    is compiled or exported cannot depend on it.

    Arguments
    ---------
    wavs : torch.Tensor
        Waveforms, ``[batch, time]``.
    wav_lens : torch.Tensor or None
        Relative lengths, ``[batch]``.
    wait : bool
        Whether a GPU is waited for.

    Raises
    ------
    ValueError
        If there is not one length a clip, or one is not in (0, 1].

    Example
    -------
    >>> check_lengths(torch.zeros(2, 100), torch.tensor([1.0, 0.5]))
    >>> check_lengths(torch.zeros(2, 100), torch.tensor([100, 50]))
    Traceback (most recent call last):
    ...
    ValueError: wav_lens are relative, in (0, 1], got 100 for clip 0: divide sample \
counts by the 100 samples of the batch
    """
    if wav_lens is None:
        return
    if wav_lens.dim() != 1 or wav_lens.shape[0] != wavs.shape[0]:
        raise ValueError(
            f"wav_lens has one length a clip: [{wavs.shape[0]}], got "
            f"{list(wav_lens.shape)}"
        )
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return
    if wav_lens.device.type != "cpu" and not wait:
        return
    wrong = ~((wav_lens > 0) & (wav_lens <= 1))
    if wrong.any():
        clip = int(wrong.nonzero()[0])
        raise ValueError(
            f"wav_lens are relative, in (0, 1], got {_shown(wav_lens[clip])} for clip "
            f"{clip}: divide sample counts by the {wavs.shape[1]} samples of the batch"
        )


def _shown(length: torch.Tensor) -> str:
    """A length as it was written: 1.0000001 is not 1, and 100.0 no other than 100."""
    # of the tensor's own precision, since 1.1 in float32 is 1.10000002384 in float64
    length = length.float() if length.dtype == torch.bfloat16 else length
    return str(length.detach().cpu().numpy()).removesuffix(".0")


def fill(
    wavs: torch.Tensor, lengths: torch.Tensor, size: int, rule: str = "repeatpad"
) -> torch.Tensor:
    """Fills clips up to ``size``, as their checkpoint family does.

    ============== ========================================== =====================
    rule           what follows the clip                      family
    ============== ========================================== =====================
    ``repeatpad``  the clip again, ``size // length`` times   LAION-CLAP (2211.06687)
                   in all, then zeros
    ``repeat``     the clip again, the last time cut          MS-CLAP (2206.04769)
    ``pad``        zeros                                      WavCaps (2303.17395)
    ============== ========================================== =====================

    Arguments
    ---------
    wavs : torch.Tensor
        Waveforms, ``[batch, time]``; what lies beyond a clip's length is ignored.
    lengths : torch.Tensor
        Sample counts, ``[batch]``, at most ``size``.
    size : int
        Samples in the result.
    rule : str
        One of :data:`FILL_RULES`.

    Returns
    -------
    torch.Tensor
        ``[batch, size]``.

    Raises
    ------
    ValueError
        If there is no such rule.

    Example
    -------
    >>> wav = torch.tensor([[1.0, 2.0, 9.0]])
    >>> for rule in FILL_RULES:
    ...     print(rule, fill(wav, torch.tensor([2]), 5, rule).int().tolist())
    repeatpad [[1, 2, 1, 2, 0]]
    repeat [[1, 2, 1, 2, 1]]
    pad [[1, 2, 0, 0, 0]]
    """
    if rule not in FILL_RULES:
        raise ValueError(f"a fill rule is one of {list(FILL_RULES)}, not {rule!r}")
    position = torch.arange(size, device=wavs.device)
    lengths = lengths.unsqueeze(1)
    if _nothing_repeats(lengths, size, rule):
        padded = F.pad(wavs, (0, size - wavs.shape[1]))
        return torch.where(position < lengths, padded, padded.new_zeros(()))
    filled = _repeated(wavs, lengths, position)
    if rule == "repeat":
        return filled
    kept = lengths if rule == "pad" else size - torch.full_like(lengths, size) % lengths
    return torch.where(position < kept, filled, filled.new_zeros(()))


def _repeated(
    wavs: torch.Tensor, lengths: torch.Tensor, position: torch.Tensor
) -> torch.Tensor:
    """Each clip again and again, ``[batch, len(position)]``."""
    if torch.compiler.is_compiling() or lengths.device.type != "cpu":
        return wavs.gather(1, position % lengths)
    size = len(position)
    # whole copies: to divide each position takes five times as long
    rows = [
        wav[:length].repeat(-(-size // length))[:size]
        for wav, length in zip(wavs, lengths.flatten().tolist(), strict=True)
    ]
    return torch.stack(rows)


def _nothing_repeats(lengths: torch.Tensor, size: int, rule: str) -> bool:
    """Whether zeros alone follow each clip: then no index need be computed.

    Looked at on a CPU only: a GPU would be waited for, and a compiled graph holds for
    all lengths.
    """
    if torch.compiler.is_compiling() or lengths.device.type != "cpu":
        return False
    return rule == "pad" or (rule == "repeatpad" and bool((2 * lengths > size).all()))


def window_starts(length: int, size: int, hop: int | None = None) -> list[int]:
    """Where the windows of a clip begin; the last one ends the clip.

    Arguments
    ---------
    length : int
        Samples in the clip.
    size : int
        Samples in a window.
    hop : int, optional
        Samples from one window to the next; ``size`` unless given.

    Returns
    -------
    list of int
        One start for a clip of at most ``size`` samples.

    Example
    -------
    >>> window_starts(25, 10), window_starts(20, 10), window_starts(3, 10)
    ([0, 10, 15], [0, 10], [0])
    >>> window_starts(20, 10, hop=4)
    [0, 4, 8, 10]
    """
    if length <= size:
        return [0]
    starts = list(range(0, length - size, hop or size))
    return [*starts, length - size]


def cut_windows(
    wavs: torch.Tensor, lengths: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cuts each clip of a batch into the windows of :func:`window_starts`.

    Arguments
    ---------
    wavs : torch.Tensor
        Waveforms, ``[batch, time]`` with ``time > size``.
    lengths : torch.Tensor
        Sample counts, ``[batch]``.
    size : int
        Samples in a window.

    Returns
    -------
    windows : torch.Tensor
        ``[batch, windows, size]``; a clip shorter than ``size`` lies at the start
        of its first window, followed by whatever the batch was padded with.
    valid : torch.Tensor
        ``[batch, windows]``, True for the windows a clip really has.

    Example
    -------
    >>> wavs = torch.arange(6.0).repeat(2, 1)
    >>> windows, valid = cut_windows(wavs, torch.tensor([6, 3]), 4)
    >>> windows[0].tolist(), valid.tolist()
    ([[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]], [[True, True], [True, False]])
    """
    most = -(-wavs.shape[1] // size)
    index = torch.arange(most, device=wavs.device)
    last = (lengths - size).clamp(min=0).unsqueeze(1)
    starts = torch.minimum(index * size, last)
    valid = index == 0
    valid = valid | (index * size < lengths.unsqueeze(1))
    position = starts.unsqueeze(2) + torch.arange(size, device=wavs.device)
    windows = wavs.unsqueeze(1).expand(-1, most, -1).gather(2, position)
    return windows, valid


def sum_of_windows(embedding: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Adds up window embeddings over the windows that a clip really has.

    Arguments
    ---------
    embedding : torch.Tensor
        ``[batch, windows, dim]``.
    valid : torch.Tensor
        ``[batch, windows]``, bool.

    Returns
    -------
    torch.Tensor
        ``[batch, dim]``.

    Example
    -------
    >>> embedding = torch.tensor([[[2.0], [1.0], [100.0]]])
    >>> sum_of_windows(embedding, torch.tensor([[True, True, False]])).tolist()
    [[3.0]]
    """
    # zeroed before the sum, not multiplied: what was computed for a window that
    # does not exist must not matter even if it is not finite
    return torch.where(valid.unsqueeze(2), embedding, embedding.new_zeros(())).sum(1)


def joined_windows(total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """One embedding a clip: the mean of its windows' unit embeddings, normalised again.

    The rule for long clips, wherever windows are embedded. That of one window is its
    own, to the bit.

    Arguments
    ---------
    total : torch.Tensor
        Sums over each clip's windows, ``[batch, dim]``.
    count : torch.Tensor
        How many it has, ``[batch]``.

    Returns
    -------
    torch.Tensor
        ``[batch, dim]``, unit norm.

    Example
    -------
    >>> total = torch.tensor([[3.0, 4.0], [0.6, 0.8]])
    >>> joined_windows(total, torch.tensor([7, 1])).numpy().round(1).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.6000000238418579, 0.800000011920929]]
    """
    # the sum has the mean's direction
    return torch.where((count > 1).unsqueeze(1), F.normalize(total, dim=1), total)
