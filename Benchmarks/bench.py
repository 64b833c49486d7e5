# SPDX-License-Identifier: BSD-2-Clause
#
# Measures our primary beside log-go's (its tree in memory) and nginx (get-tree-head's bytes from a
# file), all of one run and one machine, since only the ratios carry from one machine to another.
# Each question is put in rounds, every server in turn, and the median counts. wrk asks, on the same
# cores as the servers. A peer that is not there has an empty column.

import argparse
import contextlib
import pathlib
import re
import statistics
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Tests/Integration"))

import ed25519
import harness
import wire

CONNECTIONS, ADD_LEAF_CONNECTIONS, RANGE = 32, 64, 512

# wrk takes the requests of its threads from one list, each thread its own share, so that no leaf is
# sent twice.
SCRIPT = """
local threads = 0
function setup(thread)
    thread:set("number", threads)
    threads = threads + 1
    thread:set("threads", {threads})
end
function init()
    lines = {{}}
    for line in io.lines("{requests}") do lines[#lines + 1] = line end
    at = number
end
function request()
    local line = lines[at % #lines + 1]
    at = at + threads
    if "{method}" == "GET" then return wrk.format("GET", line) end
    return wrk.format("POST", "/add-leaf", nil, (line:gsub(";", "\\n")))
end
"""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures the release.")
    parser.add_argument("--leaves", type=int, default=5000, help="size of the tree (5000)")
    parser.add_argument("--seconds", type=int, default=3, help="per measurement (3)")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many (3)")
    options = parser.parse_args(words)

    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sigsum-")))
        signer = ed25519.Signer()
        leaves = [
            wire.Leaf.make(signer, number.to_bytes(32, "big")) for number in range(options.leaves)
        ]
        servers = {"sigsum": stack.enter_context(harness.Log())}
        try:
            servers["log-go"] = stack.enter_context(harness.LogGo())
        except unittest.SkipTest as reason:
            print(f"log-go: {reason}")
        for name, server in servers.items():
            print(f"filling {name} with {len(leaves)} leaves", flush=True)
            fill(server, leaves)
        head = servers["sigsum"].tree_head(size_at_least=len(leaves))
        bases = {name: "http://{}:{}".format(*server.external) for name, server in servers.items()}
        static = servers["sigsum"].get("/get-tree-head").body
        with contextlib.suppress(unittest.SkipTest):
            bases["nginx"] = stack.enter_context(nginx(folder, static))

        size = head.size
        questions = {
            "get-tree-head": ["/get-tree-head"],
            "get-inclusion-proof": [
                f"/get-inclusion-proof/{size}/{leaf.hash.hex()}" for leaf in leaves
            ],
            "get-consistency-proof": [
                f"/get-consistency-proof/{old}/{size}" for old in range(1, size, 7)
            ],
            f"get-leaves of {RANGE}": [
                f"/get-leaves/{start}/{start + RANGE}" for start in range(0, size - RANGE, RANGE)
            ],
        }
        print(f"\n{'requests per second':24}" + "".join(f"{name:>14}" for name in bases))
        for question, targets in questions.items():
            asked = [name for name in bases if name != "nginx" or question == "get-tree-head"]
            rates = {name: [] for name in asked}
            for _ in range(options.rounds):
                for name in asked:
                    rates[name].append(wrk(folder, bases[name], targets, options.seconds))
            show(question, bases, rates)

        rates = {name: [] for name in servers}
        fresh = iter(range(options.leaves, sys.maxsize))
        for _ in range(options.rounds):
            for name in servers:
                bodies = [
                    wire.Leaf.make(signer, next(fresh).to_bytes(32, "big")).body.decode()
                    .replace("\n", ";") for _ in range(12_000 * options.seconds)
                ]
                rates[name].append(
                    wrk(folder, bases[name], bodies, options.seconds, method="POST")
                )
        show("add-leaf, new", bases, rates)
    return 0


def show(question: str, columns, rates: dict[str, list[float]]) -> None:
    cells = [f"{statistics.median(rates[name]):14,.0f}" if name in rates else f"{'':14}"
             for name in columns]
    print(f"{question:24}{''.join(cells)}", flush=True)


def fill(server: harness.Server, leaves: list[wire.Leaf], connections: int = 16) -> None:
    """Adds the leaves, asking once for each: 200 and 202 both mean that the log has it."""

    def send(share: list[wire.Leaf]) -> None:
        with server.connect() as connection:
            for leaf in share:
                status = connection.request("POST", "/add-leaf", leaf.body).status
                assert status in (200, 202), status

    threads = [
        threading.Thread(target=send, args=(leaves[at::connections],)) for at in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.tree_head(size_at_least=len(leaves))


def wrk(folder: pathlib.Path, base: str, lines: list[str], seconds: int, method="GET") -> float:
    """Requests per second; answers other than 2xx end the run."""
    requests, script = folder / "requests", folder / "script.lua"
    requests.write_text("\n".join(lines) + "\n")
    script.write_text(SCRIPT.format(threads=2, requests=requests, method=method))
    connections = ADD_LEAF_CONNECTIONS if method == "POST" else CONNECTIONS
    done = harness.run(
        harness.tool("wrk", "wrk"), "-t", 2, "-c", connections, "-d", f"{seconds}s",
        "-s", script, base,
    )
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    if done.returncode != 0 or bad:
        raise RuntimeError(f"wrk on {base}, {lines[0]}:\n{done.stdout}{done.stderr}")
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)[1])


@contextlib.contextmanager
def nginx(folder: pathlib.Path, body: bytes):
    """nginx with the tree head as a file in memory, its own logs off."""
    program, port = harness.tool("nginx", "nginx-light"), harness.free_port()
    # Its workers run as another user, who must get to the file.
    folder.chmod(0o755)
    (folder / "get-tree-head").write_bytes(body)
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
        daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log stderr error;
        events {{ worker_connections 512; }}
        http {{
            access_log off; default_type text/plain; keepalive_requests 1000000;
            open_file_cache max=16;
            server {{ listen 127.0.0.1:{port}; root {folder}; }}
        }}
    """)
    process = harness.subprocess.Popen([program, "-c", configuration, "-p", folder])
    try:
        while True:
            assert process.poll() is None, "nginx did not start"
            with contextlib.suppress(ConnectionRefusedError):
                wire.Connection(("127.0.0.1", port)).close()
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
