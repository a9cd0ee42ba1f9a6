"""What the relay counts, for Prometheus.

The hot path adds to plain integers, and they become Prometheus' only when somebody asks: a counter of its library takes
a lock at each step. Nothing is kept per room, client or subject, so what is kept does not grow.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crdt_sync.protocol.close_codes import CloseCode
from crdt_sync_server.errors import ConfigurationError
from crdt_sync_server.limits import Limit
from crdt_sync_server.logs import REACHED

__all__ = [
    "TRANSPORTS",
    "WEBHOOK_OUTCOMES",
    "ClusterCounts",
    "Metrics",
    "Standing",
    "listen_for_metrics",
    "metrics_url",
    "serve_metrics",
]

TRANSPORTS = ("websocket", "polling")
WEBHOOK_OUTCOMES = ("delivered", "retried", "given_up", "dropped")
COMMIT_BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
_NO_REFUSAL = (CloseCode.GOING_AWAY, CloseCode.RESTARTING)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the rooms stand: how many are loaded, what is stored of them, and the longest wait in any outbox."""

    rooms: int = 0
    document_bytes: int = 0
    largest_document_bytes: int = 0
    outbox_age_s: float = 0.0


@dataclass(slots=True)
class ClusterCounts:
    """What a relay among several has done: told, followed, asked the store; and whether it hears the others.

    `hears` is None where there is no backplane.
    """

    is_used: bool = False
    hears: bool | None = None
    relays: int = 0
    published: int = 0
    followed: int = 0
    asked: int = 0
    missed: int = 0


