"""What worker jobs can ask for in this HTCondor pool: by condor_status and condor_config_val."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .batch import BatchError, call
from .survey import PATIENCE, Choice, answer, plural, size

_ATTRIBUTES = "TotalSlotCpus,TotalSlotMemory,TotalSlotDisk"
# a dynamic slot is a part of another one, which a job has at the moment
_STATUS = ("condor_status", "-constraint", 'SlotType =!= "Dynamic"')
_CORES, _DISK = 4, 2048  # of the template; MiB
_SHOWN = 6  # kinds of slots
_LIMITS = ("SYSTEM_PERIODIC_REMOVE", "SYSTEM_PERIODIC_HOLD")


@dataclass(frozen=True)
class Slots:
    """Slots of one kind; memory and disk are in MiB."""

    count: int
    cpus: int
    memory: int
    disk: int

    def __str__(self) -> str:
        what = f"{plural(self.cpus, 'core')}, {size(self.memory)} and {size(self.disk)} of disk"
        return f"{plural(self.count, 'slot')} with {what}"


def survey() -> dict[str, Choice]:
    """Find out what worker jobs can ask for, for options of a profile."""
    of_slots, groups, limits = asyncio.run(_ask())
    return {
        **_size(of_slots),
        "accounting_group": _group(groups),
        "+MaxRuntime": _limit(dict(zip(_LIMITS, limits, strict=True))),
    }


async def _ask() -> tuple[list[Slots] | BatchError, str | BatchError, list[str | BatchError]]:
    return await asyncio.gather(
        answer(slots()),
        answer(_setting("GROUP_NAMES")),
        asyncio.gather(*(answer(_setting(name)) for name in _LIMITS)),
    )


# ---- slots ---------------------------------------------------------------------------------------


async def slots() -> list[Slots]:
    """Give the kinds of slots, the one with most cores first; raises a BatchError."""
    said = await call((*_STATUS, "-json", "-attributes", _ATTRIBUTES), timeout=PATIENCE)
    try:
        ads: list[dict[str, Any]] = json.loads(said[said.find("[") :]) if said.strip() else []
        kinds = Counter(_kind(ad) for ad in ads if ad.get("TotalSlotCpus"))
    except (ValueError, TypeError, KeyError) as error:
        raise BatchError(f"condor_status: what it prints is not understood ({error})") from error
    if not kinds:
        raise BatchError("condor_status: lists no slot")
    found = [Slots(count, *kind) for kind, count in kinds.items()]
    return sorted(found, key=lambda kind: (-kind.count * kind.cpus, kind.cpus, kind.memory))


def _kind(ad: dict[str, Any]) -> tuple[int, int, int]:
    """Give cores, memory and disk; HTCondor has the disk in KiB, and little free ones differ."""
    disk = int(ad["TotalSlotDisk"]) // 1024
    return int(ad["TotalSlotCpus"]), int(ad["TotalSlotMemory"]), disk // 1024 * 1024 or disk


def _size(found: list[Slots] | BatchError) -> dict[str, Choice]:
    if isinstance(found, BatchError):
        note = f"not found out ({found}): as in the template, to be edited"
        return {name: Choice(None, note) for name in ("cores", "memory", "disk")}
    kind = found[0]
    cores = min(_CORES, kind.cpus)
    memory, disk = kind.memory * cores // kind.cpus, min(_DISK, kind.disk * cores // kind.cpus)
    fitting = sum(
        k.count for k in found if k.cpus >= cores and k.memory >= memory and k.disk >= disk
    )
    room = (
        f"room for a job of this size: {fitting} of {plural(sum(k.count for k in found), 'slot')}"
    )
    return {
        "cores": Choice(cores, f"{room}; the pool has {_listed(found)}"),
        "memory": Choice(size(memory), f"the share of so many cores in {kind.memory} MiB"),
        "disk": Choice(size(disk), f"of {size(kind.disk)} in such a slot"),
    }


def _listed(found: Sequence[Slots]) -> str:
    most = ", ".join(map(str, found[:_SHOWN]))
    rest = sum(kind.count for kind in found[_SHOWN:])
    return f"{most}, and {plural(rest, 'slot')} of other kinds" if rest else most


# ---- settings ------------------------------------------------------------------------------------


async def _setting(name: str) -> str:
    return " ".join((await call(("condor_config_val", name), timeout=PATIENCE)).split())


def _group(found: str | BatchError) -> Choice:
    if isinstance(found, BatchError):
        return Choice(None, f"accounting groups were not found out ({found})")
    groups = found.replace(",", " ").split()
    others = tuple((group, "") for group in groups)
    return Choice(None, "GROUP_NAMES of the configuration here: take yours", others)


def _limit(found: dict[str, str | BatchError]) -> Choice:
    said = [
        str(value) if isinstance(value, BatchError) else f"{name} is {value}"
        for name, value in found.items()
    ]
    return Choice(None, f"what the pool does with long jobs: {'; '.join(said)}")
