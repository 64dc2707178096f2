"""Installs ``clap_sb``, and with it the YAML files of its systems.

The systems live in the folder ``hparams/`` at the root, where recipes name them. The
wheel carries the same files as ``clap_sb/hparams/``: a mapping of folders does it, so
that no file is kept twice and no symbolic link is needed (Windows has none).
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (ROOT / "clap_sb" / "__init__.py").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
).group(1)
SEARCH = ["faiss-cpu>=1.9", "pyarrow>=15"]
SERVE = ["starlette>=0.40", "uvicorn>=0.25"]
ONNX = ["onnx>=1.17", "onnxscript>=0.7", "onnxruntime>=1.20"]
# What was tested with torch 2.14; older ones know fewer of its operators.
# Its wheels for Linux on ARM ask for a newer glibc than the others here do.
OPENVINO = ['openvino>=2026.4; platform_machine != "aarch64"']

setup(
    name="clap_sb",
    version=VERSION,
    description="Contrastive language-audio pretraining (CLAP) for SpeechBrain",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    entry_points={"console_scripts": ["clap-sb = clap_sb.cli:main"]},
    python_requires=">=3.10,<3.15",
    packages=[*find_packages(include=["clap_sb", "clap_sb.*"]), "clap_sb.hparams"],
    package_dir={"clap_sb.hparams": "hparams"},
    package_data={
        "clap_sb.hparams": ["*.yaml"],
        "clap_sb.inference": ["*.txt"],
        "clap_sb.serve": ["page/*"],
    },
    install_requires=[
        "torch>=2.11,<2.16",
        "torchaudio>=2.11,<2.12",
        # FFmpeg: sounds that libsndfile does not read, and pictures out of videos
        "av>=15",
        "speechbrain>=1.1.1,<1.2",
        # before 5.6, CLIP's text tower had other names in its checkpoints
        "transformers>=5.6,<6",
        "huggingface_hub>=1.5",
        "hyperpyyaml>=1.2.3",
        "matplotlib>=3.10",
        "numpy>=1.26",
        "pandas>=2.1.4",
        "pillow>=10.2",
        "safetensors>=0.4.3",
        "scipy>=1.11.4",
        "sentencepiece>=0.2",
        "soundfile>=0.12.1",
        "soxr>=0.4",
        "tqdm>=4.66",
    ],
    extras_require={
        # Approximate indexes, and embeddings as Parquet.
        "search": SEARCH,
        # The browser page.
        "serve": SERVE,
        # Another minor release of ruff may format differently.
        "test": [
            "pytest>=8",
            "pytest-xdist>=3",
            "ruff==0.17.*",
            "yamllint>=1.35",
            "selenium>=4.11",
            # carries axe-core's script, and needs nothing
            "axe-core-python==0.1.0",
        ]
        + [*SEARCH, *SERVE, *ONNX],
        # What the tests marked `parity` compare with.
        "parity": ["librosa", "torchlibrosa"],
        "tensorboard": ["tensorboard"],
        # Models for other runtimes than PyTorch.
        "onnx": ONNX,
        # The towers of a model, computed on a CPU by something else than PyTorch.
        "openvino": OPENVINO,
        "onnxruntime": ONNX,
    },
)
