"""The application `echo`: it answers at once and decodes nothing, to measure the way to it."""

from ray import serve

from striate.serve.apps.factory import tagger
from striate.serve.apps.replica import ReplicaArgs, application
from striate.serve.common.types import ModelName
from striate.serve.predictors.echo import EchoPredictor, EchoTensors
from striate.serve.server.models import FixedModels, ServedModel
from striate.serve.server.servable import Servable
from striate.serve.server.service import Service
from striate.serve.services.inference import Inference
from striate.serve.services.tagging import PhotoTagging

__all__ = ["EchoArgs", "build", "services"]

DEPLOYMENT = "echo"
MODEL = ModelName("echo", "1")


class EchoArgs(ReplicaArgs):
    """What `build` takes: no model, and what every application does."""


def services(args: EchoArgs) -> list[Service]:
    """What a replica serves: tagging, and the Open Inference Protocol."""
    tensors = EchoTensors()
    servable = Servable(MODEL, tensors, tensors.probe(), args.limits)
    return [
        PhotoTagging(tagger(EchoPredictor(), MODEL, args.limits), args.limits),
        Inference(FixedModels([ServedModel(tensors.card, servable)]), args.limits),
    ]


def build(args: EchoArgs) -> serve.Application:
    """The Serve application."""
    return application(DEPLOYMENT, args, services)
