# SPDX-License-Identifier: BSD-2-Clause
#
# Machines for the documents' commands: each has a folder for what would be in /etc and /var/lib,
# two ports, and a shell with stand-ins for what belongs to a whole machine: systemctl, journalctl,
# runuser, chown, scp and sleep. Everything else is the real thing.

import json
import os
import pathlib
import re
import shutil
import socketserver
import sys
import threading
import time
from collections.abc import Callable

import document
import ed25519
import harness
import wire
from document import Block, Document

# Rounds as quick as the machine makes them; a document has the options of a real log.
QUICK = {
    "sigsum-log-primary": [
        "--min-interval=10ms", "--interval=100ms", "--timeout=10s", "--add-leaf-wait=0s",
        "--witness-requests-per-day=1000000000"],
    "sigsum-log-secondary": ["--interval=100ms", "--timeout=10s"],
}

# Asks the machine to do it.
_STAND_IN = f"""#!{sys.executable} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as machine:
    machine.connect(os.environ["MACHINE"])
    machine.sendall(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]).encode() + b"\\n")
    with machine.makefile() as answer:
        status, output, errors = json.load(answer)
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(status)
"""
_ASKING = ("systemctl", "journalctl", "scp")
_SCRIPTS = {
    "runuser": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
    "chown": ":",
    "sleep": "exec /bin/sleep 0.05",
}


class Unit(harness.Log):
    """A service of a machine: the program by its own name, with the machine's configuration."""

    def __init__(self, machine: "Machine", name: str):
        folder = machine.folder / name
        folder.mkdir()
        self.machine, self.name = machine, name
        super().__init__(folder, machine.log_key, role=name.removeprefix("sigsum-log-"))
        self.external, self.internal = machine.external, machine.internal
        self.store, self.sth_file = machine.lib / "store", machine.lib / "sth"
        self.is_enabled = False

    def command(self) -> list[str]:
        return [str(self.machine.programs / self.name), *QUICK[self.name]]

    def environment(self) -> dict[str, str]:
        return super().environment() | self.machine.environment


class LogGoUnit(harness.LogGo):
    """The same for log-go's programs."""

    def __init__(self, machine: "Machine", name: str):
        folder = machine.folder / name
        folder.mkdir()
        self.machine, self.name = machine, name
        super().__init__(folder, machine.log_key, role=name.removeprefix("sigsum-log-"))
        self.external, self.internal = machine.external, machine.internal
        self.is_enabled = False

    def command(self) -> list[str]:
        # Its tree is in memory: a document means one that it keeps.
        return [str(self.machine.programs / self.name), "--backend=ephemeral", "--interval=100ms"]

    def environment(self) -> dict[str, str]:
        return super().environment() | self.machine.environment


