"""Joins the YAML of a system with those of a recipe.

A system's YAML holds the model and its training figures, a recipe's the data and the
evaluation. They are joined as text, so that every key stays flat and can be overridden
on the command line. Two blocks are special, in whichever file they stand:

``override:``
    values that a file sets for keys of another one, since a key that stands in two
    files is an error;
``builtin:``
    values that hold where ``data_folder`` is ``builtin``.

Later wins: the files' own values, ``override``, ``builtin``, the command line.
"""

from __future__ import annotations

import difflib
import functools
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ruamel.yaml

from clap_sb.resolving import dumped, is_object, resolve, with_arguments
from clap_sb.setting_kinds import kind_of, tag_of, texts_like_switches

BLOCKS = ("override", "builtin")
BUILTIN = "builtin"


class ConfigError(ValueError):
    """A YAML file or a command-line override that cannot be used."""


@dataclass(frozen=True)
class Config:
    """Joined YAML text and the overrides to apply to it.

    Arguments
    ---------
    text : str
        HyperPyYAML source, without the special blocks.
    overrides : mapping
        Flat values that replace those of the text.
    replaced_for_builtin : mapping
        The part of ``overrides`` that comes from the ``builtin`` blocks.
    given : mapping
        The part of ``overrides`` that comes from the command line.

    Example
    -------
    >>> config = Config("width: 2\\nlayer: !new:torch.nn.Linear [!ref <width>, 3]")
    >>> config.values()["width"], config.updated({"width": 4}).build()["layer"]
    (2, Linear(in_features=4, out_features=3, bias=True))
    """

    text: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    replaced_for_builtin: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)

    def updated(self, overrides: Mapping[str, Any]) -> Config:
        """The same configuration with further overrides.

        Arguments
        ---------
        overrides : mapping
            Flat values; each key must stand in the text.

        Returns
        -------
        Config

        Raises
        ------
        ConfigError
            If there is no such key; the nearest ones are named.
        """
        self._check_known(overrides)
        there = self.overrides
        updated = {
            key: with_arguments(there[key], value)
            if is_object(there.get(key))
            and isinstance(value, Mapping)
            and not tag_of(value)
            else value
            for key, value in overrides.items()
        }
        return replace(self, overrides={**there, **updated})

    def read(
        self,
        words: Mapping[str, str | None],
        others: Iterable[str] = (),
        nulls: Iterable[str] = (),
    ) -> dict[str, Any]:
        """What the words of a command line mean here.

        Arguments
        ---------
        words : mapping of str to str or None
            The word of each option; None where it stands without one.
        others : iterable of str
            Options besides the settings, to be named where one is mistyped.
        nulls : iterable of str
            Settings of the kind of null, whatever their value in the text.

        Returns
        -------
        dict
            Values for :meth:`updated`, each of the kind that the setting has in the
            text: see :func:`clap_sb.setting_kinds.kind_of`.

        Raises
        ------
        ConfigError
            If there is no such setting, or a value is of another kind.

        Example
        -------
        >>> config = Config("freeze: False\\nfolder: here")
        >>> config.read({"freeze": None, "folder": "1"})
        {'freeze': True, 'folder': '1'}
        """
        self._check_known(words, others)
        known = self._without_placeholders(words).values() if words else {}
        known = {**known, **dict.fromkeys(nulls)}
        read = {}
        for key, word in words.items():
            try:
                read[key] = kind_of(key, known[key]).read(word)
            except ValueError as error:
                raise ConfigError(f"--{key} {error}") from error
        return read

    def _check_known(self, keys: Iterable[str], others: Iterable[str] = ()) -> None:
        known = _keys(self.text)
        for key in keys:
            if key not in known:
                near = _near(key, [*known, *others])
                hint = f": did you mean {', '.join(near)}?" if near else ""
                raise ConfigError(f"there is no setting {key!r}{hint}")

    def _without_placeholders(self, keys: Iterable[str]) -> Config:
        """The same with null for those of the keys that the command line must give."""
        values = _parse(self.text, "the joined YAML")
        open_ = [key for key in keys if tag_of(values[key]) == "!PLACEHOLDER"]
        return self.updated(dict.fromkeys(open_))

    def redefined(self, definitions: str) -> Config:
        """The same configuration with some keys defined anew; overrides of them go.

        Arguments
        ---------
        definitions : str
            HyperPyYAML source of keys that stand in the text.

        Returns
        -------
        Config

        Example
        -------
        >>> config = Config("a: 1\\nb: !ref <layer>\\nlayer: 2", {"layer": 5})
        >>> config.redefined("layer: [2, !ref <a>]").values()["b"]
        [2, 1]
        """
        anew = top_level_blocks(definitions)
        kept = {k: v for k, v in top_level_blocks(self.text).items() if k not in anew}
        return replace(
            self,
            text="".join([*kept.values(), *anew.values()]),
            overrides={k: v for k, v in self.overrides.items() if k not in anew},
        )

    def resolved(self) -> str:
        """The text with all overrides and references applied, tags kept."""
        return self._resolved

    @functools.cached_property
    def _resolved(self) -> str:
        return resolve(self.text, self.overrides)

    def values(self) -> dict[str, Any]:
        """Plain values, resolved; no object is built."""
        return _parse(self.resolved(), "the joined YAML")

    def extract(self, keys: Iterable[str]) -> str:
        """The resolved text of some keys only.

        Arguments
        ---------
        keys : iterable of str
            Top-level keys.

        Returns
        -------
        str
            A YAML document that stands by itself.
        """
        values = self.values()
        picked = ruamel.yaml.comments.CommentedMap(
            (key, values[key]) for key in keys if key in values
        )
        return dumped(picked)

    def build(self) -> dict[str, Any]:
        """Builds all objects, as SpeechBrain's recipes do.

        Returns
        -------
        dict
            ``hparams``.

        Raises
        ------
        ConfigError
            If a class is not to be found, or fails as it is built; which, is told.
        """
        from hyperpyyaml import load_hyperpyyaml

        load_hyperpyyaml("{}")  # from its first call on, a text (a) keeps its quotes
        resolved = self.resolved()
        try:
            return load_hyperpyyaml(resolved)
        except (ValueError, OSError):  # these say themselves what was wrong
            raise
        except Exception as error:
            raise ConfigError(_why_not_built(error)) from error


