# SPDX-License-Identifier: BSD-2-Clause
#
# HTTP from clients that are hostile, broken, slow or many. What each of them gets, and that the
# others are served meanwhile, within bounds of memory.

import contextlib
import os
import random
import re
import select
import socket
import subprocess
import time
import unittest

import harness
import wire

HEAD = b"GET /get-tree-head HTTP/1.1\r\nHost: log\r\n"
POST = b"POST /add-leaf HTTP/1.1\r\nHost: log\r\n"


class OneLog(unittest.TestCase):
    """A log with one leaf for all tests of a class; after each it must still serve."""

    @classmethod
    def setUpClass(cls):
        cls.log = cls.enterClassContext(harness.Log(min_interval="0s"))
        cls.leaf = cls.log.add_leaf(0)
        cls.log.tree_head(size_at_least=1)
        cls.head = cls.log.get("/get-tree-head").body

    def tearDown(self):
        self.assert_serves()

    def assert_serves(self):
        self.assertEqual(self.log.get("/get-tree-head").status, 200)

    def assert_refused(self, request: bytes, *statuses: int) -> wire.Response:
        """The request, alone and behind a good one, gets that status, and nothing after it."""
        for before in (0, 1):
            with self.log.connect() as connection:
                with contextlib.suppress(ConnectionError):
                    connection.send(before * (HEAD + b"\r\n") + request)
                for _ in range(before):
                    self.assertEqual(connection.read_response().status, 200)
                answer = connection.read_response()
                self.assertIn(answer.status, statuses, request[:200])
                self.assertEqual(answer.field("Connection"), "close", request[:200])
                self.assertEqual(answer.field("Content-Type"), "text/plain; charset=utf-8")
                self.assertRegex(answer.text, r"\A[ -~]+\n\Z")
                self.assertEqual(connection.read_until_closed(), b"", request[:200])
        return answer


