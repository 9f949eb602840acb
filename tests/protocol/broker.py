"""A broker with clean sessions: ordered per connection, lossy, late and forgetful where the schedule wants it."""

from __future__ import annotations

from typing import Any

from tests.protocol.world import Process, Speed, World

CONSUMER = {
    "event": "overseer",
    "beat": "overseer",
    "ack": "overseer",
    "order/ack": "overseer",
    "lease": "worker",
    "order": "worker",
}


class Peer(Process):
    """A process with a connection."""

    connection: Connection | None = None

    def opened(self, connection: Connection) -> None:
        """A connection stands."""
        raise NotImplementedError

    def closed(self, connection: Connection | None) -> None:
        """The connection broke, or could not be made (None)."""
        raise NotImplementedError

    def hear(self, kind: str, payload: Any) -> None:
        """A message came in."""
        raise NotImplementedError


class Connection:
    """One TCP connection of one client object; never used again once it broke."""

    def __init__(self, owner: Peer, role: str, life: int) -> None:
        self.owner = owner
        self.role = role
        self.life = life
        self.open = True
        self.deaf = False
        """Half open: what is sent either way vanishes, and nobody is told."""
        self.stalled_until = 0.0
        """Nothing gets through before (monotonic seconds); then all of it does."""
        self.up_at = 0.0
        self.down_at = 0.0


class Broker(Process):
    """Routes by kind; keeps no message for who is not connected."""

    name = "broker"

    def __init__(self, world: World, hop: Speed) -> None:
        super().__init__(world)
        self.hop = hop
        self.up = True
        self.life = 0
        self.connections: list[Connection] = []
        self.loss = 0.0
        self.duplication = 0.0
        self.overtaking = False
        """QoS 0 may pass QoS 1, whose window can be full."""
        self.takeover = True
        """A second connection of a role closes the first (same client id)."""
        self.stalled_until = 0.0

    def connect(self, owner: Peer, role: str) -> None:
        """Makes a new connection, or tells the owner that it could not."""
        self.world.at(self.hop.draw(self.world.rng) * 2 + 0.005, owner, self._connect, owner, role)

    def _connect(self, owner: Peer, role: str) -> None:
        if not self.up or self.world.mono < self.stalled_until:
            owner.closed(None)
            return
        if self.takeover:
            for other in [one for one in self.connections if one.role == role]:
                self.cut(other)
        connection = Connection(owner, role, self.life)
        self.connections.append(connection)
        owner.opened(connection)

    def cut(self, connection: Connection) -> None:
        """Breaks a connection; its owner learns of it. What is under way to the broker may still arrive."""
        if connection in self.connections:
            self.connections.remove(connection)
        if connection.open:
            connection.open = False
            self.world.at(0.001, connection.owner, connection.owner.closed, connection)

    def drop(self, connection: Connection) -> None:
        """The owner lets go of a connection itself."""
        connection.open = False
        if connection in self.connections:
            self.connections.remove(connection)

    def crash(self) -> None:
        """The broker is killed: connections break, everything in flight is gone."""
        self.up = False
        self.life += 1
        for connection in list(self.connections):
            self.cut(connection)

    def restart(self) -> None:
        """The broker is back and remembers nothing."""
        self.up = True

    def publish(self, connection: Connection, kind: str, payload: Any, qos: int) -> None:
        """Client to broker."""
        if not connection.open or connection.deaf:
            return
        now = self.world.mono
        at = max(now + self.hop.draw(self.world.rng), connection.stalled_until, self.stalled_until)
        if qos or not self.overtaking:
            at = connection.up_at = max(at, connection.up_at)
        self.world.at(at - now, None, self._route, connection.life, kind, payload, qos)

    def _route(self, life: int, kind: str, payload: Any, qos: int) -> None:
        if not self.up or life != self.life:
            return
        rng = self.world.rng
        if self.loss and rng.random() < (self.loss if qos == 0 else self.loss / 4):
            return
        role = CONSUMER[kind]
        now = self.world.mono
        for connection in self.connections:
            if connection.role != role or connection.deaf:
                continue
            at = max(now + self.hop.draw(rng), connection.stalled_until, self.stalled_until)
            if qos or not self.overtaking:
                at = connection.down_at = max(at, connection.down_at)
            self.world.at(at - now, connection.owner, self._deliver, connection, kind, payload)
            if self.duplication and rng.random() < self.duplication:
                late = rng.choice((0.01, 0.5, 5.0, 30.0)) * rng.random()
                self.world.at(at - now + late, connection.owner, connection.owner.hear, kind, payload)

    def _deliver(self, connection: Connection, kind: str, payload: Any) -> None:
        if connection.open:
            connection.owner.hear(kind, payload)
