"""How the runtime authenticates to a tool server."""

from enum import StrEnum
from typing import ClassVar

from omnia_operator.api.meta import SecretKey
from omnia_operator.api.model import (
    Model,
    Text,
)
from omnia_operator.api.rules import rule


class AuthType(StrEnum):
    """How the runtime authenticates to a tool server."""

    NONE = "none"
    BEARER = "bearer"
    BASIC = "basic"
    SERVICE_ACCOUNT = "serviceAccount"
    WORKLOAD_IDENTITY = "workloadIdentity"


class ServiceAccountAuth(Model):
    """A token of the pod's ServiceAccount."""

    audience: Text
    """Audience of the token."""


class Cloud(StrEnum):
    """The cloud of the workload identity."""

    AZURE = "azure"


class WorkloadIdentityAuth(Model):
    """A token of the cloud's workload identity."""

    cloud: Cloud
    """The cloud of the workload identity."""
    audience: Text
    """Audience of the token."""
    header: Text = "Authorization"
    """Header with the token."""


class Auth(Model):
    """How the runtime authenticates to the tool server."""

    type: AuthType = AuthType.NONE
    """Kind of authentication."""
    secret_ref: SecretKey | None = None
    """Key of a Secret: the token for `bearer`, `user:password` for `basic`."""
    service_account: ServiceAccountAuth | None = None
    """The token for `serviceAccount`."""
    workload_identity: WorkloadIdentityAuth | None = None
    """The token for `workloadIdentity`."""

    secret_fits_the_type: ClassVar = rule(
        "bearer and basic need a Secret with the credential, other types have none: add secretRef"
        " with name and key, or remove it",
        cel="(self.type in ['bearer', 'basic']) == has(self.secretRef)",
        at="secretRef",
    )

    service_account_fits_the_type: ClassVar = rule(
        "the block serviceAccount belongs to the type serviceAccount, which needs it: add or"
        " remove it",
        cel="(self.type == 'serviceAccount') == has(self.serviceAccount)",
        at="serviceAccount",
    )

    workload_identity_fits_the_type: ClassVar = rule(
        "the block workloadIdentity belongs to the type workloadIdentity, which needs it: add"
        " or remove it",
        cel="(self.type == 'workloadIdentity') == has(self.workloadIdentity)",
        at="workloadIdentity",
    )
