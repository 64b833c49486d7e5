# SPDX-License-Identifier: BSD-2-Clause
#
# Witnesses that answer wrongly, late or not at all. Each time the others still make the quorum, a
# watcher sees that nothing wrong is ever published, and the witness is used again when it is well.

import os
import time

import answers
import harness
import wire
from watcher import has_cosigned, time_of
from witness_case import WitnessCase

IS_LONG = os.environ.get("SIGSUM_LONG") == "1"


class OneOfThree(WitnessCase):
    """Three witnesses or more, of which two are the quorum; the third, or each other, is faulty."""

    def begin(self, others: int = 1, **options) -> None:
        self.first, self.second, *self.others = (self.witness() for _ in range(2 + others))
        self.third = self.others[0]
        self.witnesses = [self.first, self.second, *self.others]
        self.server, self.watcher = self.started(self.witnesses, 2, **options)
        self.size = 0
        self.watcher.wait_for_witnesses(*self.witnesses)

    def grow(self) -> wire.TreeHead:
        """One more leaf, published by the quorum of the two that are well."""
        self.server.add_leaf(self.size)
        self.size += 1
        return self.watcher.wait_for_witnesses(self.first, self.second, size=self.size)

    def assert_survive(self, faults: list[answers.Answer], requests: int = 2) -> None:
        """
        With one of these answers from each of the others the two go on, and afterwards it cosigns
        again; its failure and its recovery are one line each.
        """
        start = len(self.server.lines)
        old = self.size
        for witness, answer in zip(self.others, faults, strict=True):
            witness.always(for_trees_beyond(old, answer))
        self.grow()
        for witness in self.others:
            witness.wait_for(lambda: sum(request.size > old and request.ended is not None
                                         for request in witness.requests) >= requests,
                             "for the end of its requests")
            self.assertFalse(has_cosigned(witness, self.watcher.last))
        names = [self.server.policy.name_of(witness) for witness in self.others]
        for name in names:
            self.server.wait_for_line(rf"\[INFO\].*witness {name}: ", start)
        for witness in self.others:
            witness.behave()
        self.size += 1
        self.server.add_leaf(self.size - 1)
        self.watcher.wait_for_witnesses(*self.witnesses, size=self.size)
        for name in names:
            said = rf"\[INFO\].*witness {name}: "
            self.until(lambda: len(self.lines(self.server, said, start)) >= 2,
                       "the line that says that it is well")
            self.assertEqual(len(self.lines(self.server, f"witness {name}: ", start)), 2)
        self.assert_no_trouble(self.server, start)

    def survive_all(self, faults: dict[str, answers.Answer]) -> None:
        self.begin(interval="50ms")
        for name, answer in faults.items():
            with self.subTest(name):
                self.assert_survive([answer])
        self.assertEqual(self.server.stop(), 0)

    def test_refusals(self):
        self.survive_all(answers.REFUSALS)

    def test_conflicts_that_make_no_sense(self):
        self.survive_all(answers.CONFLICTS)

    def test_wrong_bodies(self):
        self.survive_all(answers.WRONG_BODIES)

    def test_wrong_http(self):
        self.survive_all(answers.WRONG_HTTP)

    def test_answers_that_do_not_end(self):
        """All at once, for each takes all the time of a request: enough for the right ones."""
        self.begin(others=len(answers.ENDLESS), interval="50ms", timeout="5s")
        self.assert_survive(list(answers.ENDLESS.values()), requests=1)
        self.assertEqual(self.server.stop(), 0)

    def test_huge_answers(self):
        self.survive_all(answers.HUGE)

    def test_memory_stays_flat(self):
        self.begin(interval="20ms")
        kinds = list(answers.HUGE.values())
        turns = 400 if IS_LONG else 50
        self.third.next(*(kinds[turn % len(kinds)] for turn in range(turns + 20)))
        self.third.wait_for_requests(20)
        before = resident_bytes(self.server)
        for turn in range(turns):
            self.third.wait_for_requests(21 + turn)
        grown = resident_bytes(self.server) - before
        print(f"     {turns} answers of 10 MB: {grown >> 10} KiB more")
        self.assertLess(grown, 8 << 20)

    def test_one_that_is_down(self):
        self.begin()
        start = len(self.server.lines)
        self.third.close()
        for _ in range(3):
            self.grow()
        self.server.wait_for_line(r"\[INFO\].*witness w2: ", start)
        self.third.start()
        self.watcher.wait_for_witnesses(*self.witnesses, size=self.size)
        self.until(lambda: len(self.lines(self.server, r"\[INFO\].*witness w2: ", start)) >= 2)
        self.assertEqual(len(self.lines(self.server, r"witness w2: ", start)), 2)
        self.assertGreaterEqual(
            self.value(self.server, "witness_requests_total", witness="w2", status="none"), 1)

    def test_repeats_are_said_at_debug(self):
        self.begin(log_level="debug")
        start = len(self.server.lines)
        self.third.always(answers.status(500))
        self.third.wait_for_requests(len(self.third.requests) + 6)
        self.until(lambda: len(self.lines(self.server, r"\[DEBU\].*witness w2: ", start)) >= 3)
        self.assertEqual(len(self.lines(self.server, r"\[INFO\].*witness w2: ", start)), 1)

    def test_unusual_answers_that_are_right(self):
        self.begin()
        for answer in (answers.cosign_and_close, answers.cosign_in_chunks,
                       answers.cosign_until_closed, answers.cosign_byte_by_byte,
                       answers.cosign_after_100, answers.cosign_in_a_crowd, answers.cosign_twice):
            with self.subTest(answer.__name__):
                before = len(self.third.requests)
                self.third.always(answer)
                self.third.wait_for_requests(before + 2)
                self.grow()
                head = self.watcher.wait_for_witnesses(*self.witnesses, size=self.size)
                request = next(request for request in self.third.requests
                               if request.cosigned and request.size == self.size)
                self.assertGreaterEqual(time_of(self.third, head), request.cosigned.time)
        self.assertEqual(self.lines(self.server, "witness w2: "), [])
        self.assert_no_trouble(self.server)

    def test_answers_that_were_lost(self):
        """The witness remembers what the log never heard: the next request meets a 409."""
        self.begin(interval="1h")
        for _ in range(3):
            before, size = len(self.third.requests), self.size
            self.third.next(answers.close_in_body)
            self.grow()
            lost = self.third.wait_for_requests(before + 1)
            self.third.wait_for(lambda: lost.ended is not None)
            self.grow()
            self.watcher.wait_for_witnesses(*self.witnesses, size=self.size)
            seen = [(request.status, request.body.old_size, request.size)
                    for request in self.third.requests[before:]]
            self.assertEqual(seen, [(None, size, size + 1), (409, size, size + 2),
                                    (200, size + 1, size + 2)])
        self.assert_no_trouble(self.server)