def _why_not_built(error: Exception) -> str:
    """What HyperPyYAML could not build, and where it failed, on one line."""
    found, what = f"{type(error).__name__}: {error}", "what the YAML names"
    if str(next(iter(error.args), "")).startswith("Invalid argument to "):
        *around, found = error.args  # it names the objects around it, too
        what = around[-1].rpartition(" ")[2]
    frames = traceback.extract_tb(error.__traceback__)
    inner = [i for i, frame in enumerate(frames) if "hyperpyyaml" in frame.filename]
    called = frames[inner[-1] + 1 :][:1] if inner else []
    place = "".join(f" ({frame.filename}, line {frame.lineno})" for frame in called)
    return f"{what} cannot be built: {' '.join(str(found).split())}{place}"


def join(
    paths: Iterable[str | Path],
    overrides: str | Mapping[str, str | None] = "",
    others: Iterable[str] = (),
) -> Config:
    """Joins YAML files into one configuration.

    Arguments
    ---------
    paths : iterable of str or Path
        The recipe's files and the system's, in this order: what comes first is built
        first.
    overrides : str or mapping
        The command line's words by setting, see :meth:`Config.read`; or YAML text,
        whose values are taken as they are.
    others : iterable of str
        Options besides the settings, to be named where one is mistyped.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If a file is missing or no mapping, a key stands in two files, or an override
        has no key to replace, or is of another kind.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> recipe, system = folder / "recipe.yaml", folder / "system.yaml"
    >>> _ = recipe.write_text("data_folder: builtin\\noverride: {lr: 0.1}\\n")
    >>> _ = system.write_text("lr: 1\\nepochs: 9\\nbuiltin: {epochs: 2}\\n")
    >>> join([recipe, system]).values()
    {'data_folder': 'builtin', 'lr': 0.1, 'epochs': 2}
    >>> join([recipe, system], "{data_folder: here, lr: 3}").values()
    {'data_folder': 'here', 'lr': 3, 'epochs': 9}
    """
    texts, owners = [], {}
    blocks: dict[str, dict[str, Any]] = {name: {} for name in BLOCKS}
    for path in map(Path, paths):
        text, own, found = read_yaml(path)
        for key in own:
            if key in owners:
                raise ConfigError(
                    f"the key {key!r} stands in {owners[key]} and in {path}: set it "
                    "in one of them, or in the other's 'override:' block"
                )
            owners[key] = path
        for name, block in found.items():
            twice = sorted(set(block) & set(blocks[name]))
            if twice:
                raise ConfigError(f"'{name}:' sets {twice} a second time in {path}")
            blocks[name].update(block)
        texts.append(f"# ---- {path.name}\n{text.strip()}\n")
    config = Config("\n".join(texts)).updated(blocks["override"])
    if isinstance(overrides, str):
        given = _parse(overrides, "the command line") if overrides else {}
    else:
        given = config.read(overrides, others)
    if config.updated(given).values().get("data_folder") == BUILTIN:
        config = config.updated(blocks["builtin"])
        config = replace(config, replaced_for_builtin=blocks["builtin"])
    return replace(config.updated(given), given=given)


