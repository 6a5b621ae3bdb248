"""The stages put together, and the networks that play their roles."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from torch import nn
from torch.autograd import gradcheck

from skmmrr import MMRRDetector, Network
from skmmrr.core.initialisation import initialise
from skmmrr.mmrr import Draws, MMRRModel, ResidualMLP, UNet, sample_loss


def mlp(inputs, outputs):
    return ResidualMLP(inputs, outputs, (), width=4, n_blocks=1)


def model(features=6, **changes):
    built = MMRRModel(mlp, features, **changes)
    initialise(built, torch.Generator().manual_seed(0))
    return built


def samples(n=3, features=6):
    return torch.rand(n, features, generator=torch.Generator().manual_seed(1)) * 2 - 1


def draws(n=3, k=2, features=6):
    generator = torch.Generator().manual_seed(2)
    noise = torch.rand(n, k, features, generator=generator) * 2 - 1
    return Draws(noise, torch.rand(n, k, features, generator=generator))


@pytest.mark.parametrize("size", [(8, 8), (7, 13), (1, 1), (2, 31), (28, 28)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_unet_takes_any_size_and_channel_count(size, channels):
    net = UNet(channels, channels, size, width=8, n_resolutions=3, n_blocks=2)
    assert net(torch.randn(2, channels, *size)).shape == (2, channels, *size)


def test_unet_sees_the_whole_image():
    net = UNet(1, 1, (16, 16), width=8, n_resolutions=3, n_blocks=1)
    x = torch.randn(1, 1, 16, 16, requires_grad=True)
    net(x)[0, 0, 0, 0].backward()
    assert x.grad[0, 0, 15, 15] != 0


@pytest.mark.parametrize("mask", ["learned", "constant", "bernoulli"])
@pytest.mark.parametrize("embed", [True, False])
@pytest.mark.parametrize("refine", [True, False])
def test_every_ablation_runs_through_all_stages(mask, embed, refine):
    x, levels = samples(), torch.tensor([[0.0, 0.4], [0.3, 1.0], [0.5, 0.5]])
    stages = model(refine=refine, embed=embed, mask=mask)(x, levels, draws())
    assert stages.embedding.shape == x.shape
    assert all(stage.shape == (3, 2, 6) for stage in stages[1:])
    assert stages.restored.abs().max() <= 1
    assert embed or stages.embedding is x
    assert refine or torch.equal(stages.refined, stages.restored)
    if mask != "bernoulli":
        assert_allclose(stages.mask.mean(dim=2).detach(), levels, atol=1e-6)


def test_many_levels_at_once_are_each_level_alone():
    net, x, levels, drawn = model(), samples(), torch.rand(3, 2), draws()
    at_once = net(x, levels, drawn)
    for k in range(2):
        one = Draws(*(t[:, k : k + 1] for t in drawn))
        alone = net(x, levels[:, k : k + 1], one, encoded=net.encode(x))
        for both, single in zip(at_once[1:], alone[1:], strict=True):
            assert_allclose(both[:, k].detach(), single[:, 0].detach(), atol=1e-6)


def test_one_row_of_draws_serves_all_samples():
    net, x, levels = model(), samples(), torch.rand(3, 2)
    row = Draws(*(t[:1] for t in draws()))
    each = Draws(*(t.expand(3, 2, 6) for t in row))
    for shared, own in zip(net(x, levels, row), net(x, levels, each), strict=True):
        assert_array_equal(shared.detach(), own.detach())


def test_level_0_hides_the_sample():
    net, level, drawn = model(), torch.zeros(1, 1), draws(1, 1)
    outputs = [net(x, level, drawn).restored for x in (torch.zeros(1, 6), torch.ones(1, 6))]
    assert_array_equal(*[output.detach() for output in outputs])


def test_untrained_refinement_changes_nothing():
    stages = model()(samples(), torch.rand(3, 2), draws())
    assert_array_equal(stages.refined.detach(), stages.restored.detach())


def test_loss_is_differentiable_through_the_mask():
    net, drawn = model(3, refine=False).double(), draws(2, 2, 3)
    x, levels = samples(2, 3).double(), torch.tensor([[0.3, 0.9], [0.7, 0.1]]).double()
    drawn = Draws(drawn.noise.double())
    bias = net.masking.backbone.head[-1].bias
    logits = net.masking.logits(x).detach()

    def loss(weight):
        encoded = net.embedding(x).detach(), logits - bias.detach() + weight
        return sample_loss(x, net(x, levels, drawn, encoded=encoded).restored)

    assert gradcheck(loss, torch.zeros(3, dtype=torch.double, requires_grad=True))


# Networks of the user's own


class Scaled(nn.Module):
    """A linear map with a gain, a parameter that no layer of torch has."""

    def __init__(self, in_channels, out_channels, shape):
        super().__init__()
        n_pixels = int(np.prod(shape))
        self.shape = shape
        self.linear = nn.Linear(in_channels * n_pixels, out_channels * n_pixels)
        self.gain = nn.Parameter(torch.empty(out_channels * n_pixels))

    def forward(self, x):
        output = self.gain * self.linear(x.flatten(1))
        return output.unflatten(1, (-1, *self.shape))


class Initialised(Scaled):
    def initialise(self, generator):
        nn.init.uniform_(self.gain, 0.9, 1.1, generator=generator)


@pytest.mark.parametrize("form", ["images", "vectors"])
def test_a_backbone_of_ones_own_is_trained_and_scores(form, images, vectors):
    X = {"images": images, "vectors": vectors}[form]
    detector = MMRRDetector(3, backbone=Initialised, max_iter=30, random_state=0)
    scores = detector.fit(X).score_samples(X)
    assert np.isfinite(scores).all()
    assert detector.anomaly_map(X[:2]).shape == X[:2].shape
    gain = detector.network_[0].restoration.backbone.gain.numpy()
    assert np.ptp(gain) > 0
    assert_array_equal(detector.fit(X).score_samples(X), scores)


def test_a_parameter_that_nobody_initialised_is_named(vectors):
    detector = MMRRDetector(backbone=Scaled, random_state=0)
    with pytest.raises(ValueError, match=r"'embedding.backbone.gain'. Give Scaled.*initialise\(g"):
        detector.fit(vectors)
    assert not hasattr(detector, "network_")


def test_torchs_own_layers_need_no_help_and_leave_the_global_state_alone(vectors):
    def attention(in_channels, out_channels, shape):
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        return nn.Sequential(
            nn.Unflatten(1, (in_channels, 1)),
            nn.Linear(1, 8),
            layer,
            nn.Flatten(),
            nn.Linear(8 * in_channels, out_channels),
        )

    detector = MMRRDetector(2, backbone=attention, max_iter=2, random_state=0)
    before = torch.get_rng_state()
    first = detector.fit(vectors).score_samples(vectors)
    assert_array_equal(torch.get_rng_state(), before)
    torch.manual_seed(7)
    assert_array_equal(detector.fit(vectors).score_samples(vectors), first)


def test_sizes_belong_to_named_backbones(vectors):
    detector = MMRRDetector(backbone=Initialised, network=Network(width=8))
    with pytest.raises(ValueError, match=r"'network'.*callable.*network=None"):
        detector.fit(vectors)


def test_an_untrained_refinement_of_ones_own_changes_nothing_either():
    own = MMRRModel(lambda i, o: Initialised(i, o, ()), 6)
    initialise(own, torch.Generator().manual_seed(0))
    stages = own(samples(), torch.rand(3, 2), draws())
    assert_array_equal(stages.refined.detach(), stages.restored.detach())


class Noisy(nn.Sequential):
    """Batch norm and dropout, which draws from the global random state."""

    def __init__(self, in_channels, out_channels, shape):
        super().__init__(
            nn.Linear(in_channels, 16),
            nn.BatchNorm1d(16),
            nn.Dropout(0.3),
            nn.Linear(16, out_channels),
        )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_batch_norm_and_dropout_repeat_in_threads_too_and_pickle(vectors):
    detector = MMRRDetector(2, backbone=Noisy, max_iter=10, random_state=0)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    scores = clone(detector).fit(vectors).score_samples(vectors)
    with ThreadPoolExecutor(3) as pool:
        fits = list(pool.map(lambda _: clone(detector).fit(vectors), range(3)))
    assert_array_equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    for fitted in [*fits, pickle.loads(pickle.dumps(fits[0])), copy.deepcopy(fits[0])]:
        assert_array_equal(fitted.score_samples(vectors), scores)


class Holder(nn.Sequential):
    """Integers in a module that has no method ``initialise``."""

    def __init__(self, in_channels, out_channels, shape):
        super().__init__(nn.Linear(in_channels, out_channels))
        self.register_buffer("places", torch.arange(3))


KEPT = nn.Linear(5, 5)


@pytest.mark.parametrize(
    ("backbone", "found"),
    [
        (Holder, r"Nobody initialised 'embedding.backbone.places'. Give Holder"),
        (lambda i, o, shape: KEPT, r"has values already.*Make new modules"),
        (lambda i, o, shape: nn.Linear(i, o + 1), r"'backbone' must build .*Got \(2, 6\)"),
        (lambda i, o, shape: nn.Linear(i + 1, o), r"'backbone' must build .*Got RuntimeError"),
        (lambda i, o, shape: nn.Identity(), None),
    ],
)
def test_what_a_backbone_may_not_be(backbone, found, vectors):
    weight = KEPT.weight.detach().clone()
    detector = MMRRDetector(backbone=backbone, refine=False, max_iter=2, n_bins=1)
    with pytest.raises(ValueError, match=found or r"\S"):
        detector.fit(vectors)
    assert_array_equal(KEPT.weight.detach(), weight)


def test_what_a_backbone_froze_stays_as_it_was(vectors):
    def frozen(in_channels, out_channels, shape):
        first = nn.Linear(in_channels, 8).requires_grad_(False)
        return nn.Sequential(first, nn.ReLU(), nn.Linear(8, out_channels))

    detector = MMRRDetector(2, backbone=frozen, max_iter=5, random_state=0).fit(vectors)
    before, after = detector.spec_.initialised_models()[0], detector.network_[0]
    old, new = (model.restoration.backbone for model in (before, after))
    assert_array_equal(old[0].weight.detach(), new[0].weight.detach())
    assert (old[2].weight != new[2].weight).any()
