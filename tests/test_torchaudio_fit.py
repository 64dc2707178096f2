"""A torchaudio that does not fit torch is told in one line, whatever is begun."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clap_sb import torchaudio_fit
from clap_sb.torchaudio_fit import TorchaudioError, require_torchaudio

ROOT = Path(__file__).resolve().parents[1]
# the modules whose import is the check
CHECKING = ("clap_sb.training", "clap_sb.experiment", "clap_sb.brain")
LOADER = "Could not load this library: lib/libtorchaudio.so"


def unfit(monkeypatch, versions: dict[str, str | None], error: Exception) -> str:
    """What is said of these versions, where the import of torchaudio fails so."""

    def fail(name):
        assert name == "torchaudio"
        raise error

    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards
    monkeypatch.setattr(torchaudio_fit.importlib, "import_module", fail)
    monkeypatch.setattr(torchaudio_fit, "_installed", versions.get)
    with pytest.raises(TorchaudioError) as caught:
        require_torchaudio()
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "torch, torchaudio, error, fitting",
    [
        ("2.11.0", "2.11.1", OSError(LOADER), "2.11.0"),
        ("2.12.1+cu130", "2.11.1", OSError(LOADER), "2.11.0"),
        ("2.15.0", "2.11.0+cu130", RuntimeError("different CUDA versions"), "2.11.1"),
        ("2.15.0a0+git", "2.11.0", OSError(""), "2.11.1"),
    ],
)
def test_two_that_do_not_fit(monkeypatch, torch, torchaudio, error, fitting):
    versions = {"torch": torch, "torchaudio": torchaudio}
    message = unfit(monkeypatch, versions, error)
    assert f"torchaudio {torchaudio} does not fit torch {torch} (" in message
    assert "torchaudio 2.11.0 goes with torch 2.11 to 2.14" in message
    assert "torchaudio 2.11.1 goes with torch 2.13 to 2.15" in message
    assert message.endswith(f": pip install torchaudio=={fitting}")


@pytest.mark.parametrize("torchaudio", ["2.11.1+cpu", "2.11.0+cpu"])
def test_releases_that_fit_but_were_built_for_different_hardware(
    monkeypatch, torchaudio
):
    versions = {"torch": "2.14.1+cu130", "torchaudio": torchaudio}
    error = RuntimeError("\nDetected another CUDA. \nSee there.")
    message = unfit(monkeypatch, versions, error)
    assert "(Detected another CUDA)" in message
    assert "--force-reinstall torch==2.14.1 torchaudio==2.11.1" in message


@pytest.mark.parametrize(
    "versions, begin, end",
    [
        ({}, "torch is not installed", "'torch==2.15.*' torchaudio==2.11.1"),
        (
            {"torch": "2.9.1"},
            "torch 2.9.1 is none",
            "'torch==2.15.*' torchaudio==2.11.1",
        ),
        (
            {"torch": "3.0.0"},
            "torch 3.0.0 is none",
            "'torch==2.15.*' torchaudio==2.11.1",
        ),
        ({"torch": "2.12.0"}, "torchaudio is not", "pip install torchaudio==2.11.0"),
    ],
)
def test_what_is_not_there_or_not_known(monkeypatch, versions, begin, end):
    message = unfit(monkeypatch, versions, ModuleNotFoundError("No module"))
    assert message.startswith(begin) and message.endswith(end)


def test_setup_takes_what_fits():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    firsts, lasts = zip(*torchaudio_fit.FITTING.values(), strict=True)
    (major, first), (_, last) = min(firsts), max(lasts)
    assert f'"torch>={major}.{first},<{major}.{last + 1}"' in text


@pytest.fixture(scope="module")
def unfit_pair(tmp_path_factory):
    """A folder that stands before the installed packages, with the pair of 2.11."""
    folder = tmp_path_factory.mktemp("unfit")
    (folder / "torchaudio.py").write_text(f"raise OSError({LOADER!r})\n")
    for name, version in (("torch", "2.11.0"), ("torchaudio", "2.11.1")):
        metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "import clap_sb.brain"],
        ["recipes/AudioCaps/train.py", "hparams/demo.yaml"],
        ["recipes/AudioCaps/search.py", "--checkpoint", "nowhere", "a dog"],
        ["recipes/ESC-50/classification_with_clap_encoder/train.py", "nowhere.yaml"],
    ],
    ids=lambda words: Path(words[0]).parent.name or "import",
)
def test_it_is_one_line_in_a_terminal(unfit_pair, words):
    path = os.pathsep.join([str(unfit_pair), str(ROOT)])
    result = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert "torchaudio 2.11.1 does not fit torch 2.11.0" in result.stderr
    assert result.stderr.endswith(": pip install torchaudio==2.11.0\n")


def top_level_imports(path: Path) -> list[str]:
    """The modules that a file imports at its top, in order."""
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(str(node.module))
    return names


def test_speechbrain_is_nowhere_imported_before_the_check():
    files = [*(ROOT / "clap_sb").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]
    early = []
    for path in files:
        names = top_level_imports(path)
        first = [n for n, name in enumerate(names) if name.startswith("speechbrain")]
        inside = path.parent.name in ("training", "experiment")  # the package checks
        if first and not inside and not set(names[: first[0]]) & set(CHECKING):
            early.append(path.relative_to(ROOT).as_posix())
    assert early == []
