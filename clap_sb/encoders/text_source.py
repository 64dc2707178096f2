"""Where a text tower's configuration, tokenizer and weights come from.

The hub is asked once and with a short time limit: ``from_pretrained`` left alone
takes half a minute to find out that there is no network.
"""

from __future__ import annotations

import threading
from pathlib import Path

PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")
SECONDS_TO_ANSWER = 6.0


class TextSourceError(OSError):
    """A text tower's files are neither here nor to be fetched."""


def fetch(source: str | Path, seconds: float = SECONDS_TO_ANSWER) -> Path:
    """Finds the files of a text tower: a local folder, the hub's cache, the hub.

    Arguments
    ---------
    source : str or Path
        A folder, or a name on the Hugging Face hub such as ``roberta-base``.
    seconds : float
        How long the hub may take to say that it has the model; the download that
        follows may take as long as it needs.

    Returns
    -------
    Path
        A local folder with ``config.json``, tokenizer files and weights.

    Raises
    ------
    TextSourceError
        If there is no such folder, and the hub does not answer or has no such model.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "config.json").write_text("{}")
    >>> fetch(folder) == folder
    True
    """
    folder = Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise TextSourceError(
                f"{folder} is not a text tower: it holds no config.json. A folder "
                "written by transformers' save_pretrained is what is needed"
            )
        return folder

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        cached = Path(
            snapshot_download(
                str(source), allow_patterns=PATTERNS, local_files_only=True
            )
        )
    except (LocalEntryNotFoundError, ValueError):
        cached = None
    # whoever used the tokenizer alone has a cache without weights
    if cached is not None and any(cached.glob("*.safetensors")):
        return cached
    _ask_hub(str(source), seconds)
    return Path(snapshot_download(str(source), allow_patterns=PATTERNS))


def _ask_hub(source: str, seconds: float) -> None:
    """Raises unless the hub says, in time, that it has the model."""
    from huggingface_hub import HfApi

    answer: dict[str, Exception | None] = {}

    def ask() -> None:
        try:
            HfApi().model_info(source, timeout=seconds)
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
        raise TextSourceError(
            f"the text tower {source!r} is neither a folder here nor in the Hugging "
            f"Face cache, and the hub does not give it ({reason[0]}). Give a local "
            "folder (--text_source FOLDER, as save_pretrained writes it), or train the "
            "same tower from random weights (--pretrained_text False)"
        ) from error
