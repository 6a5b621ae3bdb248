"""Folders of pictures of noise around grey 100."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def draw(tmp_path):
    """A function that writes a picture, and returns its path."""
    rng = np.random.default_rng(0)

    def write(name, shape=(24, 20, 3), defect=None, value=250):
        pixels = rng.integers(95, 106, size=shape).astype(np.uint8)
        if defect is not None:
            pixels[defect] = value
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return path

    return write
