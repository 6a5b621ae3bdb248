"""One HTML file that opens anywhere: all pictures with their maps, and a threshold to move.

The page is ``report.html``, whose style and script are ``report.css`` and ``report.js``.
"""

import base64
import hashlib
import html
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

import skmmrr
from skmmrr.core.files import write_atomically
from skmmrr.datasets._images import pictures_in, read_image
from skmmrr.inspection._detector import BULK_QUANTILE, PEAK_QUANTILE, PictureDetector
from skmmrr.inspection._folder import (
    Finding,
    inspect_for,
    inspected_folder,
    kind_of,
    label_of,
    normal_kind,
)
from skmmrr.inspection._names import printable
from skmmrr.inspection._overlay import Box, heat, scale_boxes

_SIDES = {100: 448, 400: 288}  # of the pictures, up to so many in a page
_LEAST_SIDE = 208
_LARGEST_MAP = 128
_QUALITY, _MAP_QUALITY = 70, 45
_BINS = 48
_HEIGHT, _AXIS = 170, 24  # of the histogram, and of what is under it, in pixels
_SLIDER = 1000


def write_report(
    detector: PictureDetector,
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    normal: str | None = None,
    verbose: int = 0,
) -> list[Finding]:
    """Score a folder, and write a self-contained HTML page of all its pictures.

    Parameters
    ----------
    detector : PictureDetector
        Fitted.
    folder : path-like
        Searched as by :func:`score_folder`.
    path : path-like
        The HTML file; replaced at once when all is ready. Its links lead to the files of `folder`
        from there.
    title : str, default=None
        None names the folder.
    normal : str, default=None
        The kind, a folder in `folder`, of normal pictures, which tells found, missed and false.
        None takes one that is called good, normal or ok, if there is one.
    verbose : int, default=0
        1 shows progress, with the time left.

    Returns
    -------
    findings : list of Finding
        In the order of the paths, without maps.

    Raises
    ------
    ValueError
        If no picture could be read.
    """
    page = Page(detector, folder, normal)
    findings = inspect_for([page.add], detector, folder, verbose)
    page.write(findings, path, title=title)
    return findings


@dataclass(frozen=True)
class _Shown:
    """What the page has of a picture."""

    size: tuple[int, int]
    picture: bytes
    heat: bytes | None  # where the map is anything but usual
    boxes: Sequence[Box]


class Page:
    """A report whose pictures are added one by one, so that none has to wait in memory.

    Parameters
    ----------
    detector : PictureDetector
        Whose findings they are.
    folder : path-like
        That is searched: the more pictures it has, the smaller they are shown.
    normal : str, default=None
        As in :func:`write_report`.
    """

    def __init__(
        self,
        detector: PictureDetector,
        folder: str | os.PathLike[str],
        normal: str | None = None,
    ) -> None:
        searched = inspected_folder(folder)
        paths = pictures_in(searched, "**/*")
        self._normal = normal_kind([kind_of(path, searched) for path in paths], normal)
        n_pictures = len(paths)
        self._detector, self._folder = detector, folder
        self._side = next((side for n, side in _SIDES.items() if n_pictures <= n), _LEAST_SIDE)
        self._shown: dict[Path, _Shown] = {}

    def add(self, finding: Finding) -> None:
        """Add a picture, at the size that it is shown in."""
        if finding.error:
            return
        small = Image.fromarray(read_image(finding.path, None, "color"))
        small.thumbnail((self._side, self._side))
        layer: bytes | None = None
        boxes: Sequence[Box] = ()
        if finding.anomaly_map is not None and self._detector.map_thresholds_ is not None:
            coloured = heat(finding.anomaly_map, self._detector.map_thresholds_)
            coloured.thumbnail((_LARGEST_MAP, _LARGEST_MAP))
            if np.asarray(coloured)[..., 3].any():
                layer = _webp(coloured, _MAP_QUALITY)
            boxes = scale_boxes(finding.boxes, finding.anomaly_map.shape, small.size[::-1])
        self._shown[finding.path] = _Shown(small.size, _webp(small, _QUALITY), layer, boxes)

    def write(
        self,
        findings: Sequence[Finding],
        path: str | os.PathLike[str],
        *,
        title: str | None = None,
    ) -> None:
        """Write the page, of all the findings: those of files that were skipped too."""
        detector = self._detector
        ranked = sorted((f for f in findings if not f.error), key=lambda f: -f.anomaly_score)
        if not ranked:
            raise ValueError("There is no picture to report on: no file could be read.")
        kinds = sorted({finding.kind for finding in ranked})
        normal = self._normal
        threshold, place = -detector.offset_, Path(path)
        axis = _Axis.of([threshold, *(f.anomaly_score for f in ranked)])
        texts = {name: _asset(f"report.{name}") for name in ("css", "js")}
        page = Template(_asset("report.html")).substitute(
            title=_text(title or f"Pictures of {self._folder}"),
            subtitle=_text(_subtitle(detector, ranked)),
            style=texts["css"],
            style_hash=_hash(texts["css"]),
            script=texts["js"],
            script_hash=_hash(texts["js"]),
            wrong_heading="" if normal is None else "Wrong",
            kinds="\n".join(_rows(ranked, kinds, normal)),
            legend=_legend(normal),
            low=repr(axis.low),
            high=repr(axis.high),
            log=str(axis.logarithmic).lower(),
            histogram="\n".join(_bars(ranked, axis, threshold, normal)),
            position=round(_SLIDER * float(axis.along(threshold))),
            threshold=repr(threshold),
            threshold_text=f"{threshold:.5g}",
            explanation=_text(_explanation(detector)),
            cards="\n".join(_card(f, self._shown[f.path], place.parent, normal) for f in ranked),
            skipped=_skipped([finding for finding in findings if finding.error]),
            version=skmmrr.__version__,
        )
        write_atomically(place, page.encode())


