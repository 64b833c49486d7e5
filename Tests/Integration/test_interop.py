# SPDX-License-Identifier: BSD-2-Clause
#
# With log-go's nodes: its primary and our secondary, our primary and its secondary, and a log that
# moves from its primary to ours by way of our secondary, with no leaf lost.

import ed25519
import harness
import merkle
import wire
from real_witnesses import LiteWitness, SigsumWitness
from secondary import (LogGoSecondary, Secondary, assert_same_tree, promoted, set_secondaries,
                       take_address)
from secondary_case import WAITS_BODY, SecondaryCase
from watcher import Policy, Watcher

QUICK = {"interval": "100ms"}


class InteropCase(SecondaryCase):
    def log_go(self, **options) -> harness.LogGo:
        """log-go's primary with the test's key, ready for its start."""
        log = harness.LogGo(key=self.key, **QUICK | options)
        self.addCleanup(log.close)
        return log

    def assert_published(self, log: harness.Server, leaves: list[wire.Leaf]) -> None:
        """Exactly these are published, in this order."""
        head = log.tree_head(size_at_least=len(leaves))
        self.assertEqual(head.size, len(leaves))
        hashes = [leaf.hash for leaf in leaves]
        self.assertEqual(head.root_hash, merkle.root(hashes))

    def away_and_back(self, primary, node, away, back) -> None:
        """Publishing waits for the secondary, and goes on with it."""
        leaves = self.leaves(5)
        self.add(primary, leaves[:3])
        self.assert_published(primary, leaves[:3])
        away(node)
        for leaf in leaves[3:]:
            answer = primary.post_leaf(leaf)
            self.assertEqual(answer.status, 202, answer.text)
            if isinstance(primary, harness.Log):
                self.assertEqual(answer.text, WAITS_BODY)
        self.wait_for_polls(primary)
        self.assert_published(primary, leaves[:3])
        self.assertEqual(primary.get("/get-leaves/0/3").status, 200)
        back(node)
        self.add(primary, leaves)
        self.assert_published(primary, leaves)

    def wait_for_polls(self, primary) -> None:
        if isinstance(primary, harness.Log):
            self.wait_for_rounds(primary)
            return
        # log-go says each time that there is nothing new.
        for _ in range(3):
            primary.wait_for_line("no new replicated tree head", len(primary.lines))


class TheirPrimary(InteropCase):
    def pair_of(self, **options) -> tuple[harness.LogGo, Secondary]:
        primary = self.log_go()
        node = self.secondary(primary, **options)
        set_secondaries(primary, [node])
        primary.start(), node.start()
        return primary, node

    def test_leaves_and_tree_heads(self):
        primary, node = self.pair_of()
        leaves = self.leaves(600)
        self.add(primary, leaves)
        assert_same_tree(primary, node, len(leaves))
        self.assertEqual(node.leaves(), [leaf.encoded for leaf in leaves])
        self.assert_published(primary, leaves)
        self.assert_no_trouble(node)
        self.assert_stopped_well(node)

    def test_it_waits_for_ours(self):
        """Stopped, killed and started again: its publishing waits, and goes on."""
        for stop in (lambda node: self.assertEqual(node.stop(), 0), lambda node: node.kill()):
            self.setUp()
            primary, node = self.pair_of()
            self.away_and_back(primary, node, stop, lambda node: node.start())
            self.assertNotRegex(primary.output, r"\[(ERROR|FATAL)\].*(inconsist|signature|ahead)")

    def test_a_long_log(self):
        """More than its largest answer, 512 leaves, in one go."""
        primary = self.log_go()
        primary.start()
        self.add(primary, self.leaves(1500))
        node = self.secondary(primary).start()
        assert_same_tree(primary, node, 1500)

    def test_one_that_was_emptied(self):
        """Its tree is in memory: started again it is shorter, and ours stops and keeps its own."""
        primary, node = self.pair_of()
        self.add(primary, self.leaves(5))
        self.assertEqual(node.wait_until_size(5).size, 5)
        primary.kill()
        primary.sth_file.unlink()
        made = harness.run(harness.peer("sigsum-mktree"), f"--sth-file={primary.sth_file}")
        self.assertEqual(made.returncode, 0, made.stderr)
        primary.start()
        node.wait_for_line(r"\[FATA\] replication stopped: the primary has fewer leaves than the 5 "
                           r"here$")
        self.assertEqual(node.leaves(), [leaf.encoded for leaf in self.leaves(5)])


class TheirSecondary(InteropCase):
    def test_leaves_and_tree_heads(self):
        primary = self.log([], 0)
        node = self.enterContext(LogGoSecondary(primary, **QUICK))
        set_secondaries(primary, [node])
        primary.start()
        with self.load(primary, connections=40) as load:
            load.wait_for_answers(250)
        size = len(primary.leaves())
        assert_same_tree(primary, node, size)
        primary.tree_head(size_at_least=size)
        self.assert_no_trouble(primary)

    def test_ours_waits_for_it(self):
        primary = self.log([], 0, timeout="500ms")
        node = self.enterContext(LogGoSecondary(primary, **QUICK))
        set_secondaries(primary, [node])
        primary.start()
        # Started again it is empty, and copies all.
        self.away_and_back(primary, node, lambda node: node.kill(), lambda node: node.start())
        self.assertEqual(self.lines(primary, r"\[(ERRO|FATA)\]"), [])

    def test_both_kinds_beside_each_other(self):
        """One of two is enough, whichever it is."""
        primary = self.log([], 0)
        theirs = self.enterContext(LogGoSecondary(primary, **QUICK))
        ours = self.secondary(primary).start()
        set_secondaries(primary, [theirs, ours], 1)
        primary.start()
        self.add(primary, self.leaves(3))
        theirs.wait_until_size(3)
        ours.kill()
        self.add(primary, self.leaves(3, start=3))
        theirs.kill()
        ours.start()
        self.add(primary, self.leaves(3, start=6))
        self.assert_published(primary, self.leaves(9))


