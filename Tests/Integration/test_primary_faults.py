# SPDX-License-Identifier: BSD-2-Clause
#
# What a secondary makes of its primary, right or wrong, or of something else at its URL. It copies
# what is right in order, stores nothing of what is wrong, never takes anything back, and stops for
# good where the primary's tree is not the one that it has.

import re
import threading
import time

import answers
import ed25519
import harness
import merkle
import scripted_nodes
import wire
from scripted_nodes import ScriptedPrimary, made_leaves
from secondary import Secondary
from secondary_case import SecondaryCase, chosen


class WithScripted(SecondaryCase):
    def follow(self, leaves, honors_wait: bool = True, max_range: int = 512, **options
               ) -> tuple[ScriptedPrimary, Secondary]:
        """A scripted primary and a secondary that has all its leaves."""
        primary = self.enterContext(ScriptedPrimary(leaves, max_range, honors_wait))
        node = self.secondary(primary, **options).start()
        self.assert_has(node, leaves)
        return primary, node

    def assert_has(self, node: Secondary, leaves) -> None:
        """It has, or comes to have, exactly these leaves, in this order."""
        head = node.wait_until_size(len(leaves))
        self.assertEqual(head.size, len(leaves))
        hashes = list(map(merkle.hash_leaf, leaves))
        self.assertEqual(head.root_hash, merkle.roots(hashes, [len(leaves)])[len(leaves)])
        self.assertEqual(node.leaves(), leaves)

    def wait_for_ended(self, primary: ScriptedPrimary, count: int) -> None:
        """Until that many requests more have come and ended."""
        asked = len(primary.requests)
        primary.wait_for(lambda: sum(request.ended is not None
                                     for request in primary.requests[asked:]) >= count)


class Copying(WithScripted):
    def test_sizes(self):
        """Around the ends of slabs and answers, grown step by step, and in one go."""
        leaves = made_leaves(1030)
        primary, node = self.follow([], max_range=100)
        sizes = (1, 2, 99, 100, 101, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 1030)
        for size in sizes:
            primary.set_leaves(leaves[:size])
            self.assert_has(node, leaves[:size])
        self.assert_stopped_well(node)
        for size in sizes[::3]:
            with self.subTest(size=size):
                self.follow(leaves[:size])

    def test_ranges_that_a_primary_may_give(self):
        """One leaf an answer, or everything; what was not given is asked for again."""
        for max_range, count in ((1, 40), (3, 200), (100, 5000), (512, 20_000), (65536, 40_000)):
            with self.subTest(max_range=max_range):
                # Ten megabytes in one answer may take a while.
                primary, node = self.follow(
                    made_leaves(count), max_range=max_range, timeout="20s")
                self.assert_no_trouble(node)
                self.assert_stopped_well(node)
                # Nothing is fetched again and again: little more than what there is.
                given = sum(self.given(primary, request) for request in primary.requests)
                self.assertLess(given, 2 * count + 20 * max_range)

    def given(self, primary: ScriptedPrimary, request) -> int:
        asked = request.body
        return max(0, min(asked.end, asked.start + primary.max_range, len(primary.leaves))
                   - asked.start)

    def test_several_requests_in_flight(self):
        """While it is far behind; each connection has one at a time."""
        primary = self.enterContext(ScriptedPrimary(made_leaves(20_000)))
        several = threading.Event()

        def answer(exchange):
            """Slowly, until it has been asked for more meanwhile."""
            if len(primary.requests) - sum(request.ended is not None
                                           for request in list(primary.requests)) > 2:
                several.set()
            exchange.wait(0.2, several)
            primary.answer(exchange)

        primary.always(answer)
        node = self.secondary(primary).start()
        node.wait_until_size(20_000)
        overlapping = max(
            sum(other.came <= request.came < (other.ended or request.came + 1)
                for other in primary.requests)
            for request in primary.requests)
        self.assertGreater(overlapping, 2)
        self.assertLessEqual(overlapping, 8)
        self.assertEqual(node.leaves(), primary.leaves)

    def test_answers_that_come_in_another_order(self):
        leaves = made_leaves(10_000)
        primary = self.enterContext(ScriptedPrimary(leaves, max_range=200))
        primary.always(lambda exchange: answers.after(
            0.03 * (exchange.request.number % 3), primary.answer)(exchange))
        node = self.secondary(primary).start()
        self.assert_has(node, leaves)
        self.assert_no_trouble(node)

    def test_a_primary_that_closes_after_each_answer(self):
        """As a proxy may; it says so. That is no failure, and no reason to stop."""
        leaves = made_leaves(3000)
        primary = self.enterContext(ScriptedPrimary(leaves[:2500], max_range=200))
        primary.always(answers.cosign_and_close)
        node = self.secondary(primary).start()
        self.assert_has(node, leaves[:2500])
        for size in (2501, 2502, 3000):
            primary.set_leaves(leaves[:size])
            self.assert_has(node, leaves[:size])
        self.assert_no_trouble(node)

    def test_capital_letters_in_hexadecimal(self):
        leaves = made_leaves(10)
        primary = self.enterContext(ScriptedPrimary(leaves))

        def shout(exchange):
            status, content_type, body = primary.judge(exchange.request)
            if status == 200:
                body = body.decode().upper().replace("LEAF=", "leaf=").encode()
            exchange.respond(status, body, content_type)

        primary.always(shout)
        self.assert_has(self.secondary(primary).start(), leaves)

    def test_progress_is_said(self):
        """Every few seconds while it is far behind: how many, of how many, how fast, how long."""
        primary = self.enterContext(ScriptedPrimary(made_leaves(60_000), max_range=50))
        primary.always(answers.after(0.04, primary.answer))
        node = self.secondary(primary).start()
        line = node.wait_for_line("copying: ")
        self.assertRegex(line, r"\[INFO\] copying: \d+ of about \d+ leaves, \d+ leaves a second, "
                               r"[^\n]+ left$")
        done, total = map(int, re.search(r"copying: (\d+) of about (\d+)", line).groups())
        self.assertLess(done, total)
        self.assertLess(abs(total - 60_000), 3_000)
        primary.behave()
        node.wait_for_line(r"caught up with the primary: 60000 leaves$")


