"""Damaged MP3s are read in silence, and Python's own words are still heard."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
import soundfile
from sound_files import make

from clap_sb.data.audio import AudioError, probe_to_end, read_wav
from clap_sb.data.quiet_stdio import quiet_stdio


def damaged(folder, seed):
    """An MP3 of which some bytes are gone, and some are others."""
    path, _, rate = make(folder, "header.mp3", 2.0)
    generator = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    at = int(generator.integers(4000, len(content) - 2000))
    del content[at : at + 700]
    for place in generator.integers(2000, len(content), 10):
        content[place] = int(generator.integers(256))
    path.write_bytes(content)
    return path, rate


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc")
def test_damaged_mp3s_are_read_in_silence(tmp_path, capfd):
    told = ""
    for seed in range(8):
        path, rate = damaged(tmp_path, seed)
        for use, how in (
            (probe_to_end, ()),
            (read_wav, (rate,)),
            (read_wav, (rate, 1.2, 0.5)),
        ):
            try:
                use(path, *how)
            except AudioError as error:
                assert "header.mp3" in str(error)
        assert capfd.readouterr().err == ""
        soundfile.SoundFile(path).close()
        told += capfd.readouterr().err
    assert told  # or there would have been nothing to keep quiet


def test_others_are_heard_meanwhile(capfd):
    def speak():
        print("another thread", file=sys.stderr)

    with quiet_stdio():
        with quiet_stdio():
            thread = threading.Thread(target=speak)
            thread.start()
            thread.join()
        print("this one", file=sys.stderr)
    assert capfd.readouterr().err == "another thread\nthis one\n"
