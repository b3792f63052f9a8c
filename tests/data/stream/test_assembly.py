"""Parts of a batch come together as they are: values, gaps, and the order of memory."""

import pytest
import torch

from striate.data.stream.batch_threads import Assembly, parts_of
from striate.data.stream.decoding import Decoded

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
@pytest.mark.parametrize("channels_last", [False, True])
def test_parts_make_the_whole_in_the_same_memory_order(
    dtype: torch.dtype, channels_last: bool
) -> None:
    whole = torch.arange(6 * 3 * 4 * 5).reshape(6, 3, 4, 5).to(dtype)
    if channels_last:
        whole = whole.contiguous(memory_format=torch.channels_last)
    assembly = Assembly(6)
    for part in parts_of(6, 2):
        assembly.put(part, Decoded({"images": whole[part], "labels": whole[part, 0, 0, 0]}, (), ()))
    made = assembly.result()
    assert torch.equal(made["images"], whole) and made["images"].stride() == whole.stride()
    assert torch.equal(made["labels"], whole[:, 0, 0, 0])
