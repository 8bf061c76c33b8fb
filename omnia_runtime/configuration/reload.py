"""Keeps the configuration fresh: a changed file is in use from the next turn on."""

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from omnia_core.errors import ConfigurationError
from omnia_core.files.changes import signature
from omnia_runtime.configuration.loader import Configuration

POLL_SECONDS = 0.3

_log = structlog.get_logger()


class Source(Protocol):
    """Where configurations come from."""

    def load(self) -> Configuration:
        """Read the files.

        Raises:
            ConfigurationError: they are not usable.
        """

    def paths(self, configuration: Configuration) -> list[Path]:
        """Return the files that `configuration` was read from."""


class Live:
    """The configuration in use.

    Attributes:
        current: what the next turn uses.
        problem: what is wrong with the files as they are now, "" when nothing is.
    """

    def __init__(self, source: Source) -> None:
        """Read the files for the first time.

        Raises:
            ConfigurationError: they are not usable.
        """
        self._source = source
        self._stale = False
        self.current = source.load()
        self.problem = ""
        self._seen = signature(source.paths(self.current))

    def invalidate(self) -> None:
        """Read the files at the next look, changed or not."""
        self._stale = True

    async def watch(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.refresh()

    def refresh(self) -> bool:
        """Read the files again if they changed, and say whether a new configuration is in use."""
        paths = self._source.paths(self.current)
        now = signature(paths)
        if now == self._seen and not self._stale:
            return False
        self._seen, self._stale = now, False
        try:
            self.current = self._source.load()
        except ConfigurationError as error:
            self.problem = error.message
            _log.error("reload failed; the last good configuration stays", reason=error.message)
            return False
        self.problem = ""
        # the new providers.yaml may name another response file
        if (fresh := self._source.paths(self.current)) != paths:
            self._seen = signature(fresh)
        _log.info("configuration reloaded")
        return True
