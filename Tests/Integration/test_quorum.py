# SPDX-License-Identifier: BSD-2-Clause
#
# Two of three secondaries: any one may be down, be killed, hang or be wiped for as long as it
# likes, and nobody who uses the log notices. What is published is on two of them.

import shutil
import signal

import harness
import scripted_nodes
from scripted_nodes import ScriptedSecondary
from secondary import assert_same_tree, set_secondaries
from secondary_case import IS_LONG, SecondaryCase


class TwoOfThree(SecondaryCase):
    # Of leaves that are logged while one secondary is away.
    COUNT = 60

    def start_all(self, timeout: str = "10s") -> None:
        self.primary, self.nodes = self.cluster(3, quorum=2, timeout=timeout)
        self.watcher = self.watch(self.primary)
        self.clients = self.load(self.primary)
        self.clients.wait_for_answers(10)

    def without(self, node, away, back) -> None:
        """Leaves are answered 200 and published all the while, then the node catches up."""
        rejected = self.value(self.primary, "secondary_rejected_total")
        before = self.clients.statuses.copy()
        away(node)
        self.clients.wait_for_answers(self.COUNT)
        # Published, too, without it; two of the others hold it.
        size = self.watcher.wait_for_size(self.watcher.last.size + 2).size
        for other in self.nodes:
            if other is not node:
                self.assertGreaterEqual(other.wait_until_size(size).size, size)
        self.clients.wait_for_answers(self.COUNT)
        meanwhile = self.clients.statuses - before
        print(f"     answers meanwhile: {dict(meanwhile)}")
        self.assertEqual(meanwhile[503], 0)
        back(node)
        node.wait_until_size(len(self.primary.leaves()))
        self.assertEqual(self.value(self.primary, "secondary_rejected_total"), rejected)

    def finish(self) -> None:
        self.clients.end()
        self.assertEqual(self.lines(self.primary, "publishing waits"), [])
        self.assertEqual(self.lines(self.primary, r"\[(ERRO|FATA)\]"), [])
        size = len(self.primary.leaves())
        for node in self.nodes:
            assert_same_tree(self.primary, node, size)
            self.assertEqual(self.lines(node, r"\[(ERRO|FATA)\]"), [])
        self.assert_nothing_lost(self.primary, self.clients.answered, [self.watcher])
        self.assert_stopped_well(self.primary, *self.nodes)

    def test_each_in_turn_is_down(self):
        """Stopped, or killed."""
        self.start_all()
        ends = (signal.SIGTERM, signal.SIGKILL)
        for number, node in enumerate(self.nodes):
            self.without(node, lambda node: node.stop(ends[number % 2]), lambda node: node.start())
        self.finish()

    def test_each_in_turn_hangs(self):
        self.start_all()
        for node in self.nodes:
            # The test may end early.
            self.addCleanup(lambda node=node: node.is_running and node.process.send_signal(
                signal.SIGCONT))
            self.without(node, lambda node: node.process.send_signal(signal.SIGSTOP),
                         lambda node: node.process.send_signal(signal.SIGCONT))
        self.finish()

    def test_each_in_turn_is_wiped(self):
        def wipe(node) -> None:
            node.kill()
            shutil.rmtree(node.store)

        self.start_all()
        for node in self.nodes:
            self.without(node, wipe, lambda node: node.start())
        self.finish()

    def test_the_primary_starts_while_one_is_away(self):
        self.start_all()
        self.nodes[0].kill()
        for _ in range(3):
            self.clients.wait_for_answers(10)
            self.primary.kill()
            self.primary.start()
        self.clients.wait_for_answers(self.COUNT)
        self.nodes[0].start()
        self.nodes[0].wait_until_size(len(self.primary.leaves()))
        self.clients.end()
        self.assert_nothing_lost(self.primary, self.clients.answered, [self.watcher])

    def test_two_are_away(self):
        """Then leaves wait; with either of the two back they do not."""
        self.start_all(timeout="500ms")
        for gone in (0, 1), (1, 2):
            for number in gone:
                self.nodes[number].kill()
            # It may be said before the second of them has ended.
            self.until(lambda: self.said(self.primary, "publishing waits", "publishing goes on")[-1:]
                       == ["publishing waits"])
            known = self.nodes[3 - sum(gone)].wait_until_size(len(self.primary.leaves()))
            self.wait_for_rounds(self.primary)
            self.assertLess(self.watcher.last.size, known.size)
            start = len(self.primary.lines)
            self.nodes[gone[1]].start()
            self.watcher.wait_for_size(known.size)
            self.primary.wait_for_line("publishing goes on", start)
            self.clients.wait_for_answers(10)
            self.nodes[gone[0]].start()
            self.nodes[gone[0]].wait_until_size(len(self.primary.leaves()))
        self.clients.end()
        self.assert_nothing_lost(self.primary, self.clients.answered, [self.watcher])


