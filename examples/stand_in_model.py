"""
What stands in for a model, so that an example needs no key.

It answers as OpenAI's Chat Completions do, with usage. Asked how many letters there are
in a word between quotes, it calls a tool; asked to think for 9 seconds, it does.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any


async def complete(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """
    Return the completion of a conversation.
    """
    last = messages[-1]
    said: dict[str, Any] = {"role": "assistant", "content": None}
    if last["role"] == "tool":
        said["content"] = f"It has {last['content']} letters."
    elif match := re.search(r'letters.*"(.+)"', last["content"]):
        function = {"name": "count", "arguments": json.dumps({"word": match[1]})}
        call = {"id": f"call_{len(messages)}", "type": "function", "function": function}
        said["tool_calls"] = [call]
    else:
        if match := re.search(r"for (\d+) seconds", last["content"]):
            await asyncio.sleep(int(match[1]))
        asked = sum(message["role"] == "user" for message in messages)
        said["content"] = f"You have said {asked} things to me."
    usage = {
        "prompt_tokens": sum(len(json.dumps(message)) for message in messages) // 4,
        "completion_tokens": len(json.dumps(said)) // 4,
    }
    return {"choices": [{"message": said}], "usage": usage}
