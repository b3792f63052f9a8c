"""A predictor on a CUDA device answers what it answers on the CPU; skipped where there is none."""

import pytest
import torch

from striate.core.bundle import Bundle
from striate.serve.predictors import load_tagging

pytestmark = pytest.mark.gpu


def test_a_gpu_scores_like_the_cpu(bundle: Bundle) -> None:
    near, far = load_tagging(bundle, "cpu"), load_tagging(bundle, "cuda")
    stored = torch.randint(0, 256, (16, 1, 28, 28), dtype=torch.uint8)
    assert torch.allclose(near.predict(stored), far.predict(stored), atol=1e-4)
