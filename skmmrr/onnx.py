"""A fitted MMRRDetector as an ONNX graph, for machines without Python or torch.

The graph scales, extracts features where the detector does, embeds, masks (root finding included),
restores and refines; a loop inside it runs over the masking levels, with their noise as constants.
It computes in float32.
"""

import copy
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch.nn import functional as F

import skmmrr
from skmmrr._extras import import_extra
from skmmrr.core.complexity import require_adjustment, total_variation
from skmmrr.core.files import write_atomically
from skmmrr.core.top_share import mean_of_top
from skmmrr.mmrr.estimator import MMRRDetector
from skmmrr.mmrr.masking import split_missing
from skmmrr.mmrr.model import Draws
from skmmrr.mmrr.score import squared_error
from skmmrr.mmrr.scoring import draws_at
from skmmrr.representation import Representation

__all__ = ["export_onnx"]

_OUTPUTS = ("anomaly_score", "decision", "anomaly_map")


def export_onnx(detector: MMRRDetector, path: str | os.PathLike[str]) -> None:
    """Write a fitted detector as an ONNX model.

    Its input ``X`` has any number of samples: float64 vectors of shape (n, n_features), with NaN
    where a value is missing, or float32 images of shape (n, height, width) or (n, height, width,
    channels), in the units of the training data. Its input ``threshold``, of shape (), may be left
    out: it is that of the detector, which an anomaly score exceeds. Its outputs are those of the
    detector's methods:

    - ``anomaly_score`` of shape (n,): the negative of ``score_samples``;
    - ``decision`` of shape (n,): ``decision_function``, negative for anomalies;
    - ``anomaly_map`` of shape (n, height, width) or (n, n_features); absent if the features are one
      row per sample.

    Parameters
    ----------
    detector : MMRRDetector
        Fitted. Levels, refinement, adjustment, share of the map and threshold are as they are set
        now. A network of features is part of the model.
    path : path-like
        The file, replaced at once when all is ready.

    Raises
    ------
    TypeError
        If the detector is no MMRRDetector, or its features come from a callable.
    ImportError
        If onnx or onnxscript is not installed.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted, or its threshold belongs to other levels.

    Notes
    -----
    The scores equal those of ``precision="float32"`` to rounding. With ``"auto"`` a processor that
    has bfloat16 scores images in that, which differs more.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import onnxruntime
    >>> from skmmrr import MMRRDetector
    >>> from skmmrr.onnx import export_onnx
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> detector = MMRRDetector(3, max_iter=20, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     export_onnx(detector, Path(folder) / "detector.onnx")
    ...     session = onnxruntime.InferenceSession(Path(folder) / "detector.onnx")
    >>> score, decision, maps = session.run(None, {"X": X})
    >>> bool(np.allclose(-score, detector.score_samples(X), atol=1e-5))
    True
    """
    if not isinstance(detector, MMRRDetector):
        raise TypeError(
            "export_onnx takes an MMRRDetector, as skmmrr fit makes it with --detector mmrr or "
            f"mmrr-features. Got a {type(detector).__name__}."
        )
    check_is_fitted(detector)
    detector._check_threshold()
    extractor = detector.extractor_
    if extractor is not None and extractor.network is None:
        raise TypeError(
            "export_onnx cannot write a callable 'features'. Give the network as a torch module."
        )
    ir, passes = _onnx_ir()
    graph = ScoringGraph(detector)
    with _quiet():
        program = torch.onnx.export(
            graph,
            (graph.example(), torch.tensor(-detector.offset_, dtype=torch.float64)),
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("n_samples", min=1)}, {}),
            input_names=["X", "threshold"],
            output_names=list(_OUTPUTS[: 3 if graph.places else 2]),
            verbose=False,
        )
    model = program.model  # type: ignore[union-attr]
    _give_default(ir, model, "threshold", -detector.offset_)
    passes.ClearMetadataAndDocStringPass()(model)  # of the exporter: a hundred times the weights
    model.producer_name, model.producer_version = "skmmrr", skmmrr.__version__
    model.metadata_props["threshold"] = repr(-detector.offset_)
    write_atomically(Path(path), ir.to_proto(model).SerializeToString())


