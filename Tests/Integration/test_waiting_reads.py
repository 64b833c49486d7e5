# SPDX-License-Identifier: BSD-2-Clause
#
# `Prefer: wait=<seconds>` (RFC 7240) at the internal endpoints, as any client may send it: a
# request for what is not there yet is held until it is, until its time is over, or until the server
# ends. Whoever does not ask for it is answered at once.

import contextlib
import time

import harness
import wire
from agent import Agent
from scripted_nodes import ScriptedPrimary, made_leaves
from secondary_case import SecondaryCase


class WaitingCase(SecondaryCase):
    # One that outlasts the test, where the answer is another event's.
    LONG = "wait=55"

    def ask(self, server: harness.Server, target: str, **fields) -> wire.Connection:
        """A request whose answer is not read yet."""
        connection = server.connect(internal=True)
        self.addCleanup(connection.close)
        connection.send(connection.encode("GET", target, **fields))
        return connection

    def assert_held(self, server: harness.Server, *connections: wire.Connection) -> None:
        """Not answered, also after others that came later."""
        for _ in range(3):
            server.get("/metrics", internal=True)
        for connection in connections:
            self.assertFalse(connection.has_bytes, "answered too early")

    def answer(self, connection: wire.Connection, status: int, applied: str | None
               ) -> wire.Response:
        answer = connection.read_response()
        self.assertEqual(answer.status, status, answer.text)
        self.assertEqual(answer.field("Preference-Applied"), applied)
        return answer


