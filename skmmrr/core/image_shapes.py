"""Images among the forms of X: their shape, from the array or from the parameter."""

import math
from typing import Any

import numpy as np

from skmmrr.representation import ImageShape

_MOST_CHANNELS = 4  # a first axis this short, of a longer second and third, is one of channels


def flatten_images(X: Any, owner: str) -> tuple[Any, ImageShape | None]:
    """Images of (n, h, w[, channels]) to (n, h * w * channels), and their shape."""
    if isinstance(X, list | tuple):
        X = np.asarray(X)
    if getattr(X, "ndim", 0) < 3:
        return X, None
    if X.ndim > 4:
        raise ValueError(
            f"{owner} takes X of shape (n, features), (n, height, width) or "
            f"(n, height, width, channels). Got {X.ndim} dimensions: shape {tuple(X.shape)}."
        )
    X = np.asarray(X)
    height, width, channels = (*X.shape[1:], 1)[:3]
    return X.reshape(len(X), height * width * channels), (height, width, channels)


def resolve_image_shape(
    parameter: Any, found: ImageShape | None, n_features: int, owner: str
) -> ImageShape | None:
    """Shape of the images from the parameter, or as found in X; None for vectors."""
    if parameter is None:
        if found is not None and found[0] <= _MOST_CHANNELS < min(found[1:]):
            raise _channels_first(found, owner)
        return found
    shape = _check_parameter(parameter, owner)
    if found is not None:
        check_image_shape(found, shape, "has the parameter image_shape for", owner)
    if math.prod(shape) != n_features:
        raise ValueError(
            f"The parameter 'image_shape' of {owner} must multiply out to the number of features. "
            f"Got {parameter!r}, that is {math.prod(shape)}, for X with {n_features} features."
        )
    return shape


def check_image_shape(found: ImageShape, expected: ImageShape | None, why: str, owner: str) -> None:
    """Raise ValueError if images are of another shape than expected."""
    if expected is None or found == expected:
        return
    if (found[1], found[2], found[0]) == expected:
        raise _channels_first(found, owner)
    raise ValueError(
        f"X has images of (height, width, channels) = {found}, but this {owner} {why} {expected}. "
        "Resize or convert the images to that shape."
    )


def _check_parameter(given: Any, owner: str) -> ImageShape:
    if not (
        isinstance(given, tuple | list)
        and len(given) in (2, 3)
        and all(isinstance(side, int | np.integer) and side > 0 for side in given)
    ):
        raise ValueError(
            f"The parameter 'image_shape' of {owner} must be None, (height, width) or (height, "
            f"width, channels), positive ints. Got {given!r}."
        )
    height, width, channels = (*given, 1)[:3]
    return int(height), int(width), int(channels)


def _channels_first(found: ImageShape, owner: str) -> ValueError:
    return ValueError(
        f"X of shape (n, {', '.join(map(str, found))}) looks channels-first, but {owner} takes "
        "images as (n, height, width, channels). Pass X.transpose(0, 2, 3, 1); or, if it is what "
        "you mean, name the image_shape."
    )
