"""Files that somebody altered on purpose, with a digest that fits: refused, or of a sound detector.

``python tests/core/test_hostile_files.py --cases 10000`` runs many in processes of their own, and
prints what became of them; the test does a few hundred.
"""

import argparse
import collections
import json
import multiprocessing
import sys
import tempfile
import time
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

import skmmrr
from skmmrr.core.files import _digest
from skmmrr.inspection import PictureDetector

GOOD = sorted((Path(__file__).parent / "saved").glob("*.safetensors"))
TEST = load_digits().images[:12]
CASES = 40  # of each detector, in the test
SLOW, MEGABYTES = 2.0, 500  # of CPU time, and beside its own size, that a file may take
HUNG = 60.0  # seconds by the clock after which a process is ended
DEEP = "[" * 100_000
FINE = ("refused", "scored as the good file", "scored as what it says now")
RAW = "@raw@"  # marks what json.dumps cannot write

VALUES = [
    *(None, True, False, 0, 1, -1, 2, 3, 7, 100, 2**15, 2**31, 2**63, 10**9, -(10**9)),
    *(0.5, -0.5, 1e-300, 1e30, 1e308, -1e308, float("nan"), float("inf"), -float("inf")),
    *("", "x", "unet", "mlp", "auto", "cuda:7", "meta", "float64", "gauss-legendre"),
    *("a" * 10_000, "\ud800"),
    *([], {}, [[]], [1] * 50, {"array": 1}, {"tuple": {"tuple": []}}, {"tuple": None}, [8, 8, 1]),
    *({"tuple": "ab"}, {"tuple": [[]]}, {"tuple": [8, 8]}),
    *(RAW + "1" * 5000, RAW + DEEP, RAW + '{"a": 1, "a": 2}'),
]


# Altering


def read(path):
    """The content and the arrays of a file."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["content"]), arrays, file.metadata()


def places(value, path=()):
    """Every place in a JSON value: the keys that lead there."""
    if path:
        yield path
    if not isinstance(value, dict | list):
        return
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from places(part, (*path, key))


def at(content, place):
    for key in place:
        content = content[key]
    return content


def alter_content(content, rng):
    """Alter one place."""
    every = list(places(content))
    how = rng.integers(10)
    if how >= 8:  # a number that costs time or memory
        every = [place for place in every if type(at(content, place)) in (int, float)] or every
    *way, key = every[rng.integers(len(every))]
    owner = at(content, way)
    if how < 4:
        owner[key] = VALUES[rng.integers(len(VALUES))]
    elif how == 4 and isinstance(owner, dict):
        del owner[key]
    elif how == 5 and isinstance(owner, dict):
        owner[str(rng.choice(["__class__", "x", "network_", "fit", "_fit", key + "_"]))] = owner[
            key
        ]
    elif how >= 6 and type(owner[key]) is float:
        owner[key] *= [-1, 2, 10.0 ** rng.integers(-300, 300)][rng.integers(3)]
    elif how >= 8 and type(owner[key]) is int and rng.integers(2):
        owner[key] += int(rng.integers(-2, 3))
    elif how >= 8:
        owner[key] = int(10 ** rng.uniform(0, 12))
    else:  # what is elsewhere
        other = at(content, every[rng.integers(len(every))])
        owner[key] = json.loads(json.dumps(other))


def alter_arrays(arrays, rng):
    """Alter one array."""
    names = sorted(arrays)
    name = names[rng.integers(len(names))]
    other, array = names[rng.integers(len(names))], arrays[name]
    how = rng.integers(16)
    if how < 2 and array.size and array.dtype.kind == "f":
        array = array.copy()
        array.flat[rng.integers(array.size)] = [np.nan, np.inf, -np.inf, 1e38, -1e30][
            rng.integers(5)
        ]
        arrays[name] = array
    elif how == 2:
        dtypes = ["f2", "f4", "f8", "i1", "i4", "i8", "u1", "?"]
        with np.errstate(all="ignore"):
            arrays[name] = array.astype(dtypes[rng.integers(len(dtypes))])
    elif how == 3:
        arrays[name] = array.reshape(-1)
    elif how == 4:
        arrays[name] = np.ascontiguousarray(array.T)
    elif how == 5:
        arrays[name] = array[: max(0, len(array) - 1)] if array.ndim else array[None]
    elif how == 6:
        arrays[name] = np.concatenate([array, array]) if array.ndim else np.stack([array] * 3)
    elif how == 7:
        arrays[name] = np.empty(
            [(0,), (0, 3), (0, 2**40), (2**20, 0)][rng.integers(4)], array.dtype
        )
    elif how == 8:
        del arrays[name]
    elif how == 9:
        arrays[str(rng.choice(["x", name + ".x", "network_.x"]))] = array
    elif how == 10:
        arrays[name], arrays[other] = arrays[other], array
    elif how >= 11 and how < 15 and array.dtype.kind in "fi":
        with np.errstate(all="ignore"):
            factor = [-1, 0, 2, 10.0 ** rng.integers(-40, 40)][rng.integers(4)]
            arrays[name] = np.asarray(array * factor).astype(array.dtype)
    else:
        noise = rng.bytes(array.nbytes)
        arrays[name] = np.frombuffer(noise, array.dtype).reshape(array.shape).copy()


def text_of(content):
    """JSON, with what it cannot say written as it is."""
    text = json.dumps(content)
    for value in VALUES:
        if isinstance(value, str) and value.startswith(RAW):
            text = text.replace(json.dumps(value), value.removeprefix(RAW))
    return text


def write_hostile(seed, target):
    """Write the file of one seed; the path of the good one that it was."""
    rng = np.random.default_rng(seed)
    good = GOOD[seed % len(GOOD)]
    content, arrays, metadata = read(good)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if rng.integers(3):
            alter_content(content, rng)
        elif arrays:
            alter_arrays(arrays, rng)
    text = text_of(content)
    if rng.integers(40) == 0:
        texts = [text[: len(text) // 2], "", "null", "[]", DEEP, "1" * 5000, "{}", '"x"']
        text = texts[rng.integers(len(texts))]
    metadata |= {"content": text, "sha256": _digest(text, arrays)}
    save_file(arrays, target, metadata)
    return good


# What becomes of them


def taken(detector, folder):
    """The test images, or their files for a detector of those."""
    if not isinstance(detector, PictureDetector):
        return TEST
    paths = [folder / f"{i}.png" for i in range(len(TEST))]
    for path, image in zip(paths, TEST, strict=True):
        if not path.exists():
            Image.fromarray((15 * image).astype(np.uint8)).save(path)
    return paths


def outcome(path):
    """What loading and scoring comes to: in a word or two, or the detector and its scores."""
    try:
        detector = skmmrr.load(path)
        if hasattr(detector, "device"):
            detector.set_params(device="cpu")
    except skmmrr.SavedFileError:
        return "refused"
    except Exception as error:
        return f"raised {type(error).__name__}"
    try:
        scores = detector.score_samples(taken(detector, path.parent))
    except Exception as error:
        return f"scoring raised {type(error).__name__}"
    return detector, scores


def verdict(found, good_scores, path):
    """What a detector and its scores are worth, in some words."""
    if isinstance(found, str):
        return found
    detector, scores = found
    if not np.isfinite(scores).all():
        return "scored NaN or infinity"
    detector.save(path)
    again = skmmrr.load(path)
    if not np.array_equal(again.score_samples(taken(again, path.parent)), scores):
        return "scored otherwise than saved"
    same = np.array_equal(scores, good_scores)
    return "scored as the good file" if same else "scored as what it says now"


def scores_of_good_files(folder):
    good = {path: skmmrr.load(path) for path in GOOD}
    return {path: found.score_samples(taken(found, folder)) for path, found in good.items()}


def resident(kind):
    """Megabytes in memory now (VmRSS), or at their peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(kind))


