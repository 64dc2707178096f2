"""Lessons: what the teacher and the student hear of views, computed once and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from builders import amplify, tiny_clap

from clap_sb.data.audio import AudioError
from clap_sb.data.audio_folder import prepare_audio_folder
from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.distillation import lessons as module
from clap_sb.distillation import settled_norms
from clap_sb.distillation.audio_half import AudioHalf
from clap_sb.distillation.lesson_batch import collate_lessons
from clap_sb.distillation.lessons import Lessons
from clap_sb.distillation.log_mel_augment import LogMelAugment
from clap_sb.distillation.settled_norms import settle_norms
from clap_sb.distillation.views import ViewRules, Views
from clap_sb.encoders.mobilenet import MobileNetV3
from clap_sb.features import LogMel
from clap_sb.model import CLAP

RATE = 8000
VIEWS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Five sounds, one of them in a folder, a file that is none, and others."""
    folder = tmp_path_factory.mktemp("lessons") / "sounds"
    (folder / "more").mkdir(parents=True)
    drawn = np.random.RandomState(1)
    for number in range(5):
        wav = 0.1 * drawn.standard_normal(RATE + 500 * number)
        place = folder / "more" if number == 3 else folder
        soundfile.write(place / f"{number}.wav", wav, RATE)
    (folder / "broken.wav").write_bytes(b"no sound")
    (folder / ".hidden.wav").write_bytes(b"passed by")
    (folder / "notes.txt").write_text("passed by")
    return folder


@pytest.fixture(scope="module")
def clips(folder) -> list[Clip]:
    manifest = prepare_audio_folder(folder, folder.parent / "save" / "sounds.json")
    return read_manifest(manifest)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> CLAP:
    return amplify(tiny_clap(tmp_path_factory.mktemp("text"))).eval()


@pytest.fixture(scope="module")
def tower() -> MobileNetV3:
    log_mel = LogMel(2 * RATE, n_fft=512, hop_length=320, n_mels=32, f_max=8000.0)
    return MobileNetV3(log_mel, 2 * RATE, table="small", width=0.125)


def taught(clips, folder, teacher, tower, **options) -> Lessons:
    rates = (tower.sample_rate, teacher.sample_rate)
    views = Views(clips, ViewRules(), 1, 1.0, rates)
    lessons = Lessons(views, VIEWS, folder, **options)
    lessons.prepare(teacher, tower, batch_size=2)
    return lessons


def test_sounds_are_found_with_those_in_folders(folder, clips):
    assert [clip.id for clip in clips] == [
        *("0.wav", "1.wav", "2.wav", "4.wav", "more/3.wav")
    ]
    missing = (folder.parent / "save" / "sounds_missing.csv").read_text()
    assert "broken.wav" in missing and "hidden" not in missing


def test_a_folder_without_a_sound_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of sounds"):
        prepare_audio_folder(tmp_path / "none", tmp_path / "a.json")
    with pytest.raises(FileNotFoundError, match="Not one of 0 sounds"):
        prepare_audio_folder(tmp_path, tmp_path / "a.json")


def test_both_hear_each_view(clips, tmp_path, teacher, tower):
    lessons = taught(clips, tmp_path, teacher, tower)
    assert len(lessons) == VIEWS * len(clips)
    for view in range(VIEWS):
        for index, clip in enumerate(clips):
            lesson = lessons[1, view * len(clips) + index]
            own, theirs = lessons.views.hear(index, view)
            assert lesson.id == clip.id
            with torch.no_grad():
                expected = teacher.encode_audio(theirs[None])[0]
                log_mel = tower.views(own[None], tower.lengths(own[None], None))[0][0]
            torch.testing.assert_close(lesson.target, expected, atol=1e-5, rtol=0)
            torch.testing.assert_close(lesson.log_mel, log_mel.half())
    targets = lessons.targets()
    assert targets.shape[0] == len(lessons) and torch.pdist(targets).min() > 1e-3
    batch = collate_lessons([lessons[1, 0], lessons[1, 0], lessons[1, 1]])
    keys = batch.clip_keys.tolist()
    assert keys[0] == keys[1] != keys[2]


def test_they_are_computed_once(clips, tmp_path, teacher, tower, monkeypatch):
    before = taught(clips, tmp_path, teacher, tower)[1, 0]
    files = sorted(tmp_path.iterdir())
    # a damaged file is made again, and that one alone
    files[0].write_bytes(files[0].read_bytes()[:100])
    written = []
    write = module._write
    monkeypatch.setattr(module, "_write", lambda *a: (written.append(a[0]), write(*a)))
    again = taught(clips, tmp_path, teacher, tower)
    assert [block.path for block in written] == [files[0]]
    assert torch.equal(again[1, 0].target, before.target)
    # another teacher, or another front end, gives others
    written.clear()
    with torch.no_grad():
        teacher.audio_projection[2].bias.add_(1.0)
    other = taught(clips, tmp_path, teacher, tower)
    assert len(written) == VIEWS and len(list(tmp_path.iterdir())) == 2 * VIEWS
    assert not torch.equal(other[1, 0].target, before.target)


def test_what_cannot_be_read_is_left_out(clips, tmp_path, teacher, tower, caplog):
    gone = Clip("gone", str(tmp_path / "gone.wav"), 1.0)
    lessons = taught([*clips, gone], tmp_path, teacher, tower, max_unreadable=0.2)
    assert "1 of 6 clips cannot be read" in caplog.text
    heard = [lessons[1, i].id for i in range(len(lessons))]
    assert "gone" not in heard and set(heard) == {clip.id for clip in clips}
    with pytest.raises(AudioError, match="1 of 6 clips .* a share of 0.1"):
        taught([*clips, gone], tmp_path, teacher, tower)


def test_batch_statistics_are_those_of_the_lessons(
    clips, tmp_path, teacher, tower, monkeypatch
):
    monkeypatch.setattr(settled_norms, "_BATCH", 5)  # three batches of five
    lessons = taught(clips, tmp_path, teacher, tower)
    none = torch.nn.Identity()
    head = torch.nn.Linear(tower.embedding_dim, 12)
    student = AudioHalf(CLAP(tower, none, head, none, none), LogMelAugment()).train()
    settle_norms(student, lessons, most=100)
    heard = torch.stack([lessons[0, i].log_mel for i in range(len(lessons))]).float()
    norm = tower.bn0
    torch.testing.assert_close(norm.running_mean, heard.mean((0, 1, 2)))
    variances = [heard[i::3].transpose(1, 3).var((0, 2, 3)) for i in range(3)]
    found, expected = norm.running_var, sum(variances) / 3
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    assert norm.momentum == 0.1 and norm.training and student.augment.training
    # of a frozen tower they stay
    tower.requires_grad_(False)
    before = {name: value.clone() for name, value in tower.named_buffers()}
    settle_norms(student, lessons, most=2)
    assert all(torch.equal(before[n], value) for n, value in tower.named_buffers())
    tower.requires_grad_(True)


def test_no_views_are_no_lessons(clips, tmp_path):
    views = Views(clips, ViewRules(), 1, 1.0, (RATE, RATE))
    with pytest.raises(ValueError, match="0 views of 5 clips are no lessons"):
        Lessons(views, 0, tmp_path)