class Leaves(WaitingCase):
    """get-leaves of a primary, and of a secondary."""

    def setUp(self):
        super().setUp()
        self.primary, self.node = self.pair()
        self.add(self.primary, self.leaves(3))
        self.both = (self.primary, self.node)

    def test_until_there_are_more(self):
        held = []
        for server in self.both:
            held += [self.ask(server, f"/get-leaves/3/{end}", Prefer=self.LONG)
                     for end in (4, 5, 70_000)]
            self.assert_held(server, *held)
        self.add(self.primary, [self.leaf(3)])
        for connection in held:
            answer = self.answer(connection, 200, self.LONG)
            self.assertEqual(wire.parse_leaves(answer.body), [self.leaf(3).encoded])

    def test_until_the_time_is_over(self):
        began = time.monotonic()
        held = [(server, *(self.ask(server, "/get-leaves/3/9", Prefer=prefer)
                           for prefer in (self.LONG, "wait=1"))) for server in self.both]
        for server, long, short in held:
            answer = self.answer(short, 404, "wait=1")
            self.assertIn("at end of tree", answer.text)
            self.assertGreaterEqual(time.monotonic() - began, 0.99)
            self.assert_held(server, long)
            # The connection is good for more.
            self.assertEqual(short.request("GET", "/get-leaves/0/3").status, 200)

    def test_until_the_server_ends(self):
        for server in (self.node, self.primary):
            held = [self.ask(server, "/get-leaves/3/9", Prefer=self.LONG) for _ in range(20)]
            self.assert_held(server, *held)
            self.assertEqual(server.stop(), 0)
            for connection in held:
                self.answer(connection, 404, self.LONG)
                self.assertEqual(connection.read_until_closed(), b"")

    def test_what_is_there_is_not_waited_for(self):
        for server in self.both:
            answer = self.answer(self.ask(server, "/get-leaves/1/70000", Prefer=self.LONG), 200,
                                 self.LONG)
            self.assertEqual(len(wire.parse_leaves(answer.body)), 2)
            for target in ("/get-leaves/4/5", "/get-leaves/3/3", "/get-leaves/x/y"):
                self.assertEqual(self.ask(server, target, Prefer=self.LONG).read_response().status,
                                 400)

    def test_without_the_preference(self):
        for server in self.both:
            for fields in ({}, {"Prefer": "respond-async"}, {"Prefer": "wait"},
                           {"Prefer": "wait=x"}, {"Prefer": "wait=-1"}, {"Prefer": "wait=1x"},
                           {"Prefer": "waiting=5"}, {"Prefer": ""}, {"Prefer": ",,;=,"},
                           {"Prefer": 'x="wait=5"'}, {"X-Prefer": self.LONG}):
                with self.subTest(fields=fields, role=server.role):
                    answer = self.ask(server, "/get-leaves/3/9", **fields).read_response()
                    self.assertEqual(answer.status, 404)
                    self.assertIsNone(answer.field("Preference-Applied"))

    def test_ways_to_write_it(self):
        """RFC 7240: in a list, with parameters, quoted, in either case; the first one counts."""
        ways = ("respond-async, wait=1", "WAIT=1", 'wait="1"', "wait=1;x=y", "wait = 1",
                "a;b=c, wait=1, wait=50", "x=\",wait=9\", wait=1")

        def ask_and_wait(way: str) -> float:
            began = time.monotonic()
            self.answer(self.ask(self.primary, "/get-leaves/3/9", Prefer=way), 404, "wait=1")
            return time.monotonic() - began

        for way, seconds in zip(ways, harness.in_parallel(ask_and_wait, ways)):
            with self.subTest(way):
                self.assertGreaterEqual(seconds, 0.99)

    def test_the_longest_wait(self):
        """What is asked for beyond a minute is cut to one."""
        waits = ("61", "3600", "9223372036854775807", "99999999999999999999999")
        held = [self.ask(self.primary, "/get-leaves/3/9", Prefer=f"wait={wait}") for wait in waits]
        self.assert_held(self.primary, *held[:3])
        self.add(self.primary, [self.leaf(3)])
        for connection in held[:3]:
            self.answer(connection, 200, "wait=60")

    def test_external_requests_do_not_wait(self):
        with self.primary.connect() as connection:
            answer = connection.request("GET", "/get-leaves/3/9", Prefer=self.LONG)
            self.assertEqual(answer.status, 400)
            answer = connection.request("GET", "/get-tree-head", Prefer=self.LONG)
            self.assertIsNone(answer.field("Preference-Applied"))

    def test_requests_behind_one_that_waits(self):
        """Pipelined on one connection: answered in their order."""
        connection = self.ask(self.primary, "/get-leaves/3/9", Prefer=self.LONG)
        connection.send(connection.encode("GET", "/get-leaves/0/1")
                        + connection.encode("GET", "/get-leaves/4/9", Prefer="wait=1")
                        + connection.encode("GET", "/get-leaves/2/3"))
        self.assert_held(self.primary, connection)
        self.add(self.primary, [self.leaf(3)])
        for index, status in ((3, 200), (0, 200), (4, 404), (2, 200)):
            answer = connection.read_response()
            self.assertEqual(answer.status, status)
            if status == 200:
                self.assertEqual(wire.parse_leaves(answer.body), [self.leaf(index).encoded])

    def test_head(self):
        with self.primary.connect(internal=True) as connection:
            for start, status in ((3, 404), (0, 200)):
                answer = connection.request("HEAD", f"/get-leaves/{start}/9", Prefer="wait=1")
                self.assertEqual((answer.status, answer.body), (status, b""))

    def test_clients_that_go_away(self):
        """Whoever closes is forgotten, and everybody else is still answered."""
        for server in self.both:
            gone = [self.ask(server, "/get-leaves/3/9", Prefer=self.LONG) for _ in range(30)]
            held = [self.ask(server, "/get-leaves/3/9", Prefer=self.LONG) for _ in range(30)]
            self.assert_held(server, *held)
            for connection in gone:
                connection.close()
            self.kept = held
        self.add(self.primary, [self.leaf(3)])
        for connection in self.kept:
            self.answer(connection, 200, self.LONG)
        self.until(lambda: self.value(self.primary, "http_connections") < 35)

    def test_more_than_can_be_held(self):
        """Past the bound of connections they are answered at once, and who waits still waits."""
        harness.need_descriptors(self, 2000)
        held = []
        with contextlib.ExitStack() as stack:
            for _ in range(1100):
                connection = stack.enter_context(self.primary.connect(internal=True))
                connection.send(connection.encode("GET", "/get-leaves/3/9", Prefer=self.LONG))
                held.append(connection)
            # They are accepted in their order: with the last one refused so are all who will be.
            self.until(lambda: held[-1].has_bytes, "the last answer")
            early = [connection for connection in held if connection.has_bytes]
            self.assertGreater(len(early), 50)
            self.assertLess(len(early), 200)
            for connection in early:
                self.assertIn(connection.read_response().status, (404, 503))
            late = [connection for connection in held if connection not in early]
            self.add(self.primary, [self.leaf(3)])
            for connection in late:
                self.answer(connection, 200, self.LONG)


