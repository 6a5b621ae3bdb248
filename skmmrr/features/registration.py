"""Parts that lie anywhere in their pictures, turned and shifted to lie alike."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from skmmrr.core.kinds import Array, Integer, Items, Real, require, stored

_SIDE = 64  # of the small pictures in which parts are found
_CANVAS = 1.5  # its side, in sides of a picture: parts turned upright may reach beyond the picture
_BACKGROUND = 200.0  # of the border's median squared distance to its colour: the part begins here
_BOX = 0.15  # mean weight over the training pictures from which a place is the part's
_MARGIN = 0.08  # around the part, of its longer half side
_ROOM = 1.2  # largest half side of a frame, in halves of a picture's side: textures exceed it
_ELONGATION = 0.1  # least difference of the variances along and across, over their sum
_LONGEST = 4.0  # largest aspect ratio of a frame
STRIDE = 32  # of networks: both sides of a frame are multiples
_ROUND = 1e-6  # elongation below which an angle is rounding
_ROUNDS = 4  # of telling which end of a part is which


@stored(
    template=Array("f4", 2),
    centre=Items(Real(-2, 2), 2),
    half_sides=Items(Real(0.05, 4), 2),
    size=Items(Integer(1, 2**12), 2),
)
@dataclass(frozen=True, eq=False)
class Registration:
    """Where the part lies in a square picture, and the picture turned and shifted accordingly.

    The background is what the picture's border shows. The centroid and the principal axis of what
    differs from it, by its image moments up to the second order [1]_, are the part's centre and
    angle. Of the two directions along the axis, the one nearer to the median training picture
    counts.

    Attributes
    ----------
    template : ndarray of float32 of shape (64, 64)
        Median training picture, registered, in grey: 1.5 times as wide as a picture, around the
        part's centroid.
    centre, half_sides : tuple of float
        Of what the networks see, the part and a margin, in halves of a picture's side: along the
        part's principal axis and across it, from its centroid.
    size : tuple (height, width)
        Of registered pictures, in pixels.

    References
    ----------
    .. [1] M.-K. Hu, "Visual Pattern Recognition by Moment Invariants", IRE Transactions on
       Information Theory, 1962.
    """

    template: NDArray[np.float32] = field(repr=False)
    centre: tuple[float, float]
    half_sides: tuple[float, float]
    size: tuple[int, int]

    @classmethod
    def fit(cls, batches: Iterable[Tensor], side: int, square: bool) -> "Registration | None":
        """Learn how parts look and how much room they need.

        Parameters
        ----------
        batches : iterable of Tensor of shape (n, channels, height, width)
            Square pictures.
        side : int
            Of a square of as many pixels as registered pictures are to have.
        square : bool
            Whether registered pictures are square too. If not, they are as long as the part.

        Returns
        -------
        registration : Registration or None
            None where nothing stands out from the border, where it has no principal axis, and where
            it does not fit a picture at any angle, such as a texture.
        """
        small = torch.cat([_small(x) for x in batches])
        weights, grey = _foreground(small), _grey(small)
        poses, elongation = _upright(weights)
        template = _on_canvas(grey, poses)[0]
        for _ in range(_ROUNDS):
            poses = _nearer(poses, grey, template)
            template = _on_canvas(grey, poses).median(dim=0).values
        parts = _on_canvas(weights.unsqueeze(1), poses).mean(dim=(0, 1))
        if elongation.median() < _ELONGATION or parts.max() < _BOX:
            return None
        centre, box = _box(parts)
        if max(box) > _ROOM:
            return None
        size = (side, side) if square else _size_for(box, side)
        scale = max(half / pixels for half, pixels in zip(box, size[::-1], strict=True))
        half_sides = scale * size[1], scale * size[0]
        return cls(template[0].float().numpy(), centre, half_sides, size)

    def check_stored(self) -> None:
        """Refuse what no fit has."""
        require(self.template.shape == (_SIDE, _SIDE), "a registration lacks its template")
        sides = max(self.size) <= 2 * _LONGEST * min(self.size)
        require(sides and self._side >= 1, "a registration has a frame that no fit has")

    @property
    def _side(self) -> int:
        """Of a whole picture at the scale of the frame, in pixels."""
        return round(self.size[1] / self.half_sides[0])

    def poses(self, x: Tensor) -> Tensor:
        """Affine maps from registered pictures to pictures as they are, in [-1, 1].

        Parameters
        ----------
        x : Tensor of shape (n, channels, height, width)

        Returns
        -------
        poses : Tensor of float64 of shape (n, 2, 3)
            Of :func:`torch.nn.functional.affine_grid`.
        """
        small = _small(x)
        template = torch.from_numpy(self.template).to(small)
        poses = _nearer(_upright(_foreground(small))[0], _grey(small), template)
        return _framed(poses, self.half_sides, self.centre)

    def register(self, x: Tensor) -> Tensor:
        """Pictures of shape (n, channels, height, width), turned and shifted to lie alike."""
        poses = self.poses(x)
        if x.shape[2] > self._side:  # sampled at fewer points than it has pixels
            x = F.interpolate(x, (self._side, self._side), mode="bilinear", antialias=True)
        return _sampled(x, poses, self.size, "border")


def unregister(maps: Tensor, poses: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps of registered pictures, as those of the pictures as they are.

    Parameters
    ----------
    maps : Tensor of shape (n, h, w)
    poses : Tensor of shape (n, 2, 3)
        As :meth:`Registration.poses` has them.
    size : tuple (height, width)
        Of the pictures.

    Returns
    -------
    maps : Tensor of shape (n, height, width)
        Bilinear; 0 where the registered picture does not reach.
    """
    axes, centre = poses[:, :, :2], poses[:, :, 2:]
    back = (axes / axes.square().sum(dim=1, keepdim=True)).transpose(1, 2)  # orthogonal axes
    inverse = torch.cat([back, -back @ centre], dim=2)
    return _sampled(maps.unsqueeze(1), inverse, size, "zeros").squeeze(1)


