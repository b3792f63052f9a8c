"""The verbs of the `striate` command: where each is, and what it does in one line."""

from typing import Any

import click

from striate.core.extensions import Extended

# Verb → module and attribute. A module is imported when its verb is used, so that `--help` and
# `status` do not wait for torch.
VERBS = {
    "up": "striate.cli.platform:up",
    "down": "striate.cli.platform:down",
    "status": "striate.cli.platform:status",
    "doctor": "striate.cli.platform:doctor",
    "data": "striate.cli.data:data",
    "train": "striate.cli.train:train",
    "jobs": "striate.cli.jobs:jobs",
    "runs": "striate.cli.runs:runs",
    "models": "striate.cli.models:models",
    "deploy": "striate.cli.apps:deploy",
    "rollback": "striate.cli.apps:rollback",
    "apps": "striate.cli.apps:apps",
    "undeploy": "striate.cli.apps:undeploy",
    "query": "striate.cli.query:query",
    "load": "striate.cli.load:load",
    "plan": "striate.cli.plan:plan",
    "token": "striate.cli.token:token",
    "faces": "striate.cli.faces:faces",
    "stories": "striate.cli.stories:stories",
    "chips": "striate.cli.chips:chips",
    "pools": "striate.cli.pools:pools",
    "demo": "striate.cli.demo:demo",
}
SUMMARIES = {
    "up": "Bring up the local platform: Ray, MLflow and the gRPC edge.",
    "down": "End exactly what `striate up` started.",
    "status": "Show what runs, where, and since when.",
    "doctor": "Find what is wrong here and say how to mend it.",
    "data": "Turn corpora into verified Arrow shards.",
    "train": "Train a recipe, tracked and registered.",
    "jobs": "List, follow and stop trainings sent to a cluster.",
    "runs": "List, show and compare tracked runs.",
    "models": "List, show and promote registered models.",
    "deploy": "Deploy a registered model behind gRPC.",
    "rollback": "Go back to the version that an application ran before.",
    "apps": "List and watch deployed applications.",
    "undeploy": "Take an application down.",
    "query": "Call a deployed application over gRPC.",
    "load": "Load an application at a rate, and show how long callers wait.",
    "plan": "How many replicas and GPUs a demand takes.",
    "token": "Create, list and revoke tokens of the gRPC edge.",
    "faces": "Find, recognise, enrol and forget faces.",
    "stories": "Tell stories that questions are asked about, and forget them.",
    "chips": "Compile for, run on and report on emulated ConvNet chips.",
    "pools": "Show what the cluster offers: CPUs, GPUs, chips.",
    "demo": "Walk the whole way once, on this machine, in minutes.",
}
ALL_COMMANDS: Extended[Any] = Extended("commands", VERBS, of=click.Command)
"""With those that extensions add; the house's own verbs work whatever extensions do."""