class TreeHeads(WaitingCase):
    """get-secondary-tree-head."""

    def setUp(self):
        super().setUp()
        self.made = made_leaves(10)
        self.source = self.enterContext(ScriptedPrimary(self.made[:3]))
        self.node = self.secondary(self.source).start()
        self.node.wait_until_size(3)

    def target(self, size: int) -> str:
        return f"/get-secondary-tree-head?size={size}"

    def test_until_it_has_more(self):
        for size in (3, 4, 5):
            held = [self.ask(self.node, self.target(size), Prefer=self.LONG) for _ in range(3)]
            self.assert_held(self.node, *held)
            self.source.set_leaves(self.made[:size + 1])
            for connection in held:
                head = wire.parse_tree_head(self.answer(connection, 200, self.LONG).body)
                self.assertEqual(head.size, size + 1)
                self.assertTrue(head.is_signed_by(self.node.public_key))

    def test_until_the_time_is_over(self):
        """Then with what it has."""
        began = time.monotonic()
        answer = self.answer(self.ask(self.node, self.target(3), Prefer="wait=1"), 200, "wait=1")
        self.assertGreaterEqual(time.monotonic() - began, 0.99)
        self.assertEqual(wire.parse_tree_head(answer.body).size, 3)

    def test_until_the_server_ends(self):
        held = [self.ask(self.node, self.target(3), Prefer=self.LONG) for _ in range(20)]
        self.assert_held(self.node, *held)
        self.assertEqual(self.node.stop(), 0)
        for connection in held:
            head = wire.parse_tree_head(self.answer(connection, 200, self.LONG).body)
            self.assertEqual(head.size, 3)

    def test_what_is_answered_at_once(self):
        # Fewer than it has, and more, as of one that was wiped.
        for size in (0, 2, 4, 1000):
            self.answer(self.ask(self.node, self.target(size), Prefer=self.LONG), 200, self.LONG)
        # Nobody waits who does not say what is known already, or does not ask to.
        self.answer(self.ask(self.node, "/get-secondary-tree-head", Prefer=self.LONG), 200,
                    self.LONG)
        self.answer(self.ask(self.node, self.target(3)), 200, None)
        self.answer(self.ask(self.node, self.target(3), Prefer="wait=x"), 200, None)

    def test_many_that_ask_at_once(self):
        """They share what is signed."""
        held = [self.ask(self.node, self.target(3), Prefer=self.LONG) for _ in range(200)]
        self.assert_held(self.node, *held)
        self.source.set_leaves(self.made[:7])
        bodies = {self.answer(connection, 200, self.LONG).body for connection in held}
        self.assertEqual([wire.parse_tree_head(body).size for body in bodies], [7])

    def test_a_signer_that_fails(self):
        """500 and a line; what does not need a signature goes on."""
        agent = Agent(self.node.folder)
        self.addCleanup(agent.stop)
        self.assertEqual(self.node.stop(), 0)
        agent.start(self.node.signer)
        key_file = self.node.folder / "agent-key.pub"
        key_file.write_bytes(self.node.signer.openssh_public())
        environment = self.node.environment()
        self.node.options["key_file"] = key_file
        self.node.environment = lambda: environment | {"SSH_AUTH_SOCK": str(agent.socket)}
        self.node.start()
        self.assertEqual(self.node.size, 3)
        agent.stop()
        self.source.set_leaves(self.made)
        self.until(lambda: self.value(self.node, "tree_size_leaves", state="committed") == 10)
        answer = self.node.head_response()
        self.assertEqual(answer.status, 500, answer.text)
        self.node.wait_for_line(r"\[(WARN|ERRO)\]")
        self.assertEqual(self.node.leaves(), self.made)
        agent.start(self.node.signer)
        self.assertEqual(self.node.size, 10)
