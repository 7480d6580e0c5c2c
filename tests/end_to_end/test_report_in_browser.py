"""The page of a result in a real browser: viewer, layers, sliders, crosshair, keyboard, printing; no request, no error.

Needs playwright and Chromium (`scripts/install_browser.sh`); the viewer's part also NiiVue, from the user's cache or
the network.
"""

import re
import shutil
import time

import numpy as np
import pytest
from phantom_brain import GRID, LESION_CENTER_MM, phantom_atlas, phantom_labels, radius_in, write_phantom_patient

from gliofield.nifti import write_volume
from gliofield.pipeline import PersonalizationSettings, personalize, read_case
from gliofield.report import write_result_folder
from gliofield.report.report_page import ViewerSource, write_report
from gliofield.report.viewer_library import OFFLINE_VARIABLE
from gliofield.volume import Volume

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: scripts/install_browser.sh"),
    pytest.mark.slow,
    pytest.mark.user_cache,
]
SOFTWARE = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SOFTWARE += ["--ignore-gpu-blocklist"]
SECONDS = 90


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A result with a posterior's maps and a target, without the viewer."""
    root = tmp_path_factory.mktemp("browser")
    case = read_case(write_phantom_patient(root / "P1", name="P1"))
    settings = PersonalizationSettings(registration="none")
    result = personalize(case, method="distance", atlas=phantom_atlas(), settings=settings)
    made = write_result_folder(result, root / "result", name="<script>$x$")
    (made / "posterior").mkdir()
    for name in ("std", "probability_flair", "probability_t1gd"):
        write_volume(made / "posterior" / f"{name}_patient.nii.gz", result.density_patient)
    (made / "targets").mkdir()
    target = radius_in(GRID, LESION_CENTER_MM, 30.0) < 1
    write_volume(made / "targets" / "a.nii.gz", Volume(target, GRID))
    (made / "targets.json").write_text(
        '{"targets": [{"name": "CTV", "file": "a.nii.gz", "kind": "margin", "description": "d", "volume_ml": 113.1}]}'
    )
    write_report(made)
    return made


