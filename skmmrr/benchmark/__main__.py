"""Measure anomaly detectors on data sets, and make tables and plots of the results."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from skmmrr.benchmark import comparison
from skmmrr.benchmark.detectors import DETECTOR_NAMES, command_name
from skmmrr.benchmark.experiments import EXPERIMENTS
from skmmrr.benchmark.figures import draw_all
from skmmrr.benchmark.report import (
    Table,
    as_frame,
    class_tables,
    failures,
    pyod_tables,
    rank_table,
    read_results,
    summary_table,
)
from skmmrr.benchmark.results import METRICS
from skmmrr.benchmark.runner import run
from skmmrr.benchmark.tasks import NAMES, PROTOCOLS, Task, array_tasks, find_tasks
from skmmrr.datasets import fetch, load_csv, load_image_folder
from skmmrr.inspection._names import printable

_EXAMPLES = """\
examples:
  %(prog)s list
  %(prog)s run --data digits --detectors MMRR OC-SVM IForest --out digits.csv
  %(prog)s run --experiment table-3 --classes automobile deer --out table3.csv
  %(prog)s run --folder parts --normal good --size 64 --out parts.csv
  %(prog)s run --csv sensors.csv --target state --anomaly-label broken --out result.csv
  %(prog)s report digits.csv
  %(prog)s plot digits.csv --out pictures

