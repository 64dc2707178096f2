"""All that a checkpoint is used for, in one process, and the numbers that come out.

python tests/all_uses.py FOLDER OUT WITH
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ABSENT = ("torchaudio", "speechbrain")
LABELS = ("--label", "dog", "--label", "rain")


class Hidden:
    """Makes packages fail as torchaudio does beside a torch that it does not fit."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def find_spec(self, name: str, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, origin=f"{name}.py")
        return None

    def create_module(self, spec) -> None:
        return None  # an empty one will do

    def exec_module(self, module) -> None:
        name = module.__name__
        self.tried.append(name)
        raise OSError(f"Could not load this library: {name}/lib{name}.so")


def said(*words: object) -> list[Any]:
    """What a command prints as JSON: an object a line."""
    from clap_sb.cli import main

    out = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out):
        assert main([*map(str, words), "--json"]) == 0, words
        out.flush()
    return [json.loads(line) for line in out.buffer.getvalue().splitlines()]


def use_interface(folder: Path) -> dict[str, Any]:
    """Models of each kind, opened in Python."""
    from clap_sb.inference import CLAP

    files = sorted(map(str, (folder / "sounds").iterdir()))
    tokenizer = folder / "tokenizer"
    models = {
        "a run": CLAP.from_checkpoint(folder / "run"),
        "an export": CLAP.from_hparams(
            folder / "run" / "export", folder / "links", {"device": "cpu"}
        ),
        "LAION's file": CLAP.from_checkpoint(folder / "laion.pt", tokenizer),
        "transformers' folder": CLAP.from_checkpoint(
            folder / "transformers", tokenizer
        ),
    }
    return {
        name: [
            clap.embed_files(files).tolist(),
            clap.encode_text(["a dog barks", "rain"]).tolist(),
        ]
        for name, clap in models.items()
    }


def use_pictures(folder: Path) -> Any:
    """The text tower and the pictures of a model in a CLIP's space."""
    import numpy as np
    import torch

    from clap_sb.encoders.clip_joint_text import ClipJointText
    from clap_sb.inference.images import ClipImages
    from clap_sb.model import CLAP

    none = torch.nn.Identity()
    tower = ClipJointText(str(folder / "clip"), str(folder / "clip"), 12)
    pictures = ClipImages(CLAP(none, tower, none, none, none))
    return pictures.encode(np.full((40, 50, 3), 90, np.uint8)).tolist()


def use_commands(folder: Path, out: Path) -> dict[str, Any]:
    """Every command that takes a checkpoint."""
    sounds = folder / "sounds"
    files, run = sorted(sounds.iterdir()), ("--checkpoint", folder / "run")
    table = out / "annotations.csv"
    table.write_text(f"file,start,end,label\n{files[0]},0,1,dog\n{files[1]},0,1,rain\n")
    learned, sentences = out / "thresholds.json", out / "sentences.txt"
    sentences.write_text("a dog barks\nrain falls\na siren wails\n")
    return {
        "info": said("info", folder / "run"),
        "embed": said("embed", *run, *files),
        "embed --text": said("embed", *run, "--text", "a dog barks"),
        "calibrate": said("calibrate", table, *run, *LABELS, "--out", learned),
        "tag": said("tag", files[0], *run, *LABELS, "--calibration", learned),
        "caption": said("caption", files[0], *run, "--captions", sentences),
        "index": said("index", sounds, *run, "--out", out / "index"),
        "search": said("search", out / "index", "a dog barks"),
        "convert": said("convert", folder / "run", out / "export"),
        "info of it": said("info", out / "export"),
        "convert --to transformers": said(
            "convert", folder / "laion.pt", out / "transformers",
            "--to", "transformers", "--tokenizer", folder / "tokenizer",
        ),
    }  # fmt: skip


def use_page(out: Path) -> dict[str, Any]:
    """What ``clap-sb serve`` answers with."""
    from clap_sb.search.searcher import Searcher
    from clap_sb.serve.app import create_app
    from clap_sb.serve.service import Service
    from clap_sb.serve.wanted import Wanted

    service = Service(Searcher.open(out / "index", None, None, "cpu"), out / "copies")
    if importlib.util.find_spec("starlette") is not None:
        assert callable(create_app(service))
    return {
        "about": service.about(),
        "search": service.search(Wanted(text="a dog barks")),
    }


def use_all(folder: Path, out: Path) -> dict[str, Any]:
    """Uses all there is."""
    return {
        **use_interface(folder),
        "pictures": use_pictures(folder),
        **use_commands(folder, out),
        **use_page(out),
    }


def main(folder: Path, out: Path, hide: bool) -> None:
    """Writes the numbers, and what was tried to be imported."""
    hidden = Hidden()
    if hide:
        sys.meta_path.insert(0, hidden)
    else:
        import speechbrain  # noqa: F401
        import torchaudio  # noqa: F401
    with tempfile.TemporaryDirectory() as place:
        found = use_all(folder, Path(place))
        text = json.dumps(found).replace(place, "PLACE")
        if hide and importlib.util.find_spec("onnxscript") is not None:
            # it takes long, and compares with PyTorch itself
            said("export", "--onnx", folder / "run", Path(place) / "onnx")
    told = {"found": json.loads(text), "tried": [*hidden.tried]}
    told["imported"] = sorted(set(ABSENT) & sys.modules.keys())
    theirs = vars(sys.modules["transformers.audio_utils"]).get("torchaudio")
    try:
        told["torchaudio"] = theirs.functional.__name__ if theirs else None
    except OSError as error:
        told["torchaudio"] = str(error)
    out.write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "hidden")
