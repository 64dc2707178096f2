"""The interface to a ready model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from clap_sb.checkpoints.find_checkpoint import find_export, link_into
from clap_sb.checkpoints.open_checkpoint import open_checkpoint, usable_device
from clap_sb.checkpoints.part import Trust
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT
from clap_sb.inference.captions import Captioner, ScoredCaption
from clap_sb.inference.encoder import Encoder
from clap_sb.inference.images import ClipImages
from clap_sb.inference.labels import Labels
from clap_sb.inference.run_options import run_options
from clap_sb.model import CLAP as Model
from clap_sb.runtimes.choice import TORCH, check_choice

if TYPE_CHECKING:
    from clap_sb.data.audio_file import AudioSource
    from clap_sb.inference.images import Picture


class Classification(NamedTuple):
    """What zero-shot classification gives, in the order that SpeechBrain has.

    Arguments
    ---------
    out_prob : torch.Tensor
        Log posteriors, ``[batch, labels]``; see :meth:`Encoder.log_probability`.
    score : torch.Tensor
        That of the best label, ``[batch]``.
    index : torch.Tensor
        Its place, ``[batch]``.
    text_lab : list of str
        Its name.
    """

    out_prob: torch.Tensor
    score: torch.Tensor
    index: torch.Tensor
    text_lab: list[str]


class CLAP(Encoder):
    """A ready model: sounds and sentences to embeddings, labels and captions.

    In the way of the model's family: its sample rate, its rule for short clips, its
    tokens, its logit scale. Clips longer than its window are covered whole. An
    embedding depends on its clip or caption alone.

    Arguments
    ---------
    model : clap_sb.model.CLAP
        The model; it is put into eval mode.
    description : str
        What it is, in words.
    weights_of : sequence of str
        Who made the weights that its towers started from, and their licence, where
        those ask to be told along.
    **options
        See :class:`~clap_sb.inference.encoder.Encoder`.

    Example
    -------
    >>> from clap_sb.checkpoints.architecture import Architecture, Part, build
    >>> numbers = {"log_mel": Part("clap_sb.features.LogMel"), "embed_dim": 8}
    >>> shape = {"depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
    >>> tower = Part("clap_sb.encoders.htsat.HTSAT", {**numbers, **shape})
    >>> head = Part("torch.nn.Identity")
    >>> clap = CLAP(build(Architecture("none", "small", tower, head, 64)))
    >>> clap.encode_audio(torch.randn(2, 16000), sample_rate=16000).shape
    torch.Size([2, 64])
    """

    def __init__(
        self,
        model: Model,
        description: str = "",
        weights_of: Sequence[str] = (),
        **options: Any,
    ):
        super().__init__(model, **options)
        self.description = description
        self.weights_of = tuple(weights_of)

    @classmethod
    def from_hparams(
        cls,
        source: str | Path,
        savedir: str | Path | None = None,
        run_opts: Mapping[str, Any] | None = None,
        freeze_params: bool = True,
        int16: bool = False,
        trust: Trust = False,
        runtime: str = TORCH,
    ) -> CLAP:
        """Loads an export of ours, as SpeechBrain's interfaces load theirs.

        What the model is made of is read from the export's ``architecture.json``; its
        YAML, which could run anything, is not executed.

        Arguments
        ---------
        source : str or Path
            Folder of an export, output folder of a training run (which holds one), or
            name on the Hugging Face hub.
        savedir : str or Path, optional
            Folder that gets a link to each of the export's files.
        run_opts : mapping, optional
            ``device`` (a GPU if there is one, unless given) and ``precision``
            (``fp32``, ``bf16``, ``fp16``); SpeechBrain's ``RunOptions`` will do too.
        freeze_params : bool
            Whether the model stays in eval mode and takes no gradients.
        int16 : bool
            Whether waveforms are rounded to 16 bits first.
        trust : bool or collection of str
            Whether it may be of classes that are not clap_sb's, which are then
            imported, or the names of those that it may be of (docs/extending.md).
        runtime : str
            What computes the towers, see the class.

        Returns
        -------
        CLAP

        Raises
        ------
        CheckpointError
            If there is no export, or it does not fit.
        ValueError
            If a run option has no meaning here, or there is no such device.
        """
        options = run_options(run_opts)
        usable_device(options.device)  # before a folder is made
        check_choice(runtime, options.precision, options.device)
        folder = find_export(source)
        if savedir is not None:
            folder = link_into(folder, savedir)
        checkpoint = open_checkpoint(folder, device=options.device, trust=trust)
        return cls(
            checkpoint.clap,
            checkpoint.description,
            checkpoint.architecture.weights_of,
            freeze_params=freeze_params,
            int16=int16,
            precision=options.precision,
            runtime=runtime,
        )

    @classmethod
    def from_checkpoint(
        cls,
        path_or_hub_id: str | Path,
        tokenizer: str | Path | None = None,
        device: str | torch.device | None = None,
        int16: bool = False,
        trust: Trust = False,
        runtime: str = TORCH,
        precision: str = "fp32",
        tell: Callable[[str], object] | None = None,
    ) -> CLAP:
        """Loads a checkpoint of any family, without being told which.

        A text tower that tells sentences hardly apart is warned of
        (:mod:`clap_sb.checkpoints.alike_texts`).

        Arguments
        ---------
        path_or_hub_id : str or Path
            A public checkpoint (a file or a transformers folder), a name on the
            Hugging Face hub, an export, a training run's folder, or one checkpoint of
            it.
        tokenizer : str or Path, optional
            A folder with a tokenizer, or its name on the hub, to take instead of the
            checkpoint's own; found by itself where it lies beside the weights or the
            hub has it. Without one, token tensors and audio can still be embedded.
        device : str or torch.device, optional
            Where the model goes; the CPU unless given.
        int16 : bool
            See the class.
        trust : bool or collection of str
            As in :meth:`from_hparams`.
        runtime, precision, tell
            What computes the towers, and how, see the class.

        Returns
        -------
        CLAP

        Raises
        ------
        CheckpointError
            If the checkpoint is not to be had, or of no known kind, or does not fit.
        ValueError
            If there is no such device, runtime or precision.
        """
        device = device or "cpu"
        check_choice(runtime, precision, str(device))  # before the time of loading
        checkpoint = open_checkpoint(path_or_hub_id, tokenizer, device, trust)
        return cls(
            checkpoint.clap,
            checkpoint.description,
            checkpoint.architecture.weights_of,
            int16=int16,
            precision=precision,
            runtime=runtime,
            tell=tell,
        )

    def classify_file(
        self,
        path: AudioSource,
        labels: Sequence[str] | Mapping[str, str | Sequence[str]],
        template: str = DEFAULT_PROMPT,
    ) -> Classification:
        """Gives a file the label whose sentence is closest, without any training.

        Arguments
        ---------
        path : path or open file
            Audio of any length.
        labels : sequence of str, or mapping
            Names, or names with one or several sentences each.
        template : str
            Sentence for a name alone, with ``{label}`` where it goes.

        Returns
        -------
        Classification
            A batch of one.
        """
        return self._classify(self.embed_files(path), labels, template)

    def classify_batch(
        self,
        wavs: torch.Tensor,
        wav_lens: torch.Tensor | None = None,
        *,
        labels: Sequence[str] | Mapping[str, str | Sequence[str]],
        template: str = DEFAULT_PROMPT,
    ) -> Classification:
        """Gives each clip of a batch the label whose sentence is closest.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, or ``[time]``, at :attr:`sample_rate`.
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``.
        labels : sequence of str, or mapping
            Names, or names with one or several sentences each.
        template : str
            Sentence for a name alone, with ``{label}`` where it goes.

        Returns
        -------
        Classification
        """
        audio = self.encode_batch(wavs, wav_lens).cpu()
        return self._classify(audio, labels, template)

    def _classify(
        self,
        audio: torch.Tensor,
        labels: Sequence[str] | Mapping[str, str | Sequence[str]],
        template: str,
    ) -> Classification:
        chosen = Labels.of(labels, template)
        out_prob = self.log_probability(audio, chosen.embed(self))
        score, index = out_prob.max(-1)
        names = [chosen.names[place] for place in index.tolist()]
        return Classification(out_prob, score, index, names)

    def caption_file(
        self,
        path: AudioSource,
        captions: Sequence[str] | None = None,
        top: int = 3,
    ) -> list[ScoredCaption]:
        """Describes a file with the closest of some sentences.

        To describe many files with the same sentences, build one
        :class:`~clap_sb.inference.captions.Captioner`.

        Arguments
        ---------
        path : path or open file
            Audio of any length.
        captions : sequence of str, optional
            Sentences to choose from; our bank of everyday sounds unless given.
        top : int
            How many are wanted.

        Returns
        -------
        list of ScoredCaption
            Best first.
        """
        return Captioner(self, captions).describe(self.embed_files(path), top)[0]

    @functools.cached_property
    def images(self) -> ClipImages:
        """The picture side, where the model's space is a CLIP's."""
        return ClipImages(self.model)

    def encode_image(
        self, images: Picture | Sequence[Picture], clip: str | Path | None = None
    ) -> torch.Tensor:
        """Embeds pictures: ``[images, joint_dim]``; see :meth:`ClipImages.encode`."""
        return self.images.encode(images, clip)

    def encode_video(
        self,
        paths: str | Path | Sequence[str | Path],
        num_frames: int = 8,
        clip: str | Path | None = None,
    ) -> torch.Tensor:
        """Embeds videos by the mean of their pictures; see :class:`ClipImages`."""
        return self.images.encode_video(paths, num_frames, clip)
