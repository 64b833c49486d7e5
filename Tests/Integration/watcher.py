# SPDX-License-Identifier: BSD-2-Clause
#
# A judge of what a log publishes under a policy with witnesses. It asks for the tree head all the
# time, over crashes and restarts of the log, and holds every answer against the rules: signed by
# the log, cosigned only by witnesses of the policy, by enough of them, each right; never smaller,
# never of another tree than before, never with fewer cosignatures of the same tree.

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Sequence

import checkpoint
import harness
import merkle
import wire


class Policy:
    """A policy file with these witnesses, of which any `quorum` must cosign; 0 is `quorum none`."""

    def __init__(self, witnesses: Sequence, quorum: int):
        self.witnesses = list(witnesses)
        self.quorum = quorum

    def text(self, log_line: str = "") -> str:
        names = [f"w{number}" for number in range(len(self.witnesses))]
        lines = [log_line] if log_line else []
        lines += [f"witness {name} {witness.public_key.hex()} {witness.url}"
                  for name, witness in zip(names, self.witnesses)]
        if self.quorum == 0:
            return "\n".join([*lines, "quorum none", ""])
        return "\n".join([*lines, f"group all-of-them {self.quorum} {' '.join(names)}",
                          "quorum all-of-them", ""])

    def name_of(self, witness) -> str:
        return f"w{self.witnesses.index(witness)}"

    def fault_of(self, head: wire.TreeHead, log_key: bytes, needs_quorum: bool = True
                 ) -> str | None:
        """What is wrong with a tree head that was published under this policy, None if nothing."""
        if not head.is_signed_by(log_key):
            return "the log's signature is wrong"
        keys = {witness.key_hash: witness.public_key for witness in self.witnesses}
        seen = set()
        for key_hash, cosigned_at, signature in head.cosignatures:
            if key_hash not in keys:
                return f"{key_hash.hex()} is not in the policy"
            if key_hash in seen:
                return f"{key_hash.hex()} cosigned twice"
            if not 0 < cosigned_at < 1 << 63:
                return f"cosigned at {cosigned_at}"
            if not checkpoint.is_cosigned(keys[key_hash], log_key, head, cosigned_at, signature):
                return f"the cosignature by {key_hash.hex()} is wrong"
            seen.add(key_hash)
        if needs_quorum and len(seen) < self.quorum:
            return f"{len(seen)} cosignatures, {self.quorum} are the quorum"
        return None


