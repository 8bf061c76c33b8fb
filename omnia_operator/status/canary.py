"""A version that takes over step by step: what is remembered of it, and what is told."""

from collections.abc import Iterator

from omnia_operator.api.promptpack import CanaryProgress, PackPhase, PromptPack, PromptPackStatus
from omnia_operator.resolve.canary import ALL, canary_of, progress_of, weight_at
from omnia_operator.status.announcements import Announcement


def progress(pack: PromptPack, phase: PackPhase, now: str, *, first: bool) -> CanaryProgress | None:
    """Return when the canary of a version began and ended; None when it does not run.

    One that was stopped begins anew: a version that failed, or was overtaken by a newer one, has
    no sessions that speak for it.

    Args:
        pack: the version.
        phase: what it is now.
        now: the time.
        first: whether there is no older version that it could take over from.
    """
    canary, known = canary_of(pack), progress_of(pack)
    if canary is None or (known and known.completion_time):
        return known if canary else None
    if phase not in (PackPhase.CANARY, PackPhase.ACTIVE):
        return None
    running = known or CanaryProgress(version=pack.spec.version, start_time=now)
    over = first or weight_at(canary, running.start_time, now) == ALL
    if phase is PackPhase.CANARY or not over:
        return running
    return running.model_copy(update={"completion_time": now})


def news(
    pack: PromptPack, before: PromptPackStatus, after: PromptPackStatus
) -> Iterator[Announcement]:
    """Yield what a canary has come to since the last status of a version."""
    version = pack.spec.version
    if after.phase is PackPhase.CANARY:
        part = f"{after.canary_weight} % of new sessions"
        if before.phase is not PackPhase.CANARY or before.canary_version != version:
            beside = f"version {after.active_version} gets the others"
            yield Announcement(False, "CanaryStarted", f"version {version} gets {part}, {beside}")
        elif before.canary_weight != after.canary_weight:
            yield Announcement(False, "CanaryStepped", f"version {version} gets {part}")
    elif before.phase is PackPhase.CANARY and after.phase is PackPhase.ACTIVE:
        yield Announcement(False, "CanaryPromoted", f"all new sessions get version {version}")
    elif before.phase is PackPhase.CANARY:
        yield Announcement(True, "CanaryStopped", f"new sessions no longer get version {version}")
    elif (
        (before.phase, after.phase) == (PackPhase.ACTIVE, PackPhase.ACTIVE)
        and before.canary_version is not None
        and after.canary_version is None
    ):
        message = f"version {before.canary_version} takes over no more: all get version {version}"
        yield Announcement(False, "CanaryWithdrawn", message)
