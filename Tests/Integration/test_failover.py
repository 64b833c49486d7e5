# SPDX-License-Identifier: BSD-2-Clause
#
# The primary is lost while it is in use, and a secondary becomes the primary: with one secondary,
# with two of three, with the log's key somewhere else, and with the old primary coming back. No leaf
# that was answered 200 is lost, and no tree head that anybody ever saw is contradicted.

import random
import shutil
import signal
import threading

import harness
import merkle
import wire
from secondary import Secondary, assert_same_tree, freeze, promoted, set_secondaries, take_address
from secondary_case import IS_LONG, SecondaryCase
from witness_case import QUICK


class FailoverCase(SecondaryCase):
    def busy(self, count: int, quorum: int | None = None, witness_count: int = 3) -> None:
        """A log in use, watched, whose tree heads two of three witnesses must cosign."""
        self.witnesses = [self.witness() for _ in range(witness_count)]
        for witness in self.witnesses:
            # There may be two primaries.
            witness.is_asked_one_at_a_time = False
        self.primary, self.nodes = self.cluster(
            count, quorum, self.witnesses, 2 if witness_count else 0, timeout="2s")
        self.watcher = self.watch(self.primary)
        self.clients = self.load(self.primary)
        self.clients.wait_for_answers(100)

    def lose_primary(self, *behind: Secondary) -> None:
        """
        Killed at any moment, with requests on their way; `behind`: those that do not get the last
        leaves before.
        """
        for node in behind:
            freeze(node)
        if behind:
            self.clients.wait_for_any_answers(12)
        threading.Event().wait(random.uniform(0, 0.03))
        self.primary.kill()
        for node in behind:
            node.process.send_signal(signal.SIGCONT)
        self.watcher.stop()
        self.answered = list(self.clients.answered)

    def promote(self, node: Secondary, secondaries=(), quorum: int | None = None,
                **options) -> harness.Log:
        """
        What the stopped secondary becomes, at the log's address and with its policy; not started.
        """
        log = promoted(node, self.key, **QUICK | {"timeout": "2s"} | options)
        self.addCleanup(log.close)
        take_address(log, self.primary)
        self.set_policy(log, self.witnesses, 2 if self.witnesses else 0)
        if secondaries:
            set_secondaries(log, secondaries, quorum)
        return log

    def take_over(self, log: harness.Log) -> None:
        """The clients go on with it, and it with the log."""
        log.start()
        watcher = self.watch(log)
        self.clients.log = log
        first = watcher.wait_for_size(0)
        self.assertGreaterEqual(first.size, self.watcher.last.size)
        self.clients.wait_for_answers(60)
        self.assertEqual(self.value(log, "signing_halted"), 0)
        self.clients.end()
        self.assertFalse(self.clients.errors)
        self.assert_nothing_lost(log, self.answered + self.clients.answered,
                                 [self.watcher, watcher])
        self.assert_all_consistent(log)
        self.assertEqual(self.lines(log, r"\[(ERRO|FATA)\]"), [])

    def assert_all_consistent(self, log: harness.Log) -> None:
        """By the log's own proofs, from every tree head that the old primary published."""
        last = log.tree_head()
        seen = {head.size: head for _, head in self.watcher.heads if 0 < head.size < last.size}
        with log.connect() as connection:
            for head in seen.values():
                answer = connection.request(
                    "GET", f"/get-consistency-proof/{head.size}/{last.size}")
                self.assertTrue(merkle.verify_consistency(
                    head.size, last.size, head.root_hash, last.root_hash,
                    wire.parse_consistency_proof(answer.body)))

    def assert_witnesses_saw_one_tree(self) -> None:
        """No two trees of one size, and no contradiction, in all that was ever sent to any."""
        roots: dict[int, bytes] = {}
        for witness in self.witnesses:
            for request in witness.requests:
                head = request.body.head
                self.assertEqual(roots.setdefault(head.size, head.root_hash), head.root_hash)


