"""Groups of parameters that are rarely set: sizes of networks, training, feature maps.

``detector.set_params(training__learning_rate=1e-4)`` reaches into them, and so does
``GridSearchCV(detector, {"network__width": [32, 64]})``.
"""

import math
import os
from dataclasses import dataclass
from typing import ClassVar

from sklearn.base import BaseEstimator

from skmmrr.core.training import OPTIMIZERS, SCHEDULES
from skmmrr.core.validation import (
    check_bool,
    check_integer,
    check_integers,
    check_option,
    check_path,
    check_real,
)

_CHOOSES = "None chooses from the data."


@dataclass(kw_only=True, repr=False, frozen=True)
class Network(BaseEstimator):
    """Sizes of the networks of :class:`skmmrr.MMRRDetector`, and of ``MLSADDetector``.

    Parameters
    ----------
    width : int, default=None
        Channels of every feature map, or hidden units; for MLSAD those of the widest layer. None:
        32 for "unet", 128 for "map-unet"; for "mlp" 256 on images, 128 on vectors; 128 for MLSAD.
    n_blocks : int, default=None
        Number of residual blocks: per resolution, down and up, for a U-Net; in total for a
        perceptron and for an MLSAD detector. None: 1.
    n_resolutions : int, default=None
        MMRR only. Resolutions of the U-Net, each half the one before. None: down to about 2x2,
        at most 4, of "map-unet" at most 3. Perceptrons do not use it.

    Examples
    --------
    >>> from skmmrr import MMRRDetector, Network
    >>> MMRRDetector(network=Network(width=64)).set_params(network__n_blocks=2).network
    Network(n_blocks=2, width=64)
    """

    width: int | None = None
    n_blocks: int | None = None
    n_resolutions: int | None = None

    _UNSAVED: ClassVar[tuple[str, ...]] = ()

    def check(self, owner: str) -> None:
        """Raise TypeError or ValueError for what is not a size."""
        for name, value in self.get_params().items():
            if value is not None:
                check_integer(f"network.{name}", value, owner, minimum=1, remedy=_CHOOSES)


@dataclass(kw_only=True, repr=False, frozen=True)
class Training(BaseEstimator):
    """How networks are trained.

    Parameters
    ----------
    batch_size : int, default=None
        Samples per training step. None: for MMRR 64 with "mlp" and for vectors, 1 with "map-unet",
        else 16; for the rotation autoencoder 64, less where images are large; for MLSAD 32. Scoring
        does not use it.
    learning_rate : float, default=None
        Highest rate of the schedule. None: for MMRR 3e-3 on images for a phase of 1,000 steps or
        more, else 1e-3; 1e-4 for the rotation autoencoder, 1e-3 for MLSAD.
    optimizer : {"adamw", "radam", "adam"}, default=None
        "radam" is the MMRR paper's; "adam" has beta1 = 0.5, as in the rotation autoencoder's
        thesis. None: "adamw" for MMRR and MLSAD, "adam" for the rotation autoencoder.
    schedule : {"cosine", "plateau", "constant"}, default=None
        "cosine" warms up over the first tenth of the steps, decays over the rest, and stops early
        when the validation loss has stopped falling. "plateau" is the MMRR paper's: the rate is
        halved whenever that loss has not fallen for 500 epochs; it is checked every epoch. None:
        "cosine" for MMRR and MLSAD, "constant" for the rotation autoencoder.
    level_power : float, default=None
        MMRR only. In training, levels are drawn as ``u ** level_power`` with u from U(0, 1).
        The paper's are uniform, 1.0; higher values draw low levels more often, which U-Nets
        learn late. None: 3.0 for U-Nets with fewer than 1,000 steps of the restoration, else 1.0.
    levels_per_sample : int, default=None
        MMRR only. Levels at which a training step sees each sample of the batch; embedding and
        mask logits are computed once for all of them. The paper has 1. None: 4.
    checkpoint : path-like, default=None
        Checkpoint file for long fits. Training state is saved to it after validations, at most
        once a minute, and the file is deleted at the end. After a crash, or Ctrl-C, run the same
        fit again, with the same data and an int as `random_state`: it resumes there, and on a CPU
        ends with bit-identical weights. The checkpoint of another fit is refused. Saved detectors
        do not keep this parameter.

    Examples
    --------
    >>> from skmmrr import MMRRDetector, Training
    >>> MMRRDetector(training=Training(optimizer="radam", learning_rate=1e-4)).training
    Training(learning_rate=0.0001, optimizer='radam')
    """

    batch_size: int | None = None
    learning_rate: float | None = None
    optimizer: str | None = None
    schedule: str | None = None
    level_power: float | None = None
    levels_per_sample: int | None = None
    checkpoint: str | os.PathLike[str] | None = None

    _UNSAVED: ClassVar[tuple[str, ...]] = ("checkpoint",)  # no file says where a fit writes

    def check(self, owner: str) -> None:
        """Raise TypeError or ValueError for what is not as described."""
        if self.checkpoint is not None:
            check_path("training.checkpoint", self.checkpoint, owner)
        for name in ("batch_size", "levels_per_sample"):
            if getattr(self, name) is not None:
                check_integer(f"training.{name}", getattr(self, name), owner, 1, _CHOOSES)
        for name in ("learning_rate", "level_power"):
            if getattr(self, name) is not None:
                check_real(f"training.{name}", getattr(self, name), owner, 0, math.inf)
        for name, options in (("optimizer", tuple(OPTIMIZERS)), ("schedule", SCHEDULES)):
            if getattr(self, name) is not None:
                check_option(f"training.{name}", getattr(self, name), owner, options, _CHOOSES)


