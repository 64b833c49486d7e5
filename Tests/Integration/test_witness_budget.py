# SPDX-License-Identifier: BSD-2-Clause
#
# What a witness grants a log in a day: heartbeats take at most half of it, leaves the rest, and a
# restart does not begin a new day. Witnesses count for themselves.

import time

import answers
import checkpoint
import harness
from witness_case import WitnessCase


class Budget(WitnessCase):
    def spend(self, log: harness.Log, watcher, least: int, most: int) -> int:
        """
        Adds leaves, each published before the next, until one is not; returns how many were. One
        that is not published stays so: the budget comes back in hours.
        """
        for number in range(most + 1):
            log.add_leaf(number)
            if self.left(log) >= 1 or number < least:
                watcher.wait_for_size(number + 1)
            else:
                return number
        raise AssertionError(f"more than {most} publications")

    def left(self, log: harness.Log, witness: str = "w0") -> float:
        return self.value(log, "witness_requests_left", witness=witness)

    def until_used(self, log: harness.Log, witness: str, before: float, count: int) -> None:
        """Until that many requests were answered, and counted."""
        self.until(lambda: self.left(log, witness) <= before - count + 0.5)

    def test_leaves_are_published_at_once_until_it_is_used_up(self):
        """With an hour between heartbeats: only a fresh leaf makes a round."""
        witness = self.witness()
        log, watcher = self.started([witness], 1, witness_requests_per_day=24)
        published = self.spend(log, watcher, 10, 24)
        print(f"     24 requests a day: {published} leaves published at once")
        self.assertLessEqual(len(witness.requests), 24)
        size = watcher.last.size
        for _ in range(3):
            # What is left for heartbeats may be used for starts; none makes a new day of it.
            log.add_leaf(100 + len(witness.requests))
            self.restart(log)
            self.assertEqual(log.get("/get-tree-head").status, 200)
        self.assertLessEqual(len(witness.requests), 24)
        self.assertGreaterEqual(watcher.last.size, size)
        self.assertLess(self.left(log), 1)

    def test_each_request_counts(self):
        """Also the second one after a 409, and those that fail."""
        one, two = self.witness(), self.witness()
        log, watcher = self.started([one, two], 1, witness_requests_per_day=2000)
        watcher.wait_for_witnesses(one, two)
        for kind, count in (("plain", 1), ("forgot", 2), ("500", 1), ("plain", 1)):
            with self.subTest(kind):
                before, size = self.left(log, "w1"), watcher.last.size
                asked = len(two.requests)
                if kind == "forgot":
                    two.size, two.root_hash = 0, checkpoint.EMPTY_ROOT
                elif kind == "500":
                    two.next(answers.status(500))
                log.add_leaf(size)
                watcher.wait_for_witnesses(one, size=size + 1)
                last = two.wait_for_requests(asked + count)
                two.wait_for(lambda: last.ended is not None)
                self.until_used(log, "w1", before, count)
                self.assertAlmostEqual(self.left(log, "w1"), before - count, delta=0.5)

    def test_it_is_kept_over_restarts(self):
        witness = self.witness()
        log, watcher = self.started([witness], 1, witness_requests_per_day=1000)
        for number in range(20):
            log.add_leaf(number)
            watcher.wait_for_size(number + 1)
        before = self.left(log)
        self.restart(log)
        self.assertLessEqual(self.left(log), before + 1)
        self.assertGreaterEqual(self.left(log), before - 2)

    def test_heartbeats_take_half_of_it(self):
        """4 requests a second are granted, 20 a second asked for: 2 a second come."""
        witness = self.witness()
        log, watcher = self.started([witness], 1, interval="50ms",
                                    witness_requests_per_day=4 * 86400)
        first = witness.wait_for_requests(2)
        last = witness.wait_for_requests(7)
        # A late one makes the next seem early; over all of them that is no more than one.
        self.assertGreater(last.came - first.came, 4 * 0.5 * 0.9)
        log.add_leaf(0)
        watcher.wait_for_size(1)
        # What heartbeats may take in the time it took, one that was late, and one for the leaf.
        count = len(witness.requests) - 7
        self.assertLessEqual(count, (time.monotonic() - last.came) / 0.5 + 2)

    def test_a_fresh_leaf_does_not_wait_for_a_heartbeat(self):
        """The next heartbeat is half a day away."""
        witness = self.witness()
        log, watcher = self.started([witness], 1, witness_requests_per_day=4)
        log.add_leaf(0)
        self.assertEqual(watcher.wait_for_size(1).size, 1)
        self.assertLessEqual(len(witness.requests), 3)

    def test_one_without_budget_holds_nobody_up(self):
        """A witness that eats two requests a leaf is out first; the other goes on alone."""
        one, two = self.witness(), self.witness()
        log, watcher = self.started([one, two], 1, witness_requests_per_day=40)
        watcher.wait_for_witnesses(one, two)
        number = 0
        while (before := self.left(log, "w1")) >= 2:
            asked = len(two.requests)
            two.size, two.root_hash = 0, checkpoint.EMPTY_ROOT
            log.add_leaf(number)
            number += 1
            watcher.wait_for_witnesses(one, size=number)
            # Else the first could be out before it.
            two.wait_for_cosigned(number)
            self.until_used(log, "w1", before, len(two.requests) - asked)
            self.assertLess(number, 30)
        asked = len(two.requests)
        for _ in range(4):
            log.add_leaf(number)
            number += 1
            watcher.wait_for_witnesses(one, size=number)
        self.assertLessEqual(len(two.requests), asked + 2)
        self.assertLessEqual(len(two.requests), 40)
