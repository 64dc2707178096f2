"""What writes: indexes, exports, conversions, a training, each of the smallest kind."""

from __future__ import annotations

import copy
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import tiny_clap
from indexes import updater, write_sound
from small_run import write_run
from test_brain import clips, fit, make_brain, model

from clap_sb.checkpoints.run_export import export_run
from clap_sb.inference import CLAP
from clap_sb.inference.conversion import convert
from clap_sb.search import SearchIndex
from clap_sb.search.approximate import update_approximate
from clap_sb.search.compaction import compact
from clap_sb.search.export import export
from clap_sb.search.store import Store
from clap_sb.training.epochs import History
from faults.survival import Scenario, State

faiss = pytest.importorskip("faiss")  # before its writing is watched
# A child that is forked beside other threads would wait for them for ever.
torch.set_num_threads(1)
faiss.omp_set_num_threads(1)

# ---------------------------------------------------------------- an index


def files_below(folder: Path) -> State:
    """Names and contents of all files."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class IndexScenarios:
    """Indexes of a few sounds, with a model that is made once."""

    def __init__(self, folder: Path):
        self.clap = CLAP(tiny_clap(folder).eval(), "tiny")
        self.sounds = folder / "sounds"
        for seed in range(6):
            write_sound(self.sounds / f"{seed}.wav", seed, 3.0 if seed == 4 else 0.5)
        self.few = folder / "few"
        for seed in (0, 1):
            write_sound(self.few / f"{seed}.wav", seed, 0.5)

    def _run(self, place: Path, *folders: Path, **options) -> None:
        out = place / "sounds.index"
        updater(out, self.clap, batch_size=2).run(folders, "model.pt", **options)

    def _nothing(self, place: Path) -> None:
        (place / "others.txt").write_text("others")

    def _old(self, place: Path) -> None:
        self._run(place, self.few)

    def _make(self, place: Path) -> None:
        self._run(place, self.sounds)

    def _update(self, place: Path) -> None:
        """Follows another folder, gives back room, and sorts into cells."""
        there = self.few.as_posix() in map(
            str, Store(place / "sounds.index").fact("folders")
        )
        self._run(place, self.sounds, forget=[self.few] if there else ())
        store = Store(place / "sounds.index")
        update_approximate(store, 1)
        compact(store, dead_share=0.01, kept_seconds=-1)
        update_approximate(store, 1)

    def _export(self, place: Path) -> None:
        export(SearchIndex(place / "sounds.index"), place / "all.npz")

    @staticmethod
    def _exported(place: Path) -> State:
        return {"all.npz": files_below(place).get("all.npz")}

    def _exported_before(self, place: Path) -> None:
        self._old(place)
        (place / "all.npz").write_bytes(b"an older one")

    def state(self, place: Path) -> State:
        """Windows and their vectors, rounded; and a search that ends."""
        if not (place / "sounds.index" / "index.sqlite").exists():
            return {}
        index = SearchIndex(place / "sounds.index")
        found = {
            (path, start): np.round(index.embeddings(np.array([row]))[0], 4).tobytes()
            for path, start, _, row in index.windows()
        }
        hits = index.search(np.ones(index.model.dim), 100)
        assert len({hit.path for hit in hits}) <= len(found)
        return found

    @staticmethod
    def _some(found: State, old: State, new: State) -> bool:
        """Whole sounds of what was and what will be, each with its own vectors."""
        known = {**old, **new}
        return all(known[key] == value for key, value in found.items())

    def all(self) -> list[Scenario]:
        """The scenarios."""
        return [
            Scenario("a new index", self._nothing, self._make, self.state, self._some),
            Scenario("an update", self._old, self._update, self.state, self._some),
            Scenario("embeddings", self._exported_before, self._export, self._exported),
        ]


# ---------------------------------------------------------------- models


class ModelScenarios:
    """An export of a run, over an older one; and a conversion."""

    def __init__(self, folder: Path):
        self.run = folder / "run"
        self.run.mkdir()
        write_run(self.run, folder / "source", {1: 1.0, 2: 2.0})

    def _before(self, place: Path) -> None:
        shutil.copytree(self.run, place, dirs_exist_ok=True)
        export_run(place)
        for path in (place / "save").glob("CKPT+*"):
            if "score: 2.0" in (path / "CKPT.yaml").read_text():
                shutil.rmtree(path)  # the best is another one now

    @staticmethod
    def _state(place: Path) -> State:
        clap = CLAP.from_hparams(place / "export")
        scale = torch.tensor(clap.logit_scale)
        return {**files_below(place / "export"), "scale": float(scale)}

    def _convert(self, place: Path) -> None:
        convert(str(self.run), place / "converted", "speechbrain")

    def _converted(self, place: Path) -> State:
        folder = place / "converted"
        if not folder.exists() or not any(folder.iterdir()):
            return {}
        CLAP.from_hparams(folder)
        return files_below(folder)

    def _convert_again(self, place: Path) -> None:
        if not self._converted(place):  # one that is there is not written again
            self._convert(place)

    def all(self) -> list[Scenario]:
        """The scenarios."""
        return [
            Scenario("an export", self._before, export_run, self._state),
            Scenario(
                "a conversion", lambda place: None, self._convert_again, self._converted
            ),
        ]


# ---------------------------------------------------------------- a training


class TrainingScenario:
    """Two epochs, with checkpoints on the way; what is found is their end, or none."""

    def __init__(self, folder: Path):
        factory = _Factory(folder)
        self.clips = clips.__wrapped__(factory)
        self.model = model.__wrapped__(factory)

    def _train(self, place: Path) -> None:
        rates = {"lr": 0.1, "audio_lr": 0.1, "text_lr": 0.1}
        brain = make_brain(
            copy.deepcopy(self.model),
            place,
            run_opts={"ckpt_interval_steps": 2},
            epochs=2,
            history=History(place / "history.json"),
            **rates,
        )
        statistics = brain.hparams.statistics
        brain.checkpointer.add_recoverable("statistics", statistics)
        fit(brain, self.clips, validate=True)

    @staticmethod
    def _state(place: Path) -> State:
        found: dict[object, object] = {}
        saved = sorted((place / "save").glob("CKPT+*/CKPT.yaml"))
        for path in (meta.parent for meta in saved):
            if path != saved[-1].parent and not (path / "model.ckpt").exists():
                continue  # it was being deleted, for a newer one was whole
            state = torch.load(path / "model.ckpt", weights_only=True)
            assert all(value.isfinite().all() for value in state.values())
            digest = hashlib.sha256()
            for value in state.values():
                digest.update(value.numpy().tobytes())
            meta = (path / "CKPT.yaml").read_text()
            if "epoch: 2" in meta:
                found["weights"] = digest.hexdigest()
        history = place / "history.json"
        if "weights" in found:
            found["history"] = history.read_text()
        return found

    def all(self) -> list[Scenario]:
        """The scenario: after a fault, any whole checkpoint will do."""
        return [
            Scenario(
                "a training",
                lambda place: (place / "save").mkdir(),
                self._train,
                self._state,
            )
        ]


class _Factory:
    def __init__(self, folder: Path):
        self._folder = folder

    def mktemp(self, name: str) -> Path:
        (self._folder / name).mkdir(parents=True)
        return self._folder / name