class Framing(OneLog):
    SMUGGLED = b"GET /get-leaves/0/1 HTTP/1.1\r\nHost: log\r\n\r\n"

    def test_request_lines(self):
        for line in (
            b"GET /get-tree-head", b"GET  /get-tree-head HTTP/1.1", b"GET /get-tree-head  HTTP/1.1",
            b" GET /get-tree-head HTTP/1.1", b"GET /get-tree-head HTTP/1.1 ", b"GET HTTP/1.1",
            b"/get-tree-head HTTP/1.1", b"GET\t/get-tree-head\tHTTP/1.1", b"G@T / HTTP/1.1",
            b"GET get-tree-head HTTP/1.1", b"GET /get tree-head HTTP/1.1", b"GET /\x01 HTTP/1.1",
            b"GET /get-tree-head HTTP/1", b"GET /get-tree-head http/1.1", b"GET /\x7f HTTP/1.1",
            b"GET /get-tree-head HTTP/1.1.1", b"GET /get-tree-head HTTP/11", b"GET /\0 HTTP/1.1",
            b"GET /get-tree-head HTPT/1.1", b"GET /\r HTTP/1.1", b"GET /\xff HTTP/1.1",
            b"GET ftp://log/get-tree-head HTTP/1.1", b"CONNECT log:80 HTTP/1.1", b"GET * HTTP/1.1",
        ):
            with self.subTest(line=line):
                self.assert_refused(line + b"\r\nHost: log\r\n\r\n", 400)

    def test_other_versions(self):
        for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0"):
            self.assert_refused(
                b"GET /get-tree-head " + version + b"\r\nHost: log\r\n\r\n", 505)
        self.assert_refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)

    def test_other_protocols(self):
        tls_hello = bytes.fromhex("16030100c8010000c40303") + bytes(range(190))
        for request in (tls_hello, b"SSH-2.0-OpenSSH_9.2\r\n", b"\x80\x2e\x01\x03\x01\r\n\r\n"):
            self.assert_refused(request, 400)

    def test_line_ends(self):
        for request in (
            b"GET /get-tree-head HTTP/1.1\nHost: log\n\n",
            b"GET /get-tree-head HTTP/1.1\r\nHost: log\n\r\n",
            b"GET /get-tree-head HTTP/1.1\nHost: log\r\n\r\n",
            HEAD + b"\n", HEAD + b"x: a\rb\r\n\r\n", HEAD + b"x: a\nb\r\n\r\n",
            HEAD + b"x: a\r\r\n\r\n", HEAD + b"x: a\0b\r\n\r\n", HEAD + b"x\0: a\r\n\r\n",
            HEAD + b"x: \x01\r\n\r\n", HEAD + b"x: a\x7f\r\n\r\n", HEAD + b"\r\r\n\r\n",
        ):
            with self.subTest(request=request):
                self.assert_refused(request, 400)

    def test_field_lines(self):
        for field in (
            b"x : a", b"x\t: a", b" x: a", b"\tx: a", b"x: a\r\n b", b"x: a\r\n\tb", b": a", b"x",
            b"x y: a", b"x(y): a", b"\"x\": a", b"x\xc3: a", b" ",
        ):
            with self.subTest(field=field):
                self.assert_refused(HEAD + field + b"\r\n\r\n", 400)
                # As the first field, too.
                first = b"GET / HTTP/1.1\r\n" + field + b"\r\nHost: log\r\n\r\n"
                self.assert_refused(first, 400)

    def test_hosts(self):
        line = b"GET /get-tree-head HTTP/1.1\r\n"
        for fields in (b"", b"Host: log\r\nHost: log\r\n", b"Host: log\r\nhOST: other\r\n",
                       b"Host: a b\r\n", b"Host: log/x\r\n", b"Host: log\r\nx: y\r\nHost:\r\n"):
            with self.subTest(fields=fields):
                self.assert_refused(line + fields + b"\r\n", 400)
        for fields in (b"Host:\r\n", b"host: [::1]:6965\r\n", b"HOST:\tlog:1 \r\n"):
            with self.log.connect() as connection:
                connection.send(line + fields + b"\r\n")
                self.assertEqual(connection.read_response().status, 200, fields)

    def test_lengths(self):
        body = self.leaf.body
        count = str(len(body)).encode()
        for fields in (
            b"Content-Length: %s\r\nContent-Length: %s\r\n" % (count, count),
            b"Content-Length: %s\r\ncontent-length: 0\r\n" % count,
            b"Content-Length: %s, %s\r\n" % (count, count), b"Content-Length: +%s\r\n" % count,
            b"Content-Length: -%s\r\n" % count, b"Content-Length: -0\r\n", b"Content-Length:\r\n",
            b"Content-Length: 0x10\r\n", b"Content-Length: %s.0\r\n" % count,
            b"Content-Length: %s bytes\r\n" % count, b"Content-Length: 1 2\r\n",
            b"Content-Length: 18446744073709551616\r\n", b"Content-Length: 9223372036854775808\r\n",
            b"Content-Length: 99999999999999999999999999\r\n", b"Content-Length: \xef\xbc\x91\r\n",
            b"Content-Length: \"1\"\r\n", b"Content-Length : 5\r\n",
        ):
            with self.subTest(fields=fields):
                self.assert_refused(POST + fields + b"\r\n" + body, 400)
                # Nothing in such a body is taken for a request, with GET neither.
                self.assert_refused(HEAD + fields + b"\r\n" + self.SMUGGLED, 400)

    def test_length_and_transfer_encoding(self):
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.leaf.body), self.leaf.body)
        length = b"Content-Length: %d\r\n" % len(chunked)
        for fields in (
            length + b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\n" + length,
            b"Content-Length: 0\r\ntransfer-encoding: chunked\r\n",
            b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
            length + b"Transfer-Encoding: identity\r\n", length + b"Transfer-Encoding:\r\n",
        ):
            with self.subTest(fields=fields):
                self.assert_refused(POST + fields + b"\r\n" + chunked, 400)

    def test_transfer_encodings(self):
        for value, status in (
            (b"", 400), (b"chunked, chunked", 400), (b"chunked;q=1", 400), (b"\"chunked\"", 400),
            (b"chunked\r\nTransfer-Encoding: chunked", 400), (b",", 400), (b"chunke d", 400),
            (b"gzip", 501), (b"gzip, chunked", 501), (b"chunked, gzip", 501), (b"identity", 501),
            (b"xchunked", 501), (b"chunked\x0b", 400), (b"chunked\r\n x", 400),
        ):
            with self.subTest(value=value):
                request = POST + b"Transfer-Encoding: " + value + b"\r\n\r\n0\r\n\r\n"
                self.assert_refused(request, status)
        self.assert_refused(
            b"POST /add-leaf HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)

    def test_chunks(self):
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
        for body in (
            b"\r\n", b"x\r\n", b"-1\r\n", b"+1\r\na\r\n", b"0x1\r\na\r\n", b"1 1\r\na\r\n",
            b" 1\r\na\r\n", b"1\na\r\n", b"1\r\nab\r\n", b"1\r\na\n", b"1\r\na0\r\n\r\n",
            b"FFFFFFFFFFFFFFFFF\r\n", b"10000000000000001\r\na\r\n", b"1;\0\r\na\r\n",
            b"0\r\nx y: z\r\n\r\n", b"0\r\n\n", b"0\r\n folded\r\n\r\n", b"1\r\na\r0\r\n\r\n",
        ):
            with self.subTest(body=body):
                self.assert_refused(chunked + body, 400)

    def test_expectations(self):
        self.assert_refused(HEAD + b"Expect: something\r\n\r\n", 417)


class Sizes(OneLog):
    def test_heads(self):
        for request, status in (
            (HEAD + b"x: " + b"a" * 9000 + b"\r\n\r\n", 431),
            (HEAD + b"".join(b"x-%d: a\r\n" % n for n in range(100)) + b"\r\n", 431),
            (HEAD + b"x: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
            (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: log\r\n\r\n", 414),
            (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: log\r\n\r\n", 414),
            (b"A" * 9000, 414), (b"\r\n" * 100 + HEAD + b"\r\n", 400),
        ):
            with self.subTest(request=request[:40], count=len(request)):
                self.assert_refused(request, status)

    def test_heads_within_the_limits(self):
        padding = 8000 - len(HEAD)
        for request in (
            HEAD + b"x: " + b"a" * padding + b"\r\n\r\n",
            HEAD + b"".join(b"x-%d: a\r\n" % n for n in range(60)) + b"\r\n",
            b"\r\n\r\n" + HEAD + b"\r\n",
            b"GET http://log.example:80/get-tree-head HTTP/1.1\r\nHost: other\r\n\r\n",
            b"GET /get-tree-head HTTP/1.1\r\nx:\r\ny: \t a \t\r\nHost: log\r\n\r\n",
            b"GET /get-tree-head HTTP/1.9\r\nHost: log\r\n\r\n",
        ):
            with self.log.connect() as connection:
                for _ in range(2):
                    connection.send(request)
                    self.assertEqual(connection.read_response().body, self.head, request[:60])

    def test_bodies(self):
        for fields, body in (
            (b"Content-Length: 4097\r\n", b"a" * 4097),
            (b"Content-Length: 1000000\r\n", b"a" * 1_000_000),
            (b"Content-Length: 9223372036854775807\r\n", b""),
            (b"Transfer-Encoding: chunked\r\n", b"1001\r\n" + b"a" * 4097 + b"\r\n0\r\n\r\n"),
            (b"Transfer-Encoding: chunked\r\n", b"1\r\na\r\n1000\r\n" + b"a" * 4096),
            (b"Transfer-Encoding: chunked\r\n", b"7FFFFFFFFFFFFFFF\r\n"),
        ):
            with self.subTest(fields=fields, count=len(body)):
                self.assert_refused(POST + fields + b"\r\n" + body, 413)
        # Refused at once, not after 100 Continue.
        self.assert_refused(POST + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n", 413)

    def test_chunk_framing(self):
        chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
        self.assert_refused(chunked + b"1\r\na\r\n" * 2000 + b"0\r\n\r\n", 400)
        self.assert_refused(chunked + b"1;" + b"x" * 9000 + b"\r\na\r\n0\r\n\r\n", 400)
        self.assert_refused(chunked + b"0\r\n" + b"x: y\r\n" * 2000 + b"\r\n", 400)
        self.assert_refused(chunked + b"0" * 9000 + b"\r\n\r\n", 400)


class Conversation(OneLog):
    def requests(self):
        """Kinds of requests with what must come back, several rounds of each."""
        inclusion = f"/get-inclusion-proof/1/{self.leaf.hash.hex()}"
        return [
            ("GET", "/get-tree-head", None, 200), ("GET", "/get-leaves/0/1", None, 200),
            ("GET", inclusion, None, 400), ("HEAD", "/get-leaves/0/1", None, 200),
            ("GET", "/nothing", None, 404), ("POST", "/add-leaf", self.leaf.body, 200),
            ("POST", "/add-leaf", b"x", 400), ("DELETE", "/get-tree-head", None, 405),
            ("GET", "/", None, 200), ("GET", "/get-leaves", None, 301),
        ]

    def test_pipelining(self):
        """200 requests sent before the first answer is read, every fifth one a new leaf."""
        with harness.Log(min_interval="0s") as log:
            log.tree_head()
            expected, stream = [], b""
            with log.connect() as connection:
                for number in range(40):
                    leaf = wire.Leaf.numbered(log.signer, number)
                    for method, target, body, status in (
                        ("POST", "/add-leaf", leaf.body, 200),
                        ("GET", "/get-leaves/9/8", None, 400),
                        ("HEAD", "/get-tree-head", None, 200),
                        ("GET", f"/nothing-{number}", None, 404),
                        ("GET", "/get-tree-head", None, 200),
                    ):
                        expected.append((method, status))
                        stream += connection.encode(method, target, body)
                connection.send(stream)
                for method, status in expected:
                    answer = connection.read_response(is_head=method == "HEAD")
                    self.assertEqual(answer.status, status)
                # In the order in which they were sent.
                self.assertEqual(log.leaves(), [
                    wire.Leaf.numbered(log.signer, number).encoded for number in range(40)])

    def test_pipelining_without_reading(self):
        """More output than any buffer takes: nothing is lost, and memory stays bounded."""
        with harness.Log(min_interval="0s") as log:
            log.add_leaves([wire.Leaf.numbered(log.signer, number) for number in range(512)])
            log.tree_head(size_at_least=512)
            page = log.get("/get-leaves/0/512").body
            with log.connect() as connection:
                request = connection.encode("GET", "/get-leaves/0/512")
                connection.socket.setblocking(False)
                stream, sent = memoryview(request * 100_000), 0
                # Until the server stops reading, which it must.
                with contextlib.suppress(BlockingIOError):
                    while sent < len(stream):
                        sent += connection.socket.send(stream[sent:sent + 100 * len(request)])
                with self.subTest("bounded"):
                    self.assertLess(memory(log), 100 << 20)
                connection.socket.settimeout(wire.DEADLINE_SECONDS)
                for _ in range(min(sent // len(request), 200)):
                    self.assertEqual(connection.read_response().body, page)

    def test_byte_by_byte(self):
        with self.log.connect() as connection:
            for method, target, body, status in self.requests():
                for byte in connection.encode(method, target, body):
                    connection.send(bytes([byte]))
                answer = connection.read_response(is_head=method == "HEAD")
                self.assertEqual(answer.status, status, target)

    def test_cut_at_every_place(self):
        with self.log.connect() as connection:
            request = connection.encode("POST", "/add-leaf", self.leaf.body, x="y")
            for place in range(1, len(request), 7):
                connection.send(request[:place])
                connection.send(request[place:])
                self.assertEqual(connection.read_response().status, 200, place)

    def test_chunked_leaves(self):
        chunkings = ([1] * 330, [330], [100, 1, 200, 29], [7] * 48)
        for number, sizes in enumerate(chunkings):
            leaf = wire.Leaf.numbered(self.log.signer, 100 + number)
            rest, chunks = leaf.body, b""
            extension = b"" if sizes[0] == 1 else b";name=\"value\" ; flag"
            for size in sizes:
                part, rest = rest[:size], rest[size:]
                chunks += b"%x%s\r\n%s\r\n" % (len(part), extension, part) if part else b""
            self.assertEqual(rest, b"")
            with self.log.connect() as connection:
                connection.send(POST + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks
                                + b"0\r\nTrailer: x\r\n\r\n" + HEAD + b"\r\n")
                self.assertEqual(connection.read_response().status, 200, sizes[:3])
                self.assertEqual(connection.read_response().status, 200)
            self.assertIn(leaf.encoded, self.log.leaves())

    def test_expect_continue(self):
        leaf = wire.Leaf.numbered(self.log.signer, 200)
        with self.log.connect() as connection:
            connection.send(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
                            % len(leaf.body))
            interim = connection.socket.recv(1000)
            self.assertEqual(interim, b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.send(leaf.body)
            self.assertEqual(connection.read_response().status, 200)
            # Who sends the body at once is not told to go on.
            connection.send(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
                            % len(leaf.body) + leaf.body)
            self.assertRegex(connection.socket.recv(1000), rb"\AHTTP/1.1 200 ")

    def test_http_1_0(self):
        request, head = b"GET /get-tree-head HTTP/1.0\r\n\r\n", self.last_head()
        with self.log.connect() as connection:
            connection.send(request)
            answer = connection.read_response()
            self.assertEqual((answer.status, answer.body), (200, head))
            self.assertEqual(connection.read_until_closed(), b"")
        with self.log.connect() as connection:
            for _ in range(3):
                connection.send(request[:-2] + b"Connection: Keep-Alive\r\n\r\n")
                answer = connection.read_response()
                self.assertEqual(answer.field("Connection"), "keep-alive")
            connection.send(request)
            connection.read_response()
            self.assertEqual(connection.read_until_closed(), b"")

    def test_connection_close(self):
        for value in (b"close", b"Close", b"x, close", b"keep-alive, close"):
            with self.log.connect() as connection:
                connection.send(HEAD + b"Connection: " + value + b"\r\n\r\n" + HEAD + b"\r\n")
                answer = connection.read_response()
                self.assertEqual(answer.field("Connection"), "close")
                self.assertEqual(connection.read_until_closed(), b"", value)

    def test_half_closed_connections_get_their_answers(self):
        leaf = wire.Leaf.numbered(self.log.signer, 300)
        with self.log.connect() as connection:
            connection.send(connection.encode("POST", "/add-leaf", leaf.body) + HEAD + b"\r\n")
            connection.finish_sending()
            self.assertEqual(connection.read_response().status, 200)
            self.assertEqual(connection.read_response().status, 200)
            self.assertEqual(connection.read_until_closed(), b"")

    def test_bodies_of_reads_are_dropped(self):
        head = self.last_head()
        with self.log.connect() as connection:
            for _ in range(2):
                connection.send(HEAD + b"Content-Length: 40\r\n\r\n" + b"GET / HTTP/1.1\r\n" * 2
                                + b"12345678" + HEAD + b"\r\n")
                self.assertEqual(connection.read_response().status, 200)
                self.assertEqual(connection.read_response().body, head)

    def test_answers_have_a_date(self):
        answer = self.log.get("/get-tree-head")
        self.assertRegex(answer.field("Date"), r"\A[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} "
                                               r"\d\d:\d\d:\d\d GMT\Z")

    def test_all_addresses_of_localhost(self):
        with harness.Log(external_endpoint=f"localhost:{harness.free_port()}") as log:
            port = int(log.options["external_endpoint"].partition(":")[2])
            families = {info[0] for info in socket.getaddrinfo("localhost", port)}
            for family in families:
                address = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}[family]
                if not has_address(family, address):
                    continue
                with wire.Connection((address, port)) as connection:
                    self.assertIn(connection.request("GET", "/").status, (200,))

    def last_head(self) -> bytes:
        """The tree head of all leaves that there are: until there are more it stays."""
        self.log.tree_head(size_at_least=len(self.log.leaves()))
        return self.log.get("/get-tree-head").body


class Abuse(OneLog):
    def test_clients_that_close_in_the_middle(self):
        requests = [HEAD + b"\r\n", POST + b"Content-Length: 300\r\n\r\n" + b"m" * 100,
                    self.leaf.body, POST, b"G", b"", b"\r\n",
                    POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"]
        before = descriptors(self.log)
        for turn in range(300):
            with self.log.connect() as connection:
                with contextlib.suppress(ConnectionError):
                    connection.send(requests[turn % len(requests)])
                if turn % 3 == 0:
                    # A reset instead of a close.
                    connection.socket.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.assert_settles(before)

    def test_clients_that_close_before_their_leaf_is_answered(self):
        before = descriptors(self.log)
        leaves = [wire.Leaf.numbered(self.log.signer, 1000 + number) for number in range(100)]
        for leaf in leaves:
            with self.log.connect() as connection:
                connection.send(connection.encode("POST", "/add-leaf", leaf.body))
        self.assert_settles(before)
        # Whoever asks again learns that it is there, or adds it now.
        self.log.add_leaves(leaves)

    def test_clients_that_go_on_sending_after_a_refusal(self):
        for _ in range(5):
            with self.log.connect() as connection:
                connection.socket.settimeout(5)
                with contextlib.suppress(OSError):
                    connection.send(b"nonsense\r\n\r\n")
                    for _ in range(200):
                        connection.send(b"x" * 65536)
        self.assertLess(memory(self.log), 100 << 20)

    def test_many_idle_connections(self):
        """2000, some in the middle of a request: others are served, memory stays bounded."""
        harness.need_descriptors(self, 4500)
        with harness.Log() as log, contextlib.ExitStack() as stack:
            # What comes with the first leaf is there already.
            log.add_leaf(0)
            at_first, before = memory(log), descriptors(log)
            for number in range(2000):
                connection = stack.enter_context(log.connect())
                connection.send((b"", HEAD, HEAD + b"\r\n", POST + b"Content-Length: 9\r\n\r\nx")
                                [number % 4])
            self.assertIn(log.get("/get-tree-head").status, (200, 503))
            # And the one that asks; others that were just closed may still be counted, and some may
            # still wait to be accepted: of those the peer cannot know.
            deadline = time.monotonic() + wire.DEADLINE_SECONDS
            while (count := log.metrics()["http_connections"]) != 2001:
                self.assertLess(time.monotonic(), deadline, f"{count} connections")
            log.add_leaf(1)
            grown = memory(log) - at_first
            self.assertLess(grown, 64 << 20, f"{grown >> 10} KiB for 2000 connections")
            stack.close()
            self.assert_settles(before, log)

    def test_more_connections_than_descriptors(self):
        """Those who are there already are served, and heads are published, whoever else comes."""
        prlimit = harness.tool("prlimit", "util-linux")
        # Each thread has descriptors of its own.
        log = harness.Log(min_interval="0s", threads=2)
        self.addCleanup(log.close)
        self.assertEqual(log.mktree().returncode, 0)
        log.launch(prefix=[prlimit, "--nofile=150:200"])
        log.wait_until_ready()
        with log.connect() as client, contextlib.ExitStack() as stack:
            self.assertEqual(client.request("GET", "/").status, 200)
            for _ in range(300):
                stack.enter_context(log.connect())
            for number in range(3):
                leaf = wire.Leaf.numbered(log.signer, number)
                for _ in range(2):
                    answer = client.request("POST", "/add-leaf", leaf.body)
                    self.assertEqual(answer.status, 200)
            deadline = time.monotonic() + wire.DEADLINE_SECONDS
            while wire.parse_tree_head(client.request("GET", "/get-tree-head").body).size < 3:
                self.assertLess(time.monotonic(), deadline, "nothing is published")
            # All are accepted or refused, so that what follows is not their work.
            accepted = refused = 0
            while accepted + refused < 302:
                self.assertLess(time.monotonic(), deadline, f"{accepted} accepted, {refused} not")
                metrics = log.metrics()
                accepted = metrics["http_connections"]
                refused = metrics["http_connections_refused_total"]
            self.assertGreater(refused, 50)
            began = cpu_seconds(log)
            # Time is what is measured here: it must not all be spent.
            select.select([], [], [], 0.5)
            self.assertLess(cpu_seconds(log) - began, 0.2)
        # It cannot know at once that they are gone; while it does not, it refuses others.
        while log.metrics()["http_connections"] > 5:
            self.assertLess(time.monotonic(), deadline, "connections are left open")
        self.assertEqual(log.get("/").status, 200)

    def test_slow_heads_are_answered_in_the_end(self):
        """A head that never ends costs its sender the connection, after ten seconds or so."""
        with self.log.connect() as connection, self.log.connect() as trickling:
            connection.send(HEAD)
            trickling.send(POST + b"Content-Length: 300\r\n\r\nmess")
            began = time.monotonic()
            while not select.select([connection.socket], [], [], 0.5)[0]:
                self.assertLess(time.monotonic() - began, wire.DEADLINE_SECONDS)
                trickling.send(b"a")
            self.assertEqual(connection.read_response().status, 408)
            self.assertEqual(connection.read_until_closed(), b"")
            # Sending a byte now and then gives no more time.
            self.assertEqual(trickling.read_response().status, 408)

    def test_mangled_requests(self):
        """Whatever comes is answered as HTTP, or the connection is closed; the server goes on."""
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        leaf = self.leaf.body
        samples = [
            HEAD + b"\r\n", POST + b"Content-Length: %d\r\n\r\n" % len(leaf) + leaf,
            POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(leaf), leaf),
            f"GET /get-inclusion-proof/2/{self.leaf.hash.hex()} HTTP/1.1\r\nHost: l\r\n\r\n"
            .encode(),
            b"GET /get-leaves/0/1 HTTP/1.1\r\nHost: l\r\nsigsum-token: a " + b"0" * 128
            + b"\r\nConnection: keep-alive\r\n\r\n",
        ]
        statuses: dict[int, int] = {}
        for turn in range(30_000 if os.environ.get("SIGSUM_LONG") == "1" else 3000):
            request = bytearray(chance.choice(samples) + chance.choice(samples + [b""]))
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                place = chance.randrange(len(request))
                match chance.randrange(5):
                    case 0: request[place] = chance.randrange(256)
                    case 1: del request[place:place + chance.choice((1, 2, 20))]
                    case 2: request[place:place] = chance.choice(
                        (b"\r\n", b"\n", b"\0", b" ", b"%", b"/", b"\xff", b"0", b"9" * 20, b","))
                    case 3: request[place:place] = request[:place][-chance.randrange(1, 200):]
                    case 4: request[place] ^= 1 << chance.randrange(8)
                if not request:
                    break
            with self.subTest(seed=seed, turn=turn), self.log.connect() as connection:
                with contextlib.suppress(ConnectionError):
                    connection.send(bytes(request))
                    connection.finish_sending()
                # A mangled method may make any answer one to HEAD: only what is sure is judged.
                received = connection.read_until_closed()
                if received:
                    match = re.match(rb"HTTP/1\.1 ([1-5]\d\d) [ -~]*\r\n", received)
                    self.assertTrue(match, received[:200])
                    status = int(match[1])
                    statuses[status] = statuses.get(status, 0) + 1
                    self.assertNotEqual(status, 500, bytes(request))
        print(f"     answers to mangled requests: {dict(sorted(statuses.items()))}")
        self.assertLess(memory(self.log), 100 << 20)

    def test_slowhttptest(self):
        program = harness.tool("slowhttptest", "slowhttptest")
        target = "http://{}:{}/add-leaf".format(*self.log.external)
        at_first = memory(self.log)
        for mode in ("-H", "-B"):
            attack = subprocess.Popen(
                [program, mode, "-c", "800", "-r", "800", "-i", "1", "-l", "3", "-u", target,
                 "-x", "10", "-p", "2"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd=self.log.folder)
            self.addCleanup(attack.kill)
            worst = served = 0
            number = 0
            while attack.poll() is None:
                began = time.monotonic()
                self.assert_serves()
                self.assertEqual(self.log.post_leaf(
                    wire.Leaf.numbered(self.log.signer, 5000 + number)).status, 200)
                number, served = number + 1, served + 2
                worst = max(worst, time.monotonic() - began)
            print(f"     slowhttptest {mode}: {served} requests of others served, "
                  f"the slowest pair in {1000 * worst:.0f} ms")
            self.assertGreater(served, 10)
        self.assertLess(memory(self.log) - at_first, 64 << 20)

    def assert_settles(self, most, log=None):
        """The server closes what its peers have closed: waits until so few descriptors are open."""
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while descriptors(log or self.log) > most + 2:
            self.assertLess(time.monotonic(), deadline, "connections are left open")
            self.assertEqual((log or self.log).get("/").status, 200)


def has_address(family: int, address: str) -> bool:
    """Names may stand for addresses that the machine does not have, as IPv6's switched off."""
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def memory(log) -> int:
    """Bytes of anonymous memory: the mapped store is the page cache's."""
    with open(f"/proc/{log.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("RssAnon:"))
    return int(line.split()[1]) << 10


def descriptors(log) -> int:
    return len(os.listdir(f"/proc/{log.process.pid}/fd"))


def cpu_seconds(log) -> float:
    with open(f"/proc/{log.process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
