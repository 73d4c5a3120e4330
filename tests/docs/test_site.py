"""The documentation, built with warnings as errors and read in a headless browser."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urldefrag

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "docs" / "_build" / "html"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = "background-networking", "component-update", "gpu", "sync"
ARGUMENTS = [
    *(f"--disable-{one}" for one in QUIET),
    "--no-first-run",
    "--no-sandbox",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
WITHOUT_TITLE = "genindex.html", "py-modindex.html", "search.html"
DRAWN = "!window.MathJax?.startup || MathJax.startup.promise.then(() => true)"
LOOK = """() => ({
  h1: document.querySelectorAll('h1').length,
  blank: [...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src),
  math: document.querySelectorAll('.math').length,
  drawn: document.querySelectorAll('mjx-container svg').length,
  wrong: [...document.querySelectorAll('[data-mjx-error]')].map(e => e.dataset.mjxError),
  links: [...document.querySelectorAll('a[href]')].map(a => a.href),
  ids: [...document.querySelectorAll('[id]')].map(e => e.id),
})"""


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def browser():
    reason = "playwright is not installed"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@pytest.fixture(scope="module")
def site(browser):
    """Address of the site, whose pages are brought up to date first."""
    if not all(map(find_spec, ("sphinx", "myst_nb", "sphinx_gallery", "sphinx_click", "furo"))):
        pytest.skip("the docs extra is not installed")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    run = subprocess.run(
        [*command, ROOT / "docs", SITE], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-4000:]
    handler = functools.partial(Silent, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(browser):
    """A page; no error may have appeared on its console, and no request failed, in the end."""
    opened, troubles = browser.new_page(), []
    opened.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("requestfailed", lambda r: troubles.append(r.url) if _failed(r) else None)
    opened.on("response", lambda r: troubles.append(r.url) if r.status >= 400 else None)
    yield opened
    opened.close()
    assert not troubles


def _failed(request):
    # What a page still asks for when the next one is opened is given up, and that is no fault.
    return "ERR_ABORTED" not in (request.failure or "")


def test_every_page_shows_what_it_should(page, site):
    files = [path for path in SITE.rglob("*.html") if "_static" not in path.parts]
    seen = {}
    for url in sorted(site + path.relative_to(SITE).as_posix() for path in files):
        page.goto(url)
        page.wait_for_function(DRAWN)
        look = seen[url] = page.evaluate(LOOK)
        assert look["h1"] == 1 or url.endswith(WITHOUT_TITLE), url
        assert not look["blank"], (url, look["blank"])
        assert not look["wrong"], (url, look["wrong"])
        assert look["drawn"] >= look["math"], url
    assert len(seen) >= 25
    assert sum(look["math"] for look in seen.values()) > 20
    assert not broken_links(seen, site)


def broken_links(seen, site):
    """Pages with links within the site whose file or anchor does not exist."""
    links = [(url, *urldefrag(link)) for url, look in seen.items() for link in look["links"]]
    broken = []
    for url, target, anchor in links:
        if target.startswith(site):
            page = target.split("?")[0] + ("index.html" if target.endswith("/") else "")
            exists = (SITE / page.removeprefix(site)).is_file()
            if not exists or (anchor and anchor not in seen.get(page, {"ids": [anchor]})["ids"]):
                broken.append((url, f"{target}#{anchor}"))
    return broken


@pytest.mark.parametrize("word", ["drift", "fit_selection", "certify"])
def test_search_finds(page, site, word):
    page.goto(f"{site}search.html?q={word}")
    page.wait_for_selector("#search-results li a", timeout=20_000)
    assert page.locator("#search-results li").count() >= 2