@dataclass(kw_only=True, repr=False, frozen=True)
class FeatureMaps(BaseEstimator):
    """How features come from a network; for the parameter `features` of the detectors.

    Parameters
    ----------
    input_size : int, default=None
        Height and width to which pictures are resized. None: for "efficientnet-lite0" 256 for maps
        and 128 for one row of features a picture; for a network of timm what it was trained with;
        no resizing for a module of your own.
    stages : tuple of int, default=None
        Which of the network's feature maps, as timm counts them in ``out_indices``: from 0, of
        strides 2, 4, 8, 16 and 32 for "efficientnet-lite0". None: those of strides 8 and 16, and
        of a vision transformer the blocks at half and at three quarters of its depth; where a
        picture has one row of features, the network's last features. A module of your own does
        not use it.
    grid : int, default=None
        Height and width of the maps, to which all stages are brought: by the mean of each cell
        where they are finer, by interpolation where they are coarser. None: those of the last
        stage, 16 for pictures of 256 pixels. 1 averages over the picture: one row of features.
    smoothing : float, default=None
        Standard deviation, in pixels, of the Gaussian that smooths anomaly maps once they have the
        pictures' size. None: 1/64 of the shorter side, as PatchCore has it; 0 does not smooth.
    rotate : bool, default=None
        Whether training pictures, where they have maps, are learned as they are and rotated by 90,
        180 and 270 degrees, for parts that lie at any angle. None: nearest neighbours do, where
        pictures are square and parts do not lie alike, aligned or not, that is, where the mean of
        all maps explains less than half of their variance; MMRR does not, whose networks would need
        more steps. True switches `align` off. Set both to False where a part at another angle is a
        defect.
    align : bool, default=None
        Whether parts are found, by the moments of what differs from the picture's border, and
        turned along their principal axis and shifted to lie alike. The network sees a frame around
        the part, with a margin, in as many pixels as the whole picture has otherwise; the frame is
        oblong for named convolutional networks, square for others. **Defects and objects outside
        the frame are not detected.** Anomaly maps are in the coordinates of the original pictures,
        and 0 there. None: where pictures are square and parts do not lie alike, but do once they
        are aligned; they must be longer than wide. Set it to False where a part at another angle or
        place is a defect, or where the background counts.

    Examples
    --------
    >>> from skmmrr import FeatureMaps, MMRRDetector
    >>> MMRRDetector(features="efficientnet-lite0", feature_maps=FeatureMaps(grid=32)).feature_maps
    FeatureMaps(grid=32)
    """

    input_size: int | None = None
    stages: tuple[int, ...] | None = None
    grid: int | None = None
    smoothing: float | None = None
    rotate: bool | None = None
    align: bool | None = None

    _UNSAVED: ClassVar[tuple[str, ...]] = ()

    def check(self, owner: str) -> None:
        """Raise TypeError or ValueError for what is not as described."""
        for name in ("input_size", "grid"):
            if getattr(self, name) is not None:
                check_integer(f"feature_maps.{name}", getattr(self, name), owner, 1, _CHOOSES)
        if self.stages is not None:
            check_integers("feature_maps.stages", self.stages, owner, 0, _CHOOSES)
        if self.smoothing is not None:
            at_least = 0.0, math.inf
            check_real("feature_maps.smoothing", self.smoothing, owner, *at_least, bounds="[)")
        for name in ("rotate", "align"):
            if getattr(self, name) is not None:
                check_bool(f"feature_maps.{name}", getattr(self, name), owner)
