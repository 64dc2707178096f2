"""Measures the page over a large index, in a real browser: answers, scrolling, memory.

    python benchmarks/page.py
    python benchmarks/page.py --num_sounds 20000 --checkpoint MODEL

The index begins with built-in sounds; the others are hard links to them, with the same
vectors and some noise (of norm 0.3, normalised again), written through the store. A
headless Chromium asks for words, and scrolls through the list at 2,400 pixels a second
until 500 hits have gone by, some rounds, of which the first is not counted. It tells:

- an answer: from Enter until the rows are drawn, and until the pictures in sight are;
- a frame: the time from one to the next while it scrolls, the longest task, and what
  the tab's thread computes for a frame, which other work on the machine leaves alone;
- waiting: the time at the end of the list, for further hits;
- memory of the tab, after garbage is collected: JavaScript's heap, nodes of the
  document, and what is resident of the process (Linux).

Chromium, its driver and selenium have to be installed. Without --checkpoint, the model
is the demo's, with random weights.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from large_index import write_index

from clap_sb.search import SearchIndex

HITS = 500
QUERIES = ("a dog barks", "rain falls", "a siren wails", "birds sing", "an engine runs")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--mute-audio"),
    *("--disable-dev-shm-usage", "--window-size=1400,900"),
)
_ANSWER = """
const [words, done] = arguments;
const begun = performance.now();
document.getElementById("text").value = words;
document.getElementById("search").requestSubmit();
let rows = null;
const look = () => {
  const told = document.getElementById("status").textContent.startsWith(`“${words}”:`);
  if (told) rows ??= performance.now() - begun;
  const seen = [...document.querySelectorAll(".picture img[src]")].filter(
    (image) => image.getBoundingClientRect().top < innerHeight);
  const drawn = told && seen.length && seen.every((image) => image.naturalWidth);
  if (drawn) done([rows, performance.now() - begun]);
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
_SCROLL = """
const [hits, done] = arguments;
const frames = [], tasks = [];
new PerformanceObserver((seen) => {
  tasks.push(...seen.getEntries().map((task) => task.duration));
}).observe({ type: "longtask" });
let waited = 0, last = null;
const step = (now) => {
  const passed = last === null ? 0 : now - last;
  last = now;
  frames.push(passed);
  const rows = document.querySelectorAll(".row");
  const end = rows[Math.min(hits, rows.length) - 1].getBoundingClientRect().bottom;
  if (rows.length >= hits && end < innerHeight) done([frames.slice(1), tasks, waited]);
  else {
    const before = scrollY;
    scrollBy(0, 2.4 * Math.min(passed, 100));
    if (scrollY === before) waited += passed;
    requestAnimationFrame(step);
  }
};
requestAnimationFrame(step);
"""


@contextlib.contextmanager
def served(index: Path) -> Iterator[str]:
    """The page's address, as long as the block lasts."""
    words = ["serve", str(index), "--port", "0", "--no-open", "--json"]
    words += ["--play-from", str(index.parent)]
    command = [sys.executable, "-m", "clap_sb.cli", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.kill()


@contextlib.contextmanager
def browsing() -> Iterator[Any]:
    """A browser."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium")
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_script_timeout(300)
    try:
        yield browser
    finally:
        browser.quit()


def metrics(browser: Any) -> dict[str, float]:
    """What the tab counts; durations in seconds of its thread."""
    found = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {metric["name"]: metric["value"] for metric in found}


def memory(browser: Any) -> tuple[float, int, float]:
    """Of the tab: heap in MB, nodes, and resident MB of its process."""
    browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    found = metrics(browser)
    resident = max(resident_of(browser.service.process.pid), default=float("nan"))
    return found["JSHeapUsedSize"] / 2**20, int(found["Nodes"]), resident


def resident_of(driver: int) -> list[float]:
    """MB of each process that draws a tab of the browser."""
    parents, tabs = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = (folder / "status").read_text()
            values = dict(line.split(":\t", 1) for line in status.splitlines())
            parents[int(folder.name)] = int(values["PPid"])
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                tabs.append((int(folder.name), int(values["VmRSS"].split()[0]) / 1024))

    def is_below(process: int) -> bool:
        while process in parents and process != driver:
            process = parents[process]
        return process == driver

    return [size for process, size in tabs if is_below(process)]


def measure(browser: Any, words: str) -> list[float]:
    """One round: the row of the table."""
    rows, drawn = browser.execute_async_script(_ANSWER, words)
    time.sleep(1.0)
    before = metrics(browser)["TaskDuration"]
    frames, tasks, waited = browser.execute_async_script(_SCROLL, HITS)
    computed = 1000 * (metrics(browser)["TaskDuration"] - before) / len(frames)
    frames = sorted(frames)
    heap, nodes, resident = memory(browser)
    timed = [rows, drawn, statistics.median(frames), frames[-len(frames) // 100]]
    timed += [frames[-1], max(tasks, default=0), computed, waited]
    return [*timed, heap, nodes, resident]


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_sounds", type=int, default=20_000)
    parser.add_argument("--checkpoint", help="a model; the demo's unless given")
    return parser.parse_args()


def main() -> None:
    """Makes an index, and prints what the page over it takes."""
    options = read_arguments()
    heads = ["rows, ms", "pictures, ms", "frame, ms", "99 %", "longest", "task, ms"]
    heads += ["computed, ms", "waiting, ms", "heap, MB", "nodes", "resident, MB"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        os.environ["XDG_STATE_HOME"] = name  # which is no folder of the user's
        index = write_index(folder, options.checkpoint, options.num_sounds)
        print(f"{SearchIndex(index).num_sounds} sounds")
        print(" | ".join(["query", *heads]))
        with served(index) as url, browsing() as browser:
            domain = {"timeDomain": "threadTicks"}
            browser.execute_cdp_cmd("Performance.enable", domain)
            browser.get(url)
            time.sleep(2.0)
            measure(browser, "to warm up")
            for words in QUERIES:
                row = measure(browser, words)
                told = [f"{value:.{1 if value < 30 else 0}f}" for value in row]
                print(" | ".join([words, *told]), flush=True)


if __name__ == "__main__":
    main()