class Conflicts(WitnessCase):
    def test_a_smaller_size_is_asked_again_with_a_proof(self):
        """A witness that has forgotten some of what it cosigned, or comes from a backup."""
        one, other = self.witness(), self.witness()
        log, watcher = self.started([one, other], 1, interval="1h")
        watcher.wait_for_witnesses(one, other)
        for number in range(5):
            log.add_leaf(number)
            watcher.wait_for_witnesses(one, other, size=number + 1)
        request = next(request for request in other.requests if request.size == 2)
        for old in (request.size, 0):
            head = request.body.head
            with self.subTest(old=old):
                before, size = len(other.requests), watcher.last.size
                other.size = old
                other.root_hash = head.root_hash if old else other.root_hash
                log.add_leaf(100 + old)
                watcher.wait_for_witnesses(one, other, size=size + 1)
                seen = [(one.status, one.body.old_size) for one in other.requests[before:]]
                self.assertEqual(seen, [(409, size), (200, old)])
        self.assertEqual(self.value(log, "witness_requests_total", witness="w1", status="409"), 2)
        self.assert_no_trouble(log)

    def test_409_is_handled_once_in_a_round(self):
        one, other = self.witness(), self.witness()
        log, watcher = self.started([one, other], 1, interval="1h")
        watcher.wait_for_witnesses(one, other)
        for number in range(3):
            log.add_leaf(number)
            watcher.wait_for_witnesses(one, other, size=number + 1)
        before = len(other.requests)
        other.always(answers.conflict(1))
        log.add_leaf(10)
        watcher.wait_for_witnesses(one, size=4)
        other.wait_for_requests(before + 2)
        other.behave()
        log.add_leaf(11)
        watcher.wait_for_witnesses(one, other, size=5)
        sizes = [request.size for request in other.requests[before:]]
        self.assertEqual(sizes[:2], [4, 4])
        self.assertEqual(sizes.count(4), 2)

    def test_a_larger_size_while_running(self):
        """It gives nothing; the log says so loudly, and goes on with the others."""
        for kind, answer in (("larger", answers.conflict_beyond(3)),
                             ("422", answers.status(422, b"not consistent\n"))):
            with self.subTest(kind):
                one, other = self.witness(), self.witness()
                log, watcher = self.started([one, other], 1)
                log.add_leaf(0)
                watcher.wait_for_witnesses(one, other, size=1)
                start = len(log.lines)
                other.always(answer)
                log.add_leaf(1)
                watcher.wait_for_witnesses(one, size=2)
                log.wait_for_line(r"\[ERRO\].*witness w1", start)
                other.wait_for_requests(len(other.requests) + 3)
                self.assertEqual(len(self.lines(log, r"\[ERRO\]", start)), 1)
                self.assertGreaterEqual(
                    self.value(log, "witness_contradictions_total", witness="w1"), 1)
                self.assertEqual(self.value(log, "witness_contradictions_total", witness="w0"), 0)
                self.assertEqual(self.value(log, "signing_halted"), 0)
                for number in range(2, 5):
                    log.add_leaf(number)
                    self.assertFalse(
                        has_cosigned(other, watcher.wait_for_witnesses(one, size=number + 1)))
                other.behave()
                watcher.wait_for_witnesses(one, other, size=5)
                self.assertEqual(log.stop(), 0)


