"""A detector of pictures on disk: how they are read, cut and masked, and what maps are usual."""

import hashlib
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from skmmrr.core.base import BaseDetector
from skmmrr.core.devices import shared_copies
from skmmrr.core.files import Detector
from skmmrr.core.kinds import (
    Array,
    Arrays,
    Items,
    Kind,
    Lacking,
    Maybe,
    Real,
    Scalar,
    Table,
    require,
)
from skmmrr.core.seeds import draw_seed, numpy_generator
from skmmrr.core.top_share import mean_of_top
from skmmrr.core.validation import check_integer, check_real
from skmmrr.datasets._images import check_size_and_mode, read_image, resize_mask
from skmmrr.inspection._tiles import Blend, Place, tile_places
from skmmrr.preprocessing import check_paths

_SAMPLES_AT_A_TIME, _ELEMENTS_AT_A_TIME = 128, 2**23
BULK_QUANTILE = 0.995  # of the values in the map of a normal picture
PEAK_QUANTILE = 0.95  # of the highest values in the maps of normal pictures


class Judged(NamedTuple):
    """A picture's anomaly score, and its map where one was asked for."""

    anomaly_score: float
    anomaly_map: NDArray[np.float32] | None


class _Canvas:
    """A picture whose samples are being scored."""

    def __init__(
        self, path: Path, picture: NDArray[np.uint8], inside: NDArray[np.bool], n_samples: int
    ) -> None:
        self.path, self.picture, self.inside = path, picture, inside
        self.n_left, self.score = n_samples, -np.inf
        self.blend: Blend | None = None

    def add(self, place: Place, score: float, tile: NDArray[np.float64] | None) -> None:
        """Take in what was found of a sample."""
        self.n_left, self.score = self.n_left - 1, max(self.score, score)
        if self.blend is not None and tile is not None:
            self.blend.add(tile, place)

    def judged(self) -> Judged:
        """What was found of all."""
        return Judged(self.score, None if self.blend is None else self.blend.result())


class _Mask(Array):
    """A region of interest in files."""

    def _encode(self, value: Any, name: str, arrays: Arrays) -> str:
        return super()._encode(np.asarray(value) != 0, name, arrays)


def _has_maps(self: Any) -> bool:
    return hasattr(getattr(self, "detector_", self.detector), "anomaly_map")


