# SPDX-License-Identifier: BSD-2-Clause
#
# What a primary makes of a secondary that is wrong, or of something else at its URL: nothing is
# published for it, nothing else is disturbed, and when it is right again publishing goes on.

import time

import answers
import ed25519
import merkle
import scripted_nodes
import wire
from scripted_nodes import ScriptedSecondary
from secondary import set_secondaries
from secondary_case import SecondaryCase, chosen


class WithScripted(SecondaryCase):
    """A primary that has published three leaves, which a scripted secondary has."""

    def start(self, **options) -> None:
        self.primary = self.log([], 0, **{"interval": "50ms"} | options)
        self.node = self.enterContext(ScriptedSecondary(self.primary))
        self.scripted(self.primary, self.node)
        self.add(self.primary, self.leaves(3))
        self.primary.tree_head(size_at_least=3)
        self.size = 3

    def misbehave(self, answer: answers.Answer, count: int = 3) -> int:
        """
        Answers so until that many requests more have ended; meanwhile one leaf waits, and is not
        published. Returns the number of the first log line that is about it.
        """
        start = len(self.primary.lines)
        self.node.always(answer)
        asked = len(self.node.requests)
        # Then no right answer is under way any more.
        self.node.wait_for_requests(asked + 1)
        self.assert_waits(self.primary, self.leaf(self.size))
        self.node.wait_for(lambda: sum(request.ended is not None
                                       for request in self.node.requests[asked:]) >= count)
        self.wait_for_rounds(self.primary, 2)
        self.assert_reads(self.primary, self.size)
        self.assert_waits(self.primary, self.leaf(self.size))
        return start

    def behave(self) -> None:
        """It is right again, and what waited is published."""
        self.node.behave()
        # A wrong answer that is under way is not waited for.
        self.node.close_connections()
        self.size += 1
        head = self.primary.tree_head(size_at_least=self.size)
        self.assertEqual(head.size, self.size)
        self.assertEqual(self.value(self.primary, "signing_halted"), 0)

    def assert_rejected(self, reason: str, start: int) -> None:
        """In one line, however often, and counted."""
        self.primary.wait_for_line(
            rf"\[ERRO\] secondary {self.node.url}/?: tree head rejected: {reason}$", start)
        self.assertEqual(len(self.lines(self.primary, r"\[ERRO\]", start)), 1, self.primary.output)

    def assert_no_answer(self, start: int) -> None:
        self.primary.wait_for_line(
            rf"\[INFO\] secondary {self.node.url}/?: no tree head: [^\n]+$", start)
        self.assertEqual(len(self.lines(self.primary, r"no tree head", start)), 1,
                         self.primary.output)
        self.assertEqual(self.lines(self.primary, r"\[(ERRO|FATA)\]", start), [])


