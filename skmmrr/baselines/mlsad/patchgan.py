"""The entropy-regularised PatchGAN (section 3.1.2): fakes of the levels above 1.

A discriminator of small windows makes fakes look normal through these, and a neural estimate of the
mutual information of fakes and noise, which is their entropy, makes them differ in all else.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmmrr.baselines.mlsad.detectors import SLOPE
from skmmrr.baselines.mlsad.fakes import noise

INFORMATION = ("jsd", "mine")

_GROUP = 4  # images, and groups of channels, of the minibatch standard deviation
_EIGHTH = 8  # the generator's coarsest map is an eighth as wide as an image
_ENCODER, _BOTTLENECK = (64, 128, 256), 512
_STATISTICS = (64, 128, 256, 256)
_DISCRIMINATORS = {  # kernels and channels (tables 6 and 8), and those of the 1x1 layers
    2: (((2, 64),), 128, 128),
    4: (((4, 128),), 256, 256),
    8: (((4, 64), (3, 128), (3, 256)), 512, 256),
}

GAN_LEVELS = tuple(_DISCRIMINATORS)


class SpectralConv2d(nn.Conv2d):
    """Convolution whose weights are divided by their largest singular value [1]_.

    References
    ----------
    .. [1] T. Miyato et al., "Spectral normalization for generative adversarial networks", 2018.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int | tuple[int, ...],
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        super().__init__(before, after, kernel, stride, padding)  # type: ignore[arg-type]
        self.register_buffer("left", torch.empty(after))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the vector that approximates the first left singular one."""
        nn.init.normal_(self.get_buffer("left"), generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with the normalised weights."""
        return self._conv_forward(x, self.weight / self._norm(), self.bias)

    def _norm(self) -> Tensor:
        """Of the weights. Sums of products here, since autocast would round matrix products."""
        matrix = self.weight.flatten(1)
        left, right = self._singular_vectors(matrix)
        return (left[:, None] * matrix * right).sum()

    @torch.no_grad()
    def _singular_vectors(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """The first ones, nearly; in training by one more step of the power method."""
        left = self.get_buffer("left")
        right = F.normalize((left[:, None] * matrix).sum(dim=0), dim=0)
        if self.training:
            left.copy_(F.normalize((matrix * right).sum(dim=1), dim=0))
        return left.clone(), right


class Discriminator(nn.Module):
    """Logits of normality of all windows of a level, from pixels and coordinates (tables 6, 8)."""

    def __init__(self, channels: int, level: int, width: int) -> None:
        super().__init__()
        convolutions, outer, inner = _DISCRIMINATORS[level]
        layers: list[nn.Module] = []
        features = channels + 2
        for kernel, wanted in convolutions:
            layers += [SpectralConv2d(features, min(wanted, width), kernel), nn.LeakyReLU(SLOPE)]
            layers += [MinibatchDeviation()]
            features = min(wanted, width) + MinibatchDeviation.n_channels(min(wanted, width))
        outer, inner = min(outer, width), min(inner, width)
        layers += [SpectralConv2d(features, outer, 1), nn.LeakyReLU(SLOPE)]
        layers += [_NormedBlock(outer, inner) for _ in range(2)]
        self.layers = nn.Sequential(*layers, nn.LeakyReLU(SLOPE), nn.Conv2d(outer, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images, (n, 1, rows, columns)."""
        logits: Tensor = self.layers(torch.cat([x, coordinates(x)], dim=1))
        return logits


class MinibatchDeviation(nn.Module):
    """Four channels more: how much features differ within a group of images, as in StyleGAN2."""

    @staticmethod
    def n_channels(features: int) -> int:
        """How many channels it adds to so many."""
        return math.gcd(_GROUP, features)

    def forward(self, x: Tensor) -> Tensor:
        """The features, and the deviations as maps."""
        n, channels, height, width = x.shape
        images, groups = math.gcd(_GROUP, n), self.n_channels(channels)
        grouped = x.view(images, n // images, groups, channels // groups, height, width)
        squares = (grouped - grouped.mean(dim=0)).square().mean(dim=0)  # var is slow on a CPU
        deviation = (squares + 1e-8).sqrt().mean(dim=(2, 3, 4))
        maps = deviation.repeat(images, 1)[:, :, None, None].expand(-1, -1, height, width)
        return torch.cat([x, maps.to(x.dtype)], dim=1)


class _NormedBlock(nn.Module):
    """Residual block of 1x1 convolutions: the windows stay as they are."""

    def __init__(self, outer: int, inner: int) -> None:
        super().__init__()
        self.first, self.second = SpectralConv2d(outer, inner, 1), SpectralConv2d(inner, outer, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.leaky_relu(self.first(F.leaky_relu(x, SLOPE)), SLOPE)
        changed: Tensor = self.second(inner)
        return x + changed


class Generator(nn.Module):
    """Fakes from noise of their shape: the U-Net of table 8.

    Images whose sides are not multiples of 8 are cut out of larger ones.
    """

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        channels, *self.sides = shape
        coarsest = [math.ceil(side / _EIGHTH) for side in self.sides]
        self.padding = [
            _EIGHTH * cells - side for cells, side in zip(coarsest, self.sides, strict=True)
        ]
        a, b, c = (min(features, width) for features in _ENCODER)
        bottleneck = min(_BOTTLENECK, width)
        self.down = nn.ModuleList(
            [
                nn.Sequential(
                    *_normed(before, after, 4, stride=2, padding=1), *_normed(after, after, 1)
                )
                for before, after in ((channels, a), (a, b), (b, c))
            ]
        )
        self.bottom = nn.Sequential(
            *_normed(c, bottleneck, tuple(coarsest)),
            *_normed(bottleneck, c * math.prod(coarsest), 1),
            nn.Flatten(),
            nn.Unflatten(1, (c, *coarsest)),
        )
        self.up = nn.ModuleList(
            [
                nn.Sequential(*_normed(before, after, 3, padding=1), *_normed(after, after, 1))
                for before, after in ((2 * c, b), (2 * b, a))
            ]
        )
        self.last = nn.Sequential(*_normed(2 * a, a, 3, padding=1), nn.Conv2d(a, channels, 1))

    def forward(self, z: Tensor) -> Tensor:
        """Fakes in (-1, 1) of noise (n, channels, height, width)."""
        x, maps = F.pad(z, (0, self.padding[1], 0, self.padding[0])), []
        for layers in self.down:
            x = layers(x)
            maps.append(x)
        x = self.bottom(x)
        for layers in [*self.up, self.last]:
            x = torch.cat([x, maps.pop()], dim=1)
            x = layers(F.interpolate(x, scale_factor=2, mode="bilinear"))
        return torch.tanh(x[..., : self.sides[0], : self.sides[1]])


def _normed(
    before: int, after: int, kernel: int | tuple[int, ...], stride: int = 1, padding: int = 0
) -> list[nn.Module]:
    """A convolution of the generator with both its norms, and what is not linear."""
    convolution = SpectralConv2d(before, after, kernel, stride, padding)
    return [convolution, nn.BatchNorm2d(after), nn.LeakyReLU(SLOPE)]


class StatisticsNetwork(nn.Module):
    """A number for a pair of fake and noise, from means of their features at four resolutions."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        features = [2 * channels, *(min(wanted, width) for wanted in _STATISTICS)]
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 4 if i else 3, stride=2 if i else 1, padding=1),
                nn.LeakyReLU(SLOPE),
            )
            for i, (before, after) in enumerate(pairwise(features))
        )
        self.output = nn.Linear(sum(features[1:]), 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """The statistic of pairs, (n,)."""
        x, means = torch.cat([x, z], dim=1), []
        for layer in self.layers:
            x = layer(x)
            means.append(x.mean(dim=(2, 3)))
        statistic: Tensor = self.output(torch.cat(means, dim=1))
        return statistic.squeeze(1)


class PatchGAN(nn.Module):
    """The three networks of a level, and what each of them learns.

    Parameters
    ----------
    shape : tuple (channels, height, width)
        Of the images.
    level : int
        Of ``GAN_LEVELS``.
    width : int
        Most features of a layer; 512 leaves all as wide as the paper's.
    information : {"jsd", "mine"}
        How mutual information is estimated, see :func:`mutual_information`.
    """

    def __init__(self, shape: tuple[int, ...], level: int, width: int, information: str) -> None:
        super().__init__()
        self.shape, self.information = shape, information
        self.generator = Generator(shape, width)
        self.discriminator = Discriminator(shape[0], level, width)
        self.statistics = StatisticsNetwork(shape[0], width)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """So many fakes."""
        fakes: Tensor = self.generator(self._noise(n, generator))
        return fakes

    def _noise(self, n: int, generator: torch.Generator) -> Tensor:
        dtype = next(self.generator.parameters()).dtype
        return noise((n, *self.shape), generator, dtype)

    def discriminator_loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """How badly normal images and fakes are told apart, window by window."""
        fake = self.sample(len(x), generator)
        normal, abnormal = self.discriminator(x).float(), self.discriminator(fake).float()
        return F.softplus(-normal).mean() + F.softplus(abnormal).mean()

    def generator_loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Loss (2), whose gradient has the weight (8) in it; that of the statistics has none."""
        z = self._noise(len(x), generator)
        fake = self.generator(z)
        adversarial = F.softplus(-self.discriminator(fake).float()).mean()
        pairs = torch.cat([fake, fake]), torch.cat([z, z.roll(1, dims=0)])  # of all, none its own
        joint, apart = self.statistics(*pairs).chunk(2)
        information = mutual_information(joint.float(), apart.float(), self.information)
        return with_clipped_information(
            adversarial,
            information,
            list(self.generator.parameters()),
            list(self.statistics.parameters()),
        )


def mutual_information(joint: Tensor, apart: Tensor, estimate: str) -> Tensor:
    """Lower bound of mutual information, from a statistic of pairs and of shuffled pairs.

    Parameters
    ----------
    joint, apart : Tensor of shape (n,)
        The statistic of pairs that belong together, and of others.
    estimate : {"jsd", "mine"}
        "mine" is (1), the bound of Donsker and Varadhan in nats [1]_. "jsd" is what a classifier of
        the two kinds of pairs reaches, at most ``2 log 2``: no information, but it rises with it,
        and no outlier rules it.

    References
    ----------
    .. [1] M. I. Belghazi et al., "Mutual information neural estimation", 2018.
    """
    if estimate == "mine":
        return joint.mean() - (apart.logsumexp(dim=0) - math.log(len(apart)))
    return 2 * math.log(2) - F.softplus(-joint).mean() - F.softplus(apart).mean()


def with_clipped_information(
    adversarial: Tensor,
    information: Tensor,
    generator: Sequence[nn.Parameter],
    statistics: Sequence[nn.Parameter],
) -> Tensor:
    """Loss (2), with the gradients that the two networks are to get.

    The generator's is that of ``adversarial - weight * information``, the weight such that the
    second part is never longer than the first (8). The statistics network maximises the information
    as it is.
    """
    structure = torch.autograd.grad(adversarial, generator, retain_graph=True)
    entropy = torch.autograd.grad(information, [*generator, *statistics])
    broken, estimated = entropy[: len(generator)], entropy[len(generator) :]
    weight = clipping_weight(structure, broken)
    wanted = [a - weight * m for a, m in zip(structure, broken, strict=True)]
    wanted += [-t for t in estimated]
    weights = [*generator, *statistics]
    carrier = torch.stack([(w * g).sum() for w, g in zip(weights, wanted, strict=True)]).sum()
    return (adversarial - weight * information).detach() + carrier - carrier.detach()


def clipping_weight(structure: Sequence[Tensor], entropy: Sequence[Tensor]) -> Tensor:
    """The weight lambda of (8): ``min(|a|, |m|) / |m|`` of the two gradients."""
    a, m = (torch.stack([g.norm() for g in gradients]).norm() for gradients in (structure, entropy))
    return torch.minimum(a, m) / m.clamp(min=torch.finfo(m.dtype).tiny)


def coordinates(x: Tensor) -> Tensor:
    """Rows and columns of the pixels of images as two channels in [-1, 1]."""
    axes = (torch.linspace(-1, 1, side, device=x.device, dtype=x.dtype) for side in x.shape[2:])
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).expand(len(x), -1, -1, -1)
