"""What clients, servers and the edge write in gRPC metadata, and the standard services' names.

Every key stands here, and nowhere else.
"""

APP_KEY = "striate-app"
"""Names the application that shall answer."""
EDGE_KEY = "striate-edge-key"
"""The edge's proof towards replicas, and a probe's towards the edge."""
TRIAL_KEY = "striate-trial"
"""With the edge's key: the version on trial is meant."""
CALLER_KEY = "striate-caller"
"""The name of the token that a call came with, as the edge knows it. What a caller sends under this
key goes no further than the edge."""
NO_CALLER = ""
"""Who calls where no token was asked for, and for the platform's own probes; no token's name."""
ERROR_KEY = "striate-error"
"""Trailing: `StriateError.code`, so that a client can rebuild the error."""
REQUEST_ID_KEY = "x-request-id"
"""A call's id in every log line of its handling; a caller may give it, and gets it back."""
AUTHORIZATION = "authorization"
"""A caller's bearer token; no replica sees it."""
PUSHBACK = "grpc-retry-pushback-ms"
"""Trailing: after how long trying again makes sense (gRPC's retry design, gRFC A6)."""
NO_RETRY = "-1"
"""The pushback by which the edge says that trying again is no use."""
ACCEPT_ENCODING = "grpc-accept-encoding"
"""Trailing: which compression a message may have."""

CallMetadata = tuple[tuple[str, str], ...]
"""What a call carries."""

HEALTH = "grpc.health.v1.Health"
INFERENCE = "inference.GRPCInferenceService"
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def bearer(token: str) -> tuple[str, str]:
    """The metadata by which a caller shows a token."""
    return AUTHORIZATION, f"Bearer {token}"