class Polling(WithScripted):
    def test_a_primary_that_waits(self):
        """It is asked once, and answers when it has more: nothing is polled."""
        leaves = made_leaves(30)
        primary, node = self.follow(leaves[:1], timeout="10s", interval="10ms")
        asked = len(primary.requests)
        for size in range(2, 31):
            primary.set_leaves(leaves[:size])
            node.wait_until_size(size)
        self.assertLessEqual(len(primary.requests), asked + 2 * 29 + 2)
        waits = [request.body.wait for request in primary.requests if request.body.wait]
        self.assertTrue(waits and all(0 < wait <= 10 for wait in waits), waits)

    def test_a_primary_that_does_not_wait(self):
        """
        It is polled each interval, and not more often: with the last leaf, which it has to have, and
        with what follows. A machine that is busy delays requests, so the sum tells.
        """
        leaves = made_leaves(300)
        primary, node = self.follow(leaves[:10], honors_wait=False, interval="150ms")
        node.wait_for_line("caught up")
        self.assertGreaterEqual(self.time_of_requests(primary, 9), 0.44)
        self.assertLessEqual({9, 10}, {request.body.start for request in primary.requests[-9:]})
        primary.set_leaves(leaves)
        self.assert_has(node, leaves)

    def time_of_requests(self, primary: ScriptedPrimary, count: int) -> float:
        """
        How long so many take that come from now on. A request may be seen long after it was made:
        only the first of them before now, and none after the end. With two requests for a poll
        there are three pauses among the eight others of nine.
        """
        began, asked = time.monotonic(), len(primary.requests)
        primary.wait_for_requests(asked + count)
        return time.monotonic() - began

    def test_a_primary_that_says_that_it_waits_and_does_not(self):
        """No busy loop: it is asked ten times a second at most."""
        leaves = made_leaves(10)
        primary = self.enterContext(ScriptedPrimary(leaves))
        primary.always(lambda exchange: exchange.judge_and_respond(
            fields=("Preference-Applied: wait=5",)))
        node = self.secondary(primary, interval="10s").start()
        self.assert_has(node, leaves)
        self.assertGreaterEqual(self.time_of_requests(primary, 9), 0.59)

    def test_when_it_has_caught_up(self):
        """When the primary has said that there is no more, not when it is asked again."""
        primary, node = self.follow(made_leaves(10), honors_wait=False, interval="1200ms")
        node.wait_for_line("caught up")
        is_last = threading.Event()

        def answer(exchange):
            if is_last.is_set():
                exchange.wait()
            if exchange.request.body.start == 10:
                is_last.set()
            primary.answer(exchange)

        primary.always(answer)
        primary.wait_for(lambda: is_last.is_set() and all(
            request.ended for request in primary.requests if request.body.start == 10))
        ends = sum(request.status == 404 for request in primary.requests)
        self.until_value(node, ends, "replication_requests_total", status="404")
        caught_up = self.value(node, "replication_caught_up_timestamp_seconds")
        primary.wait_for(lambda: primary.requests[-1].ended is None)
        self.assertEqual(self.value(node, "replication_caught_up_timestamp_seconds"), caught_up)

    def test_an_end_while_it_waits(self):
        for honors_wait in (True, False):
            _, node = self.follow(made_leaves(3), honors_wait, timeout="10s", interval="10s")
            node.wait_for_line("caught up")
            self.assertEqual(node.stop(), 0)


