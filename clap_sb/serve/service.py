"""What the page asks for, as plain data."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clap_sb.data.audio import AudioError, read_wav
from clap_sb.data.printable import printable
from clap_sb.evaluation.zero_shot import prompt
from clap_sb.search.errors import SearchError
from clap_sb.search.hits import Hit
from clap_sb.search.searcher import Searcher
from clap_sb.serve.picture import spectrogram_png
from clap_sb.serve.playback import Playable, Playback, first_unchanged

if TYPE_CHECKING:
    import torch

_FOLD = 0.98
_MOST_HITS = 100
_MOST_LABELS = 500


class Service:
    """Answers the page; one request at a time has the index and the model.

    Arguments
    ---------
    searcher : Searcher
        The index and its model.
    folder : Path
        For copies of sounds that browsers do not play.
    """

    def __init__(self, searcher: Searcher, folder: Path):
        self._searcher = searcher
        self._playback = Playback(folder)
        self._lock = threading.Lock()

    def about(self) -> dict[str, Any]:
        """Tells what can be searched."""
        with self._lock:
            self._searcher.refresh()
            index = self._searcher.index
            return {
                "sounds": index.num_sounds,
                "windows": index.num_windows,
                "exact": index.is_exact,
                "model": index.model.description,
                "pictures": self._takes_pictures(),
                "folders": [printable(name) for name in index.store.fact("folders")],
            }

    def search(
        self,
        text: str = "",
        like: int | None = None,
        window: int = 0,
        example: bytes | None = None,
        is_picture: bool = False,
        words: float = 0.5,
        k: int = 12,
        every_window: bool = False,
        fold: bool = False,
    ) -> dict[str, Any]:
        """Searches.

        Arguments
        ---------
        text : str
            What to listen for; empty for nothing.
        like : int, optional
            Id of a sound of the index that is to sound alike.
        window : int
            Which of its windows.
        example : bytes, optional
            Content of a sound file that is to sound alike, or of a picture.
        is_picture : bool
            Whether it is a picture.
        words : float
            Share of the text, from 0 to 1, where there is an example too.
        k : int
            Hits.
        every_window : bool
            Whether a sound may be found more than once.
        fold : bool
            Whether near-duplicates are folded.

        Returns
        -------
        dict
            ``hits``, the best first.

        Raises
        ------
        SearchError
            If there is nothing to search for, or no such window.
        AudioError
            If the sound cannot be used.
        """
        if not 1 <= k <= _MOST_HITS:
            raise SearchError(f"the number of hits is from 1 to {_MOST_HITS}")
        with self._lock:
            self._searcher.refresh()
            index, vectors = self._searcher.index, []
            if like is not None:
                row, *_ = index.window(like, window)
                vectors.append(index.embeddings(np.array([row]))[0])
            if example is not None:
                vectors.append(self._embedding(example, is_picture)[0].numpy())
            texts = [text] if text.strip() else []
            weights = [words] * len(texts) + [1 - words] * len(vectors)
            hits = self._searcher.find(
                texts,
                vectors=np.stack(vectors) if vectors else None,
                weights=weights if texts and vectors else None,
                k=k,
                every_window=every_window,
                fold=_FOLD if fold else None,
            )
            return {"hits": [self._shown(hit) for hit in hits]}

    def tags(
        self, example: bytes, labels: Sequence[str], is_picture: bool = False
    ) -> dict[str, Any]:
        """Compares a sound, or a picture, with labels.

        Arguments
        ---------
        example : bytes
            Content of the file.
        labels : sequence of str
            Any words.
        is_picture : bool
            Whether it is a picture.

        Returns
        -------
        dict
            ``tags``: label and probability, the best first: among these labels, or,
            where the model's logits have a bias, each on its own.

        Raises
        ------
        SearchError
            If there are no labels, or very many.
        AudioError
            If the sound cannot be used.
        """
        labels = list(dict.fromkeys(label.strip() for label in labels if label.strip()))
        if not 1 <= len(labels) <= _MOST_LABELS:
            raise SearchError(f"give 1 to {_MOST_LABELS} labels, separated by commas")
        with self._lock:
            clap = self._searcher.clap
            embedding = self._embedding(example, is_picture)
            text = clap.encode_text([prompt(label) for label in labels])
            shares = clap.log_probability(embedding, text)[0].exp().numpy()
        tags = [
            {"label": labels[place], "probability": float(shares[place])}
            for place in np.argsort(-shares, kind="stable")
        ]
        return {"tags": tags}

    def playable(self, sound: int) -> Playable:
        """Finds a sound for the player.

        Arguments
        ---------
        sound : int
            Its id.

        Returns
        -------
        Playable

        Raises
        ------
        FileNotFoundError
            If the index has no such sound, or its files have changed.
        """
        with self._lock:
            store = self._searcher.index.store
            # SQLite has no larger numbers
            files = store.files_of(sound) if sound < 2**63 else {}
            if not files:
                raise FileNotFoundError(f"there is no sound {sound} in the index")
            digest = store.hash_of(sound)
        return self._playback.of(digest, files)

    def picture(self, sound: int, window: int) -> bytes:
        """Draws a window.

        Arguments
        ---------
        sound : int
            Id of the sound.
        window : int
            Which of its windows.

        Returns
        -------
        bytes
            A PNG.

        Raises
        ------
        SearchError
            If the index has no such window.
        FileNotFoundError
            If its files have changed.
        """
        with self._lock:
            index, clap = self._searcher.index, self._searcher.clap
            _, start, end = index.window(sound, window)
            path = first_unchanged(index.store.files_of(sound))
        wav = read_wav(path, clap.sample_rate, start, end - start)
        return spectrogram_png(clap, wav)

    def _embedding(self, example: bytes, is_picture: bool) -> torch.Tensor:
        if not example:
            raise AudioError("the file is empty (0 bytes)")
        clap, file = self._searcher.clap, io.BytesIO(example)
        file.name = "dropped"  # what an error calls it
        return clap.encode_image(file) if is_picture else clap.embed_files([file])

    def _takes_pictures(self) -> bool:
        try:
            return self._searcher.clap.images is not None
        except ValueError:  # its space is no CLIP's
            return False

    def _shown(self, hit: Hit) -> dict[str, Any]:
        folder, name = os.path.split(hit.path)
        return {
            "score": hit.score,
            "name": printable(name),
            "folder": printable(folder),
            "start": hit.start,
            "end": hit.end,
            "duration": hit.duration,
            "sound": hit.sound,
            "window": hit.window,
            "copies": [printable(path) for path in hit.copies],
            "similar": [printable(path) for path in hit.similar],
        }
