"""How kopf is set up, and why."""

import kopf

from omnia_core.names import GROUP
from omnia_operator import labels
from omnia_operator.cluster.client import PAGE
from omnia_operator.cluster.kinds import CONFIG_MAP as CONFIG_MAPS
from omnia_operator.cluster.kinds import OWNED, POD, SECRET, SERVICE, WATCHED
from omnia_operator.scheduling.watches import SERVER_SECONDS, SILENCE_SECONDS, Watches

# Anything of these kinds may be referred to, whoever made it.
_ANYBODYS = (CONFIG_MAPS, SECRET, SERVICE)
LABEL_SELECTOR = {labels.MANAGED_BY: labels.OPERATOR}
LABELLED = frozenset(kind for kind in (*OWNED, POD) if kind not in _ANYBODYS)
"""Kinds of which only what the operator has made is watched."""


def tuned(watches: Watches, *, clusterwide: bool) -> kopf.OperatorSettings:
    """Return kopf's settings."""
    settings = kopf.OperatorSettings()
    # Kinds that appear later, such as KEDA's, are noticed by whoever may look at the whole cluster.
    settings.scanning.disabled = not clusterwide
    # A worker of kopf's occupies a slot until it has been idle for this long. With the default
    # of 5 s a burst of events would pass at a few objects per second.
    settings.queueing.worker_limit = 100
    settings.queueing.idle_timeout = 0.05
    # A watch that ends regularly and is silent never for long shows that it lives.
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.inactivity_timeout = SILENCE_SECONDS
    settings.watching.connect_timeout = 10
    # Without it every object of a kind is parsed at once when the operator starts.
    settings.watching.chunk_size = PAGE
    settings.watching.reconnect_backoff = 0.5
    # Every Event is written by the status, once, and not for each line of a log.
    settings.posting.enabled = False
    # One of several operators acts by its own Lease; peers of equal priority freeze each other.
    settings.peering.standalone = True
    # Unused by handlers of raw events, and never to collide with another operator's.
    settings.persistence.finalizer = f"{GROUP}/operator"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    _select(settings, watches)
    return settings


def _select(settings: kopf.OperatorSettings, watches: Watches) -> None:
    selectors = settings.watching.label_selectors
    chosen = ",".join(f"{key}={value}" for key, value in LABEL_SELECTOR.items())
    for kind in LABELLED:
        selectors[kind.group, kind.version, kind.plural] = chosen
    # The history of Helm releases is large, and nothing refers to it.
    settings.watching.field_selectors["", "v1", SECRET.plural] = "type!=helm.sh/release.v1"
    kinds = {(kind.group, kind.version, kind.plural): kind for kind in WATCHED}

    def connecting(resource: kopf.Resource) -> bool:
        kind = kinds.get((resource.group, resource.version, resource.plural))
        if kind is not None:
            watches.alive(kind)
        return False

    # kopf asks for the selectors whenever a watch connects, which nothing else tells us.
    selectors[connecting] = ""