class Rejected(WithScripted):
    def test_signatures(self):
        self.start()
        for what, answer in chosen(scripted_nodes.WRONG_SIGNATURES, "a flipped bit", "another key",
                                   "the log's name").items():
            with self.subTest(what):
                rejected = self.value(self.primary, "secondary_rejected_total")
                start = self.misbehave(answer)
                self.assert_rejected("the signature is not one of its key", start)
                self.until_value(self.primary, rejected + 3, "secondary_rejected_total")
                self.behave()

    def test_one_that_is_ahead(self):
        self.start()
        # Two at least: a leaf may come between its answer and the comparison.
        for count in (2, 1000, (1 << 63) - 10_000):
            with self.subTest(count):
                start = self.misbehave(scripted_nodes.ahead(count))
                self.assert_rejected(r"it has \d+ leaves, this log \d+", start)
                self.behave()

    def test_another_tree(self):
        """Of the same size, of a smaller one, and of one that was right before."""
        self.start()
        rows = {"of all": scripted_nodes.other_root, "empty": self.other_tree(0)}
        rows |= {f"of {size}": self.other_tree(size) for size in (1, 2, 3)}
        for what, answer in chosen(rows, "of all", "empty", "of 2").items():
            with self.subTest(what):
                start = self.misbehave(answer)
                self.assert_rejected(r"its tree of \d+ leaves is not the beginning of this log's",
                                     start)
                self.behave()

    def other_tree(self, size: int) -> answers.Answer:
        return scripted_nodes.changed_head(lambda secondary, _: wire.TreeHead.make(
            secondary.signer, size, bytes([7]) * 32))

    def test_a_real_secondary_of_another_log(self):
        """It follows another primary; its tree of that size is not this one."""
        other = self.log([], 0).start()
        node = self.secondary(other).start()
        self.add(other, [wire.Leaf.numbered(ed25519.Signer(), number) for number in range(2)])
        node.wait_until_size(2)
        primary = self.log([], 0)
        set_secondaries(primary, [node])
        primary.start()
        primary.wait_for_line(r"\[ERRO\] secondary .*: tree head rejected: it has 2 leaves, this "
                              r"log 0$")
        for leaf in self.leaves(3):
            self.assert_waits(primary, leaf)
        primary.wait_for_line(r"\[ERRO\] secondary .*: tree head rejected: its tree of 2 leaves is "
                              r"not the beginning of this log's$")
        self.wait_for_rounds(primary)
        self.assertEqual(primary.tree_head().size, 0)

    def test_the_wrong_key_file(self):
        primary = self.log([], 0)
        node = self.secondary(primary)
        set_secondaries(primary, [node])
        path = primary.folder / "other.pub"
        path.write_bytes(ed25519.Signer().openssh_public())
        primary.options["secondary_pubkey_file"] = path
        node.start(), primary.start()
        primary.wait_for_line(r"\[ERRO\] secondary .*: the signature is not one of its key$")
        self.assert_waits(primary, self.leaf(0))

    def test_the_log_key_is_not_a_secondarys(self):
        """Whatever signs with the log's key, under its name, is not a secondary."""
        self.start()
        start = self.misbehave(scripted_nodes.changed_head(
            lambda _, head: wire.TreeHead.make(self.key, head.size, head.root_hash)))
        self.assert_rejected("the signature is not one of its key", start)


class Shrunk(WithScripted):
    def test_a_tree_that_shrank(self):
        """A warning, and what it no longer has does not count; what is published stays."""
        self.start()
        self.node.limit = 3
        smaller = scripted_nodes.changed_head(lambda secondary, head: self.head_of(secondary, 1))
        start = self.misbehave(smaller)
        self.primary.wait_for_line(
            rf"\[WARN\] secondary {self.node.url}/?: its tree shrank from 3 to 1 leaves$", start)
        self.assertEqual(len(self.lines(self.primary, "shrank", start)), 1)
        self.node.limit = None
        self.behave()

    def head_of(self, secondary, size: int) -> wire.TreeHead:
        leaves = wire.parse_leaves(self.primary.get(f"/get-leaves/0/{size}").body)
        hashes = list(map(merkle.hash_leaf, leaves))
        return wire.TreeHead.make(secondary.signer, size, merkle.root(hashes))