class Clocks(WitnessCase):
    def test_a_wrong_clock_is_used_with_a_warning(self):
        """One wrong clock must not stop the log."""
        now = int(time.time())
        for kind, offset in (("ahead", 3700), ("behind", -3700), ("far ahead", 1 << 40)):
            with self.subTest(kind):
                witness = self.witness()
                witness.clock = lambda: now + offset
                log, watcher = self.started([witness], 1)
                log.add_leaf(0)
                head = watcher.wait_for_size(1)
                self.assertEqual(time_of(witness, head), now + offset)
                log.wait_for_line(r"\[WARN\].*witness w0")
                self.assertGreaterEqual(self.value(log, "witness_clock_warnings_total",
                                                   witness="w0"), 1)
                self.assertEqual(self.value(log, "witness_cosignature_timestamp_seconds",
                                            witness="w0"), now + offset)
                self.assertEqual(log.stop(), 0)

    def test_a_clock_that_goes_back(self):
        witness = self.witness()
        log, watcher = self.started([witness], 1)
        log.add_leaf(0)
        at = time_of(witness, watcher.wait_for_size(1))
        self.assertEqual(self.lines(log, r"\[WARN\]"), [])
        witness.clock = lambda: at - 100
        log.add_leaf(1)
        self.assertEqual(time_of(witness, watcher.wait_for_size(2)), at - 100)
        log.wait_for_line(r"\[WARN\].*witness w0")
        self.assertGreaterEqual(
            self.value(log, "witness_clock_warnings_total", witness="w0"), 1)

    def test_the_largest_time(self):
        witness = self.witness()
        witness.clock = lambda: (1 << 63) - 1
        log, watcher = self.started([witness], 1)
        log.add_leaf(0)
        self.assertEqual(time_of(witness, watcher.wait_for_size(1)), (1 << 63) - 1)


def for_trees_beyond(size: int, answer: answers.Answer) -> answers.Answer:
    """
    Trees that a witness has cosigned already it cosigns again: of those some answers would not be
    wrong, but say that the witness has seen another tree.
    """
    return lambda exchange: (answer if exchange.request.size > size else answers.cosign)(exchange)


def resident_bytes(log: harness.Log) -> int:
    with open(f"/proc/{log.process.pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) << 10
    raise AssertionError("no VmRSS")
