"""The two phases of training (section 3.4): what moves, and on which loss."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from skmmrr.core.training import OPTIMIZERS, Loss, Phase, Update, trainable
from skmmrr.mmrr.masking import split_missing
from skmmrr.mmrr.model import MMRRModel, Stages
from skmmrr.mmrr.score import sample_loss
from skmmrr.mmrr.spec import MMRRSpec


def training_phases(models: Any, spec: MMRRSpec, usual: Tensor | None = None) -> list[Phase]:
    """The phases of all models; the second sees the first one's weights.

    Batches may have NaN where there are values that are `usual`, of the shape of a sample.
    """
    restoring = [nn.ModuleList([m.embedding, m.masking, m.restoration]) for m in models]
    losses = _losses(restoration_loss, models, spec, usual)
    phases = [_phase("restoration", restoring, losses, spec)]
    if spec.refine:
        refining = [m.refinement for m in models]
        losses = _losses(refinement_loss, models, spec, usual)
        phases.append(_phase("refinement", refining, losses, spec))
    return phases


def restoration_loss(
    model: MMRRModel, spec: MMRRSpec, usual: Tensor | None, x: Tensor, generator: torch.Generator
) -> Tensor:
    """Equation (3) at random levels, of shape (n, levels_per_sample)."""
    x, observed = (x, None) if usual is None else split_missing(x, usual)
    stages = random_stages(model, spec, x, observed, generator, refine=False)
    return sample_loss(x, stages.restored, observed)


def refinement_loss(
    model: MMRRModel, spec: MMRRSpec, usual: Tensor | None, x: Tensor, generator: torch.Generator
) -> Tensor:
    """Equation (4) at random levels, of shape (n, levels_per_sample)."""
    x, observed = (x, None) if usual is None else split_missing(x, usual)
    stages = random_stages(model, spec, x, observed, generator, refine=True)
    return sample_loss(x, stages.refined, observed)


def random_stages(
    model: MMRRModel,
    spec: MMRRSpec,
    x: Tensor,
    observed: Tensor | None,
    generator: torch.Generator,
    refine: bool,
) -> Stages:
    """A pass at levels u^level_power, u ~ U(0, 1) stratified over the batch, and fresh noise."""
    n, k = len(x), spec.levels_per_sample
    strata = torch.randperm(n * k, generator=generator, device=x.device)
    u = (strata + torch.rand(n * k, generator=generator, device=x.device)) / (n * k)
    draws = model.draw(torch.Size((n, k, *x.shape[1:])), generator, x.dtype)
    return model(x, (u**spec.level_power).view(n, k), draws, refine=refine, observed=observed)


def _losses(
    loss: Callable[..., Tensor], models: Any, spec: MMRRSpec, usual: Tensor | None
) -> list[Loss]:
    return [partial(loss, model, spec, usual) for model in models]


def _phase(name: str, modules: Sequence[nn.Module], losses: list[Loss], spec: MMRRSpec) -> Phase:
    """An update for each model: no weight is shared."""
    budget = spec.budgets[name]
    optimizer = OPTIMIZERS[budget.optimizer]
    updates = [
        Update(trainable(module), loss, optimizer, budget.learning_rate)
        for module, loss in zip(modules, losses, strict=True)
    ]
    own = callable(spec.backbone)
    module = nn.ModuleList(modules)
    return Phase(name, module, updates, losses, budget, independent=True, draws_globally=own)
