"""A scheduler that runs already."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import Any

from distributed import Client, Security
from distributed.core import rpc

from ..inputs.profile import Profile

CONNECT_TIMEOUT = 10.0  # seconds


def connect(profile: Profile) -> Client:
    """Connect to a scheduler that runs already.

    It is greeted first, without a client: one that cannot connect says so only much later, and
    once more when it is thrown away. The client's own timeout does not hold for a scheduler that
    takes the connection and then says nothing, such as a stopped one; in a thread, it can be left
    behind.
    """
    address = profile.cluster
    arguments = _tls_arguments(profile)
    connected: concurrent.futures.Future[Client] = concurrent.futures.Future()

    def connect() -> None:
        try:
            asyncio.run(asyncio.wait_for(_greet(address, arguments), CONNECT_TIMEOUT + 1))
            client = Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
        except BaseException as error:
            connected.set_exception(error)
        else:
            connected.set_result(client)

    threading.Thread(target=connect, name="connect", daemon=True).start()
    try:
        return connected.result(2 * CONNECT_TIMEOUT + 2)
    except Exception as error:  # of many kinds, where TLS is not the scheduler's
        said = " ".join(str(error).split()) or "it says nothing"
        raise profile.error(
            "cluster",
            f"no Dask scheduler answers at {address} ({said}); start one with `dask scheduler` "
            "or correct the address",
        ) from error


def _tls_arguments(profile: Profile) -> dict[str, Any]:
    """Give what Dask's own configuration says of certificates, which a client uses too."""
    names = "`ca-file`, `client.cert` and `client.key` of `distributed.comm.tls`"
    where = f"set {names} in Dask's configuration, such as ~/.config/dask/tls.yaml"
    try:
        arguments: dict[str, Any] = Security().get_connection_args("client")
    except (OSError, ValueError) as error:
        said = f"Dask's configuration has TLS files that cannot be used ({error})"
        raise profile.error("cluster", f"{said}; {where}") from error
    if profile.cluster.startswith(("tls://", "wss://")) and not arguments["ssl_context"]:
        raise profile.error("cluster", f"is {profile.cluster}, but has no certificates; {where}")
    return arguments


async def _greet(address: str, arguments: dict[str, Any]) -> None:
    async with rpc(address, connection_args=arguments, timeout=CONNECT_TIMEOUT) as server:
        kind = (await server.identity())["type"]
    if kind != "Scheduler":
        raise ValueError(f"a {kind.lower()} does")