class Wrong(WithScripted):
    """Whatever comes instead of leaves: one line, nothing stored, tried again, recovered."""

    def tolerate(self, answer: answers.Answer, count: int = 3, size: int = 300, **options) -> None:
        leaves = made_leaves(size)
        primary, node = self.follow(leaves[:-7], **options)
        start = len(node.lines)
        primary.always(answer)
        # Nobody waits any more who would be answered as is right.
        held = list(primary.requests)
        primary.close_connections()
        primary.wait_for(lambda: all(request.ended is not None for request in held))
        primary.set_leaves(leaves)
        self.wait_for_ended(primary, count)
        fails = rf"\[WARN\] primary {primary.url}/?: [^\n]+$"
        again = rf"\[INFO\] primary {primary.url}/?: answers again, failures before: \d+$"
        node.wait_for_line(fails, start)
        head = node.secondary_tree_head()
        self.assertEqual(head.size, len(leaves) - 7)
        primary.behave()
        self.assert_has(node, leaves)
        node.wait_for_line(again, start)
        said = self.said(node, fails, again, start)
        # With a short time-out a right answer may be late as well.
        self.assertEqual(said[:2] if "timeout" in options else said, [fails, again])
        self.assertEqual(self.lines(node, r"\[(WARN|ERRO|FATA)\]", start),
                         self.lines(node, fails, start))
        self.assertEqual(self.value(node, "replication_halted"), 0)
        self.assert_stopped_well(node)

    def test_bodies(self):
        for what, answer in chosen(scripted_nodes.WRONG_LEAVES, "empty", "no line feed",
                                   "a space less", "not hexadecimal", "another last line",
                                   "more than asked for").items():
            with self.subTest(what):
                self.tolerate(answer)

    def test_refusals(self):
        """A 404 or 400 of something else says nothing about the tree."""
        for what, answer in chosen(answers.REFUSALS, "204", "redirect", "404", "400",
                                   "500").items():
            with self.subTest(what):
                self.tolerate(answer)

    def test_http(self):
        for what, answer in chosen(answers.WRONG_HTTP, "closed at once", "closed in the body",
                                   "not HTTP", "two lengths").items():
            with self.subTest(what):
                self.tolerate(answer)

    def test_answers_that_do_not_end(self):
        for what, answer in chosen(answers.ENDLESS, "dripping body").items():
            with self.subTest(what):
                self.tolerate(answer, 1, timeout="1s")

    def test_huge_answers(self):
        for what, answer in chosen(answers.HUGE, "until closed", "head").items():
            with self.subTest(what):
                self.tolerate(answer, 1)

    def test_lost_answers_of_many(self):
        """Any answer may fail while it is far behind; no leaf is out of its place."""
        leaves = made_leaves(8_000)
        primary = self.enterContext(ScriptedPrimary(leaves, max_range=256))
        wrong = [answers.status(500), answers.close_in_body, answers.close_at_once,
                 scripted_nodes.WRONG_LEAVES["no line feed"], answers.raw(b"SSH-2.0\r\n")]
        for number in range(12):
            primary.next(primary.answer, primary.answer, wrong[number % len(wrong)])
        node = self.secondary(primary).start()
        self.assert_has(node, leaves)
        self.assert_stopped_well(node)

    def test_a_url_where_nobody_listens(self):
        leaves = made_leaves(3)
        primary = self.enterContext(ScriptedPrimary(leaves))
        primary.close()
        node = self.secondary(primary).start()
        node.wait_for_line(rf"\[WARN\] primary {primary.url}/?: ")
        self.assertEqual(node.size, 0)
        self.until_value(node, 3, "replication_requests_total", status="none")
        self.assertEqual(len(self.lines(node, r"\[WARN\]")), 1)
        primary.start()
        self.assert_has(node, leaves)

    def test_a_url_of_another_server(self):
        """The external endpoint of the primary gives no leaves that are not published."""
        primary = self.log([], 0).start()
        node = self.secondary("http://{}:{}".format(*primary.external)).start()
        node.wait_for_line(r"\[WARN\] primary ")
        self.assertEqual(node.size, 0)
        self.assertEqual(self.value(node, "replication_halted"), 0)
        self.assertEqual(node.stop(), 0)


