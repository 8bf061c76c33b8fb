"""Which transport the programs of a test run have: `TRANSPORT=grpcio` makes all of them use it."""

import os

from omnia_core.env import FacadeEnv
from omnia_core.env.shared import GrpcTransport

TRANSPORT = GrpcTransport(os.environ.get("TRANSPORT", GrpcTransport.BUILTIN))
# The variable has the same name in the facade and in the runtime.
VARIABLES = {FacadeEnv.variable("grpc_transport"): str(TRANSPORT)}
