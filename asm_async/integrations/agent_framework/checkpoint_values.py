"""
What checkpoints of workflows hold, in the framework's encoding.
"""

from __future__ import annotations

import base64
import pickle
from collections.abc import Sequence
from typing import Any, cast

# The framework's own storages encode with this, wherever they keep checkpoints.
from agent_framework._workflows._checkpoint_encoding import encode_checkpoint_value

# What the framework's loader knows a pickled value by.
_PICKLED = "__pickled__"
_TYPE = "__type__"


def encode(value: object) -> Any:
    """
    Return a value as the framework encodes it, but for objects whose keys are no text.

    The framework writes all keys as text, so that what had the key 1 would have the key
    "1" when it is loaded. Such an object is pickled here, as the framework pickles one
    whose keys would be the same as text.
    """
    if type(value) is list:
        return [encode(member) for member in cast("Sequence[object]", value)]
    if type(value) is not dict:
        return encode_checkpoint_value(value)
    members = cast("dict[Any, object]", value)
    if any(type(key) is not str for key in members):
        pickled = pickle.dumps(members, protocol=pickle.HIGHEST_PROTOCOL)
        return {
            _PICKLED: base64.b64encode(pickled).decode("ascii"),
            _TYPE: "builtins:dict",
        }
    bare = dict.fromkeys(members)
    if encode_checkpoint_value(bare) != bare:
        # It has a key that means something to the framework, which pickles it.
        return encode_checkpoint_value(members)
    return {key: encode(member) for key, member in members.items()}
