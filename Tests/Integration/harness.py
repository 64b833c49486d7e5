# SPDX-License-Identifier: BSD-2-Clause
#
# Runs log servers for the integration tests: ours as `Log`, log-go as `LogGo`, each with a folder,
# a key and two ports of its own. Waiting is always for an event (a READY message, a log line, an
# exit), bounded by a deadline. What is said over the wire stands in wire.py.
#
#     with Log(interval="1s") as log:       # folder, key, mktree, start, wait until READY
#         leaf = log.add_leaf(b"message")   # 200, or the test fails
#         head = log.tree_head()
#
# SIGSUM_BINARY names the binary under test, SIGSUM_PEERS the folder that scripts/peers fills;
# scripts/integration sets both.

import concurrent.futures
import contextlib
import hashlib
import io
import os
import pathlib
import re
import resource
import select
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from collections.abc import Sequence

import ed25519
import wire
from ports import free_port, give_port_back

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("SIGSUM_BINARY", ROOT / ".build/release/sigsum"))
PEERS = pathlib.Path(os.environ.get("SIGSUM_PEERS", ROOT / "peers"))
DEADLINE_SECONDS = wire.DEADLINE_SECONDS


def peer(program: str) -> str:
    """The path of another implementation's program; without it the test is skipped."""
    path = PEERS / "bin" / program
    if not path.exists():
        raise unittest.SkipTest(f"peer {program} is not there (scripts/peers tells why)")
    return str(path)


def tool(program: str, package: str) -> str:
    """The path of a program of the machine; without it the test is skipped."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise unittest.SkipTest(f"{program} is not there (Debian package {package})")
    return path


def run(*command, **options) -> subprocess.CompletedProcess:
    """Runs a program to its end, output captured as text. Its exit status is the caller's to judge."""
    options = {"capture_output": True, "text": True, "timeout": 2 * DEADLINE_SECONDS} | options
    return subprocess.run([str(word) for word in command], **options)


def need_descriptors(test: unittest.TestCase, count: int) -> None:
    """Allows this process so many for the rest of the test; where it may not it skips the test."""
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    if old[1] != resource.RLIM_INFINITY and old[1] < count:
        test.skipTest(f"only {old[1]} descriptors are allowed")
    test.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, old)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(old[0], count), old[1]))


class StartFailed(Exception):
    """The server ended before it was ready."""

    def __init__(self, status: int, output: str):
        super().__init__(f"exit status {status} before READY:\n{output}")
        self.status = status
        self.output = output


