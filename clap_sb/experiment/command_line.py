"""The words of a recipe's command line: the YAML, SpeechBrain's options, settings."""

from __future__ import annotations

import dataclasses
import os
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import speechbrain as sb
import torch
from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

from clap_sb.config import Config, ConfigError
from clap_sb.kinds import NUMBER, SWITCH, TEXT, WHOLE, Kind, NotReadError, one_of

_OPTION = re.compile(r"--([A-Za-z_][\w.-]*)(?:=(.*))?", re.DOTALL)
_WORDS = ("jit_module_keys", "compile_module_keys")


@dataclass(frozen=True)
class CommandLine:
    """A recipe's command line.

    Arguments
    ---------
    file : str
        The YAML file that it begins with.
    run_opts : RunOptions
        SpeechBrain's run options.
    settings : mapping of str to str or None
        The words of all other options, for :func:`clap_sb.config.join`; None where one
        stands without a word.
    """

    file: str
    run_opts: RunOptions
    settings: Mapping[str, str | None]


def read_command_line(argv: Sequence[str]) -> CommandLine:
    """Reads ``FILE --option value --option=value --switch``.

    SpeechBrain's own reading makes YAML of the words, which then loses or refuses some
    of them; a switch it turns on whatever is said.

    Arguments
    ---------
    argv : sequence of str
        The words. One that begins with two dashes and a letter is an option; any other
        is the value of the one before it.

    Returns
    -------
    CommandLine

    Raises
    ------
    ConfigError
        If there is no file, an option is given twice or has several words, or a run
        option has a value of another kind.

    Example
    -------
    >>> line = read_command_line(["my.yaml", "--debug", "no", "--lr=-1", "--freeze"])
    >>> line.file, line.run_opts.debug, dict(line.settings)
    ('my.yaml', False, {'lr': '-1', 'freeze': None})
    """
    if "-h" in argv or "--help" in argv:
        sb.parse_arguments(list(argv))  # tells, and ends
    kinds = run_option_kinds()
    before, options = _options(argv)
    file = _file(before, options, [name for name in kinds if kinds[name].bare])
    run_options, settings = {}, {}
    for name, words in options.items():
        if name in _WORDS:
            run_options[name] = words
            continue
        if len(words) > 1:
            raise ConfigError(
                f"--{name} takes one value, and {words[1]!r} stands after it: put "
                "quotes around what has spaces, and brackets around a list"
            )
        word = words[0] if words else None
        if name in kinds:
            run_options[name] = _read(name, kinds[name], word)
        else:
            settings[name] = word
    given = set(run_options)
    run_opts = RunOptions(**run_options, param_file=file, overridden_args=given)
    return CommandLine(file, run_opts, settings)


def run_option_kinds() -> dict[str, Kind]:
    """SpeechBrain's run options and what they take.

    Returns
    -------
    dict of str to Kind
        Those with one value.

    Example
    -------
    >>> kinds = run_option_kinds()
    >>> kinds["precision"].takes, kinds["optimizer_step_limit"].read("5")
    ('one of fp32, fp16, bf16', 5)
    """
    hints = typing.get_type_hints(RunOptions)
    defaults = {field.name: field.default for field in dataclasses.fields(RunOptions)}
    known = [name for name in hints if name in HELP_TEXTS and name not in _WORDS]
    return {
        name: replace(_kind(name, hints[name]), or_null=defaults[name] is None)
        for name in known
    }


def _kind(name: str, hint: Any) -> Kind:
    if name == "device":
        return Kind("cpu, cuda, cuda:1 and the like", _device)
    if "precision" in name:
        return one_of(*typing.get_args(hint))
    # a literal of SpeechBrain's is what it tells, not all that torch takes
    kinds = {bool: SWITCH, int: WHOLE, float: replace(NUMBER, parse=float)}
    types = [hint, *typing.get_args(hint)]  # the second one is that of an Optional
    return next((kinds[one] for one in types if one in kinds), TEXT)


def _device(word: str) -> str:
    try:
        device = torch.device(word)
    except RuntimeError as error:
        raise ValueError from error
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise NotReadError(f"torch finds {count} GPUs here")
    return word


def _read(name: str, kind: Kind, word: str | None) -> Any:
    try:
        return kind.read(word)
    except ValueError as error:
        raise ConfigError(f"--{name} {error}") from error


def _options(argv: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The words before the first option, and those of each option."""
    before: list[str] = []
    options: dict[str, list[str]] = {}
    words = before
    for word in argv:
        option = _OPTION.fullmatch(word)
        if option is None:
            words.append(word)
            continue
        name, value = option.groups()
        if name in options:
            raise ConfigError(f"--{name} is given twice: leave out one of them")
        words = options[name] = [] if value is None else [value]
    return before, options


def _file(
    before: list[str], options: Mapping[str, list[str]], switches: Sequence[str]
) -> str:
    """The YAML file, taken from the words of an option where it comes later."""
    if len(before) > 1:
        raise ConfigError(
            f"{before[1]!r} belongs to no option: they begin with two dashes"
        )
    if before:
        return before[0]
    for name, words in options.items():
        spare = len(words) > (0 if name in switches else 1)
        if spare and words[-1].endswith((".yaml", ".yml")):
            return words.pop()
    raise ConfigError("give the YAML file of a system first: hparams/NAME.yaml")


def set_threads(config: Config) -> None:
    """Sets the number of threads that the settings ask for.

    It is never chosen by what else the machine does at the time: sums are added up in
    another order by another number of threads, and a run that is gone on with would not
    end in the same bits.

    Arguments
    ---------
    config : Config
        ``num_threads``: on the command line it wins; a YAML file's gives way to the
        variable ``OMP_NUM_THREADS``. None leaves it to torch: a thread a core.

    Raises
    ------
    ConfigError
        If it is no whole number of 1 or more.

    Example
    -------
    >>> set_threads(Config("num_threads: 0"))
    Traceback (most recent call last):
    ...
    clap_sb.config.ConfigError: num_threads is 0: give a whole number of 1 or more, or \
null for a thread a core
    """
    count = config.values()["num_threads"]
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ConfigError(
            f"num_threads is {count!r}: give a whole number of 1 or more, or null for "
            "a thread a core"
        )
    if "num_threads" in config.given or "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(count)
