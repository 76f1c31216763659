from __future__ import annotations

import errno
import os

import pytest

from asm_async.errors import (
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
    ValidationError,
)
from asm_async.files.threads import translated_os_errors


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StorageError),
        (errno.EDQUOT, StorageError),
        (errno.EFBIG, StorageError),
        (errno.EIO, StorageError),
        (errno.EROFS, StorageError),
        (errno.EACCES, StorageError),
        (errno.ENOTDIR, StorageError),
        (errno.EMFILE, StorageUnavailableError),
        (errno.ENFILE, StorageUnavailableError),
        (errno.ENOMEM, StorageUnavailableError),
        (errno.ESTALE, StorageUnavailableError),
        (errno.EBUSY, StorageBusyError),
    ],
    ids=errno.errorcode.get,
)
def test_an_error_number_decides(number: int, expected: type[StorageError]) -> None:
    """
    What passes by itself is retryable, and a full disk is not.
    """
    original = OSError(number, os.strerror(number), "/a/path")
    with pytest.raises(StorageError) as caught, translated_os_errors():
        raise original

    assert type(caught.value) is expected
    assert caught.value.__cause__ is original
    assert str(caught.value).endswith(os.strerror(number))
    assert "/a/path" not in str(caught.value)


@pytest.mark.parametrize("error", [ValidationError("x"), KeyError("x")])
def test_other_errors_pass(error: Exception) -> None:
    """
    Ours and those of the program.
    """
    with pytest.raises(type(error)) as caught, translated_os_errors():
        raise error

    assert caught.value is error
