# SPDX-License-Identifier: BSD-2-Clause
#
# Starts of a log with witnesses: what it shows before its quorum, what it remembers, and how it
# notices, before it signs anything, that its own store is older than what its witnesses have seen.

import os
import random
import shutil
import signal
import threading

import answers
import checkpoint
import harness
import merkle
import wire
from real_witnesses import LiteWitness, SigsumWitness
from watcher import cosigners
from witness_case import WitnessCase

IS_LONG = os.environ.get("SIGSUM_LONG") == "1"


class StartCase(WitnessCase):
    def leaf(self, log: harness.Log, number: int) -> wire.Leaf:
        return wire.Leaf.numbered(log.signer, number)

    def assert_later(self, answer: wire.Response) -> None:
        self.assertEqual(answer.status, 503, answer.text)
        self.assertRegex(answer.field("Retry-After") or "", r"\A[1-9][0-9]*\Z")

    def sth(self, log: harness.Log) -> wire.TreeHead:
        return wire.parse_tree_head(log.sth_file.read_bytes())


class Restarts(StartCase):
    def test_the_published_head_is_shown_at_once(self):
        """As it was, cosignatures included, also with all witnesses down, after any end."""
        witnesses = [self.witness() for _ in range(3)]
        log, watcher = self.started(witnesses, 2, interval="300ms")
        log.add_leaf(0)
        watcher.wait_for_witnesses(*witnesses, size=1)
        for ends in (signal.SIGTERM, signal.SIGKILL):
            for are_up in (True, False):
                with self.subTest(ends=ends, are_up=are_up):
                    before = wire.parse_tree_head(log.get("/get-tree-head").body)
                    if not are_up:
                        for witness in witnesses:
                            witness.close()
                    log.stop(ends)
                    log.assert_audit()
                    log.start()
                    answer = log.get("/get-tree-head")
                    self.assertEqual(answer.status, 200)
                    head = wire.parse_tree_head(answer.body)
                    self.assertEqual((head.size, head.signature), (1, before.signature))
                    self.assertLessEqual(cosigners(before), cosigners(head))
                    for witness in witnesses:
                        if not witness.is_up:
                            witness.start()
        log.add_leaf(1)
        watcher.wait_for_witnesses(*witnesses, size=2)

    def test_old_sizes_are_remembered(self):
        """No 409 after an end in order: not of one that made the quorum, nor of a late one."""
        held = threading.Event()
        one, late = self.witness(), self.witness()
        log, watcher = self.started([one, late], 1, interval="300ms")
        watcher.wait_for_witnesses(one, late)
        late.always(answers.when(held))
        log.add_leaf(0)
        watcher.wait_for_witnesses(one, size=1)
        held.set()
        watcher.wait_for_witnesses(one, late, size=1)
        for size in range(2, 5):
            self.restart(log)
            log.add_leaf(size)
            watcher.wait_for_witnesses(one, late, size=size)
        for witness in (one, late):
            self.assertNotIn(409, [request.status for request in witness.requests])

    def test_a_witness_that_joins(self):
        """A witness new to the policy is asked from 0, and tells where it is."""
        one, two = self.witness(), self.witness()
        log, watcher = self.started([one], 1)
        for number in range(3):
            log.add_leaf(number)
            watcher.wait_for_size(number + 1)
        self.assertEqual(log.stop(), 0)
        two.size, two.root_hash = one.size, one.root_hash
        self.set_policy(log, [one, two], 2)
        known = watcher.last
        watcher.stop()
        log.start()
        watcher = self.watch(log, known)
        watcher.wait_for_witnesses(one, two, size=3)
        self.assertEqual([(request.status, request.body.old_size) for request in two.requests[:2]],
                         [(409, 0), (200, 3)])
        self.assert_no_trouble(log)

    def test_kills_under_load(self):
        """Nothing wrong is published, nothing is signed twice, and no witness contradicts."""
        witnesses = [self.witness() for _ in range(3)]
        log, watcher = self.started(witnesses, 2, interval="1s", min_interval="5ms")
        chance = random.Random()
        number = 0
        for turn in range(200 if IS_LONG else 20):
            witnesses[turn % 3].next(answers.after(chance.uniform(0, 0.05)), answers.close_in_body)
            size = watcher.last.size
            leaves = [self.leaf(log, number + count) for count in range(chance.randrange(1, 30))]
            number += len(leaves)
            log.add_leaves(leaves, connections=2)
            if turn % 2:
                watcher.wait_for_size(size + 1)
            threading.Event().wait(chance.uniform(0, 0.03))
            log.kill()
            log.start()
        watcher.wait_for_witnesses(*witnesses, size=number)
        self.assertEqual(len(set(log.leaves())), number)
        # No two trees of one size, in all that was ever shown to anybody.
        for witness in witnesses:
            roots: dict[int, bytes] = {}
            for request in witness.requests:
                head = request.body.head
                self.assertEqual(roots.setdefault(head.size, head.root_hash), head.root_hash)
            self.assertNotIn(422, [request.status for request in witness.requests])
        self.assertEqual(self.value(log, "signing_halted"), 0)
        self.assertEqual(self.value(log, "witness_contradictions_total"), 0)
        self.assertEqual(self.lines(log, r"\[(ERRO|FATA)\]"), [])
        self.assertEqual(log.stop(), 0)
        log.assert_audit()


