# SPDX-License-Identifier: BSD-2-Clause
#
# When a log with witnesses publishes: at its quorum, whoever else is slow, hangs or is gone. The
# watcher that every test here has sees to it that no head is published without.

import threading
import time

import answers
import harness
import wire
from watcher import has_cosigned, time_of
from witness_case import WitnessCase


class Quorum(WitnessCase):
    def test_all_cosign(self):
        witnesses = [self.witness() for _ in range(5)]
        log, watcher = self.started(witnesses, 5)
        for number in range(10):
            log.add_leaf(number)
            watcher.wait_for_witnesses(*witnesses, size=number + 1)
        for witness in witnesses:
            self.assertEqual(witness.connection_count, 1, "connections are kept alive")
            self.assertEqual({request.status for request in witness.requests
                              if request.ended is not None}, {200})
        self.assertEqual(log.stop(), 0)
        self.assert_no_trouble(log)
        log.assert_audit()

    def test_a_policy_without_a_quorum(self):
        """Published at once, and cosigned a little later."""
        held = threading.Event()
        witness = self.witness()
        witness.always(answers.when(held))
        log, watcher = self.started([witness], 0)
        log.add_leaf(0)
        self.assertEqual(watcher.wait_for_size(1).cosignatures, [])
        held.set()
        watcher.wait_for_witnesses(witness, size=1)

    def test_at_the_quorum_and_not_when_the_last_has_answered(self):
        held = threading.Event()
        one, two, late = (self.witness() for _ in range(3))
        log, watcher = self.started([one, two, late], 2)
        watcher.wait_for_witnesses(one, two, late)
        late.always(answers.when(held))
        log.add_leaf(0)
        head = watcher.wait_for_size(1)
        self.assertFalse(has_cosigned(late, head))
        asked = late.requests[-1]
        held.set()
        head = watcher.wait_for_witnesses(one, two, late, size=1)
        self.assertEqual(head.size, 1)
        self.assertIsNotNone(asked.ended)

    def test_a_late_cosignature_joins_the_published_head(self):
        """Also one that comes after many rounds of the same tree, and after more than interval."""
        held = threading.Event()
        one, late = self.witness(), self.witness()
        log, watcher = self.started([one, late], 1)
        late.always(answers.when(held))
        log.add_leaf(0)
        watcher.wait_for_witnesses(one, size=1)
        one.wait_for_requests(len(one.requests) + 10)
        self.assertFalse(has_cosigned(late, watcher.last))
        held.set()
        watcher.wait_for_witnesses(one, late, size=1)

    def test_a_cosignature_for_an_older_head_is_not_published(self):
        """It comes when the next head is out; the watcher would see it there, as a wrong one."""
        held = threading.Event()
        one, late = self.witness(), self.witness()
        log, watcher = self.started([one, late], 1, interval="300ms")
        watcher.wait_for_witnesses(one, late)
        first = late.always(answers.when(held))
        for number in range(3):
            log.add_leaf(number)
            watcher.wait_for_witnesses(one, size=number + 1)
            asked = late.wait_for_requests(first + 1)
        self.assertLess(asked.size, 3)
        self.assertIsNone(asked.ended)
        held.set()
        watcher.wait_for_witnesses(one, late, size=3)

    def test_groups_of_groups(self):
        """2 of (any of 2, all of 2, one alone); each row: who is there, whether that is enough."""
        witnesses = [self.witness() for _ in range(5)]
        log = self.log(witnesses, 5, interval="50ms")
        log.policy.quorum = 2  # at least; the watcher knows no groups
        lines = [line for line in log.policy.text().splitlines() if line.startswith("witness")]
        (log.folder / "log-policy").write_text("\n".join([
            *lines, "# a comment", "group x any w0 w1", "\tgroup  y\tall w2 w3", "",
            "group z 2 x y w4", "quorum z", ""]))
        log.start()
        watcher = self.watch(log)
        watcher.wait_for_size(0)
        rows = [((0, 4), True), ((0, 1), False), ((0, 1, 2), False), ((2, 3, 4), True),
                ((0, 2), False), ((1, 2, 3), True), ((2, 4), False), ((1, 4), True)]
        size = 0
        for present, is_enough in rows:
            with self.subTest(present=present):
                for number, witness in enumerate(witnesses):
                    witness.always(answers.cosign if number in present else answers.status(503))
                log.add_leaf(size)
                size += 1
                if is_enough:
                    head = watcher.wait_for_witnesses(*(witnesses[n] for n in present), size=size)
                    self.assertEqual(len(head.cosignatures), len(present))
                    continue
                for number in present:
                    witness = witnesses[number]
                    witness.wait_for_cosigned(size)
                    witness.wait_for_requests(len(witness.requests) + 2)
                self.assertEqual(watcher.last.size, size - 1)
                for witness in witnesses:
                    witness.behave()
                watcher.wait_for_size(size)

    def test_many_witnesses(self):
        witnesses = [self.witness() for _ in range(40)]
        log, watcher = self.started(witnesses, 21)
        log.add_leaf(0)
        watcher.wait_for_witnesses(*witnesses, size=1)