class Stopped(WithScripted):
    """The primary's tree is not the one that is here: replication ends, and serving does not."""

    SIZE = 300

    def assert_stops(self, primary: ScriptedPrimary, node: Secondary, leaves, reason: str,
                     start: int = 0) -> None:
        node.wait_for_line(rf"\[FATA\] replication stopped: {reason}$", start)
        self.until_value(node, 1, "replication_halted")
        # Whatever comes then is not asked for.
        primary.set_leaves(leaves + made_leaves(5, start=len(leaves)))
        asked = len(primary.requests)
        head = node.secondary_tree_head()
        self.assertEqual(head.size, len(leaves))
        self.assertEqual(node.leaves(), leaves)
        self.assertEqual(len(self.lines(node, r"\[FATA\]", start)), 1)
        self.assertEqual(len(primary.requests), asked)
        self.assert_stopped_well(node)
        # With the right primary the next start goes on.
        node.start()
        self.assert_has(node, primary.leaves)

    def test_another_last_leaf(self):
        for honors_wait in (True, False):
            with self.subTest(honors_wait=honors_wait):
                leaves = made_leaves(self.SIZE)
                primary, node = self.follow(leaves, honors_wait)
                primary.exchange(leaves[:-1] + made_leaves(10, b"other"))
                self.assert_stops(primary, node, leaves,
                                  f"leaf {self.SIZE - 1} of the primary is another one than here")

    def test_another_tree_between_two_requests(self):
        """Each of which has a connection of its own, and no failure tells of the change."""
        leaves = made_leaves(self.SIZE)
        primary = self.enterContext(ScriptedPrimary(leaves))
        primary.always(answers.cosign_and_close)
        node = self.secondary(primary).start()
        self.assert_has(node, leaves)
        primary.set_leaves(leaves[:-1] + made_leaves(10, b"other"))
        self.assert_stops(primary, node, leaves,
                          f"leaf {self.SIZE - 1} of the primary is another one than here")

    def test_another_tree_while_it_copies(self):
        """Several requests are out, and their connections stay."""
        leaves = made_leaves(20_000)
        primary = self.enterContext(ScriptedPrimary(leaves))
        changed = threading.Event()

        def answer(exchange):
            """No leaves from far behind before it is another tree; whether they are there, it says."""
            asked = exchange.request.body
            exchange.wait(0.02)
            if asked.start > 10_000 and asked.end > asked.start + 1:
                exchange.wait(event=changed)
            primary.answer(exchange)

        primary.always(answer)
        node = self.secondary(primary).start()
        node.wait_until_size(3_000)
        primary.set_leaves(leaves[:1_000] + made_leaves(20_000, b"other"))
        changed.set()
        node.wait_for_line(r"\[FATA\] replication stopped: leaf [0-9]+ of the primary is another one "
                           r"than here$")
        self.assertEqual(node.leaves(), leaves[:node.size])
        self.assertEqual(self.value(node, "replication_halted"), 1)
        self.assert_stopped_well(node)

    def test_a_shorter_primary(self):
        for honors_wait in (True, False):
            for size in (self.SIZE - 1, 1, 0):
                with self.subTest(honors_wait=honors_wait, size=size):
                    leaves = made_leaves(self.SIZE)
                    primary, node = self.follow(leaves, honors_wait)
                    primary.exchange(leaves[:size])
                    self.assert_stops(
                        primary, node, leaves,
                        f"the primary has fewer leaves than the {self.SIZE} here")

    def test_before_its_first_request(self):
        """It is the same at a start."""
        leaves = made_leaves(self.SIZE)
        primary, node = self.follow(leaves)
        self.assertEqual(node.stop(), 0)
        primary.set_leaves(leaves[:-1] + made_leaves(10, b"other"))
        node.start()
        self.assert_stops(primary, node, leaves, rf"leaf {self.SIZE - 1} of the primary is another "
                                                 "one than here")

    def test_another_primary_with_more_leaves(self):
        """A real one, of another log: its leaves are not these."""
        other = self.log([], 0).start()
        other.add_leaves([wire.Leaf.numbered(ed25519.Signer(), number) for number in range(20)])
        leaves = made_leaves(10)
        primary, node = self.follow(leaves)
        self.assertEqual(node.stop(), 0)
        node.options["primary_url"] = other.internal_url
        node.start()
        node.wait_for_line(r"\[FATA\] replication stopped: leaf 9 of the primary is another one "
                           r"than here$")
        self.assertEqual(node.leaves(), leaves)

    def test_a_leaf_that_comes_twice(self):
        leaves = made_leaves(20)
        for at in (20, 15, 3, 0):
            with self.subTest(at=at):
                primary, node = self.follow(leaves)
                primary.set_leaves(leaves + made_leaves(3, b"new") + leaves[at:at + 1] if at < 20
                                   else leaves + made_leaves(2, b"new") * 2)
                node.wait_for_line(r"\[FATA\] replication stopped: [^\n]*leaf")
                size = node.size
                self.assertIn(size, range(20, 24))
                self.assertEqual(node.leaves(), primary.leaves[:size])
                self.assertEqual(self.value(node, "replication_halted"), 1)
                self.assert_stopped_well(node)


