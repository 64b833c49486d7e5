# SPDX-License-Identifier: BSD-2-Clause
#
# A real ssh-agent for the tests whose signatures are made by one.

import os
import pathlib
import socket
import subprocess
import time

import ed25519
import harness
import wire


class Agent:
    """An ssh-agent, stopped and started at will, always on one socket."""

    def __init__(self, folder: pathlib.Path):
        harness.tool("ssh-agent", "openssh-client")
        self.socket = folder / "agent"
        self.process: subprocess.Popen | None = None

    def start(self, key: ed25519.Signer | None = None) -> None:
        self.process = subprocess.Popen(["ssh-agent", "-D", "-a", self.socket],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while not self.listens():
            assert time.monotonic() < deadline and self.process.poll() is None, "no ssh-agent"
        if key is not None:
            added = harness.run("ssh-add", "-q", "-", input=key.openssh_private().decode(),
                                env=os.environ | {"SSH_AUTH_SOCK": str(self.socket)})
            assert added.returncode == 0, added.stderr

    def listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.socket.unlink(missing_ok=True)