class Server:
    """
    One server process, restartable: its folder outlives it. Subclasses say what is run. Everything
    it writes to stderr is kept, over all starts, in `lines`: always all that was written until then,
    so what comes behind a number of lines was written after they were counted.
    """

    def __init__(self, folder: os.PathLike | None = None, key: ed25519.Signer | None = None):
        self._own_folder = tempfile.TemporaryDirectory(prefix="sigsum-") if folder is None else None
        self.folder = pathlib.Path(folder or self._own_folder.name)
        self.key_file = self.folder / "key"
        if key is not None:
            key.write_openssh(self.key_file)
        elif not self.key_file.exists():
            made = run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key_file)
            assert made.returncode == 0, made.stderr
        self.signer = ed25519.Signer.from_openssh(self.key_file)
        self.public_key, self.key_hash = self.signer.public_key, self.signer.key_hash
        self.external, self.internal = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        self.process: subprocess.Popen | None = None
        self._lines: list[str] = []
        self._unfinished = b""
        self._stream: io.BufferedReader | None = None
        self._changed = threading.Condition()
        self._reader: threading.Thread | None = None

    @property
    def internal_url(self) -> str:
        return "http://{}:{}".format(*self.internal)

    # What a subclass provides.

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def wait_until_ready(self) -> None:
        raise NotImplementedError

    # Life

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_) -> None:
        self.close()

    def start(self):
        """Starts the process and returns when it is ready. Raises StartFailed."""
        self.launch()
        self.wait_until_ready()
        return self

    def launch(self, prefix: list[str] = ()) -> None:
        """
        Starts the process and waits for nothing. `prefix`: a wrapper that becomes the process, or
        stays beside it, as `strace -D` does.
        """
        assert not self.is_running, "already running"
        self.process = subprocess.Popen(
            [*map(str, prefix), *map(str, self.command())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=os.environ | self.environment(),
            start_new_session=True,
        )
        self._stream = self.process.stderr
        os.set_blocking(self._stream.fileno(), False)
        self._reader = threading.Thread(target=self._read, args=[self._stream], daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Asks the process to end and returns its exit status (-n for signal n)."""
        assert self.process is not None, "not started"
        self.process.send_signal(with_signal)
        return self.wait()

    def kill(self) -> None:
        """Ends the process, and any beside it, as a crash would: nothing more runs in it."""
        assert self.process is not None, "not started"
        # Only while it is not reaped is the number still its own.
        if self.is_running:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Waits for the process to end, and for its last line."""
        status = self.process.wait(timeout=DEADLINE_SECONDS)
        self._reader.join(timeout=DEADLINE_SECONDS)
        return status

    def close(self) -> None:
        if self.is_running:
            self.kill()
        if self._own_folder is not None:
            self._own_folder.cleanup()
        for _, port in (self.external, self.internal):
            give_port_back(port)

    # What it says

    def _read(self, stream) -> None:
        poll = select.poll()
        poll.register(stream, select.POLLIN)
        with stream:
            while self._stream is stream:
                poll.poll()
                with self._changed:
                    self._take_lines()

    def _take_lines(self) -> None:
        """Takes what has been written, at the end also a line without a line feed."""
        with contextlib.suppress(BlockingIOError):
            while self._stream is not None:
                data = os.read(self._stream.fileno(), 65536)
                *lines, self._unfinished = (self._unfinished + data).split(b"\n")
                if not data:
                    lines, self._unfinished = [self._unfinished] * bool(self._unfinished), b""
                    self._stream = None
                self._lines += [line.decode("utf-8", "replace") for line in lines]
                self._changed.notify_all()

    @property
    def lines(self) -> list[str]:
        with self._changed:
            self._take_lines()
            return self._lines

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for_line(self, pattern: str, start: int = 0) -> str:
        """The first line from number `start` on in which the pattern is found."""

        def find() -> str | None:
            return next((line for line in self.lines[start:] if re.search(pattern, line)), None)

        with self._changed:
            self._changed.wait_for(
                lambda: find() is not None or self._stream is None, DEADLINE_SECONDS
            )
            line = find()
        assert line is not None, f"no line with {pattern!r} in:\n{self.output}"
        return line

    # Talking to it

    def connect(self, internal: bool = False) -> wire.Connection:
        return wire.Connection(self.internal if internal else self.external)

    def request(self, method: str, target: str, body: bytes | None = None, internal: bool = False,
                **fields) -> wire.Response:
        """One request on a connection of its own."""
        with self.connect(internal) as connection:
            return connection.request(method, target, body, **fields)

    def get(self, target: str, internal: bool = False) -> wire.Response:
        return self.request("GET", target, internal=internal)

    def post_leaf(self, leaf: wire.Leaf, **fields) -> wire.Response:
        return self.request("POST", "/add-leaf", leaf.body, **fields)

    def add_leaf(self, message: bytes | int, signer: ed25519.Signer | None = None) -> wire.Leaf:
        """Adds a leaf for a message of 32 bytes (or made from a number), asking until it is 200."""
        if isinstance(message, int):
            message = message.to_bytes(32, "big")
        leaf = wire.Leaf.make(signer or self.signer, hashlib.sha256(message).digest()
                              if len(message) != 32 else message)
        deadline = time.monotonic() + DEADLINE_SECONDS
        with self.connect() as connection:
            while time.monotonic() < deadline:
                response = connection.request("POST", "/add-leaf", leaf.body)
                if response.status == 200:
                    return leaf
                assert response.status == 202, f"{response.status} {response.text}"
        raise AssertionError("add-leaf: only 202 until the deadline")

    def add_leaves(self, leaves: Sequence[wire.Leaf], connections: int = 8) -> None:
        """Adds many leaves over some connections at once; their order in the tree is nobody's."""

        def send(part: Sequence[wire.Leaf]) -> None:
            with self.connect() as connection:
                for leaf in part:
                    answer = connection.request("POST", "/add-leaf", leaf.body)
                    assert answer.status == 200, f"{answer.status} {answer.text}"

        in_parallel(send, [leaves[first::connections] for first in range(connections)])

    def leaves(self, size: int | None = None, internal: bool = False) -> list[bytes]:
        """The leaves, 128 bytes each: the first `size`, or all that the internal endpoint has."""
        leaves: list[bytes] = []
        with self.connect(internal or size is None) as connection:
            while size is None or len(leaves) < size:
                end = len(leaves) + 512 if size is None else size
                answer = connection.request("GET", f"/get-leaves/{len(leaves)}/{end}")
                if size is None and answer.status == 404 and "at end of tree" in answer.text:
                    break
                assert answer.status == 200, f"{answer.status} {answer.text}"
                leaves += wire.parse_leaves(answer.body)
        return leaves

    def tree_head(self, size_at_least: int = 0) -> wire.TreeHead:
        """The published tree head, its signature checked, once it has at least that size."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        with self.connect() as connection:
            while time.monotonic() < deadline:
                response = connection.request("GET", "/get-tree-head")
                assert response.status in (200, 503), f"{response.status} {response.text}"
                if response.status == 503:
                    continue
                head = wire.parse_tree_head(response.body)
                assert head.is_signed_by(self.public_key), "the tree head's signature is wrong"
                if head.size >= size_at_least:
                    return head
        raise AssertionError(f"no tree head of size {size_at_least} until the deadline")

    def publish_first_leaf(self) -> wire.Leaf:
        """Has one leaf published: the next publication is min-interval away."""
        leaf = self.add_leaf(b"the first")
        self.tree_head(size_at_least=1)
        return leaf

    def policy_file(self) -> pathlib.Path:
        """A policy for this log without witnesses, as sigsum-submit and sigsum-verify take it."""
        path = self.folder / "policy"
        host, port = self.external
        path.write_text(f"log {self.public_key.hex()} http://{host}:{port}\nquorum none\n")
        return path


class Log(Server):
    """
    Our server. Keyword arguments are options: `Log(max_range=10)` gives `--max-range=10`; True
    stands for an option without a value, None takes a default of this class away.
    """

    def __init__(self, folder=None, key=None, role: str = "primary", **options):
        super().__init__(folder, key)
        self.role = role
        self.store = self.folder / "store"
        self.sth_file = self.folder / "sth"
        self.startup_file = self.folder / "sth.startup"
        # An empty one, whatever the machine has in /etc.
        self.configuration_file = pathlib.Path(os.devnull)
        self.options = {
            "key_file": self.key_file,
            "store_dir": self.store,
            "external_endpoint": "{}:{}".format(*self.external),
            "internal_endpoint": "{}:{}".format(*self.internal),
        }
        if role == "primary":
            self.options["sth_file"] = self.sth_file
        self.options |= options
        self._notify = _NotifySocket()

    def __enter__(self):
        # A folder handed in may hold a log already: then it goes on.
        if self.role == "primary" and not (self.sth_file.exists() or self.startup_file.exists()):
            made = self.mktree()
            assert made.returncode == 0, made.stderr
        return super().__enter__()

    def command(self) -> list[str]:
        return [str(BINARY), self.role, *_option_words(self.options)]

    def environment(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self._notify.name,
                "SIGSUM_LOGSERVER_CONFIG": str(self.configuration_file)}

    def launch(self, prefix=()) -> None:
        self._notify.drain()
        super().launch(prefix)

    def wait_until_ready(self) -> None:
        if not self._notify.wait_for_ready(self.process):
            status = self.wait()
            raise StartFailed(status, self.output)

    def mktree(self, *words) -> subprocess.CompletedProcess:
        """`sigsum mktree` on this log's files; `mktree("--mode=audit")` walks the whole store."""
        return run(
            BINARY, "mktree", "--key-file", self.key_file, "--store-dir", self.store,
            "--sth-file", self.sth_file, *words, env=os.environ | self.environment(),
        )

    def assert_audit(self) -> None:
        audit = self.mktree("--mode=audit")
        assert audit.returncode == 0, f"audit: {audit.returncode}\n{audit.stdout}{audit.stderr}"

    def metrics(self) -> dict[str, float]:
        """What /metrics says: `name` or `name{labels}`, without the common prefix, to its value."""
        answer = self.get("/metrics", internal=True)
        assert answer.status == 200, f"{answer.status} {answer.text}"
        samples = (line.rsplit(" ", 1) for line in answer.text.splitlines() if line[:1] != "#")
        return {name.removeprefix("sigsum_log_"): float(value) for name, value in samples}

    def close(self) -> None:
        super().close()
        self._notify.close()


class LogGo(Server):
    """log-go's server with its tree in memory, to compare with. Skips where it is not there."""

    def __init__(self, folder=None, key=None, role: str = "primary", **options):
        program = peer(f"sigsum-log-{role}")
        mktree = peer("sigsum-mktree")
        super().__init__(folder, key)
        self.role = role
        self._program = program
        self.sth_file = self.folder / "sth"
        self.options = {
            "backend": "ephemeral",
            "key_file": self.key_file,
            "sth_file": self.sth_file if role == "primary" else None,
            "external_endpoint": "{}:{}".format(*self.external),
            "internal_endpoint": "{}:{}".format(*self.internal),
            "interval": "1s",
        } | options
        if role == "primary":
            made = run(mktree, f"--sth-file={self.sth_file}", env=os.environ | self.environment())
            assert made.returncode == 0, made.stderr

    def command(self) -> list[str]:
        return [self._program, *_option_words(self.options)]

    def environment(self) -> dict[str, str]:
        # Debian's build is made with a newer Go than its routes were written for: without this it
        # answers 404 to everything.
        return {"GODEBUG": "httpmuxgo121=0", "SIGSUM_LOGSERVER_CONFIG": os.devnull}

    def connect(self, internal: bool = False) -> wire.Connection:
        return wire.Connection(self.internal if internal else self.external, takes_chunks=True)

    def wait_until_ready(self) -> None:
        # It tells nobody when it listens, so its port is asked until it answers.
        deadline = time.monotonic() + DEADLINE_SECONDS
        for address in (self.external, self.internal):
            while True:
                if not self.is_running:
                    raise StartFailed(self.wait(), self.output)
                with contextlib.suppress(ConnectionRefusedError):
                    wire.Connection(address).close()
                    break
                assert time.monotonic() < deadline, f"log-go does not listen:\n{self.output}"
                with self._changed:
                    self._changed.wait(0.01)


def in_parallel(action, arguments: Sequence) -> list:
    """Runs `action` on each argument in a thread of its own; returns, or raises, what they do."""
    with concurrent.futures.ThreadPoolExecutor(max(1, len(arguments))) as threads:
        return list(threads.map(action, arguments))


class _NotifySocket:
    """The receiving end of sd_notify(3), in the abstract name space."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind("")  # the kernel picks an abstract name
        self.name = "@" + self._socket.getsockname()[1:].decode("ascii")

    def wait_for_ready(self, process: subprocess.Popen) -> bool:
        """True on READY=1, False when the process has ended without."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        ended = os.pidfd_open(process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                selector.register(ended, selectors.EVENT_READ)
                while (left := deadline - time.monotonic()) > 0:
                    ready = {key.fileobj for key, _ in selector.select(left)}
                    # The message first: a process may be ready and end at once.
                    if self._socket in ready:
                        if b"READY=1" in self._socket.recv(4096).split(b"\n"):
                            return True
                    elif ended in ready:
                        return False
        finally:
            os.close(ended)
        raise AssertionError("neither READY=1 nor an exit until the deadline")

    def drain(self) -> None:
        """Forgets what an earlier process said."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(4096, socket.MSG_DONTWAIT)

    def close(self) -> None:
        self._socket.close()


def _option_words(options: dict) -> list[str]:
    words = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            words.append(option)
        elif value is not None:
            words.append(f"{option}={value}")
    return words
