"""Look at a report of `skmmrr score` in headless Chromium, as a person would use it.

Needs chromium and chromedriver. It moves the threshold, filters, sorts and enlarges, and checks
what the page shows after each against the scores in it; and that the page loads nothing, says no
error, and is no wider than a phone.
"""

import argparse
import base64
import json
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PORT = 9517
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
]
SIZES = {"desktop": (1440, 1000), "phone": (390, 844)}


class Browser:
    """What is needed of the WebDriver protocol, https://www.w3.org/TR/webdriver2/."""

    def __init__(self, session: str) -> None:
        self.session = session

    def call(self, method: str, command: str, **body: Any) -> Any:
        """Run a command of the session."""
        return request(method, f"/session/{self.session}{command}", body)

    def run(self, script: str, *values: Any) -> Any:
        """Run a script in the page, and return what it does."""
        return self.call("POST", "/execute/sync", script=script, args=list(values))

    def devtools(self, command: str, **params: Any) -> Any:
        """Run a command of Chromium's developer tools."""
        return self.call("POST", "/goog/cdp/execute", cmd=command, params=params)

    def save_screenshot(self, path: Path) -> None:
        """Write what the window shows."""
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))


def request(method: str, command: str, body: Any) -> Any:
    """Ask chromedriver."""
    data = json.dumps(body).encode() if method == "POST" else None
    sent = urllib.request.Request(f"http://127.0.0.1:{PORT}{command}", data, method=method)
    try:
        with urllib.request.urlopen(sent) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode()) from error


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium with a profile of its own, and end it."""
    with tempfile.TemporaryDirectory() as profile:
        driver = subprocess.Popen(["chromedriver", f"--port={PORT}"], stdout=subprocess.PIPE)
        assert driver.stdout is not None
        while b"started successfully" not in driver.stdout.readline():
            pass
        wanted = {
            "goog:chromeOptions": {"args": [*FLAGS, f"--user-data-dir={profile}"]},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        try:
            answer = request("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            opened = Browser(answer["sessionId"])
            try:
                yield opened
            finally:
                opened.call("DELETE", "")
        finally:
            driver.terminate()
            driver.wait()


SHOWN = """return Array.from(document.querySelectorAll(".card"), (card) => ({
  score: Number(card.dataset.score), kind: card.dataset.kind, truth: card.dataset.truth,
  verdict: card.querySelector(".verdict").textContent,
  boxes: Array.from(card.querySelectorAll("svg"), (e) => getComputedStyle(e).display)
    .some((display) => display !== "none"),
}))"""
SLIDE = """const slider = document.getElementById("threshold");
slider.value = arguments[0]; slider.dispatchEvent(new Event("input"));
return Number(document.getElementById("value").textContent)"""
CHOOSE = """const list = document.getElementById(arguments[0]);
list.value = arguments[1]; list.dispatchEvent(new Event("change"))"""
COUNTED = "return Number(document.querySelector('#kinds tbody tr:last-child').cells[2].textContent)"
PRESS = "document.querySelector(arguments[0]).click()"
VERDICTS = {
    "abnormal": ("missed", "found"),
    "normal": ("passed", "false alarm"),
    "": ("normal", "abnormal"),
}


def check_threshold(page: Browser) -> None:
    """Pictures are labelled by the threshold wherever it is, and the table counts them."""
    fitted = page.run("return Number(document.getElementById('threshold').dataset.threshold)")
    for place in (None, 0, 300, 700, 1000):
        threshold = fitted if place is None else page.run(SLIDE, place)
        cards = page.run(SHOWN)
        for card in cards:
            distance = abs(card["score"] - threshold) / abs(threshold)
            if distance > 1e-4:  # what is shown of the threshold is rounded
                expected = VERDICTS[card["truth"]][card["score"] > threshold]
                assert card["verdict"] == expected, (card, threshold)
            assert not (card["boxes"] and card["verdict"] in ("passed", "missed", "normal")), card
        verdicts = [card["verdict"] for card in cards]
        abnormal = sum(verdicts.count(v) for v in ("found", "false alarm", "abnormal"))
        counted = page.run(COUNTED)
        assert abnormal == counted, (abnormal, counted)
    page.run(PRESS, "#reset")
    assert page.run("return document.getElementById('reset').hidden")


def check_order_and_filters(page: Browser) -> None:
    """Orders are orders, and a filter leaves its own."""
    everything = page.run(SHOWN)
    for order, sign in (("abnormal", -1), ("normal", 1)):
        page.run(CHOOSE, "order", order)
        scores = [sign * card["score"] for card in page.run(SHOWN)]
        assert scores == sorted(scores), order
    for kind in {card["kind"] for card in everything}:
        page.run(CHOOSE, "kind", kind)
        assert len(page.run(SHOWN)) == sum(card["kind"] == kind for card in everything)
    page.run(CHOOSE, "kind", "")
    for verdict in ("found", "missed", "false", "passed"):
        if page.run(
            "return !!document.querySelector(arguments[0])", f"#verdicts [value={verdict}]"
        ):
            page.run(PRESS, f"#verdicts [value={verdict}]")
            expected = sum(card["verdict"].startswith(verdict) for card in everything)
            assert len(page.run(SHOWN)) == expected, verdict
    page.run(PRESS, "#verdicts [value='']")
    page.run(CHOOSE, "order", "abnormal")


def check_zoom(page: Browser, screenshot: Path | None) -> None:
    """A picture opens, grows, gives way to the next, and closes."""
    page.run(PRESS, ".card .view")
    width = "return document.getElementById('zoomed').getBoundingClientRect().width"
    name = "return document.getElementById('zoom-name').textContent"
    small, first = page.run(width), page.run(name)
    if screenshot is not None:
        page.save_screenshot(screenshot)
    page.run(PRESS, "[data-do=larger]")
    assert page.run(width) > 1.4 * small
    page.run(PRESS, "[data-do=next]")
    assert page.run(name) != first
    page.run(PRESS, "[data-do=close]")
    assert not page.run("return document.getElementById('zoom').open")


def check_quiet(page: Browser) -> None:
    """The page loads nothing but itself, and says nothing."""
    errors = page.call("POST", "/se/log", type="browser")
    assert not errors, errors
    events = [
        json.loads(e["message"])["message"]
        for e in page.call("POST", "/se/log", type="performance")
    ]
    asked = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    own = ("file:", "data:", "chrome:")  # the last is the empty tab at the start
    assert all(url.startswith(own) for url in asked), asked
    assert sum(url.startswith("file:") for url in asked) == len(SIZES) * 2, asked


def main() -> None:
    """Check a report at every size, light and dark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="file of skmmrr score or evaluate")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="of screenshots")
    arguments = parser.parse_args()
    with browser() as page:
        for name, (width, height) in SIZES.items():
            phone = name == "phone"
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
            page.devtools("Emulation.setDeviceMetricsOverride", **metrics)
            for scheme in ("light", "dark"):
                feature = {"name": "prefers-color-scheme", "value": scheme}
                page.devtools("Emulation.setEmulatedMedia", features=[feature])
                page.call("POST", "/url", url=arguments.report.absolute().as_uri())
                shots = arguments.out
                if shots is not None:
                    page.save_screenshot(shots / f"{name}_{scheme}.png")
                check_threshold(page)
                check_order_and_filters(page)
                check_zoom(page, shots and shots / f"{name}_{scheme}_zoom.png")
                assert page.run("return document.documentElement.scrollWidth") <= width
                print(f"{name}, {scheme}: fine")
        check_quiet(page)


if __name__ == "__main__":
    main()
