CREATE TABLE asm_sessions (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    tenant_id VARCHAR(255),
    user_id VARCHAR(255),
    agent_id VARCHAR(255) NOT NULL,
    status VARCHAR(16) NOT NULL,
    parent_session_id VARCHAR(255),
    metadata TEXT NOT NULL,
    context TEXT NOT NULL,
    tags TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    revision INTEGER NOT NULL,
    operation_id VARCHAR(255)
);

CREATE INDEX ix_asm_sessions_created_at
    ON asm_sessions (created_at, id);

CREATE INDEX ix_asm_sessions_updated_at
    ON asm_sessions (updated_at, id);

CREATE INDEX ix_asm_sessions_agent_id
    ON asm_sessions (agent_id, created_at, id);

CREATE INDEX ix_asm_sessions_agent_id_updated_at
    ON asm_sessions (agent_id, updated_at, id);

CREATE INDEX ix_asm_sessions_tenant_id
    ON asm_sessions (tenant_id, created_at, id) WHERE tenant_id IS NOT NULL;

CREATE INDEX ix_asm_sessions_tenant_id_updated_at
    ON asm_sessions (tenant_id, updated_at, id) WHERE tenant_id IS NOT NULL;

CREATE INDEX ix_asm_sessions_user_id
    ON asm_sessions (user_id, created_at, id) WHERE user_id IS NOT NULL;

CREATE INDEX ix_asm_sessions_user_id_updated_at
    ON asm_sessions (user_id, updated_at, id) WHERE user_id IS NOT NULL;

CREATE INDEX ix_asm_sessions_status
    ON asm_sessions (status, created_at, id);

CREATE INDEX ix_asm_sessions_status_updated_at
    ON asm_sessions (status, updated_at, id);

CREATE INDEX ix_asm_sessions_parent_session_id
    ON asm_sessions (parent_session_id) WHERE parent_session_id IS NOT NULL;

CREATE INDEX ix_asm_sessions_deleted_at
    ON asm_sessions (deleted_at, id) WHERE deleted_at IS NOT NULL;

CREATE TABLE asm_session_tags (
    session_id VARCHAR(255) NOT NULL,
    tag VARCHAR(255) NOT NULL,
    PRIMARY KEY (session_id, tag)
) WITHOUT ROWID;

CREATE INDEX ix_asm_session_tags_tag
    ON asm_session_tags (tag, session_id);

CREATE TABLE asm_runs (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    session_id VARCHAR(255) NOT NULL,
    status VARCHAR(16) NOT NULL,
    input TEXT,
    output TEXT,
    error TEXT,
    metadata TEXT NOT NULL,
    turn_count INTEGER NOT NULL,
    token_usage TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    provider VARCHAR(255),
    provider_metadata TEXT NOT NULL,
    model VARCHAR(255),
    cost_usd REAL,
    revision INTEGER NOT NULL,
    operation_id VARCHAR(255)
);

CREATE INDEX ix_asm_runs_session_id
    ON asm_runs (session_id, started_at, id);

CREATE INDEX ix_asm_runs_running
    ON asm_runs (session_id, started_at, id) WHERE status = 'running';

CREATE INDEX ix_asm_runs_session_id_provider
    ON asm_runs (session_id, provider) WHERE provider IS NOT NULL;

CREATE INDEX ix_asm_runs_started_at
    ON asm_runs (started_at, id);

CREATE INDEX ix_asm_runs_total_tokens
    ON asm_runs (total_tokens, id);

CREATE INDEX ix_asm_runs_provider
    ON asm_runs (provider, started_at, id) WHERE provider IS NOT NULL;

CREATE INDEX ix_asm_runs_status
    ON asm_runs (status, started_at, id);

CREATE INDEX ix_asm_runs_usage
    ON asm_runs (
        provider, model, started_at, input_tokens, output_tokens, total_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd,
        session_id
    );

