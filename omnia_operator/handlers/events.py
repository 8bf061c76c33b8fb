"""Every event of every watched kind goes to the inbox."""

import kopf

from omnia_operator.cluster.kinds import WATCHED, ObjectKind
from omnia_operator.scheduling import EventIntake
from omnia_operator.scheduling.watches import Watches


def register(registry: kopf.OperatorRegistry, inbox: EventIntake, watches: Watches) -> None:
    """Tell kopf what to watch.

    The handlers are for raw events: these need no finalizers, leave no annotations and write no
    status. Creation, update, resumption and deletion all mean the same: look at it again.
    """
    for kind in WATCHED:
        _watch(registry, kind, inbox, watches)
    kopf.on.login(registry=registry)(_log_in)


def _watch(
    registry: kopf.OperatorRegistry, kind: ObjectKind, inbox: EventIntake, watches: Watches
) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, id=kind.plural, registry=registry)
    async def observe(event: kopf.RawEvent, **_: object) -> None:
        watches.alive(kind)
        document = dict(event["object"])
        if event["type"] == "DELETED":
            inbox.gone(kind, document)
        else:
            inbox.seen(kind, document)


def _log_in(settings: kopf.OperatorSettings, **_: object) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(
        settings=settings
    )
