"""Reloads the configuration when a mounted file changes; it applies from the next turn on."""

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from omnia_core.conversation.trial import Trial
from omnia_core.errors import ConfigurationError
from omnia_core.files.changes import signature
from omnia_runtime.configuration.loader import Configuration
from omnia_runtime.turns.agent_version import AgentVersion, TrialInvalid

POLL_SECONDS = 0.3

_log = structlog.get_logger()


class ConfigurationSource(Protocol):
    """Reads configurations."""

    def load(self) -> Configuration:
        """Read the files.

        Raises:
            ConfigurationError: a file is invalid.
        """

    def paths(self, configuration: Configuration) -> list[Path]:
        """Return the files that `configuration` was read from."""


class LiveConfiguration:
    """The configuration in use, kept up to date with the files.

    Attributes:
        current: the configuration for the next turn.
        problem: what is wrong with the files now; "" if they are valid.
    """

    def __init__(self, source: ConfigurationSource) -> None:
        """Read the files for the first time.

        Raises:
            ConfigurationError: a file is invalid.
        """
        self._source = source
        self._stale = False
        self.current = source.load()
        self.problem = ""
        self._signature = signature(source.paths(self.current))

    def for_session(self, session_id: str, begun_with: str) -> AgentVersion:
        """Return the version of the agent for a session, as `PackVersions.for_session`."""
        return self.current.versions.for_session(session_id, begun_with)

    def for_trial(self, session_id: str, begun_with: str, trial: Trial) -> AgentVersion:
        """Return the version of the agent for a session that tries something out.

        Raises:
            TrialInvalid: the trial is not possible here.
        """
        if self.current.trials is None:
            raise TrialInvalid("this agent allows no trials: set OMNIA_TRIAL of its containers")
        return self.current.trials.version(session_id, begun_with, trial)

    def invalidate(self) -> None:
        """Make the next refresh read the files, even if they are unchanged."""
        self._stale = True

    async def watch(self) -> None:
        """Refresh periodically until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.refresh()

    def refresh(self) -> bool:
        """Read the files again if they changed; return whether the configuration was replaced."""
        paths = self._source.paths(self.current)
        now = signature(paths)
        if now == self._signature and not self._stale:
            return False
        self._signature, self._stale = now, False
        try:
            self.current = self._source.load()
        except ConfigurationError as error:
            self.problem = error.message
            _log.error("reload failed; the last good configuration stays", reason=error.message)
            return False
        self.problem = ""
        # The new providers.yaml may name another response file.
        if (fresh := self._source.paths(self.current)) != paths:
            self._signature = signature(fresh)
        _log.info("configuration reloaded")
        return True
