"""kopf watches the cluster here and does nothing else: its events go to the intake of `scheduling`.

The queue, the object store, the resync, leader election and status are this package's own.
"""

import logging
import re

import kopf

from omnia_core.names import GROUP
from omnia_operator import labels
from omnia_operator.cluster.client import PAGE
from omnia_operator.cluster.kinds import LABELLED, OPTIONAL, SECRET, WATCHED, ObjectKind
from omnia_operator.scheduling import EventIntake
from omnia_operator.scheduling.liveness import SERVER_SECONDS, SILENCE_SECONDS, WatchLiveness

LABEL_SELECTOR = {labels.MANAGED_BY: labels.OPERATOR}


class _WithoutOptionalKinds(logging.Filter):
    """Leaves out the warning of kopf that the cluster lacks kinds that it may lack."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        lacking = set(re.findall(r"(?:plural|any_name)='(\w+)'", message))
        optional = {kind.plural for kind in OPTIONAL}
        return not (message.startswith("Unresolved resources") and lacking and lacking <= optional)


class _WithoutRetries(logging.Filter):
    """Leaves out the lines of kopf about attempts that are repeated: the last one is logged.

    While the API server is away, each watch of each kind writes one a second. The operator's own
    client says so in one line.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not (message.startswith("Request attempt #") and "; will retry: " in message)


_UNRESOLVED = _WithoutOptionalKinds()
_RETRIES = _WithoutRetries()


def register(registry: kopf.OperatorRegistry, intake: EventIntake, liveness: WatchLiveness) -> None:
    """Register a handler of raw events for every watched kind.

    Such handlers need no finalizers, add no annotations and write no status. Creation, update,
    resumption and deletion all lead to a reconciliation.
    """
    observation = logging.getLogger("kopf._core.reactor.observation")
    observation.addFilter(_UNRESOLVED)
    for logger in (observation, logging.getLogger("kopf._cogs.clients.watching")):
        logger.addFilter(_RETRIES)
    for kind in WATCHED:
        _watch(registry, kind, intake, liveness)
    kopf.on.login(registry=registry)(_log_in)


def kopf_settings(liveness: WatchLiveness, *, clusterwide: bool) -> kopf.OperatorSettings:
    """Return kopf's settings."""
    settings = kopf.OperatorSettings()
    # Noticing kinds that are installed later, such as KEDA's, takes access to the whole cluster.
    settings.scanning.disabled = not clusterwide
    # A worker of kopf occupies a slot until it has been idle for this long. With the default
    # of 5 s a burst of events would pass at a few objects per second.
    settings.queueing.worker_limit = 100
    settings.queueing.idle_timeout = 0.05
    # A watch that ends regularly and is never silent for long is known to be alive.
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.inactivity_timeout = SILENCE_SECONDS
    settings.watching.connect_timeout = 10
    # Without pages, all objects of a kind are parsed at once when the operator starts.
    settings.watching.chunk_size = PAGE
    settings.watching.reconnect_backoff = 0.5
    # Events are written with the status, not for log lines.
    settings.posting.enabled = False
    # The operator has its own Lease; kopf's peers of equal priority would freeze each other.
    settings.peering.standalone = True
    # Handlers of raw events do not use these; the names must not collide with another operator's.
    settings.persistence.finalizer = f"{GROUP}/operator"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    _select(settings, liveness)
    return settings


def _watch(
    registry: kopf.OperatorRegistry, kind: ObjectKind, intake: EventIntake, liveness: WatchLiveness
) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, id=kind.plural, registry=registry)
    async def observe(event: kopf.RawEvent, **_: object) -> None:
        liveness.alive(kind)
        document = dict(event["object"])
        if event["type"] == "DELETED":
            intake.gone(kind, document)
        else:
            intake.seen(kind, document)


def _log_in(settings: kopf.OperatorSettings, **_: object) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(
        settings=settings
    )


def _select(settings: kopf.OperatorSettings, liveness: WatchLiveness) -> None:
    selectors = settings.watching.label_selectors
    chosen = ",".join(f"{key}={value}" for key, value in LABEL_SELECTOR.items())
    for kind in LABELLED:
        selectors[kind.group, kind.version, kind.plural] = chosen
    # Secrets of Helm releases are large, and no resource refers to them.
    settings.watching.field_selectors["", "v1", SECRET.plural] = "type!=helm.sh/release.v1"
    kinds = {(kind.group, kind.version, kind.plural): kind for kind in WATCHED}

    def connecting(resource: kopf.Resource) -> bool:
        kind = kinds.get((resource.group, resource.version, resource.plural))
        if kind is not None:
            liveness.alive(kind)
        return False

    # kopf evaluates the selectors whenever a watch connects; it has no callback for that.
    selectors[connecting] = ""