@pytest.fixture(scope="module")
def page_with_viewer(folder, tmp_path_factory):
    """The same with NiiVue in it; skips where that cannot be had."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OFFLINE_VARIABLE, raising=False)
        patch.delenv("GLIOFIELD_CACHE_DIR", raising=False)
        viewer = ViewerSource.fetched()
    if viewer.script is None:
        pytest.skip(f"the viewer cannot be had: {viewer.reason}")
    copy = shutil.copytree(folder, tmp_path_factory.mktemp("viewer") / "R")
    return write_report(copy, viewer=viewer)


@pytest.fixture(scope="module")
def playwright():
    with sync_api.sync_playwright() as made:
        yield made


@pytest.fixture(scope="module")
def chromium(playwright):
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def without_webgl(playwright):
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-3d-apis"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield browser
    browser.close()


def opened(browser, path, **context):
    """The page, and what went wrong or over the network meanwhile."""
    page = browser.new_context(**{"viewport": {"width": 900, "height": 700}, **context}).new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith("file:") else None)
    page.goto(path.as_uri())
    return page, wrong


def wait_until(page, condition):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if page.evaluate(condition):
            return
        time.sleep(0.1)
    pytest.fail(f"after {SECONDS} s it is not so: {condition}")


def pixels(page):
    """The canvas as the user sees it."""
    import io

    from PIL import Image

    page.wait_for_timeout(300)
    picture = Image.open(io.BytesIO(page.locator("#canvas").screenshot(timeout=SECONDS * 1000)))
    return np.asarray(picture.convert("RGB"), dtype=int)


def test_the_viewer_can_be_driven(chromium, page_with_viewer):
    """Layers, opacity, threshold, colors, planes, crosshair by keys and mouse, sides; nothing fails or is asked for."""
    page, wrong = opened(chromium, page_with_viewer)
    wait_until(page, "document.documentElement.dataset.viewer === 'ready'")
    reading = page.locator("#reading")
    assert re.match(r"x -?\d+\.\d, y -?\d+\.\d, z -?\d+\.\d mm: tumor-cell density 0\.\d\d", reading.inner_text())
    density = page.locator(".layer", has_text="tumor-cell density")

    first = pixels(page)
    density.locator(".shown").uncheck()
    hidden = pixels(page)
    density.locator(".shown").check()
    shown = pixels(page)
    assert np.abs(first - hidden).mean() > 0.3
    assert np.abs(first - shown).mean() < 0.05
    for control, value in ((".opacity", "20"), (".threshold", "0.5")):
        density.locator(control).fill(value)
        changed = pixels(page)
        assert np.abs(changed - shown).mean() > 0.1, control
    assert density.locator("output").inner_text() == "0.50"
    density.locator(".threshold").fill("0")
    density.locator(".opacity").fill("60")
    density.locator(".colors").select_option("viridis")
    assert np.abs(pixels(page) - shown).mean() > 0.1
    target = page.locator(".layer", has_text="target CTV")
    before = pixels(page)
    target.locator(".shown").check()
    assert np.abs(pixels(page) - before).mean() > 0.02

    before = reading.inner_text()
    page.locator("#canvas").focus()
    page.keyboard.press("PageUp")
    above = reading.inner_text()
    assert float(re.search(r"z (\S+) mm", above)[1]) - float(re.search(r"z (\S+) mm", before)[1]) == pytest.approx(4.0)
    page.keyboard.press("ArrowLeft")
    left = float(re.search(r"x (\S+),", reading.inner_text())[1]) - float(re.search(r"x (\S+),", above)[1])
    assert left == pytest.approx(
        4.0
    )  # the patient's right is on the left, so a step to the left is one to... the right

    for name in ("Axial", "Coronal", "Sagittal", "Volume", "Three planes and volume"):
        page.get_by_role("button", name=name, exact=True).click()
        assert pixels(page).max() > 100, name
        assert page.locator("[aria-pressed=true][data-view]").count() == 1
    before = reading.inner_text()
    box = page.locator("#canvas").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * 0.2)
    assert reading.inner_text() != before
    page.get_by_role("button", name="Radiological view").click()
    assert page.locator("#side").inner_text() == "Neurological view"
    assert pixels(page).max() > 100
    assert wrong == []


def test_a_browser_without_webgl_has_the_planes_and_a_reason(without_webgl, page_with_viewer):
    """The viewer hides itself; nothing else is missing."""
    page, wrong = opened(without_webgl, page_with_viewer)
    wait_until(page, "document.documentElement.dataset.viewer === 'absent'")

    assert "this browser has no WebGL 2" in page.locator("#viewer-note").inner_text()
    assert not page.locator("#viewer").is_visible()
    assert page.locator(".planes svg[role=img]").first.is_visible()
    assert [each for each in wrong if "WebGL" not in each] == []


def test_the_planes_are_mirrored_with_their_letters(without_webgl, folder):
    """Axial and coronal planes turn, the sagittal one does not."""
    page, wrong = opened(without_webgl, folder / "report.html")
    letters = "all => all.map(each => each.textContent)"
    assert page.locator("#planes .left").evaluate_all(letters)[:3] == ["R", "R", "A"]

    page.get_by_role("button", name="Radiological view").click()

    assert page.locator("#planes .left").evaluate_all(letters)[:3] == ["L", "L", "A"]
    turned = "each => getComputedStyle(each).transform"
    assert page.locator("g.turns").first.evaluate(turned).startswith("matrix(-1, 0, 0, 1, ")
    assert page.locator("g.stays").first.evaluate(turned) == "none"
    assert wrong == []


def test_the_atlas_slides_and_flickers_over_the_patient(without_webgl, folder):
    """By a slider, and by a button that says whether it is on."""
    page, wrong = opened(without_webgl, folder / "report.html")
    opacity = "Number(getComputedStyle(document.querySelector('.over')).opacity)"

    page.locator("#mix").fill("100")
    wait_until(page, f"{opacity} > 0.99")
    page.get_by_role("button", name="Flicker").click()
    assert page.locator("#flicker").get_attribute("aria-pressed") == "true"
    wait_until(page, f"{opacity} < 0.01")
    page.get_by_role("button", name="Flicker").click()
    page.locator("#outlines").uncheck()
    assert not page.locator(".registration .line").first.is_visible()
    assert wrong == []


def test_all_can_be_reached_by_the_keyboard_and_has_a_name(without_webgl, folder):
    """Tab goes through the controls; each picture and control says what it is."""
    page, _ = opened(without_webgl, folder / "report.html")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"side", "theme", "print", "mix", "flicker", "outlines", "SUMMARY"} <= set(reached)
    assert page.locator("svg[role=img]:not([aria-label])").count() == 0
    unnamed = "all => all.filter(e => !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).length"
    assert page.locator("input, button, select").evaluate_all(unnamed) == 0


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_in_any_theme_and_width(without_webgl, folder, width, scheme):
    """No sideways scrolling; text has contrast to its ground; a name is text."""
    page, wrong = opened(
        without_webgl, folder / "report.html", viewport={"width": width, "height": 800}, color_scheme=scheme
    )

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").inner_text() == "<script>$x$"
    colors = "each => [getComputedStyle(each).color, getComputedStyle(document.body).backgroundColor]"
    ink, ground = (
        np.array([int(number) for number in re.findall(r"\d+", text)[:3]]).mean()
        for text in page.locator("main p").first.evaluate(colors)
    )
    assert abs(ink - ground) > 80
    assert wrong == []


@pytest.mark.parametrize("has_posterior", [True, False])
def test_the_printed_page_has_two_sides(without_webgl, folder, tmp_path, has_posterior):
    """A4, with the still pictures and without controls."""
    copy = shutil.copytree(folder, tmp_path / "R")
    if not has_posterior:
        shutil.rmtree(copy / "posterior")
        write_report(copy)
    page, _ = opened(without_webgl, copy / "report.html")

    printed = page.pdf(prefer_css_page_size=True, print_background=True)

    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2


@pytest.mark.parametrize("radius_mm", [3.0, 36.0])
def test_small_and_large_tumors_have_a_page(without_webgl, tmp_path, radius_mm):
    """0.1 ml, and 200 ml; the first without a core, without FLAIR."""
    labels = phantom_labels()
    ball = radius_in(GRID, LESION_CENTER_MM, radius_mm) < 1
    labels.data[:] = np.where(ball & (phantom_atlas().tissue_maps.brain), 2, 0)
    patient = write_phantom_patient(tmp_path / "P", labels=labels)
    next(patient.glob("*flair*"), next(patient.glob("*t2f*"), patient)).unlink()
    result = personalize(
        read_case(patient, scheme="brats2023"),
        method="distance",
        atlas=phantom_atlas(),
        settings=PersonalizationSettings(registration="none"),
    )
    folder = write_result_folder(result, tmp_path / "R", name="P")
    page, wrong = opened(without_webgl, folder / "report.html")

    assert page.locator("#planes svg[role=img]").count() == 6
    assert page.locator("header.verdict").is_visible()
    assert wrong == []
