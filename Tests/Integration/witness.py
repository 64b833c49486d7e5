# SPDX-License-Identifier: BSD-2-Clause
#
# A witness that does what a test tells it. By itself it is a right one (C2SP tlog-witness): it
# verifies the log's signature and the consistency proof, remembers what it cosigned, and cosigns.
# scripted.py tells how its answers are scripted.

import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

import checkpoint
import ed25519
import merkle
import scripted
import wire
from checkpoint import AddCheckpoint, CosignatureLine
from scripted import TEXT, ScriptedServer


@dataclass
class Request(scripted.Request):
    """An add-checkpoint request."""

    body: AddCheckpoint
    cosigned: CosignatureLine | None = None

    @property
    def size(self) -> int:
        return self.body.head.size

    def __str__(self) -> str:
        return (f"request {self.number} on connection {self.connection}, {self.body.old_size} to "
                f"{self.size}, answered {self.status}")


class ScriptedWitness(ScriptedServer):
    request_type = Request

    def __init__(self, log_key: bytes, host: str = "127.0.0.1", prefix: str = "",
                 tls: ssl.SSLContext | None = None, name_in_url: str | None = None,
                 is_mute: bool = False):
        super().__init__(host, prefix, tls, name_in_url, is_mute)
        self.log_key = log_key
        self.signer = ed25519.Signer()
        self.public_key, self.key_hash = self.signer.public_key, self.signer.key_hash
        self.key_name = f"witness.example/{self.key_hash.hex()[:8]}"
        # What it cosigned last.
        self.size, self.root_hash = 0, checkpoint.EMPTY_ROOT
        self.clock: Callable[[], int] = lambda: int(time.time())

    def policy_line(self, name: str) -> str:
        return f"witness {name} {self.public_key.hex()} {self.url}"

    def wait_for_cosigned(self, size: int) -> None:
        self.wait_for(lambda: any(request.cosigned and request.size >= size and request.ended
                                  for request in self.requests), f"to cosign size {size}")

    def parse(self, method: str, target: str, fields: list[tuple[str, str]], data: bytes
              ) -> AddCheckpoint:
        assert (method, target) == ("POST", f"{self.prefix}/add-checkpoint"), (method, target)
        lengths = [value for name, value in fields if name == "content-length"]
        assert lengths and re.fullmatch(r"[1-9][0-9]*", lengths[0]), f"Content-Length: {lengths}"
        return AddCheckpoint.parse(data)

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
