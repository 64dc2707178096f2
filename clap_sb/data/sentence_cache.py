"""Sentences that a model has made, kept on disk as it makes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


class SentenceCache:
    """Remembers what a model said, so that an interrupted run goes on where it was.

    A line is added for each text; one that was cut by an interruption is dropped. What
    another model said, or this one with other settings, is passed over.

    Arguments
    ---------
    path : Path or None
        The file, made when there is something to remember; in memory alone if None.
    maker : str
        The model and its settings.

    Example
    -------
    >>> path = getfixture("tmp_path") / "said.jsonl"
    >>> SentenceCache(path, "t5").add({"dog rain": ("A dog barks in the rain.",)})
    >>> SentenceCache(path, "t5").known["dog rain"]
    ('A dog barks in the rain.',)
    """

    def __init__(self, path: Path | None, maker: str):
        self.path = path
        self.maker = maker
        self.known: dict[str, tuple[str, ...]] = {}
        if path is not None and path.is_file():
            self._read(path)

    def _read(self, path: Path) -> None:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with open(path, "r+b") as file:
                file.truncate(len(whole))
        for line in whole.splitlines():
            row = json.loads(line)
            if row["maker"] == self.maker:
                self.known[row["text"]] = tuple(row["sentences"])

    def add(self, made: Mapping[str, tuple[str, ...]]) -> None:
        """Remembers sentences, on disk too before it returns.

        Arguments
        ---------
        made : mapping of str to tuple of str
            Sentences by the text they were made of.
        """
        self.known.update(made)
        if self.path is None:
            return
        rows = (
            {"maker": self.maker, "text": text, "sentences": sentences}
            for text, sentences in made.items()
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
