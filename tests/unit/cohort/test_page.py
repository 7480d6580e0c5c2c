"""The page of a cohort: its values without a browser, and sorting, filtering and opening in one."""

import os
import re
import shutil

import pytest
from cohort_phantoms import write_result

from gliofield.cohort.page import page_of, write_page

VERDICTS = ("no-concern", "check", "do-not-use")


@pytest.fixture
def cohort(tmp_path):
    """Rows of ten patients, one of them far off, and two failures with text that is no HTML; a picture for each."""
    import matplotlib.image

    rows = []
    for number in range(10):
        folder = f"patients/p{number}"
        write_result(tmp_path / folder)
        matplotlib.image.imsave(tmp_path / folder / "overview.png", [[[0.1 * number] * 3] * 40] * 20)
        rows.append(
            {
                "patient": f"p{number}",
                "status": "done",
                "verdict": VERDICTS[number % 3],
                "concerns": "cavity" if number == 4 else "",
                "dice_flair": 0.2 if number == 7 else 0.8 + 0.01 * number,
                "core_ml": [3, 20, 100, 4, 5, 6, 7, 8, 9, None][number],
                "folder": folder,
            }
        )
    rows.append({"patient": "<b>bad</b>", "status": "failed", "kind": "ImageError", "reason": "a < b & c"})
    rows.append({"patient": "late", "status": "missing"})
    (tmp_path / "patients" / "p3" / "report.html").write_text("<title>report of p3</title>")
    write_page(tmp_path / "cohort.html", rows, tmp_path)
    return rows, tmp_path


def test_the_page_needs_nothing_but_itself(cohort):
    """No address of another place; pictures are inside."""
    text = page_of(*cohort)

    assert re.findall(r"(?:src|href)=\"(?!data:|patients/|cohort\.tsv)", text) == []
    assert "http" not in text
    assert text.count("data:image/jpeg;base64,") == 10
    assert "For research use only; not a medical\ndevice." in text


def test_failures_are_told_and_texts_are_no_html(cohort):
    """Whatever a folder is called."""
    text = page_of(*cohort)

    assert "<b>bad" not in text
    assert "&lt;b&gt;bad&lt;/b&gt;" in text
    assert "a &lt; b &amp; c" in text
    assert "10 done" in text
    assert "1 missing" in text


def test_outliers_come_first_with_what_is_odd(cohort):
    """Then the others, in order."""
    text = page_of(*cohort)
    names = re.findall(r'<tr data-verdict="[^"]*" class="[^"]*"><td data-value="(\w+)"', text)

    assert names == ["p7", *(f"p{number}" for number in range(10) if number != 7)]
    assert "Dice of the whole tumor before correction: 0.2" in text


def test_links_lead_to_the_best_there_is(cohort):
    """A report where there is one, else the picture."""
    text = page_of(*cohort)

    assert 'href="patients/p3/report.html"' in text
    assert 'href="patients/p4/overview.png"' in text


@pytest.fixture
def browser():
    """Chromium without a window, or a skip that says what is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra dev)")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs chromium: install it, or name it by CHROMIUM")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def test_a_reader_sorts_filters_and_opens(cohort, browser):
    """In a browser, from the disk, without an error on its console."""
    _, folder = cohort
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((folder / "cohort.html").as_uri())
    rows = page.locator("#patients tbody tr:not([hidden])")

    def column(place):
        return [text.strip() for text in rows.locator(f"td:nth-child({place})").all_inner_texts()]

    assert column(1)[0] == "p7"
    page.get_by_role("columnheader", name="core [ml]").click()
    assert column(4) == ["3.0", "4.0", "5.0", "6.0", "7.0", "8.0", "9.0", "20.0", "100.0", "–"]
    page.get_by_role("columnheader", name="core [ml]").click()
    assert column(4)[:2] == ["100.0", "20.0"]
    assert column(4)[-1] == "–"
    page.get_by_label("Verdict").select_option("check")
    assert sorted(column(1)) == ["p1", "p4", "p7"]
    page.get_by_label("Show").fill("cavity")
    assert column(1) == ["p4"]
    assert page.get_by_role("status").inner_text() == "1 of 10"
    page.get_by_label("Show").fill("p3")
    page.get_by_label("Verdict").select_option("")
    page.get_by_role("link", name="p3").click()
    assert page.title() == "report of p3"
    assert errors == []
