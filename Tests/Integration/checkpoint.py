# SPDX-License-Identifier: BSD-2-Clause
#
# What a log and its witnesses say to each other (C2SP tlog-witness, tlog-checkpoint, signed-note):
# the body of an add-checkpoint request and the lines that answer it. Parsed as strictly as it is
# written: a body that would not be encoded to the same bytes raises ValueError.

import base64
import hashlib
import re
import struct
from dataclasses import dataclass

import ed25519
import merkle
import wire

LOG_SIGNATURE, COSIGNATURE = b"\1", b"\4"
EMPTY_ROOT = merkle.root([])
SIZE_CONTENT_TYPE = "text/x.tlog.size"


def origin(log_key: bytes) -> str:
    return f"sigsum.org/v1/tree/{hashlib.sha256(log_key).hexdigest()}"


def key_id(name: str, kind: bytes, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + kind + public_key).digest()[:4]


def note_line(name: str, signature: bytes) -> bytes:
    """One signature line of a note. `signature` begins with the key id."""
    return f"\u2014 {name} {base64.b64encode(signature).decode('ascii')}\n".encode()


@dataclass(frozen=True)
class AddCheckpoint:
    """An add-checkpoint request: a log's signed tree head, and a proof from the size before."""

    old_size: int
    proof: tuple[bytes, ...]
    head: wire.TreeHead
    origin: str
    key_id: bytes

    @classmethod
    def make(cls, log: ed25519.Signer, leaf_hashes: list[bytes], old_size: int = 0,
             proof: list[bytes] | None = None) -> "AddCheckpoint":
        """A request that is right for the tree over these leaf hashes, but for a proof given."""
        size, name = len(leaf_hashes), origin(log.public_key)
        if proof is None:
            proof = (merkle.consistency_path(leaf_hashes, old_size)
                     if 0 < old_size < size else [])
        head = wire.TreeHead.make(log, size, merkle.root(leaf_hashes))
        return cls(old_size, tuple(proof), head, name, key_id(name, LOG_SIGNATURE, log.public_key))

    @property
    def encoded(self) -> bytes:
        lines = [f"old {self.old_size}", *map(_base64, self.proof), "", self.origin,
                 str(self.head.size), _base64(self.head.root_hash), ""]
        text = "".join(f"{line}\n" for line in lines).encode()
        return text + note_line(self.origin, self.key_id + self.head.signature)

    @classmethod
    def parse(cls, body: bytes) -> "AddCheckpoint":
        pattern = (r"old ([0-9]+)\n((?:[^\n]+\n)*)\n([^\n]+)\n([0-9]+)\n([^\n]+)\n\n"
                   r"\u2014 ([^\n ]+) ([^\n ]+)\n")
        match = re.fullmatch(pattern, body.decode("utf-8"))
        if not match:
            raise ValueError(f"no add-checkpoint body: {body!r}")
        signature = base64.b64decode(match[7], validate=True)
        proof = tuple(base64.b64decode(line, validate=True) for line in match[2].splitlines())
        root_hash = base64.b64decode(match[5], validate=True)
        if match[6] != match[3]:
            raise ValueError(f"signed by {match[6]}, not {match[3]}")
        if len(signature) != 68 or {32} != {len(digest) for digest in (root_hash, *proof)}:
            raise ValueError(f"wrong lengths: {body!r}")
        if len(proof) > 63:
            raise ValueError(f"a proof of {len(proof)} lines")
        head = wire.TreeHead(int(match[4]), root_hash, signature[4:])
        request = cls(int(match[1]), proof, head, match[3], signature[:4])
        if request.encoded != body:
            raise ValueError(f"not in canonical form: {body!r}")
        return request

    def is_signed_by(self, log_key: bytes) -> bool:
        return (self.origin == origin(log_key)
                and self.key_id == key_id(self.origin, LOG_SIGNATURE, log_key)
                and self.head.is_signed_by(log_key))


@dataclass(frozen=True)
class CosignatureLine:
    """A line of an answer: an Ed25519 cosignature with the time that it is of."""

    name: str
    key_id: bytes
    time: int
    signature: bytes

    @classmethod
    def make(cls, name: str, witness: ed25519.Signer, log_key: bytes, head: wire.TreeHead,
             time: int) -> "CosignatureLine":
        text = cosigned_text(log_key, head.size, head.root_hash, time)
        identifier = key_id(name, COSIGNATURE, witness.public_key)
        return cls(name, identifier, time, witness.sign(text))

    @property
    def encoded(self) -> bytes:
        return note_line(self.name, self.key_id + struct.pack(">Q", self.time) + self.signature)

    @classmethod
    def parse(cls, line: bytes) -> "CosignatureLine":
        """One line, its line feed included."""
        match = re.fullmatch("\u2014 ([^\n ]+) ([^\n ]+)\n", line.decode("utf-8"))
        if not match:
            raise ValueError(f"no signature line: {line!r}")
        signature = base64.b64decode(match[2], validate=True)
        if len(signature) != 4 + 8 + 64:
            raise ValueError(f"a signature of {len(signature)} bytes")
        (time,) = struct.unpack(">Q", signature[4:12])
        return cls(match[1], signature[:4], time, signature[12:])

    def is_valid(self, witness_key: bytes, log_key: bytes, head: wire.TreeHead) -> bool:
        return (self.key_id == key_id(self.name, COSIGNATURE, witness_key)
                and is_cosigned(witness_key, log_key, head, self.time, self.signature))


def cosigned_text(log_key: bytes, size: int, root_hash: bytes, time: int) -> bytes:
    text = wire.TreeHead.signed_text(log_key, size, root_hash)
    return b"cosignature/v1\ntime %d\n" % time + text


def is_cosigned(witness_key: bytes, log_key: bytes, head: wire.TreeHead, time: int,
                signature: bytes) -> bool:
    text = cosigned_text(log_key, head.size, head.root_hash, time)
    return ed25519.verify(witness_key, signature, text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
