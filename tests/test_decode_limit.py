"""A decoder that stands still is left to itself, and its file named, wherever it is."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from builders import SAMPLE_RATE, tiny_clap
from indexes import updater, write_sound

from clap_sb.data import decode_limit, sound
from clap_sb.data.audio import AudioError, AudioFile, probe_to_end, read_wav
from clap_sb.data.captions_csv import prepare_captions_csv
from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.inference import CLAP
from clap_sb.search import SearchIndex
from clap_sb.serve.excerpt import excerpt_wav

TOLD = r"{}: its decoder has stood still for 1 s, and is left to itself"


class Still:
    """A decoder of files called still*, each block of which comes after a while."""

    sample_rate, num_channels, num_frames = SAMPLE_RATE, 1, SAMPLE_RATE
    container, codec, may_exceed = "WAV", "PCM_16", False
    seconds = 600.0  # a block
    released = threading.Event()

    def __init__(self, source):
        self.source, self.is_closed, self.is_busy = source, False, False
        if "stillopen" in str(source):
            self.released.wait(self.seconds)

    def read(self, begin, end):
        self.is_busy = True
        self.released.wait(self.seconds)
        self.is_busy = False
        return np.zeros((end - begin, 1), np.float32)

    def close(self):
        assert not self.is_busy, "what it works with is freed"
        self.is_closed = True


@pytest.fixture
def still(tmp_path, monkeypatch) -> Path:
    """A folder of three sounds, of which one stands still, and a short limit."""
    choose = sound.choose_decoder

    def chosen(source):
        return Still if "still" in Path(source).name else choose(source)

    monkeypatch.setattr(sound, "choose_decoder", chosen)
    monkeypatch.setattr(decode_limit, "SECONDS", 1.0)
    for seed, name in enumerate(("a", "still", "z")):
        write_sound(tmp_path / "sounds" / f"{name}.wav", seed)
    yield tmp_path / "sounds"
    Still.released.set()
    Still.released = threading.Event()


def test_a_sound_is_refused_and_the_next_one_read(still):
    path = still / "still.wav"
    for read in (
        lambda: read_wav(path, SAMPLE_RATE),
        lambda: probe_to_end(path),
        lambda: excerpt_wav(path, 0.0, 0.5),  # what the page plays
    ):
        with pytest.raises(AudioError, match=TOLD.format("still.wav")):
            read()
    assert len(read_wav(still / "a.wav", SAMPLE_RATE)) == SAMPLE_RATE
    write_sound(still / "stillopen.wav", 3)
    with pytest.raises(AudioError, match=TOLD.format("stillopen.wav")):
        AudioFile(still / "stillopen.wav", SAMPLE_RATE)


def test_what_the_page_looks_at_is_limited(still, monkeypatch):
    """Whether a browser plays a file as it is, is found out by opening it."""
    from clap_sb.data import decoders

    def stand_still(source):
        Still.released.wait(Still.seconds)

    monkeypatch.setattr(decoders, "_check_there", stand_still)
    with pytest.raises(AudioError, match=TOLD.format("a.wav")):
        decoders.choose_decoder(still / "a.wav")


def test_a_decoder_that_is_left_is_not_closed(still):
    with AudioFile(still / "still.wav", SAMPLE_RATE) as file:
        decoder = file._decoder
        with pytest.raises(AudioError, match="stood still"):
            file.read(0, 100)
    assert decoder.is_busy and not decoder.is_closed


def test_one_that_is_slow_and_gets_on_is_waited_for(still, monkeypatch):
    monkeypatch.setattr(Still, "seconds", 0.3)
    monkeypatch.setattr(Still, "num_frames", None)  # to be found out, by decoding all
    monkeypatch.setattr(sound, "_SECONDS", 1)
    lengths = iter([SAMPLE_RATE] * 4 + [SAMPLE_RATE // 2])
    read = Still.read
    monkeypatch.setattr(
        Still, "read", lambda self, b, e: read(self, b, b + next(lengths))
    )
    assert AudioFile(still / "still.wav", SAMPLE_RATE).num_samples == 4.5 * SAMPLE_RATE


def test_a_preparation_names_it_and_goes_on(still, tmp_path):
    table = tmp_path / "captions.csv"
    lines = [f"{path.as_posix()},A sound" for path in sorted(still.glob("*.wav"))]
    table.write_text("\n".join(["path,caption", *lines]), encoding="utf-8")
    manifest = prepare_captions_csv(table, tmp_path / "train.json")
    clips = read_manifest(manifest)
    assert [Path(clip.path).name for clip in clips] == ["a.wav", "z.wav"]
    missing = (tmp_path / "train_missing.csv").read_text(encoding="utf-8")
    assert "its decoder has stood still" in missing and "still.wav" in missing


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_names_it_and_takes_the_next_clip(still, workers, caplog):
    from torch.utils.data import DataLoader

    from clap_sb.data.pairs import PairDataset

    paths = sorted(still.glob("*.wav"))
    clips = [Clip(path.stem, path.as_posix(), 1.0, ("A sound",)) for path in paths]
    dataset = PairDataset(clips, SAMPLE_RATE, SAMPLE_RATE // 2, seed=1)
    sampler = [(1, place) for place in range(3)]
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=sampler,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )
    assert [pair.id for pair in loader] == ["a", "z", "z"]
    if not workers:  # whose log is not this process's
        assert "still.wav: its decoder has stood still" in caplog.text


def test_an_index_names_it_and_goes_on(still, tmp_path):
    out = tmp_path / "sounds.index"
    clap = CLAP(tiny_clap(tmp_path / "model").eval(), "tiny")
    done = updater(out, clap, workers=2).run([still], "model.pt")
    index = SearchIndex(out)
    assert {Path(path).name for path, *_ in index.windows()} == {"a.wav", "z.wav"}
    ((path, why),) = done.errors.items()
    assert Path(path).name == "still.wav" and "its decoder has stood still" in why
