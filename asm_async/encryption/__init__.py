"""
Encryption: what is stored is sealed with keys that are kept elsewhere (``encryption``).
"""

# First, so that it can say which extra is missing.
import asm_async.encryption.dependency as _  # noqa: F401 - said above # isort: skip
from asm_async.encryption.artifact_store import EncryptingArtifactStore
from asm_async.encryption.aws_kms import AWSKeyProvider
from asm_async.encryption.key_directory import DirectoryKeyStore
from asm_async.encryption.key_providers import (
    KeyProvider,
    LocalKeyProvider,
    new_master_key,
)
from asm_async.encryption.key_ring import KeyRing
from asm_async.encryption.key_stores import (
    InMemoryKeyStore,
    KeyStore,
    StateKeyStore,
    StoredRecord,
)
from asm_async.encryption.owners import KeyOwner
from asm_async.encryption.ports import (
    EncryptingSessionStore,
    EncryptingStateStore,
    encrypted_ports,
)
from asm_async.encryption.unused_keys import drop_unused_keys

__all__ = [
    "AWSKeyProvider",
    "DirectoryKeyStore",
    "EncryptingArtifactStore",
    "EncryptingSessionStore",
    "EncryptingStateStore",
    "InMemoryKeyStore",
    "KeyOwner",
    "KeyProvider",
    "KeyRing",
    "KeyStore",
    "LocalKeyProvider",
    "StateKeyStore",
    "StoredRecord",
    "drop_unused_keys",
    "encrypted_ports",
    "new_master_key",
]
