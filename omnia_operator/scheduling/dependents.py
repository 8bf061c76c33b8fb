"""The index of references: which resources depend on a changed object."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from omnia_operator.references import COUNTS_USERS, Group, ObjectReference, Reference


@dataclass(frozen=True)
class _Links:
    references: frozenset[Reference] = frozenset()
    groups: frozenset[Group] = frozenset()


_NO_LINKS = _Links()


class Dependents:
    """The references of all resources, indexed by what they refer to."""

    def __init__(self) -> None:
        self._links: dict[ObjectReference, _Links] = {}
        self._users: dict[Reference, set[ObjectReference]] = {}
        self._members: dict[Reference, set[ObjectReference]] = {}

    def put(
        self,
        reference: ObjectReference,
        references: frozenset[Reference],
        groups: frozenset[Group],
    ) -> set[ObjectReference]:
        """Store what an object refers to and which groups it belongs to.

        Returns:
            The members of groups that list their users and have gained or lost this one.
        """
        old, new = self._links.get(reference, _NO_LINKS), _Links(references, groups)
        _update(self._users, reference, old.references, references)
        _update(self._members, reference, old.groups, groups)
        if new == _NO_LINKS:
            self._links.pop(reference, None)
        else:
            self._links[reference] = new
        return {
            member
            for changed in old.references ^ references
            if isinstance(changed, COUNTS_USERS)
            for member in self._members.get(changed, ())
        } - {reference}

    def affected(self, changed: ObjectReference) -> set[ObjectReference]:
        """Return the resources that depend on an object, directly or indirectly."""
        reached: set[Reference] = set()
        pending: list[Reference] = [changed]
        while pending:
            reference = pending.pop()
            further: set[Reference] = set(self._users.get(reference, ()))
            if isinstance(reference, ObjectReference):
                further |= self._links.get(reference, _NO_LINKS).groups
            pending += further - reached
            reached |= further
        return {found for found in reached if isinstance(found, ObjectReference)}


def _update(
    index: dict[Reference, set[ObjectReference]],
    reference: ObjectReference,
    old: AbstractSet[Reference],
    new: AbstractSet[Reference],
) -> None:
    for added in new - old:
        index.setdefault(added, set()).add(reference)
    for removed in old - new:
        index[removed].discard(reference)
        if not index[removed]:
            del index[removed]
