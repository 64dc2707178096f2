"""Where a checkpoint and its tokenizer are: on disk, in the cache, on the hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.run_folder import EXPORT_FOLDER
from clap_sb.checkpoints.speechbrain_folder import DESCRIPTION_FILE
from clap_sb.checkpoints.weights_file import FOLDER_FILES, SUFFIXES
from clap_sb.encoders.missing_tokenizer import has_tokenizer
from clap_sb.hub import HubError, fetch_snapshot, is_hub_name

# sha256 of files on the hub, by repository and name, where they are published
KNOWN_SHA256 = {
    "lukewys/laion_clap/music_audioset_epoch_15_esc_90.14.pt": (
        "fae3e9c087f2909c28a09dc31c8dfcdacbc42ba44c70e972b58c1bd1caf6dedd"
    ),
}

_TOKENIZER_PATTERNS = ("*.txt", "*.model", "tokenizer*.json", "vocab.json")
_BLOCK = 2**20
_CONFIGURATION = ("*.json", "*.txt", "*.model", "*.yaml")


def find_checkpoint(source: str | Path) -> Path:
    """Finds a checkpoint.

    Arguments
    ---------
    source : str or Path
        A file, a folder, a repository on the Hugging Face hub
        (``laion/clap-htsat-unfused``), or a file in one
        (``lukewys/laion_clap/630k-audioset-best.pt``).

    Returns
    -------
    Path
        A local file or folder.

    Raises
    ------
    CheckpointError
        If it is nowhere, the hub does not answer, or a file differs from what was
        published.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> find_checkpoint(folder) == folder
    True
    """
    path = Path(source)
    if path.exists():
        return path
    repository, _, name = str(source).rpartition("/")
    try:
        if name.endswith(SUFFIXES) and is_hub_name(repository):
            found = fetch_snapshot(repository, [name]) / name
            check_sha256(found, KNOWN_SHA256.get(str(source)))
            return found
        if is_hub_name(str(source)) and not name.endswith(SUFFIXES):
            return _fetch_repository(str(source))
    except HubError as error:
        raise CheckpointError(
            f"there is no file or folder {source}, the Hugging Face cache does not "
            f"hold it, and the hub does not give it ({error}). Fetch the file "
            "elsewhere, and give its path"
        ) from error
    raise CheckpointError(f"there is no file or folder {source}")


def find_export(source: str | Path) -> Path:
    """Finds an export of ours.

    Arguments
    ---------
    source : str or Path
        Its folder, the training run that it belongs to, or a repository on the hub.

    Returns
    -------
    Path
        The export's folder.

    Raises
    ------
    CheckpointError
        If it is nowhere, or is no export.
    """
    path = find_checkpoint(source)
    for folder in (path, path / EXPORT_FOLDER):
        if (folder / DESCRIPTION_FILE).is_file():
            return folder
    raise CheckpointError(
        f"{source} is no export of clap_sb: it holds no {DESCRIPTION_FILE}. "
        "CLAP.from_checkpoint loads checkpoints of other programs, and "
        "`clap-sb convert` makes exports of them"
    )


def link_into(folder: Path, savedir: str | Path) -> Path:
    """Links each file of an export into another folder, as SpeechBrain does.

    A link or file that has the name already gives way.

    Arguments
    ---------
    folder : Path
        The export.
    savedir : str or Path
        Where the links go; the folder itself will do, and nothing happens then.

    Returns
    -------
    Path
        ``savedir``.
    """
    savedir = Path(savedir)
    for path in sorted(folder.rglob("*")):
        target = savedir / path.relative_to(folder)
        if path.is_file() and target.resolve() != path.resolve():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            target.symlink_to(path.absolute())
    return savedir


def _fetch_repository(name: str) -> Path:
    """Safetensors if there are any; pickled weights only if there are none."""
    for weights in ("*.safetensors", "*.bin"):
        folder = fetch_snapshot(name, [*_CONFIGURATION, weights])
        if (folder / DESCRIPTION_FILE).is_file():  # an export of ours
            patterns = [*_CONFIGURATION, "*.ckpt", "clip/*"]  # of a CLIP inside, too
            return fetch_snapshot(name, patterns, required="*.ckpt")
        if any((folder / file).is_file() for file in FOLDER_FILES):
            return folder
    raise HubError(f"its repository {name} holds no weights")


def check_sha256(path: Path, expected: str | None) -> None:
    """Compares a file with the published hash.

    Arguments
    ---------
    path : Path
        The file.
    expected : str or None
        SHA-256 in hexadecimal; None if none is known.

    Raises
    ------
    CheckpointError
        If they differ.

    Example
    -------
    >>> path = getfixture("tmp_path") / "file"
    >>> _ = path.write_bytes(b"")
    >>> check_sha256(path, hashlib.sha256(b"").hexdigest())
    """
    if expected is None:
        return
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise CheckpointError(
            f"{path} is not the published file: its SHA-256 is {digest.hexdigest()}, "
            f"not {expected}; delete it and fetch it again"
        )


def find_tokenizer(
    given: str | Path | None, checkpoint: Path, usual: str
) -> Path | None:
    """Finds a tokenizer: the one given, the checkpoint's own, the usual one.

    Arguments
    ---------
    given : str, Path or None
        A folder or a name on the hub.
    checkpoint : Path
        The checkpoint; a folder may hold a tokenizer.
    usual : str
        Name on the hub of the tokenizer that the text tower was trained with.

    Returns
    -------
    Path or None
        A folder; None if none was given and the usual one cannot be fetched.

    Raises
    ------
    CheckpointError
        If the one given is not to be had.
    """
    for folder in (given, checkpoint):
        if folder is not None and Path(folder).is_dir() and has_tokenizer(folder):
            return Path(folder)
    if given is not None and not is_hub_name(str(given)):
        raise CheckpointError(f"there is no tokenizer in {given}")
    if given is None and not is_hub_name(usual):  # a run's own, and it is not there
        return None
    try:
        return fetch_snapshot(str(given or usual), _TOKENIZER_PATTERNS)
    except HubError as error:
        if given is None:
            return None
        raise CheckpointError(
            f"the tokenizer {given} is neither a folder here nor in the Hugging Face "
            f"cache, and the hub does not give it ({error})"
        ) from error
