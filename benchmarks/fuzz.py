"""A million frames with mistakes in valid sessions (`tests/fuzzer.py`), over real sockets, to one relay.

It fails if the relay stops, if the two bystanders in a room of their own wait too long, or if the store does not hold
in the end what honest clients wrote, in their room and in that of the attackers.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.common import save
from crdt_sync.protocol.messages import Barrier, SyncUpdate
from tests.fuzzer import fuzz
from tests.hostile import Bystanders, RawSocket, memory_bytes, stored, update
from tests.relay import RelayProcess

FRAMES = int(os.environ.get("CRDT_SYNC_BENCH_FRAMES", "1000000"))
FRAMES_PER_JOB = 5000
PROCESSES = 2
MOST_WAIT_S = 5.0


def main() -> None:
    jobs_count = FRAMES // FRAMES_PER_JOB
    began = time.monotonic()
    closed = connections = frames = good = 0
    with tempfile.TemporaryDirectory() as folder:
        with RelayProcess(Path(folder)) as relay, ProcessPoolExecutor(PROCESSES) as pool:
            with Bystanders(relay) as bystanders:
                jobs = [
                    pool.submit(fuzz, relay.port, f"fuzz{seed % 20}", frames=FRAMES_PER_JOB, seed=seed)
                    for seed in range(jobs_count)
                ]
                for number, job in enumerate(jobs):
                    done = job.result()
                    frames, closed = frames + done.frames, closed + done.closed
                    connections += done.connections
                    if number % 10 == 0:  # an honest client among them
                        with RawSocket(relay.port, "/fuzz0") as honest:
                            honest.sync()
                            honest.send(SyncUpdate(update(f"good{good}")), Barrier(good))
                            assert honest.hear(Barrier) == Barrier(good)
                        good += 1
                    if number % 20 == 0:
                        print(f"{frames:9} frames {memory_bytes(relay) / 1e6:8.1f} MB", flush=True)
            seconds = time.monotonic() - began
            memory_mb = memory_bytes(relay) / 1e6
            relay.terminate()
            limits = Counter(line.partition("limit=")[2].split()[0] for line in relay.output if "limit=" in line)
            failures = [line for line in relay.output if "Traceback" in line or "failed" in line]
        among = stored(Path(folder), "fuzz0").keys()
        apart = stored(Path(folder), bystanders.room).keys()
    save(
        "fuzz",
        {
            "frames": frames,
            "connections": connections,
            "closed for a mistake": closed,
            "seconds": round(seconds, 1),
            "MB at the end": round(memory_mb, 1),
            "limits met": dict(limits),
            "failures": len(failures),
            "words of the bystanders": bystanders.written,
            "slowest of them, ms": round(bystanders.slowest_s * 1e3, 1),
        },
    )
    if failures or bystanders.slowest_s > MOST_WAIT_S:
        sys.exit(f"failures {failures[:3]}, slowest {bystanders.slowest_s:.1f} s")
    if not among >= {f"good{number}" for number in range(good)}:
        sys.exit("the store lacks what an honest client wrote among the attackers")
    if apart != {f"k{number}" for number in range(bystanders.written)}:
        sys.exit("the store differs from what the bystanders wrote")


if __name__ == "__main__":
    main()
