"""Networks by name: the packaged one, and those of timm."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from skmmrr.features.networks import load_network


def test_stages_of_the_packaged_network():
    x = torch.linspace(-1, 1, 3 * 64 * 64).view(1, 3, 64, 64)
    network = load_network("efficientnet-lite0", 64, (0, 1, 2, 3, 4), True, "Detector")
    shapes = [tuple(stage.shape[1:]) for stage in network(x)]
    assert shapes == [(16, 32, 32), (24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2)]
    default = load_network("efficientnet-lite0", 64, None, True, "Detector")
    assert default.maps(x, None).shape == (1, 152, 4, 4)
    assert torch.equal(default(x)[1], network(x)[3])
    assert load_network("efficientnet-lite0", None, None, True, "Detector").input_size == 256


def test_a_stage_that_is_not_there_is_told():
    with pytest.raises(ValueError, match=r"stages' must be among 0 to 4 .* Got \(2, 5\)"):
        load_network("efficientnet-lite0", 64, (2, 5), True, "Detector")


def test_loading_does_not_touch_the_global_random_state():
    before = torch.get_rng_state()
    load_network("efficientnet-lite0", None, None, True, "Detector")
    assert torch.equal(torch.get_rng_state(), before)


def test_the_digest_tells_weights_apart():
    one, other = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)
    first, second = (load_network(m, None, None, True, "Detector") for m in (one, other))
    assert first.digest() == load_network(one, None, None, True, "Detector").digest()
    assert first.digest() != second.digest()


class Network(nn.Module):
    """What timm's create_model returns, as far as it is used."""

    def __init__(self, strides, out_indices):
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(3, 4, s, stride=s) for s in strides)
        self.out_indices = tuple(range(len(strides))) if out_indices is None else out_indices
        self.feature_info = SimpleNamespace(
            reduction=lambda: list(strides), out_indices=self.out_indices
        )

    def forward(self, x):
        return [self.convolutions[i](x) for i in self.out_indices]


@pytest.fixture
def timm(monkeypatch):
    """A package with timm's interface, whose calls are kept."""
    package, strides = ModuleType("timm"), {"resnet": [2, 4, 8, 16, 32], "vit": [16] * 12}
    package.calls = []

    def create_model(name, pretrained=False, features_only=False, out_indices=None, **rest):
        package.calls.append({"pretrained": pretrained, "out_indices": out_indices} | rest)
        return Network(strides[name], out_indices)

    package.create_model = create_model
    package.is_model = strides.__contains__
    package.get_pretrained_cfg = lambda name: SimpleNamespace(
        input_size=(3, 96, 96), fixed_input_size=name == "vit", mean=(0.5,) * 3, std=(0.2,) * 3
    )
    monkeypatch.setitem(sys.modules, "timm", package)
    return package


@pytest.mark.parametrize(("name", "stages"), [("resnet", (2, 3)), ("vit", (5, 8))])
def test_default_stages_of_timm(timm, name, stages):
    network = load_network(f"timm:{name}", None, None, True, "Detector")
    assert timm.calls[-1] == {"pretrained": True, "out_indices": stages}
    assert (network.input_size, network.mean, network.deviation) == (96, (0.5,) * 3, (0.2,) * 3)
    assert not any(p.requires_grad for p in network.parameters())


def test_stages_and_size_of_timm_are_those_asked_for(timm):
    load_network("timm:vit", 64, (1, 2), True, "Detector")
    assert timm.calls == [{"pretrained": True, "out_indices": (1, 2), "img_size": 64}]
    load_network("timm:resnet", 64, (1,), True, "Detector")
    assert "img_size" not in timm.calls[-1]


def test_one_row_a_picture_is_the_network_without_its_classifier(timm):
    load_network("timm:resnet", None, None, False, "Detector")
    assert timm.calls == [{"pretrained": True, "out_indices": None, "num_classes": 0}]


def test_timm_does_not_touch_the_global_random_state(timm):
    before = torch.get_rng_state()
    load_network("timm:resnet", None, None, True, "Detector")
    assert torch.equal(torch.get_rng_state(), before)


def test_without_internet_the_remedy_is_named(timm, monkeypatch):
    def offline(name, pretrained=False, **rest):
        raise ConnectionError("no route to host.")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(OSError, match=r"no route to host\. Fetch them once with internet"):
        load_network("timm:resnet", None, (1,), True, "Detector")


def test_unknown_networks_of_timm(timm):
    with pytest.raises(ValueError, match="'timm:alexnet' is not a timm network"):
        load_network("timm:alexnet", None, None, True, "Detector")


def test_timm_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"'timm'\. Install the extra.*skmmrr\[timm\]"):
        load_network("timm:resnet", None, None, True, "Detector")
