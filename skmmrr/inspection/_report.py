"""One HTML file that opens anywhere: counts, histogram, the most abnormal pictures, bad files."""

import base64
import html
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from PIL import Image

import skmmrr
from skmmrr.core.files import write_atomically
from skmmrr.datasets._images import read_image
from skmmrr.inspection._folder import Finding, read_pictures
from skmmrr.inspection._names import printable
from skmmrr.inspection._overlay import abnormal_boxes, draw_overlay
from skmmrr.plot import ScoreHistogramDisplay

_LARGEST_SIDE = 320  # of a picture in the report
_SCALE_QUANTILE = 0.995
_SCALE_PICTURES = 16

_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem;
  color: #1b1b1b; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid #ccc; border-radius: 6px; padding: .5rem; }
figure img { width: 49%; image-rendering: auto; }
figcaption { font-size: .85rem; overflow-wrap: anywhere; }
.abnormal { color: #b3141b; font-weight: 600; } .muted { color: #555; }
.histogram { max-width: 100%; }
</style></head><body>
<h1>$title</h1>
<table>$summary</table>
<h2>Scores</h2>
<p class="muted">Anomaly scores of all pictures; the dashed line is the threshold.</p>
<img class="histogram" alt="Histogram of the anomaly scores" src="$histogram">
<h2>The most abnormal pictures</h2>
<p class="muted">$explanation</p>
<div class="cards">$cards</div>
$skipped
<p class="muted">Written by skmmrr $version.</p>
</body></html>
"""
)


def write_report(
    detector: Any,
    findings: Sequence[Finding],
    path: str | os.PathLike[str],
    *,
    title: str = "Inspection",
    most: int = 24,
) -> None:
    """Write a page of findings, one file with all pictures inside.

    Parameters
    ----------
    detector : estimator of this library
        That scored the pictures.
    findings : sequence of Finding
        From :func:`score_folder`; at least one file that could be read.
    path : path-like
        The HTML file; replaced at once when all is ready.
    title : str, default="Inspection"
    most : int, default=24
        How many of the most abnormal pictures are shown.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    ranked = sorted((f for f in findings if not f.error), key=lambda f: -f.anomaly_score)
    if not ranked:
        raise ValueError("There is no picture to report on: no file could be read.")
    skipped = [finding for finding in findings if finding.error]
    has_maps = hasattr(detector, "anomaly_map")
    explanation = (
        "Left the picture, right its anomaly map on one colour scale for all, with boxes around "
        "what reaches half of the map's highest value."
        if has_maps
        else f"{type(detector).__name__} does not tell where a picture is abnormal."
    )
    scale = map_scale(detector, ranked)
    page = _PAGE.substitute(
        title=_text(title),
        summary="".join(_summary(detector, ranked, skipped)),
        histogram=_histogram(detector, ranked),
        explanation=_text(explanation),
        cards="".join(_card(detector, finding, scale) for finding in ranked[:most]),
        skipped=_skipped(skipped),
        version=skmmrr.__version__,
    )
    write_atomically(Path(path), page.encode())


def map_scale(detector: Any, findings: Sequence[Finding]) -> float:
    """A colour scale for all maps: nearly the highest value in the most abnormal pictures."""
    if not hasattr(detector, "anomaly_map"):
        return 1.0
    ranked = sorted((f for f in findings if not f.error), key=lambda f: -f.anomaly_score)
    _, images = read_pictures(detector, [finding.path for finding in ranked[:_SCALE_PICTURES]])
    return float(np.quantile(detector.anomaly_map(images), _SCALE_QUANTILE))


def overlay_of(
    detector: Any, finding: Finding, scale: float
) -> tuple[Image.Image, Image.Image, list[tuple[int, int, int, int]]]:
    """The picture in its own size, the same under its map, and the boxes in it."""
    picture = Image.fromarray(read_image(finding.path, None, "color"))
    _, images = read_pictures(detector, [finding.path])
    (anomaly_map,) = detector.anomaly_map(images)
    boxes = abnormal_boxes(anomaly_map, picture.size[::-1]) if finding.abnormal else []
    return picture, draw_overlay(picture, anomaly_map, scale, boxes), boxes


def _summary(detector: Any, ranked: Sequence[Finding], skipped: Sequence[Finding]) -> Iterator[str]:
    height, width, channels = detector.image_shape_
    rows = {
        "pictures": str(len(ranked)),
        "abnormal": str(sum(finding.abnormal for finding in ranked)),
        "files skipped": str(len(skipped)),
        "threshold": f"{-detector.offset_:.5g}",
        "detector": f"{type(detector).__name__}, on {width}x{height} pixels, {channels} channels",
        "finest detail": f"{_finest_detail(detector)} pixels of these",
    }
    for name, value in rows.items():
        yield f"<tr><th>{name}</th><td>{_text(value)}</td></tr>"


def _card(detector: Any, finding: Finding, scale: float) -> str:
    if hasattr(detector, "anomaly_map"):
        shown = list(overlay_of(detector, finding, scale)[:2])
    else:
        shown = [Image.fromarray(read_image(finding.path, None, "color"))]
    pictures = "".join(f'<img alt="" src="{_embedded(picture)}"> ' for picture in shown)
    verdict = '<span class="abnormal">abnormal</span>' if finding.abnormal else "normal"
    p_value = "" if np.isnan(finding.p_value) else f", p = {finding.p_value:.3g}"
    name = _text("/".join(finding.path.parts[-2:]))
    caption = f"{name}<br>{verdict}, score {finding.anomaly_score:.5g}{p_value}"
    return f"<figure>{pictures}<figcaption>{caption}</figcaption></figure>"


def _histogram(detector: Any, ranked: Sequence[Finding]) -> str:
    scores = [finding.anomaly_score for finding in ranked]
    display = ScoreHistogramDisplay.from_predictions(scores, threshold=-detector.offset_)
    content = io.BytesIO()
    display.figure_.savefig(content, format="png", dpi=110)
    import matplotlib.pyplot as plt

    plt.close(display.figure_)
    return _data("image/png", content.getvalue())


def _skipped(skipped: Sequence[Finding]) -> str:
    if not skipped:
        return ""
    rows = "".join(
        f"<tr><td>{_text(f.path.name)}</td><td>{_text(f.error)}</td></tr>" for f in skipped
    )
    return f"<h2>Files that were skipped</h2><table>{rows}</table>"


def _text(value: str) -> str:
    return html.escape(printable(value))


def _embedded(picture: Image.Image) -> str:
    picture = picture.copy()
    picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    content = io.BytesIO()
    picture.save(content, format="JPEG", quality=88)
    return _data("image/jpeg", content.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _finest_detail(detector: Any) -> int:
    """Pixels a side of the squares of which a detector sees the means."""
    spec = getattr(detector, "spec_", None)
    return 1 if spec is None else int(spec.representation.downsample)
