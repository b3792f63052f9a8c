"""What clients, servers and the edge write in gRPC metadata, and the standard services' names."""

CallMetadata = tuple[tuple[str, str], ...]
APP_KEY = "striate-app"
EDGE_KEY = "striate-edge-key"
TRIAL_KEY = "striate-trial"  # with the edge's key: the version on trial is meant
HEALTH = "grpc.health.v1.Health"
INFERENCE = "inference.GRPCInferenceService"
REFLECTION = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
PUSHBACK = "grpc-retry-pushback-ms"
