# SPDX-License-Identifier: BSD-2-Clause
#
# What goes over the wire, for the integration tests: an HTTP/1.1 client on a raw socket, which can
# say anything, right or wrong, and takes only answers that are right; Sigsum's ASCII bodies, parsed
# as strictly as the protocol writes them; and leaves and tree heads with the bytes that are signed.

import base64
import hashlib
import re
import select
import socket
from dataclasses import dataclass, field

import ed25519
import merkle

# How long any wait may take before the test fails. Never a pause: what is waited for is an event.
DEADLINE_SECONDS = 30.0


@dataclass
class Response:
    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes
    version: str = "HTTP/1.1"

    def field(self, name: str) -> str | None:
        """The value of a field that must not be repeated, None where it is absent."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        if len(values) > 1:
            raise AssertionError(f"{name} is repeated: {values}")
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


class ConnectionClosed(Exception):
    """The peer closed before a whole response was there. `received` is what came."""

    def __init__(self, received: bytes):
        super().__init__(f"connection closed after {len(received)} bytes: {received[:200]!r}")
        self.received = received


class Connection:
    """One TCP connection. Requests may be pipelined: send several, then read as many responses."""

    def __init__(self, address: tuple[str, int], timeout: float = DEADLINE_SECONDS,
                 takes_chunks: bool = False):
        """`takes_chunks`: from another server than ours, which never sends any."""
        self.address = address
        self.takes_chunks = takes_chunks
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    @property
    def has_bytes(self) -> bool:
        """Whether anything has arrived that was not read yet."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))

    def finish_sending(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def request(self, method: str, target: str, body: bytes | None = None, **fields) -> Response:
        """Sends one well-formed request and reads its response."""
        self.send(self.encode(method, target, body, **fields))
        return self.read_response(is_head=method == "HEAD")

    def encode(self, method: str, target: str, body: bytes | None = None, **fields) -> bytes:
        """Field names are given with underscores: `sigsum_token="..."`."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.address[0]}:{self.address[1]}"]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")

    def read_response(self, is_head: bool = False) -> Response:
        """The next response; 100 Continue is passed over. Raises ConnectionClosed."""
        head, _, self._received = self._receive_until(b"\r\n\r\n").partition(b"\r\n\r\n")
        status_line, *field_lines = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"(HTTP/1\.[01]) ([1-5][0-9]{2}) ([ -~]*)", status_line)
        assert match, f"bad status line: {status_line!r}"
        fields = []
        for line in field_lines:
            parts = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~]*?)[ \t]*", line)
            assert parts, f"bad field line: {line!r}"
            fields.append((parts[1], parts[2]))
        response = Response(int(match[2]), match[3], fields, b"", match[1])
        if response.status == 100:
            return self.read_response(is_head)
        if self.takes_chunks and response.field("Transfer-Encoding") == "chunked":
            response.body = b"" if is_head else self._read_chunks()
            return response
        assert response.field("Transfer-Encoding") is None, "the server never sends chunks"
        length = response.field("Content-Length")
        assert length is not None and re.fullmatch(r"0|[1-9][0-9]*", length), f"length {length!r}"
        if not is_head:
            response.body = self._read_bytes(int(length))
        return response

    def _read_chunks(self) -> bytes:
        body = b""
        while True:
            line, _, self._received = self._receive_until(b"\r\n").partition(b"\r\n")
            chunk = self._read_bytes(int(line, 16) + 2)
            if chunk == b"\r\n":
                return body
            body += chunk[:-2]

    def _read_bytes(self, count: int) -> bytes:
        while len(self._received) < count:
            self._receive()
        data, self._received = self._received[:count], self._received[count:]
        return data

    def read_until_closed(self) -> bytes:
        """Everything until the peer closes, or resets, the connection."""
        try:
            while True:
                self._receive()
        except ConnectionClosed as closed:
            self._received = b""
            return closed.received

    def _receive_until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._receive()
        return self._received

    def _receive(self) -> None:
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            raise ConnectionClosed(self._received)
        self._received += data


# ---- Values


@dataclass(frozen=True)
class Leaf:
    """A signed leaf; `message` is what the submitter sends, its hash is the leaf's checksum."""

    message: bytes
    signature: bytes
    public_key: bytes

    @classmethod
    def make(cls, signer: ed25519.Signer, message: bytes) -> "Leaf":
        checksum = hashlib.sha256(message).digest()
        signature = signer.sign(b"sigsum.org/v1/tree-leaf\0" + checksum)
        return cls(message, signature, signer.public_key)

    @classmethod
    def numbered(cls, signer: ed25519.Signer, number: int) -> "Leaf":
        return cls.make(signer, hashlib.sha256(number.to_bytes(32, "big")).digest())

    @property
    def encoded(self) -> bytes:
        """The 128 bytes that the tree holds."""
        checksum = hashlib.sha256(self.message).digest()
        return checksum + self.signature + hashlib.sha256(self.public_key).digest()

    @property
    def hash(self) -> bytes:
        return merkle.hash_leaf(self.encoded)

    @property
    def body(self) -> bytes:
        """The body of an add-leaf request."""
        return (
            f"message={self.message.hex()}\nsignature={self.signature.hex()}\n"
            f"public_key={self.public_key.hex()}\n"
        ).encode("ascii")


def submit_token(signer: ed25519.Signer, log: bytes, domain: str) -> str:
    """
    The value of a sigsum-token field: `domain`, as it is, stands behind whoever sends it to the log
    with this public key.
    """
    signature = signer.sign(b"sigsum.org/v1/submit-token\0" + log)
    # Field values are bytes, and encoded as latin-1 here.
    return f"{domain.encode('utf-8').decode('latin-1')} {signature.hex()}"


@dataclass(frozen=True)
class TreeHead:
    size: int
    root_hash: bytes
    signature: bytes
    cosignatures: list[tuple[bytes, int, bytes]] = field(default_factory=list)

    @classmethod
    def make(cls, signer: ed25519.Signer, size: int, root_hash: bytes) -> "TreeHead":
        text = cls.signed_text(signer.public_key, size, root_hash)
        return cls(size, root_hash, signer.sign(text))

    @staticmethod
    def signed_text(public_key: bytes, size: int, root_hash: bytes) -> bytes:
        key_hash = hashlib.sha256(public_key).hexdigest()
        root = base64.b64encode(root_hash).decode("ascii")
        return f"sigsum.org/v1/tree/{key_hash}\n{size}\n{root}\n".encode("ascii")

    def is_signed_by(self, public_key: bytes) -> bool:
        text = self.signed_text(public_key, self.size, self.root_hash)
        return ed25519.verify(public_key, self.signature, text)

    @property
    def encoded(self) -> bytes:
        """The text of the sth file."""
        return (
            f"size={self.size}\nroot_hash={self.root_hash.hex()}\n"
            f"signature={self.signature.hex()}\n"
        ).encode("ascii")


# ---- ASCII bodies. A body that is not exactly as the protocol writes it raises ValueError.

_NUMBER = "(0|[1-9][0-9]{0,18})"
_HASH = "([0-9a-f]{64})"
_SIGNATURE = "([0-9a-f]{128})"


def parse_tree_head(body: bytes) -> TreeHead:
    lines = _lines(body)
    if len(lines) < 3:
        raise ValueError(f"a tree head has at least three lines: {body!r}")
    size = _match(f"size={_NUMBER}", lines[0])
    root_hash = _match(f"root_hash={_HASH}", lines[1])
    signature = _match(f"signature={_SIGNATURE}", lines[2])
    cosignatures = []
    for line in lines[3:]:
        parts = _match(f"cosignature={_HASH} {_NUMBER} {_SIGNATURE}", line)
        cosignatures.append((bytes.fromhex(parts[1]), int(parts[2]), bytes.fromhex(parts[3])))
    if len({key_hash for key_hash, _, _ in cosignatures}) != len(cosignatures):
        raise ValueError("two cosignatures with one key hash")
    return TreeHead(
        int(size[1]), bytes.fromhex(root_hash[1]), bytes.fromhex(signature[1]), cosignatures
    )


def parse_inclusion_proof(body: bytes) -> tuple[int, list[bytes]]:
    lines = _lines(body)
    index = _match(f"leaf_index={_NUMBER}", lines[0])
    return int(index[1]), _node_hashes(lines[1:])


def parse_consistency_proof(body: bytes) -> list[bytes]:
    return _node_hashes(_lines(body))


def parse_leaves(body: bytes) -> list[bytes]:
    """The leaves of a get-leaves body, 128 bytes each."""
    leaves = []
    for line in _lines(body):
        parts = _match(f"leaf={_HASH} {_SIGNATURE} {_HASH}", line)
        leaves.append(bytes.fromhex(parts[1] + parts[2] + parts[3]))
    return leaves


def _node_hashes(lines: list[str]) -> list[bytes]:
    if not lines:
        raise ValueError("a proof has at least one node hash")
    return [bytes.fromhex(_match(f"node_hash={_HASH}", line)[1]) for line in lines]


def _lines(body: bytes) -> list[str]:
    text = body.decode("ascii")
    if not text.endswith("\n"):
        raise ValueError(f"the last line has no line feed: {text[-80:]!r}")
    return text[:-1].split("\n")


def _match(pattern: str, line: str) -> re.Match:
    match = re.fullmatch(pattern, line)
    if not match:
        raise ValueError(f"expected {pattern}, got {line!r}")
    return match