A run that was stopped resumes when the same command is given again.
"""


_OWNERS = {  # options of one kind of data alone
    **dict.fromkeys(("classes", "protocol", "train", "test", "data_home"), "data"),
    **dict.fromkeys(("normal", "size"), "folder"),
    **dict.fromkeys(("target", "anomaly_label"), "csv"),
}


def main() -> None:
    """Parse the command line and run a command."""
    parser = argparse.ArgumentParser(
        prog="skmmrr-benchmark",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "list", help="list data sets, protocols, detectors, experiments and metrics"
    ).set_defaults(run=lambda _: _list())
    _add_run(commands)
    _add_report(commands)
    _add_fetch(commands)
    arguments = parser.parse_args()
    try:
        result = arguments.run(arguments)
        for line in [result] if isinstance(result, str) else result:
            print(line, flush=True)
    except (OSError, ImportError, TypeError, ValueError) as error:  # whose messages say the remedy
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "Interrupted. What was done is kept; the same command goes on there.\n")


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    run_ = commands.add_parser(
        "run",
        help="measure detectors on data",
        description="Measure detectors on data, and append a row for each to a CSV file.",
    )
    _add_data(run_)
    run_.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        default=Path("results.csv"),
        help="results file to append to (default results.csv)",
    )
    names = ", ".join(map(command_name, comparison.DEFAULT))
    run_.add_argument(
        "--detectors",
        nargs="+",
        metavar="NAME",
        help="names from list, or import paths of classes (default: the experiment's, else "
        f"{names})",
    )
    run_.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        metavar="SEED",
        help="random seeds (default: the experiment's, else 0)",
    )
    run_.add_argument("--n-jobs", type=int, metavar="N", help="simultaneous fits (default 1)")
    run_.add_argument("--scores", type=Path, metavar="FOLDER", help="keep scores, for ROC curves")
    run_.add_argument("--retry", action="store_true", help="run failed fits again")
    run_.add_argument("--quiet", action="store_true", help="no progress bar")
    run_.set_defaults(run=_run)


def _add_data(parser: argparse.ArgumentParser) -> None:
    """Which data, and which part of them."""
    data = parser.add_mutually_exclusive_group(required=True)
    data.add_argument("--experiment", choices=EXPERIMENTS, metavar="NAME", help="a name from list")
    data.add_argument("--data", nargs="+", metavar="NAME", help=f"{', '.join(NAMES)}")
    data.add_argument(
        "--folder",
        type=Path,
        metavar="FOLDER",
        help="images of your own, with a subfolder for each kind",
    )
    data.add_argument(
        "--csv", type=Path, metavar="FILE", help="a table of your own, with names in its first line"
    )
    parser.add_argument(
        "--classes", nargs="+", metavar="CLASS", help="classes to measure (default: all)"
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        metavar="NAME",
        help=f"{'; '.join(PROTOCOLS)} (default: that of the experiment or the data set)",
    )
    parser.add_argument(
        "--train", type=int, metavar="N", help="use N of the training samples (default: all)"
    )
    parser.add_argument(
        "--test", type=int, metavar="N", help="use N of the test samples (default: all)"
    )
    parser.add_argument(
        "--normal", metavar="KIND", help="with --folder: subfolder of normal images"
    )
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="with --folder: side to which images are resized (default 64)",
    )
    parser.add_argument("--target", metavar="COLUMN", help="with --csv: column of the labels")
    parser.add_argument(
        "--anomaly-label", metavar="LABEL", help="with --csv: label of the anomalies"
    )
    _add_data_home(parser, "folder of the data sets")


def _add_data_home(parser: argparse.ArgumentParser, what: str) -> None:
    default = "default: $SKMMRR_DATA, else ~/.cache/skmmrr"
    parser.add_argument("--data-home", type=Path, metavar="FOLDER", help=f"{what} ({default})")


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    report = commands.add_parser("report", help="print tables of measured and published results")
    report.add_argument("results", type=Path, nargs="+", help="CSV files written by run")
    report.add_argument(
        "--metric",
        choices=METRICS,
        metavar="NAME",
        default="auroc",
        help=f"{', '.join(METRICS)} (default auroc)",
    )
    report.add_argument(
        "--format", choices=("markdown", "csv"), default="markdown", help="default markdown"
    )
    kinds = report.add_mutually_exclusive_group()
    kinds.add_argument("--pyod", action="store_true", help="the three tables of PyOD's benchmark")
    kinds.add_argument("--ranks", action="store_true", help="means and mean ranks over data sets")
    report.add_argument(
        "--detectors", nargs="+", metavar="NAME", help="only these detectors (default: all)"
    )
    report.set_defaults(run=_report_files)
    plot = commands.add_parser("plot", help="plot results")
    plot.add_argument("results", type=Path, nargs="+", help="CSV files written by run")
    plot.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        default=Path("pictures"),
        help="folder to write to (default pictures)",
    )
    plot.add_argument(
        "--scores", type=Path, metavar="FOLDER", help="scores kept by run, for ROC curves"
    )
    plot.set_defaults(run=lambda a: map(str, draw_all(read_results(a.results), a.out, a.scores)))


def _add_fetch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fetcher = commands.add_parser("fetch", help="download a data set from its public home")
    fetcher.add_argument("name", help="mnist, fashion-mnist, cifar10 or cifar100")
    _add_data_home(fetcher, "folder to write to")
    fetcher.set_defaults(run=lambda a: str(fetch(a.name, data_home=a.data_home, progress=True)))


def _list() -> Iterator[str]:
    for title, names in (("data sets", NAMES), ("protocols", PROTOCOLS)):
        yield f"{title}\n  " + "\n  ".join(names)
    yield "detectors (others by import path, such as pyod.models.hbos.HBOS)"
    yield "  " + "\n  ".join(DETECTOR_NAMES)
    yield "experiments"
    for name, experiment in EXPERIMENTS.items():
        yield f"  {name}: {experiment.description}"
        yield f"    {', '.join(experiment.detectors)}"
        yield f"    measured: {experiment.measured or 'not yet'}"
    yield "metrics\n  " + "\n  ".join(METRICS)


def _run(arguments: argparse.Namespace) -> Iterable[str]:
    experiment = EXPERIMENTS.get(arguments.experiment)
    if experiment and arguments.protocol is None:
        arguments.protocol = experiment.protocol
    named = experiment.detectors if experiment else comparison.DEFAULT
    rows = run(
        _tasks(arguments, experiment.data if experiment else arguments.data),
        arguments.detectors or named,
        seeds=arguments.seeds or (experiment.seeds if experiment else (0,)),
        out=arguments.out,
        n_jobs=arguments.n_jobs,
        retry=arguments.retry,
        scores=arguments.scores,
        verbose=not arguments.quiet,
    )
    return _report(as_frame(rows), "auroc", pyod=False, form="markdown")


def _tasks(arguments: argparse.Namespace, names: Iterable[str] | None) -> list[Task]:
    own = "folder" if arguments.folder else "csv" if arguments.csv else "data"
    for option, owner in _OWNERS.items():
        if owner != own and getattr(arguments, option) is not None:
            raise ValueError(f"--{option.replace('_', '-')} goes with --{owner}, not --{own}.")
    if arguments.folder is not None:
        return _folder_tasks(arguments.folder, arguments.normal, arguments.size or 64)
    if arguments.csv is not None:
        label = arguments.anomaly_label
        table = load_csv(arguments.csv, target=arguments.target, anomaly_label=label)
        name = ":".join(filter(None, (str(arguments.csv.resolve()), arguments.target, label)))
        return array_tasks(table.data, table.target, 3, printable(name))
    return [
        task
        for name in names or ()
        for task in find_tasks(
            name,
            classes=arguments.classes,
            protocol=arguments.protocol,
            data_home=arguments.data_home,
            n_train=arguments.train,
            n_test=arguments.test,
        )
    ]


def _folder_tasks(folder: Path, normal: str | None, size: int) -> list[Task]:
    """Folds of a folder's images; the kind `normal` is normal, all others are not."""
    pictures = load_image_folder(folder, size=(size, size))
    if normal is None and len(pictures.target_names) > 1:
        raise ValueError(
            f"{folder} has the kinds {pictures.target_names}. Name the normal one by --normal."
        )
    if normal is not None and normal not in pictures.target_names:
        raise ValueError(f"{folder} has no kind {normal!r}. It has {pictures.target_names}.")
    y = None
    if normal is not None and len(pictures.target_names) > 1:
        y = pictures.target != pictures.target_names.index(normal)
    name = ":".join(filter(None, (str(folder.resolve()), normal, str(size))))
    return array_tasks(pictures.images, y, 3, printable(name))


def _report_files(arguments: argparse.Namespace) -> Iterator[str]:
    rows, names = read_results(arguments.results), arguments.detectors
    if names is not None:
        known = rows["detector"].map(lambda name: name in names or command_name(name) in names)
        rows = rows[known]
    if not arguments.ranks:
        return _report(rows, arguments.metric, arguments.pyod, arguments.format)
    table = rank_table(rows, arguments.metric)
    return iter([table.markdown() if arguments.format == "markdown" else table.csv()])


def _report(rows: Any, metric: str, pyod: bool, form: str) -> Iterator[str]:
    tables: list[Table] = pyod_tables(rows) if pyod else class_tables(rows, metric)
    if not pyod:
        tables.append(summary_table(rows, metric))
    failed = failures(rows)
    if failed.rows:
        tables.append(failed)
    for table in tables:
        yield table.markdown() if form == "markdown" else table.csv()


if __name__ == "__main__":
    main()