class NothingToShow(StartCase):
    READS = ("/get-tree-head", "/get-leaves/0/1", f"/get-inclusion-proof/2/{bytes(32).hex()}",
             "/get-consistency-proof/1/2")

    def test_the_first_start(self):
        """503 to every read until the quorum, however it is missed; then the empty tree."""
        for kind, answer in (("500", answers.status(500)), ("nothing", answers.hang),
                             ("wrong", answers.other_tree), ("down", None)):
            with self.subTest(kind):
                one, two = self.witness(), self.witness()
                two.always(answer or answers.cosign)
                if answer is None:
                    two.close()
                log = self.log([one, two], 2, timeout="300ms").start()
                watcher = self.watch(log)
                self.until(lambda: watcher.refusal_count > 0, "a refusal")
                for target in self.READS:
                    self.assert_later(log.get(target))
                self.assert_later(log.request("HEAD", "/get-tree-head"))
                self.assertEqual(log.get("/").status, 200)
                one.wait_for_requests(3)
                self.assert_later(log.get("/get-tree-head"))
                self.assertEqual(watcher.heads, [])
                # Another start is no way around it.
                log.kill()
                log.start()
                self.assert_later(log.get("/get-tree-head"))
                two.behave()
                if answer is None:
                    two.start()
                self.assertEqual(watcher.wait_for_witnesses(one, two).size, 0)
                log.add_leaf(0)
                watcher.wait_for_size(1)
                self.assertEqual(log.stop(), 0)

    def test_a_local_tree(self):
        """It is neither shown nor added to before the quorum has cosigned it."""
        log = self.log([], 0, min_interval="1h", interval="1h").start()
        # The first is published at once, the others would be in an hour.
        log.add_leaves([self.leaf(log, 0)])
        known = log.tree_head(size_at_least=1)
        log.add_leaves([self.leaf(log, number) for number in range(1, 5)])
        log.kill()
        log.sth_file.unlink()
        log.startup_file.write_text("startup=local-tree\n")
        one, two = self.witness(), self.witness()
        two.always(answers.status(500))
        log.options |= {"min_interval": "10ms", "interval": "100ms"}
        self.set_policy(log, [one, two], 2)
        log.start()
        watcher = self.watch(log, known)
        one.wait_for_cosigned(5)
        one.wait_for_requests(3)
        for number in (3, 10):
            # Also a leaf that is in the tree: it is not published.
            self.assert_later(log.post_leaf(self.leaf(log, number)))
        self.assertEqual([head.size for _, head in watcher.heads if head.size > 1], [])
        self.restart(log)
        one.wait_for_requests(len(one.requests) + 2)
        self.assertEqual([head.size for _, head in watcher.heads if head.size > 1], [])
        two.behave()
        watcher.wait_for_witnesses(one, two, size=5)
        self.until(lambda: log.post_leaf(self.leaf(log, 10)).status == 200)
        watcher.wait_for_size(6)
        self.assertEqual({request.size for request in one.requests} - {5, 6}, set())

    def test_a_head_that_was_signed_and_not_published(self):
        """A change of policy between signing and quorum does not show it without its own."""
        one, two = self.witness(), self.witness()
        log, watcher = self.started([one], 1, interval="1h")
        log.add_leaf(0)
        known = watcher.wait_for_size(1)
        one.always(answers.hang)
        log.add_leaf(1)
        one.wait_for(lambda: one.requests[-1].size == 2)
        self.assertEqual(self.sth(log).size, 2)
        log.kill()
        self.assertEqual(watcher.last.size, 1)
        watcher.stop()

        two.always(answers.status(500))
        log.options["interval"] = "100ms"
        self.set_policy(log, [two], 1)
        log.start()
        self.assertEqual(wire.parse_tree_head(log.get("/get-tree-head").body), known)
        watcher = self.watch(log, known)
        watcher.wait_for_size(1)
        two.wait_for_requests(4)
        self.assertEqual(watcher.last.size, 1)
        two.behave()
        watcher.wait_for_witnesses(two, size=2)

    def test_from_no_policy_to_one(self):
        """What was published without witnesses stays; what comes next needs them."""
        log = self.log([], 0, interval="1h")
        log.options["policy_file"] = None
        log.start()
        log.add_leaf(0)
        known = log.tree_head(size_at_least=1)
        self.assertEqual(known.cosignatures, [])
        self.assertEqual(log.stop(), 0)
        witness = self.witness()
        witness.always(answers.status(500))
        log.options["interval"] = "100ms"
        self.set_policy(log, [witness], 1)
        log.start()
        self.assertEqual(wire.parse_tree_head(log.get("/get-tree-head").body), known)
        watcher = self.watch(log, known)
        watcher.wait_for_size(1)
        self.assertIn(log.post_leaf(self.leaf(log, 7)).status, (200, 503))
        witness.wait_for_requests(4)
        self.assertEqual(watcher.last.size, 1)
        witness.behave()
        self.until(lambda: log.post_leaf(self.leaf(log, 7)).status == 200)
        watcher.wait_for_witnesses(witness, size=2)


