"""The page by keyboard alone, and by what assistive technology is told of it."""

from __future__ import annotations

import importlib.resources
import os

import pytest
from builders import CAPTIONS
from selenium.webdriver.common.keys import Keys

SIZES = {"desk": (1400, 900), "phone": (390, 844)}


@pytest.fixture
def listed(page):
    """Found by keys: the focus is in the box, and Down leads to the first row."""
    assert page.focused() == "text"
    page.press(CAPTIONS[0], Keys.ENTER)
    page.told(f"“{CAPTIONS[0]}”")
    return page


def test_down_and_up_choose_and_play(listed):
    page = listed
    names = page.names()
    page.press(Keys.ARROW_DOWN)
    assert page.chosen() == names[0]
    first = page.plays()["sound"]
    page.press(Keys.ARROW_DOWN)
    assert page.chosen() == names[1]
    page.plays(lambda now: now["sound"] != first)
    page.press(Keys.ARROW_UP, Keys.ARROW_UP)
    assert page.chosen() == names[0]
    page.plays(lambda now: now["sound"] == first)
    selected = page.all(".row[aria-selected=true]")
    assert [row.get_attribute("tabindex") for row in selected] == ["0"]


def test_space_plays_and_pauses_where_it_is(listed):
    page = listed
    page.press(Keys.ARROW_DOWN)
    page.plays(lambda now: now["place"] > 0.2)
    page.press(Keys.SPACE)
    place = page.is_still()["place"]
    assert page.one("#play").get_attribute("aria-label") == "Play"
    page.press(Keys.SPACE)
    assert page.plays()["place"] >= place - 0.01
    page.wait(lambda: not page.audio()["plays"])  # to the end of the window
    page.press(Keys.SPACE)
    page.plays(lambda now: now["place"] < 1.0)  # and again from its beginning


def test_left_and_right_seek(listed):
    page = listed
    page.press(Keys.ARROW_DOWN)
    page.plays()
    page.press(Keys.SPACE)
    page.is_still()
    page.run("document.getElementById('audio').currentTime = 0")
    page.press(Keys.ARROW_RIGHT)
    page.wait(lambda: page.audio()["place"] == pytest.approx(1.0, abs=0.05))
    page.press(Keys.ARROW_LEFT)
    page.wait(lambda: page.audio()["place"] == pytest.approx(0.0, abs=0.05))
    assert page.chosen() == page.names()[0]


def test_similar_keeps_the_focus_in_the_list(listed):
    page = listed
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    name = page.chosen()
    page.press("s")
    page.told(f"Similar to “{name}”: the nearest of")
    assert name not in page.names()
    assert page.chosen() == page.names()[0]
    assert page.one("#text").get_attribute("value") == ""
    second = page.chosen()
    page.press("S")  # in capitals, too
    page.told(f"Similar to “{second}”")
    assert page.chosen() == page.names()[0]


def test_favourites_are_kept_listed_and_saved(listed, browser):
    page = listed
    page.press(Keys.ARROW_DOWN, "f", Keys.ARROW_DOWN, Keys.ARROW_DOWN, "f")
    names = page.names()
    expected = [names[0], names[2]]
    assert page.one("#favourites").text == "★ Favourites (2)"
    pressed = page.all(".favourite[aria-pressed=true]")
    assert len(pressed) == 2
    browser.get(page.url)
    page.wait(lambda: "(2)" in page.one("#favourites").text)
    page.one("#favourites").send_keys(Keys.ENTER)
    page.told("Favourites: 2 sounds")
    assert page.names() == expected
    assert page.focused() == "favourites"
    page.one("#download").send_keys(Keys.ENTER)
    playlist = browser.downloads / "favourites.m3u"
    page.wait(playlist.exists)
    lines = playlist.read_text().splitlines()
    paths = [line for line in lines if not line.startswith("#")]
    assert [os.path.basename(path) for path in paths] == expected
    assert all(os.path.isfile(path) for path in paths)
    page.press(Keys.ESCAPE)
    page.row(expected[0]).send_keys("f")
    page.wait(lambda: "(1)" in page.one("#favourites").text)


def test_two_tabs_have_the_same_favourites(listed, browser):
    page = listed
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    try:
        browser.get(page.url)
        page.search(CAPTIONS[0])
        page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, "f")
        other = page.chosen()
        browser.switch_to.window(first)
        page.wait(lambda: "(1)" in page.one("#favourites").text)
        star = page.row(other).find_element("css selector", ".favourite")
        assert star.get_attribute("aria-pressed") == "true"
        page.press(Keys.ARROW_DOWN, "f")  # adds to what the other tab has
        page.wait(lambda: "(2)" in page.one("#favourites").text)
        browser.switch_to.window(browser.window_handles[-1])
        page.wait(lambda: "(2)" in page.one("#favourites").text)
    finally:
        browser.switch_to.window(browser.window_handles[-1])
        browser.close()
        browser.switch_to.window(first)


