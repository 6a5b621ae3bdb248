from skmmrr.benchmark.digits import one_vs_all


def test_no_training_image_is_tested():
    train, test, y = one_vs_all(3)
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}
    assert len(train) + len(test) == 1797
    assert (y == 1).sum() == 183 - len(train)
