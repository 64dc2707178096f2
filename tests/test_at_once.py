"""Several processes have to do with one index at once, and none loses what it has."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from builders import tiny_clap
from indexes import updater, write_sound
from processes import start_process

from clap_sb.inference import CLAP
from clap_sb.search import SearchIndex
from clap_sb.search.errors import SearchError
from clap_sb.search.store import DATABASE

WRITERS = 3
SOUNDS = 4


def _update(folder: Path, number: int, turns: int) -> None:
    """One of those who write: again while others do, and that alone is told.

    Each turn adds a folder, then forgets it and adds the other one.
    """
    clap = CLAP(tiny_clap(folder / "model").eval(), "tiny")
    update = updater(folder / "index", clap, batch_size=2)
    told = []
    for turn in range(turns):
        new, old = (folder / f"{number}.{(turn + k) % 2}" for k in range(2))
        forget = [old] if turn else []
        while True:
            try:
                update.run([new], "model.pt", forget=forget)
                break
            except SearchError as error:
                told.append(str(error))
                time.sleep(0.01)
    (folder / f"{number}.json").write_text(json.dumps(told))


@pytest.fixture
def folder(tmp_path):
    for number in range(WRITERS):
        for turn in range(2):
            for place in range(SOUNDS):
                path = tmp_path / f"{number}.{turn}" / f"{place}.wav"
                write_sound(path, 100 * number + 10 * turn + place, 0.3)
    tiny_clap(tmp_path / "model")
    return tmp_path


def folders_of(index: SearchIndex) -> dict[str, int]:
    """How many sounds of each can be found."""
    found: dict[str, int] = {}
    for path, *_, row in index.windows():
        name = os.path.basename(os.path.dirname(path))
        found[name] = found.get(name, 0) + 1
        assert np.linalg.norm(index.embeddings(np.array([row]))) == pytest.approx(1)
    return found


def test_several_that_index_and_forget_at_once_lose_nothing(folder):
    """From the first moment, when each of them may be the one who makes the index."""
    turns = 3
    writers = [
        start_process(_update, folder, number, turns) for number in range(WRITERS)
    ]
    seen = 0
    while any(writer.is_alive() for writer in writers):
        if (folder / "index" / DATABASE).exists():
            index = SearchIndex(folder / "index")
            assert all(count <= SOUNDS for count in folders_of(index).values())
            seen += 1
        time.sleep(0.1)
    assert seen and [writer.exitcode for writer in writers] == [0] * WRITERS
    told = [json.loads((folder / f"{n}.json").read_text()) for n in range(WRITERS)]
    assert all("another process is writing" in line for line in sum(told, []))
    last = (turns - 1) % 2
    expected = {f"{number}.{last}": SOUNDS for number in range(WRITERS)}
    assert folders_of(SearchIndex(folder / "index")) == expected


def test_whoever_comes_while_an_index_is_being_made_waits_for_it(folder, monkeypatch):
    """It is neither taken for a folder of something else, nor begun a second time."""
    clap = CLAP(tiny_clap(folder / "model").eval(), "tiny")
    one, other = (updater(folder / "index", clap) for _ in range(2))
    (folder / "index").mkdir()
    listed = Path.iterdir

    def made_meanwhile(path):
        """Between the other's two looks at the folder."""
        monkeypatch.setattr(Path, "iterdir", listed)
        one.run([folder / "0.0"], "model.pt")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", made_meanwhile)
    assert other.run([folder / "1.0"], "model.pt").files == 2 * SOUNDS