class Counting(SecondaryCase):
    def test_the_lines_of_a_start(self):
        for count, quorum, said in ((3, 2, 2), (3, None, 3), (2, 1, 1), (2, 2, 2)):
            with self.subTest(count=count, quorum=quorum):
                primary, nodes = self.cluster(count, quorum)
                primary.wait_for_line(rf"\[INFO\] secondaries: {count}; a leaf counts as logged "
                                      rf"when {said} of them hold it$")
                for node in nodes:
                    primary.wait_for_line(rf"\[INFO\] secondary {node.internal_url}/?, key hash "
                                          rf"{node.key_hash.hex()}$")

    def test_what_is_signed_is_the_size_that_enough_hold(self):
        """The k-th largest of their sizes, whichever has which."""
        for quorum in (1, 2, 3):
            for order in ((3, 1, 5), (1, 3, 5), (5, 3, 1))[:3 if IS_LONG else 1]:
                with self.subTest(quorum=quorum, order=order):
                    primary = self.log([], 0)
                    nodes = [self.enterContext(ScriptedSecondary(primary)) for _ in order]
                    for node in nodes:
                        node.limit = 0
                    set_secondaries(primary, nodes, quorum)
                    primary.start()
                    for status in harness.in_parallel(
                            lambda leaf: primary.post_leaf(leaf).status, self.leaves(6)):
                        self.assertEqual(status, 202)
                    for node, size in zip(nodes, order):
                        node.limit = size
                    size = sorted(order, reverse=True)[quorum - 1]
                    self.assertEqual(primary.tree_head(size_at_least=size).size, size)
                    for node in nodes:
                        node.wait_for_requests(len(node.requests) + 2)
                    self.wait_for_rounds(primary)
                    self.assertEqual(primary.tree_head().size, size)
                    self.assertEqual(self.value(primary, "tree_size_leaves", state="replicated"),
                                     size)
                    # A leaf is answered by where it is, which nobody has ordered.
                    places = {leaf: place for place, leaf in enumerate(primary.leaves())}
                    for leaf in self.leaves(6):
                        self.assertEqual(primary.post_leaf(leaf).status,
                                         200 if places[leaf.encoded] < size else 202)
                    self.assertEqual(primary.stop(), 0)

    def test_wrong_ones_do_not_count(self):
        """Of three one is ahead, one has another tree: one that is right is not two."""
        primary = self.log([], 0)
        nodes = [self.enterContext(ScriptedSecondary(primary)) for _ in range(3)]
        set_secondaries(primary, nodes, 2)
        primary.start()
        self.add(primary, self.leaves(2))
        primary.tree_head(size_at_least=2)
        nodes[0].always(scripted_nodes.ahead(10))
        nodes[1].always(scripted_nodes.other_root)
        for node in nodes:
            node.wait_for_requests(len(node.requests) + 2)
        self.assert_waits(primary, self.leaf(2))
        for node in nodes:
            node.wait_for_requests(len(node.requests) + 2)
        self.wait_for_rounds(primary)
        self.assert_reads(primary, 2)
        nodes[1].behave()
        primary.tree_head(size_at_least=3)
        for node in nodes:
            rejected = self.value(primary, "secondary_rejected_total", secondary=self.label(primary,
                                                                                          node))
            self.assertEqual(rejected > 0, node is not nodes[2])

    def label(self, primary: harness.Log, node: ScriptedSecondary) -> str:
        """The node's URL as the metrics have it."""
        return next(name.split('"')[1] for name in primary.metrics()
                    if name.startswith(f'secondary_tree_size_leaves{{secondary="{node.url}'))

    def test_one_key_twice(self):
        """Two secondaries with one key would be counted twice: that is refused."""
        primary = self.log([], 0)
        one, two = self.secondary(primary), self.secondary(primary)
        two.signer = one.signer
        set_secondaries(primary, [one, two], 2)
        with self.assertRaises(harness.StartFailed) as caught:
            primary.start()
        self.assertRegex(caught.exception.output, r"\Asigsum primary: [^\n]+\Z")
