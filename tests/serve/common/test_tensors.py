"""Tensors of the Open Inference Protocol: every data type, and bytes that lie about themselves."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from striate.core.errors import RequestError, StriateError
from striate.serve.common.limits import Limits
from striate.serve.common.tensors import DATATYPES, OF_TORCH, ModelCard, TensorMeta, classification
from striate.serve.predictors.tensors import array_of, tensor_of
from striate.serve.protos.inference import inference_pb2 as pb
from striate.serve.services.tensor_messages import from_raw, read_inputs, to_contents, to_raw

pytestmark = pytest.mark.unit
NUMBERS = [name for name, datatype in DATATYPES.items() if datatype.numpy is not None]
TYPED = [name for name, datatype in DATATYPES.items() if datatype.contents is not None]
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)


def card(datatype: str, shape: tuple[int, ...]) -> ModelCard:
    return ModelCard((TensorMeta("x", datatype, (-1, *shape[1:])),), ())


def arrays(datatype: str) -> st.SearchStrategy[Any]:
    dtype = DATATYPES[datatype].numpy
    if dtype is None:
        return st.lists(st.binary(max_size=9), min_size=1, max_size=5)
    return hnp.arrays(dtype, SHAPES)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return bool(one == other)
    return bool(one.dtype == other.dtype and one.tobytes() == other.tobytes())


@pytest.mark.parametrize("datatype", DATATYPES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_raw_contents_go_there_and_back(datatype: str, data: st.DataObject) -> None:
    array = data.draw(arrays(datatype))
    shape = (len(array),) if isinstance(array, list) else array.shape
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=shape)
    request = pb.ModelInferRequest(inputs=[tensor], raw_input_contents=[to_raw(array)])
    read, rows = read_inputs(request, card(datatype, shape), Limits())
    assert rows == shape[0]
    assert same(read["x"], array)


@pytest.mark.parametrize("datatype", TYPED)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_typed_contents_go_there_and_back(datatype: str, data: st.DataObject) -> None:
    array = data.draw(arrays(datatype))
    shape = (len(array),) if isinstance(array, list) else array.shape
    tensor = pb.ModelInferRequest.InferInputTensor(
        name="x", datatype=datatype, shape=shape, contents=to_contents(array, datatype)
    )
    read, _ = read_inputs(pb.ModelInferRequest(inputs=[tensor]), card(datatype, shape), Limits())
    if isinstance(array, list):
        assert read["x"] == array
    else:
        np.testing.assert_array_equal(read["x"], array)
        assert np.asarray(read["x"]).dtype == array.dtype


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_half_precision_comes_as_raw_contents_alone(datatype: str) -> None:
    assert to_contents(np.zeros(1, np.float16), datatype) is None
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=[1])
    tensor.contents.fp32_contents.append(1.0)
    with pytest.raises(RequestError, match="raw contents"):
        read_inputs(pb.ModelInferRequest(inputs=[tensor]), card(datatype, (1,)), Limits())


@pytest.mark.parametrize(
    ("datatype", "field", "value"),
    [
        ("INT8", "int_contents", 128),
        ("INT16", "int_contents", -(2**15) - 1),
        ("UINT8", "uint_contents", 256),
        ("UINT16", "uint_contents", 2**16),
    ],
)
def test_a_number_out_of_its_types_range_is_refused(datatype: str, field: str, value: int) -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=[1])
    getattr(tensor.contents, field).append(value)
    with pytest.raises(RequestError, match=f"no {datatype}"):
        read_inputs(pb.ModelInferRequest(inputs=[tensor]), card(datatype, (1,)), Limits())


def test_numbers_are_not_copied() -> None:
    raw = np.arange(8, dtype=np.float32).tobytes()
    array = from_raw(raw, TensorMeta("x", "FP32", (-1,)), 8)
    assert isinstance(array, np.ndarray) and not array.flags.owndata


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(list(DATATYPES)),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 5), max_size=5),
    st.binary(max_size=64),
)
def test_whatever_a_caller_claims_gets_an_array_of_that_shape_or_one_sentence(
    datatype: str, shape: list[int], raw: bytes
) -> None:
    """No size that is claimed is allocated, and no other error than ours comes out."""
    tensor = pb.ModelInferRequest.InferInputTensor(name="x", datatype=datatype, shape=shape)
    request = pb.ModelInferRequest(inputs=[tensor], raw_input_contents=[raw])
    model = ModelCard((TensorMeta("x", datatype, (-1,) * len(shape)),), ())
    try:
        read, rows = read_inputs(request, model, Limits())
    except StriateError as error:
        assert len(str(error)) < 300
        return
    array = read["x"]
    assert rows == (shape[0] if shape else 1)
    assert (len(array) if isinstance(array, list) else array.size) == int(np.prod(shape))


@pytest.mark.parametrize("shape", [[5, 0, 2**61], [1, 0, 2], [1, 2, -1], [0, 2, 2]])
def test_a_sample_of_no_size_is_none(shape: list[int]) -> None:
    with pytest.raises(RequestError):
        TensorMeta("x", "BOOL", (-1, -1, -1)).check_shape(shape, 1024)


@pytest.mark.parametrize("dtype", OF_TORCH)
def test_every_element_type_goes_through_torch(dtype: str) -> None:
    tensor = torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, dtype))
    array = array_of(tensor, dtype)
    assert array.dtype == DATATYPES[OF_TORCH[dtype]].numpy
    back = tensor_of(array, dtype)
    assert back.dtype == tensor.dtype
    assert back.tolist() == tensor.tolist()


@given(hnp.arrays(np.float32, (2, 5), elements=st.floats(-9, 9, width=32), unique=True))
def test_classification_sorts_every_row(scores: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    found = [entry.decode().split(":") for entry in classification(scores, 3, list("abcde"))]
    for row, entries in zip(scores, (found[:3], found[3:]), strict=True):
        values = [row[int(index)] for _, index, _ in entries]
        assert values == sorted(row.tolist(), reverse=True)[:3]
        assert [label for _, _, label in entries] == ["abcde"[int(i)] for _, i, _ in entries]