@pytest.fixture(scope="module")
def good_scores(tmp_path_factory):
    return scores_of_good_files(tmp_path_factory.mktemp("good"))


@pytest.mark.filterwarnings("ignore")  # what a refused file warns of on the way does not matter
@pytest.mark.parametrize("i", range(len(GOOD)), ids=[path.stem for path in GOOD])
def test_altered_files_are_refused_or_those_of_a_sound_detector(i, good_scores, tmp_path):
    measured = sys.platform == "linux"
    for seed in range(i, CASES * len(GOOD), len(GOOD)):
        good = write_hostile(seed, tmp_path / "hostile")
        start, before = time.process_time(), resident("VmRSS") if measured else 0
        found = outcome(tmp_path / "hostile")
        seconds = time.process_time() - start
        grown = resident("VmRSS") - before if measured else 0
        assert verdict(found, good_scores[good], tmp_path / "again") in FINE, seed
        assert seconds < SLOW, seed
        assert grown < MEGABYTES, seed


def work(first, last, results: Connection):
    """Run cases in a process that may die of them."""
    import resource

    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30,) * 2)  # else the machine may die instead
    with tempfile.TemporaryDirectory() as folder:
        good_scores = scores_of_good_files(Path(folder))
        for seed in range(first, last):
            path = Path(folder) / "hostile"
            good = write_hostile(seed, path)
            Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of memory
            before, start = resident("VmRSS"), time.process_time()
            results.send((seed, "began", 0, 0))
            found = outcome(path)
            costs = time.process_time() - start, resident("VmHWM") - before
            results.send((seed, verdict(found, good_scores[good], path), *costs))


def run_cases(first, last):
    """Yield (seed, outcome) of each case; a process that died or hangs is replaced."""
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    while first < last:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(first, last, theirs))
        process.start()
        theirs.close()
        began = None
        while True:
            try:
                if not ours.poll(HUNG if began is not None else 300):
                    process.kill()
                    yield began, "hung", None
                    break
                seed, found, seconds, megabytes = ours.recv()
            except EOFError:
                process.join()
                if began is not None:
                    yield began, f"crashed (exit code {process.exitcode})", None
                break
            if found == "began":
                began = seed
                continue
            first, began = seed + 1, None
            yield seed, found, (seconds, megabytes)
        process.join()
        if began is None:
            return
        first = began + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="name the cases that are not fine")
    arguments = parser.parse_args()
    counts, most, longest = collections.Counter(), 0.0, 0.0
    for seed, found, costs in run_cases(arguments.first, arguments.first + arguments.cases):
        seconds, megabytes = costs or (0.0, 0.0)  # of a process that is gone nothing is known
        longest, most = max(longest, seconds), max(most, megabytes)
        kinds = [found]
        kinds += [f"took over {SLOW:g} s of CPU time"] if seconds > SLOW else []
        kinds += [f"took over {MEGABYTES} MB"] if megabytes > MEGABYTES else []
        counts.update(kinds)
        if arguments.show and (len(kinds) > 1 or found not in FINE):
            sys.stdout.write(f"{seed} {GOOD[seed % len(GOOD)].stem} {kinds} {costs}\n")
    for found, n in counts.most_common():
        sys.stdout.write(f"{n:7,}  {found}\n")
    sys.stdout.write(f"longest: {longest:.2f} s of CPU time; most memory: {most:.0f} MB\n")


if __name__ == "__main__":
    main()
