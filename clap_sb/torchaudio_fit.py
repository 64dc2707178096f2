"""Whether torchaudio fits torch, told before SpeechBrain imports it.

torchaudio's releases have a compiled part that goes with some releases of torch, which
no installer knows of: pip takes torchaudio 2.11.1 beside torch 2.11 without a word. The
import then ends in the loader's traceback, which does not tell what to do.
"""

from __future__ import annotations

import importlib
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType

# Each torchaudio with the first and the last release of torch that it was seen to go
# with; the last that fits is recommended. As setup.py has them.
FITTING = {"2.11.0": ((2, 11), (2, 14)), "2.11.1": ((2, 13), (2, 15))}


class TorchaudioError(ImportError):
    """torchaudio is not there, or does not fit torch; the message says what will.

    Uncaught, it is printed without a traceback.
    """


def require_torchaudio() -> None:
    """Makes sure that torchaudio can be imported, and SpeechBrain with it.

    Raises
    ------
    TorchaudioError
        If it cannot be; with both versions, those that fit, and the command that mends
        it.

    Example
    -------
    >>> require_torchaudio()
    """
    try:
        importlib.import_module("torchaudio")
    # the loader's OSError, RuntimeError for another CUDA, AttributeError in its Python
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        _print_without_traceback()
        raise TorchaudioError(_advice(error)) from None


def fitting_torchaudio(torch_version: str) -> str | None:
    """The release of torchaudio to install beside a torch.

    Arguments
    ---------
    torch_version : str
        Such as ``2.14.1+cu130``.

    Returns
    -------
    str or None
        None for a torch that none is known to fit.

    Example
    -------
    >>> fitting_torchaudio("2.11.0"), fitting_torchaudio("2.14.1+cu130")
    ('2.11.0', '2.11.1')
    >>> fitting_torchaudio("2.9.1")
    """
    fits = _all_fitting(torch_version)
    return fits[-1] if fits else None


def _all_fitting(torch_version: str) -> list[str]:
    # of 2.15.0a0+git and 2.14rc1, too
    numbers = re.match(r"(\d+)\.(\d+)", torch_version)
    release = tuple(map(int, numbers.groups())) if numbers else (0, 0)
    return [name for name, (first, last) in FITTING.items() if first <= release <= last]


def _advice(error: Exception) -> str:
    torch, torchaudio = _installed("torch"), _installed("torchaudio")
    fitting = fitting_torchaudio(torch) if torch else None
    known = ", ".join(
        f"torchaudio {name} goes with torch {_release(first)} to {_release(last)}"
        for name, (first, last) in FITTING.items()
    )
    if fitting is None:
        newest, (_, last) = list(FITTING.items())[-1]
        found = f"torch {torch} is none" if torch else "torch is not installed, or none"
        return (
            f"{found} that torchaudio is known to fit ({known}): "
            f"pip install 'torch=={_release(last)}.*' torchaudio=={newest}"
        )
    if torchaudio is None:
        return (
            "torchaudio is not installed, which SpeechBrain imports; beside torch "
            f"{torch}: pip install torchaudio=={fitting}"
        )
    if torchaudio.partition("+")[0] not in _all_fitting(torch):
        return (
            f"torchaudio {torchaudio} does not fit torch {torch} ({known}): "
            f"pip install torchaudio=={fitting}"
        )
    reason = next(filter(None, str(error).splitlines()), repr(error)).rstrip(". ")
    return (
        f"torchaudio {torchaudio} cannot be imported beside torch {torch}, though "
        f"these releases fit ({reason}): take both from one place, built for the same "
        f"CUDA: pip install --force-reinstall torch=={torch.partition('+')[0]} "
        f"torchaudio=={fitting}"
    )


def _release(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]}.{numbers[1]}"


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _print_without_traceback() -> None:
    """Has this one error printed in one line where nothing catches it."""
    usual = sys.excepthook

    def hook(
        kind: type[BaseException], value: BaseException, trace: TracebackType | None
    ) -> None:
        if isinstance(value, TorchaudioError):
            print(f"error: {value}", file=sys.stderr)
        else:
            usual(kind, value, trace)

    sys.excepthook = hook
