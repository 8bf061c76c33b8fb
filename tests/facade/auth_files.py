"""The files that the operator mounts for the facade."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from omnia_core.files.auth import AuthFile, ClientKeyAuth, EdgeTrust, ManagementAuth, OidcAuth
from tests.facade.signing import Issuer

AUDIENCE = "omnia://space/agent"


class Mounted:
    """The mounted folders of one agent."""

    def __init__(self, root: Path) -> None:
        self.auth = root / "auth" / "auth.json"
        self.secrets = root / "auth-secrets"
        self.auth.parent.mkdir()
        self.secrets.mkdir()

    def rules(self, file: AuthFile) -> None:
        """Replace the file, as the kubelet does."""
        new = self.auth.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(file))
        new.rename(self.auth)

    def client_key(self, name: str, key: str, **more: str) -> None:
        """Mount what a Secret says of a key: `scopes`, `expiresAt`."""
        (self.secrets / f"{name}.keyHash").write_bytes(sha256(key.encode()).digest())
        for part, text in more.items():
            (self.secrets / f"{name}.{part}").write_text(text)

    def withdraw(self, name: str) -> None:
        for path in self.secrets.glob(f"{name}.*"):
            path.unlink()


def management(cluster: Issuer, *namespaces: str) -> ManagementAuth:
    return ManagementAuth(cluster.url, AUDIENCE, namespaces or ("space",), tuple(cluster.keys))


def oidc(issuer: Issuer, **mapping: Any) -> OidcAuth:
    return OidcAuth(issuer.url, "agent", keys=tuple(issuer.keys), **mapping)


def everything(cluster: Issuer, provider: Issuer) -> AuthFile:
    """A file with the whole chain."""
    return AuthFile(
        management(cluster), ClientKeyAuth(), oidc(provider), EdgeTrust(subject="x-user-id")
    )


def account(cluster: Issuer, kid: str, *, namespace: str = "space", **claims: object) -> str:
    """A token as `kubectl create token` prints one."""
    subject = {"sub": f"system:serviceaccount:{namespace}:chatter", "aud": [AUDIENCE]}
    given: dict[str, Any] = {**subject, **claims}
    return cluster.sign(kid, **given)
