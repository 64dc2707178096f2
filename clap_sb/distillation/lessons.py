"""What a student is taught with: views of clips, and what the teacher makes of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import clap_sb.training  # noqa: F401  before SpeechBrain: says what it lacks

# isort: split
import torch
from speechbrain.utils.distributed import ddp_barrier, if_main_process
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from clap_sb.data.audio import AudioError
from clap_sb.data.kept_rows import file_stamp
from clap_sb.data.keys import key_of
from clap_sb.data.printable import printable
from clap_sb.distillation.lesson_batch import Lesson
from clap_sb.distillation.views import Views
from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.fingerprint import tower_fingerprint
from clap_sb.model import CLAP
from clap_sb.whole_file import write_whole

logger = logging.getLogger(__name__)

BLOCK = 256
"""Clips of a file of lessons."""


class Lessons(Dataset):
    """Views of clips with the teacher's embeddings: each view once an epoch.

    The views are drawn, read and embedded by the teacher once, and kept in files of
    some hundred with the student's log-mels, which are then read one by one: nothing
    of it need fit into memory. A file is named by what decides its content (the
    teacher's weights, the student's front end, the clips' files, the rules), so that
    several runs may share the folder.

    Arguments
    ---------
    views : Views
        What is heard: at the student's rate, and at the teacher's.
    count : int
        Views of each clip.
    folder : str or Path
        Receives the files.
    max_unreadable : float
        Share of the clips that may have no view that can be read; more are an error.

    Raises
    ------
    ValueError
        If there are no clips, or no view of them.
    """

    captions_an_item = 1

    def __init__(
        self,
        views: Views,
        count: int,
        folder: str | Path,
        max_unreadable: float = 0.1,
    ):
        if not views.clips or count < 1:
            raise ValueError(
                f"{count} views of {len(views.clips)} clips are no lessons: give a "
                "folder of sounds, and one view or more"
            )
        self.views = views
        self.count = count
        self.folder = Path(folder)
        self.max_unreadable = max_unreadable
        self._blocks: list[_Block] = []
        self._heard: list[tuple[int, int]] = []

    def __len__(self) -> int:
        """Number of lessons that were heard."""
        return len(self._heard)

    def __getitem__(self, key: tuple[int, int]) -> Lesson:
        """The lesson for ``(epoch, index)``: it is the same in each epoch."""
        _, index = key
        block, place = self._heard[index]
        lessons = self._blocks[block]
        name = self.views.clips[lessons.places[place]].id
        return Lesson(name, *lessons.read(place))

    def targets(self) -> torch.Tensor:
        """The teacher's embeddings of all that was heard, ``[lessons, joint_dim]``."""
        return torch.cat([b.targets() for b in self._blocks if any(b.heard())])

    def prepare(
        self,
        teacher: CLAP,
        student: AudioTower,
        batch_size: int = 16,
        num_workers: int = 0,
        progress: bool = False,
    ) -> None:
        """Computes the lessons that are missing; each rank has a share of them.

        Arguments
        ---------
        teacher : CLAP
            On its device; it is put into eval mode.
        student : AudioTower
            Its front end decides what it hears.
        batch_size : int
            Views that the teacher embeds at once.
        num_workers : int
            Processes that read sounds.
        progress : bool
            Whether a progress bar is shown.

        Raises
        ------
        AudioError
            If more clips than ``max_unreadable`` allows have no view that can be read.
        """
        from tqdm import tqdm

        self._blocks = list(self._described(teacher, student))
        rank, ranks = 0, 1
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            rank = torch.distributed.get_rank()
            ranks = torch.distributed.get_world_size()
        share = [block for block in self._blocks[rank::ranks] if not block.is_whole()]
        hidden = not progress or not share or rank > 0
        teacher.eval()
        mode = student.training
        student.eval()
        with tqdm(total=len(share), desc="lessons", disable=hidden) as bar:
            for block in share:
                _write(block, self.views, teacher, student, batch_size, num_workers)
                bar.update()
        student.train(mode)
        ddp_barrier()
        self._note_heard()

    def _described(self, teacher: CLAP, student: AudioTower) -> Iterator[_Block]:
        """Which files there are to be, and of what."""
        views = self.views
        stamps = [(clip.id, file_stamp(clip.path)) for clip in views.clips]
        parts = (teacher.audio_encoder, teacher.audio_projection, student.log_mel)
        numbers = (student.clip_samples, student.padding, views.seconds, *views.rates)
        common = key_of(
            *map(tower_fingerprint, parts), *numbers, views.rules, views.seed, stamps
        )
        for view in range(self.count):
            for start in range(0, len(stamps), BLOCK):
                places = range(start, min(start + BLOCK, len(stamps)))
                name = f"{key_of(common, view, start):016x}.safetensors"
                yield _Block(self.folder / name, places, view)

    def _note_heard(self) -> None:
        self._heard = [
            (number, place)
            for number, block in enumerate(self._blocks)
            for place, heard in enumerate(block.heard())
            if heard
        ]
        heard = {self._blocks[number].places[place] for number, place in self._heard}
        clips = self.views.clips
        silent = [clip.id for i, clip in enumerate(clips) if i not in heard]
        told = f"{len(silent)} of {len(clips)} clips cannot be read"
        named = printable(silent[0]) if silent else ""
        if len(silent) > self.max_unreadable * len(clips) or len(silent) == len(clips):
            raise AudioError(
                f"{told}, such as {named}, and max_unreadable allows a share of "
                f"{self.max_unreadable}: see that the disk is mounted and whole"
            )
        if silent and if_main_process():
            logger.warning("%s, and are left out, such as %s", told, named)


@dataclass(frozen=True)
class _Block:
    """A file of lessons: of some clips, one view each."""

    path: Path
    places: range
    view: int

    def is_whole(self) -> bool:
        from safetensors import SafetensorError

        try:
            return len(self.heard()) == len(self.places)
        except FileNotFoundError:
            return False
        except (SafetensorError, OSError, KeyError) as error:
            logger.warning(
                "%s is damaged, and made again: %s", self.path, printable(str(error))
            )
            return False

    def _tensor(self, name: str, place: int | None = None) -> torch.Tensor:
        from safetensors import safe_open

        # not kept open: a worker may be forked or started anew; and copied, since what
        # others do to a file that is mapped would change what was read of it
        with safe_open(self.path, framework="pt") as file:
            found = file.get_slice(name)
            return (found[:] if place is None else found[place]).clone()

    def heard(self) -> list[bool]:
        return self._tensor("heard").bool().tolist()

    def targets(self) -> torch.Tensor:
        return self._tensor("target")[self._tensor("heard").bool()]

    def read(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._tensor("log_mel", place), self._tensor("target", place)


@dataclass(frozen=True)
class _Heard(Dataset):
    """The views of a block, or None each where one cannot be read."""

    views: Views
    block: _Block

    def __len__(self) -> int:
        return len(self.block.places)

    def __getitem__(self, index: int) -> list[torch.Tensor] | None:
        try:
            return self.views.hear(self.block.places[index], self.block.view)
        except AudioError as error:
            logger.warning("left out of the lessons: %s", printable(str(error)))
            return None


@torch.no_grad()
def _write(
    block: _Block,
    views: Views,
    teacher: CLAP,
    student: AudioTower,
    batch_size: int,
    num_workers: int,
) -> None:
    """Computes a block and writes it, whole or not at all."""
    from safetensors.torch import save

    loader = DataLoader(
        _Heard(views, block),
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=list,
        generator=torch.Generator(),  # the global one belongs to training
    )
    frames = student.log_mel.num_frames(student.clip_samples)
    log_mel = torch.zeros(len(block.places), 1, frames, student.log_mel.n_mels).half()
    target, heard, place = None, torch.zeros(len(block.places), dtype=torch.uint8), 0
    for sounds in loader:
        read = [i for i, sound in enumerate(sounds) if sound is not None]
        if read:
            rows = torch.tensor(read) + place
            own, its = (_padded([sounds[i][which] for i in read]) for which in range(2))
            embedding = _embedded(teacher, *its)
            if target is None:
                target = torch.zeros(len(heard), embedding.shape[1])
            log_mel[rows] = _log_mel(student, *own).half()
            target[rows], heard[rows] = embedding, 1
        place += len(sounds)
    if target is None:
        target = torch.zeros(len(heard), 1)
    content = {"log_mel": log_mel, "target": target, "heard": heard}
    write_whole(block.path, save(content))


def _padded(wavs: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    padded = pad_sequence(wavs, batch_first=True)
    lengths = torch.tensor([len(wav) for wav in wavs], dtype=torch.float64)
    return padded, lengths / padded.shape[1]


def _embedded(clap: CLAP, wavs: torch.Tensor, wav_lens: torch.Tensor) -> torch.Tensor:
    device = next(clap.audio_projection.parameters()).device
    return clap.encode_audio(wavs.to(device), wav_lens.to(device)).cpu()


def _log_mel(
    tower: AudioTower, wavs: torch.Tensor, wav_lens: torch.Tensor
) -> torch.Tensor:
    device = tower.log_mel.mel_filters.device
    wavs, wav_lens = wavs.to(device), wav_lens.to(device)
    return tower.views(wavs, tower.lengths(wavs, wav_lens))[0].cpu()
