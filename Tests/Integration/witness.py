# SPDX-License-Identifier: BSD-2-Clause
#
# A witness that does what a test tells it. By itself it is a right one (C2SP tlog-witness): it
# verifies the log's signature and the consistency proof, remembers what it cosigned, and cosigns.
# How it answers one request or all of them is scripted with the answers of answers.py. It judges
# the log, too: a request that is not well formed, or two in flight at once, is a complaint, and a
# complaint fails the test that closes the witness.
#
#     with ScriptedWitness(log.public_key) as witness:
#         witness.next(answers.status(500))      # once; several are taken in order
#         witness.always(answers.hang)           # from now on
#         witness.wait_for_requests(2)

import collections
import contextlib
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import checkpoint
import ed25519
import harness
import merkle
import wire
from checkpoint import AddCheckpoint, CosignatureLine

TEXT = "text/plain; charset=utf-8"


@dataclass
class Request:
    """A request as it came, and what became of it. Times are those of time.monotonic()."""

    number: int
    connection: int
    body: AddCheckpoint
    fields: list[tuple[str, str]]
    came: float
    status: int | None = None  # None where no status line was sent
    ended: float | None = None
    cosigned: CosignatureLine | None = None

    @property
    def size(self) -> int:
        return self.body.head.size

    def __str__(self) -> str:
        return (f"request {self.number} on connection {self.connection}, {self.body.old_size} to "
                f"{self.size}, answered {self.status}")


class Abandoned(Exception):
    """The log, or the test, has closed the connection while the answer was still coming."""