class Watcher:
    """
    Watches a log until it is left, which fails the test when anything was wrong. `heads` are the
    different answers in order, each with the time.monotonic() when it was first seen. `known`: a
    head that was published under an earlier policy, and so stays until its successor comes.
    """

    def __init__(self, log: harness.Server, policy: Policy, known: wire.TreeHead | None = None):
        self.log = log
        self.policy = policy
        self.known = known
        self.heads: list[tuple[float, wire.TreeHead]] = []
        self.faults: list[str] = []
        self.refusal_count = 0  # 503 before there was a head
        self._changed = threading.Condition()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, kind, *_) -> None:
        if self._is_over.is_set():
            return
        self.stop()
        if kind is None:
            self.assert_right()

    def stop(self) -> None:
        """Watches no more; what was wrong until now fails the test."""
        self._is_over.set()
        self._thread.join(timeout=wire.DEADLINE_SECONDS)
        assert not self.faults, "\n".join(self.faults)

    def assert_right(self) -> None:
        """Nothing was wrong so far, and every head was of the tree that the log has now."""
        assert not self.faults, "\n".join(self.faults)
        if not self.log.is_running or not self.heads:
            return
        heads = [head for _, head in list(self.heads)]
        hashes = [merkle.hash_leaf(leaf) for leaf in self.log.leaves(heads[-1].size)]
        roots = merkle.roots(hashes, [head.size for head in heads])
        for head in heads:
            assert head.root_hash == roots[head.size], f"not the tree of {head.size} leaves"

    @property
    def last(self) -> wire.TreeHead | None:
        return self.heads[-1][1] if self.heads else None

    def wait_for(self, condition: Callable[[wire.TreeHead], object], what: str = ""
                 ) -> wire.TreeHead:
        """The first head from the present one on that the condition holds for."""
        with self._changed:
            start = max(0, len(self.heads) - 1)

            def find() -> wire.TreeHead | None:
                return next((head for _, head in self.heads[start:] if condition(head)), None)

            self._changed.wait_for(lambda: find() is not None or self.faults,
                                   wire.DEADLINE_SECONDS)
            head = find()
        assert not self.faults, "\n".join(self.faults)
        assert head is not None, f"no tree head {what} until the deadline, but {self.last}"
        return head

    def wait_for_size(self, size: int) -> wire.TreeHead:
        return self.wait_for(lambda head: head.size >= size, f"of size {size}")

    def wait_for_witnesses(self, *witnesses, size: int = 0) -> wire.TreeHead:
        """The first head of at least that size that all of these have cosigned."""
        return self.wait_for(
            lambda head: head.size >= size and all(has_cosigned(witness, head)
                                                   for witness in witnesses),
            f"of size {size} cosigned by all of {len(witnesses)}")

    def _run(self) -> None:
        last_body = b""
        while not self._is_over.is_set():
            with (contextlib.suppress(OSError, wire.ConnectionClosed),
                  self.log.connect() as connection):
                while not self._is_over.wait(0.002):
                    answer = connection.request("GET", "/get-tree-head")
                    if answer.status == 200 and answer.body == last_body:
                        continue
                    fault = self._judge(answer, connection)
                    if fault is not None:
                        with self._changed:
                            self.faults.append(fault)
                            self._changed.notify_all()
                        return
                    if answer.status == 200:
                        last_body = answer.body
            # The log is down.
            self._is_over.wait(0.01)

    def _judge(self, answer: wire.Response, connection: wire.Connection) -> str | None:
        if answer.status == 503 and not self.heads:
            self.refusal_count += 1
            if answer.field("Retry-After") is None:
                return "503 without Retry-After"
            return None
        if answer.status != 200:
            return f"{answer.status} {answer.text} after {len(self.heads)} heads"
        try:
            head = wire.parse_tree_head(answer.body)
        except ValueError as error:
            return str(error)
        fault = self._fault_of(head)
        if fault is None and self.heads:
            fault = self._fault_after(self.heads[-1][1], head, connection)
        if fault is not None:
            return f"{fault}: {answer.text}"
        with self._changed:
            self.heads.append((time.monotonic(), head))
            self._changed.notify_all()
        return None

    def _fault_of(self, head: wire.TreeHead) -> str | None:
        known = self.known
        if known is None or (head.size, head.signature) != (known.size, known.signature):
            return self.policy.fault_of(head, self.log.public_key)
        added = [line for line in head.cosignatures if line not in known.cosignatures]
        return self.policy.fault_of(dataclasses.replace(head, cosignatures=added),
                                    self.log.public_key, needs_quorum=False)

    def _fault_after(self, old: wire.TreeHead, new: wire.TreeHead, connection: wire.Connection
                     ) -> str | None:
        if new.size < old.size:
            return f"smaller than the {old.size} leaves before"
        if new.size == old.size:
            if new.root_hash != old.root_hash:
                return "another tree of the same size"
            if not cosigners(old) <= cosigners(new):
                return f"fewer cosignatures than before: {old}"
            return None
        if old.size == 0:
            return None
        target = f"/get-consistency-proof/{old.size}/{new.size}"
        proof = wire.parse_consistency_proof(connection.request("GET", target).body)
        if not merkle.verify_consistency(old.size, new.size, old.root_hash, new.root_hash, proof):
            return f"not consistent with {old}"
        return None


def cosigners(head: wire.TreeHead) -> set[bytes]:
    """The key hashes of those who cosigned."""
    return {key_hash for key_hash, _, _ in head.cosignatures}


def has_cosigned(witness, head: wire.TreeHead) -> bool:
    return witness.key_hash in cosigners(head)


def time_of(witness, head: wire.TreeHead) -> int:
    """When that witness says that it cosigned."""
    return next(cosigned_at for key_hash, cosigned_at, _ in head.cosignatures
                if key_hash == witness.key_hash)