class Machine:
    """
    One machine. `log_key` judges the log that may run there. `is_log_go`: log-go's programs are
    installed there, not ours.
    """

    def __init__(self, name: str, folder: pathlib.Path, log_key: ed25519.Signer,
                 is_log_go: bool = False):
        self.name, self.folder, self.log_key = name, folder / name, log_key
        self.etc, self.lib = self.folder / "etc", self.folder / "lib"
        self.programs = self.folder / "bin"
        for path in (self.etc, self.lib, self.programs):
            path.mkdir(parents=True)
        self.external = ("127.0.0.1", harness.free_port())
        self.internal = ("127.0.0.1", harness.free_port())
        self.others: dict[str, Machine] = {}
        self.is_log_go = is_log_go
        self._units: dict[str, harness.Server] = {}
        self._install()
        self._server = _Asked(str(self.folder / "socket"), self._do)

    def close(self) -> None:
        self._server.close()
        for unit in self._units.values():
            unit.close()

    @property
    def environment(self) -> dict[str, str]:
        return {"MACHINE": str(self.folder / "socket"),
                "SIGSUM_LOGSERVER_CONFIG": str(self.etc / "config.toml")}

    @property
    def names(self) -> dict[str, str]:
        """What a document calls these folders."""
        return {str(self.etc): "/etc/sigsum", str(self.lib): "/var/lib/sigsum-log"}

    def unit(self, name: str) -> harness.Server:
        if name not in self._units:
            self._units[name] = (LogGoUnit if self.is_log_go else Unit)(self, name)
        return self._units[name]

    @property
    def primary(self) -> harness.Server:
        return self.unit("sigsum-log-primary")

    @property
    def secondary(self) -> harness.Server:
        return self.unit("sigsum-log-secondary")

    def shell(self, commands: str) -> str:
        """Runs commands as an operator would; what they print. Any that fails, fails the test."""
        done = harness.run(
            "bash", "-e", "-u", "-o", "pipefail", "-c", f"exec 2>&1\n{commands}", cwd=self.folder,
            env=os.environ | self.environment | {
                "PATH": f"{self.programs}:{os.environ['PATH']}"})
        assert done.returncode == 0, (
            f"on {self.name}: {done.returncode}\n{commands}\n{done.stdout}\n"
            + "\n".join(unit.output[-2000:] for unit in self._units.values()))
        return done.stdout

    # Installing

    def _install(self) -> None:
        for name in ("sigsum-log-primary", "sigsum-log-secondary", "sigsum-mktree"):
            (self.programs / name).symlink_to(
                harness.peer(name) if self.is_log_go else harness.BINARY.resolve())
        for name in ("sigsum-key", "sigsum-submit", "sigsum-verify"):
            (self.programs / name).symlink_to(harness.peer(name))
        for name in _ASKING:
            self._write_program(name, _STAND_IN)
        for name, script in _SCRIPTS.items():
            self._write_program(name, f"#!/bin/sh\n{script}\n")

    def _write_program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    # The stand-ins

    def _do(self, words: list[str]) -> tuple[int, str, str]:
        program, *rest = words
        return getattr(self, f"_{program}")([word for word in rest if word != "--now"],
                                            "--now" in rest)

    def _systemctl(self, words: list[str], is_now: bool) -> tuple[int, str, str]:
        verb, *names = words
        if verb == "show":
            assert names[:2] == ["-p", "ActiveState"], words
            state = "active" if self.unit(names[2]).is_running else "inactive"
            return 0, f"ActiveState={state}\n", ""
        for unit in map(self.unit, (name.removesuffix(".service") for name in names)):
            if verb in ("enable", "disable"):
                unit.is_enabled = verb == "enable"
            else:
                assert verb in ("start", "stop", "restart"), words
            if verb in ("stop", "restart") or (verb == "disable" and is_now):
                if unit.is_running:
                    unit.stop()
            if verb in ("start", "restart") or (verb == "enable" and is_now):
                if unit.is_running:
                    continue
                try:
                    unit.start()
                except harness.StartFailed:
                    return 1, "", (
                        f"Job for {unit.name}.service failed because the control process exited "
                        f"with error code.\n")
        return 0, "", ""

    def _journalctl(self, words: list[str], _) -> tuple[int, str, str]:
        assert words[0] == "-u" and words[2:4] == ["-o", "cat"], words
        lines = list(self.unit(words[1]).lines)
        if words[4:5] == ["-n"]:
            lines = lines[-int(words[5]):]
        return 0, "".join(f"{line}\n" for line in lines), ""

    def _scp(self, words: list[str], _) -> tuple[int, str, str]:
        source, target = (self._path(word) for word in words)
        shutil.copy(source, target)
        return 0, "", ""

    def _path(self, word: str) -> pathlib.Path:
        """`b:<path>` is the file on b that has this path here."""
        name, _, path = word.rpartition(":")
        folder = self.others[name].folder if name else self.folder
        return folder / pathlib.Path(path).relative_to(self.folder)


class _Asked:
    """Answers a machine's stand-ins, one thread each."""

    def __init__(self, path: str, do: Callable[[list[str]], tuple[int, str, str]]):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    answer = do(json.loads(self.rfile.readline()))
                except BaseException as error:
                    answer = (1, "", f"{error!r}\n")
                self.wfile.write(json.dumps(answer).encode())

        self._server = socketserver.ThreadingUnixStreamServer(path, Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,),
                                        daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Site:
    """Machines that follow a document. `values` are what its site block sets, but for `here` and
    `external`, which each machine has for itself."""

    def __init__(self, name: str, machines: dict[str, Machine]):
        self.document = Document(name)
        self.machines = machines
        for machine in machines.values():
            machine.others = machines
        self.log = ""

    def follow(self, title: str, *alternatives: str, instead: dict[str, str] = {}) -> list[str]:
        """
        Does what stands below a heading, on the machines that exist; checks what is printed, and
        returns it. `alternatives`: those blocks that are for certain cases (`when=`), as they are.
        `instead`: machines that take the place of others.
        """
        outputs = []
        for block in self.document.section(title):
            if not block.is_command or block.values.get("when", "") not in ("", *alternatives):
                continue
            for name in block.machines:
                machine = self.machines.get(instead.get(name, name))
                if machine is not None:
                    outputs.append(self._run(block, machine))
        assert outputs, f"nothing was done of {title!r}"
        return outputs

    def _run(self, block: Block, machine: Machine) -> str:
        expected = self.document.output_of(block)
        deadline = time.monotonic() + wire.DEADLINE_SECONDS
        while True:
            output = machine.shell(self._variables(machine) + block.text)
            wrong = expected and document.differences(expected.text, output, machine.names)
            if not wrong:
                return output
            # Who looks may look again; what is done is done once.
            is_look = re.match("journalctl|curl", block.text) and time.monotonic() < deadline
            assert is_look, f"{self.document.path}:{block.line}: on {machine.name}\n{wrong}"

    def _variables(self, machine: Machine) -> str:
        values = {"etc": machine.etc, "lib": machine.lib, "log": self.log,
                  "here": _endpoint(machine.internal), "external": _endpoint(machine.external)}
        values |= {name: _endpoint(other.internal) for name, other in self.machines.items()}
        # A machine that this site does not have stands in no block that is run.
        names = self.document.variables
        unknown = [name for name in names if name not in values and len(name) > 1]
        assert not unknown, f"{self.document.path}: the test does not set {unknown}"
        return "".join(f"{name}={values.get(name, '')}\n" for name in names)


def _endpoint(address: tuple[str, int]) -> str:
    return "{}:{}".format(*address)
