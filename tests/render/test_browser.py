"""The page in a real browser: from a file, offline, without a complaint."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from keiko_perf.model import Report
from keiko_perf.render import render

pytestmark = pytest.mark.browser


@pytest.fixture(params=["en", "de"])
def file(request: pytest.FixtureRequest, sample: Report, tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    file.write_text(render(sample, "html", lang=request.param), encoding="utf-8")
    return file


class _Opened:
    """A page, and all that it complained about or asked for."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_opens_from_a_file_without_a_complaint_or_a_request(
    browser: Browser, file: Path, scheme: str, width: int
) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    opened = _Opened(page, file)

    page.mouse.wheel(0, 100_000)
    for summary in page.query_selector_all("summary"):
        summary.click()

    assert opened.complaints == []
    assert opened.requests == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def test_the_scheme_of_the_reader_is_followed(browser: Browser, file: Path) -> None:
    backgrounds = set()
    for dark in (False, True):
        page = browser.new_page(color_scheme="dark" if dark else "light")
        _Opened(page, file)
        backgrounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()

    assert len(backgrounds) == 2


def test_one_click_selects_a_whole_statement(
    browser: Browser, file: Path, index_statement: str
) -> None:
    page = browser.new_page()
    _Opened(page, file)

    page.click("pre >> nth=0")

    assert page.evaluate("getSelection().toString()").strip() == index_statement
    page.close()


def test_letters_of_a_chart_keep_their_size_on_a_phone(browser: Browser, file: Path) -> None:
    for width in (390, 1400):
        page = browser.new_page(viewport={"width": width, "height": 900})
        _Opened(page, file)
        heights = page.evaluate(
            "[...document.querySelectorAll('.chart text')]"
            ".map(text => text.getBoundingClientRect().height).filter(height => height > 0)"
        )
        assert min(heights) > 10
        page.close()


def test_the_policy_stops_a_script_that_were_there(browser: Browser, file: Path) -> None:
    """The other tests would see nothing wrong if violations went unnoticed."""
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("<main", "<script>document.title = 1</script><main", 1))
    page = browser.new_page()
    opened = _Opened(page, file)

    assert any("Content Security Policy" in one for one in opened.complaints)
    assert page.title() != "1"
    page.close()
