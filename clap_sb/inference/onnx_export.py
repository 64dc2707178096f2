"""Writes a model for onnxruntime, and checks that it is still the same model."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clap_sb.checkpoints.part import Trust
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.missing_tokenizer import MissingTokenizer
from clap_sb.encoders.no_text_tower import NoTextTower
from clap_sb.encoders.sentencepiece_tokenizer import SentencePieceTokenizer
from clap_sb.encoders.text_tower import TextTower
from clap_sb.inference.clap import CLAP
from clap_sb.inference.onnx_towers import ExportError, write_audio, write_text
from clap_sb.whole_file import whole_folder

AUDIO_FILE = "audio.onnx"
TEXT_FILE = "text.onnx"
METADATA_FILE = "metadata.json"
TOKENIZER_FOLDER = "tokenizer"

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Arguments
    ---------
    path : str
        The folder.
    metadata : dict
        What ``metadata.json`` says.
    differences : dict
        Largest difference of an embedding's element from PyTorch's, by tower.
    """

    path: str
    metadata: dict[str, Any]
    differences: dict[str, float]


def export_onnx(
    source: str | Path,
    out: str | Path,
    tokenizer: str | Path | None = None,
    trust: Trust = False,
) -> Exported:
    """Writes the towers of a checkpoint as ONNX, with all that is needed to use them.

    ``audio.onnx`` takes ``wavs`` ``[batch, samples]`` and ``lengths`` ``[batch]``, the
    front end and the rule for short clips inside; ``text.onnx`` takes ``input_ids`` and
    ``attention_mask`` ``[batch, tokens]``. Batch, samples and tokens may vary. Both
    give unit vectors, and are compared with PyTorch before the folder appears.

    Arguments
    ---------
    source : str or Path
        A checkpoint of any kind, see :meth:`CLAP.from_checkpoint`.
    out : str or Path
        Folder to write; it must not exist, or be empty.
    tokenizer : str, Path or None
        Folder or hub name of the tokenizer, where it is not with the checkpoint.
    trust : bool or collection of str
        Whether it may be of classes that are not clap_sb's, which are then imported.

    Returns
    -------
    Exported

    Raises
    ------
    ExportError
        If a package is missing, the folder is in use, the model has no ONNX form, or
        onnxruntime's embeddings are not PyTorch's.
    CheckpointError
        If the checkpoint cannot be loaded.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"an export to ONNX takes {', '.join(missing)}: pip install 'clap_sb[onnx]'"
        )
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} exists already: name another folder")
    clap = CLAP.from_checkpoint(source, tokenizer, trust=trust)
    with whole_folder(out) as unfinished:
        exported = _write(clap, unfinished)
    return Exported(str(out), *exported)


def _write(clap: CLAP, folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
    metadata = describe(clap)
    differences = {"audio": write_audio(clap.model, folder, metadata["audio"])}
    if metadata["text"] is not None:
        tokenize = clap.model.text_encoder.tokenize
        (folder / TOKENIZER_FOLDER).mkdir()
        tokenize.save(folder / TOKENIZER_FOLDER)
        differences["text"] = write_text(clap.model, folder, metadata["text"])
    text = json.dumps(metadata, indent=1)
    (folder / METADATA_FILE).write_text(text + "\n", encoding="utf-8")
    return metadata, differences


def describe(clap: CLAP) -> dict[str, Any]:
    """Tells what a user of the exported towers has to know.

    Arguments
    ---------
    clap : CLAP
        A ready model.

    Returns
    -------
    dict
        Plain values, as ``metadata.json`` has them.
    """
    model = clap.model
    if not isinstance(model.text_encoder, NoTextTower | TextTower):
        raise ExportError(
            f"{type(model.text_encoder).__name__} cannot be exported: only a text "
            "tower of clap_sb's kind can (clap_sb.encoders.text_tower.TextTower)"
        )
    with torch.no_grad():
        wav = torch.zeros(1, model.clip_samples)
        joint_dim = model.encode_audio(wav).shape[1]
    audio = {
        "file": AUDIO_FILE,
        "inputs": ["wavs", "lengths"],
        "output": "audio_embedding",
        "sample_rate": model.sample_rate,
        "clip_samples": model.clip_samples,
    }
    return {
        "model": clap.description,
        "weights_of": list(clap.weights_of),
        "joint_dim": joint_dim,
        "logit_scale": clap.logit_scale,
        "logit_bias": clap.logit_bias,
        "audio": audio,
        "text": None
        if isinstance(model.text_encoder, NoTextTower)
        else _describe_text(model.text_encoder.tokenize),
    }


def _describe_text(tokenize: CaptionTokenizer) -> dict[str, Any]:
    kinds = {SentencePieceTokenizer: "sentencepiece", MissingTokenizer: None}
    return {
        "file": TEXT_FILE,
        "inputs": ["input_ids", "attention_mask"],
        "output": "text_embedding",
        "tokenizer": kinds.get(type(tokenize.tokenizer), "transformers"),
        "max_tokens": tokenize.max_tokens,
        "suffix": tokenize.suffix,
        "pad_to_max": tokenize.pad_to_max,
        "strip_punctuation": tokenize.strip_punctuation,
    }
