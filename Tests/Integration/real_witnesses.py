# SPDX-License-Identifier: BSD-2-Clause
#
# Witnesses of other makers, each with a folder, a key and a port of its own: sigsum-go's
# sigsum-witness and torchwood's litewitness, whose key is in a real ssh-agent. Tests that need one
# are skipped where it is not there.

import base64
import contextlib
import hashlib
import pathlib
import subprocess
import tempfile
import time

import ed25519
import harness
import wire
from agent import Agent


class RealWitness:
    """One witness process, restartable: its state outlives it. Subclasses say what is run."""

    name = "witness"

    def __init__(self, log: ed25519.Signer):
        self.log = log
        self._folder = tempfile.TemporaryDirectory(prefix="sigsum-witness-")
        self.folder = pathlib.Path(self._folder.name)
        self.signer = ed25519.Signer()
        self.public_key, self.key_hash = self.signer.public_key, self.signer.key_hash
        self.address = ("127.0.0.1", harness.free_port())
        self.url = "http://{}:{}".format(*self.address)
        self.process: subprocess.Popen | None = None
        self.output_file = self.folder / "output"

    def command(self) -> list:
        raise NotImplementedError

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_) -> None:
        self.close()

    def start(self):
        """Starts the witness and returns when it listens."""
        with open(self.output_file, "ab") as output:
            self.process = subprocess.Popen(
                list(map(str, self.command())), cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True)
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                wire.Connection(self.address).close()
                return self
            assert self.process.poll() is None and time.monotonic() < deadline, self.output

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def output(self) -> str:
        return self.output_file.read_text(errors="replace")

    @property
    def policy_line(self) -> str:
        return f"witness {self.name} {self.public_key.hex()} {self.url}"

    def post(self, body: bytes) -> wire.Response:
        """One add-checkpoint request, as the log would send it."""
        with wire.Connection(self.address) as connection:
            return connection.request("POST", "/add-checkpoint", body)


class SigsumWitness(RealWitness):
    """sigsum-go's witness for one log."""

    name = "sigsum-witness"

    def __init__(self, log: ed25519.Signer):
        self._program = harness.peer("sigsum-witness")
        super().__init__(log)
        self.signer.write_openssh(self.folder / "key")
        (self.folder / "log.pub").write_bytes(log.openssh_public())

    def command(self) -> list:
        return [self._program, "-k", "key", "--log-key", "log.pub", "--state-file", "state",
                "{}:{}".format(*self.address)]


class LiteWitness(RealWitness):
    """torchwood's witness."""

    name = "litewitness"

    def __init__(self, log: ed25519.Signer):
        self._program, control = harness.peer("litewitness"), harness.peer("witnessctl")
        super().__init__(log)
        self.agent = Agent(self.folder)
        self.agent.start(self.signer)
        added = harness.run(control, "add-sigsum-log", "-db", self.folder / "db",
                            f"-key={log.public_key.hex()}")
        assert added.returncode == 0, added.stderr

    def command(self) -> list:
        blob = base64.b64decode(self.signer.openssh_public().split()[1])
        fingerprint = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        return [self._program, "-ssh-agent", self.agent.socket, "-db", "db",
                "-name", "witness.example/lite", "-key", f"SHA256:{fingerprint}",
                "-listen", "{}:{}".format(*self.address)]

    def close(self) -> None:
        self.agent.stop()
        super().close()
