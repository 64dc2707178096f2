"""What runs ahead of the tower: the same bits, in order, and bounded."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import time

import pytest
import torch
from builders import SAMPLE_RATE, tiny_clap, tiny_htsat
from indexes import write_sound

from clap_sb.clips import joined_windows
from clap_sb.data.audio import AudioError
from clap_sb.data.audio_file import AudioFile
from clap_sb.inference import CLAP, each_file, encoder
from clap_sb.inference.ahead import ahead, threads
from clap_sb.inference.each_file import embed_each
from clap_sb.inference.window_embeddings import embed_windows
from clap_sb.inference.windows import read_windows

SECONDS = (1.0, 6.2, 0.4, 2.5, 11.0, 0.1)


@pytest.fixture(scope="module", params=[None, "aff_2d"])
def clap(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    return CLAP(tiny_clap(folder, tiny_htsat(depths=[1, 1], fusion=request.param)))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    return [
        write_sound(folder / f"{place}.wav", place, seconds)
        for place, seconds in enumerate(SECONDS)
    ]


@torch.no_grad()
def one_after_the_other(clap: CLAP, paths, batch_size: int) -> torch.Tensor:
    """What is embedded by one thread: read, then heard, then the tower."""
    windows, whose = [], []
    for place, path in enumerate(paths):
        with AudioFile(path, SAMPLE_RATE) as file:
            size = clap.model.clip_samples
            if clap.model.takes_whole_clips:
                size = max(size, file.num_samples)
            for window in read_windows(file, size):
                windows.append(window)
                whose.append(place)
    groups, group = [], []
    for place, window in zip(whose, windows, strict=True):
        if len(window) > clap.model.clip_samples:
            groups.append([(place, window)])
            continue
        group.append((place, window))
        if len(group) == batch_size:
            groups.append(group)
            group = []
    groups += [group] if group else []
    rows: dict[int, list[torch.Tensor]] = {place: [] for place in range(len(paths))}
    for group in groups:
        wavs = torch.nn.utils.rnn.pad_sequence([w for _, w in group], batch_first=True)
        lens = torch.tensor([len(w) for _, w in group]).double() / wavs.shape[1]
        for (place, _), row in zip(
            group, clap.model.encode_audio(wavs, lens), strict=True
        ):
            rows[place].append(row)
    total = torch.stack([sum(rows[place][1:], rows[place][0]) for place in rows])
    return joined_windows(total, torch.tensor([len(rows[place]) for place in rows]))


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("batch_size", [2, 16])
def test_the_bits_are_those_of_one_thread(
    clap, sounds, monkeypatch, readers, batch_size
):
    monkeypatch.setattr(encoder, "READERS", readers)
    monkeypatch.setattr(each_file, "READERS", readers)
    expected = one_after_the_other(clap, sounds, batch_size)
    assert torch.equal(clap.encode_audio(sounds, batch_size=batch_size), expected)
    alone = [one_after_the_other(clap, [path], batch_size)[0] for path in sounds]
    found = [file.embedding for file in embed_each(clap, sounds, batch_size)]
    assert all(map(torch.equal, found, alone))


def test_a_file_that_cannot_be_read_does_not_stop_the_others(clap, sounds, tmp_path):
    (tmp_path / "no.wav").write_bytes(b"no sound")
    paths = [sounds[0], tmp_path / "no.wav", tmp_path / "none.wav", sounds[1]]
    found = list(embed_each(clap, paths))
    assert [file.error is None for file in found] == [True, False, False, True]
    assert "none.wav" in str(found[2].error)
    assert torch.equal(found[3].embedding, clap.encode_audio([sounds[1]])[0])
    with pytest.raises(AudioError, match="no.wav"):
        clap.encode_audio(paths)


def test_an_open_file_may_be_given_twice(clap, sounds):
    file = io.BytesIO(sounds[4].read_bytes())
    found = clap.encode_audio([file, file, sounds[0]], batch_size=2)
    expected = one_after_the_other(clap, [sounds[4], sounds[4], sounds[0]], 2)
    assert torch.equal(found, expected)


def test_no_more_is_under_way_than_was_said():
    begun, taken, most = [], [], 3

    def slow(item: int) -> int:
        begun.append(item)
        time.sleep(0.01 * (item % 3))
        return item

    with threads(4) as pool:
        for item in ahead(pool, slow, range(12), most):
            assert len(begun) <= len(taken) + most
            taken.append(item)
    assert taken == list(range(12))


def test_threads_end_when_they_are_left():
    before = threading.active_count()
    with pytest.raises(KeyError), threads(3) as pool:
        for _ in ahead(pool, abs, range(9), 3):
            raise KeyError
    assert threading.active_count() == before


def test_threads_learn_nothing(clap, sounds):
    """No graph is kept for gradients that nobody asks for."""
    assert torch.is_grad_enabled()
    heard = clap.hear_unlearned([torch.zeros(999)])
    assert not heard.first.requires_grad
    assert not clap.encode_audio(sounds[:2]).requires_grad


AFTER_THE_MAIN_THREAD = """
import sys, threading
from clap_sb.inference.ahead import ahead, side_by_side, threads

def late():
    main.join()  # it has come to its end, and pools take nothing more
    with threads(2) as pool:
        return list(ahead(pool, abs, [-1, -2, -3], 2))

def throughout():
    found = []
    with threads(2) as pool:
        for result in ahead(pool, abs, range(5), 2):
            main.join()
            found.append(result)
        return found + list(side_by_side(pool, [iter("ab"), iter("c")], 2))

main = threading.main_thread()
for job in (late, throughout):
    told = lambda job=job: sys.stdout.write(f"{job()}\\n")
    threading.Thread(target=told).start()
"""


def test_threads_that_outlive_the_main_one_go_on():
    words = [sys.executable, "-c", AFTER_THE_MAIN_THREAD]
    found = subprocess.run(words, capture_output=True, text=True, timeout=120)
    expected = {"[1, 2, 3]", "[0, 1, 2, 3, 4, 'a', 'b', 'c']"}
    assert set(found.stdout.splitlines()) == expected, found.stderr


def test_threads_that_were_left_take_nothing_more():
    with threads(1) as pool:
        pass
    with pytest.raises(RuntimeError, match="after shutdown"):
        pool.submit(abs, -1)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_nothing_is_told(clap, sounds, batch_size):
    def windows(sound, size: int):
        return embed_windows(clap, sound, batch_size=size)

    for embed, what in (
        (clap.embed_files, sounds[:1]),
        (clap.encode_text, ["a dog"]),
        (lambda *given: list(each_file.embed_each(clap, *given)), sounds[:1]),
        (windows, sounds[0]),
    ):
        with pytest.raises(ValueError, match=f"batch_size is {batch_size}: give"):
            embed(what, batch_size)
