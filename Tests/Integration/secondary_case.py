# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of a log with secondaries share: primaries and secondaries made for each other, and
# looks at both.

import itertools
import os
import re

import harness
import merkle
import wire
from load import Load
from secondary import Secondary, set_secondaries
from watcher import Watcher
from witness_case import WitnessCase

# What add-leaf says while the secondaries do not have a leaf.
WAITS_BODY = "the leaf is stored and waits for the secondaries; send it again later\n"


IS_LONG = os.environ.get("SIGSUM_LONG") == "1"


def chosen(rows: dict, *names: str) -> dict:
    """A table's rows of these names; all of it where the tests may take long."""
    return rows if IS_LONG else {name: rows[name] for name in names}


class SecondaryCase(WitnessCase):
    def leaf(self, number: int) -> wire.Leaf:
        return wire.Leaf.numbered(self.key, number)

    def leaves(self, count: int, start: int = 0) -> list[wire.Leaf]:
        return [self.leaf(number) for number in range(start, start + count)]

    def secondary(self, primary, **options) -> Secondary:
        """A secondary of that primary, or URL, ready for its first start."""
        secondary = Secondary(primary, **{"interval": "100ms"} | options)
        self.addCleanup(secondary.close)
        return secondary

    def cluster(self, count: int, quorum: int | None = None, witnesses=(), witness_quorum: int = 0,
                **options) -> tuple[harness.Log, list[Secondary]]:
        """A primary and its secondaries, all started, the primary first."""
        primary = self.log(witnesses, witness_quorum, **options)
        secondaries = [self.secondary(primary) for _ in range(count)]
        set_secondaries(primary, secondaries, quorum)
        primary.start()
        for secondary in secondaries:
            secondary.start()
        return primary, secondaries

    def pair(self, **options) -> tuple[harness.Log, Secondary]:
        primary, (secondary,) = self.cluster(1, **options)
        return primary, secondary

    def scripted(self, primary: harness.Log, secondary) -> None:
        """Starts a primary that was told of a scripted secondary."""
        set_secondaries(primary, [secondary])
        primary.start()

    # Doing

    def add(self, log: harness.Server, leaves) -> None:
        """Adds leaves in this order, and again and again those that are not 200 yet."""
        missing = list(leaves)

        def send() -> bool:
            missing[:] = [leaf for leaf in missing if self.post(connection, leaf) != 200]
            return not missing

        with log.connect() as connection:
            self.until(send, "200 for all leaves")

    def post(self, connection: wire.Connection, leaf: wire.Leaf) -> int:
        answer = connection.request("POST", "/add-leaf", leaf.body)
        self.assertIn(answer.status, (200, 202), answer.text)
        return answer.status

    def load(self, log: harness.Server, connections: int = 4) -> Load:
        return self.enterContext(Load(log, connections))

    # Looking

    def assert_waits(self, log: harness.Server, leaf: wire.Leaf) -> None:
        answer = log.post_leaf(leaf)
        self.assertEqual((answer.status, answer.text), (202, WAITS_BODY))

    def wait_for_rounds(self, log: harness.Log, count: int = 3) -> None:
        """Until the log has published that many times more, of whatever size."""
        before = self.value(log, "quorum_total")
        self.until_value(log, before + count, "quorum_total")

    def said(self, log: harness.Server, begins: str, ends: str, start: int = 0) -> list[str]:
        """
        Which of both was said, in this order, line by line. On a busy machine a thing may begin
        again; but that it has begun is said once, until it has ended.
        """
        lines = self.lines(log, f"{begins}|{ends}", start)
        said = [begins if re.search(begins, line) else ends for line in lines]
        for first, second in itertools.pairwise(said):
            self.assertNotEqual(first, second, "\n".join(lines))
        return said

    def assert_reads(self, log: harness.Server, size: int) -> None:
        """Exactly that many leaves are published, and everything can be read of them."""
        head = log.tree_head()
        self.assertEqual(head.size, size)
        leaves = log.leaves(size)
        hashes = [merkle.hash_leaf(leaf) for leaf in leaves]
        self.assertEqual(head.root_hash, merkle.root(hashes))
        if size > 1:
            proof = log.get(f"/get-inclusion-proof/{size}/{hashes[-1].hex()}")
            self.assertEqual(wire.parse_inclusion_proof(proof.body)[0], size - 1)
            self.assertEqual(log.get(f"/get-consistency-proof/1/{size}").status, 200)
        self.assertEqual(log.get(f"/get-leaves/{size}/{size + 1}").status, 400)

    def assert_nothing_lost(self, log: harness.Log, answered, watchers: list[Watcher] = ()) -> None:
        """All these leaves are published, each once, and no tree head was of another tree."""
        leaves = log.leaves(internal=True)
        self.assertEqual(len(set(leaves)), len(leaves), "a leaf is in the tree twice")
        lost = {leaf.encoded for leaf in answered} - set(leaves)
        self.assertEqual(len(lost), 0, f"of {len(answered)} leaves these many are lost")
        last = log.tree_head(size_at_least=len(leaves))
        heads = [last, *(head for watcher in watchers for _, head in watcher.heads)]
        roots = merkle.roots([merkle.hash_leaf(leaf) for leaf in leaves],
                             [head.size for head in heads])
        for head in heads:
            self.assertEqual(head.root_hash, roots[head.size], f"two trees of {head.size} leaves")

    def assert_stopped_well(self, *logs: harness.Log) -> None:
        """They end when asked to, and their stores are sound."""
        for log in logs:
            self.assertEqual(log.stop(), 0, log.output)
            log.assert_audit()
