"""Measures how many clips a second a student hears, beside HTSAT-tiny.

    python benchmarks/student.py [hparams/student.yaml] [--runtime torch onnxruntime]

Waveforms of ten seconds go in, embeddings come out: front end and projection included,
as LAION-CLAP's HTSAT-tiny has them (48 kHz) and as the student's YAML says. The weights
are random, on which the time does not depend. The models take turns, so that what else
the machine does falls on all of them; each number is the median of its rounds. With
several runtimes, HTSAT-tiny is computed by torch, and the student by each of them.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import clap_sb.experiment  # noqa: F401  first: see there

# isort: split
import torch

from clap_sb.checkpoints.front_end import LAION
from clap_sb.clips import window_starts
from clap_sb.config import Config
from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.no_text_tower import NoTextTower
from clap_sb.encoders.projection import MLPProjection
from clap_sb.features import LogMel
from clap_sb.model import CLAP
from clap_sb.objectives.logit_scale import LogitScale

Embed = Callable[[torch.Tensor], object]
RUNTIMES = ("torch", "onnxruntime", "openvino")


def htsat_tiny() -> CLAP:
    """The audio half of LAION-CLAP's 630k-audioset-best."""
    tower = HTSAT(LogMel(**LAION))
    return joined(tower, MLPProjection(tower.embedding_dim, 512))


def student(file: Path) -> CLAP:
    """The audio half of a system."""
    config = Config(file.read_text(encoding="utf-8"))
    keys = ("audio_encoder", "audio_projection")
    built = Config(config.extract(keys)).build()
    return joined(built["audio_encoder"], built["audio_projection"])


def joined(tower: torch.nn.Module, projection: torch.nn.Module) -> CLAP:
    none = torch.nn.Identity()
    return CLAP(tower, NoTextTower(), projection, none, LogitScale()).eval()


def by_torch(clap: CLAP) -> Embed:
    """PyTorch, as the interface computes."""

    def embed(wavs: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return clap.encode_audio(wavs)

    return embed


class FromLogMel(torch.nn.Module):
    """The audio half behind the front end."""

    def __init__(self, clap: CLAP):
        super().__init__()
        self.tower, self.projection = clap.audio_encoder, clap.audio_projection

    def forward(self, log_mel: torch.Tensor) -> torch.Tensor:
        embedding = self.projection(self.tower.embed_log_mel(log_mel))
        return torch.nn.functional.normalize(embedding, dim=1)


def by_onnx(clap: CLAP, runtime: str, folder: Path, threads: int) -> Embed:
    """Another runtime behind PyTorch's front end, whose FFT is the faster one."""
    tower, path = clap.audio_encoder, str(folder / f"{runtime}.onnx")
    front_end = tower.log_mel
    example = torch.randn(
        2, 1, front_end.num_frames(tower.clip_samples), front_end.n_mels
    )
    shapes = {"log_mel": {0: torch.export.Dim("batch")}}
    torch.onnx.export(
        FromLogMel(clap).eval(),
        (example,),
        path,
        input_names=["log_mel"],
        dynamic_shapes=shapes,
        dynamo=True,
        verbose=False,
    )
    run = (onnxruntime if runtime == "onnxruntime" else openvino)(path, threads)

    def embed(wavs: torch.Tensor) -> torch.Tensor:
        starts = window_starts(wavs.shape[1], clap.clip_samples)
        windows = torch.cat([wavs[:, s : s + clap.clip_samples] for s in starts])
        with torch.inference_mode():
            log_mel = front_end(windows).numpy()
        rows = torch.as_tensor(run({"log_mel": log_mel}))
        rows = rows.view(len(starts), len(wavs), -1).mean(0)
        return torch.nn.functional.normalize(rows, dim=1)

    wavs = 0.1 * torch.randn(3, 2 * clap.clip_samples)
    apart = (embed(wavs) - by_torch(clap)(wavs)).abs().max().item()
    print(f"{runtime} differs from torch by at most {apart:.1e}")
    return embed


def onnxruntime(path: str, threads: int) -> Callable:
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(path, options, ["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def openvino(path: str, threads: int) -> Callable:
    import openvino as runtime

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    settings["INFERENCE_PRECISION_HINT"] = "f32"  # it may take bf16 by itself
    compiled = runtime.Core().compile_model(path, "CPU", settings)
    return lambda inputs: compiled(inputs)[0]


def measured(
    models: dict[str, Embed], wavs: dict[str, torch.Tensor], rounds: int
) -> dict[str, float]:
    """Seconds a batch, the median of rounds in which the models take turns."""
    times: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(rounds + 1):  # the first one warms up
        for name, embed in models.items():
            start = time.perf_counter()
            embed(wavs[name])
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("system", nargs="?", default="hparams/student.yaml", type=Path)
    parser.add_argument("--runtime", nargs="+", default=["torch"], choices=RUNTIMES)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    tiny, small = htsat_tiny(), student(given.system)
    counts = [
        sum(p.numel() for p in m.audio_encoder.parameters()) for m in (tiny, small)
    ]
    first = "HTSAT-tiny, torch"
    models, rates = {first: by_torch(tiny)}, {first: tiny.sample_rate}
    with tempfile.TemporaryDirectory() as folder:
        for runtime in given.runtime:
            name = f"{given.system.stem}, {runtime}"
            rates[name] = small.sample_rate
            if runtime == "torch":
                models[name] = by_torch(small)
            else:
                place = Path(folder)
                models[name] = by_onnx(small, runtime, place, given.threads)
        wavs = {
            name: 0.1 * torch.randn(given.batch_size, round(given.seconds * rate))
            for name, rate in rates.items()
        }
        taken = measured(models, wavs, given.rounds)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "not known"
    print(
        f"{given.batch_size} clips of {given.seconds:g} s, {given.threads} threads, "
        f"load {load}, torch {torch.__version__}, Python {sys.version.split()[0]}"
    )
    print(f"parameters of the tower: {counts[0]:,} and {counts[1]:,}: ", end="")
    print(f"a {counts[0] / counts[1]:.1f}th")
    for name, seconds in taken.items():
        clips, times = given.batch_size / seconds, taken[first] / seconds
        print(f"{name:<28}{clips:9.1f} clips a second   {times:5.1f} times")


if __name__ == "__main__":
    main()
