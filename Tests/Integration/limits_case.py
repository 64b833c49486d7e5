# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of rate limits and submit tokens share: logs with a rate-limit file, leaves that
# are like no other, and what is counted of them: in answers, in the tree and in the metrics.

import collections
import hashlib
import itertools
import os
import pathlib
import re
import signal
import threading
import time
import unittest
from collections.abc import Callable, Sequence

import dns
import ed25519
import harness
import wire

IS_LONG = os.environ.get("SIGSUM_LONG") == "1"
PUBLIC_SUFFIX_LIST = pathlib.Path("/usr/share/publicsuffix/public_suffix_list.dat")

_messages = itertools.count()


def new_leaf(signer: ed25519.Signer) -> wire.Leaf:
    """A leaf that there was not before."""
    return wire.Leaf.make(signer, hashlib.sha256(f"{next(_messages)}".encode()).digest())


def with_bad_signature(leaf: wire.Leaf) -> wire.Leaf:
    signature = bytes([leaf.signature[0] ^ 1]) + leaf.signature[1:]
    return wire.Leaf(leaf.message, signature, leaf.public_key)


class LimitsCase(unittest.TestCase):
    # Never set: whoever asks again and again leaves the processor to others in between.
    _nothing = threading.Event()
    # `timeout`: a name server that does not answer has not failed before the test has.
    OPTIONS = {"min_interval": "10ms", "interval": "1h", "add_leaf_wait": "0s", "timeout": "10m"}

    def log(self, *lines: str, names: dns.Dnsmasq | None = None, **options) -> harness.Log:
        """A started log with these lines in its rate-limit file."""
        options = self.OPTIONS | options
        log = dns.Log(names, **options) if names else harness.Log(**options)
        self.addCleanup(log.close)
        log.limits_file = log.folder / "limits"
        log.options["rate_limit_file"] = log.limits_file
        self.write(log, *lines)
        made = log.mktree()
        self.assertEqual(made.returncode, 0, made.stderr)
        log.start()
        log.tree_head()
        return log

    def write(self, log: harness.Server, *lines: str) -> None:
        log.limits_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def names(self, records: dns.Records, **options) -> dns.Dnsmasq:
        return self.enterContext(dns.Dnsmasq(records, **options))

    def reload(self, log: harness.Log, pattern: str = r"\[INFO\] rate limits read again: ") -> str:
        """Has the file read again; the line that says what became of it."""
        start = len(log.lines)
        log.process.send_signal(signal.SIGHUP)
        return log.wait_for_line(pattern, start)

    # Asking

    def post(self, log: harness.Server, leaf: wire.Leaf | ed25519.Signer,
             token: str | None = None) -> wire.Response:
        """One add-leaf request; for a signer, with a new leaf."""
        if isinstance(leaf, ed25519.Signer):
            leaf = new_leaf(leaf)
        fields = {} if token is None else {"sigsum_token": token}
        return log.post_leaf(leaf, **fields)

    def taken(self, log: harness.Server, signer: ed25519.Signer, token: str | None = None) -> int:
        """How many new leaves are taken, one after the other, until the first that is not."""
        count = 0
        while True:
            answer = self.post(log, signer, token)
            if answer.status == 429:
                self.assertIn("rate limit", answer.text)
                return count
            self.assertEqual(answer.status, 200, answer.text)
            count += 1

    def statuses(self, log: harness.Server, requests: Sequence[tuple[wire.Leaf, str | None]],
                 connections: int = 200) -> list[int]:
        """The answers to many requests over many connections, all of them sent at once."""
        def send(part: list[bytes]) -> list[int]:
            with log.connect() as connection:
                return [self._exchange(connection, request) for request in part]

        with log.connect() as connection:
            encoded = [
                connection.encode("POST", "/add-leaf", leaf.body,
                                  **({} if token is None else {"sigsum_token": token}))
                for leaf, token in requests]
        count = min(connections, len(encoded))
        parts = harness.in_parallel(send, [encoded[first::count] for first in range(count)])
        statuses = [0] * len(encoded)
        for first, part in enumerate(parts):
            statuses[first::count] = part
        return statuses

    @staticmethod
    def _exchange(connection: wire.Connection, request: bytes) -> int:
        connection.send(request)
        return connection.read_response().status

    # Looking

    def in_tree(self, log: harness.Server, signer: ed25519.Signer) -> int:
        """The leaves of a key that the tree has, each once."""
        leaves = log.leaves()
        self.assertEqual(len(set(leaves)), len(leaves))
        return sum(leaf[96:] == signer.key_hash for leaf in leaves)

    def counted(self, log: harness.Log, family: str) -> dict[str, int]:
        """A counter by outcome, without those that are zero."""
        found = collections.Counter()
        for name, value in log.metrics().items():
            if match := re.fullmatch(rf'{family}\{{outcome="(.*)"\}}', name):
                found[match[1]] = int(value)
        return +found

    def until(self, condition: Callable[[], object], what: str = "it") -> None:
        """Asks until the condition holds; for what has no event to wait for."""
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, f"waited in vain for {what}")
            self._nothing.wait(0.01)
