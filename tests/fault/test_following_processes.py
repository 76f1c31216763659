"""
Writers and followers in processes of their own, killed and started again.
"""

from __future__ import annotations

from tests.fault.following_proof import prove


async def test_each_followers_record_equals_the_table(url: str) -> None:
    """
    Whoever is killed meanwhile, nothing is missing, nothing comes twice, in one order.
    """
    proof = await prove(url, writers=3, followers=2, events=1_000, kills=4)

    assert proof.events >= 1_000
    assert proof.killed_writers == 7
