"""Filters, addresses, further hits, and what the page says when something is wrong."""

from __future__ import annotations

import os
from urllib.parse import parse_qs, urlsplit

import pytest
from builders import CAPTIONS, SAMPLE_RATE
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from serving import NAMES, serving

from clap_sb.search import SearchIndex


def address(page) -> dict[str, str]:
    query = urlsplit(page.browser.current_url).query
    return {name: values[0] for name, values in parse_qs(query).items()}


def choose(page, name, text):
    """Takes the choice of a filter that begins with a text, once it is there."""

    def options():
        select = Select(page.one(f"#filter [name={name}]"))
        return [o.text for o in select.options if o.text.startswith(text)]

    found = page.wait(options)[0]
    Select(page.one(f"#filter [name={name}]")).select_by_visible_text(found)
    return found


def test_further_hits_come_as_one_scrolls(page, page_index):
    page.search(CAPTIONS[0])
    every = SearchIndex(page_index).num_sounds
    first = page.names()
    assert 30 <= len(first) < every, "all were asked for at once"
    page.run("window.scrollTo(0, document.body.scrollHeight)")
    page.wait(lambda: len(page.names()) == every)
    names = page.names()
    assert names[:30] == first[:30] and len(set(names)) == every
    assert [row.text for row in page.all(".rank")][-1] == str(every)
    # pictures that are far are let go of
    page.run("window.scrollTo(0, 0)")
    page.wait(lambda: len(page.all(".picture img[src]")) < 30)


def test_the_end_of_the_list_is_reached_by_keys(page, page_index):
    page.search(CAPTIONS[0])
    every = SearchIndex(page_index).num_sounds
    page.press(*[Keys.ARROW_DOWN] * 35)
    page.wait(lambda: len(page.names()) == every)
    assert page.chosen() in page.names()


def test_filters_tell_counts_and_are_in_the_address(page):
    page.search(CAPTIONS[0])
    # copies of a sound are one
    assert choose(page, "folder", "many") == "many (41)"
    page.told("the nearest of 41 of")
    assert choose(page, "folder", "deep") == "deep (1)"
    page.told("the nearest of 1 of")
    assert page.names() == ["long.flac"] and address(page)["folder"] == "deep"
    assert page.one("#filter_count").text == "(1 on)"
    Select(page.one("#filter [name=folder]")).select_by_index(0)
    page.told("sounds")
    assert choose(page, "format", "AIFF") == "AIFF (1)"
    page.wait(lambda: page.names() == ["old.aiff"])
    rate = choose(page, "rate", f"{SAMPLE_RATE / 1000:g} kHz")
    assert int(rate.partition("(")[2][:-1]) > 0
    page.wait(lambda: page.one("#reading").text == "")
    page.wait(lambda: "rate" in address(page) and page.names() == ["old.aiff"])
    page.one("#filter [name=lowest]").send_keys("1", Keys.ENTER)
    page.told("Nothing found")
    assert not page.one("#hits").is_displayed()
    page.one("#filter [type=reset]").click()
    page.wait(lambda: len(page.names()) >= 30)
    assert address(page) == {"text": CAPTIONS[0]}


def test_filters_hold_before_anything_is_looked_for(page, browser):
    choose(page, "folder", "many")
    page.told("30 of 41 sounds with these filters.")
    assert len(page.names()) == 30 and address(page) == {"folder": "many"}
    page.one("#filter [name=longest]").send_keys("0.5", Keys.ENTER)
    page.told("No sound is left by these filters.")
    browser.back()
    page.told("30 of 41 sounds")
    page.one("#text").send_keys(CAPTIONS[0], Keys.ENTER)
    page.told(f"“{CAPTIONS[0]}”: the nearest of 41 of")
    page.one("h1 a").click()
    page.told("Some of its sounds")
    assert len(page.names()) == 6


