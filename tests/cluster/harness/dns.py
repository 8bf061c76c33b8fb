"""Names of Services to addresses; no other name exists, because nothing else can be reached."""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from typing import ClassVar

from tests.cluster.harness import addresses
from tests.cluster.harness.api_client import ApiClient, Mirror, Object

TYPE_A, TYPE_ANY = 1, 255
CLASS_IN = 1
SECONDS_TO_LIVE = 5
AUTHORITATIVE_ANSWER = 0x8580
NO_SUCH_NAME = 3
HEADER = 12
POINTER_TO_QUESTION = 0xC00C

Resolve = Callable[[str], list[str]]


class Services:
    """The Services and what is behind them."""

    def __init__(self, client: ApiClient, complain: Callable[[str], None]) -> None:
        self._services = Mirror(client, "/api/v1/services", complain)
        self._slices = Mirror(client, "/apis/discovery.k8s.io/v1/endpointslices", complain)

    def resolve(self, name: str) -> list[str]:
        """Return the addresses of `[pod.]service.namespace.svc.cluster.local`."""
        zone = ["svc", *addresses.CLUSTER_DOMAIN.split(".")]
        labels = name.rstrip(".").lower().split(".")
        owned, under = labels[: -len(zone)], labels[-len(zone) :]
        if under != zone or len(owned) not in (2, 3):
            return []
        service, namespace = owned[-2:]
        pod = owned[0] if len(owned) == 3 else None
        found = self._services.get(namespace, service)
        if found is None:
            return []
        address: str = found["spec"].get("clusterIP") or "None"
        if address != "None":
            return [] if pod else [address]
        unready = bool(found["spec"].get("publishNotReadyAddresses"))
        return [
            address
            for endpoint in self._endpoints(namespace, service)
            if (unready or endpoint.get("conditions", {}).get("ready", True))
            and (pod is None or endpoint.get("hostname") == pod)
            for address in endpoint["addresses"]
        ]

    def _endpoints(self, namespace: str, service: str) -> list[Object]:
        return [
            endpoint
            for each in self._slices.of(namespace)
            if each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service
            for endpoint in each.get("endpoints") or []
        ]


def answer(query: bytes, resolve: Resolve) -> bytes:
    """Return the answer to one query message (RFC 1035)."""
    position, labels = HEADER, []
    while length := query[position]:
        labels.append(query[position + 1 : position + 1 + length].decode(errors="replace"))
        position += length + 1
    end = position + 5  # the zero, type and class
    (asked,) = struct.unpack("!H", query[position + 1 : position + 3])
    known = resolve(".".join(labels))
    flags = AUTHORITATIVE_ANSWER | (0 if known else NO_SUCH_NAME)
    told = known if asked in (TYPE_A, TYPE_ANY) else []
    head = query[:2] + struct.pack("!HHHHH", flags, 1, len(told), 0, 0)
    record = struct.pack("!HHHIH", POINTER_TO_QUESTION, TYPE_A, CLASS_IN, SECONDS_TO_LIVE, 4)
    return head + query[HEADER:end] + b"".join(record + socket.inet_aton(each) for each in told)


def serve_dns(resolve: Resolve) -> None:
    """Answer over UDP and TCP, in threads."""

    class Datagram(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            query, responder = self.request
            responder.sendto(answer(query, resolve), self.client_address)

    class Stream(socketserver.StreamRequestHandler):
        timeout = 5

        def handle(self) -> None:
            while len(prefix := self.rfile.read(2)) == 2:
                reply = answer(self.rfile.read(*struct.unpack("!H", prefix)), resolve)
                self.wfile.write(struct.pack("!H", len(reply)) + reply)

    where = (addresses.NODE, addresses.DNS_PORT)
    for server in (_Datagrams(where, Datagram), _Streams(where, Stream)):
        threading.Thread(target=server.serve_forever, daemon=True).start()


class _Datagrams(socketserver.ThreadingUDPServer):
    daemon_threads: ClassVar[bool] = True  # type: ignore[misc]


class _Streams(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads: ClassVar[bool] = True  # type: ignore[misc]