def _small(x: Tensor) -> Tensor:
    return F.interpolate(x, (_SIDE, _SIDE), mode="bilinear", antialias=True).double()


def _grey(small: Tensor) -> Tensor:
    """Without brightness, which differs from picture to picture."""
    grey = small.mean(dim=1, keepdim=True)
    return grey - grey.mean(dim=(2, 3), keepdim=True)


def _foreground(small: Tensor) -> Tensor:
    """How much each pixel belongs to the part, in [0, 1], of shape (n, side, side)."""
    rows, columns = (small[:, :, 0], small[:, :, -1]), (small[..., 0], small[..., -1])
    border = torch.cat([*rows, *columns], dim=2)
    background = _quantile(border, 0.5)
    spread = _quantile((border - background).square().sum(dim=1), 0.5)
    distance = (small - background.unsqueeze(3)).square().sum(dim=1).flatten(1)
    excess = (distance - _BACKGROUND * spread).clamp(min=0)
    usual = excess.sum(dim=1, keepdim=True) / (excess > 0).sum(dim=1, keepdim=True).clamp(min=1)
    weights = excess / usual.clamp(min=torch.finfo(excess.dtype).tiny)
    return weights.clamp(max=1).unflatten(1, (_SIDE, _SIDE))  # gloss counts no more than the rest


def _quantile(values: Tensor, share: float) -> Tensor:
    """Over the last dimension, which is kept; by sorting, which ONNX can express."""
    at = round(share * (values.shape[-1] - 1))
    return values.sort(dim=-1).values[..., at : at + 1]


