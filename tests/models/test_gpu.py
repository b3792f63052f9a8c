"""What the zoo must do the same on a GPU."""

import pytest
import torch

from striate.models.layers.dropout import draw_mask

pytestmark = pytest.mark.gpu


def test_masks_of_dropout_are_the_same_on_a_gpu() -> None:
    keys, shape = torch.arange(256) * 987_654_321, torch.Size((256, 4096))
    assert torch.equal(draw_mask(keys.cuda(), 2, shape, 0.5).cpu(), draw_mask(keys, 2, shape, 0.5))
