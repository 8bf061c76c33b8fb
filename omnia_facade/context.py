"""What the parts of the program share."""

import contextlib

from msgspec import Struct

from omnia_core.env import FacadeEnv
from omnia_facade.metrics import FacadeMetrics
from omnia_facade.runtime_client.port import RuntimeClient
from omnia_facade.timings import Timings
from omnia_facade.tracing import FacadeTracing


class ProcessContext(Struct, frozen=True):
    """One per process.

    Attributes:
        client: the client of the runtime; None where the facade itself answers.
        stack: closes, in reverse order, what was opened.
    """

    env: FacadeEnv
    client: RuntimeClient | None
    metrics: FacadeMetrics
    tracing: FacadeTracing
    timings: Timings
    stack: contextlib.AsyncExitStack
