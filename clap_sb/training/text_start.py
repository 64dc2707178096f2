"""Settles, before the model is built, what the text tower starts from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from clap_sb.config import BUILTIN, Config, ConfigError
from clap_sb.encoders.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
    train_sentencepiece,
)
from clap_sb.encoders.text_source import TextSourceError, fetch
from clap_sb.whole_file import write_whole


def has_source(values: Mapping[str, Any]) -> bool:
    """Whether a system's text tower is built from a folder, with its tokenizer.

    Arguments
    ---------
    values : mapping
        Its settings, with the text tower unbuilt.

    Returns
    -------
    bool
        False for a class that has all it takes, or of a system that names no
        ``text_source``: nothing is to be settled then.

    Example
    -------
    >>> has_source({"text_source": None, "text_encoder": {"source": None}})
    True
    """
    tower = values["text_encoder"]
    takes = isinstance(tower, Mapping) and "source" in tower
    return takes and "text_source" in values


def settle_text_tower(
    config: Config, captions: Iterable[str], folder: str | Path
) -> tuple[Config, str]:
    """Finds the pretrained text tower, or prepares one that starts from random weights.

    With ``pretrained_text: True`` the tower is fetched (a local folder, the hub's
    cache, the hub). Where that fails it is an error, except on the built-in set: there
    the same tower starts from random weights, over a SentencePiece tokenizer that is
    trained on the training captions, since the tokenizer's files come from the hub too.
    Such a tower is trained, even where a pretrained one would be kept frozen.

    A tower without a ``source`` has its weights and tokens from its class.

    Arguments
    ---------
    config : Config
        With ``text_source``, ``pretrained_text``, ``text_config``, ``text_vocab_size``,
        ``freeze_text`` and ``data_folder``.
    captions : iterable of str
        Training captions.
    folder : str or Path
        Receives the tokenizer and configuration of a tower from random weights.

    Returns
    -------
    config : Config
        With ``text_source`` a local folder.
    origin : str
        What is to be told at the start and in the results.

    Raises
    ------
    ConfigError
        If there is no pretrained tower to ask for.
    TextSourceError
        If the pretrained tower is not to be had, on real data.
    """
    values = config.values()
    if not has_source(values):
        name = values["text_encoder"].tag.value.removeprefix("!new:")
        return config, f"{name}, as it builds itself"
    reason = "as asked for"
    if values["pretrained_text"]:
        if values["text_source"] is None:
            raise ConfigError(
                f"{values['system']} has no pretrained text tower of its own: name one "
                "(--text_source NAME_OR_FOLDER), or leave --pretrained_text False"
            )
        try:
            found = fetch(values["text_source"])
        except TextSourceError:
            if values["data_folder"] != BUILTIN:
                raise
            reason = f"the weights of {values['text_source']} cannot be fetched here"
        else:
            origin = f"{values['text_source']}, pretrained"
            return config.updated({"text_source": str(found)}), origin
    pieces = _write_random_tower(values, captions, Path(folder))
    origin = (
        f"{_size(values['text_config'])} from random weights ({reason}), "
        f"SentencePiece tokenizer of {pieces} pieces trained on the training captions"
    )
    settled = {"text_source": str(folder), "pretrained_text": False}
    if values["freeze_text"]:
        origin += ", and trained along, since there is nothing to keep frozen"
        settled["freeze_text"] = False
    return config.updated(settled), origin


def _write_random_tower(
    values: Mapping[str, Any], captions: Iterable[str], folder: Path
) -> int:
    """Writes tokenizer and ``config.json``; returns the size of the vocabulary."""
    train_sentencepiece(captions, folder, values["text_vocab_size"])
    pieces = len(SentencePieceTokenizer(folder))
    # a pretrained tower's own vocabulary is of no use without its tokenizer
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    tower = {**values["text_config"], **ids, "vocab_size": pieces}
    path, text = folder / "config.json", json.dumps(tower, indent=1)
    # other ranks come here too, and find it done
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)
    return pieces


def _size(text_config: Mapping[str, Any]) -> str:
    """What such a tower is; the name of a pretrained one would promise its weights."""
    from transformers import AutoConfig

    config = AutoConfig.for_model(**text_config)
    layers, width = config.num_hidden_layers, config.hidden_size
    return f"a transformer of {layers} layers, {width} wide,"
