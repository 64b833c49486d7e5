# SPDX-License-Identifier: BSD-2-Clause
#
# What a server process takes: processor time, memory, system calls, allocations; and the yardstick
# for processor time, one Ed25519 verification of libcrypto on the same machine at the same time.

import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import time

import harness

HERE = pathlib.Path(__file__).resolve().parent


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far (proc(5), /proc/pid/stat, fields 14 and 15)."""
    # The second field is the name in brackets and may have blanks in it.
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mebibytes(pid: int) -> float:
    """The resident set, the mapped pages of the store included."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def verification_seconds() -> float:
    """Processor time of one verification, by `openssl speed`."""
    done = harness.run(harness.tool("openssl", "openssl"), "speed", "-seconds", 1, "ed25519")
    return 1 / float(re.search(r"Ed25519\).*\s([0-9.]+)\s*$", done.stdout, re.MULTILINE)[1])


class SystemCalls:
    """Counts a process's system calls with strace while the block runs; `counts` has them then."""

    def __init__(self, pid: int, folder: pathlib.Path):
        self._pid, self._file = pid, folder / "strace"
        self.counts: dict[str, int] = {}

    def __enter__(self) -> "SystemCalls":
        self._process = subprocess.Popen(
            [harness.tool("strace", "strace"), "-c", "-f", "-o", self._file, "-p", str(self._pid)],
            stderr=subprocess.PIPE, text=True,
        )
        # It says so when it has attached.
        line = self._process.stderr.readline()
        assert "attached" in line, line
        return self

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def __exit__(self, *_) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.communicate()
        for line in self._file.read_text().splitlines():
            words = line.split()
            if len(words) >= 5 and words[3].isdigit() and words[-1] != "total":
                self.counts[words[-1]] = int(words[3])


class AllocationCounter:
    """
    A library that counts allocations, put into a process by LD_PRELOAD; it counts into a file that
    both sides map. None of it where there is no C compiler.
    """

    def __init__(self, folder: pathlib.Path):
        self._file, library = folder / "allocations", folder / "count_allocations.so"
        self._file.write_bytes(bytes(8))
        compiler = shutil.which("cc") or shutil.which("clang")
        self.is_there = compiler is not None
        if compiler:
            made = harness.run(
                compiler, "-O2", "-shared", "-fPIC", "-o", library, HERE / "count_allocations.c"
            )
            assert made.returncode == 0, made.stderr
        self.environment = {"LD_PRELOAD": str(library), "ALLOCATION_COUNT": str(self._file)}

    @property
    def count(self) -> int:
        return struct.unpack("=Q", self._file.read_bytes())[0]


def seconds(action) -> float:
    """How long the action takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