class Metrics(Collector):
    """The counts of one relay. `registry` has them as Prometheus reads them; there is no global one."""

    def __init__(self) -> None:
        self.updates = 0
        self.deliveries = 0
        self.content_frames = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        self.compactions = 0
        self.store_failures = 0
        self.webhooks = dict.fromkeys(WEBHOOK_OUTCOMES, 0)
        self.waiting_webhooks: Callable[[], int] = int
        self.standing: Callable[[], Standing] = Standing
        self.cluster = ClusterCounts()
        self._connections = dict.fromkeys(TRANSPORTS, 0)
        self._opened = dict.fromkeys(TRANSPORTS, 0)
        self._refused: Counter[CloseCode] = Counter()
        self.registry = CollectorRegistry()
        self._commits = Histogram(
            "crdt_sync_commit_seconds",
            "From handing a batch to the store until it is durable.",
            buckets=COMMIT_BUCKETS_S,
            registry=self.registry,
        )
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def opened(self, transport: str) -> None:
        """Count a connection that was let in."""
        self._connections[transport] += 1
        self._opened[transport] += 1

    def closed(self, transport: str) -> None:
        """Count its end."""
        self._connections[transport] -= 1

    def committed(self, updates: int, seconds: float) -> None:
        """Count a batch of so many updates that is durable now."""
        self.updates += updates
        self._commits.observe(seconds)

    def refused(self, code: int) -> None:
        """Count a request or connection that the relay turned away or ended; that it goes away is none."""
        if code not in _NO_REFUSAL:
            self._refused[CloseCode(code)] += 1

    def collect(self) -> Iterable[Metric]:
        """Yield the counts. Any thread may ask."""
        now = self.standing()
        connections = GaugeMetricFamily(
            "crdt_sync_connections", "Clients that are connected; one that polls counts between its polls too.",
            labels=["transport"],
        )  # fmt: skip
        opened = CounterMetricFamily(
            "crdt_sync_connections_opened", "Clients that were let in.", labels=["transport"]
        )  # fmt: skip
        for transport in TRANSPORTS:
            connections.add_metric([transport], self._connections[transport])
            opened.add_metric([transport], self._opened[transport])
        refused = CounterMetricFamily(
            "crdt_sync_refused", "Clients that were turned away, or whose connection the relay ended, by close code.",
            labels=["reason"],
        )  # fmt: skip
        for code in CloseCode:
            if code not in _NO_REFUSAL:
                refused.add_metric([code.name.lower()], self._refused[code])
        limits = CounterMetricFamily(
            "crdt_sync_limits_reached", "Bounds that were met; docs/protocol.md has the list.", labels=["limit"]
        )  # fmt: skip
        for limit in Limit:
            limits.add_metric([limit.name.lower()], REACHED[limit])
        webhooks = CounterMetricFamily(
            "crdt_sync_webhooks", "Deliveries to webhooks: taken, to be tried again, given up, or not kept.",
            labels=["outcome"],
        )  # fmt: skip
        for outcome in WEBHOOK_OUTCOMES:
            webhooks.add_metric([outcome], self.webhooks[outcome])
        yield from (connections, opened, refused, limits, webhooks)
        for name, words, count in (
            ("updates", "Updates of clients that were new and are durable.", self.updates),
            ("deliveries", "Updates times the clients that they were for.", self.deliveries),
            ("content_frames", "Frames in which clients took them.", self.content_frames),
            ("received_bytes", "Bytes of the frames that came in.", self.received_bytes),
            ("sent_bytes", "Bytes of the frames that went out.", self.sent_bytes),
            ("compactions", "Logs that were put together.", self.compactions),
            ("store_failures", "Times that the store could not be read, written or asked.", self.store_failures),
        ):
            yield CounterMetricFamily(f"crdt_sync_{name}", words, value=count)
        for name, words, value in (
            ("rooms", "Rooms in memory.", now.rooms),
            ("document_bytes", "Bytes that are stored of the rooms in memory.", now.document_bytes),
            ("largest_document_bytes", "Bytes that are stored of the largest of them.", now.largest_document_bytes),
            ("outbox_age_seconds", "How long something has waited for the slowest reader.", now.outbox_age_s),
            ("webhooks_waiting", "Deliveries to webhooks that wait or are on their way.", self.waiting_webhooks()),
            ("coalescing_ratio", "Deliveries in a frame, in the mean since the start.",
             self.deliveries / self.content_frames if self.content_frames else 0.0),
        ):  # fmt: skip
            yield GaugeMetricFamily(f"crdt_sync_{name}", words, value=value)
        if self.cluster.is_used:
            yield from self._of_cluster()

    def _of_cluster(self) -> Iterable[Metric]:
        cluster = self.cluster
        for name, words, count in (
            ("published", "Updates and notices that the backplane was given.", cluster.published),
            ("followed", "Updates of other relays that rooms here have taken.", cluster.followed),
            ("asked", "Questions to the store, how far it is.", cluster.asked),
            ("missed", "Times that the backplane may have lost something.", cluster.missed),
        ):
            yield CounterMetricFamily(f"crdt_sync_cluster_{name}", words, value=count)
        if cluster.hears is not None:
            yield GaugeMetricFamily("crdt_sync_cluster_hears", "1 while the backplane is heard.", value=cluster.hears)
            yield GaugeMetricFamily("crdt_sync_cluster_relays", "Other relays that are heard.", value=cluster.relays)


def listen_for_metrics(host: str, port: int) -> socket.socket:
    """Return a listening socket for the counts. Raises `ConfigurationError` if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot serve metrics on {host}:{port}: {error.strerror}; choose another with --metrics-port"
        ) from error


def metrics_url(listener: socket.socket) -> str:
    """Return where the counts are to be had."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics"


class _Server(ThreadingMixIn, WSGIServer):
    """A server on a socket that it is given. Several processes may accept on it, so nobody waits in `accept`."""

    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__((host, port), _Quiet, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        listener.setblocking(False)
        self.server_name, self.server_port = host, port
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setblocking(True)  # some systems let it inherit that of the listener
        return connection, address


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is the standard library's
        """Log nothing."""


@contextmanager
def serve_metrics(metrics: Metrics, listener: socket.socket) -> Iterator[None]:
    """Serve the counts on a thread of their own, and close the listener as the block ends."""
    server = _Server(listener)
    server.set_app(make_wsgi_app(metrics.registry))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