def top_level_blocks(text: str) -> dict[str, str]:
    """Cuts a YAML document at its top-level keys.

    Arguments
    ---------
    text : str
        A mapping.

    Returns
    -------
    dict
        From each key to the lines from it to the next one; what stands above the
        first key is the first key's.

    Example
    -------
    >>> top_level_blocks("a: 1\\nb:\\n    c: 2\\n")
    {'a': 'a: 1\\n', 'b': 'b:\\n    c: 2\\n'}
    """
    values = _parse(text, "the joined YAML")
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    starts = [0, *[values.lc.key(key)[0] for key in values][1:], len(lines)]
    return {
        key: "".join(lines[start:end])
        for key, start, end in zip(values, starts, starts[1:], strict=False)
    }


def _near(key: str, names: list[str]) -> list[str]:
    """Names like a mistyped one: of its initials, with it in them, or of like letters.

    So ``learning_rate`` is told of ``lr``, and ``epochs`` of ``number_of_epochs``.
    """
    initials = "".join(word[:1] for word in key.split("_"))
    named = [name for name in names if "_" in key and name == initials]
    holding = [name for name in names if len(key) > 3 and key in name.split("_")]
    close = difflib.get_close_matches(key, names, n=3)
    return list(dict.fromkeys([*named, *sorted(holding, key=len)[::-1], *close]))[:4]


@functools.lru_cache(maxsize=8)
def _keys(text: str) -> tuple[str, ...]:
    return tuple(_parse(text, "the joined YAML"))


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        values = ruamel.yaml.YAML().load(text)
    except ruamel.yaml.YAMLError as error:
        raise ConfigError(f"{name} is not valid YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{name} must be a mapping of keys to values")
    return values


def read_yaml(
    path: Path,
) -> tuple[str, Mapping[str, Any], Mapping[str, Mapping[str, Any]]]:
    """Reads one of the files that are joined.

    Arguments
    ---------
    path : Path
        The file.

    Returns
    -------
    text : str
        The file without its special blocks.
    own : mapping
        Its keys with their values, references unresolved.
    blocks : mapping
        The special blocks.

    Raises
    ------
    ConfigError
        If the file is missing or no mapping, or has ``no`` for a switch.
    """
    if not path.is_file():
        raise ConfigError(f"there is no YAML file {path}")
    text = path.read_text(encoding="utf-8")
    values = _parse(text, str(path))
    for found in texts_like_switches(text):
        raise ConfigError(
            f"{found!r} in {path} is a text, not a switch: write True or False, or put "
            "quotes around the text"
        )
    cut = top_level_blocks(text)
    blocks = {name: dict(values[name] or {}) for name in BLOCKS if name in values}
    own = {key: value for key, value in values.items() if key not in BLOCKS}
    return "".join(cut[key] for key in own), own, blocks
