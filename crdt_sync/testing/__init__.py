"""Tests whether replicas of a Yjs document converge: yours, in pycrdt or real Yjs. Install `crdt-sync[testing]`.

`docs/testing.md` teaches it.
"""

from crdt_sync.testing.log import MemoryLog, UpdateLog
from crdt_sync.testing.machine import convergence_machine
from crdt_sync.testing.model import Model
from crdt_sync.testing.models import (
    MAP,
    MAP_TWIN,
    TEXT,
    TEXT_TWIN,
    XML,
    XML_TWIN,
    awareness_entries,
    json_values,
    words,
)
from crdt_sync.testing.peer import Link, Peer
from crdt_sync.testing.replicas import OpenReplica, PycrdtReplica, Replica
from crdt_sync.testing.state import State, state_of
from crdt_sync.testing.world import World
from crdt_sync.testing.yjs import NodeError, Yjs

__all__ = [
    "MAP",
    "MAP_TWIN",
    "TEXT",
    "TEXT_TWIN",
    "XML",
    "XML_TWIN",
    "Link",
    "MemoryLog",
    "Model",
    "NodeError",
    "OpenReplica",
    "Peer",
    "PycrdtReplica",
    "Replica",
    "State",
    "UpdateLog",
    "World",
    "Yjs",
    "awareness_entries",
    "convergence_machine",
    "json_values",
    "state_of",
    "words",
]
