"""What runs ahead of the tower: the same bits, in order, and bounded."""

from __future__ import annotations

import copy
import gc
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
from clap_sb.inference.encoded_ahead import encoded_ahead
from clap_sb.inference.tower_threads import tower_threads
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
        for (place, _), row in zip(group, clap.encode_batch(wavs, lens), strict=True):
            rows[place].append(row)
    total = torch.stack([sum(rows[place][1:], rows[place][0]) for place in rows])
    return joined_windows(total, torch.tensor([len(rows[place]) for place in rows]))


@pytest.fixture
def torch_threads():
    """Sets how many threads torch has, and sees that it has as many in the end."""
    found = torch.get_num_threads()
    asked = [found]

    def set_to(count: int) -> None:
        torch.set_num_threads(count)
        asked.append(count)

    yield set_to
    assert [torch.get_num_threads(), in_a_new_thread()] == 2 * asked[-1:]
    torch.set_num_threads(found)


def in_a_new_thread() -> int:
    with threads(1) as pool:
        return pool.submit(torch.get_num_threads).result()


@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.parametrize("batch_size", [2, 16])
def test_the_bits_are_those_of_one_thread(
    clap, sounds, monkeypatch, torch_threads, readers, batch_size
):
    torch_threads(1)
    monkeypatch.setattr(encoder, "READERS", readers)
    monkeypatch.setattr(each_file, "READERS", readers)
    expected = one_after_the_other(clap, sounds, batch_size)
    assert torch.equal(clap.encode_audio(sounds, batch_size=batch_size), expected)
    alone = [one_after_the_other(clap, [path], batch_size)[0] for path in sounds]
    found = [file.embedding for file in embed_each(clap, sounds, batch_size)]
    assert all(map(torch.equal, found, alone))


@pytest.mark.parametrize("count", [2, 3, 9])
def test_workers_give_what_one_thread_gives(clap, sounds, torch_threads, count):
    """Of 12 windows, or 6 long clips, none is left over for all threads, but of 9."""
    expected = one_after_the_other(clap, sounds, 1)
    torch_threads(count)
    assert clap.tower_workers == min(count, 4)
    near = {"atol": 1e-6, "rtol": 0}
    found = clap.encode_audio(sounds, batch_size=1)
    torch.testing.assert_close(found, expected, **near)
    each = [file.embedding for file in embed_each(clap, sounds, batch_size=1)]
    torch.testing.assert_close(torch.stack(each), expected, **near)
    if not clap.model.takes_whole_clips:
        windows = embed_windows(clap, sounds[4], batch_size=1).embedding
        total = torch.stack([windows.sum(0)])
        found = joined_windows(total, torch.tensor([len(windows)]))
        torch.testing.assert_close(found, expected[4:5], **near)


def test_workers_take_the_precision_along(clap, sounds, torch_threads):
    """Rounded as one thread rounds, which autocast has to be told in each."""
    torch_threads(2)
    rough = CLAP(clap.model, precision="bf16", int16=True)
    exact = one_after_the_other(clap, sounds, 1)
    expected = one_after_the_other(rough, sounds, 1)
    found = rough.encode_audio(sounds, batch_size=1)
    assert (found - expected).norm() < 0.1 * (exact - expected).norm()


class Noting(CLAP):
    """Notes in which threads towers are computed, and how many each may take."""

    def __init__(self, *given, **options):
        super().__init__(*given, **options)
        self.noted = []

    def encode_heard(self, heard):
        self.noted.append((threading.get_ident(), torch.get_num_threads()))
        return super().encode_heard(heard)


def test_what_makes_no_round_goes_with_all_threads(clap, sounds, torch_threads):
    torch_threads(5)
    noting, here = Noting(clap.model), threading.get_ident()
    noting.encode_audio(sounds[0])
    list(embed_each(noting, sounds[:1]))
    noting.encode_audio(sounds[:3], batch_size=100)
    assert set(noting.noted) == {(here, 5)}
    noting.noted.clear()
    short = [sounds[place] for place in (0, 2, 3, 5, 0, 2)]
    noting.encode_audio(short, batch_size=1)
    assert [count for _, count in noting.noted] == [1, 1, 1, 1, 5, 5]
    assert all((thread == here) == (count == 5) for thread, count in noting.noted)
    noting.noted.clear()
    noting.encode_audio(short, batch_size=1, turn=threading.Lock())
    assert noting.noted == 6 * [(here, 5)]


def test_who_goes_one_by_one(clap, torch_threads):
    torch_threads(2)
    assert CLAP(clap.model).tower_workers == 2
    assert CLAP(clap.model, freeze_params=False).train().tower_workers == 1
    clap.model.eval()
    model = copy.copy(clap.model)
    model._modules = {**model._modules, "audio_encoder": torch.nn.Linear(1, 1)}
    assert CLAP(model).tower_workers == 1
    torch_threads(1)
    assert CLAP(clap.model).tower_workers == 1


def test_no_number_of_threads_is_put_back_too_early(torch_threads):
    """One that asked first, and has ended first."""
    torch_threads(4)
    with tower_threads(2) as late:
        with tower_threads(4) as early:
            assert early.submit(torch.get_num_threads).result() == 1
            assert late.submit(torch.get_num_threads).result() == 2
        assert in_a_new_thread() == 2
        assert torch.get_num_threads() == 4
    assert in_a_new_thread() == 4


def running() -> list[threading.Thread]:
    """Threads; but decoders' come to their end a moment after those they work for."""
    return [one for one in threading.enumerate() if one.name != "decoder"]


@pytest.mark.parametrize("most", [1, 7])
def test_numbers_of_threads_are_put_back_after_an_error(
    clap, sounds, torch_threads, most
):
    class Broken(CLAP):
        count = 0

        def encode_heard(self, heard):
            self.count += 1
            if self.count == most:
                raise ZeroDivisionError
            return super().encode_heard(heard)

    torch_threads(2)
    before = running()
    with pytest.raises(ZeroDivisionError):
        Broken(clap.model).encode_audio(2 * sounds, batch_size=1)
    assert running() == before
    assert [torch.get_num_threads(), in_a_new_thread()] == [2, 2]


def test_no_thread_is_left_by_who_looks_at_the_first(clap, sounds, torch_threads):
    torch_threads(2)
    before = running()
    for file in embed_each(clap, 4 * sounds):
        assert file.error is None
        break
    del file
    gc.collect()
    assert running() == before


def test_groups_are_taken_only_so_far_ahead(clap, torch_threads):
    torch_threads(2)
    taken, seen = [], 0

    def groups():
        for place in range(12):
            taken.append(place)
            yield place, [torch.zeros(100)] if place % 3 else []

    for place, rows in encoded_ahead(clap, groups()):
        assert (place, len(rows)) == (seen, 1 if place % 3 else 0)
        seen += 1
        assert len(taken) <= seen + 6
    assert seen == 12


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    clap, sounds, tmp_path, torch_threads
):
    torch_threads(2)
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
