"""The gRPC services: each turns messages into requests, and answers into messages."""
