"""The agent card that this pod serves: from the mounted file, or from the agent's name."""

from collections.abc import Mapping
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path

import structlog

from omnia_core.cards.card import CardContent, CardSkill, card_document
from omnia_core.cards.file import CardFile
from omnia_core.cards.signature import JWKS_PATH
from omnia_core.env import FacadeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.files.auth import AuthFile
from omnia_core.files.changes import Signature, signature
from omnia_core.files.reading import decode_json, read_text
from omnia_core.jsonvalue import JsonObject, json_bytes
from omnia_facade.doors.a2a import v03
from omnia_facade.doors.port import DoorRequest, Reply

CARD_PATHS = ("/.well-known/agent-card.json", "/.well-known/agent.json")
MAX_AGE_SECONDS = 60
JSON = "application/json"

_log = structlog.get_logger()


class AgentCards:
    """Makes cards. The files are read again when they have changed."""

    def __init__(self, env: FacadeEnv, public_url: str) -> None:
        """`public_url` is "" where the address is that of the request."""
        self._env = env
        self._public_url = public_url
        self._paths = (Path(env.a2a_card_path), Path(env.auth_path))
        self._seen: Signature | None = None
        self._file = self._default()
        self._auth: AuthFile | None = None
        self._since = 0.0

    @property
    def has_extended(self) -> bool:
        """Whether callers with a credential get a longer card."""
        self._read()
        return self._file.extended_card is not None or self._file.content.has_private_skills

    def card(self, request: DoorRequest, *, extended: bool = False) -> JsonObject:
        """Return the card for the address of a request, or the signed one."""
        self._read()
        file = self._file
        signed = file.extended_card if extended else file.card
        if signed is not None:
            return signed
        return card_document(file.content, self._auth, self._base(request), extended=extended)

    def reply(self, request: DoorRequest) -> Reply:
        """Answer a request for the card, or for the keys of its signatures."""
        if request.path == JWKS_PATH:
            self._read()
            document: JsonObject = {"keys": [*self._file.keys]}
        else:
            card = self.card(request)
            document = card
            if "0.3" in self._env.a2a_versions:
                legacy = v03.card_members(card, card["supportedInterfaces"][0]["url"])
                document = {**card, **legacy}
        body = json_bytes(document)
        headers = {
            "Content-Type": JSON,
            "Cache-Control": f"public, max-age={MAX_AGE_SECONDS}",
            "ETag": f'"{sha256(body).hexdigest()[:32]}"',
            "Last-Modified": formatdate(self._since, usegmt=True),
        }
        if _unchanged(request.headers, headers["ETag"]):
            return Reply(status=304, headers=headers)
        return Reply(body=body, headers=headers)

    def _base(self, request: DoorRequest) -> str:
        if self._public_url:
            return self._public_url
        scheme = request.headers.get("x-forwarded-proto", "http").partition(",")[0].strip()
        return f"{scheme}://{request.headers.get('host', 'localhost')}"

    def _read(self) -> None:
        seen = signature(self._paths)
        if seen == self._seen:
            return
        self._seen = seen
        card, auth = self._paths
        try:
            if card.is_file():
                self._file = decode_json(read_text(str(card)), CardFile, str(card))
            self._auth = None
            if not self._env.allow_unauthenticated:
                self._auth = AuthFile()
                if auth.is_file():
                    self._auth = decode_json(read_text(str(auth)), AuthFile, str(auth))
        except ConfigurationError as error:
            _log.error(
                "the agent card is invalid; the previous one stays in use", problem=str(error)
            )
        self._since = max(
            (path.stat().st_mtime for path in self._paths if path.is_file()), default=0
        )

    def _default(self) -> CardFile:
        name = self._env.agent_name
        skill = CardSkill("chat", name, f"Talk to the agent {name}", ("chat",))
        content = CardContent(
            name=name,
            description=f"The agent {name}",
            version="1.0.0",
            skills=(skill,),
            push=bool(self._env.a2a_push_hosts),
            versions=self._env.a2a_versions,
            grpc=self._env.a2a_grpc,
        )
        return CardFile(content)


def _unchanged(headers: Mapping[str, str], etag: str) -> bool:
    known = headers.get("if-none-match", "")
    return known == "*" or etag in (tag.strip().removeprefix("W/") for tag in known.split(","))
