"""A text tower's configuration, written out in a YAML file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class InlineSource(os.PathLike):
    """A ``source`` for a text tower whose numbers stand in the YAML itself.

    SpeechBrain reads a YAML before it fetches anything else, from a place that the YAML
    is not told. The tower has no tokenizer until
    :func:`~clap_sb.encoders.tokenizer_file.load_tokenizer` brings it.

    Arguments
    ---------
    config : mapping
        What ``config.json`` would hold.

    Example
    -------
    >>> source = InlineSource({"model_type": "bert"})
    >>> (Path(source) / "config.json").read_text()
    '{"model_type": "bert"}'
    """

    def __init__(self, config: Mapping[str, Any]):
        self._folder = tempfile.TemporaryDirectory(prefix="clap_sb")
        path = Path(self._folder.name) / "config.json"
        path.write_text(json.dumps(dict(config)), encoding="utf-8")

    def __fspath__(self) -> str:
        """A folder that lives as long as this."""
        return self._folder.name
