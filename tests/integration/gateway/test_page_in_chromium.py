"""The page as a person uses it, in a real Chromium, against a gateway over fakes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.fakes_gateway import png
from tests.parts import Server, absent, free_port, wait_until

pytestmark = pytest.mark.slow
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
HOLD_THE_FIRST_ANSWER = """
const fetched = window.fetch;
window.fetch = async (address, how) => {
  const answer = await fetched(address, {...how, signal: undefined});
  if (!address.includes("/predict/")) return answer;
  const body = await answer.json();
  answer.json = async () => body;
  if (!window.release) await new Promise((done) => { window.release = done; });
  return answer;
};
"""


class Page:
    """The browser with the page open, and what the tests look for on it."""

    def __init__(self, browser: Chrome, url: str, folder: Path) -> None:
        self.browser, self.url, self.folder = browser, url, folder

    def open(self, width: int, height: int) -> None:
        self.browser.set_window_size(width, height)
        self.browser.get(self.url)
        wait_until(lambda: Select(self.one("#model")).options, what="models are listed")

    def read(self, path: str) -> None:
        """Go to another page of the gateway, and wait until it is whole."""
        self.browser.get(self.url + path)
        wait_until(lambda: self.all("#schemas h3") or self.errors(), what="the description is shown")

    def one(self, selector: str):  # type: ignore[no-untyped-def]
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[str]:
        """Return the texts of what *selector* finds, as they stand on the page."""
        script = "return [...document.querySelectorAll(arguments[0])].map((node) => node.textContent)"
        return list(self.browser.execute_script(script, selector))

    def give(self, *pictures: tuple[str, bytes]) -> None:
        for name, content in pictures:
            (self.folder / name).write_bytes(content)
        self.one("#files").send_keys("\n".join(str(self.folder / name) for name, _ in pictures))

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]

    def saved(self, button: str, name: str) -> bytes:
        self.one(f"#{button}").click()
        wait_until((self.folder / name).exists, what=f"{name} is saved")
        return (self.folder / name).read_bytes()


def start(folder: Path, **env: str) -> tuple[Server, str]:
    """Start a gateway over fakes; return it and its address."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "gunicorn", "-c", "python:tests.integration.gateway.fake_gunicorn_conf"]

    def ready() -> bool:
        try:
            return httpx.get(f"http://{address}/health/live", verify=False).status_code == 200
        except httpx.HTTPError:
            return False

    known = {"SERVOIR_GATEWAY_ADDRESS": address, "SERVOIR_GATEWAY_WORKERS": "1"}
    return Server(command, ready, folder / "log", {**known, **env}), f"http://{address}/"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server, address = start(tmp_path_factory.mktemp("gateway"))
    yield address
    server.stop()


@pytest.fixture
def page(url: str, tmp_path: Path) -> Iterator[Page]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        absent("no Chromium: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(driver))
    yield Page(browser, url, tmp_path)
    browser.quit()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (500, 844)])
def test_a_picture_shows_what_was_found_in_it(page: Page, width: int, height: int) -> None:
    page.open(width, height)

    page.give(("street.png", png(1920, 1080)))

    wait_until(lambda: page.all("figure rect"), what="the box is drawn")
    assert page.all("figure .tag") == ["bicycle 1.00"]
    assert page.all("#objects li span") == ["bicycle", "1.000"]
    assert "at the model" in page.all("#timings span")
    assert page.browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.errors() == []


def test_a_higher_score_hides_what_is_below_it(page: Page) -> None:
    page.open(1280, 800)
    page.give(("street.png", png(1920, 1080)))
    wait_until(lambda: page.all("figure rect"))

    page.one("#score").send_keys(Keys.END)

    assert page.all("figure rect") == []
    assert page.all("#objects .none") == ["Nothing found at this score."]


def test_arrow_keys_go_through_the_pictures(page: Page) -> None:
    page.open(1280, 800)
    page.give(("a.png", png(1920, 1080)), ("b.png", png(1920, 1080)))
    wait_until(lambda: page.all("#strip small") == ["1", "1"], what="both are answered")

    page.one("body").send_keys(Keys.ARROW_RIGHT)

    assert page.all("#title") == ["b.png"]


def test_a_picture_that_is_none_says_why(page: Page) -> None:
    page.open(1280, 800)

    page.give(("broken.png", b"no picture"))

    wait_until(lambda: "415" in page.all("#problem")[0], what="the problem is told")


