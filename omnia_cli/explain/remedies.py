"""The command that mends a condition, from its reason and the names in its message; pure."""

import json
import re
import shlex
from collections.abc import Sequence
from typing import Protocol

from omnia_core.jsonvalue import JsonObject

_SECRET = re.compile(r'Secret "([^"]+)"')
_OF_SECRET = re.compile(r'Secret "[^"]+" of namespace "([^"]+)"')
_KEY = re.compile(r"\b(?:the |no )?key ([A-Za-z0-9._-]+)")
_OWNER = re.compile(r'(Provider|ToolRegistry) "([^"]+)" of namespace "([^"]+)" may not be used')
_POD = re.compile(r"\bpod ([a-z0-9][a-z0-9.-]*[a-z0-9])")
_CONTAINER = re.compile(r"\bcontainer \"?([a-z0-9-]+)")
_PATCHED = {"Provider": "providers", "ToolRegistry": "toolregistries"}


class _Condition(Protocol):
    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def type(self) -> str: ...


class _Subject(Protocol):
    @property
    def kind(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def spec(self) -> JsonObject: ...


def remedy(subject: _Subject, condition: _Condition, related: Sequence[_Subject]) -> str:
    """Return a kubectl command: the one that mends it, else the one that shows more."""
    reason, message, space = condition.reason, condition.message, subject.namespace
    if reason == "SecretNotFound" and (secret := _SECRET.search(message)):
        owner = _OF_SECRET.search(message)
        keys = _KEY.findall(message)
        key = keys[-1] if keys else "KEY"
        named = shlex.quote(f"--from-literal={key}=VALUE")
        where = owner[1] if owner else space
        return f"kubectl create secret generic {secret[1]} -n {where} {named}"
    if reason == "SecretKeyMissing" and (secret := _SECRET.search(message)):
        owner, keys = _OF_SECRET.search(message), _KEY.findall(message)
        patch = json.dumps({"stringData": {keys[0] if keys else "KEY": "VALUE"}})
        where = owner[1] if owner else space
        return f"kubectl patch secret {secret[1]} -n {where} -p {shlex.quote(patch)}"
    if granting := _OWNER.search(message):
        return _grant(granting[1], granting[2], granting[3], space, related)
    if reason in ("CrashLoopBackOff", "SessionStoreUnreachable"):
        container = _CONTAINER.search(message)
        chosen = container[1] if container else "runtime"
        return f"kubectl logs deployment/{subject.name} -n {space} -c {chosen} --previous"
    if condition.type == "DeploymentReady" and reason != "DeploymentPending":
        pod = _POD.search(message)
        if pod:
            return f"kubectl describe pod {pod[1]} -n {space}"
        return f"kubectl get pods -n {space} -l app.kubernetes.io/instance={subject.name}"
    if reason.endswith(("NotFound", "Invalid", "NotReady", "Violation", "Spec")):
        return f"kubectl edit {subject.title} -n {space}"
    return f"kubectl describe {subject.title} -n {space}"


def _grant(kind: str, name: str, owner: str, user: str, related: Sequence[_Subject]) -> str:
    there = next((r for r in related if (r.kind, r.namespace, r.name) == (kind, owner, name)), None)
    allowed = there.spec.get("allowedNamespaces") if there is not None else None
    namespaces = [*(allowed if isinstance(allowed, list) else []), user]
    patch = json.dumps({"spec": {"allowedNamespaces": namespaces}})
    return f"kubectl patch {_PATCHED[kind]} {name} -n {owner} --type=merge -p {shlex.quote(patch)}"