class PictureDetector(BaseDetector):
    """A detector for pictures on disk, whole or in tiles, optionally in a region of interest.

    Wraps a detector of images. Pictures are read some at a time, so that a folder may exceed the
    memory. Some of them are held out, and determine which scores and which values of anomaly maps
    are usual in normal pictures.

    Parameters
    ----------
    detector : estimator of this library
        Learns and scores the pictures, or their tiles, as uint8 images.
    size : tuple (height, width), default=None
        As :class:`skmmrr.preprocessing.LoadImages` has it; but with `tile`, None lets pictures
        differ in size.
    mode : {"color", "grey"}, default="color"
        As in :class:`skmmrr.preprocessing.LoadImages`.
    tile : int, default=None
        Side of the square tiles that pictures are cut into after resizing. Each is a
        sample. A picture's score is the highest of its tiles' scores; their maps are blended. None
        takes whole pictures.
    overlap : float, default=0.25
        Least share of a tile's side that its neighbour overlaps; in [0, 1).
    roi : array-like of shape (height, width), default=None
        Region of interest: nonzero inside, resized to each picture. Pixels outside are replaced by
        the mean colour of the training data; their anomaly map is 0, for the score too. Tiles
        outside are left out. It needs a detector with anomaly maps.
    max_tiles : int, default=2000
        Most tiles that are learned, equally many from each picture; kept in a temporary file.
    false_positive_rate : float, default=None
        Of the conformal threshold; see :meth:`calibrate`. None takes the rule of `contamination`.
    validation_fraction : float, default=0.25
        Share of the pictures that is held out, to set the threshold and `map_thresholds_`.
    contamination : "auto", float or None, default="auto"
        Share of the held-out pictures above the threshold; "auto" is 0.05. None is allowed only
        with `false_positive_rate`.
    random_state : int, RandomState instance or None, default=None
        Seed of the split and of the choice of tiles; `detector` has its own.
    verbose : int, default=0
        1 shows progress with the time left.

    Attributes
    ----------
    detector_ : estimator
        Fitted.
    fill_ : ndarray of float64 of shape (n_channels,)
        The colour outside the region of interest; absent without one.
    map_thresholds_ : tuple (low, high) of float or None
        Thresholds of anomaly maps. `high` is the 95% quantile, over normal pictures, of the
        maximum of the map: a region that exceeds it somewhere is abnormal. `low` is the median,
        over normal pictures, of the 99.5% quantile of the map: the region extends as far as it is
        exceeded. None for a detector without maps.
    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.
    calibration_scores_ : ndarray of float64
        Scores of the held-out pictures, in ascending order.

    See Also
    --------
    skmmrr.preprocessing.LoadImages : The same reading of pictures, as a step of a pipeline.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from PIL import Image
    >>> from skmmrr.baselines import KDEDetector
    >>> from skmmrr.inspection import PictureDetector
    >>> rng = np.random.default_rng(0)
    >>> with TemporaryDirectory() as folder:
    ...     paths = [Path(folder) / f"{i}.png" for i in range(40)]
    ...     for path in paths:
    ...         Image.fromarray(rng.integers(50, size=(40, 60), dtype=np.uint8)).save(path)
    ...     model = PictureDetector(KDEDetector(), tile=16, mode="grey", random_state=0).fit(paths)
    ...     model.score_samples(paths[:3]).shape
    (3,)
    """

    _PARAMETER_KINDS: ClassVar[dict[str, Kind]] = {
        "detector": Detector(fitted=False),
        "roi": Maybe(_Mask("bool", 2)),
    }
    _KEEPS: ClassVar[dict[str, Kind]] = {
        "detector_": Detector(fitted=True),
        "fill_": Lacking(Array("f8", 1, low=0, high=255)),
        "map_thresholds_": Maybe(Items(Real(), 2)),
        "offset_": Real(),
        "threshold_params_": Table(Scalar()),
        "calibration_scores_": Array("f8", 1),
    }

    detector_: Any
    map_thresholds_: tuple[float, float] | None

    def __init__(
        self,
        detector: Any,
        *,
        size: tuple[int, int] | None = None,
        mode: str = "color",
        tile: int | None = None,
        overlap: float = 0.25,
        roi: ArrayLike | None = None,
        max_tiles: int = 2000,
        false_positive_rate: float | None = None,
        validation_fraction: float = 0.25,
        contamination: float | str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.detector = detector
        self.size = size
        self.mode = mode
        self.tile = tile
        self.overlap = overlap
        self.roi = roi
        self.max_tiles = max_tiles
        self.false_positive_rate = false_positive_rate
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.random_state = random_state
        self.verbose = verbose

    # Fitting

    def fit(self, X: Sequence[str | os.PathLike[str]], y: Any = None) -> Self:  # type: ignore[override]
        """Learn normal pictures, and set the thresholds from held-out ones.

        Parameters
        ----------
        X : sequence of path-like
            Normal pictures, at least 3.
        y : Ignored

        Returns
        -------
        self : object
            After an error it is what it was before.

        Raises
        ------
        TypeError, ValueError
            If a parameter or X is not as described, a file is not a picture, a picture is smaller
            than a tile, or there are too few pictures for `false_positive_rate`.
        FileNotFoundError
            If a file is not there.
        """
        return super().fit(X)  # type: ignore[arg-type]

    def _fit(self, X: Any) -> None:
        self._check_params()
        paths, seed = self._validate_X(X, reset=True), draw_seed(self.random_state)
        held_out, learned = (np.sort(part) for part in self._split(len(paths), seed))
        if len(learned) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 3 pictures, to learn some and hold out "
                f"others. Got {len(paths)}."
            )
        if self.false_positive_rate is not None:
            self._check_rate(self.false_positive_rate, len(held_out), len(paths))
        samples = self._learned_samples([paths[i] for i in learned], seed)
        unfitted = clone(self.detector).set_params(contamination=None)  # the pictures' is its own
        self.detector_ = unfitted.fit(samples)
        if hasattr(self.detector_, "verbose"):
            self.detector_.verbose = 0  # the progress of scoring is that of pictures
        self.calibrate([paths[i] for i in held_out], self.false_positive_rate)

    def _check_rate(self, rate: float, n_held_out: int, n_pictures: int) -> None:
        """Tell before the work whether the pictures are enough."""
        try:
            self._conformal_offset(np.zeros(n_held_out), rate)
        except ValueError as error:
            raise ValueError(
                f"{error} Of {n_pictures} pictures, {n_held_out} are held out."
            ) from error

    @shared_copies()
    def _learn_usual(self, X: Any) -> NDArray[np.float64]:
        """Scores that calibrate; and what maps seldom exceed, by the maps of the same pictures."""
        scores, bulk, highest = [], [], []
        for judged in self._judge(X, maps=_has_maps(self)):
            scores.append(-judged.anomaly_score)
            if judged.anomaly_map is not None:
                values = judged.anomaly_map[self._inside(judged.anomaly_map.shape)]
                bulk.append(np.quantile(values, BULK_QUANTILE))
                highest.append(values.max())
        self.map_thresholds_ = None
        if highest:
            high = float(np.quantile(highest, PEAK_QUANTILE))
            self.map_thresholds_ = min(float(np.median(bulk)), high), high
        return np.array(scores)

    def _check_params(self) -> None:
        owner = type(self).__name__
        if self.contamination is None and self.false_positive_rate is None:
            raise ValueError(
                f"{owner} with contamination=None has no rule for its threshold. Set "
                "false_positive_rate, or contamination."
            )
        if not isinstance(self.detector, BaseDetector):
            raise TypeError(
                f"The parameter 'detector' of {owner} must be a detector of skmmrr. Got "
                f"{self.detector!r}."
            )
        check_size_and_mode(self.size, self.mode, owner)
        if self.tile is not None:
            check_integer("tile", self.tile, owner, minimum=1, remedy="None takes whole pictures.")
        check_real("overlap", self.overlap, owner, 0, 1, bounds="[)")
        check_integer("max_tiles", self.max_tiles, owner, minimum=2)
        if self.false_positive_rate is not None:
            check_real("false_positive_rate", self.false_positive_rate, owner, 0, 1)
        if self.roi is not None:
            self._check_roi(np.asarray(self.roi), owner)
        super()._check_params()

    def _check_roi(self, roi: NDArray[Any], owner: str) -> None:
        if roi.ndim != 2 or not roi.any():
            what = f"shape {roi.shape}" if roi.any() else "zeros"
            raise ValueError(
                f"The parameter 'roi' of {owner} must be an array (height, width), nonzero in the "
                f"region of interest. Got {what}."
            )
        if not hasattr(self.detector, "anomaly_map"):
            raise ValueError(
                f"The parameter 'roi' of {owner} needs a detector with anomaly maps, such as "
                f"MMRRDetector. Got {self.detector!r}."
            )

    def _validate_X(self, X: Any, *, reset: bool) -> Any:
        return [Path(path) for path in check_paths(X, type(self).__name__)]

    def _learned_samples(self, paths: Sequence[Path], seed: int) -> NDArray[np.uint8]:
        """Pictures or drawn tiles, in a temporary file that is mapped into memory."""
        drawn, n = numpy_generator(seed, "tiles"), len(paths)
        most = n if self.tile is None else self.max_tiles
        shares = np.diff(np.arange(n + 1) * most // n)
        taken: list[tuple[tuple[int, ...], Place]] = []
        with tempfile.TemporaryFile() as file:
            reading = tqdm(paths, "reading", disable=not self.verbose)
            for path, share in zip(reading, shares, strict=True):
                picture = self.read(path)
                if not taken:
                    side = (self.tile, self.tile) if self.tile else picture.shape[:2]
                    shape = (*side, *picture.shape[2:])
                places = self._places(picture, side, path)
                for i in np.sort(drawn.permutation(len(places))[:share]):
                    taken.append((picture.shape[:2], places[i]))
                    file.write(np.ascontiguousarray(picture[places[i]]).data)
            file.flush()
            samples = np.memmap(file, np.uint8, "r+", shape=(len(taken), *shape))
        if self.roi is not None:
            self._fill_outside(samples, taken)
        return samples

    def _fill_outside(
        self, samples: NDArray[np.uint8], taken: Sequence[tuple[tuple[int, ...], Place]]
    ) -> None:
        """Learn the mean colour of the region of interest, and give it to all outside."""
        of_shape = {shape: self._inside(shape) for shape in {shape for shape, _ in taken}}
        inside = [of_shape[shape][place] for shape, place in taken]
        total, count = np.zeros(samples[0, 0, 0].shape), 0
        for sample, kept in zip(samples, inside, strict=True):
            total, count = total + sample[kept].sum(axis=0, dtype=np.float64), count + kept.sum()
        self.fill_ = np.atleast_1d(total / count)
        for sample, kept in zip(samples, inside, strict=True):
            sample[~kept] = self._colour(sample)

    # Pictures as samples

    def read(self, path: str | os.PathLike[str]) -> NDArray[np.uint8]:
        """Read a picture at `size`, as it is before it is cut and masked."""
        return read_image(path, self.size, self.mode)

    def _places(self, picture: NDArray[np.uint8], side: tuple[int, ...], path: Path) -> list[Place]:
        """Where the picture's samples are: those that the region of interest touches."""
        (height, width), least = picture.shape[:2], "at least " if self.tile else ""
        large = height >= side[0] and width >= side[1]
        if not (large if self.tile else (height, width) == side):
            raise ValueError(
                f"{path} has (height, width) = {(height, width)}, and must have {least}{side}. "
                "Set the size to which pictures are resized."
            )
        places = tile_places((height, width), (side[0], side[1]), self.overlap)
        inside = self._inside((height, width))
        return [place for place in places if inside[place].any()]

    def _inside(self, shape: tuple[int, ...]) -> NDArray[np.bool]:
        """The region of interest in a picture of a shape."""
        if self.roi is None:
            return np.broadcast_to(True, shape)
        return resize_mask(np.asarray(self.roi) != 0, shape)

    def _colour(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What pixels outside of the region of interest have."""
        return np.rint(self.fill_).astype(np.uint8).reshape(picture.shape[2:])

    # Scoring

    @shared_copies()
    def _score_samples(self, X: Any) -> NDArray[np.float64]:
        return -np.array([judged.anomaly_score for judged in self._judge(X, maps=False)])

    @available_if(_has_maps)  # type: ignore[untyped-decorator]
    @shared_copies()
    def anomaly_map(self, X: Sequence[str | os.PathLike[str]]) -> list[NDArray[np.float32]]:
        """Map where pictures are abnormal.

        Parameters
        ----------
        X : sequence of path-like

        Returns
        -------
        maps : list of ndarray of float32 of shape (height, width)
            Each of the size of its picture, resized to `size` if there is one.
        """
        check_is_fitted(self)
        found = self._judge(self._validate_X(X, reset=False), maps=True)
        return [judged.anomaly_map for judged in found if judged.anomaly_map is not None]

    def _judge(self, paths: Sequence[Path], maps: bool) -> Iterator[Judged]:
        for _, judged in self.judge_files(paths, maps=maps, verbose=self.verbose):
            if isinstance(judged, Exception):
                raise judged
            yield judged

    def judge_files(
        self, paths: Sequence[Path], *, maps: bool = False, verbose: int = 0
    ) -> Iterator[tuple[Path, Judged | ValueError | OSError]]:
        """Score files one after the other; few are in memory at a time.

        Parameters
        ----------
        paths : sequence of Path
        maps : bool, default=False
            Whether anomaly maps are asked for, as from :meth:`anomaly_map`.
        verbose : int, default=0
            1 shows progress, with the time left.

        Yields
        ------
        path : Path
        judged : Judged, ValueError or OSError
            Score and map; the error of a file that cannot be read.
        """
        judged = self._judge_in_turn(paths, maps)
        return iter(tqdm(judged, "scoring", len(paths), disable=not verbose))

    def _judge_in_turn(
        self, paths: Sequence[Path], maps: bool
    ) -> Iterator[tuple[Path, Judged | ValueError | OSError]]:
        if (self.roi is None) == hasattr(self, "fill_"):
            raise ValueError(
                f"The parameter 'roi' of {type(self).__name__} was set or removed after the fit, "
                "which learns the colour outside of it. Fit again, or set it back."
            )
        side = self.detector_.image_shape_[:2]
        most = max(1, min(_SAMPLES_AT_A_TIME, _ELEMENTS_AT_A_TIME // self.n_features_in_))
        waiting: list[tuple[_Canvas, Place]] = []
        for path in paths:
            try:
                picture = self.read(path)
                places = self._places(picture, side, path)
            except (ValueError, OSError) as error:
                yield path, error
                continue
            canvas = _Canvas(path, picture, self._inside(picture.shape[:2]), len(places))
            canvas.blend = Blend(picture.shape[:2], side) if maps else None
            waiting += [(canvas, place) for place in places]
            while len(waiting) >= most:
                yield from self._judge_samples(waiting[:most])
                waiting = waiting[most:]
        if waiting:
            yield from self._judge_samples(waiting)

    def _judge_samples(
        self, samples: Sequence[tuple[_Canvas, Place]]
    ) -> Iterator[tuple[Path, Judged]]:
        """Score samples, and yield the pictures of which they are the last."""
        X = np.stack([self._masked(canvas, place) for canvas, place in samples])
        maps: Any = [None] * len(X)
        if self.roi is not None:
            inside = np.stack([canvas.inside[place] for canvas, place in samples])
            maps = self.detector_.anomaly_map(X) * inside
            share = self.detector_._score_params().get("top_share", 1.0)
            scores = mean_of_top(torch.from_numpy(maps), share).numpy()
        elif samples[0][0].blend is not None:
            scores, maps = self.detector_.scores_and_maps(X)
            scores = -scores
        else:
            scores = -self.detector_.score_samples(X)
        for (canvas, place), score, one in zip(samples, scores, maps, strict=True):
            canvas.add(place, float(score), one)
            if not canvas.n_left:
                yield canvas.path, canvas.judged()

    def _masked(self, canvas: _Canvas, place: Place) -> NDArray[np.uint8]:
        sample = canvas.picture[place]
        if self.roi is not None:
            sample = sample.copy()
            sample[~canvas.inside[place]] = self._colour(sample)
        return sample

    def _score_params(self) -> dict[str, Any]:
        roi = None if self.roi is None else np.asarray(self.roi) != 0
        text = b"" if roi is None else str(roi.shape).encode() + roi.tobytes()
        return {
            **self.detector_._score_params(),
            "size": None if self.size is None else str(tuple(self.size)),
            "mode": self.mode,
            "tile": self.tile,
            "overlap": self.overlap,
            "roi": hashlib.sha256(text).hexdigest()[:8] if text else None,
        }

    # Files

    @property
    def n_features_in_(self) -> int:  # type: ignore[override]
        """Of the samples that `detector_` takes."""
        return int(self.detector_.n_features_in_)

    def _costs(self) -> dict[str, Any]:
        costs: dict[str, Any] = {}
        if self.size is not None:
            costs["pixels"] = math.prod(self.size)
        if self.tile is not None:  # each is so many steps wide, and at most so many pixels
            costs["tiles_per_pixel"] = min(self.tile, math.ceil(1 / (1 - self.overlap))) ** 2
        return costs

    def _check_kept(self) -> None:
        shape = self.detector_.image_shape_
        channels = {"color": 3, "grey": 1}[self.mode]
        require(shape is not None and shape[2] == channels, "'detector_' is of other pictures")
        whole = self.size if self.tile is None else (self.tile, self.tile)
        require(whole is None or shape[:2] == tuple(whole), "'detector_' is of another size")
        holds = self.size is None or self.tile is None or min(self.size) >= self.tile
        require(holds, f"pictures of the size {self.size} hold no tile of {self.tile} pixels")
        fill = getattr(self, "fill_", None)
        require((fill is None) == (self.roi is None), "'fill_' and 'roi' do not belong together")
        require(fill is None or len(fill) == channels, f"'fill_' must have {channels} values")
        low, high = self.map_thresholds_ or (0.0, 0.0)
        require(low <= high, "'map_thresholds_' must rise")
        require((self.map_thresholds_ is not None) == _has_maps(self), "it lacks maps")
        self._check_kept_threshold()

    def _trial_scores(self) -> NDArray[np.float64]:
        return np.array([self.offset_])  # `detector_` was tried when it was made

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags
