"""Folders of pictures: learn the good ones, find the others, compare detectors."""

import argparse
import csv
import importlib.util
import io
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import skmmrr
from skmmrr.benchmark import compare, find_detector
from skmmrr.benchmark.comparison import DEFAULT
from skmmrr.core.devices import resolve_device
from skmmrr.core.files import write_atomically
from skmmrr.core.validation import check_real
from skmmrr.inspection import Finding, score_folder, training_pictures, write_report
from skmmrr.inspection._folder import readable_pictures
from skmmrr.inspection._names import printable, table_cell
from skmmrr.inspection._outputs import check_output, check_output_folder
from skmmrr.inspection._overlay import save_overlay
from skmmrr.inspection._report import map_scale, overlay_of
from skmmrr.onnx import export_onnx
from skmmrr.plot._pyplot import pyplot
from skmmrr.preprocessing import LoadImages

_DETECTORS = ("MMRR", "MMRR, 8 nodes", "RotationAE", "OC-SVM", "KDE", "2-NN", "DN2")
_CALIBRATION_SHARE = 0.25
_EXAMPLES = """\
examples:
  %(prog)s fit good_parts --out parts.safetensors
  %(prog)s score parts.safetensors new_parts --csv scores.csv --report report.html
  %(prog)s compare labelled_parts --normal good
  %(prog)s export parts.safetensors --out parts.onnx
"""


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
    _add_fit(commands)
    _add_score(commands)
    _add_compare(commands)
    export = commands.add_parser("export", help="write a model as ONNX")
    export.add_argument("model", type=Path, help="file of fit")
    export.add_argument("--out", type=Path, required=True, help="ONNX file to write")
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


def _add_fit(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fit = commands.add_parser(
        "fit",
        help="learn a folder of good pictures",
        description="Learn a folder of good pictures, searched with all folders in it. Of MVTec "
        "AD's layout train/good is taken. Files that cannot be read are reported and skipped. "
        "Ctrl-C ends the training; the best weights so far are kept.",
    )
    fit.add_argument("folder", type=Path)
    fit.add_argument("--out", type=Path, required=True, help="model file to write")
    fit.add_argument(
        "--detector",
        choices=_DETECTORS,
        default="MMRR",
        metavar="NAME",
        help=f"{', '.join(_DETECTORS)} (default MMRR)",
    )
    fit.add_argument(
        "--size",
        type=int,
        nargs="+",
        default=[64],
        metavar="PIXELS",
        help="side, or height and width, that pictures are resized to (default 64); twice the side "
        "costs four times the training",
    )
    fit.add_argument("--grey", action="store_true", help="without colours")
    fit.add_argument(
        "--false-positive-rate",
        type=float,
        metavar="RATE",
        help="set a conformal threshold of this rate by a quarter of the pictures, "
        "which are not learned",
    )
    fit.add_argument("--seed", type=int, default=0, help="default 0")
    fit.add_argument("--quiet", action="store_true", help="no progress bars")
    fit.set_defaults(run=_fit)


def _add_score(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    score = commands.add_parser(
        "score",
        help="score a folder of pictures",
        description="Score a folder of pictures, searched with all folders in it. Files that "
        "cannot be read are reported and skipped.",
    )
    score.add_argument("model", type=Path, help="file of fit")
    score.add_argument("folder", type=Path)
    score.add_argument("--csv", type=Path, metavar="FILE", help="scores; else they are printed")
    score.add_argument(
        "--overlays",
        type=Path,
        metavar="FOLDER",
        help="pictures under their anomaly maps, with boxes",
    )
    score.add_argument("--report", type=Path, metavar="FILE", help="one HTML page to look at")
    score.add_argument("--device", help="auto, cpu, cuda, ... (default: that of the fit)")
    score.add_argument("--quiet", action="store_true", help="no progress bar")
    score.set_defaults(run=_score)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    comparison = commands.add_parser(
        "compare",
        help="compare detectors on a folder",
        description="Compare detectors by cross-validation on a folder with a folder for each "
        "kind of picture. Detectors learn the normal kind alone.",
    )
    comparison.add_argument("folder", type=Path)
    comparison.add_argument("--normal", metavar="KIND", help="name of the normal kind's folder")
    comparison.add_argument("--size", type=int, default=64, help="side in pixels (default 64)")
    comparison.add_argument(
        "--detectors",
        nargs="+",
        default=DEFAULT,
        metavar="NAME",
        help=f"names of skmmrr-benchmark list (default {', '.join(DEFAULT)})",
    )
    comparison.add_argument("--quiet", action="store_true", help="no progress bar")
    comparison.set_defaults(run=_compare)


def _fit(arguments: argparse.Namespace) -> None:
    size, mode = _size(arguments.size), "grey" if arguments.grey else "color"
    check_output("--out", arguments.out, "model")
    if importlib.util.find_spec("safetensors") is None:  # else the training is lost
        raise ImportError("Models are files of safetensors. Install: pip install 'skmmrr[files]'.")
    verbose = not arguments.quiet
    paths, skipped = training_pictures(arguments.folder, size, mode, verbose)
    _report_skipped(skipped)
    _check_any(paths, arguments.folder)
    images = LoadImages(size, mode=mode).transform(paths)
    detector = find_detector(arguments.detector).estimator
    detector.set_params(random_state=arguments.seed)
    if "verbose" in detector.get_params():
        detector.set_params(verbose=int(verbose))
    learned, kept = _calibration_split(images, arguments)
    start = time.perf_counter()
    detector.fit(learned)
    if kept is not None:
        detector.calibrate(kept, false_positive_rate=arguments.false_positive_rate)
    detector.save(arguments.out)
    print(
        f"Learned {len(learned)} pictures in {time.perf_counter() - start:.0f} s"
        + ("" if kept is None else f", calibrated on {len(kept)} others")
        + f"; threshold {-detector.offset_:.5g}; written to {printable(arguments.out)}."
    )


def _calibration_split(
    images: NDArray[np.uint8], arguments: argparse.Namespace
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Images to learn, and a quarter of them to calibrate with, if a rate is asked for."""
    if arguments.false_positive_rate is None:
        return images, None
    order = np.random.default_rng(arguments.seed).permutation(len(images))
    n_kept, rate = round(_CALIBRATION_SHARE * len(images)), arguments.false_positive_rate
    check_real("false_positive_rate", rate, "skmmrr fit", 0, 1)
    if rate * (n_kept + 1) < 1:  # before the training
        raise ValueError(
            f"A false-positive rate of {rate:g} needs {math.ceil(1 / rate - 1)} pictures beside "
            f"those that are learned; a quarter of {len(images)} is {n_kept}. Give more pictures, "
            "or ask for a higher rate."
        )
    return images[np.sort(order[n_kept:])], images[np.sort(order[:n_kept])]


def _score(arguments: argparse.Namespace) -> None:
    detector = skmmrr.load(arguments.model)
    _check_outputs_of_score(detector, arguments)
    if arguments.device is not None:
        _set_device(detector, arguments.device)
    if "verbose" in detector.get_params():
        detector.set_params(verbose=0)
    findings = score_folder(detector, arguments.folder, verbose=not arguments.quiet)
    read = [finding for finding in findings if not finding.error]
    _report_skipped([finding for finding in findings if finding.error])
    boxes = {}
    if arguments.overlays is not None and read:
        boxes = _write_overlays(detector, findings, arguments.folder, arguments.overlays)
    text = _table(findings, boxes)
    if arguments.csv is not None:
        write_atomically(arguments.csv, text.encode())
    else:
        print(text, end="")
    if arguments.report is not None:
        write_report(detector, findings, arguments.report, title=f"Pictures of {arguments.folder}")
    abnormal = sum(finding.abnormal for finding in read)
    print(f"{abnormal} of {len(read)} pictures are abnormal.", file=sys.stderr)


def _check_outputs_of_score(detector: Any, arguments: argparse.Namespace) -> None:
    """Say before the work what could not be written after it."""
    if arguments.csv is not None:
        check_output("--csv", arguments.csv, "table of skmmrr score")
    if arguments.report is not None:
        check_output("--report", arguments.report, "HTML page")
        pyplot("--report")
        if arguments.csv is not None and arguments.csv.resolve() == arguments.report.resolve():
            raise ValueError(f"--csv and --report are both {arguments.csv}. Name two files.")
    if arguments.overlays is not None:
        if not hasattr(detector, "anomaly_map"):
            raise ValueError(f"{type(detector).__name__} has no anomaly maps for --overlays.")
        check_output_folder("--overlays", arguments.overlays)
        pyplot("--overlays")


def _set_device(detector: Any, device: str) -> None:
    if "device" not in detector.get_params():
        raise ValueError(
            f"--device does not apply to {type(detector).__name__}, which always runs on the CPU. "
            f"Got {device!r}; leave --device out."
        )
    resolve_device(device, type(detector).__name__)  # before the pictures are read
    detector.set_params(device=device)


def _write_overlays(
    detector: skmmrr.MMRRDetector, findings: Sequence[Finding], folder: Path, out: Path
) -> dict[Path, list[tuple[int, int, int, int]]]:
    scale, boxes = map_scale(detector, findings), {}
    for finding in findings:
        if not finding.error:
            _, overlay, boxes[finding.path] = overlay_of(detector, finding, scale)
            place = out / finding.path.relative_to(folder)
            try:
                save_overlay(overlay, place.with_name(f"{place.name}.png"))
            except OSError as error:  # such as a name that is too long now: the scores remain
                text = f"No overlay of {finding.path}: {error.strerror}."
                print(printable(text), file=sys.stderr)
    return boxes


def _table(findings: Sequence[Finding], boxes: dict[Path, list[tuple[int, int, int, int]]]) -> str:
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


def _compare(arguments: argparse.Namespace) -> None:
    size = (arguments.size, arguments.size)
    verbose = not arguments.quiet
    paths, skipped = readable_pictures(arguments.folder, size, verbose=verbose)
    _report_skipped(skipped)
    _check_any(paths, arguments.folder)
    names = [path.parent.relative_to(arguments.folder).as_posix() for path in paths]
    kinds, y = sorted(set(names)), None
    if arguments.normal is not None:
        if arguments.normal not in kinds:
            raise ValueError(f"{arguments.folder} has no kind {arguments.normal!r} in {kinds}.")
        y = np.array(names) != arguments.normal if len(kinds) > 1 else None
    elif len(kinds) > 1:
        raise ValueError(f"{arguments.folder} has {kinds}. Name the normal kind by --normal.")
    images = LoadImages(size).transform(paths)
    table = compare(images, y, arguments.detectors, verbose=verbose)
    print(table.round(3).to_string())


def _export(model: Path, out: Path) -> None:
    check_output("--out", out, "ONNX model")
    export_onnx(skmmrr.load(model), out)
    print(f"Written to {printable(out)}.")


def _size(sides: Sequence[int]) -> tuple[int, int]:
    if len(sides) > 2 or min(sides) < 1:
        raise ValueError(f"--size takes one side, or height and width, in pixels. Got {sides}.")
    return sides[0], sides[-1]


def _report_skipped(skipped: Sequence[Finding]) -> None:
    for finding in skipped:
        print(printable(f"Skipped {finding.path}: {finding.error}"), file=sys.stderr)


def _check_any(paths: Sequence[Path], folder: Path) -> None:
    if not paths:
        raise ValueError(f"No picture of {folder} could be read. Name a folder that has some.")


if __name__ == "__main__":
    main()
