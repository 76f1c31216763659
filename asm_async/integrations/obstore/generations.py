"""
The objects that hold a content: one for each put, of which the newest counts.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from time import time_ns

import attrs
import obstore
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store

from asm_async.errors import UnsupportedOperationError
from asm_async.fronts.artifact_store import ChecksumFilter
from asm_async.integrations.obstore.requests import PAGE, listed, request

_PATH = re.compile(r"(?P<checksum>[0-9a-f]{64})/(?P<time>[0-9a-f]{16})-[0-9a-f]{16}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen(order=True)
class Generation:
    """
    An object of a content; the newest is the greatest.
    """

    put_at: datetime
    """
    When it was put. S3 tells whole seconds only, and clocks of writers differ: it is
    the later of the object's time and the writer's, which its name bears.
    """

    path: str
    """
    Its name in the object store.
    """

    checksum: str
    """
    That of its content.
    """

    def is_older(self, time: datetime | None) -> bool:
        """
        Return whether it was put before *time*; if that is None, it was.
        """
        return time is None or self.put_at < time


class Generations:
    """
    All contents of an object store below one name.
    """

    def __init__(self, store: ObjectStore, root: str, timeout: float) -> None:
        self._store = store
        self._root = root
        self._timeout = timeout

    def new(self, checksum: str) -> Generation:
        """
        Return what a put is to write.
        """
        now = time_ns() // 1000
        name = f"{checksum}/{now:016x}-{secrets.token_hex(8)}"
        return Generation(_time(now), self._root + name, checksum)

    async def of(self, checksum: str) -> list[Generation]:
        """
        Return the objects of one content, in no order.
        """
        return [each async for each in self._list(f"{self._root}{checksum}/", None)]

    async def remove(self, generations: Iterable[Generation]) -> None:
        """
        Delete objects; what is gone already is no error.
        """
        paths = [each.path for each in generations]
        for start in range(0, len(paths), PAGE):
            await self._remove(paths[start : start + PAGE])

    async def remove_older(self, own: Generation) -> None:
        """
        Delete what a put has replaced, and never what was put after it.
        """
        found = await self.of(own.checksum)
        # The object's own time may be later than its name's.
        own = next((each for each in found if each.path == own.path), own)
        await self.remove(each for each in found if each < own)

    async def signed(self, generation: Generation, expires_in: timedelta) -> str:
        """
        Return a URL that reads an object without credentials.

        Raises:
            UnsupportedOperationError: If the object store signs none.
        """
        if not isinstance(self._store, AzureStore | GCSStore | S3Store):
            raise UnsupportedOperationError(
                f"presigned_url: a {type(self._store).__name__} signs no URLs; pass the"
                " content on by stream()"
            )
        async with request(self._timeout):
            url = await obstore.sign_async(
                self._store, "GET", generation.path, expires_in
            )
        return str(url)

    async def checksums(self, wanted: ChecksumFilter) -> list[str]:
        """
        Return the checksums of the contents that are wanted, in ascending order.
        """
        # "0" is the character behind "/": the objects of this checksum come before.
        offset = None if wanted.after is None else f"{self._root}{wanted.after}0"
        newest: dict[str, datetime] = {}
        is_sorted = not isinstance(self._store, LocalStore)
        found: list[str] = []
        async for each in self._list(self._root, offset):
            # All of one checksum stand together: the one before is complete.
            if is_sorted and each.checksum not in newest:
                found += _older(newest, wanted)
                newest = {}
                if len(found) >= wanted.limit:
                    break
            known = newest.get(each.checksum, each.put_at)
            newest[each.checksum] = max(known, each.put_at)
        return [*found, *_older(newest, wanted)][: wanted.limit]

    async def _list(
        self, prefix: str, offset: str | None
    ) -> AsyncGenerator[Generation]:
        names = listed(self._store, prefix, after=offset, timeout=self._timeout)
        async with aclosing(names) as found:
            async for meta in found:
                path = meta["path"]
                match = _PATH.fullmatch(path.removeprefix(self._root))
                # What others have put below our name is not ours.
                if match is not None:
                    named = _time(int(match["time"], 16))
                    put_at = max(meta["last_modified"], named)
                    yield Generation(put_at, path, match["checksum"])

    async def _remove(self, paths: list[str]) -> None:
        async with request(self._timeout):
            try:
                await obstore.delete_async(self._store, paths)
            except FileNotFoundError:
                # Those behind the missing one may be there still.
                for path in paths:
                    with suppress(FileNotFoundError):
                        await obstore.delete_async(self._store, path)


def _older(newest: dict[str, datetime], wanted: ChecksumFilter) -> list[str]:
    time, after = wanted.last_put_before, wanted.after or ""
    return sorted(
        checksum
        for checksum, put_at in newest.items()
        if checksum > after and (time is None or put_at < time)
    )


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