CREATE TABLE asm_run_tombstones (
    run_id VARCHAR(255) NOT NULL PRIMARY KEY,
    tenant_id VARCHAR(255),
    revision INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE asm_events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id VARCHAR(255) NOT NULL,
    sequence_number INTEGER NOT NULL,
    id VARCHAR(255) NOT NULL,
    type VARCHAR(255) NOT NULL,
    timestamp INTEGER NOT NULL,
    run_id VARCHAR(255),
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    provider VARCHAR(255),
    correlation_id VARCHAR(255),
    CONSTRAINT uq_asm_events_sequence_number UNIQUE (session_id, sequence_number),
    CONSTRAINT uq_asm_events_id UNIQUE (id, session_id)
);

CREATE INDEX ix_asm_events_run_id
    ON asm_events (run_id, session_id, sequence_number) WHERE run_id IS NOT NULL;

CREATE INDEX ix_asm_events_correlation_id
    ON asm_events (correlation_id, session_id, sequence_number)
    WHERE correlation_id IS NOT NULL;

CREATE INDEX ix_asm_events_timestamp
    ON asm_events (timestamp, session_id, sequence_number);

CREATE INDEX ix_asm_events_type
    ON asm_events (type, timestamp, session_id, sequence_number);

CREATE TABLE asm_session_sequences (
    session_id VARCHAR(255) NOT NULL PRIMARY KEY,
    last_sequence INTEGER NOT NULL,
    pruned_count INTEGER NOT NULL,
    state VARCHAR(16) NOT NULL,
    updated_at INTEGER NOT NULL,
    tenant_id VARCHAR(255),
    session_revision INTEGER NOT NULL DEFAULT 0,
    active_until INTEGER,
    CONSTRAINT ck_asm_session_sequences_pruned_count
        CHECK (pruned_count BETWEEN 0 AND last_sequence),
    CONSTRAINT ck_asm_session_sequences_state
        CHECK (state IN ('live', 'soft_deleted', 'deleting', 'deleted', 'importing'))
) WITHOUT ROWID;

CREATE INDEX ix_asm_session_sequences_active_until
    ON asm_session_sequences (active_until, session_id)
    WHERE active_until IS NOT NULL;

CREATE INDEX ix_asm_session_sequences_tenant_id
    ON asm_session_sequences (tenant_id, active_until, session_id)
    WHERE active_until IS NOT NULL AND tenant_id IS NOT NULL;

CREATE INDEX ix_asm_session_sequences_deleting
    ON asm_session_sequences (session_id) WHERE state = 'deleting';

CREATE TABLE asm_artifacts (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    session_id VARCHAR(255),
    run_id VARCHAR(255),
    key VARCHAR(255) NOT NULL,
    content_type VARCHAR(255),
    byte_size INTEGER NOT NULL,
    checksum_sha256 VARCHAR(64) NOT NULL,
    storage_backend VARCHAR(255) NOT NULL,
    storage_ref TEXT NOT NULL,
    metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    deleted_at INTEGER,
    CONSTRAINT uq_asm_artifacts_key UNIQUE (key)
);

CREATE INDEX ix_asm_artifacts_session_id
    ON asm_artifacts (session_id, created_at, id) WHERE session_id IS NOT NULL;

CREATE INDEX ix_asm_artifacts_checksum_sha256
    ON asm_artifacts (checksum_sha256);

CREATE INDEX ix_asm_artifacts_deleted_at
    ON asm_artifacts (deleted_at, id) WHERE deleted_at IS NOT NULL;

CREATE TABLE asm_consumers (
    name VARCHAR(255) NOT NULL PRIMARY KEY,
    checkpoint TEXT,
    fencing_token INTEGER NOT NULL,
    holder VARCHAR(255),
    leased_until INTEGER,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE asm_state_items (
    revision INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    scope VARCHAR(255) NOT NULL,
    key VARCHAR(1024) NOT NULL,
    data TEXT,
    content BLOB,
    session_id VARCHAR(255),
    updated_at INTEGER NOT NULL,
    operation_id VARCHAR(255) NOT NULL,
    CONSTRAINT uq_asm_state_items_key UNIQUE (scope, key)
);

CREATE INDEX ix_asm_state_items_session_id
    ON asm_state_items (session_id, scope, key) WHERE session_id IS NOT NULL;
