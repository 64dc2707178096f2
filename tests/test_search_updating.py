"""An index follows its folders, and embeds nothing twice."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from builders import SAMPLE_RATE, tiny_clap
from indexes import WINDOW, Counting, in_eight_days, updater, write_sound
from processes import start_process

from clap_sb.data.audio import read_wav
from clap_sb.inference import CLAP
from clap_sb.search import SearchIndex
from clap_sb.search.errors import SearchError
from clap_sb.search.lock import locked
from clap_sb.search.scan import full_names
from clap_sb.search.sound_embedder import SoundEmbedder
from clap_sb.search.store import DATABASE, Store
from clap_sb.search.updating import LOCK

NUM = 5


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_clap(tmp_path_factory.mktemp("text"))


@pytest.fixture
def clap(model):
    return Counting(model, "tiny")


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    for seed in range(NUM):
        write_sound(folder / f"{seed}.wav", seed)
    return folder


@pytest.fixture
def made(sounds, clap, tmp_path):
    """Runs updates; the checkpoint is a file, so that its signature is known."""
    (tmp_path / "model.pt").write_bytes(b"weights")

    def run(*folders, out="sounds.index", retry=False, **options):
        return updater(tmp_path / out, clap, **options).run(
            folders or [sounds], str(tmp_path / "model.pt"), retry=retry
        )

    return run


def embeddings(folder: Path) -> dict[tuple[str, float], np.ndarray]:
    index = SearchIndex(folder)
    return {
        (path, start): index.embeddings(np.array([row]))[0]
        for path, start, _, row in index.windows()
    }


def test_each_window_has_its_own_embedding_and_times(sounds, made, clap, tmp_path):
    long = write_sound(sounds / "deep" / "long.FLAC", 9, 2.5 * WINDOW)
    made(batch_size=2)
    index = SearchIndex(tmp_path / "sounds.index")
    found = {(p, s): (e, row) for p, s, e, row in index.windows()}
    starts = [0.0, WINDOW, 1.5 * WINDOW]
    assert sorted(start for path, start in found if path == str(long)) == starts
    for start in starts:
        end, row = found[str(long), start]
        assert end == start + WINDOW
        wav = read_wav(long, SAMPLE_RATE, start, WINDOW)
        expected = clap.encode_audio([wav], SAMPLE_RATE)[0]
        got = torch.from_numpy(index.embeddings(np.array([row]))[0].copy())
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    assert found[str(sounds / "0.wav"), 0.0][0] == 1.0


def test_batches_side_by_side_make_the_same_index(sounds, clap, model, tmp_path):
    write_sound(sounds / "long.wav", 9, 7.5 * WINDOW)
    shutil.copy(sounds / "0.wav", sounds / "copy.wav")
    (sounds / "broken.wav").write_bytes(b"no sound")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        workers = CLAP(model, "tiny")
        assert workers.tower_workers == 2
        together = updater(tmp_path / "a", workers, batch_size=2).run([sounds], "m.pt")
    finally:
        torch.set_num_threads(before)
    alone = updater(tmp_path / "b", clap, batch_size=2).run([sounds], "m.pt")
    assert together == alone
    expected, found = embeddings(tmp_path / "b"), embeddings(tmp_path / "a")
    assert len(found) == NUM + 1 + 8 and list(found) == list(expected)
    for place, row in found.items():
        np.testing.assert_allclose(row, expected[place], atol=1e-6)


def test_a_second_run_touches_nothing(sounds, made, clap, tmp_path):
    first = made()
    assert (first.embedded, first.files, first.windows) == (NUM, NUM, NUM)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "sounds.index").iterdir()}
    clap.since()
    second = made()
    assert (second.embedded, second.unchanged, clap.since()) == (0, NUM, 0)
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "sounds.index").iterdir()}
    assert after == before


def test_a_second_run_does_not_load_the_model(sounds, made, tmp_path):
    made()
    index = updater(tmp_path / "sounds.index", None)
    assert index.run([sounds], str(tmp_path / "model.pt")).unchanged == NUM
    assert index.run().unchanged == NUM


def test_new_files_alone_are_embedded(sounds, made, clap):
    made()
    clap.since()
    for seed in range(10, 13):
        write_sound(sounds / "new" / f"{seed}.wav", seed)
    update = made()
    assert (update.embedded, update.unchanged, clap.since()) == (3, NUM, 3)


def test_moved_copied_and_touched_files_are_not_embedded_again(sounds, made, clap):
    made()
    clap.since()
    (sounds / "0.wav").rename(sounds / "moved.wav")
    shutil.copy(sounds / "1.wav", sounds / "copy.wav")
    os.utime(sounds / "2.wav", ns=(1, 1))
    update = made()
    assert (update.embedded, update.recognised, update.removed) == (0, 3, 1)
    assert (update.files, update.windows, clap.since()) == (NUM + 1, NUM, 0)


def test_copies_are_embedded_once_and_all_listed(sounds, made, clap, tmp_path):
    for place in range(4):
        shutil.copy(sounds / "1.wav", sounds / f"copy{place}.wav")
    update = made(batch_size=2)
    assert (update.embedded, update.recognised) == (NUM, 4)
    assert clap.since() == NUM + 1
    index = SearchIndex(tmp_path / "sounds.index")
    hits = index.search(clap.embed_files([sounds / "1.wav"])[0].numpy(), k=NUM)
    assert [hits[0].path, *hits[0].copies] == [
        *(str(sounds / name) for name in ("1.wav", "copy0.wav", "copy1.wav")),
        *(str(sounds / name) for name in ("copy2.wav", "copy3.wav")),
    ]


def test_a_changed_file_has_its_new_embedding(sounds, made, tmp_path):
    made()
    before = embeddings(tmp_path / "sounds.index")
    write_sound(sounds / "3.wav", 20)
    assert (made().embedded) == 1
    after = embeddings(tmp_path / "sounds.index")
    changed = {key for key in after if not np.array_equal(before[key], after[key])}
    assert changed == {(str(sounds / "3.wav"), 0.0)}


def test_deleted_files_are_not_found_and_their_room_is_given_back_later(
    sounds, made, tmp_path, monkeypatch
):
    made()
    kept = embeddings(tmp_path / "sounds.index")
    for name in ("0.wav", "2.wav"):
        (sounds / name).unlink()
        del kept[str(sounds / name), 0.0]
    update = made()
    assert (update.removed, update.files, update.windows) == (2, NUM - 2, NUM - 2)
    found = embeddings(tmp_path / "sounds.index")
    assert found.keys() == kept.keys()
    assert all(np.array_equal(found[key], kept[key]) for key in kept)
    store = Store(tmp_path / "sounds.index")
    assert store.num_rows == NUM  # in case they come back
    in_eight_days(monkeypatch)
    made()
    assert store.num_rows == NUM - 2
    assert len(list((tmp_path / "sounds.index").glob("vectors-*"))) == 1
    found = embeddings(tmp_path / "sounds.index")
    assert all(np.array_equal(found[key], kept[key]) for key in kept)


def test_a_file_that_comes_back_soon_is_recognised(sounds, made, clap, tmp_path):
    for seed in range(NUM, 10):
        write_sound(sounds / f"{seed}.wav", seed)
    made()
    (sounds / "0.wav").rename(tmp_path / "elsewhere.wav")
    assert made().removed == 1
    (tmp_path / "elsewhere.wav").rename(sounds / "0.wav")
    clap.since()
    update = made()
    assert (update.embedded, update.recognised, clap.since()) == (0, 1, 0)


def test_unusable_files_are_named_and_not_read_again(sounds, made, clap):
    (sounds / "text.wav").write_text("no sound")
    (sounds / "copy of text.wav").write_text("no sound")
    cut = (sounds / "4.wav").read_bytes()
    (sounds / "4.wav").write_bytes(cut[: len(cut) // 2])
    (sounds / "nan.wav").touch()
    broken = np.full(3 * SAMPLE_RATE, np.nan, dtype=np.float32)
    soundfile.write(sounds / "nan.wav", broken, SAMPLE_RATE, subtype="FLOAT")
    first = made()
    names = {os.path.basename(path) for path in first.errors}
    assert names >= {"text.wav", "copy of text.wav", "nan.wav"}
    assert first.failed == len(names) and first.embedded == first.files
    assert all(os.path.basename(p) in reason for p, reason in first.errors.items())
    clap.since()
    second = made()
    assert (second.failed, second.errors) == (0, first.errors)
    assert second.unchanged == NUM + 3
    third = made(retry=True)
    assert (third.failed, clap.since()) == (first.failed, 0)


def test_an_error_late_in_a_file_leaves_nothing_of_it(sounds, made, tmp_path):
    wav = torch.zeros(round(5 * WINDOW * SAMPLE_RATE))
    wav[-1] = torch.nan
    for name in ("a.wav", "b.wav"):
        soundfile.write(sounds / name, wav.numpy(), SAMPLE_RATE, subtype="FLOAT")
    update = made(batch_size=1, workers=1)
    assert (update.failed, update.windows) == (2, NUM)
    assert Store(tmp_path / "sounds.index").num_rows == NUM


def test_several_folders_are_kept_up_to_date_each(sounds, made, tmp_path):
    other = write_sound(tmp_path / "other" / "a.wav", 30).parent
    made()
    assert made(other).files == NUM + 1
    (sounds / "0.wav").unlink()
    assert made(other).removed == 0
    update = updater(tmp_path / "sounds.index", None).run()
    assert (update.removed, update.unchanged) == (1, NUM)


def test_a_folder_that_is_missing_is_no_folder_without_sounds(sounds, made, tmp_path):
    made()
    sounds.rename(tmp_path / "unmounted")
    with pytest.raises(SearchError, match="does not exist"):
        updater(tmp_path / "sounds.index", None).run()
    (tmp_path / "unmounted").rename(sounds)
    assert made().unchanged == NUM


def test_full_names_wants_folders(tmp_path):
    (tmp_path / "a.wav").touch()
    with pytest.raises(SearchError, match="is a file"):
        full_names([tmp_path / "a.wav"])


def test_another_model_is_an_error(sounds, made, tmp_path, tmp_path_factory):
    made()
    other = Counting(tiny_clap(tmp_path_factory.mktemp("text")), "other")
    with torch.no_grad():
        other.model.audio_encoder.bn0.bias.add_(1)
    (tmp_path / "other.pt").write_bytes(b"others")
    index = updater(tmp_path / "sounds.index", other)
    with pytest.raises(SearchError, match="another model.*tiny.*model.pt.*other"):
        index.run([sounds], str(tmp_path / "other.pt"))


def test_the_same_model_from_elsewhere_is_welcome(sounds, made, clap, tmp_path):
    made()
    (tmp_path / "model.pt").rename(tmp_path / "moved.pt")
    update = updater(tmp_path / "sounds.index", clap).run(
        [sounds], str(tmp_path / "moved.pt")
    )
    assert update.unchanged == NUM
    index = updater(tmp_path / "sounds.index", None)
    assert index.run(checkpoint=str(tmp_path / "moved.pt")).unchanged == NUM
    # and the index remembers where it is now
    assert index.run().unchanged == NUM
    assert Store(tmp_path / "sounds.index").model.checkpoint.endswith("moved.pt")


@pytest.mark.parametrize("found", ["file", "folder"])
def test_what_is_no_index_is_left_alone(found, sounds, made, tmp_path):
    out = tmp_path / "sounds.index"
    if found == "folder":
        out.mkdir()
        (out / "mine.txt").write_text("keep")
    else:
        out.write_text("keep")
    with pytest.raises(SearchError, match="is no index"):
        made()
    kept = out / "mine.txt" if found == "folder" else out
    assert kept.read_text() == "keep"
    assert found == "file" or list(out.iterdir()) == [kept]


def test_a_new_index_wants_a_model(sounds, tmp_path):
    with pytest.raises(SearchError, match="--checkpoint"):
        updater(tmp_path / "sounds.index", None).run([sounds])


def test_damaged_and_foreign_indexes_are_errors(made, tmp_path):
    made()
    store = Store(tmp_path / "sounds.index")
    store.set_fact("format", 99)
    with pytest.raises(SearchError, match="format 99.*delete its folder"):
        SearchIndex(tmp_path / "sounds.index")
    (tmp_path / "sounds.index" / DATABASE).write_bytes(b"no database" * 100)
    with pytest.raises(SearchError, match="damaged"):
        SearchIndex(tmp_path / "sounds.index")
    with pytest.raises(SearchError, match="clap-sb index"):
        SearchIndex(tmp_path / "missing")


def test_two_writers_do_not_meet(made, tmp_path):
    made()
    with locked(tmp_path / "sounds.index" / LOCK):
        with pytest.raises(SearchError, match="another process"):
            made()
    assert made().unchanged == NUM


def test_a_disk_without_locks_is_told(made, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("clap_sb.data.file_lock._lock", refuse)
    with pytest.raises(SearchError, match="No locks available.*network"):
        made()


def test_progress_counts_each_file_once(sounds, clap, tmp_path):
    (sounds / "text.wav").write_text("no sound")
    shutil.copy(sounds / "1.wav", sounds / "copy.wav")
    told = []

    def progress(total, about):
        told.append(total)
        return told.append

    updater(tmp_path / "i", clap).run([sounds], "model.pt", progress=progress)
    assert told[0] == NUM + 2 == sum(told[1:])


def slowly(sounds: Path, out: Path, text: Path) -> None:
    """What is killed: a while for each batch of one."""
    keep = SoundEmbedder._keep

    def slow(self, *batch):
        time.sleep(0.3)
        keep(self, *batch)

    SoundEmbedder._keep = slow
    clap = Counting(tiny_clap(text), "tiny")
    updater(out, clap, batch_size=1).run([sounds], "model.pt")


def test_a_killed_run_is_gone_on_with(sounds, model, tmp_path):
    """What was on disk is not embedded again, and nothing is missing in the end."""
    out, text = tmp_path / "killed.index", tmp_path / "text"
    text.mkdir()
    process = start_process(slowly, sounds, out, text)
    while not (out / DATABASE).exists() or len(Store(out).known_sounds()) < 2:
        assert process.is_alive()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    # what a write that was cut short leaves behind the rows that count
    store = Store(out)
    done = len(store.known_sounds())
    assert 2 <= done < NUM
    with open(store.vectors.path, "ab") as file:
        file.write(b"half a row")
    clap = Counting(model, "tiny")
    update = updater(out, clap).run([sounds], "model.pt")
    assert (update.embedded, update.files) == (NUM - done, NUM)
    clean = tmp_path / "clean.index"
    updater(clean, Counting(model, "tiny")).run([sounds], "model.pt")
    expected, found = embeddings(clean), embeddings(out)
    assert found.keys() == expected.keys()
    for key in expected:
        np.testing.assert_allclose(found[key], expected[key], atol=1e-5)


def test_a_sound_that_was_stored_before_its_file_is_recognised(
    made, clap, tmp_path, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Store, "set_files", interrupted)
        made()
    done = len(Store(tmp_path / "sounds.index").known_sounds())
    assert done == NUM  # embedded, and no file noted
    clap.since()
    update = made()
    assert (update.embedded, update.recognised, clap.since()) == (0, NUM, 0)
