"""What worker jobs can ask for on this Slurm: partitions by sinfo, accounts by sacctmgr."""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import sbatch
from .batch import BatchError, call
from .survey import PATIENCE, Choice, answer, plural, size

# hidden partitions, and those that are not for the user's group, are not among them
_SINFO = ("sinfo", "--noheader", "--exact", "--noconvert", "--format=%R|%P|%a|%l|%c|%m|%Z|%F")
_PARTITION = re.compile(
    r"([^|]+)\|([^|]+)\|(\w+)\|([^|]*)\|(\d+)\+?\|(\d+)\+?\|(\d+)\+?\|"
    r"(\d+)/(\d+)/\d+/(\d+)"
)
_SACCTMGR = ("sacctmgr", "--noheader", "--parsable2", "--readonly", "show")
_WALLTIME = 3600  # seconds: short jobs find gaps, and the next one goes on
_UNCOUNTED = 64  # MiB: less is what Slurm has for nodes that nobody has told it the memory of


@dataclass(frozen=True)
class Nodes:
    """Nodes of one kind in a partition: how many work, of how many; memory is in MiB."""

    working: int
    all: int
    cpus: int
    memory: int
    threads: int

    def __str__(self) -> str:
        number = plural(self.all, "node")
        if self.working < self.all:
            number = f"{self.working} of {number} up,"
        threads = f" ({self.threads} hardware threads a core)" if self.threads > 1 else ""
        return f"{number} with {plural(self.cpus, 'CPU')}{threads} and {size(self.memory)}"


@dataclass(frozen=True)
class Partition:
    """A partition, its time limit as Slurm writes it, and its kinds of nodes, most first."""

    name: str
    is_default: bool
    state: str
    limit: str
    nodes: tuple[Nodes, ...]

    @property
    def working(self) -> int:
        """How many nodes jobs can run on."""
        return sum(kind.working for kind in self.nodes) if self.state == "up" else 0

    def __str__(self) -> str:
        state = "" if self.state == "up" else f"{self.state}; "
        limit = f"jobs of up to {self.limit}"
        if self.limit == "infinite":
            limit = "no time limit"
        return f"{state}{limit}; {', '.join(map(str, self.nodes))}"


@dataclass(frozen=True)
class Account:
    """An account that the user may charge.

    Without a time limit of its own, that is empty. It has clusters if there are several to choose
    from, and partitions if it is for these alone.
    """

    name: str
    is_default: bool
    limit: str
    clusters: Sequence[str]
    partitions: Sequence[str]

    def __str__(self) -> str:
        parts = [
            "your default" if self.is_default else "",
            f"jobs of up to {self.limit}" if self.limit else "",
            f"on {', '.join(self.clusters)}" if self.clusters else "",
            f"only for {', '.join(self.partitions)}" if self.partitions else "",
        ]
        return "; ".join(filter(None, parts))


def survey() -> dict[str, Choice]:
    """Find out what worker jobs can ask for, for options of a profile."""
    of_partitions, of_accounts = asyncio.run(_ask())
    partition, why = _choose(of_partitions)
    account, choice = _account(of_accounts, partition)
    if partition is None:
        said = f"not found out ({why}): as in the template, to be edited"
        unknown = ("cores", "memory", "walltime", "queue")
        return {**{name: Choice(None, said) for name in unknown}, "account": choice}
    assert not isinstance(of_partitions, BatchError)
    others = tuple((p.name, str(p)) for p in of_partitions if p is not partition)
    return {
        "cores": _cores(partition),
        "memory": _memory(partition),
        "walltime": _walltime(partition, account),
        "queue": Choice(partition.name, f"{why}: {partition}", others),
        "account": choice,
    }


async def _ask() -> tuple[list[Partition] | BatchError, list[Account] | BatchError]:
    return await asyncio.gather(answer(partitions()), answer(accounts()))


# ---- partitions ----------------------------------------------------------------------------------


async def partitions() -> list[Partition]:
    """Give the partitions that the user sees; raises a BatchError."""
    said = await call(_SINFO, timeout=PATIENCE)
    lines = [found.groups() for line in said.splitlines() if (found := _PARTITION.fullmatch(line))]
    if not lines:
        raise BatchError("sinfo: lists no partition")
    return [_partition(list(of_it)) for _, of_it in itertools.groupby(lines, lambda line: line[0])]


def _partition(lines: Sequence[Sequence[str]]) -> Partition:
    name, starred, state, limit = lines[0][:4]
    kinds: dict[tuple[int, int, int], tuple[int, int]] = {}
    for line in lines:
        cpus, memory, threads, allocated, idle, total = map(int, line[4:])
        before, all_before = kinds.get((cpus, memory, threads), (0, 0))
        kinds[cpus, memory, threads] = before + allocated + idle, all_before + total
    nodes = [Nodes(*numbers, *kind) for kind, numbers in kinds.items()]
    nodes.sort(key=lambda kind: (-kind.working, -kind.all, kind.cpus, kind.memory))
    return Partition(name, starred == f"{name}*", state, limit, tuple(nodes))


