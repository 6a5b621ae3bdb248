"""Which features make vectors abnormal."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skmmrr.plot import _checks
from skmmrr.plot._pyplot import pyplot

_USUAL = 0.95  # quantile of normal samples, up to which a contribution is usual
_DARK = 0.6  # of the scale, beyond which text on a cell is white


class ContributionsDisplay:
    """Contributions of features to anomaly scores: bars for one sample, a table for several.

    The features that contribute most are shown, and the others as one. Of a table they are those
    that contribute most to any sample; a cell has its percentage of the sample's score, and its
    colour is the contribution, on one scale for all.

    Parameters
    ----------
    contributions : array-like of shape (n_samples, n_features)
        As returned by :meth:`skmmrr.MMRRDetector.contributions`; of a DataFrame the names of
        features and samples are taken.
    feature_names : sequence of str, default=None
        None takes those of a DataFrame, or else numbers.
    titles : sequence of str, default=None
        One a sample. None takes the index of a DataFrame, or else numbers, and appends the scores.
    usual : array-like of shape (n_features,), default=None
        Contributions that are usual among normal samples, such as a high quantile: ticks on the
        bars of one sample.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
    ax_ : matplotlib.axes.Axes

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skmmrr import MMRRDetector
    >>> from skmmrr.plot import ContributionsDisplay
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)  # 1 is benign
    >>> detector = MMRRDetector(max_iter=50, random_state=0).fit(X[y == 1])
    >>> display = ContributionsDisplay.from_estimator(detector, X[:1], normal=X[y == 1])
    >>> [label.get_text() for label in display.ax_.get_yticklabels()][0]
    'others (20)'
    """

    def __init__(
        self,
        *,
        contributions: Any,
        feature_names: Sequence[str] | None = None,
        titles: Sequence[str] | None = None,
        usual: ArrayLike | None = None,
    ) -> None:
        self.contributions = contributions
        self.feature_names = feature_names
        self.titles = titles
        self.usual = usual

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        normal: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        titles: Sequence[str] | None = None,
        max_features: int = 10,
        ax: Any = None,
    ) -> Self:
        """Ask a fitted detector for the contributions to the scores of samples, and draw them.

        Parameters
        ----------
        estimator : MMRRDetector
            Fitted on vectors.
        X : array-like of shape (n_samples, n_features)
            One sample, or some.
        normal : array-like of shape (n_normal, n_features), default=None
            Normal samples, best such as did not train. The 95% quantile of their contributions is
            what is usual.
        feature_names : sequence of str, default=None
            None takes those of the fit, or else numbers.
        titles, max_features, ax
            As in the class and in :meth:`plot`.

        Returns
        -------
        display : ContributionsDisplay
        """
        _checks.able(estimator, "contributions", cls.__name__)
        usual = None
        if normal is not None:
            usual = np.quantile(np.asarray(estimator.contributions(normal)), _USUAL, axis=0)
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        return cls.from_predictions(
            estimator.contributions(X),
            usual=usual,
            feature_names=None if feature_names is None else [str(name) for name in feature_names],
            titles=titles,
            max_features=max_features,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        contributions: ArrayLike,
        *,
        usual: ArrayLike | None = None,
        feature_names: Sequence[str] | None = None,
        titles: Sequence[str] | None = None,
        max_features: int = 10,
        ax: Any = None,
    ) -> Self:
        """Draw given contributions.

        Parameters
        ----------
        contributions, usual, feature_names, titles
            As in the class.
        max_features, ax
            As in :meth:`plot`.

        Returns
        -------
        display : ContributionsDisplay
        """
        display = cls(
            contributions=contributions, feature_names=feature_names, titles=titles, usual=usual
        )
        return display.plot(max_features=max_features, ax=ax)

    def plot(self, *, max_features: int = 10, ax: Any = None) -> Self:
        """Draw the bars of one sample, or the table of several.

        Parameters
        ----------
        max_features : int, default=10
            Features with a bar or a column of their own.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ContributionsDisplay
        """
        values, names, titles, usual = self._checked(max_features)
        plt = pyplot(type(self).__name__)
        n_shown = min(max_features, len(names)) + (max_features < len(names))
        if ax is None:
            one = len(values) == 1
            size = (
                (6.5, 0.8 + 0.3 * n_shown)
                if one
                else (2.5 + 0.75 * n_shown, 2 + 0.32 * len(values))
            )
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        if len(values) == 1:
            _draw_bars(ax, values[0], names, titles[0], usual, max_features)
        else:
            _draw_table(ax, values, names, titles, max_features)
        return self

    def _checked(
        self, max_features: Any
    ) -> tuple[NDArray[np.float64], list[str], list[str], NDArray[np.float64] | None]:
        """Contributions, names of features and samples, and what is usual."""
        owner = type(self).__name__
        shape = "(n_samples, n_features)"
        values = _checks.numbers("contributions", self.contributions, owner, shape, (2,))
        if not isinstance(max_features, int | np.integer) or max_features < 1:
            raise ValueError(
                f"The parameter 'max_features' of {owner} must be an int of at least 1. Got "
                f"{max_features!r}."
            )
        n_samples, n_features = values.shape
        names = _checks.names("feature_names", self.feature_names, n_features, owner)
        titles = _checks.names("titles", self.titles, n_samples, owner)
        index: Any = range(n_samples)
        columns: Any = range(n_features)
        if hasattr(self.contributions, "iloc"):
            index, columns = self.contributions.index, self.contributions.columns
        scores = zip(index, values.sum(axis=1), strict=True)
        usual = None
        if self.usual is not None:
            usual = _checks.numbers("usual", self.usual, owner, f"({n_features},)", (1,))
            if len(usual) != n_features:
                raise ValueError(
                    f"The parameter 'usual' of {owner} must have the {n_features} features of the "
                    f"contributions. Got {len(usual)}."
                )
        return (
            values,
            names or [str(name) for name in columns],
            titles or [f"{name}: score {score:.3g}" for name, score in scores],
            usual,
        )


def _draw_bars(
    ax: Any,
    values: NDArray[np.float64],
    names: list[str],
    title: str,
    usual: NDArray[np.float64] | None,
    max_features: int,
) -> None:
    """Horizontal bars, the highest on top and the sum of the others at the bottom."""
    order = np.argsort(values, kind="stable")[::-1]
    shown, others = order[:max_features], order[max_features:]
    heights, labels = list(values[shown]), [names[i] for i in shown]
    if len(others):
        heights.append(values[others].sum())
        labels.append(f"others ({len(others)})")
    places = np.arange(len(labels))[::-1]
    colours = ["C0"] * len(shown) + ["0.7"] * (len(labels) - len(shown))
    ax.barh(places, heights, color=colours)
    if usual is not None:
        ax.scatter(
            usual[shown],
            places[: len(shown)],
            120,
            "k",
            marker="|",
            label="usual",
            zorder=3,
        )
        ax.legend(loc="best")
    ax.set_yticks(places[::-1], labels[::-1])
    ax.set(xlabel="contribution to the anomaly score", title=title)


def _draw_table(
    ax: Any,
    values: NDArray[np.float64],
    names: list[str],
    titles: list[str],
    max_features: int,
) -> None:
    """Samples by features, on one scale of colours, with percentages of each sample's score."""
    order = np.argsort(values.max(axis=0), kind="stable")[::-1]
    shown, others = np.sort(order[:max_features]), order[max_features:]
    cells, labels = values[:, shown], [names[i] for i in shown]
    if len(others):
        cells = np.column_stack([cells, values[:, others].sum(axis=1)])
        labels.append(f"others ({len(others)})")
    highest, totals = float(values.max()) or 1.0, values.sum(axis=1)
    own = np.where(np.arange(len(labels)) < len(shown), cells, np.nan)  # sums have no colour
    image = ax.imshow(own, cmap="Blues", vmin=0, vmax=highest, aspect="auto")
    for (i, j), value in np.ndenumerate(cells):
        share = value / totals[i] if totals[i] > 0 else 0.0
        colour = "white" if own[i, j] > _DARK * highest else "black"
        ax.text(j, i, f"{share:.0%}", color=colour, ha="center", va="center", fontsize="small")
    ax.set_xticks(range(len(labels)), labels, rotation=40, ha="right")
    ax.set_yticks(range(len(titles)), titles)
    bar = ax.figure.colorbar(image, ax=ax)
    bar.set_label("contribution to the score", fontsize="small")
