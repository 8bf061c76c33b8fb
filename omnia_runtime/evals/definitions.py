"""The evaluations and judges of an agent, kept up to date with the mounted files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
from msgspec import Struct

from omnia_core.env import RuntimeEnv
from omnia_core.errors import ConfigurationError
from omnia_core.files.changes import signature
from omnia_core.files.evals import EvalSpec, evals_of, read_evals
from omnia_core.files.pack import Pack
from omnia_core.sessions import Session
from omnia_runtime.evals.similar import Embedder
from omnia_runtime.http_client import HTTPClient
from omnia_runtime.observe.metrics import RuntimeMetrics
from omnia_runtime.ports.model import ChatModel
from omnia_runtime.prompts.pack_versions import PackVersions, pack_files, read_packs
from omnia_runtime.providers.models import Models, open_models

_log = structlog.get_logger()


class Definitions(Struct, frozen=True):
    """What one version of the PromptPack declares."""

    pack_id: str
    version: str
    specs: Sequence[EvalSpec]


class EvalDefinitions:
    """Reads the files again when they change. What is wrong with them is logged once."""

    def __init__(self, env: RuntimeEnv, client: HTTPClient, metrics: RuntimeMetrics) -> None:
        """Read the files for the first time.

        Raises:
            ConfigurationError: a file is invalid; the message names it.
        """
        self._env = env
        self._client = client
        self._metrics = metrics
        self._packs, self._models = self._load()
        self._signature = signature(self._paths())

    def refresh(self) -> None:
        """Read the files again if they changed; the last good ones stay."""
        now = signature(self._paths())
        if now == self._signature:
            return
        self._signature = now
        try:
            self._packs, self._models = self._load()
        except ConfigurationError as error:
            _log.error("reload failed; the last good evaluations stay", reason=error.message)

    def of(self, session: Session) -> Definitions:
        """Return the definitions of the version that a session belongs to."""
        return self._packs.for_session(session.id, session.pack_version)

    def judge(self, name: str) -> Mapping[str, ChatModel]:
        """Return the judge of a name; an empty mapping if there is no usable one."""
        try:
            model = self._models.named(name) if self._models else None
        except ConfigurationError:
            model = None
        return {} if model is None else {name: model}

    def embedder(self, name: str) -> Embedder | None:
        """Return the embedding model of a Provider; None if there is no such Provider.

        Raises:
            ConfigurationError: the Provider is not usable, or has no embeddings.
        """
        return self._models.embedder(name) if self._models else None

    def _load(self) -> tuple[PackVersions[Definitions], Models | None]:
        env = self._env
        packs = read_packs(env.promptpack_path).map(self._definitions)
        try:
            models = open_models(
                env.providers_path, env.provider_api_keys, self._client, self._metrics
            )
        except ConfigurationError as error:
            # A custom runtime needs no Provider; evaluations by a judge are then an error.
            _log.warning("no judge is called: the Providers are invalid", reason=error.message)
            models = None
        return packs, models

    def _definitions(self, pack: Pack) -> Definitions:
        specs, problems = read_evals(evals_of(pack, pack.prompt(self._env.prompt_name)))
        for problem in problems:
            _log.warning("an evaluation is not run", version=pack.version, reason=problem)
        return Definitions(pack.id, pack.version, specs)

    def _paths(self) -> list[Path]:
        models = self._models.paths if self._models else [Path(self._env.providers_path)]
        return [*pack_files(self._env.promptpack_path), *models]
