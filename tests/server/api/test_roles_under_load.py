"""Ten members of one group whose roles change while all write, over WebSocket, polling and HTTP at once.

What is checked is content: of what arrived at a member, and of what stands in the document at the end. Each write has a
key that says whether it may be there, and each secret is written while one member is out and must not reach them then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from typing import Any

import httpx
from pycrdt import Doc

from crdt_sync.protocol.messages import Barrier, SyncUpdate
from tests.hostile import RawSocket
from tests.poller import Poller
from tests.relay import RelayProcess
from tests.server.api.test_documents import edited, post, read
from tests.server.api.tokens import at, client_of, token, token_relay

MEMBERS, ROUNDS = 10, 5


class Listening(RawSocket):
    """A WebSocket that keeps all that it was sent."""

    def __init__(self, port: int, path: str) -> None:
        self.payloads: list[bytes] = []
        super().__init__(port, path)

    def receive(self) -> bytes | None:
        payload = super().receive()
        if payload is not None:
            self.payloads.append(payload)
        return payload


def update(key: str) -> bytes:
    """Return an edit that needs nothing before it."""
    return edited(Doc(), **{key: 1})


class Group:
    """The room, and what was written there with which right to."""

    def __init__(self, relay: RelayProcess, owner: httpx.Client) -> None:
        self.relay, self.owner = relay, owner
        self.room: str = owner.post("/groups", json={"name": "ten"}).json()["room"]
        self.written: set[str] = set()
        self._lock = Lock()

    def allowed(self, key: str) -> None:
        """Say that a write was acknowledged: it must be there at the end."""
        with self._lock:
            self.written.add(key)

    def by_owner(self, key: str) -> None:
        assert post(self.owner, self.room, update(key)).status_code == 204
        self.allowed(key)

    def set_role(self, subject: str, role: str) -> None:
        answer = self.owner.patch(at(self.room, f"/members/{subject}"), json={"role": role})
        assert answer.status_code == 200, answer.text

    def remove(self, subject: str) -> None:
        assert self.owner.delete(at(self.room, f"/members/{subject}")).status_code == 204

    def bring_in(self, client: httpx.Client) -> None:
        made = self.owner.post(at(self.room, "/invitations"), json={"role": "editor"}).json()
        assert client.post("/invitations/accept", json={"token": made["token"]}).status_code == 200


class Person:
    """One member, with a connection of each kind open."""

    def __init__(self, group: Group, name: str, client: httpx.Client) -> None:
        self.group, self.name, self.client = group, name, client
        self.headers = {"authorization": f"Bearer {token(name)}"}
        self.path = f"/{group.room}?token={token(name)}"

    @contextmanager
    def connected(self) -> Iterator[tuple[Listening, Poller]]:
        socket = Listening(self.group.relay.port, self.path)
        try:
            with Poller(self.group.relay.url, self.group.room, headers=self.headers) as poller:
                socket.sync()
                poller.open()
                yield socket, poller
        finally:
            socket.socket.close()

    def writes(self, socket: Listening, poller: Poller, number: int) -> None:
        """Write over all three, and know that it is durable."""
        keys = [f"ok/{self.name}/{number}/{way}/" for way in ("socket", "poll", "http")]
        socket.send(SyncUpdate(update(keys[0])), Barrier(1))
        poller.say(SyncUpdate(update(keys[1])), Barrier(2))
        assert post(self.client, self.group.room, update(keys[2])).status_code == 204
        socket.hear(Barrier)
        poller.hear(Barrier)
        for key in keys:
            self.group.allowed(key)

    def may_only_read(self, socket: Listening, poller: Poller, number: int) -> None:
        key = f"forbidden/{self.name}/{number}/"
        socket.send(SyncUpdate(update(key)), Barrier(3))
        poller.say(SyncUpdate(update(key)), Barrier(4))
        refused = post(self.client, self.group.room, update(key))
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert socket.until_closed() == 4403
        assert poller.until_ended().code == 4403
        assert self.client.get(at(self.group.room, "/document")).status_code == 200
        promoted = self.client.patch(at(self.group.room, f"/members/{self.name}"), json={"role": "owner"})
        assert promoted.status_code == 403

    def may_do_nothing(self, socket: Listening, poller: Poller, number: int) -> None:
        secret, key = f"secret/{self.name}/{number}/", f"forbidden/{self.name}/{number}/"
        self.group.by_owner(secret)
        arrived = list[bytes]()
        polled = poller.post(poller.next_poll(wait_s=0))
        assert polled.status_code == 403
        assert socket.until_closed() == 4403
        for path in ("/document", "/document.json", "", "/members"):
            asked = self.client.get(at(self.group.room, path))
            assert asked.status_code == 404
            arrived.append(asked.content)
        assert post(self.client, self.group.room, update(key)).status_code == 404
        late = Listening(self.group.relay.port, self.path)
        late.send(SyncUpdate(update(key)), Barrier(5))
        assert late.until_closed() == 4403
        late.socket.close()
        assert late.payloads == [], "not a byte before the close"
        with Poller(self.group.relay.url, self.group.room, headers=self.headers) as again:
            assert again.post(again.next_poll()).status_code == 403
        everything = b"".join([*arrived, polled.content, *socket.payloads, str(poller.heard).encode()])
        assert secret.encode() not in everything


def live(person: Person, seed: int) -> int:
    """Let one member go through rounds of losing and getting rights; return how often it was out."""
    chance, out = random.Random(seed), 0
    for number in range(ROUNDS):
        with person.connected() as (socket, poller):
            person.writes(socket, poller, number)
            if chance.random() < 0.5:
                person.group.set_role(person.name, "reader")
                person.may_only_read(socket, poller, number)
                person.group.set_role(person.name, "editor")
            else:
                person.group.remove(person.name)
                person.may_do_nothing(socket, poller, number)
                person.group.bring_in(person.client)
                out += 1
    return out


def write_on(group: Group, until: Event, number: int) -> int:
    count = 0
    while not until.is_set():
        group.by_owner(f"ok/owner/{number}/{count}/")
        count += 1
    return count


def test_nobody_reads_or_writes_a_byte_that_they_may_not(tmp_path: Path) -> None:
    limits = ("--limit", "questions-burst=100000", "--limit", "updates-burst=100000", "--limit", "changes-burst=100000")
    names = [f"member{number}" for number in range(MEMBERS)]
    with (
        token_relay(tmp_path, *limits) as relay,
        client_of(relay, "ada") as owner,
        ThreadPoolExecutor(MEMBERS + 2) as pool,
    ):
        group, over = Group(relay, owner), Event()
        clients: list[Any] = [client_of(relay, name) for name in names]
        witness = Listening(relay.port, f"/{group.room}?token={token('ada')}")
        witness.sync()
        try:
            for client in clients:
                group.bring_in(client)
            writing = [pool.submit(write_on, group, over, number) for number in range(2)]
            people = [Person(group, name, client) for name, client in zip(names, clients, strict=True)]
            living = [pool.submit(live, person, seed) for seed, person in enumerate(people)]
            outs = [each.result(60) for each in living]
        finally:
            over.set()
            for client in clients:
                client.close()
        assert sum(each.result(60) for each in writing) > 20, "there was load"
        assert 5 < sum(outs) < MEMBERS * ROUNDS - 5, "both happened"
        found = set(read(owner, group.room))
        assert found == group.written, "all that was acknowledged and nothing else"
        witness.send(Barrier(9))
        witness.hear(Barrier)
        seen = b"".join(witness.payloads)
        assert b"forbidden/" not in seen
        assert b"secret/" in seen, "who may read has it"
        witness.socket.close()
