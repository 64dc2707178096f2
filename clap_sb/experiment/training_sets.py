"""The clips that a recipe trains on and is tested with, from one set or several."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import if_main_process, infer_device

from clap_sb.config import ConfigError
from clap_sb.data.captioned import captioned_only
from clap_sb.data.captions_csv import prepare_captions_csv
from clap_sb.data.keyword_captions import add_keyword_captions
from clap_sb.data.manifest import Clip, in_place, read_manifest
from clap_sb.data.overlap import find_overlaps, read_recordings, tell_overlaps
from clap_sb.data.write_rows import write_rows
from clap_sb.experiment.run import Experiment

EVALUATED = ("valid", "test")

Clips = Mapping[str, Sequence[Clip]]


@dataclass(frozen=True)
class TrainingSets:
    """Prepares a recipe's own data set, and the others that it is trained with.

    A preparation takes ``data_folder``, ``save_folder``, ``skip_prep`` and, where the
    set is divided into train, valid and test, ``splits``; then it gives the manifest
    of each split, else the one manifest of all clips. Others' are found by the setting
    ``preparations``.

    Arguments
    ---------
    experiment : Experiment
        The run.
    prepare : callable
        The preparation of the recipe's own set.
    data_folder : Path
        Where that lies.
    recipes : Path
        The folder that the files of ``preparations`` lie in.
    folder : Path
        Where the manifests go.
    """

    experiment: Experiment
    prepare: Callable[..., dict[str, Path]]
    data_folder: Path
    recipes: Path
    folder: Path

    def splits(self) -> tuple[Experiment, dict[str, list[Clip]]]:
        """Prepares everything.

        Returns
        -------
        experiment : Experiment
            The run, with the name of what is trained on.
        splits : dict
            The clips of the splits train, valid and test.

        Raises
        ------
        ConfigError
            If a set is not known, or it is not said where it lies.
        ValueError
            If a training set has no captions, and none are made.
        """
        values = self.experiment.values
        names = _checked(values["train_sets"])
        own = values["dataset"]
        wanted = ("train", *EVALUATED) if own in names else EVALUATED
        splits = self._run(self.prepare, self.data_folder, self.folder, wanted)
        for split in EVALUATED:
            splits[split] = captioned_only(splits[split], f"{own} {split}")
        train = {
            name: splits["train"] if name == own else self._others(name, place)
            for place, name in enumerate(names)
        }
        evaluated = {f"{own} {split}": splits[split] for split in EVALUATED}
        evaluated |= self._evaluation_sets()
        train, about = self._without_overlaps(train, evaluated)
        clips = self._captioned(train)
        experiment = self._named(names, about)
        return experiment, {"train": clips, **{s: splits[s] for s in EVALUATED}}

    def _run(
        self,
        prepare: Callable[..., dict[str, Path]],
        data_folder: Path,
        save_folder: Path,
        splits: Sequence[str],
    ) -> dict[str, list[Clip]]:
        manifests = self.experiment.prepare(
            prepare,
            data_folder=data_folder,
            save_folder=save_folder,
            skip_prep=self.experiment.trusts_manifests,
            splits=splits,
        )
        return {split: read_manifest(path) for split, path in manifests.items()}

    def _others(self, name: str, place: int) -> list[Clip]:
        """The training clips of a set that is not the recipe's own."""
        if name.endswith(".csv"):
            manifest = self.folder / f"{place}_{Path(name).stem}" / "train.json"
            if not self.experiment.trusts_manifests:
                self.experiment.prepare(
                    prepare_captions_csv, path=name, manifest=manifest
                )
            return read_manifest(manifest)
        prepare, folder = self._known(name)
        save = self.folder / name
        if _is_split(prepare):
            return self._run(prepare, folder, save, ["train"])["train"]
        return self._whole(prepare, folder, save)

    def _whole(
        self, prepare: Callable[..., Path], folder: Path, save: Path
    ) -> list[Clip]:
        """All clips of a set that is not divided."""
        manifest = self.experiment.prepare(
            prepare,
            data_folder=folder,
            save_folder=save,
            skip_prep=self.experiment.trusts_manifests,
        )
        return read_manifest(manifest)

    def _evaluation_sets(self) -> dict[str, list[Clip]]:
        """The sets besides the recipe's own that will be evaluated with."""
        found = {}
        for name in self.experiment.values["evaluation_sets"]:
            if name.endswith(".csv"):
                found[name] = read_recordings(name)
                continue
            prepare, folder = self._known(name)
            if not _is_split(prepare):
                found[name] = self._whole(prepare, folder, self.folder / name)
                continue
            splits = self._run(prepare, folder, self.folder / name, EVALUATED)
            found |= {f"{name} {split}": clips for split, clips in splits.items()}
        return found

    def _known(self, name: str) -> tuple[Callable[..., Any], Path]:
        """The preparation of a set that a setting names, and where the set lies."""
        values = self.experiment.values
        known, folders = values["preparations"], values["set_folders"]
        if name not in known:
            raise ConfigError(
                f"there is no data set {name!r}: name one of {', '.join(known)}, or a "
                "CSV file (NAME.csv); the setting preparations adds one"
            )
        if name not in folders:
            raise ConfigError(
                f"where does {name} lie? Give --set_folders '{{{name}: FOLDER}}'"
            )
        return load_preparation(known[name], self.recipes), Path(folders[name])

    def _without_overlaps(self, train: Clips, evaluated: Clips) -> tuple[Clips, str]:
        """Tells which recordings are on both sides; drops them where asked to."""
        overlaps = find_overlaps(train, evaluated)
        shared = {(overlap.train_set, overlap.train_id) for overlap in overlaps}
        drop = self.experiment.values["leave_out_overlaps"]
        if if_main_process():
            path = self.folder / "overlap.csv"
            write_rows(path, overlaps)
            for line in tell_overlaps(overlaps):
                print(f"overlap: {line}")
            if overlaps:
                done = "left out of training" if drop else "trained on all the same"
                print(f"overlap: {len(shared)} clips are {done}, see {in_place(path)}")
        about = f"{len(shared)} clips of recordings in the evaluation sets"
        if not (drop and shared):
            return train, f" with {about}" if shared else ""
        kept = {
            name: [clip for clip in clips if (name, clip.id) not in shared]
            for name, clips in train.items()
        }
        return kept, f" without {about}"

    def _captioned(self, train: Clips) -> list[Clip]:
        """All training clips, with captions made of their keywords where asked for."""
        values = self.experiment.values
        if values["keyword_captions"] is None:
            return _joined(
                {name: captioned_only(clips, name) for name, clips in train.items()}
            )
        manifest = self.experiment.prepare(
            add_keyword_captions,
            clips=_joined(train),
            manifest=self.folder / "train_keywords.json",
            generator=str(values["keyword_captions"]),
            count=values["keyword_captions_a_clip"],
            seed=values["seed"],
            device=self.experiment.run_opts.device or infer_device(),
        )
        return read_manifest(manifest)

    def _named(self, names: Sequence[str], about: str) -> Experiment:
        """The run with what it is trained on, for its model's description."""
        values = self.experiment.values
        own = {values["dataset"]: values["trained_on"]}
        told = [own.get(name, Path(name).name) for name in names]
        name = " + ".join(told) + about
        config = self.experiment.config.updated({"trained_on": name})
        return replace(self.experiment, config=config)


