"""The protected resource `/mcp`: its address, and the issuers whose tokens it accepts."""

from pathlib import Path

from omnia_core.errors import ConfigurationError
from omnia_core.files.auth import AuthFile
from omnia_core.files.reading import decode_json, read_text
from omnia_core.jsonvalue import JsonObject
from omnia_facade.doors.mcp.metadata import WELL_KNOWN, resource_metadata
from omnia_facade.doors.port import DoorRequest

PATH = "/mcp"


class ProtectedResource:
    """Describes the resource from the mounted file, as it is when a client asks."""

    def __init__(self, auth_path: str, public_url: str) -> None:
        """`public_url` is "" where the address is that of the request."""
        self._auth_path = auth_path
        self._public_url = public_url

    def document(self, request: DoorRequest) -> JsonObject | None:
        """Return the metadata; None if no tokens of an OpenID provider are accepted."""
        issuer = self._issuer()
        return resource_metadata(self._base(request) + PATH, [issuer]) if issuer else None

    def metadata_url(self, request: DoorRequest) -> str:
        """Return where the metadata is; "" if there is none."""
        return f"{self._base(request)}{WELL_KNOWN}{PATH}" if self._issuer() else ""

    def _issuer(self) -> str:
        if not Path(self._auth_path).is_file():
            return ""
        try:
            rules = decode_json(read_text(self._auth_path), AuthFile, self._auth_path)
        except ConfigurationError:
            # The authenticator reports a broken file, and accepts no caller.
            return ""
        return rules.oidc.issuer if rules.oidc else ""

    def _base(self, request: DoorRequest) -> str:
        if self._public_url:
            return self._public_url.rstrip("/")
        scheme = request.headers.get("x-forwarded-proto", "http").partition(",")[0].strip()
        return f"{scheme}://{request.headers.get('host', 'localhost')}"
