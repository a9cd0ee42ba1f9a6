"""What an operator may do with the rooms of a store and the people in them, whether a relay runs on it or not.

One code for both. A request is JSON, `{"do": "list"}`, and so is its answer; a document comes beside it as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import anyio.to_thread

from crdt_sync.errors import RemoteProtocolError
from crdt_sync.protocol.messages import SyncUpdate, decode
from crdt_sync.protocol.update import encode_state_vector, reach, read_update
from crdt_sync_server.contents import contents
from crdt_sync_server.errors import NoSuchRoom, RelayError, RoomDeleted, StoreError
from crdt_sync_server.host import Host
from crdt_sync_server.keepers import Members
from crdt_sync_server.people import People
from crdt_sync_server.ports import RoomRecord
from crdt_sync_server.token_desk import TokenDesk
from crdt_sync_server.webhook_desk import WebhookDesk

__all__ = ["Administration", "AdministrationAnswer"]


@dataclass(frozen=True, slots=True)
class AdministrationAnswer:
    """The answer as JSON, and the bytes of a document, or none."""

    value: Any
    data: bytes = b""


class Administration:
    """The commands, on a running host."""

    def __init__(self, host: Host, members: Members) -> None:
        self._host = host
        self._store = host.store
        self._members = members
        self._people = People(host, members)

    async def answer(self, request: Mapping[str, Any]) -> AdministrationAnswer:
        """Do what `request` says. Raises `RelayError`."""
        match request:
            case {"do": "list"}:
                return AdministrationAnswer([self._listed(record) for record in await self._store.rooms()])
            case {"do": "show", "room": str(name)}:
                return AdministrationAnswer(await self._show(name))
            case {"do": "export", "room": str(name)}:
                return await self._export(name)
            case {"do": "compact", "room": str(name)}:
                return AdministrationAnswer(await self._compact(name))
            case {"do": "delete", "room": str(name)}:
                listed = self._listed(await self._living(name))  # with those who are about to be closed
                await self._host.delete(name)
                await self._people.buried(name)
                return AdministrationAnswer(listed)
            case {"do": "devices", "room": str(name)}:
                await self._living(name)
                present = self._host.present(name)
                found = await self._host.sightings.listed(room=name)
                return AdministrationAnswer([{**asdict(each), "is_here": each.key in present} for each in found])
            case {"do": "verify"}:
                return AdministrationAnswer(await self._verify())
            case {"do": "delete user", "subject": str(subject)}:
                deleted = await self._people.answer(request)
                if self._host.tokens is not None:
                    await TokenDesk(self._host.tokens, self._host, self._members).revoke_all(subject)
                return AdministrationAnswer({**deleted, "erased": await self._store.erased()})  # last, as it may fail
            case {"do": "tokens"} if self._host.tokens is not None:
                desk = TokenDesk(self._host.tokens, self._host, self._members)
                return AdministrationAnswer(await desk.answer(request))
            case {"do": "webhooks"} if self._host.webhooks is not None:
                return AdministrationAnswer(await WebhookDesk(self._host.webhooks, self._host.wall).answer(request))
        return AdministrationAnswer(await self._people.answer(request))

    def _listed(self, record: RoomRecord) -> dict[str, Any]:
        return {**asdict(record), "connections": self._host.connections(record.name)}

    async def _living(self, name: str) -> RoomRecord:
        is_text = name.encode("utf-8", "replace").decode() == name  # one with half a character is no room's
        records = await self._store.rooms(name) if is_text else ()
        if not records:
            raise NoSuchRoom(f"there is no room {name!r}; `rooms list` shows them")
        if records[0].deleted_ms is not None:
            raise RoomDeleted(f"room {name!r} was deleted")
        return records[0]

    async def _document(self, name: str) -> bytes:
        """Return the whole document as one update, which is durable."""
        room = self._host.room(name)
        async with room.held():
            (message,) = decode(await room.catch_up({}))
        assert isinstance(message, SyncUpdate)
        return message.update

    async def _show(self, name: str) -> dict[str, Any]:
        record = await self._living(name)
        update = await self._document(name)
        return {**self._listed(record), **await anyio.to_thread.run_sync(_counts, update)}

    async def _export(self, name: str) -> AdministrationAnswer:
        await self._living(name)
        data = await self._document(name)
        return AdministrationAnswer({"room": name, "size_bytes": len(data)}, data)

    async def _compact(self, name: str) -> dict[str, Any]:
        before = await self._living(name)
        room = self._host.room(name)
        async with room.held():
            await room.compact()
        after = await self._living(name)
        return {"name": name, "before_bytes": before.size_bytes, "after_bytes": after.size_bytes}

    async def _verify(self) -> dict[str, Any]:
        problems = [{"room": None, "problem": line} for line in await self._store.damage()]
        checked = 0
        try:
            records = await self._store.rooms()
        except StoreError:  # the damage is in the list already
            records = ()
        for record in records:
            if record.deleted_ms is not None:
                continue
            try:
                stored = await self._store.load(record.name)
            except RoomDeleted:  # since the list was made
                continue
            except RelayError as error:
                problems.append({"room": record.name, "problem": str(error)})
                continue
            checked += 1
            found = await anyio.to_thread.run_sync(_misfit, stored.updates)
            if found is not None:
                problems.append({"room": record.name, "problem": found})
        return {"rooms": checked, "problems": problems}


def _counts(update: bytes) -> dict[str, Any]:
    header = read_update(update)
    vector = reach(header, {}) or {}
    return {
        "clients": len(vector),
        "operations": sum(vector.values()),
        "state_vector_bytes": len(encode_state_vector(vector)),
        "document_bytes": len(update),
        "roots": {name: len(value) for name, value in contents(update).items()},
    }


def _misfit(updates: Sequence[bytes]) -> str | None:
    """Return what is wrong with the first update that cannot be read or does not fit those before it."""
    vector: dict[int, int] = {}
    for number, update in enumerate(updates, start=1):
        try:
            moved = reach(read_update(update), vector)
        except RemoteProtocolError as error:
            return f"update {number} of {len(updates)} cannot be read: {error}"
        if moved is None:
            return f"update {number} of {len(updates)} lacks one before it"
        vector.update(moved)
    return None
