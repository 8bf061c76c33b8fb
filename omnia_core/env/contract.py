"""The base class of environment contracts: rendered by the operator, parsed by the container."""

import functools
import types
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

import msgspec

from omnia_core.errors import ConfigurationError
from omnia_core.units import ByteSize, Duration

# It reads the annotations again for each call; the operator renders a contract for each plan.
_fields = functools.cache(msgspec.structs.fields)


class SecretStr:
    """The value of a secret, hidden in logs, errors and debuggers."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret; call this only to send it."""
        return self._value

    def __repr__(self) -> str:
        return "SecretStr('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class SecretKeyRef(msgspec.Struct, frozen=True):
    """A key of a Secret in the namespace of the agent."""

    name: str
    key: str


Secret = SecretStr | SecretKeyRef


class RenderedVariable(msgspec.Struct, frozen=True):
    """An environment variable of a container: a value, or a reference to a key of a Secret."""

    name: str
    value: str | None = None
    secret: SecretKeyRef | None = None


class VariableDoc(msgspec.Struct, frozen=True):
    """The description of an environment variable, for the reference page."""

    field: str
    name: str
    type: str
    default: str | None
    required: bool
    description: str


class EnvContract(msgspec.Struct, frozen=True, kw_only=True):
    """The base of the contracts.

    The field `port` is the variable `OMNIA_PORT`, unless `variables` maps it to another name.

    A field whose variable name contains `*` is a mapping with one variable for each key. Keys are
    lower case with dashes; in variable names they are upper case with underscores.
    """

    variables: ClassVar[Mapping[str, str]] = {}

    def render(self, *, defaults: bool = False) -> list[RenderedVariable]:
        """Return the variables that differ from the defaults (or all), in the order of the fields.

        Raises:
            TypeError: a field is a `SecretStr`; a literal secret must not get into a manifest.
        """
        rendered: list[RenderedVariable] = []
        for field in _fields(type(self)):
            value = getattr(self, field.name)
            if value is None or (not defaults and not field.required and value == field.default):
                continue
            name = self.variable(field.name)
            if isinstance(value, Mapping):
                rendered += [
                    _render(name.replace("*", _upper(key)), item) for key, item in value.items()
                ]
            else:
                rendered.append(_render(name, value))
        return rendered

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> Self:
        """Parse an environment; unknown variables are ignored.

        Raises:
            ConfigurationError: the message names each variable that is missing or malformed, but
                never a value.
        """
        hints = get_type_hints(cls, include_extras=True)
        values: dict[str, Any] = {}
        faults: list[str] = []
        for field in _fields(cls):
            name = cls.variable(field.name)
            if "*" in name:
                values[field.name] = _secrets(name, environ)
            elif environ.get(name, "") != "":
                try:
                    values[field.name] = _convert(environ[name], hints[field.name])
                except ValueError as error:
                    faults.append(f"{name}: {error}")
            elif field.required:
                faults.append(f"{name}: missing")
        if faults:
            raise ConfigurationError("The environment is invalid. " + "; ".join(faults))
        return cls(**values)

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the variable of a field."""
        return cls.variables.get(field, f"OMNIA_{field.upper()}")

    @classmethod
    def reference(cls) -> list[VariableDoc]:
        """Describe every variable of the contract, in the order of the fields."""
        hints = get_type_hints(cls, include_extras=True)
        return [_describe(cls, field, hints[field.name]) for field in _fields(cls)]


def _render(name: str, value: Any) -> RenderedVariable:
    if isinstance(value, SecretStr):
        raise TypeError(f"{name}: a literal secret cannot be rendered; use a SecretKeyRef")
    if isinstance(value, SecretKeyRef):
        return RenderedVariable(name, secret=value)
    if isinstance(value, bool):
        return RenderedVariable(name, "true" if value else "false")
    if isinstance(value, tuple):
        return RenderedVariable(name, ",".join(value))
    return RenderedVariable(name, str(value))


def _convert(text: str, annotation: Any) -> Any:
    """Parse one variable.

    Raises:
        ValueError: the message says what was expected, without the value, which may be secret.
    """
    target, choices = _target(annotation)
    try:
        if target is SecretStr:
            return SecretStr(text)
        if target in (Duration, ByteSize):
            return target.parse(text)
        if get_origin(target) is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return msgspec.convert(text, annotation, strict=False)
    except ValueError as error:
        expected = " or ".join(choices) if choices else _type_name(target)
        raise ValueError(f"expected {expected}") from error


def _target(annotation: Any) -> tuple[Any, list[str]]:
    """Return the plain type (without `None` and `SecretKeyRef`), and the values of an enum."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        arms = [arm for arm in get_args(annotation) if arm not in (type(None), SecretKeyRef)]
        annotation = arms[0]
    if get_origin(annotation) is Annotated:  # the alternative has bounds of its own
        annotation = get_args(annotation)[0]
    choices = [member.value for member in annotation] if hasattr(annotation, "__members__") else []
    return annotation, choices


def _type_name(target: Any) -> str:
    names = {
        int: "a whole number in range",
        float: "a number in range",
        bool: "true or false",
        Duration: 'a duration such as "30s" or "24h"',
        ByteSize: 'a size such as "10Mi"',
        SecretStr: "a secret",
        str: "text",
    }
    return names.get(
        target, "a comma-separated list" if get_origin(target) is tuple else str(target)
    )


def _secrets(pattern: str, environ: Mapping[str, str]) -> dict[str, SecretStr]:
    prefix, suffix = pattern.split("*")
    return {
        name[len(prefix) : len(name) - len(suffix)].lower().replace("_", "-"): SecretStr(value)
        for name, value in environ.items()
        if name.startswith(prefix)
        and name.endswith(suffix)
        and len(name) > len(prefix + suffix)
        and value
    }


def _upper(key: str) -> str:
    return key.upper().replace("-", "_")


def _describe(cls: type[EnvContract], field: Any, annotation: Any) -> VariableDoc:
    # A named type such as `Port` has a Meta with bounds and without a description.
    metas = [arg for arg in get_args(annotation) if isinstance(arg, msgspec.Meta)]
    target, choices = _target(annotation)
    default = (
        None if field.required or field.default in (None, msgspec.NODEFAULT) else field.default
    )
    return VariableDoc(
        field=field.name,
        name=cls.variable(field.name).replace("*", "<NAME>"),
        type=" or ".join(choices)
        or ("secrets" if "*" in cls.variable(field.name) else _type_name(target)),
        default=None if default is None else (_render("", default).value or ""),
        required=field.required,
        description=next((meta.description for meta in metas if meta.description), ""),
    )