class OlderThanWitnessed(StartCase):
    """A store and an sth file of an earlier day, brought back by their operator."""

    def age(self, log: harness.Log, watcher, witnesses, more: int = 3) -> None:
        """Three leaves, a copy, more leaves that everybody cosigns; then the copy comes back."""
        for number in range(3):
            log.add_leaf(number)
        watcher.wait_for_witnesses(*witnesses, size=3)
        self.assertEqual(log.stop(), 0)
        copy = log.folder / "copy"
        copy.mkdir()
        shutil.copytree(log.store, copy / "store")
        shutil.copy(log.sth_file, copy / "sth")
        log.start()
        for number in range(3, 3 + more):
            log.add_leaf(number)
        watcher.wait_for_witnesses(*witnesses, size=3 + more)
        self.assertEqual(log.stop(), 0)
        watcher.stop()
        self.newer = log.folder / "newer"
        self.newer.mkdir()
        self.exchange(log, self.newer, copy)

    def exchange(self, log: harness.Log, away, back) -> None:
        shutil.move(log.store, away / "store")
        shutil.move(log.sth_file, away / "sth")
        shutil.move(back / "store", log.store)
        shutil.move(back / "sth", log.sth_file)

    def assert_halted(self, log: harness.Log, size: int, start: int = 0) -> None:
        """It says so, signs nothing, takes nothing, and serves what it has."""
        log.wait_for_line(r"\[FATA\]", start)
        self.until_value(log, 1, "signing_halted")
        self.assertEqual(len(self.lines(log, r"\[FATA\]", start)), 1, log.output)
        before = log.sth_file.read_bytes()
        head = wire.parse_tree_head(log.get("/get-tree-head").body)
        self.assertEqual(head.size, size)
        for number in (0, 100):
            # What is published is still there; what is new is refused.
            answer = log.post_leaf(self.leaf(log, 100 + number))
            self.assertEqual(answer.status, 503, answer.text)
        self.assertEqual(log.get(f"/get-leaves/0/{size}").status, 200)
        self.assertEqual(log.get(f"/get-consistency-proof/1/{size}").status, 200)
        leaf_hash = merkle.hash_leaf(log.leaves(size)[0])
        self.assertEqual(log.get(f"/get-inclusion-proof/{size}/{leaf_hash.hex()}").status, 200)
        self.assertEqual(log.sth_file.read_bytes(), before)

    def test_a_copy_that_came_back(self):
        witnesses = [self.witness() for _ in range(3)]
        log, watcher = self.started(witnesses, 2)
        self.age(log, watcher, witnesses)
        signature = self.sth(log).signature
        counts = [len(witness.requests) for witness in witnesses]
        for _ in range(2):
            start = len(log.lines)
            log.start()
            self.assert_halted(log, 3, start)
            self.assertEqual(log.stop(), 0)
        for witness, count in zip(witnesses, counts):
            later = witness.requests[count:]
            self.assertTrue(all(request.body.head.signature == signature for request in later))
            self.assertNotIn(200, [request.status for request in later])
        # With the newer store it is itself again.
        copy = log.folder / "copy"
        self.exchange(log, copy, self.newer)
        log.start()
        watcher = self.watch(log)
        self.assertEqual(self.value(log, "signing_halted"), 0)
        log.add_leaf(6)
        watcher.wait_for_witnesses(*witnesses, size=7)

    def test_what_real_witnesses_say(self):
        for make in (SigsumWitness, LiteWitness):
            with self.subTest(make.name):
                self.setUp()  # a key of its own for each
                witness = self.enterContext(make(self.key))
                log, watcher = self.started([witness], 1)
                self.age(log, watcher, [witness])
                log.start()
                self.assert_halted(log, 3)
                self.assertEqual(log.stop(), 0)

    def test_one_witness_is_enough(self):
        """The others are gone, or slower than it; even those that would make the quorum."""
        for kind, other in (("gone", answers.status(503)), ("slow", answers.after(0.3)),
                            ("hangs", answers.hang)):
            with self.subTest(kind):
                witnesses = [self.witness() for _ in range(3)]
                log, watcher = self.started(witnesses, 2)
                self.age(log, watcher, witnesses)
                # Two have seen no more than the copy; only the last one knows better.
                head = self.sth(log)
                for witness in witnesses[:2]:
                    witness.size, witness.root_hash = head.size, head.root_hash
                    witness.always(other)
                log.start()
                self.assert_halted(log, 3)
                self.assertEqual(log.stop(), 0)

    def test_after_the_quorum_was_reached(self):
        """The answer of the first round that comes last counts as much."""
        witnesses = [self.witness() for _ in range(3)]
        log, watcher = self.started(witnesses, 2, interval="1h")
        self.age(log, watcher, witnesses)
        head = self.sth(log)
        for witness in witnesses[:2]:
            witness.size, witness.root_hash = head.size, head.root_hash
        before = [len(witness.requests) for witness in witnesses]
        witnesses[2].always(answers.after(0.3))
        log.start()
        for witness, count in zip(witnesses[:2], before):
            self.assertEqual(witness.wait_for_requests(count + 1).size, 3)
        self.assert_halted(log, 3)

    def test_nothing_is_signed_before_anybody_has_answered(self):
        witnesses = [self.witness() for _ in range(2)]
        log, watcher = self.started(witnesses, 1)
        self.age(log, watcher, witnesses)
        held = threading.Event()
        for witness in witnesses:
            witness.always(answers.when(held))
        before = [len(witness.requests) for witness in witnesses]
        sth = log.sth_file.read_bytes()
        log.start()
        for witness, count in zip(witnesses, before):
            witness.wait_for_requests(count + 1)
        self.assertIn(log.post_leaf(self.leaf(log, 50)).status, (200, 202, 503))
        self.assertEqual(log.get("/get-tree-head").status, 200)
        self.assertEqual(log.sth_file.read_bytes(), sth)
        held.set()
        self.assert_halted(log, 3)
        self.assertEqual(log.sth_file.read_bytes(), sth)

    def test_another_tree_of_the_same_size(self):
        """422 to the size that the witness cosigned last."""
        for kind in ("another root", "scripted"):
            with self.subTest(kind):
                one, two = self.witness(), self.witness()
                log, watcher = self.started([one, two], 1)
                for number in range(3):
                    log.add_leaf(number)
                watcher.wait_for_witnesses(one, two, size=3)
                self.assertEqual(log.stop(), 0)
                if kind == "scripted":
                    two.always(answers.status(422))
                else:
                    two.root_hash = os.urandom(32)
                log.start()
                self.assert_halted(log, 3)
                self.assertEqual(log.stop(), 0)

    def test_what_is_no_reason(self):
        """At a start, too, other errors are a witness's own."""
        rows = {"422 to nothing cosigned": answers.status(422), "500": answers.status(500),
                "a malformed 409": answers.conflict(b"99x\n"),
                "a 409 of no type": answers.conflict(b"99\n", "text/plain"),
                "a smaller 409": answers.conflict(0)}
        for kind, answer in rows.items():
            with self.subTest(kind):
                one, two = self.witness(), self.witness()
                two.always(answer)
                log, watcher = self.started([one, two], 1)
                log.add_leaf(0)
                watcher.wait_for_witnesses(one, size=1)
                self.restart(log)
                log.add_leaf(1)
                watcher.wait_for_witnesses(one, size=2)
                self.assertEqual(self.value(log, "signing_halted"), 0)
                self.assert_no_trouble(log)
                self.assertEqual(log.stop(), 0)

    def test_a_witness_that_forgot(self):
        """It says a smaller size at a start: that is no rollback of ours."""
        witness = self.witness()
        log, watcher = self.started([witness], 1)
        for number in range(3):
            log.add_leaf(number)
        watcher.wait_for_witnesses(witness, size=3)
        self.assertEqual(log.stop(), 0)
        witness.size, witness.root_hash = 0, checkpoint.EMPTY_ROOT
        log.start()
        log.add_leaf(3)
        watcher.wait_for_witnesses(witness, size=4)
        self.assertEqual(self.value(log, "signing_halted"), 0)
        self.assert_no_trouble(log)
