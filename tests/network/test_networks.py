import pytest
import torch
from numpy.testing import assert_array_equal
from torch.autograd import gradcheck

from skmmrr.network import MMRRNetwork, ResidualMLP, UNet, sample_loss


def mlp(inputs, outputs):
    return ResidualMLP(inputs, outputs, width=4, n_blocks=1)


@pytest.mark.parametrize("size", [(8, 8), (7, 13), (1, 1), (2, 31), (28, 28)])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_unet_takes_any_size_and_channel_count(size, channels):
    net = UNet(channels, channels, width=8, n_resolutions=3, n_blocks=2)
    assert net(torch.randn(2, channels, *size)).shape == (2, channels, *size)


def test_unet_sees_the_whole_image():
    net = UNet(1, 1, width=8, n_resolutions=3, n_blocks=1)
    x = torch.randn(1, 1, 16, 16, requires_grad=True)
    net(x)[0, 0, 0, 0].backward()
    assert x.grad[0, 0, 15, 15] != 0


@pytest.mark.parametrize("mask", ["learned", "constant", "bernoulli"])
@pytest.mark.parametrize("embed", [True, False])
@pytest.mark.parametrize("refine", [True, False])
def test_every_ablation_runs_through_all_stages(mask, embed, refine):
    net = MMRRNetwork(mlp, 6, refine=refine, embed=embed, mask=mask)
    x, noise = torch.rand(3, 6) * 2 - 1, torch.rand(3, 6) * 2 - 1
    embedding, logits = net.encode(x)
    masks = net.masking(logits, torch.tensor([0.0, 0.4, 1.0]), torch.rand(3, 6))
    restored = net.restore(embedding, masks, noise)
    refined = net.refine(x, embedding, masks, noise, restored)
    assert masks.shape == restored.shape == refined.shape == x.shape
    assert restored.abs().max() <= 1
    assert embed or embedding is x
    assert refine or refined is restored


def test_level_0_hides_the_sample():
    net = MMRRNetwork(mlp, 6)
    noise, outputs = torch.rand(1, 6) * 2 - 1, []
    for x in (torch.zeros(1, 6), torch.ones(1, 6)):
        embedding, logits = net.encode(x)
        outputs.append(net.restore(embedding, net.masking(logits, torch.zeros(1)), noise))
    assert_array_equal(*[output.detach() for output in outputs])


def test_untrained_refinement_changes_nothing():
    net = MMRRNetwork(mlp, 6)
    net.initialise(torch.Generator().manual_seed(0))
    x, noise, restored = torch.rand(3, 6), torch.rand(3, 6), torch.rand(3, 6)
    assert_array_equal(net.refine(x, x, x, noise, restored).detach(), restored)


def test_initialise_depends_on_the_generator_alone():
    first, second = (MMRRNetwork(mlp, 3) for _ in range(2))
    before = torch.get_rng_state()
    for net in (first, second):
        net.initialise(torch.Generator().manual_seed(7))
    assert_array_equal(torch.get_rng_state(), before)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert_array_equal(a.detach(), b.detach())


def test_loss_is_differentiable_through_the_mask():
    net = MMRRNetwork(mlp, 3, refine=False).double()
    x, level = torch.rand(2, 3).double() * 2 - 1, torch.tensor([0.3, 0.7]).double()
    noise = torch.rand(2, 3).double() * 2 - 1

    def loss(weight):
        bias = net.masking.backbone.head[-1].bias
        embedding = net.embedding(x)
        logits = net.masking.backbone(x) - bias + weight
        return sample_loss(x, net.restore(embedding, net.masking(logits, level), noise))

    assert gradcheck(loss, torch.zeros(3, dtype=torch.double, requires_grad=True))
