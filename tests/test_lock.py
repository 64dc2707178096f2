"""The lock: one exact version of everything, for every Python and system."""

from __future__ import annotations

import os
import re
import sys
from importlib import metadata
from itertools import product
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "lock.txt"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYTHONS = re.search(r"^PYTHONS := (.+)$", MAKEFILE, re.MULTILINE).group(1).split()
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}


def environment(python: str, system: str) -> dict[str, str]:
    """What markers are asked about, on another machine than this."""
    version = {"python_version": python, "python_full_version": f"{python}.1"}
    return dict(default_environment()) | version | SYSTEMS[system]


def locked(markers: dict[str, str]) -> dict[str, str]:
    """The version of each package that is installed there."""
    versions: dict[str, str] = {}
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        (exact,) = requirement.specifier
        assert exact.operator == "==" and "*" not in exact.version, line
        if requirement.marker is None or requirement.marker.evaluate(markers):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{name} is there twice for one Python"
            versions[name] = exact.version
    return versions


@pytest.mark.parametrize("python, system", list(product(PYTHONS, SYSTEMS)))
def test_each_dependency_is_locked_within_its_range(python, system):
    markers = environment(python, system)
    versions = locked(markers)
    extras = metadata.metadata("clap_sb").get_all("Provides-Extra")
    assert {"test", "parity"} <= set(extras)
    direct = [Requirement(text) for text in metadata.requires("clap_sb")]
    for requirement, extra in product(direct, ["", *extras]):
        marker = requirement.marker
        if marker is None or marker.evaluate(markers | {"extra": extra}):
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement
    assert {"pip", "setuptools", "uv"} <= versions.keys()


def test_all_pythons_have_one_torch():
    torches = {
        (versions["torch"], versions["torchaudio"])
        for versions in (
            locked(environment(p, s)) for p, s in product(PYTHONS, SYSTEMS)
        )
    }
    assert len(torches) == 1


def test_the_pythons_are_those_of_setup():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    named = re.findall(r"Programming Language :: Python :: (3\.\d+)", text)
    assert sorted(named) == sorted(PYTHONS)
    first, last = named[0], int(named[-1].split(".")[1])
    assert f'python_requires=">={first},<3.{last + 1}"' in text


@pytest.mark.skipif(
    "CLAP_SB_LOCKED" not in os.environ, reason="only `make test` installs the lock"
)
def test_what_is_installed_is_what_is_locked():
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}[sys.platform]
    versions = locked(environment("{}.{}".format(*sys.version_info), system))
    wrong = {}
    for found in metadata.distributions():
        # what is not locked was put there by hand, or by `make parity`
        name = canonicalize_name(found.metadata["Name"])
        # builds for one CUDA or none call themselves 2.14.1+cpu
        if found.version.partition("+")[0] != versions.get(name, found.version):
            wrong[name] = f"{found.version} is installed, {versions[name]} locked"
    assert not wrong, "`make clean` and `make test` install it anew"