def test_the_answer_is_saved_for_other_tools(page: Page) -> None:
    page.open(1280, 800)
    page.give(("street.png", png(1920, 1080)))
    wait_until(lambda: page.all("figure rect"))

    via = json.loads(page.saved("save-via", "servoir-via.json"))
    coco = json.loads(page.saved("save-coco", "servoir-coco.json"))
    picture = page.saved("save-picture", "street-annotated.png")

    assert [entry["filename"] for entry in via.values()] == ["street.png"]
    assert coco["annotations"][0]["bbox"] == [335, 426, 108, 332]
    assert coco["categories"] == [{"id": 1, "name": "bicycle"}]
    assert picture.startswith(b"\x89PNG")


def test_an_answer_that_comes_late_does_not_replace_that_of_a_later_question(page: Page) -> None:
    page.open(1280, 800)
    page.browser.execute_script(HOLD_THE_FIRST_ANSWER)
    page.give(("street.png", png(1920, 1080)))
    wait_until(lambda: page.browser.execute_script("return Boolean(window.release)"), what="the first answer is there")

    Select(page.one("#task")).select_by_value("polygon")
    wait_until(lambda: page.all("figure polygon"), what="the second is shown")
    page.browser.execute_async_script("release(); setTimeout(arguments[0])")

    assert len(page.all("figure polygon")) == 1


def test_the_area_of_a_polygon_is_its_own(page: Page) -> None:
    page.open(1280, 800)
    Select(page.one("#task")).select_by_value("polygon")
    page.give(("street.png", png(1920, 1080)))
    wait_until(lambda: page.all("figure polygon"))

    [annotation] = json.loads(page.saved("save-coco", "servoir-coco.json"))["annotations"]

    assert annotation["bbox"] == [335, 426, 108, 332]
    assert annotation["area"] == 108 * 332 / 2


def test_a_picture_that_the_browser_cannot_show_is_not_saved_and_says_so(page: Page) -> None:
    tiff = BytesIO()
    Image.new("RGB", (64, 48)).save(tiff, "TIFF")
    page.open(1280, 800)
    page.give(("scan.tif", tiff.getvalue()))
    wait_until(lambda: page.all("figure rect") and page.all("figure .unseen"), what="it is answered and not shown")

    page.one("#save-picture").click()

    wait_until(lambda: "cannot draw on scan.tif" in page.one("#status").text, what="the reason is told")
    assert page.errors() == []


def test_pictures_that_are_too_many_are_told_until_others_come(page: Page) -> None:
    page.open(1280, 800)

    page.give(*((f"{number}.png", png(8, 6)) for number in range(201)))
    wait_until(lambda: page.all("#strip small") == ["1"] * 200, what="all that are taken are answered")
    told = page.all("#status")
    page.give(("one-more.png", png(8, 6)))
    wait_until(lambda: page.all("#strip small") == ["1"] * 201, what="one more is answered")

    assert told == ["The first 200 of 201 pictures are taken."]
    assert page.all("#status") == [""]


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (500, 844)])
def test_the_description_to_read_has_every_operation(page: Page, width: int, height: int) -> None:
    paths = httpx.get(f"{page.url}openapi.json").json()["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    page.browser.set_window_size(width, height)

    page.read("docs")

    shown = page.browser.execute_script("return [...document.querySelectorAll('details')].map((node) => node.id)")
    assert sorted(shown) == sorted(operation["operationId"] for operation in operations)
    tags = page.all("#operations > h2")
    assert sorted(tags) == sorted({operation["tags"][0] for operation in operations})
    assert (tags[0], tags[-1]) == ("Vision API 3", "Vision API 2")
    assert page.browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.errors() == []


def test_the_snippets_ask_for_the_same(page: Page) -> None:
    page.open(1280, 800)

    assert f"{page.url}api/vision/v3/predict/bbox" in page.all("#curl")[0]
    assert f"{page.url}api/vision/v3/predict/bbox" in page.all("#python")[0]


def test_where_keys_are_asked_for_the_page_asks_for_one(page: Page, tmp_path: Path) -> None:
    server, page.url = start(tmp_path, SERVOIR_API_KEYS="on", SERVOIR_ADMIN_TOKEN="open-sesame")
    page.browser.get(page.url)
    wait_until(lambda: page.one("#key").is_displayed(), what="the page asks for a key")

    page.one("#key").send_keys("wrong", Keys.ENTER)
    wait_until(lambda: "unknown, wrong" in page.one("#status").text, what="a wrong one is told")
    page.one("#key").clear()
    page.one("#key").send_keys("open-sesame", Keys.ENTER)
    wait_until(lambda: Select(page.one("#model")).options, what="models are listed")
    page.give(("street.png", png(1920, 1080)))
    wait_until(lambda: page.all("figure rect"), what="the box is drawn")

    assert "$SERVOIR_API_KEY" in page.all("#curl")[0]
    assert "open-sesame" not in page.browser.page_source
    server.stop()