class ScriptedWitness:
    def __init__(self, log_key: bytes, host: str = "127.0.0.1", prefix: str = "",
                 tls: ssl.SSLContext | None = None, name_in_url: str | None = None,
                 is_mute: bool = False):
        """`is_mute`: connections are taken, and then nothing is read or said."""
        self.log_key = log_key
        self.signer = ed25519.Signer()
        self.public_key, self.key_hash = self.signer.public_key, self.signer.key_hash
        self.key_name = f"witness.example/{self.key_hash.hex()[:8]}"
        self.address = (host, harness.free_port())
        shown = name_in_url or (f"[{host}]" if ":" in host else host)
        self.authority = f"{shown}:{self.address[1]}"
        self.prefix = prefix
        self.url = f"{'https' if tls else 'http'}://{self.authority}{prefix}"
        # What it cosigned last.
        self.size, self.root_hash = 0, checkpoint.EMPTY_ROOT
        # What it answers: first those of the queue, one each, then always the same.
        self._queue: collections.deque[Callable] = collections.deque()
        self._always: Callable = lambda exchange: exchange.judge_and_respond()
        self.clock: Callable[[], int] = lambda: int(time.time())
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self.connection_count = 0
        self.tls_errors: list[str] = []
        self._tls = tls
        self._is_mute = is_mute
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._exchanges: list[Exchange] = []
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()

    # Life

    def __enter__(self) -> "ScriptedWitness":
        return self.start()

    def __exit__(self, kind, *_) -> None:
        self.close()
        # A test that has failed already says why itself.
        if kind is None:
            assert not self.complaints, "\n".join(self.complaints)

    def start(self) -> "ScriptedWitness":
        """Listens, always on the one port that its URL has."""
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self._listener = socket.create_server(self.address, family=family, backlog=64)
        self._run(self._accept, self._listener)
        return self

    def close(self) -> None:
        """Listens no more, and closes every connection; what it cosigned it still remembers."""
        with self._changed:
            listener, self._listener = self._listener, None
        if listener is not None:
            # A close alone would leave the thread in accept.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.close_connections()
        for thread in self._threads:
            thread.join(timeout=wire.DEADLINE_SECONDS)
        self._threads.clear()

    def close_connections(self) -> None:
        with self._changed:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def is_up(self) -> bool:
        return self._listener is not None

    # Script

    def next(self, *answers: Callable) -> None:
        """Answers for the next requests, one each."""
        with self._changed:
            self._queue.extend(answers)

    def always(self, answer: Callable) -> None:
        """The answer to every request from now on that no answer of `next` is left for."""
        with self._changed:
            self._queue.clear()
            self._always = answer

    def behave(self) -> None:
        self.always(lambda exchange: exchange.judge_and_respond())

    def policy_line(self, name: str) -> str:
        return f"witness {name} {self.public_key.hex()} {self.url}"

    # What it saw

    def wait_for(self, condition: Callable[[], object], what: str = "") -> None:
        """Until the condition holds; it is asked again whenever a request comes or ends."""
        with self._changed:
            assert self._changed.wait_for(condition, wire.DEADLINE_SECONDS), (
                f"the witness waits in vain {what}; it had:\n"
                + "\n".join(map(str, self.requests[-10:])))

    def wait_for_requests(self, count: int) -> Request:
        """Until it has had that many requests in all; returns the last of those."""
        self.wait_for(lambda: len(self.requests) >= count, f"for request {count}")
        return self.requests[count - 1]

    def wait_for_cosigned(self, size: int) -> None:
        self.wait_for(lambda: any(request.cosigned and request.size >= size and request.ended
                                  for request in self.requests), f"to cosign size {size}")

    @property
    def idle_connections(self) -> int:
        """Connections on which no request is being answered."""
        with self._changed:
            return len(self._connections) - len(self._exchanges)

    # Serving

    def _run(self, work: Callable, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                if self._listener is not listener:
                    connection.close()
                    return
                self.connection_count += 1
                self._connections.add(connection)
            if not self._is_mute:
                self._run(self._converse, connection, self.connection_count)

    def _converse(self, plain: socket.socket, number: int) -> None:
        connection = plain
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
                with self._changed:
                    self._connections.discard(plain)
                    self._connections.add(connection)
            while self._exchange(connection, number):
                pass
        except ssl.SSLError as error:
            self.tls_errors.append(str(error))
        except (OSError, Abandoned):
            pass
        except Exception as error:  # a request that is not right, or an answer that cannot be made
            with self._changed:
                self.complaints.append(repr(error))
                self._changed.notify_all()
        finally:
            with self._changed:
                self._connections.discard(plain)
                self._connections.discard(connection)
                self._changed.notify_all()
            connection.close()

    def _exchange(self, connection: socket.socket, number: int) -> bool:
        """One request and its answer. False when the connection is not used again."""
        read = self._read(connection)
        if read is None:
            return False
        fields, body = read
        with self._changed:
            for other in self._exchanges:
                if not other.is_abandoned:
                    self.complaints.append(f"another comes in the middle of {other.request}")
            request = Request(len(self.requests), number, body, fields, time.monotonic())
            exchange = Exchange(self, connection, request)
            self._exchanges.append(exchange)
            self.requests.append(request)
            answer = self._queue.popleft() if self._queue else self._always
            self._changed.notify_all()
        try:
            answer(exchange)
        finally:
            exchange.end()
        return exchange.keeps_alive

    def _read(self, connection: socket.socket
              ) -> tuple[list[tuple[str, str]], AddCheckpoint] | None:
        """
        The next request, None when the log closes instead, or in its middle, as one that is killed
        does. Raises what is not right about it.
        """
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(65536)
            if not data:
                return None
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        request_line, *lines = head.decode("ascii").split("\r\n")
        assert request_line == f"POST {self.prefix}/add-checkpoint HTTP/1.1", request_line
        fields = []
        for line in lines:
            match = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([ -~]*)", line)
            assert match, f"bad field line {line!r}"
            fields.append((match[1].lower(), match[2]))
        values = {name: [value for key, value in fields if key == name] for name, _ in fields}
        hosts = [value.lower() for value in values.get("host", [])]
        assert hosts == [self.authority.lower()], f"Host: {hosts}"
        assert "transfer-encoding" not in values and "expect" not in values, fields
        (length,) = values.get("content-length", [""])
        assert re.fullmatch(r"[1-9][0-9]*", length), f"Content-Length: {length!r}"
        while len(body) < int(length):
            data = connection.recv(65536)
            if not data:
                return None
            body += data
        assert len(body) == int(length), f"pipelined: {body[int(length):]!r}"
        return fields, AddCheckpoint.parse(body)

    # Judging

    def judge(self, request: Request, time: int | None = None) -> tuple[int, str, bytes]:
        """What a right witness answers: status, content type and body; a 200 is remembered."""
        asked = request.body
        with self._changed:
            if asked.origin != checkpoint.origin(self.log_key):
                return 404, TEXT, b"unknown log\n"
            if not asked.is_signed_by(self.log_key):
                self.complaints.append(f"a wrong signature: {asked}")
                return 403, TEXT, b"bad signature\n"
            if asked.old_size > asked.head.size:
                return 400, TEXT, b"old size above size\n"
            if asked.old_size != self.size:
                return 409, checkpoint.SIZE_CONTENT_TYPE, b"%d\n" % self.size
            if not self._is_consistent(asked):
                return 422, TEXT, b"not consistent\n"
            self.size, self.root_hash = asked.head.size, asked.head.root_hash
            request.cosigned = self.cosign(asked.head, time)
            return 200, TEXT, request.cosigned.encoded

    def cosign(self, head: wire.TreeHead, time: int | None = None) -> CosignatureLine:
        return CosignatureLine.make(self.key_name, self.signer, self.log_key, head,
                                    self.clock() if time is None else time)

    def _is_consistent(self, asked: AddCheckpoint) -> bool:
        if asked.head.size == 0 and asked.head.root_hash != checkpoint.EMPTY_ROOT:
            return False
        if asked.old_size == 0:
            return not asked.proof
        return merkle.verify_consistency(self.size, asked.head.size, self.root_hash,
                                         asked.head.root_hash, asked.proof)


@dataclass
class Exchange:
    """A request that is being answered. An answer may send any bytes, or none."""

    witness: ScriptedWitness
    connection: socket.socket
    request: Request
    keeps_alive: bool = True

    # Answering

    def judge_and_respond(self, **options) -> None:
        status, content_type, body = self.witness.judge(self.request)
        self.respond(status, body, content_type, **options)

    def respond(self, status: int, body: bytes, content_type: str | None = TEXT, **options) -> None:
        """A whole response, the last of its connection where `close` is set."""
        data = encode(status, body, content_type, **options)
        self.keeps_alive = not options.get("close", False)
        self.request.status = status
        # When its last byte is out, the log may send the next request at once.
        self.end()
        self.send(data)

    def send(self, data: bytes) -> None:
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise Abandoned from error

    def close(self, says_so: bool = False) -> None:
        """Ends the exchange and the connection, whatever was sent; `says_so`: in TLS, too."""
        self.keeps_alive = False
        self.end()
        if says_so and isinstance(self.connection, ssl.SSLSocket):
            self.connection.settimeout(1)
            with contextlib.suppress(OSError):
                self.connection.unwrap()

    def wait(self, seconds: float | None = None, event: threading.Event | None = None) -> None:
        """
        Until the time is over or the event has come, where one is given. Raises Abandoned when the
        connection is closed first.
        """
        until = None if seconds is None else time.monotonic() + seconds
        while not (event and event.is_set()) and (until is None or time.monotonic() < until):
            left = 20 if until is None else min(20, 1000 * (until - time.monotonic()))
            if self._is_closed(max(left, 0)):
                raise Abandoned

    # State

    @property
    def is_abandoned(self) -> bool:
        """Whether the log has closed the connection."""
        return self._is_closed(0)

    def _is_closed(self, milliseconds: float) -> bool:
        # An object for each call: two threads may not wait on one at a time.
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP)
        return bool(poll.poll(milliseconds))

    def end(self) -> None:
        with self.witness._changed:
            if self.request.ended is None:
                self.request.ended = time.monotonic()
                self.witness._exchanges.remove(self)
                self.witness._changed.notify_all()


def encode(status: int, body: bytes, content_type: str | None = TEXT, close: bool = False,
           chunked: bool = False, fields: tuple[str, ...] = ()) -> bytes:
    """A response, as a right server would send it."""
    lines = [f"HTTP/1.1 {status} Scripted", *fields]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    if close:
        lines.append("Connection: close")
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        cut = len(body) // 2
        parts = [part for part in (body[:cut], body[cut:]) if part]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    else:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