def _upright(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Affine maps to the centroid and the principal axis of weights, and their elongation.

    Sums instead of matrix products: BLAS rounds a row by its place in the batch.

    Returns
    -------
    poses : Tensor of shape (n, 2, 3)
    elongation : Tensor of shape (n,)
        Difference of the variances along and across the axis, over their sum.
    """
    at = _places(weights)
    total = weights.sum(dim=(1, 2)).clamp(min=torch.finfo(weights.dtype).tiny)
    across, down = weights.sum(dim=1) / total[:, None], weights.sum(dim=2) / total[:, None]
    x, y = (across * at).sum(dim=1), (down * at).sum(dim=1)
    xx = (across * at.square()).sum(dim=1) - x.square()
    yy = (down * at.square()).sum(dim=1) - y.square()
    xy = ((weights * at).sum(dim=2) * at).sum(dim=1) / total - x * y
    length = ((xx - yy).square() + (2 * xy).square()).sqrt()
    elongation = torch.where(xx + yy > 0, length / (xx + yy), 0.0)
    cosine = torch.where(elongation > _ROUND, (xx - yy) / length, 1.0)  # of twice the angle
    cosine = cosine.clamp(-1, 1)
    cos, sin = ((1 + cosine) / 2).sqrt(), ((1 - cosine) / 2).sqrt()
    sin = torch.where(xy < 0, -sin, sin)
    return torch.stack([cos, -sin, x, sin, cos, y], dim=1).unflatten(1, (2, 3)), elongation


def _places(weights: Tensor) -> Tensor:
    """Centres of pixels along a side, in [-1, 1]."""
    n = weights.shape[-1]
    return (2 * torch.arange(n, dtype=weights.dtype, device=weights.device) + 1) / n - 1


def _nearer(poses: Tensor, grey: Tensor, template: Tensor) -> Tensor:
    """Of the two directions of each part, the one that is nearer to the template."""
    turned = torch.cat([-poses[:, :, :2], poses[:, :, 2:]], dim=2)
    differences = (_on_canvas(grey, either) - template for either in (poses, turned))
    far, near = (each.square().sum(dim=(1, 2, 3)) for each in differences)
    return torch.where((near < far)[:, None, None], turned, poses)


def _framed(
    poses: Tensor, half_sides: tuple[float, float], centre: tuple[float, float] = (0.0, 0.0)
) -> Tensor:
    """Poses of a frame around parts."""
    axes = poses[:, :, :2]
    shift = axes @ poses.new_tensor(centre).unsqueeze(1)
    return torch.cat([axes * poses.new_tensor(half_sides), poses[:, :, 2:] + shift], dim=2)


def _on_canvas(small: Tensor, poses: Tensor) -> Tensor:
    """Small pictures, parts upright, with what lies around them."""
    return _sampled(small, _framed(poses, (_CANVAS, _CANVAS)), (_SIDE, _SIDE), "border")


def _sampled(pictures: Tensor, poses: Tensor, size: tuple[int, int], beyond: str) -> Tensor:
    shape = [*pictures.shape[:2], *size]
    grid = F.affine_grid(poses.to(pictures.dtype), shape, align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode=beyond, align_corners=False)


def _box(parts: Tensor) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre and half sides of the box, with a margin, around parts on the canvas."""
    inside, at, cell = parts >= _BOX, _CANVAS * _places(parts), 2 * _CANVAS / _SIDE
    (left, right), (top, bottom) = (at[inside.any(dim=dim)].aminmax() for dim in (0, 1))
    half_sides = float(right - left + cell) / 2, float(bottom - top + cell) / 2
    margin = _MARGIN * max(half_sides)
    return (
        (float(left + right) / 2, float(top + bottom) / 2),
        (half_sides[0] + margin, half_sides[1] + margin),
    )


def _size_for(box: tuple[float, float], side: int) -> tuple[int, int]:
    """Height and width of about so many pixels as a square has, about as long as a box."""
    root = math.sqrt(min(max(box[0] / box[1], 1 / _LONGEST), _LONGEST))
    height, width = (max(1, round(each / STRIDE)) * STRIDE for each in (side / root, side * root))
    return height, width
