"""The report: one file that loads nothing, has every picture, and says of each what is true."""

import base64
import hashlib
import io
import os
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from skmmrr.baselines import KDEDetector
from skmmrr.inspection import PictureDetector, write_report

from .brightness import Brightness

VOID = {"meta", "img", "input", "br"}


class Page(HTMLParser):
    """Elements of a page with their attributes and texts; unbalanced tags are an error."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.open = [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names)
        self.elements.append((tag, dict(attrs), [*self.open], []))
        if tag not in VOID:
            self.open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), [*self.open], []))

    def handle_endtag(self, tag):
        assert self.elements[self.open.pop()][0] == tag

    def handle_data(self, data):
        for i in self.open:
            self.elements[i][3].append(data)

    def find(self, tag, **wanted):
        """Attributes and texts of elements."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [
            (attributes, "".join(text))
            for name, attributes, _, text in self.elements
            if name == tag and wanted.items() <= attributes.items()
        ]

    def cards(self):
        """Attributes of each card, and all that is in it."""
        cards = [i for i, e in enumerate(self.elements) if e[1].get("class", "").startswith("card")]
        return [
            (self.elements[i][1], [e for e in self.elements if i in e[2]], self.elements[i][3])
            for i in cards
        ]


@pytest.fixture
def model(draw):
    paths = [draw(f"learned/{i:02}.png") for i in range(20)]
    return PictureDetector(Brightness(), random_state=0).fit(paths)


@pytest.fixture
def folder(draw, tmp_path):
    for i in range(30):
        draw(f"new/good/{i:02}.png")
        draw(f"new/spot/{i:02}.png", defect=np.s_[4:9, 10:16])
    (tmp_path / "new" / "notes.txt").write_text("no picture")
    return tmp_path / "new"


@pytest.fixture
def page(model, folder, tmp_path):
    write_report(model, folder, tmp_path / "report.html")
    return Page(tmp_path / "report.html")


def test_all_pictures_are_there_the_most_abnormal_first(page, model, folder):
    cards = page.cards()
    paths = [*(folder / "good").iterdir(), *(folder / "spot").iterdir()]
    scores = -model.score_samples(paths)
    assert len(cards) == 60
    assert [float(card["data-score"]) for card, *_ in cards] == sorted(scores, reverse=True)
    assert {card["data-kind"] for card, *_ in cards} == {"good", "spot"}


