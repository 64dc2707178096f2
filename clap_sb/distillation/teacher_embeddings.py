"""What the teacher makes of whole clips, computed once in a command."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clap_sb.data.manifest import Clip
from clap_sb.evaluation.embedding import Embedded, embed_clips
from clap_sb.model import CLAP


class TeacherEmbeddings:
    """Embeds whole clips when they are first asked for, and remembers them.

    Arguments
    ---------
    clap : CLAP
        The teacher.
    batch_size : int
        Clips a batch.
    num_workers : int
        Reading processes.
    device : str or torch.device
        Where it embeds.
    """

    def __init__(
        self,
        clap: CLAP,
        batch_size: int = 16,
        num_workers: int = 0,
        device: str | torch.device = "cpu",
    ):
        self.clap = clap
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.device = device
        self._known: dict[str, Embedded] = {}

    def part(self, clips: Sequence[Clip]) -> Embedded:
        """Embeds some clips.

        Arguments
        ---------
        clips : sequence of Clip
            Clips, each id once.

        Returns
        -------
        Embedded
            Without captions; clips that cannot be read are left out.
        """
        wanted = "\n".join(clip.id for clip in clips)
        if wanted not in self._known:
            self._known[wanted] = embed_clips(
                self.clap.to(self.device),
                clips,
                batch_size=self.batch_size,
                num_workers=self.num_workers,
                device=self.device,
                with_captions=False,
            )
        return self._known[wanted]
