import pytest
import torch

from skmmrr.core.devices import (
    module_on_device,
    resolve_device,
    resolve_precision,
    shared_copies,
)


def test_auto_is_a_device_that_is_there():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto", "me").type == expected


@pytest.mark.parametrize("device", ["warp drive", "cuda:99", 3.5, "meta?"])
def test_devices_that_are_not_there_are_refused_with_a_remedy(device):
    with pytest.raises(ValueError, match=r"'device' of me must be 'auto'.*Use device='auto'"):
        resolve_device(device, "me")


def test_named_precisions():
    cpu = torch.device("cpu")
    assert resolve_precision("float32", cpu, convolutional=True) == torch.float32
    assert resolve_precision("bfloat16", cpu, convolutional=False) == torch.bfloat16


def test_auto_precision_leaves_small_products_on_a_cpu_in_float32():
    assert resolve_precision("auto", torch.device("cpu"), convolutional=False) == torch.float32


def test_a_pass_copies_each_network_once():
    one, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    elsewhere = torch.device("meta")
    with shared_copies():
        copied = module_on_device(one, elsewhere)
        with shared_copies():  # a pass in a pass
            assert module_on_device(one, elsewhere) is copied
        assert module_on_device(one, elsewhere) is copied
        assert module_on_device(other, elsewhere) is not copied
    assert copied.weight.device == elsewhere
    assert one.weight.device.type == "cpu"
    assert module_on_device(one, elsewhere) is not copied  # which may have learned since
