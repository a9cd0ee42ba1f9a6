"""Years of bad networks, crashes and compactions; in the end all are equal, and nothing acknowledged was lost."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from crdt_sync.document import AddHighlight, AddNote, Anchor, AppendToNote, Edit, EditHighlight, Purge, Restore, Trash
from crdt_sync.errors import NotFound
from crdt_sync.storage.store import LibraryStore
from tests.simulation.world import Device, Relay

PLACE = Anchor.verse("Gen.1.1", work="KJV", quote="In the beginning")
DEVICES = 3
devices = st.integers(0, DEVICES - 1)
ids = st.sampled_from(["h1", "h2", "n1"])
edits: st.SearchStrategy[Edit] = st.one_of(
    st.builds(lambda i: AddHighlight(PLACE, id=i), st.sampled_from(["h1", "h2"])),
    st.builds(lambda c: EditHighlight("h1", color=c), st.sampled_from(["red", "green", "blue"])),
    st.builds(lambda t: EditHighlight("h1", add_tags=(t,)), st.sampled_from(["x", "y/z"])),
    st.builds(lambda t: EditHighlight("h1", remove_tags=(t,)), st.sampled_from(["x", "y/z"])),
    st.builds(lambda t: AddNote(t, id="n1"), st.sampled_from(["", "one\ntwo"])),
    st.builds(lambda t: AppendToNote("n1", t), st.sampled_from(["𝔘", "three"])),
    st.builds(Trash, ids),
    st.builds(Restore, ids),
    st.builds(Purge, ids),
)


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="crdt-sync-"))
        self.relay = Relay()
        self.devices: list[Device] = []
        self.now_s = 0.0
        self.connections = 0

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.devices = [Device(self.folder / str(number), seed + number) for number in range(DEVICES)]

    @rule(device=devices, edit=edits)
    def edit(self, device: int, edit: Edit) -> None:
        try:
            self.devices[device].edit(edit)
        except NotFound:
            return
        self.devices[device].send()

    @rule(device=devices, edit=edits)
    def another_process_edits(self, device: int, edit: Edit) -> None:
        """The command line, say, on the file that a reader has open."""
        other = LibraryStore(self.devices[device].path, durability="normal", now_ms=lambda: 2)
        try:
            other.edit(edit)
        except NotFound:
            pass
        finally:
            other.close()
        self.devices[device].store.follow()
        self.devices[device].send()

    @rule(device=devices)
    def connect(self, device: int) -> None:
        if self.devices[device].wire is None:
            self.connections += 1
            self.devices[device].connect(self.relay, f"connection {self.connections}")

    @rule(device=devices)
    def cut(self, device: int) -> None:
        wire = self.devices[device].wire
        if wire is not None:
            wire.cut()
            self.devices[device].wire = None

    @rule(device=devices, frames=st.integers(1, 6))
    def deliver_up(self, device: int, frames: int) -> None:
        wire = self.devices[device].wire
        for _ in range(frames):
            if wire is not None and wire.open and wire.up:
                self.relay.receive(wire)

    @rule(device=devices, frames=st.integers(1, 6))
    def deliver_down(self, device: int, frames: int) -> None:
        for _ in range(frames):
            wire = self.devices[device].wire
            if wire is not None and wire.open and wire.down:
                self.devices[device].receive(self.now_s, self.relay)

    @rule(device=devices)
    def exchange(self, device: int) -> None:
        """A good moment: connect, and let everything pass both ways once."""
        self.connect(device)
        self.deliver_up(device, 99)
        self.turn(crash=False)
        self.deliver_down(device, 99)

    @rule(device=devices)
    def crash_of_the_relay_in_a_burst(self, device: int) -> None:
        """The device's edits have arrived, and the relay dies before they are stored."""
        self.exchange(device)
        self.exchange(device)
        color = f"color {self.now_s} {self.connections}"
        known = self.devices[device].store.read.highlight("h1") is not None
        self.devices[device].edit(EditHighlight("h1", color=color) if known else AddHighlight(PLACE, id="h1"))
        self.devices[device].send()
        self.deliver_up(device, 99)
        self.turn(crash=True)

    @rule(device=devices)
    def duplicate(self, device: int) -> None:
        wire = self.devices[device].wire
        for queue in (wire.up, wire.down) if wire is not None else ():
            if queue and queue[0][:2] == b"\x00\x02":
                queue.appendleft(queue[0])

    @rule(crash=st.booleans())
    def turn(self, crash: bool) -> None:
        self.relay.turn(self.now_s, crash_before_commit=crash)
        self._notice_cuts()

    @rule(device=devices)
    def crash(self, device: int) -> None:
        self.devices[device].crash()

    @rule(device=devices)
    def compact(self, device: int) -> None:
        self.devices[device].store.compact()

    @rule()
    def compact_relay(self) -> None:
        self.relay.compact()

    @rule(seconds=st.floats(0, 5))
    def time_goes(self, seconds: float) -> None:
        self.now_s += seconds

    def _notice_cuts(self) -> None:
        for device in self.devices:
            if device.wire is not None and not device.wire.open:
                device.wire = None

    @invariant()
    def the_read_model_is_what_the_log_says(self) -> None:
        for device in self.devices:
            device.store.verify()

    def teardown(self) -> None:
        """Give everybody a good network, and compare."""
        try:
            if self.devices:
                self._settle()
        finally:
            for device in self.devices:
                device.store.close()
            shutil.rmtree(self.folder)

    def _settle(self) -> None:
        for _ in range(40):
            moved = False
            for number, device in enumerate(self.devices):
                self._notice_cuts()
                self.connect(number)
                while device.wire is not None and device.wire.up:
                    self.relay.receive(device.wire)
                    moved = True
            self.relay.turn(self.now_s)
            self._notice_cuts()
            for device in self.devices:
                while device.wire is not None and device.wire.down:
                    device.receive(self.now_s, self.relay)
                    moved = True
            if not moved:
                break
        else:
            raise AssertionError("they never came to rest")
        first, *others = self.devices
        for device in others:
            assert device.store.read.content() == first.store.read.content()
        for device in self.devices:
            assert device.store.pending == 0
            device.store.verify()
        kept = first.store.read.content()
        for device in self.devices:
            device.crash()  # the log alone gives the same again
            assert device.store.read.content() == kept
            device.store.verify()


World.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestWorld = World.TestCase
