"""Networks whose every weight is drawn from one generator, or read from a file.

torch's own constructors draw from the global random state. So networks are built without memory,
and each module initialises itself afterwards; a weight that nobody initialised is an error.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)
DrawWeight = Callable[[Tensor, torch.Generator], object]

_GLOBAL_STATE = RLock()  # held while torch's global random state is another than the user's

_WEIGHTED = (nn.Linear, nn.modules.conv._ConvNd)
_NORMS = (nn.GroupNorm, nn.LayerNorm, nn.modules.batchnorm._NormBase)


@contextmanager
def globally_seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch's global random state, of a GPU too, and restore it; such blocks take turns."""
    gpus = [device] if device is not None and device.type == "cuda" else []
    with _GLOBAL_STATE, torch.random.fork_rng(gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            with torch.cuda.device(gpu):
                torch.cuda.manual_seed(seed)
        yield


def he_normal(weight: Tensor, generator: torch.Generator) -> None:
    """He's normal initialisation, for layers that a ReLU follows."""
    nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def plan(make: Callable[[], ModuleT]) -> ModuleT:
    """A module whose weights have names, shapes and dtypes, but neither values nor memory."""
    with torch.device("meta"):
        module = make()
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if not tensor.is_meta:
            raise ValueError(
                f"{name!r} has values already, but a network is built anew for each role and fit. "
                "Make new modules in the callable, and let them initialise themselves."
            )
    return module


def build(make: Callable[[], ModuleT]) -> ModuleT:
    """A module on the CPU whose weights are NaN, still to be initialised.

    Parameters
    ----------
    make : callable () -> nn.Module
        Called while tensors have no memory: values that it computes for them are lost.

    Raises
    ------
    ValueError
        If the module, or a part of it, was not made by this call.
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

    Linear and convolutional layers get weights from `draw_weight` and biases of 0, norms are set to
    the identity, and torch's other layers take their own ``reset_parameters``. After them every
    submodule with a method ``initialise(generator)`` has its turn, inner ones first: it fills the
    parameters and buffers of its own, and may fill those of its layers anew.

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
    layers = list(module.modules())
    for layer in layers:
        if isinstance(layer, _WEIGHTED):
            draw_weight(layer.weight, generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, _NORMS):
            layer.reset_parameters()
        elif not hasattr(layer, "initialise"):
            _reset_by_torch(layer, generator)
    for layer in reversed(layers):
        own = getattr(layer, "initialise", None)
        if callable(own):
            own(generator)
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        owner = module.get_submodule(name.rpartition(".")[0])
        if tensor.isnan().any() or not (tensor.is_floating_point() or _counts(owner)):
            raise ValueError(
                f"Nobody initialised {name!r}. Give {type(owner).__name__}, or a module that holds "
                "it, a method initialise(generator) that fills it; the values of its constructor "
                "are not kept."
            )


def _counts(owner: nn.Module) -> bool:
    """Whether integers of a module are known to be set: of norms, and by methods of its own."""
    return isinstance(owner, _NORMS) or hasattr(owner, "initialise")


def _reset_by_torch(layer: nn.Module, generator: torch.Generator) -> None:
    """By torch's convention, which draws from the global state: seeded for that, and restored."""
    reset = getattr(layer, "reset_parameters", getattr(layer, "_reset_parameters", None))
    if reset is None or not any(True for _ in layer.parameters(recurse=False)):
        return
    with globally_seeded(int(torch.randint(2**62, (), generator=generator))):
        reset()
