"""The edge's rules on which application answers a call, and which version of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from striate.core.numbers import Count, Port
from striate.serve.common.metadata import (
    ACCEPT_ENCODING,
    APP_KEY,
    HEALTH,
    INFERENCE,
    NO_RETRY,
    PUSHBACK,
    REFLECTION,
    TRIAL_KEY,
)
from striate.serve.common.service_spec import ServiceSpec
from striate.serve.edge.constants import (
    SHARES_FILE,
    methods,
    quote,
    refusal,
)

SHARE_PARTS = 10_000
# The first field of a message, behind gRPC's prefix of five bytes: a name, in each method asked.
NAME_FIELD = "req.body,bytes(5),protobuf(1)"


@dataclass(frozen=True)
class DnsReplicas:
    """Replicas that are the addresses of one name in DNS, asked for each second.

    Attributes:
        host: the name.
        port: where each listens.
        most: how many there may be.
        nameservers: `host:port` of who is asked; those of ``/etc/resolv.conf`` when empty.
    """

    host: str
    port: Port
    most: Count = 64
    nameservers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReplicaGroup:
    """Replicas that run the same version.

    Attributes:
        addresses: `host:port` of each.
        weight: its share of the calls, in relation to the other group's.
        serve_name: the Serve application that they belong to; a supervisor that follows it puts its
            living replicas in the place of `addresses`.
        dns: replicas beside those, where DNS knows them.
    """

    addresses: tuple[str, ...] = ()
    weight: int = 100
    serve_name: str = ""
    dns: DnsReplicas | None = None


@dataclass(frozen=True)
class Route:
    """One application: what it answers, and where its replicas are.

    Attributes:
        name: what callers send as the metadata `striate-app`.
        services: full names of the gRPC services that it answers.
        models: names that it answers for in the Open Inference Protocol; empty for any.
        groups: the stable version, and behind it a canary, if there is one.
        hold_s: how long a call waits while no replica of it lives.
        declared: the declarations of its services, as whoever deployed it knew them.
    """

    name: str
    services: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    groups: tuple[ReplicaGroup, ...] = (ReplicaGroup(),)
    hold_s: int = 10
    declared: tuple[ServiceSpec, ...] = ()

    @property
    def stable(self) -> ReplicaGroup:
        """The replicas of the stable version."""
        return self.groups[0]

    @property
    def canary(self) -> ReplicaGroup:
        """The replicas of the version on trial; none, unless there is one."""
        return self.groups[1] if len(self.groups) > 1 else ReplicaGroup(weight=0)

    @property
    def share(self) -> int:
        """The canary's share of the calls, in parts of `SHARE_PARTS`."""
        whole = self.canary.weight + self.stable.weight
        return round(SHARE_PARTS * self.canary.weight / whole) if whole else 0


def shares_text(routes: Iterable[Route]) -> str:
    """The file of the canaries' shares, by application."""
    return "".join(f"{route.name} {route.share}\n" for route in routes)


def route_rules(routes: Sequence[Route]) -> list[str]:
    """Choose by the key `striate-app`, else by the method and what its message names."""
    if not routes:
        return ["  default_backend no-application"]
    return [
        "  acl chosen var(txn.app) -m found",
        *_by_key(routes),
        *_by_name_in_message(routes),
        *_any_living(routes),
        *_by_service(routes),
        f"  http-request set-var(txn.app) str({routes[0].name}) if !chosen",
        *_to_backend(routes),
    ]


def _by_key(routes: Sequence[Route]) -> list[str]:
    asked = f"req.hdr({APP_KEY})"
    unknown = f"There is no application named %[{asked},bytes(0,128),url_enc]."
    return [
        *(_choose(route.name, f"{{ {asked} -m str -- {route.name} }}") for route in routes),
        refusal("NOT_FOUND", unknown, f"if !chosen {{ {asked} -m found }}"),
    ]


