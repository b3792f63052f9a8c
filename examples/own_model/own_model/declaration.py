"""The declaration of the service: what the edge, probes, loads and clients go by."""

from striate.serve.common.service_spec import PHOTO, ServiceSpec

SORTING = ServiceSpec(
    "own_model.v1.Sorting",
    scope="sort",
    messages="own_model.sorting_pb2",
    samples={"Sort": {"image": PHOTO}},
)
