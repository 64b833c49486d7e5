# SPDX-License-Identifier: BSD-2-Clause
#
# An HTTP server that does what a test tells it: the half that scripted witnesses (witness.py),
# primaries and secondaries (scripted_nodes.py) share. By itself it answers as a right server of its
# kind does; how it answers one request or all of them is scripted with the answers of answers.py.
# It judges who asks, too: a request that is not well formed, or two in flight at once where that is
# wrong, is a complaint, and a complaint fails the test that closes the server.
#
#     with ScriptedWitness(log.public_key) as server:
#         server.next(answers.status(500))      # once; several are taken in order
#         server.always(answers.hang)           # from now on
#         server.wait_for_requests(2)

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
from typing import Self

import harness
import wire

TEXT = "text/plain; charset=utf-8"


@dataclass
class Request:
    """A request as it came, and what became of it. Times are those of time.monotonic()."""

    number: int
    connection: int
    body: object  # what the server has made of it
    fields: list[tuple[str, str]]
    came: float
    status: int | None = None  # None where no status line was sent
    ended: float | None = None

    def field(self, name: str) -> str | None:
        """The values of a field, joined; None where it is absent."""
        return ", ".join(value for key, value in self.fields if key == name.lower()) or None

    def __str__(self) -> str:
        return (f"request {self.number} on connection {self.connection}, {self.body}, "
                f"answered {self.status}")


class Abandoned(Exception):
    """The client, or the test, has closed the connection while the answer was still coming."""


class ScriptedServer:
    request_type = Request
    # Whether a client that is right has never two requests in flight.
    is_asked_one_at_a_time = True

    def __init__(self, host: str = "127.0.0.1", prefix: str = "",
                 tls: ssl.SSLContext | None = None, name_in_url: str | None = None,
                 is_mute: bool = False):
        """`is_mute`: connections are taken, and then nothing is read or said."""
        self.address = (host, harness.free_port())
        shown = name_in_url or (f"[{host}]" if ":" in host else host)
        self.authority = f"{shown}:{self.address[1]}"
        self.prefix = prefix
        self.url = f"{'https' if tls else 'http'}://{self.authority}{prefix}"
        # What it answers: first those of the queue, one each, then always the same.
        self._queue: collections.deque[Callable] = collections.deque()
        self._always: Callable = lambda exchange: exchange.judge_and_respond()
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

    # What a subclass provides.

    def parse(self, method: str, target: str, fields: list[tuple[str, str]], data: bytes) -> object:
        """The request's `body`. Raises what is not right about it; that is a complaint."""
        raise NotImplementedError

    def judge(self, request: Request) -> tuple[int, str, bytes]:
        """What a right server answers: status, content type and body."""
        raise NotImplementedError

    # Life

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind, *_) -> None:
        self.close()
        # A test that has failed already says why itself.
        if kind is None:
            assert not self.complaints, "\n".join(self.complaints)

    def start(self) -> Self:
        """Listens, always on the one port that its URL has."""
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self._listener = socket.create_server(self.address, family=family, backlog=64)
        self._run(self._accept, self._listener)
        return self

    def close(self) -> None:
        """Listens no more, and closes every connection; what it knows it still remembers."""
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

    def always(self, answer: Callable) -> int:
        """
        The answer to every request from now on that no answer of `next` is left for. Returns the
        number of the first of these.
        """
        with self._changed:
            self._queue.clear()
            self._always = answer
            return len(self.requests)

    def behave(self) -> None:
        self.always(lambda exchange: exchange.judge_and_respond())

    # What it saw

    def wait_for(self, condition: Callable[[], object], what: str = "") -> None:
        """Until the condition holds; it is asked again whenever a request comes or ends."""
        with self._changed:
            assert self._changed.wait_for(condition, wire.DEADLINE_SECONDS), (
                f"{type(self).__name__} waits in vain {what}; it had:\n"
                + "\n".join(map(str, self.requests[-10:])))

    def wait_for_requests(self, count: int) -> Request:
        """Until it has had that many requests in all; returns the last of those."""
        self.wait_for(lambda: len(self.requests) >= count, f"for request {count}")
        return self.requests[count - 1]

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
        with self._changed:
            fields, body = read
            request = self.request_type(len(self.requests), number, body, fields, time.monotonic())
            exchange = Exchange(self, connection, request)
            for other in self._exchanges:
                # A close may be seen later than what came after it on another connection. This
                # request, too, may be the earlier one, read before its client closed.
                if (self.is_asked_one_at_a_time and not other.is_abandoned(within=1)
                        and not exchange.is_abandoned()):
                    self.complaints.append(f"another comes in the middle of {other.request}")
            self._exchanges.append(exchange)
            self.requests.append(request)
            answer = self._queue.popleft() if self._queue else self._always
            self._changed.notify_all()
        try:
            answer(exchange)
        finally:
            exchange.end()
        return exchange.keeps_alive

    def _read(self, connection: socket.socket) -> tuple[list[tuple[str, str]], object] | None:
        """
        The next request, None when the client closes instead, or in its middle, as one that is
        killed does. Raises what is not right about it.
        """
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(65536)
            if not data:
                return None
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        request_line, *lines = head.decode("ascii").split("\r\n")
        words = re.fullmatch(r"([A-Z]+) (/[!-~]*) HTTP/1\.1", request_line)
        assert words, f"bad request line {request_line!r}"
        fields = []
        for line in lines:
            match = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([ -~]*)", line)
            assert match, f"bad field line {line!r}"
            fields.append((match[1].lower(), match[2]))
        values = {name: [value for key, value in fields if key == name] for name, _ in fields}
        hosts = [value.lower() for value in values.get("host", [])]
        assert hosts == [self.authority.lower()], f"Host: {hosts}"
        assert "transfer-encoding" not in values and "expect" not in values, fields
        (length,) = values.get("content-length", ["0"])
        assert re.fullmatch(r"0|[1-9][0-9]*", length), f"Content-Length: {length!r}"
        while len(body) < int(length):
            data = connection.recv(65536)
            if not data:
                return None
            body += data
        assert len(body) == int(length), f"pipelined: {body[int(length):]!r}"
        return fields, self.parse(words[1], words[2], fields, body)


@dataclass
class Exchange:
    """A request that is being answered. An answer may send any bytes, or none."""

    server: ScriptedServer
    connection: socket.socket
    request: Request
    keeps_alive: bool = True

    # Answering

    def judge_and_respond(self, **options) -> None:
        status, content_type, body = self.server.judge(self.request)
        self.respond(status, body, content_type, **options)

    def respond(self, status: int, body: bytes, content_type: str | None = TEXT, **options) -> None:
        """A whole response, the last of its connection where `close` is set."""
        data = encode(status, body, content_type, **options)
        self.keeps_alive = not options.get("close", False)
        self.request.status = status
        # When its last byte is out, the client may send the next request at once.
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
            if self.is_abandoned(within=max(left, 0) / 1000):
                raise Abandoned

    # State

    def is_abandoned(self, within: float = 0) -> bool:
        """Whether the client has closed the connection, or does so within that many seconds."""
        # An object for each call: two threads may not wait on one at a time.
        poll = select.poll()
        poll.register(self.connection, select.POLLRDHUP)
        return bool(poll.poll(1000 * within))

    def end(self) -> None:
        with self.server._changed:
            if self.request.ended is None:
                self.request.ended = time.monotonic()
                self.server._exchanges.remove(self)
                self.server._changed.notify_all()


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
