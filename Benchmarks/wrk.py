# SPDX-License-Identifier: BSD-2-Clause
#
# Load for a server under measurement: wrk with requests that are written out beforehand, and nginx,
# the server that others are compared with.

import contextlib
import pathlib
import re
from dataclasses import dataclass

import harness
import wire

THREADS = 2

# Each thread sends its own share of the requests. A thread reads the file when it sends its first
# request, not in init(): wrk starts its clock after the last thread's init(), when the first thread
# has long begun to send. Requests end in a NUL.
SCRIPT = """
local numbers = 0
function setup(thread)
    thread:set("number", numbers)
    numbers = numbers + 1
end
local requests, at
function load()
    local file, count = io.open("{requests}", "rb"), 0
    requests, at = {{}}, 0
    for request in file:read("*a"):gmatch("[^%z]+") do
        if count % {threads} == number then requests[#requests + 1] = request end
        count = count + 1
    end
    file:close()
end
function request()
    if not requests then load() end
    at = at % #requests + 1
    return requests[at]
end
"""


@dataclass
class Load:
    """What wrk did."""

    requests: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Wrk:
    """wrk with its files in a folder."""

    def __init__(self, folder: pathlib.Path):
        self._requests, self._script = folder / "requests", folder / "script.lua"

    def get(self, address: tuple[str, int], targets: list[str], seconds: int,
            connections: int) -> Load:
        """GETs of the targets in turn; a single one without the script, as fast as wrk can."""
        if len(targets) == 1:
            return self._run(address, targets[0], seconds, connections)
        self._write(request(address, "GET", target) for target in targets)
        return self._run(address, "/", seconds, connections, "-s", self._script)

    def post_leaves(self, address: tuple[str, int], bodies: list[bytes], seconds: int,
                    connections: int) -> Load:
        """Each body once, as long as there are enough."""
        self._write(request(address, "POST", "/add-leaf", body) for body in bodies)
        return self._run(address, "/", seconds, connections, "-s", self._script)

    def _write(self, requests) -> None:
        self._requests.write_bytes(b"\0".join(requests))
        self._script.write_text(SCRIPT.format(threads=THREADS, requests=self._requests))

    def _run(self, address: tuple[str, int], target: str, seconds: int, connections: int,
             *options) -> Load:
        """Answers other than 2xx end the run."""
        done = harness.run(
            harness.tool("wrk", "wrk"), "-t", THREADS, "-c", connections, "-d", f"{seconds}s",
            *options, "http://{}:{}{}".format(*address, target),
        )
        bad = re.search(r"Non-2xx|Socket errors", done.stdout)
        if done.returncode != 0 or bad:
            raise RuntimeError(f"wrk on {address}:\n{done.stdout}{done.stderr}")
        count, amount, unit = re.search(
            r"(\d+) requests in ([0-9.]+)(ms|s|m),", done.stdout
        ).groups()
        return Load(int(count), float(amount) * {"ms": 0.001, "s": 1, "m": 60}[unit])


def request(address: tuple[str, int], method: str, target: str, body: bytes | None = None) -> bytes:
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    head = f"{method} {target} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n{length}\r\n"
    return head.encode("ascii") + (body or b"")


@contextlib.contextmanager
def nginx(folder: pathlib.Path, body: bytes):
    """nginx with the tree head as a file in memory and its own logs off; yields its address."""
    program, port = harness.tool("nginx", "nginx-light"), harness.free_port()
    # Its workers run as another user, who must get to the file.
    folder.chmod(0o755)
    (folder / "get-tree-head").write_bytes(body)
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
        daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log stderr error;
        events {{ worker_connections 512; }}
        http {{
            access_log off; default_type text/plain; keepalive_requests 10000000;
            open_file_cache max=16;
            server {{ listen 127.0.0.1:{port}; root {folder}; }}
        }}
    """)
    process = harness.subprocess.Popen([program, "-c", configuration, "-p", folder])
    address = ("127.0.0.1", port)
    try:
        while True:
            assert process.poll() is None, "nginx did not start"
            with contextlib.suppress(ConnectionRefusedError):
                wire.Connection(address).close()
                break
        yield address
    finally:
        process.terminate()
        process.wait()
