"""kill -9 of a device in the middle of a burst, with the relay there and with the relay killed too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crdt_sync.discussions import PostState, open_discussions
from tests.discussions.test_together import group_of, posts_when
from tests.server.api.tokens import token, token_relay

pytestmark = pytest.mark.anyio
ROUNDS = 5
ROOT = Path(__file__).parents[2]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_kill_9_of_device_and_relay_leaves_each_post_exactly_once_and_in_order(tmp_path: Path) -> None:
    made: list[list[str]] = []  # of each round, the ids of the replies whose calls had returned
    with token_relay(tmp_path) as relay:
        group = group_of(relay, bob="editor")
        async with open_discussions(
            tmp_path / "ada", relay=relay.url, group=group, subject="ada", token=token("ada")
        ) as ada:
            thread = await ada.open_thread("h", "begin")
            assert await ada.sent(20)
        for round_ in range(ROUNDS):
            command = [
                sys.executable,
                "-m",
                "tests.discussions.device",
                str(tmp_path / "bob"),
                relay.url,
                group,
                thread,
            ]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            of_round: list[str] = []
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    of_round.append(line.split()[0])
                    if len(of_round) == 3 + 4 * round_:
                        if round_ % 2:
                            relay.kill()
                        process.kill()  # what it had printed by then is still read
            finally:
                process.kill()
                process.communicate()
            made.append(of_round)
            if round_ % 2:
                relay.start()
        kept = [each for of_round in made for each in of_round]
        assert len(kept) >= sum(3 + 4 * round_ for round_ in range(ROUNDS))
        async with open_discussions(
            tmp_path / "bob", relay=relay.url, group=group, subject="bob", token=token("bob")
        ) as bob:
            assert await bob.sent(20)
            assert await bob.outbox() == []
            posts = await posts_when(bob, thread, lambda posts: all(each.state is PostState.SENT for each in posts))
        async with open_discussions(
            tmp_path / "ada", relay=relay.url, group=group, subject="ada", token=token("ada")
        ) as ada:
            assert await posts_when(ada, thread, lambda seen: len(seen) == len(posts)) == posts
        order = [post.id for post in posts][1:]
        assert [each for each in order if each in set(kept)] == kept  # all, each once, in the order of their calls
        assert len(order) == len(set(order))
        assert len(order) - len(kept) <= ROUNDS  # one whose call had not returned, each time
        assert [post.number for post in posts] == list(range(1, len(posts) + 1))