class LostQuorum(WitnessCase):
    def test_the_published_head_stays(self):
        """Every way of losing it; then it comes back, and one line each says so."""
        released = threading.Event()
        nothing = answers.when(released, answers.close_at_once)
        # Whoever is late loses the quorum, too, so only he who has to be is given little time.
        for kind, answer, timeout, rounds in (
                ("500", answers.status(500), "10s", 3), ("nothing", nothing, "5s", 2),
                ("wrong", answers.bad_signature, "10s", 3), ("down", None, "10s", 3)):
            with self.subTest(kind):
                one, two = self.witness(), self.witness()
                log, watcher = self.started([one, two], 2, timeout=timeout)
                log.add_leaf(0)
                watcher.wait_for_witnesses(one, two, size=1)
                self.assertEqual(self.value(log, "quorum_total", outcome="lost"), 0)
                start = len(log.lines)
                if answer is None:
                    two.close()
                else:
                    two.always(answer)
                leaf = log.add_leaf(1)
                log.wait_for_line(r"\[WARN\].*[Qq]uorum", start)
                one.wait_for(lambda: sum(request.size == 2 for request in one.requests) >= rounds)
                one.wait_for_cosigned(2)
                self.assertEqual(watcher.last.size, 1)
                self.assertGreaterEqual(self.value(log, "quorum_total", outcome="lost"), 1)
                self.assertEqual(log.get(f"/get-inclusion-proof/2/{leaf.hash.hex()}").status, 400)
                self.assertEqual(log.get("/get-leaves/1/2").status, 400)
                self.assertEqual(len(self.lines(log, r"\[WARN\]", start)), 1)
                # Leaves are taken all the same, and all come in one go.
                for number in range(2, 5):
                    log.add_leaf(number)
                two.behave()
                if answer is nothing:
                    released.set()
                if answer is None:
                    two.start()
                watcher.wait_for_witnesses(one, two, size=5)
                log.wait_for_line(r"\[INFO\].*[Qq]uorum", start)
                self.assertEqual(len(self.lines(log, r"\[INFO\].*[Qq]uorum", start)), 1)
                self.assertEqual(len(self.lines(log, r"\[WARN\]", start)), 1)
                self.assertEqual(log.get(f"/get-inclusion-proof/5/{leaf.hash.hex()}").status, 200)
                self.assertEqual(log.stop(), 0)

    def test_held_requests_are_answered_when_it_comes(self):
        """And not before: a leaf sent again waits for its publication."""
        held = threading.Event()
        witness = self.witness()
        log, watcher = self.started([witness], 1, add_leaf_wait="25s", timeout="20s",
                                    interval="1h")
        witness.always(answers.when(held))
        leaf = log.add_leaf(0)
        with log.connect() as connection:
            connection.send(connection.encode("POST", "/add-leaf", leaf.body))
            self.until_value(log, 1, "held_requests")
            witness.wait_for(lambda: witness.requests[-1].size == 1)
            self.assertFalse(connection.has_bytes)
            held.set()
            self.assertEqual(connection.read_response().status, 200)
        self.assertEqual(watcher.wait_for_size(1).size, 1)
        self.assertEqual(log.tree_head().size, 1)

    def test_an_end_while_a_witness_hangs(self):
        for answer in (answers.hang, answers.hang_in_head, answers.hang_in_body,
                       answers.drip_body):
            with self.subTest(answer.__name__):
                one, two = self.witness(), self.witness()
                log, watcher = self.started([one, two], 1, timeout="1h")
                first = two.always(answer)
                log.add_leaf(0)
                watcher.wait_for_witnesses(one, size=1)
                self.assertIsNone(two.wait_for_requests(first + 1).ended)
                began = time.monotonic()
                self.assertEqual(log.stop(), 0)
                # An hour is the deadline of the request, 10 s that of an end with clients.
                self.assertLess(time.monotonic() - began, 9)
                self.assertEqual(two.complaints, [])


