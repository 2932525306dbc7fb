"""Runs a function over many batches: by Dask, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from os import cpu_count
from typing import Any, TypeVar

from nbannot.errors import FormatError, RemoteError, need

T = TypeVar("T")
Run = Callable[[Callable[..., T], Sequence[tuple[Any, ...]]], list[T]]

# Requests wait for the network, headers for the processor.
_REQUESTS = 16


@contextmanager
def runner(scheduler: Any, *, remote: bool) -> Iterator[Run[Any]]:
    """Give what runs a function over lists of arguments.

    Parameters
    ----------
    scheduler
        None or "threads", "processes", the address of a Dask scheduler (``tcp://…``), or a Dask client.
    remote
        Whether the work waits for a network.

    Raises
    ------
    FormatError
        When the scheduler is of another kind.
    RemoteError
        When no scheduler answers there.
    MissingDependencyError
        When Dask is not installed.
    """
    dask = need("dask", extra="dask")
    if isinstance(scheduler, str) and "://" in scheduler:
        distributed = need("distributed", extra="dask")
        try:
            client = distributed.Client(scheduler, timeout=10)
        except (OSError, TimeoutError) as cause:
            raise RemoteError(
                f"No Dask scheduler answers at {scheduler}", hint="Check the address."
            ) from cause
        with client:
            yield _on_client(client)
        return
    if scheduler is not None and not isinstance(scheduler, str):
        yield _on_client(scheduler)
        return
    if scheduler not in (None, "threads", "processes"):
        raise FormatError(
            f"Unknown scheduler {scheduler!r}", hint='Choose "threads", "processes" or "tcp://host:8786".'
        )
    pool: Executor
    if scheduler == "processes":
        pool = ProcessPoolExecutor(cpu_count() or 1, mp_context=get_context("spawn"))
    else:
        pool = ThreadPoolExecutor(_REQUESTS if remote else cpu_count() or 1)
    with pool:

        def run(function: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> list[T]:
            tasks = [dask.delayed(function, pure=False)(*one) for one in arguments]
            return list(dask.compute(*tasks, scheduler=scheduler or "threads", pool=pool))

        yield run


def _on_client(client: Any) -> Run[Any]:
    def run(function: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> list[T]:
        futures = [client.submit(function, *one, pure=False) for one in arguments]
        try:
            found: list[T] = client.gather(futures)
        except BaseException:
            client.cancel(futures)
            raise
        return found

    return run
