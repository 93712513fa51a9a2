"""What tests of the training share."""

import pytest

from stride_nb import datasets


@pytest.fixture(scope="module")
def clips():
    return [c.joints for c in datasets.load("synthetic", "train", clips=3, seconds=5.0)]
