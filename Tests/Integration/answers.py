# SPDX-License-Identifier: BSD-2-Clause
#
# Ways for a scripted server to answer a request, right ones and every kind of wrong one. Each is a
# function of the exchange, or makes one. What is not about cosignatures fits any kind of server.

import base64
import dataclasses
import os
import threading
from collections.abc import Callable

import checkpoint
import ed25519
import wire
from checkpoint import CosignatureLine
from scripted import TEXT, Exchange, encode

Answer = Callable[[Exchange], None]

HUGE_BYTES = 10_000_000


# ---- Right ones, in unusual ways


def cosign(exchange: Exchange) -> None:
    exchange.judge_and_respond()


def cosign_and_close(exchange: Exchange) -> None:
    """Says `Connection: close`, and does."""
    exchange.judge_and_respond(close=True)


def cosign_in_chunks(exchange: Exchange) -> None:
    exchange.judge_and_respond(chunked=True)


def cosign_until_closed(exchange: Exchange) -> None:
    """The body's end is the connection's."""
    _send_without_length(exchange)
    exchange.close(says_so=True)


def cosign_until_cut(exchange: Exchange) -> None:
    """The same, but that TLS does not say that it was the end."""
    _send_without_length(exchange)
    exchange.close()


def cosign_byte_by_byte(exchange: Exchange) -> None:
    data = encode(*_judged(exchange))
    for at in range(len(data) - 1):
        exchange.send(data[at:at + 1])
    exchange.request.status = int(data[9:12])
    exchange.end()
    exchange.send(data[-1:])


def cosign_after_100(exchange: Exchange) -> None:
    """An interim response first, which nobody asked for."""
    exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    exchange.judge_and_respond()


def cosign_in_a_crowd(exchange: Exchange) -> None:
    """Its line is among lines of other names, keys and lengths, as one of several keys has."""
    status, content_type, body = exchange.server.judge(exchange.request)
    if status == 200:
        witness, head = exchange.server, exchange.request.body.head
        other = ed25519.Signer()
        name = witness.key_name
        body = b"".join([
            checkpoint.note_line(name, os.urandom(4 + 8 + 2420)),
            checkpoint.note_line("witness.example/else", os.urandom(4 + 8 + 64)),
            checkpoint.note_line(name, os.urandom(4)),
            CosignatureLine.make(name, other, witness.log_key, head, witness.clock()).encoded,
            body,
            checkpoint.note_line("a", os.urandom(4 + 8 + 2420)),
            checkpoint.note_line("b/c/\u00e9", os.urandom(76)),
        ])
    exchange.respond(status, body, content_type)


def cosign_twice(exchange: Exchange) -> None:
    """The same line, and then one of another time."""
    status, content_type, body = exchange.server.judge(exchange.request)
    if status == 200:
        line = exchange.request.cosigned
        later = exchange.server.cosign(exchange.request.body.head, line.time + 1)
        body = line.encoded * 2 + later.encoded
    exchange.respond(status, body, content_type)


def after(seconds: float, answer: Answer = cosign) -> Answer:
    def wait_and_answer(exchange: Exchange) -> None:
        exchange.wait(seconds)
        answer(exchange)

    return wait_and_answer


def when(event: threading.Event, answer: Answer = cosign) -> Answer:
    def wait_and_answer(exchange: Exchange) -> None:
        exchange.wait(event=event)
        answer(exchange)

    return wait_and_answer


def at_time(time: Callable[[], int]) -> Answer:
    """A right cosignature of that time."""
    return lambda exchange: exchange.respond(*_judged(exchange, time()))


# ---- Refusals


def status(code: int, body: bytes = b"scripted\n", **options) -> Answer:
    return lambda exchange: exchange.respond(code, body, **options)


def conflict(size: int | bytes, content_type: str | None = checkpoint.SIZE_CONTENT_TYPE) -> Answer:
    """409 with that size, or that body."""
    body = size if isinstance(size, bytes) else b"%d\n" % size
    return lambda exchange: exchange.respond(409, body, content_type)


def conflict_beyond(more: int) -> Answer:
    """409 with a size that is so much larger than the tree's."""
    return lambda exchange: exchange.respond(
        409, b"%d\n" % (exchange.request.size + more), checkpoint.SIZE_CONTENT_TYPE)


def conflict_same(exchange: Exchange) -> None:
    """409 with the very size that the log asked from."""
    exchange.respond(409, b"%d\n" % exchange.request.body.old_size, checkpoint.SIZE_CONTENT_TYPE)


