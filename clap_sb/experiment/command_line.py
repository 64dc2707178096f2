"""The words of a recipe's command line: the YAML, SpeechBrain's options, settings."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

from clap_sb.config import Config, ConfigError, read_yaml
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


def tell_help(argv: Sequence[str], files: Sequence[Path]) -> None:
    """Prints what a command may say, and ends, where it asks for ``--help``.

    Arguments
    ---------
    argv : sequence of str
        The words; a YAML file among them is told of as well.
    files : sequence of Path
        The recipe's YAML files.

    Example
    -------
    >>> tell_help(["my.yaml", "--lr", "0.1"], [])
    """
    if "-h" not in argv and "--help" not in argv:
        return
    script = Path(sys.argv[0]).name
    named = [Path(word) for word in argv if word.endswith((".yaml", ".yml"))]
    lines = [(sys.modules["__main__"].__doc__ or "").partition("\nAuthors")[0].strip()]
    lines += ["", f"usage: {script} SYSTEM.yaml [--setting value ...]"]
    for path in [*files, *named]:
        lines += ["", f"settings of {path.parent.name}/{path.name}:"]
        lines += settings_told(path)
    if not named:
        lines += ["", f"those of a system: {script} hparams/NAME.yaml --help"]
    kinds = run_option_kinds()
    lines += ["", "options of SpeechBrain:"]
    lines += [f"  --{name:<28} {kinds[name].takes}" for name in sorted(kinds)]
    print("\n".join(lines))
    sys.exit()


def settings_told(path: Path) -> list[str]:
    """The settings of a YAML file, with their values and comments.

    Arguments
    ---------
    path : Path
        The file. What is built of several settings is left out.

    Returns
    -------
    list of str
        A line each; comments that stand above some settings stand above them.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.yaml"
    >>> _ = path.write_text(
    ...     "# How.\\n\\n# Speed.\\nlr: 0.1    # a step's\\nnet: {a: 1}\\n"
    ... )
    >>> print("\\n".join(settings_told(path)))
      # Speed.
      --lr 0.1                         # a step's
      --net {a: 1}
    """
    own = read_yaml(path)[1]
    told, above = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            above.append(f"  {line}")
            continue
        key, _, rest = line.partition(":")
        value, hash_, comment = rest.replace("!ref ", "").strip().partition(" #")
        if key in own and value and "!" not in value:
            setting = f"  --{key} {value.strip()}"
            told += [*above, f"{setting:<34} #{comment}" if hash_ else setting]
        above = []
    return told


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


def set_deterministic(config: Config) -> None:
    """Has a GPU give the same bits each time, where the settings ask for it.

    A CPU does so anyway. To be called before anything is computed on a GPU: cuBLAS
    reads its variable once.

    Arguments
    ---------
    config : Config
        ``deterministic``. Where it is on, operations that have no such form are errors
        of torch, which names them.

    Example
    -------
    >>> set_deterministic(Config("deterministic: False"))
    """
    if not config.values()["deterministic"]:
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nobody reads it
    torch.backends.cudnn.benchmark = False


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