@dataclass(frozen=True)
class _Axis:
    """Scores along the histogram and the slider: logarithmic, where all are positive."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, scores: Sequence[float]) -> "_Axis":
        low, high = float(min(scores)), float(max(scores))
        logarithmic = low > 0
        if logarithmic:
            margin = max(high / low, 1.01) ** 0.03
            return cls(low / margin, high * margin, True)
        margin = 0.03 * (high - low) or 1.0
        return cls(low - margin, high + margin, False)

    def along(self, scores: Any) -> Any:
        """Where scores are on the axis, from 0 to 1."""
        if self.logarithmic:
            return np.log(np.divide(scores, self.low)) / np.log(self.high / self.low)
        return (np.asarray(scores) - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Some round numbers on the axis."""
        if not self.logarithmic:
            return [float(t) for t in np.linspace(self.low, self.high, 5)[1:-1]]
        first, last = np.floor(np.log10(self.low)), np.ceil(np.log10(self.high))
        decades = 10.0 ** np.arange(first, last + 1)
        candidates = decades if last - first > 3 else np.outer(decades, (1, 2, 5)).ravel()
        return [float(t) for t in candidates if self.low < t < self.high]


def _subtitle(detector: PictureDetector, ranked: Sequence[Finding]) -> str:
    inner = detector.detector_
    height, width, channels = inner.image_shape_
    what = f"tiles of {width}x{height} pixels" if detector.tile else f"{width}x{height} pixels"
    return (
        f"{len(ranked)} pictures, {sum(f.abnormal for f in ranked)} abnormal. "
        f"{type(inner).__name__} on {what} in {'colour' if channels == 3 else 'grey'}"
        + (", within a region of interest." if detector.roi is not None else ".")
    )


def _explanation(detector: PictureDetector) -> str:
    if detector.map_thresholds_ is None:
        return f"{type(detector.detector_).__name__} does not tell where a picture is abnormal."
    return (
        f"Colours start at the value below which {BULK_QUANTILE:.1%} of a normal picture's map "
        "lies, on one scale for all pictures. In pictures above the threshold, boxes mark regions "
        f"that exceed the highest value of {PEAK_QUANTILE:.0%} of normal pictures."
    )


def _rows(ranked: Sequence[Finding], kinds: Sequence[str], normal: str | None) -> Iterator[str]:
    """The table of kinds, and of all pictures where there are several."""
    groups = [
        (kind, [f for f in ranked if f.kind == kind], f' data-kind="{_text(kind)}"')
        for kind in kinds
    ]
    if len(kinds) > 1:
        groups.append(("all", list(ranked), ' class="all"'))
    for name, own, attribute in groups:
        labelled = [f for f in own if label_of(f.kind, normal)]
        wrong = sum(f.abnormal != (label_of(f.kind, normal) == "abnormal") for f in labelled)
        cells = [len(own), sum(f.abnormal for f in own), wrong if labelled else ""]
        numbers = "".join(f"<td>{cell}</td>" for cell in cells)
        yield f"<tr{attribute}><td>{_text(_kind_name(name))}</td>{numbers}</tr>"


def _verdict(finding: Finding, normal: str | None) -> tuple[str, str]:
    """Of which class an element is, and its text."""
    names = {
        "": ("normal", "abnormal"),
        "normal": ("passed", "false"),
        "abnormal": ("missed", "found"),
    }
    name = names[label_of(finding.kind, normal)][finding.abnormal]
    return name, "false alarm" if name == "false" else name


def _kind_name(kind: str) -> str:
    return "this folder" if kind == "." else kind


