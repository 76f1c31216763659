DROP TABLE asm_state_items;

DROP TABLE asm_consumers;

DROP TABLE asm_artifacts;

DROP TABLE asm_session_sequences;

DROP TABLE asm_events;

DROP TABLE asm_run_tombstones;

DROP TABLE asm_runs;

DROP TABLE asm_session_tags;

DROP TABLE asm_sessions;

DROP TABLE IF EXISTS asm_text_rows;

DROP TABLE IF EXISTS asm_text_stale_titles;

DROP TABLE IF EXISTS asm_text_index;

DROP FUNCTION IF EXISTS asm_text_events_removed();

DROP FUNCTION IF EXISTS asm_text_sessions_removed();

DROP FUNCTION IF EXISTS asm_text_session_saved();

DROP TABLE IF EXISTS asm_run_ids;

DROP FUNCTION IF EXISTS asm_run_ids_added();

DROP FUNCTION IF EXISTS asm_run_ids_removed();
