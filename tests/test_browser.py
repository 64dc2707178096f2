"""The page in a real browser: type, click, hear, drop.

Skipped where there is no Chromium with its driver, unless CLAP_SB_REQUIRE_BROWSER is
set; CLAP_SB_SCREENSHOTS names a folder to keep the pictures in.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from builders import CAPTIONS
from indexes import WINDOW
from serving import NAMES, serving, write_index

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
REQUIRED = os.environ.get("CLAP_SB_REQUIRE_BROWSER") == "1"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--mute-audio"),
    *("--disable-dev-shm-usage", "--window-size=1200,1000"),
)
PATIENCE = 60  # seconds; a busy machine is no failure

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER) and not REQUIRED, reason="no chromium with chromedriver"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    assert CHROMIUM and DRIVER, "CLAP_SB_REQUIRE_BROWSER is set, and there is none"
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return write_index(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def url(index):
    with serving(index, index.parent / "log") as address:
        yield address


@pytest.fixture
def page(browser, url):
    """The page, fresh; in the end nothing may have gone wrong in it."""
    browser.get(url)
    yield Page(browser)
    wrong = [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"]
    assert wrong == []


class Page:
    """What a user does and sees."""

    def __init__(self, browser):
        self.browser = browser

    def one(self, selector):
        return self.browser.find_element("css selector", selector)

    def all(self, selector):
        return self.browser.find_elements("css selector", selector)

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: condition())

    def search(self, text):
        self.one("#text").clear()
        self.one("#text").send_keys(text)
        self.one("#go").click()
        self.wait(lambda: f"“{text}”" in self.one("#status").text)

    def names(self):
        return [name.text for name in self.all(".hit .name")]

    def card(self, name):
        return self.all(".hit")[self.names().index(name)]

    def audio(self, card):
        """Ready state, place, length, whether it is still, and what went wrong."""
        return self.run(
            "const a = arguments[0].querySelector('audio');"
            "return [a.readyState, a.currentTime, a.duration, a.paused,"
            " a.error && a.error.message]",
            card,
        )

    def heard(self, card):
        """Its audio once it can be played."""
        self.run("arguments[0].scrollIntoView()", card)
        self.wait(lambda: self.audio(card)[0] >= 2 or self.audio(card)[4])
        state = self.audio(card)
        assert state[4] is None, state
        return state

    def picture(self, name):
        """Takes a screenshot, and gives how many colours are in it."""
        from matplotlib.image import imread

        folder = Path(os.environ.get("CLAP_SB_SCREENSHOTS", self.folder))
        path = folder / f"{name}.png"
        assert self.browser.save_screenshot(str(path))
        image = imread(path)[::4, ::4, :3]
        return len({tuple(colour) for colour in image.reshape(-1, 3).round(2).tolist()})


@pytest.fixture(autouse=True)
def pictures(tmp_path):
    Page.folder = tmp_path


def test_type_click_hear(page):
    assert f"{len(NAMES)} sounds" in page.wait(lambda: page.one("#about").text.strip())
    page.search(CAPTIONS[0])
    assert sorted(page.names()) == sorted(os.path.basename(name) for name in NAMES)
    scores = [float(score.text) for score in page.all(".hit .score")]
    assert scores == sorted(scores, reverse=True)
    for name in page.names():
        card = page.card(name)
        _, place, length, still, _ = page.heard(card)
        # where the best of its windows begins
        starts = [0.0, WINDOW, 2 * WINDOW] if name == "long.flac" else [0.0]
        assert still and any(place == pytest.approx(s, abs=0.05) for s in starts)
        expected = 3 * WINDOW if name == "long.flac" else 1.5
        # a headerless MP3 does not tell what the encoder added
        slack = 0.2 if name == "stream.mp3" else 0.1
        assert length == pytest.approx(expected, abs=slack)
        image = card.find_element("css selector", "img")
        page.wait(lambda image=image: page.run(
            "return arguments[0].complete && arguments[0].naturalWidth", image
        ))  # fmt: skip
    page.run("window.scrollTo(0, 0)")
    assert page.picture("found") > 100


def test_a_player_starts_at_the_hit(page):
    page.one("#every_window").click()
    page.search(CAPTIONS[0])
    cards = [page.all(".hit")[i] for i, n in enumerate(page.names()) if "long" in n]
    places = sorted(page.heard(card)[1] for card in cards)
    assert places == pytest.approx([0.0, WINDOW, 2 * WINDOW], abs=0.05)


def test_a_click_on_the_picture_plays_from_there(page):
    page.search(CAPTIONS[0])
    card, other = page.card("wave.wav"), page.card("small.ogg")
    page.heard(card)
    # the middle is where a click lands
    card.find_element("css selector", ".picture").click()
    page.wait(lambda: page.audio(card)[1] > 0.8)
    page.heard(other)
    page.wait(lambda: page.audio(card)[3])  # it ends with the window
    assert page.audio(card)[1] == pytest.approx(1.5, abs=0.2)
    page.run("arguments[0].querySelector('audio').loop = true", card)
    page.run("arguments[0].querySelector('audio').play()", card)
    page.wait(lambda: not page.audio(card)[3])
    other.find_element("css selector", ".picture").click()
    page.wait(lambda: page.audio(card)[3])  # one sound at a time


def test_more_like_this(page):
    page.search(CAPTIONS[0])
    page.card("old.aiff").find_element("css selector", ".more").click()
    page.wait(lambda: "more like “old.aiff”" in page.one("#status").text)
    assert page.names()[0] == "old.aiff"
    assert page.all(".hit .score")[0].text == "1.00"


def test_a_sound_is_dropped_found_and_tagged(page, index):
    page.run(
        """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const files = new DataTransfer();
        files.items.add(new File([bytes], "mine.mp3", {type: "audio/mpeg"}));
        document.body.dispatchEvent(
            new DragEvent("drop", {dataTransfer: files, bubbles: true}));
        """,
        base64_of(index.parent / "sounds" / "layer.mp3"),
    )
    page.wait(lambda: "“mine.mp3”" in page.one("#status").text)
    assert page.names()[0] == "layer.mp3"
    assert page.heard(page.one("#example"))[2] == pytest.approx(1.5, abs=0.1)
    page.one("#labels").clear()
    page.one("#labels").send_keys("dog, cat, rain")
    page.one("#tag button").click()
    page.wait(lambda: len(page.all("#tags li")) == 3)
    best = page.one("#tags li").text.split()[0]
    assert page.one("#tag_status").text.endswith(best)
    page.one("#text").send_keys("rain")
    assert page.one("#words").is_displayed()
    assert page.picture("tagged") > 100
    page.one("#remove").click()
    page.wait(lambda: not page.one("#example").is_displayed())


def test_a_file_is_chosen_by_hand(page, index):
    page.one("#file").send_keys(str(index.parent / "sounds" / "small.ogg"))
    page.wait(lambda: "“small.ogg”" in page.one("#status").text)
    assert page.names()[0] == "small.ogg"


def test_what_is_no_sound_is_told(page, browser, index):
    page.one("#file").send_keys(str(index / "lock"))
    page.wait(lambda: page.one("#error").text)
    assert "empty" in page.one("#error").text
    browser.get_log("browser")  # the answer 415 is written there


def test_everything_can_be_named_and_reached_by_keys(page):
    from selenium.webdriver.common.keys import Keys

    assert page.run("return document.activeElement.id") == "text"
    page.one("#text").send_keys(CAPTIONS[0], Keys.ENTER)
    page.wait(page.names)
    for control in page.all("button, input, textarea, img"):
        if control.is_displayed():
            assert control.accessible_name, control.get_attribute("outerHTML")
    picture = page.one(".picture")
    page.heard(page.one(".hit"))
    picture.send_keys(Keys.ENTER)
    page.wait(lambda: not page.audio(page.one(".hit"))[3])


def test_dark_and_narrow(page):
    page.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    page.search(CAPTIONS[0])
    page.heard(page.one(".hit"))
    page.run("window.scrollTo(0, 0)")
    assert page.run("return document.documentElement.scrollWidth") <= 380
    assert page.picture("dark") > 50
    shade = page.run("return getComputedStyle(document.body).backgroundColor")
    assert sum(int(part) for part in shade[4:-1].split(",")) < 150
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def base64_of(path: Path) -> str:
    import base64

    return base64.b64encode(path.read_bytes()).decode()
