"""The examples of docs/extending.md, as a user would copy them."""

from __future__ import annotations

import re
from pathlib import Path

from scripts import ROOT

_TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
_MODULES = {"siglip": "SigLIP", "predicting": "Predicting", "gain": "Gain"}


def blocks(language: str) -> list[str]:
    """Code of a language, in the order of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE)


def block_with(language: str, word: str) -> str:
    """The block that a word stands in."""
    (found,) = [block for block in blocks(language) if word in block]
    return found


def write_modules(folder: Path) -> Path:
    """Writes the page's Python files, and gives their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, owner in _MODULES.items():
        code = block_with("python", f"class {owner}(")
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return folder


def write_system(path: Path, word: str) -> Path:
    """Writes the demo system with the lines of the YAML block that a word stands in.

    Its own blocks of the same keys give way; those of ``override`` are joined.
    """
    from clap_sb.config import top_level_blocks

    demo = (ROOT / "hparams" / "demo.yaml").read_text(encoding="utf-8")
    parts, new = top_level_blocks(demo), top_level_blocks(block_with("yaml", word))
    new["override"] = parts["override"].rstrip() + new["override"].removeprefix(
        "override:"
    )
    path.write_text("".join((parts | new).values()), encoding="utf-8")
    return path


def options_of(word: str) -> list[str]:
    """Options of the command that a word stands in, after the system's YAML."""
    import shlex

    words = shlex.split(block_with("bash", word).replace("\\\n", " "))
    return words[words.index("hparams/demo.yaml") + 1 :]
