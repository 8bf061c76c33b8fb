"""The status of a Provider."""

from collections.abc import Iterator

from omnia_operator.api.provider import Provider, ProviderPhase, ProviderStatus
from omnia_operator.resolve import Problem
from omnia_operator.status.conditions import ConditionUpdate, dated, false, true


def provider_status(
    generation: int,
    provider: Provider | None,
    problem: Problem | None,
    previous: ProviderStatus,
    now: str,
) -> ProviderStatus:
    """Return the status of a Provider; `provider` is None when its spec is invalid."""
    return ProviderStatus(
        observed_generation=generation,
        phase=ProviderPhase.READY if problem is None else ProviderPhase.ERROR,
        conditions=dated(_conditions(provider, problem), previous.conditions, generation, now),
    )


def _conditions(provider: Provider | None, problem: Problem | None) -> Iterator[ConditionUpdate]:
    if provider is None:
        message = problem.message if problem else ""
        yield false("SecretFound", "InvalidSpec", message)
        yield false("CredentialConfigured", "InvalidSpec", message)
    elif problem is not None and problem.reason.startswith("Secret"):
        yield false("SecretFound", problem.reason, problem.message)
        yield false("CredentialConfigured", "CredentialRequired", problem.message)
    elif problem is not None:
        yield false("CredentialConfigured", problem.reason, problem.message)
    elif provider.spec.secret_ref is None:
        yield true("SecretFound", "NoSecretRequired")
        yield true("CredentialConfigured", "NoCredentialRequired")
    else:
        yield true("SecretFound", "SecretFound")
        yield true("CredentialConfigured", "CredentialConfigured")
