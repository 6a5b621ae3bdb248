"""The thesis's networks (section 4.4, figure 4.1): two encoders, a decoder, a classifier."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

N_ROTATIONS = 4
_WIDTH, _MOST_WIDTH = 32, 512  # channels of the first strided convolution; doubled at each
_CLASSIFIER_WIDTH = 128
_WEIGHT_DEVIATION = 0.01


class RotationAutoencoder(nn.Module):
    """Autoencoder and rotation classifier that share the first encoder (figure 3.2).

    Parameters
    ----------
    image_shape : tuple (height, width, channels)
        Images are padded with their lowest value, around the centre, to a square whose side is
        4 times a power of two: every strided convolution halves it, down to 4x4.
    latent_channels : int
        Features of the first encoder, `a` in the thesis.
    rotation_channels : int
        Features of the second encoder, which serves the classifier alone.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], latent_channels: int, rotation_channels: int
    ) -> None:
        super().__init__()
        height, width, channels = image_shape
        side = padded_side(height, width)
        depth = int(math.log2(side // 4))
        down, right = side - height, side - width
        self.n_elements = side * side * channels
        self.padding = (right // 2, right - right // 2, down // 2, down - down // 2)
        widths = [channels, *(min(_WIDTH * 2**i, _MOST_WIDTH) for i in range(depth))]
        self.encoder = _encoder(widths, latent_channels)
        self.rotation_encoder = _encoder(widths, rotation_channels)
        self.decoder = _decoder(widths, latent_channels)
        self.classifier = nn.Sequential(
            nn.Linear(latent_channels + rotation_channels, _CLASSIFIER_WIDTH),
            nn.BatchNorm1d(_CLASSIFIER_WIDTH),
            nn.ReLU(),
            nn.Linear(_CLASSIFIER_WIDTH, N_ROTATIONS),
        )

    def pad(self, x: Tensor) -> Tensor:
        """Images in [-1, 1] to squares in [0, 1]."""
        return functional.pad((x + 1) / 2, self.padding)

    def crop(self, square: Tensor) -> Tensor:
        """The real pixels of squares."""
        left, right, up, down = self.padding
        return square[..., up : square.shape[-2] - down, left : square.shape[-1] - right]

    def encode(self, square: Tensor) -> Tensor:
        """First encoder's features of squares, (n, latent_channels, 1, 1)."""
        return self.encoder(square)

    def squared_error(self, latent: Tensor, square: Tensor) -> Tensor:
        """Squared error of every real pixel, (n, channels, height, width): terms of (3.7)."""
        return (self.crop(self.decoder(latent)) - self.crop(square)).square()

    def classify(self, latent: Tensor, rotated: Tensor) -> Tensor:
        """Logits of the four rotations, from rotated squares and their first features."""
        features = torch.cat([latent, self.rotation_encoder(rotated)], dim=1)
        return self.classifier(features.flatten(1))


def padded_side(height: int, width: int) -> int:
    """Side of the square that strided convolutions halve to 4x4."""
    return 4 * 2 ** max(0, math.ceil(math.log2(max(height, width) / 4)))


def draw_weight(weight: Tensor, generator: torch.Generator) -> None:
    """From N(0, 0.01), as the thesis draws all weights."""
    nn.init.normal_(weight, std=_WEIGHT_DEVIATION, generator=generator)


def rotations(x: Tensor) -> Tensor:
    """All four rotations of squares, counter-clockwise by quarter turns: (4, n, ...), eq. (3.5)."""
    return torch.stack([torch.rot90(x, turns, (-2, -1)) for turns in range(N_ROTATIONS)])


def _encoder(widths: list[int], out_channels: int) -> nn.Sequential:
    """Strided convolutions to 4x4, and one without stride or padding to 1x1."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(zip(widths, [*widths[1:], out_channels], strict=True)):
        last = i == len(widths) - 1
        layers += [
            nn.Conv2d(
                before, after, 4, stride=1 if last else 2, padding=0 if last else 1, bias=False
            ),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2),
        ]
    return nn.Sequential(*layers)


def _decoder(widths: list[int], in_channels: int) -> nn.Sequential:
    """The encoder mirrored, without norms; linear at the end, where a ReLU could die."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(
        zip([in_channels, *widths[:0:-1]], widths[::-1], strict=True)
    ):
        layers += [
            nn.ConvTranspose2d(before, after, 4, stride=2 if i else 1, padding=1 if i else 0),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers[:-1])
