"""
The statements with which SQLite counts events at the append gate.
"""

from __future__ import annotations

COUNT_ONE = """
    UPDATE asm_session_sequences
    SET last_sequence = last_sequence + ?, updated_at = ?
    WHERE session_id = ? AND state = 'live'
    RETURNING last_sequence, tenant_id, active_until
"""

COUNT_MANY = """
    UPDATE asm_session_sequences
    SET last_sequence = last_sequence + added.number, updated_at = ?
    FROM (SELECT key AS session_id, value AS number FROM json_each(?)) AS added
    WHERE asm_session_sequences.session_id = added.session_id AND state = 'live'
    RETURNING asm_session_sequences.session_id, last_sequence, tenant_id, active_until
"""

# SQLite writes to an index if its column is named, whatever the value: it is named
# once a minute.
MOVE_ACTIVITY = """
    UPDATE asm_session_sequences SET active_until = ? WHERE session_id = ?
"""
