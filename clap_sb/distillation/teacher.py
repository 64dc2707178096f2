"""The teacher: a checkpoint of any kind, whose text half and joint space are taken."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ruamel.yaml

from clap_sb.checkpoints.strict_loading import load_strictly
from clap_sb.config import Config, ConfigError
from clap_sb.encoders.fingerprint import tower_fingerprint
from clap_sb.encoders.projection import TurnedProjection
from clap_sb.experiment.initial import (
    Initial,
    architecture_keys,
    read_initial,
    with_keys_there,
)
from clap_sb.model import CLAP
from clap_sb.training.text_start import has_source

_TEXT_HALF = ("text_encoder", "text_projection", "logit_scale")
_JOINT_DIM = "joint_dim"
_TURNED = f"!new:{TurnedProjection.__module__}.{TurnedProjection.__qualname__}"


@dataclass(frozen=True)
class Teacher(Initial):
    """A model whose text tower, text projection and logit scale a student keeps.

    They stay as they are; the student's audio half is the YAML's, and learns where the
    teacher has sounds.

    Arguments
    ---------
    checkpoint : Checkpoint
        As :class:`~clap_sb.experiment.initial.Initial` takes it.
    turned : bool
        Whether the joint space is turned, so that the first numbers of an embedding say
        most (:class:`~clap_sb.encoders.projection.TurnedProjection`).
    lessons : mapping
        Settings that decide the lessons: a run with others is another run.
    """

    turned: bool = False
    lessons: Mapping[str, Any] = field(default_factory=dict)

    @property
    def beginning(self) -> dict[str, Any]:
        """What the teacher is, and what lessons it gives, for the run's identity."""
        told = super().beginning
        halves = (self.clap.audio_encoder, self.clap.audio_projection)
        prints = " ".join(map(tower_fingerprint, halves))
        return {
            "teacher": told["init"],
            "teacher_text": told["init_text"],
            "teacher_audio": prints,
            "turned": self.turned,
            "lessons": dict(self.lessons),
        }

    def adopt(self, config: Config, text_folder: str | Path) -> Config:
        """Puts the teacher's text half in the place of the YAML's.

        Arguments
        ---------
        config : Config
            The run's configuration.
        text_folder : str or Path
            Where :meth:`write_text` wrote.

        Returns
        -------
        Config

        Raises
        ------
        ConfigError
            If a setting of the text half was given on the command line, or the YAML
            has no ``joint_dim`` for the audio half to fit.
        """
        owned = architecture_keys(config.text, _TEXT_HALF) | {_JOINT_DIM}
        given = owned & set(config.given)
        if given:
            raise ConfigError(
                f"{', '.join(sorted(given))} cannot be set together with --teacher: "
                "text tower, tokenizer and joint space are the teacher's"
            )
        if _JOINT_DIM not in config.values():
            raise ConfigError(
                "the system's YAML has no joint_dim: a student's audio_projection "
                "takes it from there (joint_dim: !ref <joint_dim>)"
            )
        kept = {k: v for k, v in config.overrides.items() if k not in owned}
        parts = with_keys_there(self._text_half(), config.text)
        adopted = replace(config, overrides=kept).redefined(parts)
        settled = {_JOINT_DIM: self.checkpoint.architecture.joint_dim}
        settled["freeze_text"] = True
        if has_source(adopted.values()):
            settled["text_source"] = str(text_folder)
        return adopted.updated(
            {k: v for k, v in settled.items() if k in config.values()}
        )

    def _text_half(self) -> str:
        """HyperPyYAML source of the text half, its space turned where that is asked."""
        yaml, stream = ruamel.yaml.YAML(), io.StringIO()
        parts = yaml.load(self.parts)
        half = ruamel.yaml.comments.CommentedMap((k, parts[k]) for k in _TEXT_HALF)
        if self.turned and not isinstance(self.clap.text_projection, TurnedProjection):
            width = self.checkpoint.architecture.joint_dim
            inner = half["text_projection"]
            half["text_projection"] = ruamel.yaml.comments.CommentedMap(
                projection=inner, input_dim=width, joint_dim=width
            )
            half["text_projection"].yaml_set_ctag(ruamel.yaml.tag.Tag(suffix=_TURNED))
        yaml.dump(half, stream)
        return stream.getvalue()

    def load_into(self, clap: CLAP) -> None:
        """Gives the text half to a student, to be kept as it is.

        Arguments
        ---------
        clap : CLAP
            Built from what :meth:`adopt` gave.

        Raises
        ------
        CheckpointError
            If a tensor is missing, unexpected, or of another shape.
        """
        for name in _TEXT_HALF:
            own, theirs = getattr(clap, name), getattr(self.clap, name)
            turned = type(own) is TurnedProjection and type(theirs) is not type(own)
            state = theirs.state_dict()
            load_strictly(own.projection if turned else own, state, self.description)
            own.requires_grad_(False)


def read_teacher(values: Mapping[str, Any]) -> Teacher:
    """Reads the teacher that the settings name.

    Arguments
    ---------
    values : mapping
        Settings of a run: ``teacher``, ``init_tokenizer``, ``trust``, ``prefixes`` and
        those of the lessons.

    Returns
    -------
    Teacher

    Raises
    ------
    ConfigError
        If none is named, or a whole model is to be started from as well.
    CheckpointError
        As :func:`~clap_sb.experiment.initial.read_initial` does.
    """
    if values["teacher"] is None:
        raise ConfigError(
            "who teaches? Give --teacher CHECKPOINT: a run's folder, an export, a "
            "public checkpoint's file or its name on the hub"
        )
    if values["init"] is not None:
        raise ConfigError(
            "--init gives a whole model, and a student's text half is its teacher's: "
            "start its audio tower by --audio_weights"
        )
    initial = read_initial(values["teacher"], values["init_tokenizer"], values["trust"])
    width, prefixes = initial.checkpoint.architecture.joint_dim, values["prefixes"]
    if any(not 0 < size < width for size in prefixes):
        raise ConfigError(
            f"prefixes are sizes from 1 to {width - 1} of the teacher's {width} "
            f"numbers, not {list(prefixes)}"
        )
    told = ("views", "view_rules", "lessons_seed")
    return Teacher(
        initial.checkpoint,
        turned=bool(prefixes),
        lessons={name: values[name] for name in told},
    )
