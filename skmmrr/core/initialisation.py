"""Networks whose every weight is drawn from one generator, or read from a file.

torch's own constructors draw from the global random state. So networks are built without memory,
and each module initialises itself afterwards; a weight that nobody initialised is an error.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)
DrawWeight = Callable[[Tensor, torch.Generator], object]

_WEIGHTED = (nn.Linear, nn.modules.conv._ConvNd)
_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.modules.batchnorm._NormBase)


def he_normal(weight: Tensor, generator: torch.Generator) -> None:
    """He's normal initialisation, for layers that a ReLU follows."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def plan(make: Callable[[], ModuleT]) -> ModuleT:
    """A module whose weights have names, shapes and dtypes, but neither values nor memory."""
    with torch.device("meta"):
        return make()


def build(make: Callable[[], ModuleT]) -> ModuleT:
    """A module on the CPU whose weights are NaN, still to be initialised.

    Parameters
    ----------
    make : callable () -> nn.Module
        Called while tensors have no memory: values that it computes for them are lost.
    """
    module = plan(make)
    module.to_empty(device="cpu")
    for tensor in (*module.parameters(), *module.buffers()):
        nn.init.constant_(tensor, torch.nan if tensor.is_floating_point() else 0)
    return module


def initialise(
    module: nn.Module, generator: torch.Generator, draw_weight: DrawWeight = he_normal
) -> None:
    """Initialise all parameters and buffers of a module that :func:`build` made.

    A submodule with a method ``initialise(generator)`` initialises the parameters and buffers that
    it holds itself. Linear and convolutional layers get weights from `draw_weight` and biases of 0,
    norms are set to the identity, and torch's other layers take their own ``reset_parameters``.

    Parameters
    ----------
    module : nn.Module
    generator : torch.Generator
    draw_weight : callable (weight, generator), default=he_normal

    Raises
    ------
    ValueError
        If a parameter or buffer was left without a value; it is named.
    """
    for layer in module.modules():
        own = getattr(layer, "initialise", None)
        if callable(own):
            own(generator)
        elif isinstance(layer, _WEIGHTED):
            draw_weight(layer.weight, generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, _NORMS):
            layer.reset_parameters()
        else:
            _reset_by_torch(layer, generator)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.isnan().any():
            owner, _, attribute = name.rpartition(".")
            raise ValueError(
                f"Nobody initialised {name!r} of {type(module).__name__}. Give "
                f"{type(module.get_submodule(owner)).__name__} a method initialise(generator) that "
                f"fills its {attribute!r}; the values of its constructor are not kept."
            )


def _reset_by_torch(layer: nn.Module, generator: torch.Generator) -> None:
    """By torch's convention, which draws from the global state: seeded for that, and restored."""
    reset = getattr(layer, "reset_parameters", getattr(layer, "_reset_parameters", None))
    if reset is None or not any(True for _ in layer.parameters(recurse=False)):
        return
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reset()