def test_it_loads_nothing_and_runs_nothing_but_its_own(page):
    sources = [a["src"] for _, a, *_ in page.elements if "src" in a]
    assert len(sources) >= 60
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert not [tag for tag, *_ in page.elements if tag in ("link", "iframe", "object", "form")]
    assert not [a for _, a, *_ in page.elements if any(n.startswith("on") for n in a)]
    assert not [a for _, a, *_ in page.elements if "style" in a]  # the policy would block them
    (policy, _), *_ = page.find("meta", http_equiv="Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        ((_, text),) = page.find(tag)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_kinds_tell_what_is_found_missed_and_false(page, model):
    threshold = -model.offset_
    names = {
        ("abnormal", True): "found",
        ("abnormal", False): "missed",
        ("normal", True): "false alarm",
        ("normal", False): "passed",
    }
    for card, inside, _ in page.cards():
        assert card["data-truth"] == {"spot": "abnormal", "good": "normal"}[card["data-kind"]]
        (verdict,) = ["".join(e[3]) for e in inside if e[1].get("class", "").startswith("verdict")]
        assert verdict == names[card["data-truth"], float(card["data-score"]) > threshold]
    rows = page.find("tr", data_kind="spot")
    assert re.search(r"spot\s*30\s*30\s*0", rows[0][1])


def test_boxes_are_where_the_defects_are(page):
    boxed = {"good": 0, "spot": 0}
    for card, inside, _ in page.cards():
        rects = [a for tag, a, *_ in inside if tag == "rect"]
        boxed[card["data-kind"]] += bool(rects)
        if card["data-kind"] == "spot":
            x, y, width, height = (int(rects[0][n]) for n in ("x", "y", "width", "height"))
            assert x <= 10 < 16 <= x + width <= 20
            assert y <= 4 < 9 <= y + height <= 13
    assert boxed["spot"] == 30
    assert boxed["good"] <= 6


def test_usual_maps_take_no_room(page):
    layers = {"good": [], "spot": []}
    for card, inside, _ in page.cards():
        found = [a["src"] for tag, a, *_ in inside if tag == "img" and a.get("class") == "map"]
        layers[card["data-kind"]] += found
    content = base64.b64decode(layers["spot"][0].partition(",")[2])
    with Image.open(io.BytesIO(content)) as layer:
        opacity = np.asarray(layer.convert("RGBA"))[..., 3]
    assert opacity[4:9, 10:16].min() > 60
    assert np.median(opacity) == 0


def test_links_lead_to_the_files(page, folder, tmp_path):
    for card, inside, _ in page.cards():
        ((link, *_),) = [(a, *rest) for tag, a, *rest in inside if tag == "a"]
        path = tmp_path / unquote(link["href"])
        assert path.is_file()
        assert path.parent.name == card["data-kind"]


def test_skipped_files_have_their_errors(page):
    ((_, text),) = page.find("details")
    assert "notes.txt" in text
    assert "extension" in text


def test_no_name_is_more_than_a_text(model, draw, tmp_path):
    """Whatever it has: markup, quotes, a scheme, a query, or bytes that are no text."""
    names = [
        "<img src=x onerror=alert(1)>.png",
        '"><script>alert(1)<.png',
        "javascript:alert(1).png",
        "a?b#c%41&amp;.png",
        "$title ${style}.png",
        "new\nline.png",
        os.fsdecode(b"caf\xe9.png"),
    ]
    for i, name in enumerate(names):
        draw(f"bad/{i}.png").rename(tmp_path / "bad" / name)
    kind = tmp_path / "bad" / 'x" onclick="alert(1)\' <b>'
    draw("bad/8.png").rename((kind.mkdir() or kind) / "8.png")
    write_report(model, tmp_path / "bad", tmp_path / "page.html", title="<script>$title</script>")
    page = Page(tmp_path / "page.html")
    assert len(page.cards()) == 8
    assert len(page.find("script")) == 1
    assert not [a for _, a, *_ in page.elements if any(n.startswith("on") for n in a)]
    assert not page.find("b")
    assert page.find("h1")[0][1] == "<script>$title</script>"
    assert kind.name in {card["data-kind"] for card, *_ in page.cards()}
    links = [a["href"] for tag, a, *_ in page.elements if tag == "a" and "href" in a]
    assert all(link.startswith("bad/") for link in links)
    assert not any(set(link) & set(":?#<>\"'") for link in links)
    texts = "".join("".join(card[2]) for card in page.cards())
    for name in ("<img src=x onerror", "$title ${style}", r"new\nline", r"caf\udce9"):
        assert name in texts


def test_a_folder_without_kinds_tells_normal_from_abnormal(model, draw, tmp_path):
    draw("plain/a.png")
    draw("plain/b.png", defect=np.s_[:9, :9])
    write_report(model, tmp_path / "plain", tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    assert [card["data-truth"] for card, *_ in page.cards()] == ["", ""]
    verdicts = [page.find("span", class_=f"verdict {name}") for name in ("abnormal", "normal")]
    assert [[text for _, text in found] for found in verdicts] == [["abnormal"], ["normal"]]
    assert not page.find("rect", class_="bar-normal")


def test_a_detector_without_maps_is_said_to_have_none(draw, folder, tmp_path):
    paths = [draw(f"learned/{i:02}.png") for i in range(20)]
    kde = PictureDetector(KDEDetector(), size=(6, 5), random_state=0).fit(paths)
    write_report(kde, folder, tmp_path / "page.html")
    page = Page(tmp_path / "page.html")
    assert "KDEDetector does not tell where" in page.source
    assert len([a for _, a, *_ in page.elements if "src" in a]) == 60


def test_the_histogram_has_every_picture_and_the_threshold(page, model):
    ((svg, _),) = page.find("svg", id="histogram")
    low, high = float(svg["data-low"]), float(svg["data-high"])
    assert svg["data-log"] == "true"
    place = np.log(-model.offset_ / low) / np.log(high / low)
    ((line, _),) = page.find("line", class_="line")
    assert float(line["x1"].rstrip("%")) == pytest.approx(100 * place, abs=0.01)
    for name in ("bar-normal", "bar-abnormal"):
        bars = [e for e in page.elements if e[0] == "rect" and e[1].get("class") == name]
        assert sum(int("".join(e[3])) for e in bars) == 30


def test_a_thousand_pictures_take_a_few_megabytes(model, draw, tmp_path, monkeypatch):
    monkeypatch.setattr("skmmrr.inspection._report._SIDES", {})  # as if there were a thousand
    rng = np.random.default_rng(0)
    (tmp_path / "large").mkdir()
    for i in range(10):
        colours = Image.fromarray(rng.integers(0, 256, (24, 24, 3)).astype(np.uint8))
        colours.resize((512, 512)).save(tmp_path / "large" / f"{i}.png")
    model.set_params(size=(24, 20)).calibrate(sorted((tmp_path / "large").iterdir()))
    write_report(model, tmp_path / "large", tmp_path / "page.html")
    per_picture = np.mean([len(element[1]["src"]) for element in images(tmp_path / "page.html")])
    assert 1000 * per_picture < 6 * 2**20


def images(path):
    return [element for element in Page(path).elements if element[0] == "img"]


def test_without_a_picture_there_is_no_report(model, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_text("no picture")
    with pytest.raises(ValueError, match="no file could be read"):
        write_report(model, tmp_path / "bad", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