def _by_name_in_message(routes: Sequence[Route]) -> list[str]:
    """Models by their names, with or without a version behind an @; services for their health."""
    serving = [route for route in routes if INFERENCE in route.services]
    lines = [
        f"  acl infers path -m beg /{INFERENCE}/Model",
        f"  acl asks-health path -m beg /{HEALTH}/",
        f"  http-request set-var(txn.asked) {NAME_FIELD} if infers or asks-health",
        "  http-request set-var(txn.model) var(txn.asked),field(1,@) if infers",
    ]
    for variable in ("asked", "model"):
        lines += [
            _choose(route.name, f"!chosen infers {{ var(txn.{variable}) -m str -- {names} }}")
            for route in serving
            if (names := " ".join(map(quote, route.models)))
        ]
    lines += [
        _choose(route.name, f"!chosen asks-health {{ var(txn.asked) -m str -- {names} }}")
        for route in routes
        if (names := " ".join(route.services))
    ]
    if all(route.models for route in serving):
        lines += _unknown_is_not_ready(serving)
        unknown = "There is no model named %[var(txn.asked),bytes(0,128),url_enc]."
        lines.append(refusal("NOT_FOUND", unknown, "if !chosen infers { var(txn.asked) -m found }"))
    return lines + (_unreadable() if len(serving) > 1 else [])


def _unknown_is_not_ready(serving: Sequence[Route]) -> list[str]:
    """Whether a model that nobody has is ready, any application that has models can say: no."""
    asked = f"!chosen {{ path /{INFERENCE}/ModelReady }} {{ var(txn.asked) -m found }}"
    living = [_choose(route.name, f"{asked} {_living(route)}") for route in serving]
    return [*living, *(_choose(route.name, asked) for route in serving[:1])]


def _unreadable() -> list[str]:
    """A call that could be any application's, since its message hides the model's name."""
    remedy = "name the application in striate-app."
    compressed = f"The edge does not read compressed messages; send it plain, or {remedy}"
    elsewhere = f"The message does not begin with the model's name; put it first, or {remedy}"
    model = f"if !chosen {{ path -m beg /{INFERENCE}/Model }}"
    return [
        refusal(
            "UNIMPLEMENTED",
            compressed,
            f"{model} {{ req.body,bytes(0,1),hex -m str 01 }}",
            {ACCEPT_ENCODING: "identity", PUSHBACK: NO_RETRY},
        ),
        refusal("INVALID_ARGUMENT", elsewhere, model),
    ]


def _any_living(routes: Sequence[Route]) -> list[str]:
    """What any application answers goes to the first that has a living replica."""
    general = methods(HEALTH, *REFLECTION)
    infer = f"{{ path -m beg /{INFERENCE}/Server }}"
    return [
        _choose(route.name, f"!chosen {kind} {_living(route)}")
        for route in routes
        for kind in (general, *([infer] if INFERENCE in route.services else []))
    ]


def _living(route: Route) -> str:
    """The condition that an application has a living replica.

    A server without a limit of connections counts as -1, and the one that holds calls has a limit.
    """
    return f"{{ be_conn_free(app-{route.name}) -m int lt 0 }}"


def _by_service(routes: Sequence[Route]) -> list[str]:
    return [
        _choose(route.name, f"!chosen {methods(*route.services)}")
        for route in routes
        if route.services
    ]


def _to_backend(routes: Sequence[Route]) -> list[str]:
    canaries = [
        f"  use_backend canary-{route.name} if {{ var(txn.app) -m str -- {route.name} }}"
        f" canary-turn {{ nbsrv(canary-{route.name}) gt 0 }}"
        for route in routes
    ]
    probed = f"inside {{ req.hdr({TRIAL_KEY}) -m found }}"
    return [
        f"  http-request set-var(txn.share) var(txn.app),map_str_int({SHARES_FILE},0)",
        f"  acl canary-turn rand({SHARE_PARTS}),sub(txn.share) -m int lt 0",
        f"  use_backend canary-%[var(txn.app)] if {probed}",
        *canaries,
        "  use_backend app-%[var(txn.app)]",
    ]


def _choose(name: str, condition: str) -> str:
    return f"  http-request set-var(txn.app) str({name}) if {condition}"
