"""The pages' files: small, in both languages, and nothing inline or foreign in them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path


async def test_the_pages_have_no_inline_script_style_or_foreign_address():
    folder = Path(__file__).parents[3] / "src/keiko_perf/monitoring/dashboard/page"
    pages = list(folder.glob("*.html"))
    names = {"dashboard.html", "door.html", "login.html", "overview.html"}
    assert {page.name for page in pages} == names
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(
            r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|//", text.split(">", 1)[1]
        )
    for file in folder.iterdir():
        if file.name.startswith("uPlot"):
            continue  # not ours; its author's address stands in its banner
        text = file.read_text(encoding="utf-8")
        found = set(re.findall(r"https?://[^\s\"']+", text)) - {"http://www.w3.org/2000/svg"}
        assert not found, file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_each_word_of_the_page_is_there_in_both_languages():
    folder = Path(__file__).parents[3] / "src/keiko_perf/monitoring/dashboard/page"
    text = (folder / "words.js").read_text(encoding="utf-8")
    english, german = text.split("const ENGLISH")[1].split("const GERMAN")
    keys = [set(re.findall(r'(\w+): "', part.split("\n};")[0])) for part in (english, german)]
    assert keys[0] == keys[1]
    used = {
        key
        for file in folder.glob("*.js")
        for key in re.findall(r'\bt\("(\w+)"', file.read_text(encoding="utf-8"))
    }
    assert used <= keys[0]


def test_the_whole_page_is_small():
    folder = Path(__file__).parents[3] / "src/keiko_perf/monitoring/dashboard/page"
    packed = sum(len(gzip.compress(file.read_bytes(), 9)) for file in folder.iterdir())
    assert packed < 80_000
