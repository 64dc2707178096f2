"""Asks a public database which locked packages have known vulnerabilities.

    python requirements/audit.py

Every line of the lock is asked about, also those of other Pythons and systems, in one
question. The database is OSV (https://osv.dev). It ends with 1 where that knows of any,
and with 2 where it cannot be asked.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

LOCK = Path(__file__).with_name("lock.txt")
URL = "https://api.osv.dev/v1/querybatch"
_PATIENCE = 30  # seconds
_AT_ONCE = 500  # the database takes 1,000


def locked(text: str) -> list[tuple[str, str]]:
    """Reads the packages of a lock.

    Arguments
    ---------
    text : str
        Its content.

    Returns
    -------
    list of (str, str)
        Names and versions.

    Example
    -------
    >>> locked("# made by uv\\nh11==0.16.0\\nnumpy==2.4.6 ; python_version < '3.12'\\n")
    [('h11', '0.16.0'), ('numpy', '2.4.6')]
    """
    lines = [line.partition(";")[0].strip() for line in text.splitlines()]
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return [(name.strip(), version.strip()) for name, version in pins]


def known(packages: list[tuple[str, str]], url: str = URL) -> dict[str, list[str]]:
    """Asks what is known of packages.

    Arguments
    ---------
    packages : list of (str, str)
        Names and versions.
    url : str
        Where to ask.

    Returns
    -------
    dict
        ``NAME VERSION`` to the names of its vulnerabilities, of those that have any.

    Raises
    ------
    OSError
        If the database cannot be reached.
    ValueError
        If it answers something else.
    """
    found: dict[str, list[str]] = {}
    # a package with many has them on several pages
    todo = [(package, None) for package in packages]
    while todo:
        asked, todo = todo[:_AT_ONCE], todo[_AT_ONCE:]
        answers = _answer(url, [_query(*one) for one in asked])
        for ((name, version), _), answer in zip(asked, answers, strict=True):
            names = [one["id"] for one in answer.get("vulns", [])]
            if names:
                found.setdefault(f"{name} {version}", []).extend(names)
            if token := answer.get("next_page_token"):
                todo.append(((name, version), token))
    return found


def _query(package: tuple[str, str], page: str | None) -> dict[str, object]:
    name, version = package
    query = {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
    return query if page is None else {**query, "page_token": page}


def _answer(url: str, queries: list[dict[str, object]]) -> list[dict]:
    body = json.dumps({"queries": queries}).encode()
    head = {"content-type": "application/json"}
    request = urllib.request.Request(url, body, head)
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
        content = json.load(answer)
    if not isinstance(content, dict) or not isinstance(content.get("results"), list):
        raise ValueError("its answer is none of OSV's")
    return content["results"]


def main() -> int:
    """Prints a line for each package that has any; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--url", default=URL, help="the database (default: %(default)s)"
    )
    url = parser.parse_args().url
    packages = locked(LOCK.read_text(encoding="utf-8"))
    try:
        found = known(packages, url)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = getattr(error, "reason", error)
        print(f"error: {url} cannot be asked ({reason}): try later", file=sys.stderr)
        return 2
    for package, names in found.items():
        print(f"{package}: " + ", ".join(f"https://osv.dev/{n}" for n in names))
    print(f"{len(packages)} locked packages, {len(found)} with known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