def test_the_path_is_copied(listed, browser, page_index):
    page = listed
    for permission in ("clipboard-read", "clipboard-write"):
        browser.execute_cdp_cmd(
            "Browser.setPermission",
            {"permission": {"name": permission}, "setting": "granted"},
        )
    page.press(Keys.ARROW_DOWN, "c")
    page.wait(lambda: "Copied" in page.one("#note").text)
    copied = browser.execute_async_script(
        "const done = arguments[0]; navigator.clipboard.readText().then(done, done)"
    )
    assert os.path.isfile(copied) and os.path.basename(copied) == page.chosen()
    # over plain HTTP from another machine there is no such clipboard
    page.run("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.press(Keys.ARROW_DOWN, "c")
    page.wait(lambda: page.chosen() in page.one("#note").text)
    assert "Copied" in page.one("#note").text


def test_the_window_is_saved(listed, browser):
    page = listed
    page.press(Keys.ARROW_DOWN, "w")
    stem = page.chosen().rpartition(".")[0]
    page.wait(lambda: [*browser.downloads.glob(f"{stem} 0.0-*.wav")])
    assert page.chosen() == page.names()[0]


def test_the_list_of_keys_opens_and_closes(listed):
    page = listed
    page.press(Keys.ARROW_DOWN, "?")
    assert page.one("#help").is_displayed() and "similar" in page.one("#help").text
    page.press("s")  # is no key while it is open
    page.press(Keys.ESCAPE)
    assert not page.one("#help").is_displayed()
    assert page.chosen() == page.names()[0]
    assert CAPTIONS[0] in page.status()


def test_slash_leads_to_the_box_and_keys_are_typed_there(listed):
    page = listed
    page.press(Keys.ARROW_DOWN, "/")
    assert page.focused() == "text"
    page.press("scff?/ ")
    assert page.one("#text").get_attribute("value") == "scff?/ "
    assert "Press Enter for the new words" in page.status()


def test_single_keys_can_be_switched_off(listed):
    page = listed
    page.one("#keys").send_keys(Keys.ENTER)
    page.one("#keys_on").send_keys(Keys.SPACE)
    page.press(Keys.ESCAPE)
    page.one(".row").click()
    page.press("f", "?")
    assert page.one("#favourites").text == "★ Favourites (0)"
    assert not page.one("#help").is_displayed()
    page.press(Keys.ARROW_DOWN)
    assert page.chosen() == page.names()[1]


def test_a_row_is_one_tab_stop(listed):
    page = listed
    names = page.names()
    page.one(".row").click()
    page.is_still()
    for name in names[:4]:
        assert page.chosen() == name
        page.press(Keys.TAB)
    assert page.chosen() == names[4]


def test_clicks_leave_the_keys_at_work(listed):
    page = listed
    row = page.all(".row")[2]
    row.find_element("css selector", ".favourite").click()
    assert page.chosen() == page.names()[2]
    page.press(Keys.ARROW_DOWN)
    assert page.chosen() == page.names()[3]


def test_what_was_folded_is_shown_with_its_times_and_played(page):
    page.one("#filter [name=fold]").click()
    page.one("#text").send_keys(CAPTIONS[0], Keys.ENTER)
    page.told(f"“{CAPTIONS[0]}”")
    folding = page.one(".row:has(.others:not([hidden]))")
    page.run("arguments[0].focus()", folding)
    page.press(Keys.ENTER)
    folded = page.all(".row.folded")
    told = folding.find_element("css selector", ".others").text
    assert told.startswith(f"{len(folded)} near-duplicate") and folded
    name = folded[0].find_element("css selector", ".name").text
    assert folded[0].find_element("css selector", ".when").text.startswith("0:0")
    page.press(Keys.ARROW_DOWN)
    assert page.chosen() == name
    page.plays()
    page.press(Keys.ARROW_UP, Keys.ENTER)
    assert page.all(".row.folded") == []


def test_copies_are_named(page):
    """Files of the same bytes are one sound."""
    page.search(CAPTIONS[0])
    page.run("document.getElementById('end').scrollIntoView()")
    page.wait(lambda: "40.wav" in page.names())
    row = page.row("40.wav")
    page.run("arguments[0].focus()", row)
    assert row.find_element("css selector", ".others").text == "1 copy"
    assert not row.find_element("css selector", ".copies").is_displayed()
    page.press(Keys.ENTER)
    assert row.find_element("css selector", ".copies").text.endswith("41.wav")


def violations(page) -> list[str]:
    """What axe-core finds against WCAG 2.1, A and AA."""
    pytest.importorskip("axe_core_python")
    files = importlib.resources.files("axe_core_python")
    page.run((files / "axe.min.js").read_text(encoding="utf-8"))
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
    found = page.browser.execute_async_script(
        "const done = arguments[1];"
        "axe.run({runOnly: arguments[0]}).then((found) => done(found.violations))",
        rules,
    )
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_against_wcag(scheme, size, page, page_index, tmp_path):
    page.look(scheme, SIZES[size])
    found = {"start": violations(page)}
    page.search(CAPTIONS[0])
    page.one(".row").click()
    page.press(Keys.ARROW_DOWN)
    page.plays()
    page.run("document.getElementById('filters').open = true")
    found["rows"] = violations(page)
    page.one("#as_grid").send_keys(Keys.ENTER)
    found["grid"] = violations(page)
    page.drop(page_index.parent / "sounds" / "wave.wav", "mine.wav")
    page.told("“mine.wav”")
    page.one("#tagging summary").click()
    page.one("#tag button").click()
    page.wait(lambda: page.all("#tags li"))
    found["example"] = violations(page)
    page.one(".row").send_keys("?")
    found["keys"] = violations(page)
    page.press(Keys.ESCAPE, "/", "!")
    page.told("Press Enter")
    found["stale"] = violations(page)
    (tmp_path / "notes.txt").write_text("no sound")
    page.drop(tmp_path / "notes.txt", "notes.txt")
    page.wait(lambda: page.one("#error").text)
    found["error"] = violations(page)
    page.one(".row").send_keys("f")
    page.one("#favourites").send_keys(Keys.ENTER)
    page.told("Favourites: 1 sound")
    found["favourites"] = violations(page)
    page.browser.get(f"{page.url}?text=rain&fold=true")
    page.told("“rain”")
    folding = page.one(".row:has(.others:not([hidden]))")
    folding.send_keys(Keys.ENTER)
    assert page.all(".row.folded")
    found["folded"] = violations(page)
    page.browser.get(f"{page.url}?text=rain&lowest=1")
    page.told("Nothing found")
    found["nothing"] = violations(page)
    page.browser.get_log("browser")  # the answer 415 is written there
    assert found == dict.fromkeys(found, [])


def test_what_is_told_of_a_row(listed):
    """By the tree that screen readers get."""
    page = listed
    tree = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    seen = [node for node in tree if not node.get("ignored")]

    def named(role):
        nodes = [node for node in seen if node["role"]["value"] == role]
        return [node.get("name", {}).get("value", "") for node in nodes]

    (grid,) = named("grid")
    assert grid == "Sounds found"
    rows = named("row")
    names = page.names()
    assert len(rows) == len(names)
    score = page.one(".row .number").text
    assert rows[0].startswith(f"1, {names[0]}, score {score}, 0:0")
    for role in ("button", "textbox", "combobox", "slider", "checkbox", "searchbox"):
        assert all(named(role)), role
    for what in ("Play", "Similar to", "Favourite:", "Copy the path of"):
        assert f"{what} {names[0]}" in named("button")


def test_a_control_has_room_and_an_edge(page):
    """24 pixels for a finger, and a border that is seen, 3 to 1."""
    page.search(CAPTIONS[0])
    script = """
    return [...document.querySelectorAll("button, input, select, summary, a")]
      .filter((e) => e.checkVisibility() && !e.closest(".file, h1"))
      .map((e) => [e.outerHTML.slice(0, 80), e.closest("label.check") ?? e])
      .map(([html, e]) => [html, e.getBoundingClientRect().height])
      .filter(([, height]) => height < 24)"""
    assert page.run(script) == []
    for scheme in ("light", "dark"):
        page.look(scheme, None)
        edge, back, card = page.run(
            "const style = getComputedStyle(document.getElementById('text'));"
            "return [style.borderTopColor,"
            " getComputedStyle(document.body).backgroundColor, style.backgroundColor]"
        )
        assert min(contrast(edge, back), contrast(edge, card)) >= 3, scheme
        box = page.one("#filter [type=checkbox]").rect
        assert box["width"] >= 20 and box["height"] >= 20


def contrast(one: str, other: str) -> float:
    """Of two colours, as WCAG 2 has it."""

    def luminance(colour):
        shares = [int(part) / 255 for part in colour[4:-1].split(",")]
        linear = [
            s / 12.92 if s <= 0.03928 else ((s + 0.055) / 1.055) ** 2.4 for s in shares
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
