"""Pictures and videos in the space of a model that learned CLIP's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from clap_sb.data.video import sample_frames
from clap_sb.encoders.clip_joint_text import ClipJointText
from clap_sb.encoders.text_source import PATTERNS
from clap_sb.encoders.transformers_models import import_without_torchaudio
from clap_sb.hub import HubError, fetch_snapshot, is_hub_name
from clap_sb.model import CLAP as Model

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture = str | Path | IO[bytes] | Image | np.ndarray


class ClipImages:
    """The picture side of a CLIP whose space an audio tower has learned.

    It is loaded from where the text tower came from, when the first picture is
    embedded, and compared with that tower: another CLIP's pictures would give
    similarities that mean nothing.

    Arguments
    ---------
    model : clap_sb.model.CLAP
        A model with :class:`~clap_sb.encoders.clip_joint_text.ClipJointText`.

    Raises
    ------
    ValueError
        If the model's space is not a CLIP's.

    Example
    -------
    >>> from clap_sb.model import CLAP
    >>> none = torch.nn.Identity()
    >>> ClipImages(CLAP(none, none, none, none, none))
    Traceback (most recent call last):
    ...
    ValueError: this model cannot take pictures: its space is not that of a CLIP. \
Train hparams/htsat_clip_joint.yaml, whose space is
    """

    def __init__(self, model: Model):
        tower = model.text_encoder
        if not isinstance(tower, ClipJointText):
            raise ValueError(
                "this model cannot take pictures: its space is not that of a CLIP. "
                "Train hparams/htsat_clip_joint.yaml, whose space is"
            )
        if tower.clip is None:
            raise ValueError(
                "this model cannot take pictures: its text tower started from random "
                "weights, and so its space is no CLIP's. Train it from a CLIP's "
                "weights (--clip NAME_OR_FOLDER)"
            )
        self._tower = tower
        self._loaded: tuple[str, torch.nn.Module, Any] | None = None

    @torch.no_grad()
    def encode(
        self,
        images: Picture | Sequence[Picture],
        clip: str | Path | None = None,
        batch_size: int = 16,
    ) -> torch.Tensor:
        """Embeds pictures, as CLIP does.

        Arguments
        ---------
        images : picture, or sequence of pictures
            Paths, file objects, PIL images, or arrays ``[height, width, 3]`` of uint8
            (a tensor too).
        clip : str or Path, optional
            Where the CLIP is now, if no longer where it was in training.
        batch_size : int
            Pictures that go through CLIP at once.

        Returns
        -------
        torch.Tensor
            ``[images, joint_dim]``, unit norm, on the CPU.

        Raises
        ------
        ValueError
            If there is no picture, or the CLIP is not the one of the text tower.
        OSError
            If a picture cannot be read, or the CLIP is not to be had.
        """
        pictures = list(images) if isinstance(images, (list, tuple)) else [images]
        if not pictures:
            raise ValueError("there is no picture to embed")
        model, processor = self._load(str(clip or self._tower.clip))
        device = next(self._tower.parameters()).device
        model.to(device)
        rows = []
        for start in range(0, len(pictures), batch_size):
            chosen = [_open(picture) for picture in pictures[start:][:batch_size]]
            pixels = processor(images=chosen, return_tensors="pt")["pixel_values"]
            seen = model.vision_model(pixel_values=pixels.to(device)).pooler_output
            rows.append(F.normalize(model.visual_projection(seen).float(), dim=-1))
        return torch.cat(rows).cpu()

    def encode_video(
        self,
        paths: str | Path | Sequence[str | Path],
        num_frames: int = 8,
        clip: str | Path | None = None,
    ) -> torch.Tensor:
        """Embeds videos: the mean of pictures taken evenly over the length.

        Arguments
        ---------
        paths : str, Path or sequence of them
            Video files.
        num_frames : int
            Pictures of each.
        clip : str or Path, optional
            See :meth:`encode`.

        Returns
        -------
        torch.Tensor
            ``[videos, joint_dim]``, unit norm, on the CPU.

        Raises
        ------
        VideoError
            If a file cannot be used; it is named.
        """
        paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
        if not paths:
            raise ValueError("there is no video to embed")
        means = [
            self.encode(sample_frames(path, num_frames), clip).mean(0) for path in paths
        ]
        return F.normalize(torch.stack(means), dim=-1)

    def _load(self, clip: str) -> tuple[torch.nn.Module, Any]:
        """CLIP's vision model and image processor; kept for the next call."""
        if self._loaded is None or self._loaded[0] != clip:
            folder = _find(clip)
            model, processor = _read(folder)
            own = self._tower.model.text_projection.weight.cpu()
            theirs = model.text_projection.weight
            if theirs.shape != own.shape or not torch.equal(theirs, own):
                raise ValueError(
                    f"{clip} is not the CLIP whose space this model learned, or the "
                    "text tower was not kept frozen: name the folder of "
                    f"{self._tower.clip} (clip=...)"
                )
            self._loaded = (clip, model, processor)
        return self._loaded[1:]