class NoAnswer(WithScripted):
    def test_wrong_bodies(self):
        self.start()
        for what, answer in chosen(scripted_nodes.WRONG_HEADS, "empty", "no line feed",
                                   "leading zero", "no signature").items():
            with self.subTest(what):
                self.assert_no_answer(self.misbehave(answer))
                self.behave()

    def test_refusals(self):
        self.start()
        for what, answer in chosen(answers.REFUSALS, "204", "redirect", "404", "500").items():
            with self.subTest(what):
                start = self.misbehave(answer)
                self.assert_no_answer(start)
                self.behave()
                self.primary.wait_for_line(
                    rf"\[INFO\] secondary {self.node.url}/?: answers again, failures before: \d+$",
                    start)

    def test_wrong_http(self):
        self.start()
        for what, answer in chosen(answers.WRONG_HTTP, "closed at once", "closed in the body",
                                   "not HTTP", "length and chunks").items():
            with self.subTest(what):
                self.assert_no_answer(self.misbehave(answer))
                self.behave()

    def test_answers_that_do_not_end(self):
        self.start(timeout="300ms")
        for what, answer in chosen(answers.ENDLESS, "nothing").items():
            with self.subTest(what):
                self.assert_no_answer(self.misbehave(answer, 1))
                self.behave()

    def test_huge_answers(self):
        self.start()
        for what, answer in chosen(answers.HUGE, "body", "until closed", "head").items():
            with self.subTest(what):
                self.assert_no_answer(self.misbehave(answer, 1))
                self.behave()

    def test_unusual_answers_that_are_right(self):
        self.start()
        for answer in (answers.cosign_and_close, answers.cosign_in_chunks,
                       answers.cosign_until_closed, answers.cosign_byte_by_byte,
                       answers.cosign_after_100):
            with self.subTest(answer.__name__):
                start = len(self.primary.lines)
                self.node.always(answer)
                self.add(self.primary, [self.leaf(self.size)])
                self.size += 1
                self.primary.tree_head(size_at_least=self.size)
                self.assertEqual(self.lines(self.primary, r"no tree head|rejected", start), [])

    def test_connections_that_are_closed_between_requests(self):
        """A kept connection that is gone is no failure."""
        self.start()
        for _ in range(5):
            self.node.close_connections()
            self.add(self.primary, [self.leaf(self.size)])
            self.size += 1
        self.primary.tree_head(size_at_least=self.size)
        self.assertEqual(self.lines(self.primary, r"\[(WARN|ERRO|FATA)\]"), [])

    def test_one_that_is_down(self):
        self.start()
        start = len(self.primary.lines)
        self.node.close()
        self.assert_waits(self.primary, self.leaf(3))
        self.wait_for_rounds(self.primary)
        self.assert_reads(self.primary, 3)
        self.assert_no_answer(start)
        self.node.start()
        self.behave()

    def test_it_is_never_asked_twice_at_a_time(self):
        """Also not when it is slow. The scripted one complains about it when it is closed."""
        self.start()
        self.node.always(answers.after(0.05))
        self.add(self.primary, self.leaves(5, start=3))
        self.size = 8
        self.primary.tree_head(size_at_least=8)

    def test_repeats_are_said_at_debug(self):
        self.start(log_level="debug")
        start = self.misbehave(answers.status(500), 5)
        # An answer has ended before it is on its way.
        self.until(lambda: len(self.lines(self.primary, "no tree head", start)) >= 5)
        lines = self.lines(self.primary, "no tree head", start)
        self.assertEqual(["INFO"] + ["DEBU"] * (len(lines) - 1),
                         [line.split("[")[1][:4] for line in lines])

    def test_requests_are_paced(self):
        """
        One that fails is not asked without end: not more often than every 50 ms. One that does not
        know Prefer is polled each interval, and while leaves wait for it as often as that.
        """
        self.start(interval="200ms", min_interval="10ms")
        self.misbehave(answers.status(500), 4)
        # None is made before the one before it is answered, and so has come.
        times = [request.came for request in self.node.requests[-3:]]
        for before, after in zip(times, times[1:]):
            self.assertGreaterEqual(after - before, 0.045)
        self.behave()
        self.node.wait_for_requests(len(self.node.requests) + 1)
        # A request may be seen long after it was made: only the first of these before `began`, and
        # none after the end.
        began, asked = time.monotonic(), len(self.node.requests)
        self.node.wait_for_requests(asked + 5)
        self.assertGreaterEqual(time.monotonic() - began, 3 * 0.195)


class Waiting(WithScripted):
    def test_the_wait_that_is_asked_for(self):
        """The size that it has seen, and a wait a little below `timeout`."""
        self.start(timeout="10s")
        for request in self.node.requests:
            self.assertIsNotNone(request.body.wait)
            self.assertTrue(0 < request.body.wait <= 10, request.body)
        # When it begins it has seen nothing; later, what it was told.
        self.assertIn(self.node.requests[0].body.size, (None, 0))
        self.node.wait_for(lambda: self.node.requests[-1].body.size == 3)

    def test_one_that_waits(self):
        """A secondary that holds the request until it has more is not polled."""
        self.start(timeout="10s")
        self.node.honors_wait = True
        self.add(self.primary, self.leaves(3, start=3))
        asked = len(self.node.requests)
        self.wait_for_rounds(self.primary, 5)
        self.assertLessEqual(len(self.node.requests), asked + 1)
        self.primary.tree_head(size_at_least=6)

    def test_an_end_while_it_waits(self):
        self.start(timeout="10s")
        self.node.honors_wait = True
        self.add(self.primary, self.leaves(1, start=3))
        self.node.wait_for(lambda: self.node.requests[-1].ended is None)
        self.assertEqual(self.primary.stop(), 0)
