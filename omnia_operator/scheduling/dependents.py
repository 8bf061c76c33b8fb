"""Who depends on what: an index, so that a change wakes exactly those that it is about."""

from collections.abc import Iterable
from dataclasses import dataclass

from omnia_operator.scheduling.references import COUNTED, SHARED, Node


@dataclass(frozen=True)
class _Known:
    references: frozenset[Node] = frozenset()
    names: frozenset[Node] = frozenset()


class Dependents:
    """The references of all resources, read backwards."""

    def __init__(self) -> None:
        self._known: dict[Node, _Known] = {}
        self._users: dict[Node, set[Node]] = {}
        self._bearers: dict[Node, set[Node]] = {}

    def put(self, node: Node, references: frozenset[Node], names: frozenset[Node]) -> set[Node]:
        """Note what a resource refers to and which shared names it has.

        Returns:
            The bearers of those shared names that it has begun or ceased to refer to.
        """
        old, new = self._known.get(node, _Known()), _Known(references, names)
        _update(self._users, node, old.references, references)
        _update(self._bearers, node, old.names, names)
        if new == _Known():
            self._known.pop(node, None)
        else:
            self._known[node] = new
        changed = old.references ^ references
        return {
            bearer
            for each in changed
            if each.kind in COUNTED
            for bearer in self._bearers.get(each, ())
        } - {node}

    def affected(self, nodes: Iterable[Node]) -> set[Node]:
        """Return the resources that depend on any of the nodes, however indirectly."""
        reached: set[Node] = set()
        ahead = list(nodes)
        while ahead:
            node = ahead.pop()
            further = self._users.get(node, set()) | self._known.get(node, _Known()).names
            ahead += further - reached
            reached |= further
        return {each for each in reached if each.kind not in SHARED}

    def names(self, node: Node) -> frozenset[Node]:
        """Return the shared names that a resource is known by."""
        return self._known.get(node, _Known()).names


def _update(
    index: dict[Node, set[Node]], node: Node, old: frozenset[Node], new: frozenset[Node]
) -> None:
    for each in new - old:
        index.setdefault(each, set()).add(node)
    for each in old - new:
        index[each].discard(node)
        if not index[each]:
            del index[each]