class Pace(WitnessCase):
    def test_one_that_hangs_delays_nobody(self):
        """With a deadline of an hour, a hundred heads are published."""
        one, two, mute = (self.witness() for _ in range(3))
        mute.always(answers.hang)
        log, watcher = self.started([one, two, mute], 2, timeout="1h", interval="1h",
                                    min_interval="1ms")
        for number in range(100):
            log.add_leaf(number)
            watcher.wait_for_witnesses(one, two, size=number + 1)
        self.assertIsNone(mute.wait_for_requests(1).ended)
        self.assertEqual(len(mute.requests), 1, "one request in flight, no second")

    def test_one_that_begins_to_hang_delays_three_rounds_by_interval_at_most(self):
        one, mute = self.witness(), self.witness()
        log, watcher = self.started([one, mute], 1, timeout="1h", interval="300ms")
        log.add_leaf(0)
        watcher.wait_for_witnesses(one, mute, size=1)
        mute.always(answers.hang)
        for number in range(1, 8):
            log.add_leaf(number)
            watcher.wait_for_witnesses(one, size=number + 1)
        self.assertLessEqual(sum(request.ended is None for request in mute.requests), 1)

    def test_a_slow_one_is_in_every_head_of_a_busy_log(self):
        one, two, slow = (self.witness() for _ in range(3))
        log, watcher = self.started([one, two, slow], 2, interval="20s", min_interval="5ms")
        watcher.wait_for_witnesses(one, two, slow)
        slow.always(answers.after(0.3))
        with Busy(log):
            for _ in range(10):
                watcher.wait_for_size(watcher.last.size + 1)
            # Here and there a client sees it: as long as the next head takes to come.
            watcher.wait_for_witnesses(slow, size=1)
        self.assertEqual(log.stop(), 0)
        # Ended by the slow one's answer, which the log had before it signed the next head.
        ended = {request.size: request.ended for request in slow.requests if request.cosigned}
        firsts = {}
        for seen, head in watcher.heads:
            firsts.setdefault(head.size, seen)
        sizes = sorted(firsts)
        self.assertGreaterEqual(len(sizes), 8)
        for size, after in zip(sizes[1:], sizes[2:]):
            self.assertIn(size, ended)
            self.assertGreater(firsts[after], ended[size], f"{after} came before {size} was whole")

    def test_heartbeats_keep_cosignatures_fresh(self):
        now = int(time.time())
        witness = self.witness()
        witness.clock = lambda: now + len(witness.requests)
        log, watcher = self.started([witness], 1, interval="50ms")
        log.add_leaf(0)
        first = watcher.wait_for_size(1)
        at = time_of(witness, first)
        watcher.wait_for(lambda head: time_of(witness, head) >= at + 5, "of a later time")
        self.assertEqual(watcher.last.size, 1)
        self.assertEqual(watcher.last.signature, first.signature)
        self.assertGreaterEqual(
            self.value(log, "witness_cosignature_timestamp_seconds", witness="w0"), at + 5)

    def test_idle_connections_that_the_witness_closes(self):
        """No request fails for it, and no line is written."""
        witness = self.witness()
        log, watcher = self.started([witness], 1, interval="1h")
        for number in range(20):
            witness.wait_for(lambda: witness.requests[-1].ended is not None)
            self.until(lambda: witness.idle_connections == 1)
            witness.close_connections()
            log.add_leaf(number)
            watcher.wait_for_size(number + 1)
        self.assertGreaterEqual(witness.connection_count, 20)
        self.assertEqual(self.value(log, "witness_requests_total", witness="w0", status="200"),
                         len(witness.requests))
        self.assertEqual(self.lines(log, r"witness w0: "), [])
        self.assert_no_trouble(log)

    def test_connections_that_close_under_a_request(self):
        """Closed after the request without a byte: it is asked again, over a new connection."""
        witness = self.witness()
        log, watcher = self.started([witness], 1, interval="1h")
        for number in range(5):
            witness.next(answers.close_at_once)
            log.add_leaf(number)
            watcher.wait_for_size(number + 1)


