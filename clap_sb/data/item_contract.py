"""What an item of any data set has to be, before it is put into a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

_TOLD = 'see docs/extending.md, "A data set of your own"'


class ItemError(ValueError):
    """An item that cannot be put into a batch; the message names it, and the mend.

    Example
    -------
    >>> raise ItemError("the wav of 'a' is empty")
    Traceback (most recent call last):
    ...
    clap_sb.data.item_contract.ItemError: the wav of 'a' is empty
    """


def check_kind(items: Sequence[object], kind: type) -> None:
    """Makes sure that all items of a batch are of the class that a collate_fn takes.

    Arguments
    ---------
    items : sequence
        What a data set gave.
    kind : type
        ``Pair`` or ``WholeClip``.

    Raises
    ------
    ItemError
        If one is something else.

    Example
    -------
    >>> check_kind([{"sig": 0}], int)
    Traceback (most recent call last):
    ...
    clap_sb.data.item_contract.ItemError: a data set gave a dict for an item, and is \
to give a int (builtins), or the loader needs a collate_fn of your own: see \
docs/extending.md, "A data set of your own"
    """
    for item in items:
        if not isinstance(item, kind):
            raise ItemError(
                f"a data set gave a {type(item).__name__} for an item, and is to give "
                f"a {kind.__name__} ({kind.__module__}), or the loader needs a "
                f"collate_fn of your own: {_TOLD}"
            )


def checked_wav(wav: object, name: object) -> torch.Tensor:
    """A waveform, float32, if it is one.

    Arguments
    ---------
    wav : Any
        What an item has.
    name : Any
        The clip's id, for messages.

    Returns
    -------
    torch.Tensor
        ``[time]``.

    Raises
    ------
    ItemError
        If it is no tensor, has several channels, or is of whole numbers, which no one
        has scaled to [-1, 1].

    Example
    -------
    >>> checked_wav(torch.zeros(2, 800), "dog")
    Traceback (most recent call last):
    ...
    clap_sb.data.item_contract.ItemError: the wav of 'dog' is [2, 800], and is to be \
one channel, [time]: mix or choose (wav.mean(0))
    """
    if not isinstance(wav, torch.Tensor):
        raise ItemError(
            f"the wav of {name!r} is a {type(wav).__name__}, and is to be a tensor "
            f"[time]: torch.as_tensor makes one of an array; {_TOLD}"
        )
    if wav.dim() != 1:
        raise ItemError(
            f"the wav of {name!r} is {list(wav.shape)}, and is to be one channel, "
            "[time]: mix or choose (wav.mean(0))"
        )
    if not wav.is_floating_point():
        raise ItemError(
            f"the wav of {name!r} is of {wav.dtype}, and is to be of floats from -1 to "
            "1: divide whole numbers by their full scale (wav / 32768)"
        )
    return wav.float()


def check_texts(texts: object, name: object, what: str) -> None:
    """Makes sure that several captions are several texts, and not one.

    Arguments
    ---------
    texts : Any
        What an item has.
    name : Any
        The clip's id, for messages.
    what : str
        What they are called.

    Raises
    ------
    ItemError
        If it is no list or tuple, or has something else than texts.

    Example
    -------
    >>> check_texts("a dog", "dog", "captions")
    Traceback (most recent call last):
    ...
    clap_sb.data.item_contract.ItemError: captions of 'dog' is a str, and is to be a \
tuple of texts: ('a dog barks',)
    """
    if not isinstance(texts, list | tuple):
        raise ItemError(
            f"{what} of {name!r} is a {type(texts).__name__}, and is to be a tuple of "
            "texts: ('a dog barks',)"
        )
    for text in texts:
        if not isinstance(text, str):
            raise ItemError(
                f"{what} of {name!r} has a {type(text).__name__} in it, and is to "
                "have texts: leave out what has none"
            )


def check_heard(ids: Sequence[object], wav_lens: torch.Tensor) -> None:
    """Makes sure that something can be heard of each clip of a batch.

    Arguments
    ---------
    ids : sequence
        The clips' ids.
    wav_lens : torch.Tensor
        Relative lengths, ``[batch]``, on the CPU.

    Raises
    ------
    ItemError
        If a waveform is empty.

    Example
    -------
    >>> check_heard(["a", "b"], torch.tensor([1.0, 0.0]))
    Traceback (most recent call last):
    ...
    clap_sb.data.item_contract.ItemError: the wav of 'b' is empty: leave such clips out
    """
    for name, length in zip(ids, wav_lens.tolist(), strict=True):
        if length == 0:
            raise ItemError(f"the wav of {name!r} is empty: leave such clips out")
