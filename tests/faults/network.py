"""Machines of a laboratory on one: network namespaces with addresses of their own, and a switch.

Nothing of this touches the network of the machine itself: the switch is a bridge in a namespace
of its own, and every machine hangs on it by a pair of virtual interfaces. Needs root and ``ip``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.house.repository import ROOT

INTERFACE = "lab0"


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)


@dataclass
class Machine:
    """One namespace, and the processes that were started in it."""

    name: str
    address: str
    switch: str
    port: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str, log: Path, **settings: str) -> subprocess.Popen[bytes]:
        """Run a command here, with pipes for its input and output."""
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with log.open("ab") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                env={**os.environ, "PYTHONPATH": path, **settings},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def unplug(self) -> None:
        """From now on nothing arrives and nothing leaves, and nobody is told."""
        run("ip", "-n", self.switch, "link", "set", self.port, "down")

    def plug_in(self) -> None:
        run("ip", "-n", self.switch, "link", "set", self.port, "up")

    def die(self) -> None:
        """As by a power failure: no process ends a connection in good order."""
        self.unplug()
        for process in self.processes:
            process.kill()
            process.communicate()  # which closes the pipes
        self.processes.clear()

    @property
    def is_idle(self) -> bool:
        """Whether every process that was started here has ended."""
        return all(process.poll() is not None for process in self.processes)

    def disturb(self, *how: str) -> None:
        """What leaves here is delayed and lost, in the words of ``tc ... netem``."""
        run(
            "ip", "netns", "exec", self.name,
            "tc", "qdisc", "replace", "dev", INTERFACE, "root", "netem", *how,
        )  # fmt: skip


class Network:
    """Machines that see one another, until it is closed."""

    def __init__(self) -> None:
        self._prefix = f"rl{os.getpid()}"
        self._switch = f"{self._prefix}-switch"
        self._machines: list[Machine] = []
        run("ip", "netns", "add", self._switch)
        run("ip", "-n", self._switch, "link", "add", "bridge0", "type", "bridge")
        run("ip", "-n", self._switch, "link", "set", "bridge0", "up")

    def machine(self, name: str) -> Machine:
        """A new one with the next address."""
        number = len(self._machines) + 1
        made = Machine(f"{self._prefix}-{name}", f"10.77.0.{number}", self._switch, f"port{number}")
        run("ip", "netns", "add", made.name)
        self._machines.append(made)
        run(
            "ip", "-n", self._switch, "link", "add", made.port, "type", "veth",
            "peer", "name", INTERFACE, "netns", made.name,
        )  # fmt: skip
        run("ip", "-n", self._switch, "link", "set", made.port, "master", "bridge0", "up")
        run("ip", "-n", made.name, "address", "add", f"{made.address}/24", "dev", INTERFACE)
        for interface in (INTERFACE, "lo"):
            run("ip", "-n", made.name, "link", "set", interface, "up")
        return made

    def close(self) -> None:
        for each in self._machines:
            for process in each.processes:
                process.kill()
                process.communicate()
            run("ip", "netns", "delete", each.name)
        run("ip", "netns", "delete", self._switch)


#: ``dask`` as the console script would run it.
DASK = (sys.executable, "-c", "from dask.__main__ import main; main()")
