"""The devices that were seen in a room: all of them to an owner, to everybody else their own."""

from __future__ import annotations

from typing import Any

from crdt_sync_server.api.calls import Answer, Call, as_json
from crdt_sync_server.api.paging import AFTER, LIMIT, page_of
from crdt_sync_server.api.routing import Route
from crdt_sync_server.api.tags import is_known, tag_of
from crdt_sync_server.devices import Device, DeviceKey
from crdt_sync_server.ports import Role

__all__ = ["ROUTES"]


async def listed(call: Call) -> Answer:
    """Return the devices that came into the room, by subject, name and transport.

    An owner sees all, everybody else their own. Those of a member who was removed stay until newer ones take their
    place.
    """
    call.check_subject()
    grant = await call.grant()
    await call.services.sharing.living(call.room)
    host = call.services.host
    found = await host.sightings.listed(room=call.room)
    if grant.role is not Role.OWNER:
        found = [each for each in found if each.subject == grant.subject]
    page, after = page_of(found, _place, call.query)
    present = host.present(call.room)
    answer = as_json(200, {"devices": [_shown(each, present) for each in page], "next": after})
    tag = tag_of(answer.data)
    return Answer(304, headers=tag) if is_known(call.request, tag) else Answer(200, answer.data, headers=tag)


def _place(device: Device) -> str:
    return "\n".join(device.key[1:])  # no part has a line break in it


def _shown(device: Device, present: set[DeviceKey]) -> dict[str, Any]:
    return {
        "subject": device.subject,
        "device": device.device,
        "transport": device.transport,
        "first_ms": device.first_ms,
        "last_ms": None if device.key in present else device.last_ms,
        "times": device.times,
    }


ROUTES = (
    Route(
        "GET", "/rooms/{room}/devices", listed, "Devices that were seen in a room", {200: "Devices", 304: None},
        query=(AFTER, LIMIT),
    ),
)  # fmt: skip
