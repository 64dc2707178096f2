"""The YAML file that a run leaves, with which it can be run again.

It holds all settings of its command, with references kept: where one is changed, what
refers to it follows. Its block ``command:`` says which recipe's it is, so that it is
joined with no other file, and what its command line gave: that is left as it is where
figures are suited to a small set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from clap_sb.config import (
    BUILTIN,
    Config,
    ConfigError,
    join,
    read_yaml,
    top_level_blocks,
)
from clap_sb.resolving import dumped, put_in, quoted_texts
from clap_sb.setting_kinds import tag_of

BLOCK = "command"

# What a command does, and not what its run is
_OF_A_COMMAND = ("stage", "skip_prep")


def command_config(
    path: Path,
    files: Sequence[Path],
    words: Mapping[str, str | None],
    others: Iterable[str] = (),
) -> Config:
    """The configuration of a command: of a system, or of a run that is run again.

    Arguments
    ---------
    path : Path
        The YAML file that the command names: a system's, or one that a run left.
    files : sequence of Path
        The recipe's YAML files, which a run's own has in it.
    words : mapping of str to str or None
        The command line's words by setting.
    others : iterable of str
        Options besides the settings, to be named where one is mistyped.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        If a file or an option cannot be used, see :func:`clap_sb.config.join`; or the
        run's YAML is of another recipe or version, or of other data (``builtin``).

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> recipe, system, run = (folder / f"{name}.yaml" for name in "abc")
    >>> _ = recipe.write_text("folder: !ref results/<lr>\\n")
    >>> _ = system.write_text("lr: 1.0\\n")
    >>> config = command_config(system, [recipe], {"lr": "2"})
    >>> _ = run.write_text(run_yaml(config, config, [recipe]))
    >>> command_config(run, [recipe], {}).values()["folder"]
    'results/2.0'
    >>> command_config(run, [recipe], {"lr": "3"}).values()["folder"]
    'results/3.0'
    """
    text, own, _ = read_yaml(path)
    if BLOCK not in own:
        return join([*files, path], words, others)
    command, blocks = own[BLOCK], top_level_blocks(text)
    del blocks[BLOCK]
    if command["recipe"] != _name(files):
        raise ConfigError(
            f"{path} is of a run of {command['recipe']}, and this script's recipe is "
            f"{_name(files)}: use its own script, or the YAML of a system"
        )
    known = [read_yaml(file) for file in files]
    lacking = [key for _, keys, _ in known for key in keys if key not in blocks]
    if lacking:
        raise ConfigError(
            f"{path} is of another version of the recipe, and lacks "
            f"{', '.join(lacking)}: add them, or use the YAML of a system"
        )
    text = "".join(blocks.values())
    config = Config(text, quoted_texts(text))
    nulls = [
        key
        for _, values, special in known
        for part in (values, *special.values())
        for key in part
        if part[key] is None
    ]
    new = config.read(words, others, nulls)
    again = config.updated(new)
    if _is_builtin(config) != _is_builtin(again):
        raise ConfigError(
            f"{path} is of a run on {'' if _is_builtin(config) else 'other data than '}"
            "the built-in set, which has settings of its own: for other data, use the "
            "YAML of its system"
        )
    given = {key: config.values()[key] for key in command["given"]}
    return replace(again, given={**given, **new})


def run_yaml(asked: Config, used: Config, files: Sequence[Path]) -> str:
    """What to write for :func:`command_config` to read.

    Arguments
    ---------
    asked : Config
        The configuration of the command.
    used : Config
        What became of it: found, or suited to the data. Told in comments.
    files : sequence of Path
        The recipe's YAML files.

    Returns
    -------
    str
        HyperPyYAML source.
    """
    given = sorted(asked.given.keys() - _OF_A_COMMAND)
    passing = asked.given.keys() - given
    kept = {key: v for key, v in asked.overrides.items() if key not in passing}
    command = dumped({BLOCK: {"recipe": _name(files), "given": given}})
    there, found = asked.values(), used.values()
    made = {
        key: value
        for key, value in found.items()
        if there.get(key) != value and not tag_of(value) and key not in _OF_A_COMMAND
    }
    told = dumped(made).splitlines() if made else []
    return "".join(
        [  # what stands after the block's key goes with it when it is read
            put_in(asked.text, kept).rstrip() + "\n\n",
            command.replace(":", ":  # whose these are, and which were given", 1),
            *(["# what became of some of them\n"] if told else []),
            *(f"#   {line}\n" for line in told),
        ]
    )


def _name(files: Sequence[Path]) -> str:
    """The recipe's last file: each script has one of its own."""
    return "/".join(Path(files[-1]).parts[-2:])


def _is_builtin(config: Config) -> bool:
    return config.values().get("data_folder") == BUILTIN