def _legend(normal: str | None) -> str:
    bars = {"bar-any": "pictures"}
    if normal is not None:
        bars = {"bar-normal": f"{normal}, upwards", "bar-abnormal": "all other kinds, downwards"}
    names = "".join(f'<span class="{name}">{_text(text)}</span>' for name, text in bars.items())
    return f"Anomaly scores. {names}"


def _bars(
    ranked: Sequence[Finding], axis: _Axis, threshold: float, normal: str | None
) -> Iterator[str]:
    """The histogram, of logarithmic height: one group upwards, another downwards."""
    groups = {"bar-any": [f for f in ranked if not label_of(f.kind, normal)]}
    if normal is not None:
        groups |= {
            f"bar-{t}": [f for f in ranked if label_of(f.kind, normal) == t]
            for t in ("normal", "abnormal")
        }
    counts = {
        name: np.histogram(axis.along([f.anomaly_score for f in own]), _BINS, (0, 1))[0]
        for name, own in groups.items()
    }
    bottom = _HEIGHT - _AXIS
    middle = bottom // 2 if normal is not None else bottom
    unit = middle / np.log1p(max(count.max() for count in counts.values()))
    for name, count in counts.items():
        for i in np.flatnonzero(count):
            height = unit * np.log1p(count[i])
            y = middle if name == "bar-abnormal" else middle - height
            yield (
                f'<rect class="{name}" x="{100 * i / _BINS:.3f}%" y="{y:.1f}" '
                f'width="{90 / _BINS:.3f}%" height="{height:.1f}"><title>{count[i]}</title></rect>'
            )
    yield f'<line class="axis" x1="0" x2="100%" y1="{middle}" y2="{middle}"/>'
    for tick in axis.ticks():
        yield f'<text x="{100 * axis.along(tick):.2f}%" y="{_HEIGHT - 8}">{tick:.3g}</text>'
    place = f"{100 * axis.along(threshold):.3f}%"
    yield f'<line class="line" x1="{place}" x2="{place}" y1="0" y2="{bottom}"/>'


def _card(finding: Finding, shown: _Shown, start: Path, normal: str | None) -> str:
    width, height = shown.size
    size = f'width="{width}" height="{height}"'
    layers = [f'<img {size} loading="lazy" decoding="async" alt="" src="{_data(shown.picture)}">']
    if shown.heat is not None:
        layers.append(f'<img class="map" loading="lazy" alt="" src="{_data(shown.heat)}">')
    if shown.boxes:
        boxes = "".join(
            f'<rect x="{x0}" y="{y0}" width="{x1 - x0}" height="{y1 - y0}"/>'
            for x0, y0, x1, y1 in shown.boxes
        )
        layers.append(f'<svg viewBox="0 0 {width} {height}">{boxes}</svg>')
    verdict, verdict_text = _verdict(finding, normal)
    p_value = "" if np.isnan(finding.p_value) else f", p = {finding.p_value:.3g}"
    name, kind = _text(finding.path.name), _text(finding.kind)
    full = name if finding.kind == "." else f"{kind}/{name}"
    return (
        f'<figure class="card{"" if finding.abnormal else " normal-now"}" data-kind="{kind}" '
        f'data-score="{finding.anomaly_score!r}" data-truth="{label_of(finding.kind, normal)}">'
        f'<button class="view" type="button" aria-label="Enlarge {full}">'
        f'<span class="layers">{"".join(layers)}</span></button><figcaption>'
        f'<a href="{_address(finding.path, start)}" target="_blank" rel="noopener" '
        f'title="{full}">{name}</a><span class="line"><span class="verdict {verdict}">'
        f"{verdict_text}</span>{'' if finding.kind == '.' else f' · {kind}'}</span>"
        f'<span class="muted line">{finding.anomaly_score:.4g}{p_value}</span></figcaption>'
        "</figure>"
    )


def _skipped(skipped: Iterable[Finding]) -> str:
    rows = "".join(
        f"<tr><td>{_text(f.path.name)}</td><td>{_text(f.error)}</td></tr>" for f in skipped
    )
    if not rows:
        return ""
    n = rows.count("<tr>")
    summary = f"{n} file{'s were' if n > 1 else ' was'} skipped"
    return f'<details><summary>{summary}</summary><table class="skipped">{rows}</table></details>'


def _address(path: Path, start: Path) -> str:
    """Of a file, from the folder of the page; no name is taken for a scheme or a query."""
    try:
        way = os.path.relpath(path, start)
    except ValueError:  # on another drive of Windows
        return path.absolute().as_uri()
    return quote(os.fsencode(Path(way).as_posix()))


def _text(value: str) -> str:
    return html.escape(printable(value))


def _webp(picture: Image.Image, quality: int) -> bytes:
    content = io.BytesIO()
    picture.save(content, format="WEBP", quality=quality, alpha_quality=quality, method=4)
    return content.getvalue()


def _data(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def _asset(name: str) -> str:
    return (files("skmmrr.inspection") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