def test_words_are_left_out(page):
    page.search(CAPTIONS[0])
    scores = [score.text for score in page.all(".number")]
    page.one("#filter [name=without]").send_keys(CAPTIONS[3], Keys.ENTER)
    page.told(f"“{CAPTIONS[0]}” without “{CAPTIONS[3]}”")
    assert [score.text for score in page.all(".number")] != scores


def test_back_goes_back_to_what_was_chosen(page, browser):
    page.search(CAPTIONS[0])
    first = page.names()
    page.run("window.scrollTo(0, document.body.scrollHeight)")
    page.wait(lambda: len(page.names()) > 34)
    page.run("arguments[0].focus()", page.all(".row")[33])
    name = page.chosen()
    page.wait(lambda: "selected" in address(page))
    page.press("s")
    page.told(f"Similar to “{name}”")
    page.search(CAPTIONS[1])
    browser.back()
    page.told(f"Similar to “{name}”")
    assert page.one("#text").get_attribute("value") == ""
    browser.back()
    page.told(f"“{CAPTIONS[0]}”: the nearest")
    page.wait(lambda: page.chosen() == name)
    assert page.names()[:30] == first[:30]
    assert page.one("#text").get_attribute("value") == CAPTIONS[0]
    browser.forward()
    page.told(f"Similar to “{name}”")


def test_a_search_can_be_bookmarked(page, browser):
    page.search(CAPTIONS[0])
    choose(page, "folder", "many")
    page.told("of 41 of")
    page.run("arguments[0].focus()", page.all(".row")[2])
    name = page.chosen()
    page.wait(lambda: "selected" in address(page))
    kept, names = browser.current_url, page.names()
    assert browser.title == f"“{CAPTIONS[0]}” – Sound search"
    browser.get("about:blank")
    browser.get(kept)
    page.wait(lambda: page.names()[:30] == names[:30])
    page.wait(lambda: page.chosen() == name)
    select = Select(page.one("#filter [name=folder]"))
    page.wait(lambda: select.first_selected_option.get_attribute("value") == "many")


def test_an_example_comes_back_with_its_address(page, browser, page_index):
    page.drop(page_index.parent / "sounds" / "wave.wav", "mine.wav")
    page.told("“mine.wav”")
    names = page.names()
    page.search(CAPTIONS[0])
    assert page.one("#example").is_displayed()
    page.one("#remove").click()
    page.told(f"“{CAPTIONS[0]}”: the nearest")
    browser.back()
    page.told(f"“{CAPTIONS[0]}” with “mine.wav”")
    browser.back()
    page.told("“mine.wav”: the nearest")
    assert page.names() == names
    assert page.one("#example_name").text == "mine.wav"


def test_what_is_no_sound_is_told_by_its_name(page, browser, page_index, tmp_path):
    page.search(CAPTIONS[0])
    (tmp_path / "my notes.txt").write_text("no sound")
    page.one("#file").send_keys(str(tmp_path / "my notes.txt"))
    error = page.wait(lambda: page.one("#error").text)
    assert error.startswith("my notes.txt: cannot be decoded")
    assert "convert it to WAV or FLAC" in error and "ffmpeg" not in error
    assert page.status() == f"Still listed, from before: “{CAPTIONS[0]}”"
    assert page.one("#hits").get_attribute("aria-busy") == "true"
    grey = page.one(".picture")
    page.wait(lambda: grey.value_of_css_property("filter") == "grayscale(1)")
    page.search(CAPTIONS[1])
    assert page.one("#error").text == "" and page.run(
        "return document.getElementById('example').hidden"
    )
    assert page.one("#hits").get_attribute("aria-busy") == "false"
    browser.get_log("browser")  # the answer 415 is written there


def test_new_words_mark_the_old_hits(page):
    page.search(CAPTIONS[0])
    page.one("#text").send_keys(" loudly")
    page.told("Press Enter for the new words")
    assert f"Still listed: “{CAPTIONS[0]}”" in page.status()
    assert "stale" in page.one("#hits").get_attribute("class")
    page.press(*[Keys.BACKSPACE] * len(" loudly"))
    page.told(f"“{CAPTIONS[0]}”: the nearest of")
    assert "stale" not in page.one("#hits").get_attribute("class")


