"""Where the Makefile has installed the servers of other projects."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.litellm_proxy import Proxy, litellm_proxy
from tests.servers.llama_server import Llama
from tests.servers.mcp_program import TRANSPORTS, MCPProgram, everything, fastmcp

NODE = Path(__file__).parent / "node/node_modules/.bin"
ENVIRONMENTS = Path(__file__).parents[2] / ".venv-servers"

Install = Callable[[str], str]


@pytest.fixture(scope="session")
def from_npm(need_program: Callable[[str, str], str]) -> Install:
    """Find a program of the npm packages."""
    need_program("node", "apt-get install nodejs npm")
    return lambda name: need_program(str(NODE / name), "make servers-mcp")


@pytest.fixture(scope="session")
def from_pypi(need_program: Callable[[str, str], str]) -> Install:
    """Find a program of an environment, by a path such as `mcp/python`."""

    def find(path: str) -> str:
        environment, _, name = path.partition("/")
        program = ENVIRONMENTS / environment / "bin" / name
        return need_program(str(program), f"make servers-{environment}")

    return find


@pytest.fixture(scope="session", params=TRANSPORTS)
def everything_server(request: pytest.FixtureRequest, from_npm: Install) -> Iterator[MCPProgram]:
    """The everything server by each of its transports."""
    with everything(request.param, from_npm("mcp-server-everything")) as program:
        yield program


@pytest.fixture(scope="session", params=TRANSPORTS)
def fastmcp_server(request: pytest.FixtureRequest, from_pypi: Install) -> Iterator[MCPProgram]:
    """A server of FastMCP by each of its transports."""
    with fastmcp(request.param, from_pypi("mcp/python")) as program:
        yield program


@pytest.fixture(scope="session")
def proxy(from_pypi: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """LiteLLM's proxy."""
    folder = tmp_path_factory.mktemp("litellm")
    with litellm_proxy(from_pypi("litellm/litellm"), folder) as running:
        yield running


@pytest.fixture(scope="session")
def llama(from_pypi: Install, tmp_path_factory: pytest.TempPathFactory) -> Llama:
    """What starts servers of llama.cpp with a tiny model."""
    return Llama(from_pypi("llama/python"), tmp_path_factory.mktemp("llama"))