class Metrics(WitnessCase):
    def test_what_they_count(self):
        one, two = self.witness(), self.witness()
        log, watcher = self.started([one, two], 1, interval="1h")
        watcher.wait_for_witnesses(one, two)
        log.add_leaf(0)
        watcher.wait_for_witnesses(one, two, size=1)
        two.next(answers.status(500))
        log.add_leaf(1)
        watcher.wait_for_size(2)
        two.wait_for(lambda: two.requests[-1].status == 500)
        log.add_leaf(2)
        watcher.wait_for_witnesses(one, two, size=3)

        def count(witness: str, status: str) -> float:
            return self.value(log, "witness_requests_total", witness=witness, status=status)

        for name, witness in (("w0", one), ("w1", two)):
            for status in (200, 500):
                there = sum(request.status == status for request in witness.requests)
                self.until(lambda: count(name, str(status)) == there, f"{there} of {name} {status}")
            self.assertEqual(
                self.value(log, "witness_request_duration_seconds_count", witness=name),
                len(witness.requests))
            self.assertLess(abs(self.value(
                log, "witness_cosignature_timestamp_seconds", witness=name) - time.time()), 60)
            self.assertEqual(self.value(log, "witness_contradictions_total", witness=name), 0)
            self.assertEqual(self.value(log, "witness_clock_warnings_total", witness=name), 0)
        self.assertGreaterEqual(self.value(log, "quorum_total", outcome="reached"), 3)
        self.assertEqual(self.value(log, "quorum_total", outcome="lost"), 0)
        self.assertEqual(self.value(log, "quorum_duration_seconds_count"),
                         self.value(log, "quorum_total", outcome="reached"))
        self.assertEqual(self.value(log, "signing_halted"), 0)
        self.assertLess(abs(self.value(log, "published_timestamp_seconds") - time.time()), 60)

    def test_promtool_finds_nothing_wrong(self):
        promtool = harness.tool("promtool", "prometheus")
        one, two = self.witness(), self.witness()
        two.always(answers.status(500))
        log, watcher = self.started([one, two], 1)
        watcher.wait_for_size(0)
        text = log.get("/metrics", internal=True).text
        judged = harness.run(promtool, "check", "metrics", input=text)
        self.assertEqual((judged.returncode, judged.stdout + judged.stderr), (0, ""))

    def test_the_published_time_grows_old_without_a_quorum(self):
        witness = self.witness()
        log, watcher = self.started([witness], 1, interval="50ms")
        witness.always(answers.status(500))
        witness.wait_for(lambda: witness.requests[-1].status == 500)
        at = self.value(log, "published_timestamp_seconds")
        witness.wait_for_requests(len(witness.requests) + 25)
        self.assertEqual(self.value(log, "published_timestamp_seconds"), at)
        witness.behave()
        self.until(lambda: self.value(log, "published_timestamp_seconds") > at, "a publication")


class Busy:
    """Clients that add leaves all the time."""

    def __init__(self, log: harness.Log, clients: int = 2):
        self.log = log
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(client,))
                         for client in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        for thread in self._threads:
            thread.join(timeout=wire.DEADLINE_SECONDS)

    def _run(self, client: int) -> None:
        number = 1_000_000 * (client + 1)
        with self.log.connect() as connection:
            while not self._is_over.wait(0.005):
                leaf = wire.Leaf.numbered(self.log.signer, number)
                number += 1
                answer = connection.request("POST", "/add-leaf", leaf.body)
                assert answer.status == 200, f"{answer.status} {answer.text}"
