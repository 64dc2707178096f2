"""Files from the Hugging Face hub: cached, and asked for with a short time limit.

The hub is asked once: the libraries left alone take half a minute to find out that
there is no network.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

SECONDS_TO_ANSWER = 6.0

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


class HubError(OSError):
    """The hub does not give what was asked for; the message says why."""


def is_hub_name(name: str) -> bool:
    """Whether a string could be the name of a repository on the hub.

    Arguments
    ---------
    name : str
        ``roberta-base``, ``laion/clap-htsat-unfused``, ...

    Returns
    -------
    bool

    Example
    -------
    >>> is_hub_name("laion/clap-htsat-unfused"), is_hub_name("/models/clap.pt")
    (True, False)
    """
    return _NAME.fullmatch(name) is not None


def fetch_snapshot(
    name: str,
    patterns: Sequence[str],
    seconds: float = SECONDS_TO_ANSWER,
    required: str = "*",
) -> Path:
    """Finds a repository's files: first in the cache, then on the hub.

    Arguments
    ---------
    name : str
        Name of the repository.
    patterns : sequence of str
        Names of the files that are wanted, with ``*`` for anything.
    seconds : float
        How long the hub may take to say that it has the repository; the download that
        follows may take as long as it needs.
    required : str
        What a cached copy must hold to be of use: whoever used a tokenizer alone has
        one without weights.

    Returns
    -------
    Path
        A local folder.

    Raises
    ------
    HubError
        If the files are not in the cache and the hub does not answer or has none.
    """
    # its import takes longer than a model's loading, and would be for nothing
    is_needed = "huggingface_hub" in sys.modules or not _is_offline()
    if not is_needed and not _cached(name).is_dir():
        raise HubError(f"HF_HUB_OFFLINE is set, and {name} is not in the cache")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = list(patterns)
    try:
        folder = Path(
            snapshot_download(name, allow_patterns=patterns, local_files_only=True)
        )
        wanted = any(path for pattern in patterns for path in folder.glob(pattern))
        if wanted and any(folder.glob(required)):
            return folder
    except (LocalEntryNotFoundError, ValueError):
        pass
    _ask(name, seconds)
    return Path(snapshot_download(name, allow_patterns=patterns))


def _is_offline() -> bool:
    """Whether the hub is not to be asked, as huggingface_hub reads it."""
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE")
    return str(value).upper() in ("1", "ON", "YES", "TRUE")


def _cached(name: str) -> Path:
    """Where the hub's cache has a repository, likewise."""
    told = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if told is None:
        home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
        home = os.environ.get("HF_HOME", os.path.join(home, "huggingface"))
        told = os.path.join(home, "hub")
    place = os.path.expandvars(os.path.expanduser(told))
    return Path(place) / f"models--{name.replace('/', '--')}"


def _ask(name: str, seconds: float) -> None:
    """Raises unless the hub says, in time, that it has the repository."""
    from huggingface_hub import HfApi

    answer: dict[str, Exception | None] = {}

    def ask() -> None:
        try:
            HfApi().model_info(name, timeout=seconds)
            answer["error"] = None
        except Exception as error:  # whatever went wrong is told to the user below
            answer["error"] = error

    # a name look-up without a network ignores time limits: the thread is left behind
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    error = answer.get("error", TimeoutError(f"no answer within {seconds:g} s"))
    if error is not None:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise HubError(reason[0]) from error
