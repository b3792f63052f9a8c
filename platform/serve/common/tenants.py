"""Whose data a call works with: by the name of the token that it came with."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from striate.serve.common.metadata import NO_CALLER

NO_TOKEN = "(no token)"
"""The tenant of callers without a token; no token can have that name."""
LONGEST_NAME = 200


class TenantSettings(BaseModel):
    """The part of an application's arguments that says whose data is whose.

    Attributes:
        tenants: by the name of a token, whose data it works with, where these are not those of
            its own name: tokens that share data, or a new one in the place of an old one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenants: dict[str, str] = Field(default_factory=dict)

    @field_validator("tenants")
    @classmethod
    def _named(cls, tenants: dict[str, str]) -> dict[str, str]:
        for name in tenants.values():
            if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or not name.strip():
                raise ValueError(f"{name[:40]!r} cannot be the name of a tenant")
        return tenants

    def tenant_of(self, caller: str) -> str:
        """Whose data a caller works with.

        Args:
            caller: the name of its token; `NO_CALLER` for none.
        """
        return self.tenants.get(caller, NO_TOKEN if caller == NO_CALLER else caller)
