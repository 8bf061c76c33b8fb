"""Declarations about an agent: what discharges an obligation is one thing."""

from collections.abc import Iterator

from msgspec import structs

from omnia_core.files.pack.document import Pack
from omnia_core.files.pack.governance import Governance
from omnia_core.files.pack.issue import Issue, Place


def governance_issues(pack: Pack) -> Iterator[Issue]:
    """Yield what is wrong with the controls that a pack declares."""
    for place, governance in _declared(pack):
        for index, obligation in enumerate(governance.obligations):
            for at, control in enumerate(obligation.controls):
                if sum(value is not None for value in structs.astuple(control)) != 1:
                    where = (*place, "obligations", index, "controls", at)
                    yield Issue(where, "expected one of: field, validator, eval, external")


def _declared(pack: Pack) -> Iterator[tuple[Place, Governance]]:
    if pack.metadata and pack.metadata.governance:
        yield ("metadata", "governance"), pack.metadata.governance
    for name, member in pack.agents.members.items() if pack.agents else ():
        if member.governance:
            yield ("agents", "members", name, "governance"), member.governance
