"""Where a text tower's configuration, tokenizer and weights come from."""

from __future__ import annotations

from pathlib import Path

from clap_sb.encoders.pip_package import PackageMissing, pip_package
from clap_sb.hub import SECONDS_TO_ANSWER, HubError, fetch_snapshot

PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors")


class TextSourceError(OSError):
    """A text tower's files are neither here nor to be fetched."""


def fetch(source: str | Path, seconds: float = SECONDS_TO_ANSWER) -> Path:
    """Finds the files of a text tower: a package, a folder, the hub's cache, the hub.

    Arguments
    ---------
    source : str or Path
        ``package:NAME`` (:mod:`clap_sb.encoders.pip_package`), a folder, or a name on
        the Hugging Face hub such as ``roberta-base``.
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
        If there is no such folder, and the hub does not answer or has no such model,
        or the package is not installed.
    PackageError
        If the package's files are not the published ones.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "config.json").write_text("{}")
    >>> fetch(folder) == folder
    True
    """
    package = pip_package(source)
    if package is not None:
        try:
            return package.folder()
        except PackageMissing as error:
            raise TextSourceError(
                f"{error}, give a local folder (--text_source FOLDER), or train the "
                "same tower from random weights (--pretrained_text False)"
            ) from error
    folder = Path(source)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise TextSourceError(
                f"{folder} is not a text tower: it holds no config.json. A folder "
                "written by transformers' save_pretrained is what is needed"
            )
        return folder

    try:
        return fetch_snapshot(str(source), PATTERNS, seconds, "*.safetensors")
    except HubError as error:
        raise TextSourceError(
            f"the text tower {str(source)!r} is neither a folder here nor in the "
            f"Hugging Face cache, and the hub does not give it ({error}). Give a local "
            "folder (--text_source FOLDER, as save_pretrained writes it), or train the "
            "same tower from random weights (--pretrained_text False)"
        ) from error
