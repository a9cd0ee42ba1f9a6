"""What every adapter of a port must do, as test classes. Subclass one, say how to open the adapter, run pytest:

    import pytest
    from crdt_sync.testing.contracts import StoreContract

    @pytest.mark.anyio
    class TestMyStore(StoreContract):
        @asynccontextmanager
        async def opened(self, folder):
            store = await MyStore.open(folder / "data")
            yield store
            await store.close()

The ports are structural: an adapter need not import anything from here.
"""

from crdt_sync.testing.contracts.channel import Channel, ChannelContract, memory_channels
from crdt_sync.testing.contracts.room_store import RoomStore, RoomStoreContract
from crdt_sync.testing.contracts.store import Store, StoreContract, Stored
from crdt_sync.testing.contracts.update_log import UpdateLogContract

__all__ = [
    "Channel",
    "ChannelContract",
    "RoomStore",
    "RoomStoreContract",
    "Store",
    "StoreContract",
    "Stored",
    "UpdateLogContract",
    "memory_channels",
]
