# SPDX-License-Identifier: BSD-2-Clause
#
# Names for the integration tests: a real dnsmasq that knows the TXT records it is given, on port 53
# of a loopback address of its own, and log servers that ask it and nobody else. The C library and
# Go both read /etc/resolv.conf, so such a server runs in a mount namespace where that file is
# another one. Where the machine does not allow this, the tests are skipped.
#
#     with dns.Dnsmasq({"_sigsum_v1.example.org": [key.hex()]}) as names:
#         with dns.Log(names, rate_limit_file=path) as log:

import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from unittest import SkipTest

import harness
import wire

# The records of a name: texts, or tuples of strings that are one record together.
Records = dict[str, Sequence[str | tuple[str, ...]]]


class Dnsmasq:
    """
    One dnsmasq process, restartable with other records. It asks nobody else: every other name does
    not exist, but those below a domain of `upstream`, which are asked for there.

    `ttl`: of all records, in seconds. `resolver_options`: the line `options` of resolv.conf, by
    default such that nobody asks twice because an answer takes its time.
    """

    def __init__(self, records: Records, ttl: int = 3600, resolver_options: str = "timeout:30",
                 upstream: dict[str, tuple[str, int]] | None = None, options: Sequence[str] = ()):
        self._program = harness.tool("dnsmasq", "dnsmasq-base")
        self._folder = tempfile.TemporaryDirectory(prefix="sigsum-dns-")
        self.folder = pathlib.Path(self._folder.name)
        self.records, self.ttl, self.options = records, ttl, list(options)
        self.upstream = upstream or {}
        self.process: subprocess.Popen | None = None
        self._output_file = self.folder / "output"
        self._output_file.touch()
        try:
            self.address = _free_address()
            (self.folder / "resolv.conf").write_text(
                f"nameserver {self.address}\noptions {resolver_options}\n")
            tried = harness.run(*self.prefix, "true")
            if tried.returncode != 0:
                raise SkipTest(f"no mount namespace of its own: {tried.stderr.strip()}")
        except BaseException:
            self._folder.cleanup()
            raise

    @property
    def prefix(self) -> list[str]:
        """What makes a command see this name server, and stay the same process."""
        return [harness.tool("unshare", "util-linux"), "--mount", "sh", "-c",
                'mount --bind "$0" /etc/resolv.conf && exec "$@"',
                str(self.folder / "resolv.conf")]

    # Life

    def __enter__(self) -> "Dnsmasq":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def start(self) -> None:
        start = len(self.output)
        with open(self._output_file, "ab") as output:
            self.process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True)
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while ": started" not in self.output[start:]:
            assert self.process.poll() is None and time.monotonic() < deadline, self.output

    def serve(self, records: Records) -> None:
        """Goes on with other records."""
        self.stop()
        self.records = records
        self.start()

    def stop(self) -> None:
        """From now on nobody listens: whoever asks is told so by the kernel."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """From now on it answers nothing at all, until `resume`."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        self._folder.cleanup()

    def _command(self) -> list[str]:
        command = [
            self._program, "--keep-in-foreground", f"--conf-file={os.devnull}", "--pid-file=",
            "--no-resolv", "--no-hosts", "--local=/#/", f"--local-ttl={self.ttl}",
            f"--listen-address={self.address}", "--bind-interfaces",
            "--log-queries", "--log-facility=-", *self.options]
        for domain, (host, port) in self.upstream.items():
            command.append(f"--server=/{domain}/{host}#{port}")
        for name, records in self.records.items():
            # It answers with the last one first.
            for record in reversed(records):
                strings = (record,) if isinstance(record, str) else record
                command.append(f"--txt-record={','.join([name, *strings])}")
        return command

    # What it says

    @property
    def output(self) -> str:
        return self._output_file.read_text(errors="replace")

    def count(self, name: str) -> int:
        """How often the TXT records of a name were asked for, in A-label form."""
        return len(re.findall(rf"query\[TXT\] {re.escape(name)} from", self.output))

    def wait_for_queries(self, count: int) -> None:
        """Until so many questions have come, whichever."""
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while self.output.count("query[TXT]") < count:
            assert time.monotonic() < deadline, self.output


class Upstream:
    """
    A name server behind dnsmasq, on an address of its own, that answers every question with one
    response code and no record. `code` None: it never answers.
    """

    SERVFAIL = 2

    def __init__(self, code: int | None):
        self.code = code
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Upstream":
        return self

    def __exit__(self, *_) -> None:
        # Nothing but an empty message, which is no question, wakes the thread.
        self._socket.sendto(b"", self.address)
        self._thread.join(timeout=wire.DEADLINE_SECONDS)
        self._socket.close()

    def _answer(self) -> None:
        while True:
            question, sender = self._socket.recvfrom(4096)
            if not question:
                return
            if self.code is not None:
                flags = (0x8080 | self.code).to_bytes(2, "big")
                self._socket.sendto(question[:2] + flags + question[4:], sender)


class _Asking:
    """For servers: whom they ask for names."""

    names: Dnsmasq

    def launch(self, prefix: Sequence[str] = ()) -> None:
        super().launch([*prefix, *self.names.prefix])


class Log(_Asking, harness.Log):
    """Our log, which asks `names`."""

    def __init__(self, names: Dnsmasq, *arguments, **options):
        self.names = names
        super().__init__(*arguments, **options)


class LogGo(_Asking, harness.LogGo):
    """The same for log-go's."""

    def __init__(self, names: Dnsmasq, *arguments, **options):
        self.names = names
        super().__init__(*arguments, **options)


def _free_address() -> str:
    """A loopback address on whose port 53 nobody listens."""
    for _ in range(1000):
        address = f"127.53.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        with contextlib.ExitStack() as stack:
            try:
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    probe = stack.enter_context(socket.socket(socket.AF_INET, kind))
                    probe.bind((address, 53))
                return address
            except PermissionError:
                raise SkipTest("port 53 is for others") from None
            except OSError:
                continue
    raise SkipTest("no loopback address has a free port 53")