def load_preparation(told: Mapping[str, Any], recipes: Path) -> Callable[..., Any]:
    """Loads a preparation from its file.

    Arguments
    ---------
    told : mapping
        ``file``, in the folder of the recipes or anywhere; ``function``; whatever else
        there is, the function is given.
    recipes : Path
        The folder of the recipes.

    Returns
    -------
    callable

    Raises
    ------
    ConfigError
        If there is no such file, or no such function in it.

    Example
    -------
    >>> recipes = Path(__file__).parents[2] / "recipes"
    >>> told = {"file": "ESC-50/esc50_prepare.py", "function": "prepare_esc50"}
    >>> load_preparation({**told, "subset": "ESC-10"}, recipes).keywords
    {'subset': 'ESC-10'}
    """
    options = dict(told)
    try:
        file, function = options.pop("file"), options.pop("function")
    except KeyError as error:
        raise ConfigError(f"preparations: {dict(told)} lacks {error}") from error
    path = recipes / file
    if not path.is_file():
        raise ConfigError(f"preparations: there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for themselves there
    spec.loader.exec_module(module)
    if not hasattr(module, function):
        raise ConfigError(f"preparations: {path} has no function {function}")
    return functools.partial(getattr(module, function), **options)


def _is_split(prepare: Callable[..., Any]) -> bool:
    return "splits" in inspect.signature(prepare).parameters


def _checked(names: Sequence[str]) -> list[str]:
    names = [str(name) for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise ConfigError(
            f"train_sets must name each set once; it has "
            f"{f'{twice[0]} twice' if twice else 'none'}"
        )
    return names


def _joined(train: Clips) -> list[Clip]:
    """All clips in one list; ids are told apart where there are several sets."""
    if len(train) == 1:
        return list(*train.values())
    return [
        replace(clip, id=f"{name}:{clip.id}")
        for name, clips in train.items()
        for clip in clips
    ]