class RealWitnesses(InteropCase):
    def test_a_failover(self):
        """They cosign what the promoted primary goes on with, and refuse what the old one has."""
        for make in (SigsumWitness, LiteWitness):
            with self.subTest(make.name):
                self.setUp()  # a key of its own for each
                witness = self.enterContext(make(self.key))
                old, (node,) = self.cluster(1, witnesses=[witness], witness_quorum=1)
                watcher = self.watch(old)
                # Before that no leaf is taken.
                watcher.wait_for_size(0)
                self.add(old, self.leaves(5))
                watcher.wait_for_size(5)
                old.kill()
                watcher.stop()
                self.assertEqual(node.stop(), 0)
                new = promoted(node, self.key, min_interval="10ms", interval="100ms")
                self.addCleanup(new.close)
                self.set_policy(new, [witness], 1)
                new.start()
                self.watch(new).wait_for_size(5)
                self.add(new, self.leaves(8))
                new.tree_head(size_at_least=8)
                start = len(old.lines)
                old.start()
                old.wait_for_line(r"\[FATA\]", start)
                self.until_value(old, 1, "signing_halted")
                self.assertEqual(old.tree_head().size, 5)
                self.assertEqual(old.post_leaf(self.leaf(9)).status, 503)
                self.add(new, [self.leaf(9)])
                new.tree_head(size_at_least=9)
                self.assert_stopped_well(new, old)


class Moving(InteropCase):
    def test_a_log_moves_to_ours(self):
        """
        Our secondary beside log-go's primary, caught up, promoted with the log's key at the log's
        address: the tree head is the very same, what comes is consistent with it, and the tools
        accept proofs from before, during and after.
        """
        submit, verify = harness.peer("sigsum-submit"), harness.peer("sigsum-verify")
        old = self.log_go()
        node = self.secondary(old)
        set_secondaries(old, [node])
        old.start(), node.start()
        policy, key = old.policy_file(), old.folder / "submitter"
        ed25519.Signer().write_openssh(key)

        def submit_file(name: str):
            file = old.folder / name
            file.write_text(f"{name}\n")
            done = harness.run(submit, "-k", key, "-p", policy, file)
            self.assertEqual(done.returncode, 0, done.stderr)
            return file

        files = [submit_file("before")]
        watcher = self.enterContext(Watcher(old, Policy([], 0)))
        with self.load(old, connections=40) as load:
            load.wait_for_answers(300)
        size = len(old.leaves())
        head = old.tree_head(size_at_least=size)
        old_proof = old.get(f"/get-consistency-proof/1/{size}").body
        self.assertEqual(node.wait_until_size(size).size, size)
        watcher.stop()
        # The order of the move: nobody writes any more, the secondary has it all.
        self.assertEqual(node.stop(), 0)
        old.stop()
        new = promoted(node, self.key, min_interval="10ms", interval="100ms")
        self.addCleanup(new.close)
        take_address(new, old)
        new.start()
        # Ed25519 signatures are the same each time they are made.
        moved = new.tree_head()
        self.assertEqual((moved.size, moved.root_hash, moved.signature),
                         (head.size, head.root_hash, head.signature))
        self.assertEqual(new.get(f"/get-consistency-proof/1/{size}").body, old_proof)
        files.append(submit_file("after"))
        with self.load(new) as more:
            more.wait_for_answers(50)
        self.assert_nothing_lost(new, load.answered + more.answered, [watcher])
        last = new.tree_head()
        proof = wire.parse_consistency_proof(
            new.get(f"/get-consistency-proof/{head.size}/{last.size}").body)
        self.assertTrue(merkle.verify_consistency(head.size, last.size, head.root_hash,
                                                  last.root_hash, proof))
        for file in files:
            with open(file) as message:
                judged = harness.run(verify, "-k", f"{key}.pub", "-p", policy, f"{file}.proof",
                                     stdin=message)
            self.assertEqual(judged.returncode, 0, judged.stderr)
        self.assert_stopped_well(new)

    def test_with_a_log_go_secondary_kept(self):
        """The moved log goes on with a secondary of log-go's."""
        old = self.log_go()
        ours = self.secondary(old)
        set_secondaries(old, [ours])
        old.start(), ours.start()
        self.add(old, self.leaves(150))
        size = 150
        ours.wait_until_size(size)
        old.stop()
        self.assertEqual(ours.stop(), 0)
        new = promoted(ours, self.key, min_interval="10ms", interval="100ms")
        self.addCleanup(new.close)
        theirs = self.enterContext(LogGoSecondary(new, **QUICK))
        set_secondaries(new, [theirs])
        new.start()
        self.add(new, self.leaves(5, start=size))
        assert_same_tree(new, theirs, size + 5)
        self.assert_published(new, self.leaves(size + 5))