def test_a_server_that_is_gone_is_told_and_tried_again(
    page, browser, page_index, tmp_path
):
    with serving(page_index, tmp_path / "log") as url:
        browser.get(url)
        page.wait(page.names)
        page.search(CAPTIONS[0])
        names = page.names()
    page.one("#text").send_keys("!", Keys.ENTER)
    page.wait(lambda: "does not answer" in page.one("#error").text)
    assert "clap-sb serve" in page.one("#error").text
    assert page.status() == f"Still listed, from before: “{CAPTIONS[0]}”"
    page.press(Keys.ARROW_DOWN)
    page.wait(lambda: "cannot be played" in page.one("#note").text)
    port = str(urlsplit(url).port)
    with serving(page_index, tmp_path / "log2", "--port", port):
        page.one("#error button").click()
        page.told(f"“{CAPTIONS[0]}!”: the nearest")
        assert page.one("#error").text == "" and page.names()
        assert page.chosen() == page.names()[0] and names
    browser.get(page.url)
    browser.get_log("browser")  # that the connection was refused is written there


def test_a_sound_that_is_gone_is_told(page, browser, page_index):
    page.search(CAPTIONS[0])
    page.run("document.getElementById('end').scrollIntoView()")
    page.wait(lambda: "old.aiff" in page.names())
    path = page_index.parent / "sounds" / "old.aiff"
    path.rename(path.with_suffix(".moved"))
    try:
        page.run("arguments[0].focus()", page.row("old.aiff"))
        page.press(Keys.SPACE)
        page.wait(lambda: "old.aiff cannot be played" in page.one("#note").text)
        assert "clap-sb index" in page.one("#note").text
    finally:
        path.with_suffix(".moved").rename(path)
    browser.get_log("browser")  # the answer 404 is written there


@pytest.mark.parametrize("part", ["picture", "name"])
def test_a_sound_can_be_dragged_into_other_programs(part, page):
    page.search(CAPTIONS[0])
    kind, rest, given = page.run(
        """
        const given = new DataTransfer();
        const from = document.querySelector(arguments[0]);
        from.dispatchEvent(new DragEvent("dragstart",
          {dataTransfer: given, bubbles: true}));
        const offered = given.getData("DownloadURL");
        const [kind, ...rest] = offered.split(":");
        return [kind, rest.join(":"), given.getData("text/plain")]""",
        f".row .{part}",
    )
    name, _, link = rest.partition(":")
    first = page.names()[0]
    assert os.path.basename(given) == first and os.path.isfile(given)
    content = page.browser.execute_async_script(
        "const done = arguments[1];"
        "fetch(arguments[0]).then((a) => a.arrayBuffer()).then((bytes) => done("
        "  [bytes.byteLength, String.fromCharCode(...new Uint8Array(bytes, 0, 4))]))",
        link,
    )
    if part == "name":
        assert (kind, name) == ("application/octet-stream", first)
        assert content[0] == os.path.getsize(given)
    else:
        stem = first.rpartition(".")[0]
        assert kind == "audio/wav" and name.startswith(f"{stem} 0.0-")
        assert content[1] == "RIFF"


def test_the_views_of_all_formats_are_drawn(page):
    """Of each format, both pictures."""
    page.search(CAPTIONS[0])
    page.run("document.getElementById('end').scrollIntoView()")
    page.wait(lambda: {os.path.basename(name) for name in NAMES} <= {*page.names()})
    for name in map(os.path.basename, NAMES):
        image = page.row(name).find_element("css selector", "img")
        page.run("arguments[0].scrollIntoView({block: 'center'})", image)
        page.wait(
            lambda image=image: page.run(
                "return arguments[0].complete && arguments[0].naturalWidth > 10", image
            )
        )
