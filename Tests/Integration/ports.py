# SPDX-License-Identifier: BSD-2-Clause
#
# Ports for the servers of the tests. A server that is stopped and started again does not listen for a
# moment: so that a port is free to be bound does not mean that it is nobody's.

import contextlib
import fcntl
import os
import random
import socket
import struct

# From below the range that the kernel gives to outgoing connections, so that none of those can take
# one before the server does. In an order of this run's own, for others that run at the same time.
_ports = iter(random.sample(range(20000, 32000), 12000))

# Of this file only the locks count, one byte for each port: they end with this process.
_claims = os.open(os.devnull, os.O_RDWR)


def claim_port(port: int) -> bool:
    """False when another run that goes on now has it, though it may not listen at the moment."""
    return _lock_port(port, fcntl.F_WRLCK)


def give_port_back(port: int) -> None:
    """For other runs; this one does not give it out again."""
    _lock_port(port, fcntl.F_UNLCK)


def _lock_port(port: int, kind: int) -> bool:
    lock = struct.pack("hhqqi4x", kind, os.SEEK_SET, port, 1, 0)
    try:
        fcntl.fcntl(_claims, fcntl.F_OFD_SETLK, lock)
    except BlockingIOError:
        return False
    except OSError:
        pass  # No such locks here: then no other run must go on at the same time.
    return True


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no run gives to anybody else."""
    for port in _ports:
        if not claim_port(port):
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
        give_port_back(port)
    raise RuntimeError("no free port is left")
