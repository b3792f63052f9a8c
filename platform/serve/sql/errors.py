"""What can be wrong with a store of record.

::

    PlatformError
    ├── StoreFull       RESOURCE_EXHAUSTED
    ├── StoreBusy       UNAVAILABLE
    └── StoreOutdated   FAILED_PRECONDITION
    DataError
    └── StoreDamaged    DATA_LOSS
"""

from striate.core.errors import DataError, PlatformError


class StoreFull(PlatformError):
    """The store has no room left."""

    code = "STORE_FULL"
    grpc_status = "RESOURCE_EXHAUSTED"


class StoreBusy(PlatformError):
    """Somebody else has held the store for too long, or its server does not answer."""

    code = "STORE_BUSY"


class StoreOutdated(PlatformError):
    """The store was made by another version of Striate."""

    code = "STORE_OUTDATED"
    grpc_status = "FAILED_PRECONDITION"


class StoreDamaged(DataError):
    """The store's file is none, or damaged."""

    code = "STORE_DAMAGED"