def _find(clip: str) -> Path:
    if Path(clip).is_dir():
        return Path(clip)
    where = f"this model learned the space of {clip}, which is no folder here"
    ways_out = "fetch it elsewhere, and name its folder (clip=...)"
    if not is_hub_name(clip):
        raise HubError(f"{where}: {ways_out}")
    try:
        return fetch_snapshot(clip, PATTERNS, required="*.safetensors")
    except HubError as error:
        raise HubError(
            f"{where} nor in the Hugging Face cache, and the hub does not give it "
            f"({error}): {ways_out}"
        ) from error


def _read(folder: Path) -> tuple[torch.nn.Module, Any]:
    import_without_torchaudio()
    from transformers import CLIPImageProcessorPil, CLIPModel

    _check_processor(folder)
    model, report = CLIPModel.from_pretrained(
        folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
    )
    if report["missing_keys"]:
        raise ValueError(
            f"{folder} is no whole CLIP: {min(report['missing_keys'])} and others are "
            "missing"
        )
    # by PIL, as CLIP was trained; torchvision resizes a little differently
    processor = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
    return model.eval(), processor


def _check_processor(folder: Path) -> None:
    """Pictures that another processor prepares lie elsewhere."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        raise ValueError(f"{folder} is no whole CLIP: it has no image processor")
    values = json.loads(path.read_text(encoding="utf-8"))
    kinds = [
        values.get(key) for key in ("image_processor_type", "feature_extractor_type")
    ]
    kind = next((kind for kind in kinds if kind), "CLIP")
    if not kind.startswith("CLIP"):
        raise ValueError(f"{path} names a {kind}: a CLIP has a CLIPImageProcessor")


def _open(picture: Picture) -> Image:
    """Any kind of picture as an upright PIL image."""
    from PIL import Image, ImageOps

    if isinstance(picture, Image.Image):
        return ImageOps.exif_transpose(picture).convert("RGB")
    if hasattr(picture, "shape"):
        array = np.asarray(picture)
        if array.dtype != np.uint8 or array.ndim != 3:
            raise ValueError(
                "a picture's array is [height, width, 3] of uint8, got "
                f"{list(array.shape)} of {array.dtype}"
            )
        return Image.fromarray(array).convert("RGB")
    try:
        with Image.open(picture) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except Image.DecompressionBombError as error:
        raise ValueError(f"{_name(picture)} is too large a picture: {error}") from error
    except SyntaxError as error:  # what PIL says of a broken PNG
        raise ValueError(f"{_name(picture)} cannot be read: {error}") from error


def _name(picture: str | Path | IO[bytes]) -> str:
    if isinstance(picture, (str, Path)):
        return str(picture)
    return str(getattr(picture, "name", "the file"))
