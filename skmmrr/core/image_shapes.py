"""The forms of X: values that are numbers, and images, whose shape X or the parameter has."""

import math
import os
from typing import Any

import numpy as np

from skmmrr.core.validation import shown
from skmmrr.representation import ImageShape

_MOST_CHANNELS = 4  # a first axis this short, of a longer second and third, is one of channels


def flatten_images(X: Any, owner: str) -> tuple[Any, ImageShape | None]:
    """Images of (n, h, w[, channels]) to (n, h * w * channels), and their shape."""
    X = _checked_values(X, owner)
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


def _checked_values(X: Any, owner: str) -> Any:
    """Refuse what numpy would silently make numbers of, or what it fails on for other reasons."""
    parts = X if isinstance(X, list | tuple) else [X]
    if any(getattr(part, "requires_grad", False) for part in parts):
        raise ValueError(f"X of {owner} must not require gradients. Pass X.detach().")
    if any(np.ma.is_masked(part) for part in parts):
        raise ValueError(
            f"X of {owner} must have no masked elements, since nothing is known of them. Leave "
            "their rows out, or fill them with X.filled(...)."
        )
    if any(isinstance(part, str | bytes | os.PathLike) for part in parts):
        raise TypeError(_text_instead(owner))
    if isinstance(X, list | tuple):
        X = _array(X, owner)
    kind = getattr(getattr(X, "dtype", None), "kind", "f")  # torch's dtypes have none
    if kind in ("m", "M"):
        raise TypeError(_dates_instead(owner, X.dtype))
    if kind == "c":
        raise ValueError(
            f"Complex data not supported: X of {owner} must be real numbers. Got {X.dtype}; its "
            "real and imaginary parts may be features."
        )
    if kind in ("U", "S", "O") and _is_text(X):
        raise TypeError(_text_instead(owner))
    if kind == "O" and isinstance(X, np.ndarray):
        _check_objects(X, f"X of {owner}")
    if hasattr(getattr(X, "dtypes", None), "items"):
        _check_columns(X, owner)
    return X


def _array(X: Any, owner: str) -> Any:
    try:
        return np.asarray(X)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"X of {owner} must be rows or images of one shape, of numbers. Got a "
            f"{type(X).__name__} from which numpy cannot make an array: {error}"
        ) from error


def _is_text(X: Any) -> bool:
    """Whether X is a row of text or paths; in two dimensions it may be a table, read badly."""
    row = X.ndim == 1 and len(X) > 0
    return row and isinstance(np.asarray(X)[0], str | bytes | os.PathLike)


def _text_instead(owner: str) -> str:
    return (
        f"X of {owner} must be numbers. Got text or paths. Pictures are read from paths by "
        "skmmrr.preprocessing.LoadImages, in make_pipeline(LoadImages(size=(64, 64)), detector) or "
        "before."
    )


def _dates_instead(what: str, dtype: Any) -> str:
    return (
        f"X of {what} must be numbers. Got {dtype}: dates and times need a unit to become "
        "numbers. Convert them first, for example by (X - X.min()) / np.timedelta64(1, 'h')."
    )


def _check_columns(X: Any, owner: str) -> None:
    """Refuse columns of a DataFrame that are not numbers; those of objects may be."""
    for name, dtype in X.dtypes.items():
        if dtype.kind in ("m", "M"):
            raise TypeError(_dates_instead(f"{owner}, in its column {name!r},", dtype))
        if dtype.kind not in ("b", "i", "u", "f", "c"):
            _check_objects(np.asarray(X[name], dtype=object), f"X of {owner}, column {name!r},")


def _check_objects(X: Any, what: str) -> None:
    """Refuse objects that are not numbers, or larger than any float."""
    try:
        X.astype(np.float64)
    except OverflowError as error:
        raise ValueError(
            f"{what} must be numbers that float64 can hold, to about 1.8e308. Got a larger int. "
            "Divide X by a constant, or take its logarithm."
        ) from error
    except (TypeError, ValueError) as error:
        raise type(error)(f"{what} must be numbers: {error}. Encode or drop the rest.") from error


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
            f"Got {shown(parameter)}, that is {math.prod(shape)}, for X with {n_features} features."
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
            f"width, channels), positive ints. Got {shown(given)}."
        )
    height, width, channels = (*given, 1)[:3]
    return int(height), int(width), int(channels)


def _channels_first(found: ImageShape, owner: str) -> ValueError:
    return ValueError(
        f"X of shape (n, {', '.join(map(str, found))}) looks channels-first, but {owner} takes "
        "images as (n, height, width, channels). Pass X.transpose(0, 2, 3, 1); or, if it is what "
        "you mean, name the image_shape."
    )