def conflict_below(exchange: Exchange) -> None:
    """409 with a size that is smaller than the one asked from, again and again."""
    exchange.respond(409, b"%d\n" % max(0, exchange.request.body.old_size - 1),
                     checkpoint.SIZE_CONTENT_TYPE)


# ---- Wrong 200s


def body(data: bytes, content_type: str | None = TEXT) -> Answer:
    return lambda exchange: exchange.respond(200, data, content_type)


def garbage(exchange: Exchange) -> None:
    exchange.respond(200, os.urandom(500))


def _with_line(change: Callable[[Exchange, CosignatureLine], bytes]) -> Answer:
    """A body made from a right line, without the witness remembering that it cosigned."""

    def answer(exchange: Exchange) -> None:
        line = exchange.server.cosign(exchange.request.body.head)
        exchange.respond(200, change(exchange, line))

    return answer


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _of_other_tree(exchange: Exchange, size_more: int = 0) -> bytes:
    head = exchange.request.body.head
    other = wire.TreeHead(head.size + size_more, os.urandom(32), b"")
    return exchange.server.cosign(other).encoded


bad_signature = _with_line(
    lambda _, line: dataclasses.replace(line, signature=_flipped(line.signature)).encoded)
bad_key_id = _with_line(
    lambda _, line: dataclasses.replace(line, key_id=_flipped(line.key_id)).encoded)
other_name = _with_line(  # the key id no longer fits
    lambda _, line: dataclasses.replace(line, name="witness.example/else").encoded)
other_time = _with_line(lambda _, line: dataclasses.replace(line, time=line.time + 1).encoded)
other_key = _with_line(
    lambda exchange, line: CosignatureLine.make(
        line.name, ed25519.Signer(), exchange.server.log_key, exchange.request.body.head,
        line.time).encoded)
other_tree = _with_line(lambda exchange, _: _of_other_tree(exchange))
other_size = _with_line(lambda exchange, _: _of_other_tree(exchange, 1))
other_log = _with_line(
    lambda exchange, line: CosignatureLine.make(
        line.name, exchange.server.signer, ed25519.Signer().public_key,
        exchange.request.body.head, line.time).encoded)
no_line_feed = _with_line(lambda _, line: line.encoded[:-1])
no_dash = _with_line(lambda _, line: line.encoded[3:])
carriage_return = _with_line(lambda _, line: line.encoded[:-1] + b"\r\n")
whole_note = _with_line(
    lambda exchange, line: exchange.request.body.encoded.partition(b"\n\n")[2] + line.encoded)
cut_base64 = _with_line(lambda _, line: line.encoded[:-5] + b"\n")
log_signature = _with_line(  # the log's own line back
    lambda exchange, _: checkpoint.note_line(
        exchange.request.body.origin,
        exchange.request.body.key_id + exchange.request.body.head.signature))
time_zero = at_time(lambda: 0)
time_too_large = at_time(lambda: 1 << 63)
time_largest = at_time(lambda: (1 << 64) - 1)

WRONG_BODIES: dict[str, Answer] = {
    "empty": body(b""), "a line feed": body(b"\n"), "text": body(b"thank you\n"),
    "garbage": garbage, "bad signature": bad_signature, "bad key id": bad_key_id,
    "other name": other_name, "other time": other_time, "other key": other_key,
    "other tree": other_tree, "other size": other_size, "other log": other_log,
    "no line feed": no_line_feed, "no dash": no_dash, "carriage return": carriage_return,
    "whole note": whole_note, "cut base64": cut_base64, "log signature": log_signature,
    "gzip": status(200, b"\x1f\x8b", fields=("Content-Encoding: gzip",)),
    "time zero": time_zero, "time 2^63": time_too_large, "time 2^64-1": time_largest,
}


# ---- Wrong HTTP


