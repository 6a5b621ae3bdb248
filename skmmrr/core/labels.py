"""Which samples are abnormal, in any convention of labels."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def is_anomaly(y: ArrayLike, anomaly_label: Any = None) -> NDArray[np.bool]:
    """Tell anomalies from labels.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        scikit-learn's +1 for normal samples and -1 for anomalies, PyOD's 0 and 1, or booleans that
        are True for anomalies; any two or more values with `anomaly_label`.
    anomaly_label : object, default=None
        The label of anomalies; all others are normal.

    Returns
    -------
    anomalous : ndarray of bool of shape (n_samples,)

    Raises
    ------
    ValueError
        If y is of no such convention, or could be of both.
    """
    if np.ndim(anomaly_label):
        raise ValueError(
            f"The parameter 'anomaly_label' must be None or one label. Got {anomaly_label!r}."
        )
    if np.ma.is_masked(y):
        raise ValueError("y must have no masked elements. Leave these samples out.")
    labels = np.asarray(y)
    if anomaly_label is not None:
        return np.asarray(labels == anomaly_label)
    if labels.dtype == bool:
        return labels
    values = set(labels.ravel().tolist())
    if -1 in values and values <= {-1, 1}:
        return np.asarray(labels == -1)
    if 0 in values and values <= {0, 1}:
        return np.asarray(labels == 1)
    raise ValueError(
        "y must be +1 (normal) and -1 (anomaly), 0 (normal) and 1 (anomaly), or booleans that are "
        f"True for anomalies. Got the values {sorted(values, key=repr)[:5]}, which "
        + ("may be normal or not. " if values == {1} else "are none of these. ")
        + "Pass the label of anomalies as anomaly_label."
    )