class ScoringGraph(nn.Module):
    """What the detector computes from samples as the user has them, as one module.

    Parameters
    ----------
    detector : MMRRDetector
        Fitted.
    """

    levels: Tensor
    weights: Tensor
    noise: Tensor
    uniform: Tensor | None
    usual: Tensor | None
    element_weights: Tensor | None

    def __init__(self, detector: MMRRDetector) -> None:
        super().__init__()
        self.models: Any = copy.deepcopy(detector.network_).float().eval()
        self.representation = detector.spec_.representation
        self.extractor, self.top_share = detector.extractor_, detector._top_share()
        self.places = self.extractor is None or self.extractor.map_shape is not None
        self.features: Any = None
        if self.extractor is not None:
            self.features = copy.deepcopy(self.extractor.network)
        self.refine = detector.refine
        self.adjustment = None
        if detector._adjusts():
            adjustment = require_adjustment(detector.adjustment_, type(detector).__name__)
            self.adjustment = adjustment.by_kind["refined" if detector.refine else "restored"]
        self.register_buffer("element_weights", detector._weights())
        levels, weights = detector._quadrature()
        draws = [
            draws_at(levels, self.representation.shape, detector.spec_.seed, member, model)
            for member, model in enumerate(self.models)
        ]
        vectors = self.extractor is None and self.representation.image_shape is None
        self.register_buffer("usual", detector._usual(torch.device("cpu")) if vectors else None)
        self.register_buffer("levels", torch.as_tensor(levels, dtype=torch.float32))
        self.register_buffer("weights", torch.as_tensor(weights, dtype=torch.float32))
        self.register_buffer("noise", torch.cat([drawn.noise for drawn in draws]))
        uniform = [drawn.uniform for drawn in draws if drawn.uniform is not None]
        self.register_buffer("uniform", torch.cat(uniform) if uniform else None)

    def example(self) -> Tensor:
        """Two samples of the input's shape and type."""
        given = self.given
        if given.image_shape is None:
            return torch.zeros(2, given.n_features, dtype=torch.float64)
        height, width, channels = given.image_shape
        return torch.zeros(2, height, width, *([channels] if channels > 1 else []))

    @property
    def given(self) -> Representation:
        """Of the samples as the user has them."""
        return self.representation if self.extractor is None else self.extractor.representation

    def forward(self, X: Tensor, threshold: Tensor) -> tuple[Tensor, ...]:
        """Anomaly scores, decisions and maps."""
        scaled, factor = self.given.scaled(X.flatten(1).double()), None
        if self.extractor is not None:
            pictures = self.given.as_input(scaled)
            found = self.extractor.of_batch(
                self.features, self.extractor.seen(self.features, pictures)
            )
            if self.places:
                found = found.half().flatten(1)
            elif self.extractor.unit_length:
                found = F.normalize(found)
            scaled = self.representation.scaled(found.double())
        x, observed = self.representation.as_input(scaled).contiguous(), None
        if self.usual is not None:
            x, observed = split_missing(x, self.usual)
        if self.adjustment is not None:
            variation = total_variation(self.representation.every_pixel.as_input(scaled))
            factor = self.adjustment.factor(variation.double()).float()
        results = [self._member(i, x, observed) for i in range(len(self.models))]
        maps, losses = (torch.stack(parts).mean(0) for parts in zip(*results, strict=True))
        score = (losses * self.weights.unsqueeze(1)).sum(0)
        if factor is not None:
            score, maps = score * factor, maps * factor.unsqueeze(1)
        grid = self.representation.to_grid(maps)
        if self.top_share < 1:
            score = mean_of_top(grid, self.top_share)
        decision = (threshold - score.double()).float()
        if not self.places:
            return score, decision
        if self.extractor is None:
            return score, decision, self.representation.to_maps(grid)
        registration = self.extractor.registration
        poses = None if registration is None else registration.poses(pictures)
        return score, decision, self.extractor.to_pictures(grid, poses)

    def _member(self, index: int, x: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weighted squared errors of the elements, and losses of the levels, of one model."""
        model = self.models[index]
        encoded = model.encode(x)

        def add_level(total: Tensor, level: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            mean, weight, *drawn = level
            draws = Draws(*(t.unsqueeze(0).unsqueeze(0) for t in drawn))
            means = mean.expand(x.shape[0], 1)
            stages = model(x, means, draws, encoded=encoded, refine=self.refine, observed=observed)
            error = squared_error(x, stages.refined, observed)
            error = self.representation.features_last(error).squeeze(1)
            if self.element_weights is not None:
                error = error * self.element_weights.float()
            return total + weight * error, error.mean(1)

        per_level = [self.levels, self.weights, self.noise[index]]
        per_level += [] if self.uniform is None else [self.uniform[index]]
        maps, losses = scan(add_level, torch.zeros_like(x.flatten(1)), tuple(per_level))
        return maps, losses


def _give_default(ir: Any, model: Any, name: str, value: float) -> None:
    """Make an input one that may be left out."""
    given = next(one for one in model.graph.inputs if one.name == name)
    given.const_value = ir.tensor(np.array(value), name=name)
    model.graph.register_initializer(given)


def _onnx_ir() -> tuple[Any, Any]:
    import_extra("onnxscript", "onnx", "export_onnx")  # torch's exporter needs it
    names = ("onnx_ir", "onnx_ir.passes.common")
    ir, passes = (import_extra(name, "onnx", "export_onnx") for name in names)
    return ir, passes


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's remarks on torchvision and its own deprecation warnings."""
    logger = logging.getLogger("torch.onnx._internal.exporter")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