class Starts(SecondaryCase):
    def test_what_it_must_be_told(self):
        for option, said in (("primary_url", "primary-url"), ("key_file", "key-file")):
            node = self.secondary("http://127.0.0.1:9")
            node.options[option] = None
            self.refused(node, said)
            self.assertFalse(node.store.exists())
        node = self.secondary("http://127.0.0.1:9", key_file=node.folder / "absent")
        self.refused(node, "absent")

    def refused(self, node: Secondary, pattern: str) -> None:
        with self.assertRaises(harness.StartFailed) as caught:
            node.start()
        self.assertEqual(caught.exception.status, 1)
        self.assertRegex(node.lines[-1], rf"\Asigsum secondary: [^\n]*{pattern}")

    def test_stores_that_are_not_its_own(self):
        primary = self.log([], 0).start()
        primary.add_leaf(0)
        self.assertEqual(primary.stop(), 0)
        node = self.secondary("http://127.0.0.1:9", store_dir=primary.store)
        self.refused(node, "primary")
        primary.assert_audit()
        primary.start()

    def test_one_process_for_a_store(self):
        node = self.secondary("http://127.0.0.1:9").start()
        other = self.secondary("http://127.0.0.1:9", store_dir=node.store)
        self.refused(other, "store")
        self.assertEqual(node.stop(), 0)

    def test_its_key_may_change(self):
        """A secondary's store is nobody's key's."""
        primary = self.enterContext(ScriptedPrimary(made_leaves(5)))
        node = self.secondary(primary).start()
        before = node.wait_until_size(5)
        self.assertEqual(node.stop(), 0)
        node.signer = ed25519.Signer()
        node.public_key = node.signer.public_key
        node.key_file.unlink()
        node.signer.write_openssh(node.key_file)
        node.start()
        after = node.secondary_tree_head()
        self.assertEqual((after.size, after.root_hash), (before.size, before.root_hash))
        self.assertNotEqual(after.signature, before.signature)

    def test_a_primary_with_a_secondarys_store(self):
        """Refused unless it is told to promote it, and the line says how."""
        primary = self.enterContext(ScriptedPrimary(made_leaves(5)))
        node = self.secondary(primary).start()
        node.wait_until_size(5)
        self.assertEqual(node.stop(), 0)
        log = self.log([], 0, store_dir=node.store)
        log.startup_file.unlink()
        log.sth_file.write_bytes(wire.TreeHead.make(self.key, 0, merkle.root([])).encoded)
        with self.assertRaises(harness.StartFailed):
            log.start()
        self.assertRegex(log.lines[-1], r"\Asigsum primary: [^\n]*local-tree")
        node.start()
        self.assertEqual(node.size, 5)
