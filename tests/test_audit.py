"""`make audit`, before a database that is none of the world's."""

from __future__ import annotations

import http.server
import importlib.util
import json
import sys
import threading

import pytest
from scripts import ROOT


@pytest.fixture(scope="module")
def audit():
    path = ROOT / "requirements" / "audit.py"
    spec = importlib.util.spec_from_file_location("audit", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def database(monkeypatch):
    """Knows what it is told; gives two names a page, as OSV gives thousands."""
    told: dict[tuple[str, str], list[str]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["content-length"])
            queries = json.loads(self.rfile.read(length))["queries"]
            content = json.dumps({"results": [self.of(query) for query in queries]})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content.encode())

        def of(self, query):
            assert set(query["package"]) == {"name", "ecosystem"}
            names = told.get((query["package"]["name"], query["version"]), [])
            first = int(query.get("page_token", 0))
            page = [{"id": name, "modified": "2026"} for name in names[first:][:2]]
            answer = {"vulns": page} if page else {}
            if len(names) > first + 2:
                answer["next_page_token"] = str(first + 2)
            return answer

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1/querybatch"
        monkeypatch.setattr(sys, "argv", ["audit.py", "--url", url])
        yield told
        server.shutdown()


def test_every_line_of_the_lock_is_asked_about(audit):
    text = audit.LOCK.read_text(encoding="utf-8")
    packages = audit.locked(text)
    assert len(packages) == sum(
        "==" in line.partition(";")[0]
        for line in text.splitlines()
        if not line.startswith("#")
    )
    names = [name for name, _ in packages]
    assert {"torch", "numpy", "uvicorn"} <= set(names)
    assert names.count("starlette") == 2  # of two Pythons


def test_what_is_known_is_told(audit, database, monkeypatch, capsys):
    monkeypatch.setattr(audit, "_AT_ONCE", 7)
    packages = audit.locked(audit.LOCK.read_text(encoding="utf-8"))
    assert audit.main() == 0
    assert f"{len(packages)} locked packages, 0 with" in capsys.readouterr().out
    database[packages[-1]] = [f"PYSEC-2026-{number}" for number in range(5)]
    database["h11", "0.1"] = ["PYSEC-1999-1"]  # another version
    assert audit.main() == 1
    line, last = capsys.readouterr().out.splitlines()
    name, version = packages[-1]
    assert line.startswith(f"{name} {version}: ") and line.count("PYSEC-2026") == 5
    assert "1 with known vulnerabilities" in last


@pytest.mark.parametrize("answer", ["nobody", "[]", "{}", '{"results": []}', "<html>"])
def test_a_database_that_cannot_be_asked_is_told_in_a_line(
    audit, answer, monkeypatch, capsys, tmp_path
):
    url = "http://127.0.0.1:9/v1/querybatch"
    if answer != "nobody":
        (tmp_path / "answer").write_text(answer)
        url = (tmp_path / "answer").as_uri()
    monkeypatch.setattr(sys, "argv", ["audit.py", "--url", url])
    assert audit.main() == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(f"error: {url} cannot be asked (") and not said.out