class OneSecondary(FailoverCase):
    TURNS = 20 if IS_LONG else 2

    def test_the_primary_is_killed_under_load(self):
        for turn in range(self.TURNS):
            with self.subTest(turn=turn):
                self.setUp()
                self.busy(1)
                (node,) = self.nodes
                self.lose_primary(*self.nodes[:turn % 2])
                # However the secondary ends.
                node.stop((signal.SIGTERM, signal.SIGKILL)[turn % 2])
                new = self.promote(node)
                self.take_over(new)
                self.assert_witnesses_saw_one_tree()
                self.assert_stopped_well(new)

    def test_the_old_primary_comes_back(self):
        """It serves reads and can neither sign nor publish; the new one is not disturbed."""
        self.busy(1)
        self.lose_primary()
        (node,) = self.nodes
        self.assertEqual(node.stop(), 0)
        new = self.promote(node)
        self.take_over(new)
        size = new.tree_head().size
        old = self.primary
        start = len(old.lines)
        sth = old.sth_file.read_bytes()
        # What it has besides what it published nobody was promised: its secondary had it not.
        published = wire.parse_tree_head(sth).size
        old.start()
        old.wait_for_line(r"\[FATA\]", start)
        self.until_value(old, 1, "signing_halted")
        answer = wire.parse_tree_head(old.get("/get-tree-head").body)
        self.assertLessEqual(answer.size, published)
        self.assertEqual(old.post_leaf(self.leaf(10_000_000)).status, 503)
        self.assertEqual(old.get(f"/get-leaves/0/{answer.size}").status, 200)
        self.assertEqual(old.sth_file.read_bytes(), sth)
        self.add(new, [self.leaf(20_000_000)])
        new.tree_head(size_at_least=size + 1)
        self.assertEqual(old.sth_file.read_bytes(), sth)
        self.assert_witnesses_saw_one_tree()
        # It follows the new one only as an empty node.
        self.assertEqual(old.stop(), 0)
        again = self.secondary(new).start()
        assert_same_tree(new, again, size + 1)

    def test_both_primaries_of_one_log_at_a_time(self):
        """The old one runs, cut off from its secondary alone, while the new one begins."""
        self.busy(1)
        (node,) = self.nodes
        old = self.primary
        start = len(old.lines)
        self.assertEqual(node.stop(), 0)
        # Then the last answer of the secondary has been taken.
        old.wait_for_line("no tree head", start)
        old.wait_for_line("publishing waits", start)
        self.clients.end()
        answered = list(self.clients.answered)
        replicated = self.value(old, "tree_size_leaves", state="replicated")
        before = old.tree_head(size_at_least=int(replicated))
        # At an address of its own: the old one has the log's.
        new = promoted(node, self.key, **QUICK)
        self.addCleanup(new.close)
        self.set_policy(new, self.witnesses, 2)
        new.start()
        watcher = self.watch(new)
        with self.load(new) as more:
            more.wait_for_answers(30)
        watcher.wait_for_witnesses(*self.witnesses, size=before.size + 1)
        self.until_value(old, 1, "witness_contradictions_total")
        self.assertEqual(old.tree_head().size, before.size)
        self.assert_nothing_lost(new, answered + more.answered, [self.watcher, watcher])
        self.assert_witnesses_saw_one_tree()
        old.kill()

    def test_nothing_is_shown_before_the_witnesses_agree(self):
        """503 until the quorum has cosigned the local tree's head; then all goes on."""
        self.busy(1)
        self.lose_primary()
        (node,) = self.nodes
        self.assertEqual(node.stop(), 0)
        self.clients.end()
        held = threading.Event()
        for witness in self.witnesses:
            self.hold(witness, held)
        new = self.promote(node)
        new.start()
        for witness in self.witnesses:
            witness.wait_for(lambda: witness.requests[-1].ended is None)
        for target in ("/get-tree-head", "/get-leaves/0/1"):
            self.assertEqual(new.get(target).status, 503)
        self.assertEqual(new.post_leaf(self.leaf(50_000_000)).status, 503)
        # Another start is no way around it.
        new.kill()
        new.start()
        self.assertEqual(new.get("/get-tree-head").status, 503)
        self.assertEqual(new.post_leaf(self.leaf(50_000_000)).status, 503)
        held.set()
        for witness in self.witnesses:
            witness.behave()
        watcher = self.watch(new)
        watcher.wait_for_size(self.watcher.last.size)
        self.add(new, [self.leaf(1)])

    def hold(self, witness, event: threading.Event) -> None:
        def answer(exchange) -> None:
            exchange.wait(event=event)
            exchange.judge_and_respond()

        witness.always(answer)

    def test_an_older_secondary_is_not_promoted(self):
        """One that lacks what witnesses have cosigned signs nothing, and says so."""
        self.busy(1)
        (node,) = self.nodes
        copy = self.primary.folder / "copy"
        self.assertEqual(node.stop(), 0)
        shutil.copytree(node.store, copy)
        node.start()
        self.clients.wait_for_answers(50)
        self.watcher.wait_for_witnesses(*self.witnesses, size=len(self.primary.leaves()) - 4)
        self.clients.end()
        self.primary.kill()
        self.watcher.stop()
        node.kill()
        shutil.rmtree(node.store)
        shutil.move(copy, node.store)
        new = self.promote(node)
        new.start()
        new.wait_for_line(r"\[FATA\]")
        self.until_value(new, 1, "signing_halted")
        self.assertEqual(new.post_leaf(self.leaf(50_000_000)).status, 503)
        self.assertEqual(new.get("/get-tree-head").status, 503)
        self.assert_witnesses_saw_one_tree()