def raw(data: bytes) -> Answer:
    """Those bytes, and then the connection's end."""

    def answer(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.close()

    return answer


def close_at_once(exchange: Exchange) -> None:
    exchange.close()


def close_in_head(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    exchange.close()


def close_in_body(exchange: Exchange) -> None:
    """All but the last byte of a right answer. The witness remembers that it cosigned."""
    exchange.send(encode(*_judged(exchange))[:-1])
    exchange.close()


def close_in_chunks(exchange: Exchange) -> None:
    exchange.send(encode(*_judged(exchange), chunked=True)[:-3])
    exchange.close()


def huge(exchange: Exchange) -> None:
    _send_huge(exchange, b"Content-Length: %d\r\n" % HUGE_BYTES)


def huge_in_chunks(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    part = b"%x\r\n%s\r\n" % (65536, _line_of(65536))
    for _ in range(HUGE_BYTES // 65536):
        exchange.send(part)
    exchange.send(b"0\r\n\r\n")
    exchange.close()


def huge_until_closed(exchange: Exchange) -> None:
    _send_huge(exchange, b"")


def huge_head(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\n")
    for _ in range(HUGE_BYTES // 1000):
        exchange.send(b"X-Filler: " + b"x" * 988 + b"\r\n")
    exchange.close()


def huge_conflict(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\n"
                  b"Content-Length: %d\r\n\r\n" % HUGE_BYTES)
    for _ in range(HUGE_BYTES // 10000):
        exchange.send(b"9" * 10000)
    exchange.close()


def hang(exchange: Exchange) -> None:
    """Says nothing until the log closes."""
    exchange.wait()


def hang_in_head(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-")
    exchange.wait()


def hang_in_body(exchange: Exchange) -> None:
    exchange.send(encode(*_judged(exchange))[:-1])
    exchange.wait()


def drip_body(exchange: Exchange) -> None:
    """A body that never ends, a byte at a time, so that every single wait is short."""
    exchange.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        exchange.send(b"x")
        exchange.wait(0.02)


def drip_head(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nX-Filler: ")
    while True:
        exchange.send(b"x")
        exchange.wait(0.02)


def drip_interim(exchange: Exchange) -> None:
    """Interim responses without end."""
    while True:
        exchange.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        exchange.wait(0.005)


WRONG_HTTP: dict[str, Answer] = {
    "closed at once": close_at_once, "closed in the head": close_in_head,
    "closed in the body": close_in_body, "closed in chunks": close_in_chunks,
    "not HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "HTTP/2 preface": raw(b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80"),
    "bare line feeds": raw(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    "status 99": raw(b"HTTP/1.1 99 Odd\r\nContent-Length: 0\r\n\r\n"),
    "switching": raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
    "two lengths": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "negative length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabcd"),
    "overflowing length": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na"),
    "length and chunks": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                             b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "bad chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
}

HUGE: dict[str, Answer] = {
    "body": huge, "chunks": huge_in_chunks, "until closed": huge_until_closed,
    "head": huge_head, "conflict": huge_conflict,
}

# Those that end only by the log's own deadline.
ENDLESS: dict[str, Answer] = {
    "nothing": hang, "in the head": hang_in_head, "in the body": hang_in_body,
    "dripping body": drip_body, "dripping head": drip_head, "interim responses": drip_interim,
}

REFUSALS: dict[str, Answer] = {
    **{str(code): status(code) for code in (400, 401, 403, 404, 418, 429, 500, 502, 503, 504)},
    "204": raw(b"HTTP/1.1 204 No Content\r\n\r\n"), "201": status(201), "206": status(206),
    "redirect": status(301, fields=("Location: http://127.0.0.1:9/",)), "599": status(599),
}

CONFLICTS: dict[str, Answer] = {
    "malformed size": conflict(b"many\n"), "empty size": conflict(b""),
    "negative size": conflict(b"-1\n"), "leading zero": conflict(b"01\n"),
    "no line feed": conflict(b"0"), "two lines": conflict(b"0\n0\n"),
    "2^63": conflict(b"9223372036854775808\n"), "2^64": conflict(b"18446744073709551616\n"),
    "other content type": conflict(b"0\n", "text/plain"), "no content type": conflict(b"0\n", None),
    "smaller for ever": conflict_below, "the same size": conflict_same,
}


def _judged(exchange: Exchange, *arguments) -> tuple[int, bytes, str]:
    code, content_type, data = exchange.server.judge(exchange.request, *arguments)
    return code, data, content_type


def _send_without_length(exchange: Exchange) -> None:
    code, content_type, data = exchange.server.judge(exchange.request)
    exchange.request.status = code
    exchange.send(b"HTTP/1.1 %d Scripted\r\nContent-Type: %s\r\n\r\n%s"
                  % (code, content_type.encode(), data))


def _line_of(length: int) -> bytes:
    return base64.b64encode(bytes(length))[:length]


def _send_huge(exchange: Exchange, length_field: bytes) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n%s\r\n" % length_field)
    part = _line_of(100_000)
    for _ in range(HUGE_BYTES // len(part)):
        exchange.send(part)
    exchange.close(says_so=True)
