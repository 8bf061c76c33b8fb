"""Scalars of YAML: which texts are numbers, booleans or null."""

import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_STRING = _TAG + "str"
# Python reads integers of at most this many digits, and base 60 of YAML 1.1 takes quadratic time.
_LONGEST_NUMBER = 4300


class Scalars(yaml.constructor.SafeConstructor, yaml.resolver.BaseResolver):
    """PyYAML's rules for scalars, applied to events.

    The subclasses are the versions of YAML.
    """

    def value(self, event: yaml.ScalarEvent) -> Any:
        """Return the value of a scalar.

        Raises:
            ValueError: the text does not fit its tag, or the tag is not supported.
        """
        text: str = event.value
        tag = event.tag
        if tag is None:
            tag = self._implicit(text) if event.implicit[0] else _STRING
        if tag == _STRING:
            return text
        construct = self.yaml_constructors.get(tag) if tag in _SUPPORTED else None
        if construct is None:
            name = tag.removeprefix(_TAG)[:64]
            raise ValueError(f"the tag {name} is not supported: remove it")
        if len(text) > _LONGEST_NUMBER:
            raise ValueError(f"a number has more than {_LONGEST_NUMBER} digits: write it as text")
        try:
            return construct(self, yaml.ScalarNode(tag, text))
        except (ValueError, LookupError, OverflowError) as error:
            raise ValueError(
                f'"{text[:64]}" is not of the type {tag.removeprefix(_TAG)}: correct it'
            ) from error

    def is_merge(self, event: yaml.ScalarEvent) -> bool:
        """Whether a key merges the mapping that is its value."""
        return event.value == "<<" and bool(event.implicit[0])

    def _implicit(self, text: str) -> str:
        for tag, pattern in self.yaml_implicit_resolvers.get(text[:1], ()):
            if tag in _SUPPORTED and pattern.match(text):
                return str(tag)
        return _STRING


_SUPPORTED = frozenset(_TAG + name for name in ("null", "bool", "int", "float"))


class CoreScalars(Scalars):
    """The scalars of YAML 1.2's core schema, of which JSON has every value.

    In the older YAML 1.1 `no`, `1_000`, `010`, `12:30` and dates are not text.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's attribute

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = str(node.value)
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        return float(node.value)


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    CoreScalars.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)
CoreScalars.yaml_constructors = {
    **Scalars.yaml_constructors,
    _TAG + "int": CoreScalars.construct_yaml_int,
    _TAG + "float": CoreScalars.construct_yaml_float,
}


class KubernetesScalars(Scalars, yaml.resolver.Resolver):
    """The scalars of YAML 1.1, but a date is text: as Kubernetes reads manifests."""
