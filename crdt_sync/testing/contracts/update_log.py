"""The contract of `UpdateLog`: what a device keeps of its document."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from crdt_sync.testing.log import UpdateLog

__all__ = ["UpdateLogContract"]


class UpdateLogContract:
    """The rules of `UpdateLog`. A log without `keeps` forgets with its process."""

    keeps = True

    def opened(self, folder: Path) -> AbstractContextManager[UpdateLog]:
        """Return a block in which the log of `folder` is open; what was added in it is committed with it."""
        raise NotImplementedError

    def test_an_empty_log_has_nothing(self, tmp_path: Path) -> None:
        """No updates, position 0."""
        with self.opened(tmp_path) as log:
            assert log.after(0) == ([], 0)
            assert log.outgoing(0, "c") == ([], 0)

    def test_updates_come_back_in_order_from_any_position(self, tmp_path: Path) -> None:
        """Positions rise, and whoever is at one gets all after it and nothing else."""
        with self.opened(tmp_path) as log:
            positions = [log.append(b"%d" % number, None) for number in range(5)]
            assert positions == sorted(set(positions))
            assert log.after(0) == ([b"0", b"1", b"2", b"3", b"4"], positions[-1])
            assert log.after(positions[2]) == ([b"3", b"4"], positions[-1])
            assert log.after(positions[-1]) == ([], positions[-1])

    def test_a_connection_is_not_sent_what_it_brought(self, tmp_path: Path) -> None:
        """Its own rows are left out; its position moves past them all the same."""
        with self.opened(tmp_path) as log:
            log.append(b"mine", None)
            log.append(b"from c", "c")
            last = log.append(b"from d", "d")
            assert log.outgoing(0, "c") == ([b"mine", b"from d"], last)
            assert log.outgoing(0, "d") == ([b"mine", b"from c"], last)
            assert log.outgoing(last, "c") == ([], last)

    def test_compaction_keeps_what_came_after(self, tmp_path: Path) -> None:
        """The parts stand in the place of what they hold, and the tail follows them."""
        with self.opened(tmp_path) as log:
            first = log.append(b"1", None)
            through = log.append(b"2", None)
            last = log.append(b"tail", None)
            for parts in ([b"one", b"two"], [b"all"]):
                log.compact(parts, through)
                assert log.after(0) == ([*parts, b"tail"], last)
                assert log.after(first) == ([*parts, b"tail"], last)  # behind the snapshot: the snapshot, whole
                assert log.after(through) == ([b"tail"], last)
                assert log.outgoing(first, "c") is None
                assert log.outgoing(through, "c") == ([b"tail"], last)

    def test_a_position_is_never_used_again(self, tmp_path: Path) -> None:
        """Not even after everything was compacted away, nor by the next process."""
        with self.opened(tmp_path) as log:
            last = log.append(b"1", None)
            log.compact([b"all"], last)
            assert log.after(0) == ([b"all"], last)
            later = log.append(b"2", None)
            assert later > last
            log.compact([b"all of it"], later)
        if self.keeps:
            with self.opened(tmp_path) as log:
                assert log.append(b"3", None) > later
                assert log.after(0)[0] == [b"all of it", b"3"]
