"""Parameters that hold parameters, within reach of ``set_params`` and of grid search."""

from dataclasses import replace
from typing import Any, ClassVar, Self


class ParameterGroups:
    """Mixin for estimators some of whose parameters are groups: frozen dataclasses, or None."""

    _GROUPS: ClassVar[dict[str, type[Any]]] = {}

    def set_params(self, **params: Any) -> Self:
        """Set parameters.

        Parameters
        ----------
        **params : dict
            Those of the constructor. Where a parameter is a group, such as `network` of
            :class:`skmmrr.MMRRDetector`, ``network__width`` puts one with another width in its
            place; a group that is None is made.

        Returns
        -------
        self : object
        """
        nested = {k: v for k, v in params.items() if "__" in k and k.split("__")[0] in self._GROUPS}
        plain = {k: v for k, v in params.items() if k not in nested}
        super().set_params(**plain)  # type: ignore[misc]
        for key, value in nested.items():
            name, _, inner = key.partition("__")
            setattr(self, name, self._changed(name, inner, value))
        return self

    def _changed(self, name: str, inner: str, value: Any) -> Any:
        """A group with another value of one of its parameters."""
        kind, group = self._GROUPS[name], getattr(self, name)
        group = kind() if group is None else group
        if not isinstance(group, kind) or inner not in kind.__dataclass_fields__:
            raise ValueError(
                f"There is no parameter {name}__{inner} of {type(self).__name__}, whose {name} is "
                f"{group!r}. It may be None or a skmmrr.{kind.__name__}, with the parameters "
                f"{', '.join(kind.__dataclass_fields__)}."
            )
        return replace(group, **{inner: value})
