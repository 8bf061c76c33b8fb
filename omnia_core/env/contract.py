"""An environment contract: one class, rendered by the operator, parsed by the container."""

import types
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

import msgspec

from omnia_core.env.secret import SecretKeyRef, SecretStr
from omnia_core.errors import ConfigurationError
from omnia_core.units import ByteSize, Duration

Secret = SecretStr | SecretKeyRef


class EnvVar(msgspec.Struct, frozen=True):
    """One environment variable of a container: a value, or a reference to a key of a Secret."""

    name: str
    value: str | None = None
    secret: SecretKeyRef | None = None


class Variable(msgspec.Struct, frozen=True):
    """How a field of a contract appears in the environment, for the reference page."""

    field: str
    name: str
    type: str
    default: str | None
    required: bool
    description: str


class EnvContract(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the contracts.

    A field `port` is the variable `OMNIA_PORT`, unless `variables` names another.

    A field whose variable name holds `*` is a mapping: one variable for each of its keys, which are
    written in lower case with dashes and found in the environment in upper case with underscores.
    """

    variables: ClassVar[Mapping[str, str]] = {}

    def render(self, *, defaults: bool = False) -> list[EnvVar]:
        """Return the variables that differ from the defaults (or all), sorted as the fields are.

        Raises:
            TypeError: a field holds a `SecretStr`: a literal secret never reaches a manifest.
        """
        rendered: list[EnvVar] = []
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if value is None or (not defaults and not field.required and value == field.default):
                continue
            name = self.variable(field.name)
            if isinstance(value, Mapping):
                rendered += [
                    _render(name.replace("*", _upper(key)), each) for key, each in value.items()
                ]
            else:
                rendered.append(_render(name, value))
        return rendered

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> Self:
        """Read the contract from an environment; variables that no field names are ignored.

        Raises:
            ConfigurationError: names each variable that is missing or malformed, never a value.
        """
        hints = get_type_hints(cls, include_extras=True)
        values: dict[str, Any] = {}
        faults: list[str] = []
        for field in msgspec.structs.fields(cls):
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
            raise ConfigurationError("The environment is not usable. " + "; ".join(faults))
        return cls(**values)

    @classmethod
    def variable(cls, field: str) -> str:
        """Return the name of the variable that holds a field."""
        return cls.variables.get(field, f"OMNIA_{field.upper()}")

    @classmethod
    def reference(cls) -> list[Variable]:
        """Describe every variable of the contract, in the order of the fields."""
        hints = get_type_hints(cls, include_extras=True)
        return [_describe(cls, field, hints[field.name]) for field in msgspec.structs.fields(cls)]


def _render(name: str, value: Any) -> EnvVar:
    if isinstance(value, SecretStr):
        raise TypeError(f"{name}: a literal secret cannot be rendered; use a SecretKeyRef")
    if isinstance(value, SecretKeyRef):
        return EnvVar(name, secret=value)
    if isinstance(value, bool):
        return EnvVar(name, "true" if value else "false")
    if isinstance(value, tuple):
        return EnvVar(name, ",".join(value))
    return EnvVar(name, str(value))


def _convert(text: str, annotation: Any) -> Any:
    """Parse one variable.

    Raises:
        ValueError: says what was expected, without the value, which may be secret.
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
    """Return the bare type (without `None` and `SecretKeyRef`), and the values of an enum."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        arms = [arm for arm in get_args(annotation) if arm not in (type(None), SecretKeyRef)]
        annotation = arms[0]
    if get_origin(annotation) is Annotated:  # an arm with bounds of its own
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


def _describe(cls: type[EnvContract], field: Any, annotation: Any) -> Variable:
    # A named type such as a port brings a bound of its own, without a description.
    metas = [arg for arg in get_args(annotation) if isinstance(arg, msgspec.Meta)]
    target, choices = _target(annotation)
    default = (
        None if field.required or field.default in (None, msgspec.NODEFAULT) else field.default
    )
    return Variable(
        field=field.name,
        name=cls.variable(field.name).replace("*", "<NAME>"),
        type=" or ".join(choices)
        or ("secrets" if "*" in cls.variable(field.name) else _type_name(target)),
        default=None if default is None else (_render("", default).value or ""),
        required=field.required,
        description=next((meta.description for meta in metas if meta.description), ""),
    )
