"""Measures what our resampler does beside torchaudio's, in sound and in embeddings.

    python benchmarks/resampling.py DATA

DATA holds sounds of 44.1 kHz, such as the folder ``audio`` of ESC-50. Each is brought
to other rates in float64 (soxr's VHQ), and from there to a model's rate: by ours, by
torchaudio with the defaults that MS-CLAP takes, and by librosa as LAION-CLAP takes it.
The weights of the models are drawn by name, as those of the golden figures are (no
trained ones were at hand), so cosines tell little of what a trained model gives.
Also printed: how much of a sine passes, what is left of one that the new rate cannot
hold, and the time for ten seconds, on one thread.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
import torch.nn.functional as F
import torchaudio

from clap_sb.checkpoints.front_end import LAION, MS_2022, MS_2023
from clap_sb.data.resample import resample
from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.cnn14 import CNN14
from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.projection import MLPProjection, MSProjection
from clap_sb.features import LogMel

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from golden import fill_by_name  # noqa: E402

RATES = (48000, 44100, 32000, 22050, 8000)
Resample = Callable[[torch.Tensor, int, int], torch.Tensor]


def by_torchaudio(wav: torch.Tensor, old: int, new: int) -> torch.Tensor:
    """As MS-CLAP resamples: Hann-windowed sinc, width 6, rolloff 0.99."""
    return torchaudio.transforms.Resample(old, new)(wav)


def by_librosa(wav: torch.Tensor, old: int, new: int) -> torch.Tensor:
    """As LAION-CLAP resamples, in ``librosa.load``."""
    import librosa

    return torch.from_numpy(librosa.resample(wav.numpy(), orig_sr=old, target_sr=new))


def by_one_run(wav: torch.Tensor, old: int, new: int) -> torch.Tensor:
    """soxr itself, without our pieces."""
    return torch.from_numpy(soxr.resample(wav.numpy(), old, new, quality="HQ"))


def models() -> dict[str, tuple[AudioTower, torch.nn.Module]]:
    """The audio sides, with the weights of the golden figures."""
    cnn14 = CNN14(LogMel(**MS_2022), 220500, padding="repeat")
    htsat = HTSAT(LogMel(**MS_2023), 308700, sample_rate=44100, padding="repeat")
    laion = HTSAT(LogMel(**LAION))
    fill_by_name(cnn14, {"": "audio_encoder.base."})
    fill_by_name(htsat, {"": "audio_encoder.base.htsat."})
    fill_by_name(laion, {"": "audio_branch."})
    heads = [MSProjection(2048, 1024), MSProjection(768, 1024), MLPProjection(768, 512)]
    for head, name in zip(heads, ("encoder.", "encoder.", ""), strict=True):
        prefix = f"audio_{name}projection."
        fill_by_name(head, {"": prefix})
    names = ("msclap2022", "msclap2023", "laion htsat")
    return dict(zip(names, zip((cnn14, htsat, laion), heads, strict=True), strict=True))


def sounds(folder: Path, count: int) -> list[np.ndarray]:
    """Evenly spread files of a folder, ``[time]``, float64."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    wavs = []
    for path in paths[:: max(1, len(paths) // count)][:count]:
        wav, rate = soundfile.read(path, always_2d=True)
        if rate != 44100:
            raise SystemExit(f"{path} has {rate} Hz: give sounds of 44,100")
        wavs.append(wav.mean(1))
    return wavs


@torch.no_grad()
def heard(tower, head, wavs: list[torch.Tensor], rate: int, by: Resample):
    """Log-mels, each ``[frames, mels]`` in dB, and embeddings, ``[sounds, dim]``."""
    log_mels, rows = [], []
    for wav in wavs:
        new = wav if rate == tower.sample_rate else by(wav, rate, tower.sample_rate)
        log_mels.append(tower.log_mel(new[None])[0, 0])
        rows.append(F.normalize(head(tower(new[None, : tower.clip_samples])), dim=1))
    return log_mels, torch.cat(rows)


def compare(wavs: list[np.ndarray]) -> None:
    """Prints how far log-mels and embeddings of two resamplers are apart."""
    columns = ("model", "from, Hz", "ours and", "log-mel, mean", "99 % of bins below")
    print("|", " | ".join([*columns, "cosine, mean", "lowest"]), "|")
    print("|---" * 7 + "|")
    for name, (tower, head) in models().items():
        others = {"torchaudio": by_torchaudio}
        if "laion" in name:
            others["librosa"] = by_librosa
        for rate in RATES:
            if rate == tower.sample_rate:
                continue
            there = [
                torch.from_numpy(soxr.resample(w, 44100, rate, "VHQ")) for w in wavs
            ]
            there = [wav.float() for wav in there]
            ours, mine = heard(tower, head, there, rate, resample)
            for other, by in others.items():
                theirs, rows = heard(tower, head, there, rate, by)
                print(f"| {name} | {rate} | {other} |", row(ours, theirs, mine, rows))
        cosines = mine @ mine.T
        apart = cosines[~torch.eye(len(mine), dtype=torch.bool)]
        print(f"| {name} | {rate} | two different clips | | | {apart.mean():.4f} | |")


def row(ours, theirs, mine, rows) -> str:
    """The figures of a line."""
    off = [
        (a[: len(b)] - b[: len(a)]).abs().flatten()
        for a, b in zip(ours, theirs, strict=True)
    ]
    off = torch.cat(off)
    most = off.kthvalue(math.ceil(0.99 * len(off))).values
    cosines = (mine * rows).sum(1)
    lowest = 1 - float((1 - cosines).max())
    cells = (f"{off.mean():.4f} dB", f"{most:.2f} dB", f"{cosines.mean():.6f}")
    return " | ".join([*cells, f"{lowest:.6f} |"])


def quality(by: Resample, old: int, new: int) -> str:
    """Gain of sines below half the lower rate, and what is there beside them."""
    parts = []
    for part in (0.5, 0.8, 0.9, 0.95, 1.01, 1.1):
        frequency = part * min(old, new) / 2
        if frequency >= old / 2:
            continue
        wav = torch.sin(
            2 * math.pi * frequency * torch.arange(old, dtype=torch.float64) / old
        )
        found = by(wav.float(), old, new).double()[new // 10 : -new // 10]
        angles = (
            2
            * math.pi
            * frequency
            * torch.arange(len(found), dtype=torch.float64)
            / new
        )
        basis = torch.stack([angles.sin(), angles.cos()], 1) * (part < 1)
        fit = torch.linalg.lstsq(basis, found[:, None], driver="gelsd").solution
        rest = (found - (basis @ fit)[:, 0]).square().mean().mul(2).sqrt()
        gain = f"{20 * math.log10(fit.norm()):+.3f} dB, " if part < 1 else ""
        parts.append(f"{part:g}: {gain}beside it {20 * math.log10(rest):.0f} dB")
    return "; ".join(parts)


def print_times(repeats: int = 60) -> None:
    """Prints the best of some times; the candidates take turns."""
    wav, kept = 2 * torch.rand(441000) - 1, torchaudio.transforms.Resample(44100, 48000)
    candidates = {
        "ours": resample,
        "soxr in one run": by_one_run,
        "torchaudio, its filters kept": lambda wav, *_: kept(wav),
    }
    best = dict.fromkeys(candidates, math.inf)
    for _ in range(repeats):
        for name, by in candidates.items():
            start = time.perf_counter()
            by(wav, 44100, 48000)
            best[name] = min(best[name], time.perf_counter() - start)
    print("Ten seconds from 44,100 to 48,000 Hz:")
    for name, took in best.items():
        print(f"  {name}: {1000 * took:.2f} ms, {took / best['ours']:.2f}x")


def main() -> None:
    """Prints time, quality and differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of sounds of 44.1 kHz")
    parser.add_argument("--sounds", type=int, default=20, help="how many are compared")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print_times()
    for old, new in ((44100, 48000), (44100, 32000)):
        print(f"From {old} to {new} Hz, by part of half the lower rate:")
        for name, by in (("ours", resample), ("torchaudio", by_torchaudio)):
            print(f"  {name}: {quality(by, old, new)}")
    compare(sounds(options.data, options.sounds))


if __name__ == "__main__":
    main()
