"""On a GPU where there is one, else in Triton's interpreter."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skmmrr.mmrr import UNet
from skmmrr.mmrr.backbones import blocks, unet

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


fused = pytest.importorskip("skmmrr.mmrr.backbones.fused", exc_type=ImportError)


def numbers(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def images(*shape, dtype=torch.float32):
    x = (numbers(*shape, seed=0) + 1).to(dtype)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def norm_of(channels, groups):
    norm, generator = nn.GroupNorm(groups, channels), torch.Generator().manual_seed(1)
    for parameter in norm.parameters():
        nn.init.normal_(parameter, generator=generator)
    return norm.to(DEVICE)


SHAPES = [
    ((2, 16, 5, 7), 8),
    ((3, 3, 4, 4), 1),  # a group that is no power of two
    ((2, 12, 1, 1), 4),
    ((1, 256, 40, 20), 8),  # tiles that do not fill the image
]


@pytest.mark.parametrize(("shape", "groups"), SHAPES)
@pytest.mark.parametrize("shifted", [True, False])
def test_norm_relu_and_its_gradients_are_those_of_float64(shape, groups, shifted):
    x, norm = images(*shape), norm_of(shape[1], groups)
    shift = numbers(shape[1], seed=2).requires_grad_()
    weights = [x, *norm.parameters(), *([shift] if shifted else [])]
    y = fused.norm_relu(norm, x, shift if shifted else None)
    grad = numbers(*shape, seed=3)
    found = torch.autograd.grad(y, weights, grad)

    exact_norm = norm_of(shape[1], groups).double()
    exact_x, exact_shift = (t.detach().double().requires_grad_() for t in (x, shift))
    shifted_x = exact_x + exact_shift[:, None, None] if shifted else exact_x
    exact = torch.relu(exact_norm(shifted_x))
    exact_weights = [exact_x, *exact_norm.parameters(), *([exact_shift] if shifted else [])]
    expected = torch.autograd.grad(exact, exact_weights, grad.double())
    assert y.is_contiguous(memory_format=torch.channels_last)
    for a, b in zip((y, *found), (exact, *expected), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-4)


def test_norm_relu_keeps_bfloat16_and_computes_in_float32():
    x, norm = images(2, 16, 6, 6, dtype=torch.bfloat16), norm_of(16, 8)
    y = fused.norm_relu(norm, x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), torch.relu(norm(x.float())), rtol=2**-7, atol=1e-6)


def test_add_and_its_gradients():
    x, y, shift = images(2, 5, 3, 3), images(2, 5, 3, 3), numbers(5, seed=2).requires_grad_()
    grad = numbers(2, 5, 3, 3, seed=3)
    output = fused.add(x, y, shift)
    torch.testing.assert_close(output, x + y + shift[:, None, None])
    found = torch.autograd.grad(output, (x, y, shift), grad)
    for a, b in zip(found, (grad, grad, grad.sum((0, 2, 3))), strict=True):
        torch.testing.assert_close(a, b)


def test_a_u_net_is_the_same_on_fused_kernels(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    net = UNet(3, 2, (7, 9), width=16, n_resolutions=3, n_blocks=2).to(DEVICE)
    x = images(2, 3, 7, 9)
    outputs, grads = [], []
    for kernels in (None, fused):
        for module in (blocks, unet):
            monkeypatch.setattr(module, "fused_kernels", lambda x, kernels=kernels: kernels)
        outputs.append(net(x))
        grads.append(torch.autograd.grad(F.mse_loss(outputs[-1], x[:, :2]), net.parameters()))
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-4)
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_what_is_no_number_stays_none():
    x = images(1, 8, 2, 2).detach()
    x[0, 0, 0, 0] = torch.nan
    assert fused.norm_relu(norm_of(8, 8), x)[0, 0].isnan().all()


def test_kernels_that_do_not_run_are_told_and_left(monkeypatch):
    def fail(device, dtype):
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.setattr(fused, "try_out", fail)
    blocks._kernels.cache_clear()
    with pytest.warns(UserWarning, match="PyTorch's slower kernels: Failed to find C compiler"):
        assert blocks._kernels(torch.device(DEVICE), torch.float32) is None
    blocks._kernels.cache_clear()


def test_kernels_try_out():
    fused.try_out(torch.device(DEVICE), torch.float32)