class TwoOfThree(FailoverCase):
    """n - k + 1 secondaries are stopped; the largest of them is promoted, the others follow it."""

    def test_the_primary_is_killed_under_load(self):
        self.busy(3, 2)
        one, two, three = random.sample(self.nodes, 3)
        freeze(one)
        self.clients.wait_for_answers(20)
        self.lose_primary(one, two)
        # Any two have among them everything that was answered 200.
        gone, *rest = random.choice([(one, two, three), (two, one, three), (three, one, two)])
        sizes = {node: node.secondary_tree_head() for node in rest}
        for node in rest:
            self.assertEqual(node.stop(), 0)
        largest, other = sorted(rest, key=lambda node: -sizes[node].size)
        new = self.promote(largest, [other, gone], 2)
        for node in (gone, other):
            if node.is_running:
                node.stop()
            node.options["primary_url"] = new.internal_url
        new.start()
        total = len(new.leaves(internal=True))
        for node in (gone, other):
            node.start()
        # Whoever is ahead of the new primary stops, and says so; it is wiped, and filled again.
        for node in (gone, other):
            self.follow_or_refill(node, new, total)
        self.clients.log = new
        watcher = self.watch(new)
        watcher.wait_for_size(self.watcher.last.size)
        self.clients.wait_for_answers(60)
        self.clients.end()
        self.assert_nothing_lost(new, self.answered + self.clients.answered,
                                 [self.watcher, watcher])
        self.assert_all_consistent(new)
        size = len(new.leaves())
        for node in (gone, other):
            assert_same_tree(new, node, size)
        self.assert_witnesses_saw_one_tree()
        self.assert_stopped_well(new, gone, other)

    def follow_or_refill(self, node: Secondary, new: harness.Log, total: int) -> None:
        # One that has more may not have seen yet that the new primary has not.
        self.until(lambda: node.size == total or self.lines(node, "replication stopped"))
        if not self.lines(node, "replication stopped"):
            return
        self.assertEqual(node.stop(), 0)
        start = len(node.lines)
        shutil.rmtree(node.store)
        node.start()
        node.wait_until_size(total)
        self.assertEqual(self.lines(node, "replication stopped", start), [])

    def test_one_that_is_ahead_of_the_new_primary(self):
        """The leaf that only it has was never answered 200; the new primary rejects its head."""
        self.busy(3, 2, witness_count=0)
        self.clients.end()
        one, two, ahead = self.nodes
        self.primary.tree_head(size_at_least=len(self.primary.leaves(internal=True)))
        for node in (one, two):
            node.wait_until_size(len(self.primary.leaves()))
            self.assertEqual(node.stop(), 0)
        extra = self.leaf(30_000_000)
        self.assert_waits(self.primary, extra)
        size = ahead.wait_until_size(len(self.primary.leaves(internal=True))).size
        self.primary.kill()
        self.watcher.stop()
        self.answered = list(self.clients.answered)
        new = self.promote(one, [two, ahead], 1)
        for node in (two, ahead):
            node.options["primary_url"] = new.internal_url
        self.assertEqual(ahead.stop(), 0)
        new.start(), two.start(), ahead.start()
        ahead.wait_for_line(rf"\[FATA\] replication stopped: the primary has fewer leaves than the "
                            rf"{size} here$")
        new.wait_for_line(rf"\[ERRO\] secondary {ahead.internal_url}/?: tree head rejected: it has "
                          rf"{size} leaves, this log {size - 1}$")
        # Another leaf takes the place; then its tree is another one.
        self.add(new, self.leaves(3, start=40_000_000))
        new.tree_head(size_at_least=size + 2)
        self.until(lambda: self.value(new, "secondary_rejected_total") >= 2)
        self.assertEqual(ahead.size, size)
        # Wiped, it follows.
        self.assertEqual(ahead.stop(), 0)
        shutil.rmtree(ahead.store)
        ahead.start()
        assert_same_tree(new, ahead, size + 2)
        self.assert_nothing_lost(new, self.answered, [self.watcher])


    def test_the_old_primary_comes_back_without_witnesses(self):
        """Its secondaries follow the new one: what it signs they do not have."""
        self.busy(3, 2, witness_count=0)
        self.lose_primary()
        one, two, three = sorted(self.nodes, key=lambda node: -node.size)
        for node in self.nodes:
            self.assertEqual(node.stop(), 0)
        new = self.promote(one, [two, three], 1)
        for node in (two, three):
            node.options["primary_url"] = new.internal_url
            # Wiped, so that it follows whatever it had.
            shutil.rmtree(node.store)
        new.start(), two.start(), three.start()
        self.clients.log = new
        self.clients.wait_for_answers(30)
        old, published = self.primary, self.watcher.last
        old.start()
        old.wait_for_line(r"\[ERRO\] secondary .*: tree head rejected: ")
        leaf = self.leaf(60_000_000)
        self.assert_waits(old, leaf)
        self.wait_for_rounds(old)
        self.assert_waits(old, leaf)
        # No more than it had signed when it was killed, and of the one tree that there is.
        head = old.tree_head()
        self.assertGreaterEqual(head.size, published.size)
        self.clients.end()
        self.assert_nothing_lost(new, self.answered + self.clients.answered, [self.watcher])
        hashes = [merkle.hash_leaf(stored) for stored in new.leaves(head.size)]
        self.assertEqual(merkle.root(hashes), head.root_hash)


class WithoutTheKey(FailoverCase):
    def test_a_new_node_is_filled_and_promoted(self):
        """The survivor has no log key: a node that has it copies all from there."""
        self.busy(1)
        self.lose_primary()
        (survivor,) = self.nodes
        # It may be storing what came last: it follows nobody from here on.
        self.assertEqual(survivor.stop(), 0)
        survivor.options["primary_url"] = "http://127.0.0.1:9"
        survivor.start()
        size = survivor.size
        filled = self.secondary(survivor).start()
        filled.wait_until_size(size)
        self.assertEqual(filled.stop(), 0)
        new = self.promote(filled, [survivor])
        # The survivor follows the new primary, with its store and its key as they are.
        self.assertEqual(survivor.stop(), 0)
        survivor.options["primary_url"] = new.internal_url
        survivor.start()
        self.take_over(new)
        assert_same_tree(new, survivor, len(new.leaves()))
        self.assert_witnesses_saw_one_tree()
