"""
Requests to an object store: within a timeout, and with our errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import (
    BaseError,
    GenericError,
    JoinError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore

from asm_async import errors
from asm_async.errors import StorageError, StorageUnavailableError

if TYPE_CHECKING:
    from obstore import ObjectMeta

PAGE = 1000
"""
How many objects S3 lists in one answer, and deletes in one request.
"""

_NO_BUCKET = "the object store has no such bucket or container: make it first"
_REFUSED = "the object store refuses the credentials, or does not allow them this"
_UNREACHABLE = "the object store cannot be reached, or failed after retries"

_ENDED = (
    "the object store has ended the upload, or completed it and its answer was lost;"
    " the same call may succeed"
)

_STATUS = re.compile(r"non-2xx status code: ([0-9]{3})")


@asynccontextmanager
async def request(timeout: float) -> AsyncGenerator[None]:
    """
    Bound what is awaited inside, and translate what an object store raises.

    A caller for whom an object may be missing handles ``FileNotFoundError`` inside.

    Args:
        timeout: How long it may take, in seconds.

    Raises:
        StorageUnavailableError: If there is no answer in time, or none that the client
            understands; the same request may succeed later.

        PermissionDeniedError: If the credentials are missing or do not suffice.

        StorageError: If the store refuses for another reason.
    """
    with translated():
        try:
            async with asyncio.timeout(timeout):
                yield
        except TimeoutError as error:
            raise StorageUnavailableError(
                f"the object store did not answer within {timeout:g} s"
            ) from error


@contextmanager
def translated() -> Generator[None]:
    """
    Translate what an object store raises, as :func:`request` does.

    The messages of the client are left to the cause: they hold URLs and answers.
    """
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise errors.PermissionDeniedError(_REFUSED) from error
    except FileNotFoundError as error:
        if "NoSuchUpload" in str(error):
            # A request that was repeated for want of an answer finds no upload.
            raise StorageUnavailableError(_ENDED) from error
        raise StorageError(_NO_BUCKET) from error
    except GenericError as error:
        raise _of_status(str(error)) from error
    except JoinError as error:
        raise StorageUnavailableError(_UNREACHABLE) from error
    except BaseError as error:
        raise StorageError(
            f"the object store refused: {type(error).__name__}"
        ) from error


def _of_status(message: str) -> StorageError:
    """
    Return the error for the status that an answer had.

    The client has classes for what it reads and writes, but not for what it lists.
    """
    match = _STATUS.search(message)
    match match and match[1]:
        case "401" | "403":
            return errors.PermissionDeniedError(_REFUSED)
        case "404":
            return StorageError(_NO_BUCKET)
        case _:
            return StorageUnavailableError(_UNREACHABLE)


async def listed(
    store: ObjectStore, prefix: str, *, after: str | None = None, timeout: float
) -> AsyncGenerator[ObjectMeta]:
    """
    Yield what lies below a name, in the order of the object store.

    Args:
        store: Where.

        prefix: The name, which ends with a slash.

        after: Only what comes behind this name.

        timeout: How long each page may take, in seconds.
    """
    # Its overload for Arrow names a package that need not be there.
    untyped: Any = obstore
    # The prefix of the client is one of whole names between slashes.
    pages = untyped.list(store, prefix.rstrip("/"), offset=after, chunk_size=PAGE)
    while True:
        async with request(timeout):
            page: list[ObjectMeta] | None = await anext(pages, None)
        if page is None:
            return
        for meta in page:
            yield meta


class Feed(AsyncIterable[bytes]):
    """
    Blocks that one task hands to another, which can be made to fail.

    An upload that is cancelled leaves its parts in the object store; one whose source
    fails is aborted by the client.
    """

    def __init__(self) -> None:
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._is_failed = asyncio.Event()

    def fail(self) -> None:
        """
        Make the reader fail instead of reading on.
        """
        self._is_failed.set()
        # It may be waiting for a block.
        if self._blocks.empty():
            self._blocks.put_nowait(None)

    async def give(
        self, block: bytes | None, reader: asyncio.Future[Any], timeout: float
    ) -> None:
        """
        Hand over a block, or None for the end, when the reader has room for it.

        Args:
            block: What to hand over.

            reader: The upload; once it has ended, nothing is waited for.

            timeout: How long to wait, in seconds.

        Raises:
            StorageUnavailableError: If the reader takes nothing within *timeout*.
        """
        giving: asyncio.Future[Any] = asyncio.ensure_future(self._blocks.put(block))
        try:
            await asyncio.wait(
                {giving, reader}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not giving.done() and not reader.done():
                raise StorageUnavailableError(
                    f"the object store took nothing for {timeout:g} s"
                )
        finally:
            giving.cancel()
            await asyncio.wait({giving})

    def __aiter__(self) -> AsyncGenerator[bytes]:
        """
        Return what reads the blocks.
        """
        return self._read()

    async def _read(self) -> AsyncGenerator[bytes]:
        while (block := await self._blocks.get()) is not None:
            if self._is_failed.is_set():
                break
            yield block
        if self._is_failed.is_set():
            raise InterruptedError("the content was not given to its end")