def _choose(found: Sequence[Partition] | BatchError) -> tuple[Partition | None, str]:
    if isinstance(found, BatchError):
        return None, str(found)
    for partition in found:
        if partition.is_default and partition.working:
            return partition, "the default partition"
    largest = max(found, key=lambda partition: partition.working)
    if not largest.working:
        return None, "sinfo: no node of any partition is up"
    default = next((partition.name for partition in found if partition.is_default), "")
    why = f"the default, {default}, is not up" if default else "there is no default partition"
    return largest, f"{why}, and this one has the most nodes" if len(found) > 1 else "the only one"


def _cores(partition: Partition) -> Choice:
    kind = partition.nodes[0]
    which = "a node" if len(partition.nodes) == 1 else "a node of the most frequent kind"
    others = []
    if kind.threads > 1:
        others.append((kind.cpus // kind.threads, "as many as the node has cores"))
    note = f"all CPUs of {which} in {partition.name}; fewer may start sooner"
    return Choice(kind.cpus, note, tuple(others))


def _memory(partition: Partition) -> Choice:
    kind = partition.nodes[0]
    if kind.memory < _UNCOUNTED:
        why = f"sinfo has {kind.memory} MiB for a node, so this Slurm does not count memory"
        how = "should sbatch refuse it, add `job_directives_skip: [--mem]`"
        return Choice(None, f"not found out ({why}): as in the template; {how}")
    note = f"of the {kind.memory} MiB that Slurm has there for jobs; less where some is kept back"
    return Choice(size(kind.memory), note)


def _walltime(partition: Partition, account: Account | None) -> Choice:
    limits = {f"{partition.limit} in {partition.name}": sbatch.CLOCK.parse(partition.limit)}
    if account:
        limits[f"{account.limit} for {account.name}"] = sbatch.CLOCK.parse(account.limit)
    known = {limit: seconds for limit, seconds in limits.items() if seconds}
    note = f"at most {min(known, key=known.__getitem__)}" if known else "without a limit"
    seconds = min([_WALLTIME, *known.values()])
    if seconds == _WALLTIME:
        note += "; an hour is the template's"
    return Choice(sbatch.CLOCK.write(int(seconds)), note)


# ---- accounts ------------------------------------------------------------------------------------


async def accounts() -> list[Account]:
    """Give the accounts that the user may charge; raises a BatchError."""
    user = _user()
    fields = "format=Account,Cluster,Partition,MaxWall"
    listed = await call((*_SACCTMGR, "associations", f"user={user}", fields), timeout=PATIENCE)
    lines = [line.split("|") for line in listed.splitlines() if line.count("|") == 3]
    if not lines:
        raise BatchError(f"sacctmgr: has no account of {user}")
    words = (*_SACCTMGR, "user", f"name={user}", "format=DefaultAccount")
    defaults = {line.strip() for line in (await call(words, timeout=PATIENCE)).splitlines()}
    several = len({cluster for _, cluster, *_ in lines}) > 1
    by_name = {line[0]: [other for other in lines if other[0] == line[0]] for line in lines}
    return [_of_lines(name, of_it, defaults == {name}, several) for name, of_it in by_name.items()]


def _of_lines(
    name: str, lines: Sequence[Sequence[str]], is_default: bool, several: bool
) -> Account:
    clusters, of_partitions, limits = ([line[i] for line in lines] for i in (1, 2, 3))
    known = {limit: seconds for limit in limits if (seconds := sbatch.CLOCK.parse(limit))}
    return Account(
        name,
        is_default,
        min(known, key=known.__getitem__, default=""),
        list(dict.fromkeys(clusters)) if several else [],
        list(dict.fromkeys(of_partitions)) if all(of_partitions) else [],
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise BatchError(f"the user {os.getuid()} has no name") from None


def _account(
    found: Sequence[Account] | BatchError, partition: Partition | None
) -> tuple[Account | None, Choice]:
    """Choose an account that can be charged for the partition."""
    if isinstance(found, BatchError):
        return None, Choice(None, f"accounts were not found out ({found})")
    fitting = [
        account
        for account in found
        if not partition or not account.partitions or partition.name in account.partitions
    ]
    chosen = next((account for account in fitting if account.is_default), None)
    if len(found) == 1 == len(fitting):
        chosen = found[0]
    others = tuple((account.name, str(account)) for account in found if account is not chosen)
    if chosen is None:
        return None, Choice(None, "no account is your default here: choose one", others)
    only = "the only one of yours" if len(found) == 1 and not chosen.is_default else ""
    note = "; ".join(filter(None, (only, str(chosen))))
    return chosen, Choice(chosen.name, note, others)
