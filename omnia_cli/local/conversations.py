"""Where agents that run on this machine keep their conversations."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from omnia_cli.local.objects import CannotRun
from omnia_cli.state import Project
from omnia_core.env import FacadeEnv, RuntimeEnv, SessionType
from omnia_core.errors import ConfigurationError
from omnia_core.names import Mode
from omnia_operator.plan import AgentPlan, ContainerPlan

EnvT = TypeVar("EnvT", FacadeEnv, RuntimeEnv)


@dataclass
class Conversations:
    """The file for the sessions of all agents that name no server for them.

    Attributes:
        project: whose state folder has the file; None: the sessions stay in memory.
        note: called with what a person should know.
        used: the file, once an agent uses it.
    """

    project: Project | None
    note: Callable[[str], None]
    used: Path | None = None
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def kept(self, plan: AgentPlan) -> AgentPlan:
        """Return the plan of an agent with its sessions in the file.

        Raises:
            CannotRun: the file cannot be used; the message says why.
        """
        runtime, project = plan.runtime, self.project
        if runtime is None or runtime.env.session_type is not SessionType.MEMORY or not project:
            return plan
        path, ttl = str(self._file(project)), runtime.env.session_ttl

        def in_file(container: ContainerPlan[EnvT]) -> ContainerPlan[EnvT]:
            env = msgspec.structs.replace(
                container.env, session_type=SessionType.SQLITE, session_path=path, session_ttl=ttl
            )
            return replace(container, env=env)

        return replace(plan, facade=in_file(plan.facade), runtime=in_file(runtime))

    def close(self) -> None:
        """Let another `omnia up` have the state folder."""
        self._held.close()

    def _file(self, project: Project) -> Path:
        if self.used is None:
            # A local import, for agents whose sessions are elsewhere.
            from omnia_core.sessions.sqlite.connection import prepare  # noqa: PLC0415 - as above

            try:
                project.create()
                prepare(project.sessions)
                alone = self._held.enter_context(project.held())
            except (OSError, ConfigurationError) as error:
                reason = error.message if isinstance(error, ConfigurationError) else str(error)
                raise CannotRun(
                    f"{reason}; `omnia up --ephemeral` keeps conversations in memory instead"
                ) from error
            if not alone:
                self.note(
                    f"another `omnia up` runs manifests of {project.manifests} too:"
                    " both use the same conversations"
                )
            self.used = project.sessions
        return self.used


def in_memory(plan: AgentPlan) -> bool:
    """Whether the conversations of an agent end with its runtime."""
    runtime = plan.runtime
    if runtime is None or plan.mode is not Mode.AGENT:
        return False
    return runtime.env.session_type is SessionType.MEMORY
