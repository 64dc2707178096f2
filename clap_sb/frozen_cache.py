"""What frozen towers give in training, computed once (``cache_frozen``)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import clap_sb.training  # noqa: F401  before SpeechBrain: says what it lacks

# isort: split
import torch
from speechbrain.utils.data_utils import recursive_to
from speechbrain.utils.distributed import if_main_process
from torch import nn
from torch.utils.data import DataLoader

from clap_sb.config import ConfigError
from clap_sb.data.heard_whole import HeardWhole
from clap_sb.data.kept_rows import Items, KeptRows
from clap_sb.data.keys import key_of
from clap_sb.data.pairs import PairBatch, PairCollate, PairDataset, never_known
from clap_sb.encoders.fingerprint import alike, probe, tower_fingerprint
from clap_sb.model import CLAP

logger = logging.getLogger(__name__)

AUDIO, TEXT = "audio_encoder", "text_encoder"
"""Names of the towers in a model."""

_FREEZE = {AUDIO: "--freeze_audio", TEXT: "--freeze_text"}
_PROBE = key_of("probe")
_BATCHES = 64  # of each rank, before what was computed is saved


class FrozenCache:
    """Outputs of frozen towers, for the clips and captions whose outputs never change.

    That is so where no parameter of a tower is trained and it stays in eval mode, and,
    for clips, where the same is heard in each epoch. Those are embedded before the
    first one, in batches as large as those of training, under the same autocast; all
    else is computed in each step. The files are named by fingerprints of the towers,
    and what is in them goes by the captions and by the clips' files.

    Arguments
    ---------
    clap : CLAP
        With the weights that it is trained with, on its device.
    folder : Path
        Receives the files; several runs may share it.
    device : str or torch.device
        Where the model is.
    progress : bool
        Whether a progress bar is shown.
    """

    def __init__(
        self,
        clap: CLAP,
        folder: Path,
        device: str | torch.device = "cpu",
        progress: bool = False,
    ):
        self.clap = clap
        self.folder = folder
        self.device = torch.device(device)
        self.progress = progress
        clap.train()  # as each epoch does: what is frozen stays in eval mode
        reasons = {name: _why_not(name, getattr(clap, name)) for name in _FREEZE}
        self._computed = {name: why for name, why in reasons.items() if why}
        self._prints = {
            name: tower_fingerprint(getattr(clap, name))
            for name in _FREEZE
            if name not in self._computed
        }
        self._files: dict[Path, KeptRows] = {}
        self._clips: dict[str, int] = {}
        self._captions: dict[str, int] = {}
        self._release: Callable[[], None] | None = None

    def has_use(
        self, loader: DataLoader, augments: bool, is_plain: bool = True
    ) -> bool:
        """Looks, before anything is trained, for what can be computed beforehand.

        Arguments
        ---------
        loader : DataLoader
            The training loader.
        augments : bool
            Whether waveforms are augmented.
        is_plain : bool
            Whether a batch is embedded as :class:`~clap_sb.brain.CLAPBrain` does it.

        Returns
        -------
        bool
            False where it is nothing; why is told.
        """
        dataset, computed = loader.dataset, self._computed
        known = (dataset, PairDataset), (loader.collate_fn, PairCollate)
        parts = *known, (self.clap, CLAP)
        own = [type(part).__name__ for part, kind in parts if type(part) is not kind]
        if own or not is_plain:
            who = " and ".join(own) or "a Brain with a compute_forward of its own"
            why = f"of {who}, it is not known that a clip stays the same (PairDataset)"
            computed |= {AUDIO: why, TEXT: why}
        elif augments:
            computed.setdefault(AUDIO, "wav_augment changes the waveforms each time")
        elif not any(map(dataset.hears_whole, dataset.clips)):
            why = f"all training clips are longer than {dataset.seconds:g} s, a window"
            computed.setdefault(AUDIO, why)
        if len(computed) == len(_FREEZE):
            why = "; ".join(f"{name}: {computed[name]}" for name in _FREEZE)
            logger.warning("cache_frozen has nothing to keep. %s", why)
            return False
        return True

    def prepare(self, loader: DataLoader) -> None:
        """Computes what is missing; the loader then reads nothing that is known.

        That is done once, and undone by :meth:`release`.

        Arguments
        ---------
        loader : DataLoader
            The training loader, which :meth:`check` has seen, with no worker started
            yet. In training's autocast.

        Raises
        ------
        ConfigError
            If a tower gives something else each time.
        """
        if self._release is not None:
            return
        workers, collate = loader.num_workers, loader.collate_fn

        def release() -> None:
            loader.num_workers, loader.collate_fn = workers, collate
            loader.dataset.is_known = never_known

        self._release = release
        if AUDIO not in self._computed:
            self._prepare_clips(loader)
        if TEXT not in self._computed:
            self._prepare_captions(loader)
        for name, why in self._computed.items():
            _tell(f"{name} is computed in each step: {why}")

    def release(self) -> None:
        """Has the training loader and its data set read and tokenise all, as before."""
        if self._release is not None:
            self._release()

    def _prepare_clips(self, loader: DataLoader) -> None:
        heard = HeardWhole(loader.dataset)

        def embed(items: Items) -> Iterator[tuple[int, torch.Tensor]]:
            clips, size = [clip for _, clip in items], loader.batch_size
            for keys, wavs, lens in heard.batches(clips, size, loader.num_workers):
                rows = self._compute(AUDIO, wavs, lens).cpu().split(1)
                yield from zip(keys, rows, strict=False)  # the last batch is filled up

        items = list(zip(heard.keys.values(), heard.clips, strict=True))
        rows = self.rows(AUDIO)
        rows.complete(items, embed, loader.batch_size * _BATCHES, self._bar(AUDIO))
        self._clips = heard.read_no_more(rows)
        known, total = len(self._clips), len(loader.dataset)
        rest = "" if known == total else "; the others are read each epoch"
        _tell(f"{known} of {total} clips are heard whole: cached{rest}")
        if not rest:
            loader.num_workers = 0  # there is nothing left for them to do

    def _prepare_captions(self, loader: DataLoader) -> None:
        size, tokenize = loader.batch_size, loader.collate_fn.tokenize

        def embed(items: Items) -> Iterator[tuple[int, torch.Tensor]]:
            for start in range(0, len(items), size):
                keys, texts = zip(*items[start : start + size], strict=True)
                texts += texts[:1] * (size - len(texts))
                rows = self._compute(TEXT, tokenize(list(texts))).cpu().split(1)
                yield from zip(keys, rows, strict=False)

        texts = [text for clip in loader.dataset.clips for text in clip.captions]
        self._captions = {text: key_of("caption", text) for text in texts}
        items = [(key, text) for text, key in self._captions.items()]
        self.rows(TEXT).complete(items, embed, size * _BATCHES, self._bar(TEXT))
        loader.collate_fn = replace(loader.collate_fn, tokenize=_no_tokens)
        _tell(f"{len(items)} captions: cached")

    def embeddings(self, batch: PairBatch) -> dict[str, torch.Tensor]:
        """What :meth:`CLAP.forward` need not compute for a batch.

        Arguments
        ---------
        batch : PairBatch
            A training batch. In training's autocast.

        Returns
        -------
        dict
            ``audio_embedding`` and ``text_embedding``, or one of them.
        """
        given = {}
        if self._clips:
            given["audio_embedding"] = self._audio_of(batch)
        if self._captions:
            rows = self.rows(TEXT)
            known = [rows[self._captions[text]] for text in batch.captions]
            given["text_embedding"] = torch.cat(known).to(self.device)
        return given

    def _audio_of(self, batch: PairBatch) -> torch.Tensor:
        """The clips that are known, and those that were read, in their places."""
        rows, is_read = self.rows(AUDIO), batch.wav_lens > 0
        ids = [name for name, read in zip(batch.ids, is_read, strict=True) if not read]
        parts = [rows[self._clips[name]] for name in ids]
        if not parts:
            return self._compute(AUDIO, batch.wavs, batch.wav_lens)
        known = torch.cat(parts).to(self.device)
        if len(parts) == len(is_read):
            return known
        whole = known.new_empty(len(is_read), known.shape[1])
        whole[~is_read] = known
        whole[is_read] = self._compute(
            AUDIO, batch.wavs[is_read], batch.wav_lens[is_read]
        )
        return whole

    def _bar(self, name: str) -> str | None:
        return f"{name}, once" if self.progress else None

    @torch.no_grad()
    def _compute(self, name: str, *inputs: Any) -> torch.Tensor:
        return getattr(self.clap, name)(*recursive_to(inputs, self.device))

    def rows(self, name: str) -> KeptRows | None:
        """What is kept of a tower under the autocast of now.

        Arguments
        ---------
        name : str
            :data:`AUDIO` or :data:`TEXT`.

        Returns
        -------
        KeptRows
            None for a tower that is trained.
        """
        if name not in self._prints:
            return None
        kind = self.device.type
        mixed = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if mixed else torch.float32
        key = key_of(self._prints[name], kind, dtype)
        path = self.folder / f"{name}_{key:016x}.safetensors"
        if path not in self._files:
            self._files[path] = self._probed(name, path, 3e-2 if mixed else 1e-3)
        return self._files[path]

    def _probed(self, name: str, path: Path, tolerance: float) -> KeptRows:
        """A file, emptied where the tower gives something else by now."""
        rows, tower = KeptRows(path), getattr(self.clap, name)
        with torch.random.fork_rng(devices=[]):
            first, again = probe(tower, self.device), probe(tower, self.device)
        if not alike(first, again, tolerance):
            raise ConfigError(
                f"cache_frozen: {name} gives something else for the same input each "
                "time, frozen though it is: leave cache_frozen False"
            )
        if _PROBE in rows and not alike(rows[_PROBE], first, tolerance):
            logger.warning("%s is of a tower that gave others, and made again", path)
            rows.forget()
        rows.keep(_PROBE, first)
        return rows

    def save(self) -> None:
        """Writes what is new, on the main process."""
        if if_main_process():
            for rows in self._files.values():
                rows.save()


def _why_not(name: str, tower: nn.Module) -> str:
    """Why a tower's outputs change while it is trained; empty if they do not."""
    if any(parameter.requires_grad for parameter in tower.parameters()):
        return f"it is trained ({_FREEZE[name]} freezes it)"
    if any(module.training for module in tower.modules()):
        return "it is frozen, but not in eval mode while the others train"
    return ""


def _no_tokens(captions: Sequence[str]) -> dict[str, torch.Tensor]:
    """Of captions whose embeddings are known."""
    return {}


def _tell(what: str) -> None:
    if if_main_process():
        print(f"cache_frozen: {what}")
