"""A browser, and what a user of the page does and sees in it.

CLAP_SB_REQUIRE_BROWSER asks for one; CLAP_SB_SCREENSHOTS names a folder to keep the
pictures in.
"""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--mute-audio"),
    *("--disable-dev-shm-usage", "--window-size=1400,900"),
)
# Enough for several parts of the list; 40 and 41 have the same bytes.
OTHERS = {f"many/{place:02}.wav": (50 + min(place, 40), 1.2) for place in range(42)}
PATIENCE = 60  # seconds; a busy machine is no failure


def open_browser(folder: Path):
    """A Chromium with a profile of its own; None where there is none, or no driver."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        required = os.environ.get("CLAP_SB_REQUIRE_BROWSER") == "1"
        assert not required, "CLAP_SB_REQUIRE_BROWSER is set, and there is none"
        return None
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    downloads = {"download.default_directory": str(folder / "downloads")}
    options.add_experimental_option("prefs", downloads)
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    browser = webdriver.Chrome(options=options, service=service)
    browser.downloads = folder / "downloads"
    return browser


class Page:
    """The page in a browser, by what is seen of it."""

    def __init__(self, browser, url, folder):
        self.browser = browser
        self.url = url
        self.folder = Path(os.environ.get("CLAP_SB_SCREENSHOTS", folder))

    def open(self):
        """The page as one who was never there finds it."""
        self.browser.get(self.url)
        self.run("localStorage.clear()")
        self.browser.get_log("browser")
        self.browser.get(self.url)
        self.wait(self.names)

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        # rows are put in the place of others
        gone = [StaleElementReferenceException]
        waiting = WebDriverWait(self.browser, PATIENCE, 0.05, ignored_exceptions=gone)
        return waiting.until(lambda _: condition())

    def status(self) -> str:
        return self.one("#status").text

    def search(self, text):
        from selenium.webdriver.common.keys import Keys

        self.one("#text").clear()
        self.one("#text").send_keys(text, Keys.ENTER)
        self.wait(lambda: self.status().startswith((f"“{text}”:", f"“{text}” with")))

    def told(self, text):
        """Waits for it."""
        self.wait(lambda: text in self.status())

    def press(self, *keys):
        """Keys, one after the other, wherever the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def names(self) -> list[str]:
        script = "return [...document.querySelectorAll('.row .name')]"
        return self.run(f"{script}.map((name) => name.textContent)")

    def row(self, name):
        return self.all(".row")[self.names().index(name)]

    def chosen(self) -> str | None:
        """The name of the row that has the focus."""
        script = "return document.activeElement.querySelector?.('.row > .what > .name')"
        return self.run(f"{script}?.textContent ?? null")

    def focused(self) -> str:
        """The element that has the focus: its id, or its class or kind."""
        return self.run(
            "const e = document.activeElement;"
            "return e.id || e.className || e.tagName.toLowerCase()"
        )

    def audio(self) -> dict:
        """Of the player: its sound, place, length, and whether it plays."""
        return self.run(
            "const a = document.getElementById('audio');"
            "return {sound: a.currentSrc, ready: a.readyState, place: a.currentTime,"
            " length: a.duration, plays: !a.paused, error: a.error?.message ?? null}"
        )

    def plays(self, condition=lambda state: True) -> dict:
        """Its state once it plays."""

        def state():
            now = self.audio()
            assert now["error"] is None, now
            return (
                now if now["plays"] and now["ready"] >= 2 and condition(now) else None
            )

        return self.wait(state)

    def is_still(self) -> dict:
        """Its state once it does not."""
        return self.wait(lambda: (now := self.audio()) and not now["plays"] and now)

    def drop(self, path: Path, name: str, kind: str = "audio/wav"):
        self.run(
            """
            const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
            const files = new DataTransfer();
            files.items.add(new File([bytes], arguments[1], {type: arguments[2]}));
            document.body.dispatchEvent(
                new DragEvent("drop", {dataTransfer: files, bubbles: true}));
            """,
            base64.b64encode(path.read_bytes()).decode(),
            name,
            kind,
        )

    def look(self, scheme, size):
        """Light or dark; a width and a height, or None for the window's own."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": features}
        )
        if size is None:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
            return
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1}
        self.browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {**metrics, "mobile": False}
        )

    def picture(self, name) -> int:
        """Takes a screenshot, and gives how many colours are in it."""
        from matplotlib.image import imread

        path = self.folder / f"{name}.png"
        assert self.browser.save_screenshot(str(path))
        image = imread(path)[::4, ::4, :3]
        return len({tuple(colour) for colour in image.reshape(-1, 3).round(2).tolist()})

    def drawn(self):
        """Waits until all pictures that are in sight are there."""
        self.wait(
            lambda: self.run(
                "return [...document.querySelectorAll('.picture img[src]')].every("
                "(image) => image.complete && image.naturalWidth)"
            )
        )
