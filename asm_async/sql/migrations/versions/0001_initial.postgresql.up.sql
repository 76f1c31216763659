CREATE TABLE asm_sessions (
    id VARCHAR(255) COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id VARCHAR(255) COLLATE "C",
    user_id VARCHAR(255) COLLATE "C",
    agent_id VARCHAR(255) COLLATE "C" NOT NULL,
    status VARCHAR(16) NOT NULL,
    parent_session_id VARCHAR(255) COLLATE "C",
    metadata JSON NOT NULL,
    context JSON NOT NULL,
    tags JSON NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    revision BIGINT NOT NULL,
    operation_id VARCHAR(255) COLLATE "C"
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
    session_id VARCHAR(255) COLLATE "C" NOT NULL,
    tag VARCHAR(255) COLLATE "C" NOT NULL,
    PRIMARY KEY (session_id, tag)
);

CREATE INDEX ix_asm_session_tags_tag
    ON asm_session_tags (tag, session_id);

CREATE TABLE asm_runs (
    id VARCHAR(255) COLLATE "C" NOT NULL,
    session_id VARCHAR(255) COLLATE "C" NOT NULL,
    status VARCHAR(16) NOT NULL,
    input JSON,
    output JSON,
    error JSON,
    metadata JSON NOT NULL,
    turn_count BIGINT NOT NULL,
    token_usage JSON NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    provider VARCHAR(255) COLLATE "C",
    provider_metadata JSON NOT NULL,
    model VARCHAR(255) COLLATE "C",
    cost_usd DOUBLE PRECISION,
    revision BIGINT NOT NULL,
    operation_id VARCHAR(255) COLLATE "C",
    PRIMARY KEY (id)
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
    ON asm_runs (provider, model, started_at)
    INCLUDE (
        input_tokens, output_tokens, total_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, cost_usd
    );

CREATE TABLE asm_run_tombstones (
    run_id VARCHAR(255) COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id VARCHAR(255) COLLATE "C",
    revision BIGINT NOT NULL
);

CREATE TABLE asm_events (
    session_id VARCHAR(255) COLLATE "C" NOT NULL,
    sequence_number BIGINT NOT NULL,
    id VARCHAR(255) COLLATE "C" NOT NULL,
    type VARCHAR(255) COLLATE "C" NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    run_id VARCHAR(255) COLLATE "C",
    data JSON NOT NULL,
    metadata JSON NOT NULL,
    schema_version BIGINT NOT NULL,
    provider VARCHAR(255) COLLATE "C",
    correlation_id VARCHAR(255) COLLATE "C",
    position BIGINT GENERATED ALWAYS AS IDENTITY,
    transaction_id XID8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (session_id, sequence_number),
    CONSTRAINT uq_asm_events_id UNIQUE (id, session_id)
) WITH (
    autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_freeze_min_age = 0
);

CREATE INDEX ix_asm_events_run_id
    ON asm_events (run_id, sequence_number) WHERE run_id IS NOT NULL;

CREATE INDEX ix_asm_events_correlation_id
    ON asm_events (correlation_id, session_id, sequence_number)
    WHERE correlation_id IS NOT NULL;

CREATE INDEX ix_asm_events_timestamp
    ON asm_events (timestamp);

CREATE INDEX ix_asm_events_type
    ON asm_events (type, timestamp);

CREATE INDEX ix_asm_events_feed
    ON asm_events (transaction_id, position);

CREATE TABLE asm_session_sequences (
    session_id VARCHAR(255) COLLATE "C" NOT NULL PRIMARY KEY,
    last_sequence BIGINT NOT NULL,
    pruned_count BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    tenant_id VARCHAR(255) COLLATE "C",
    session_revision BIGINT NOT NULL DEFAULT 0,
    active_until TIMESTAMP WITH TIME ZONE,
    CONSTRAINT ck_asm_session_sequences_pruned_count
        CHECK (pruned_count BETWEEN 0 AND last_sequence),
    CONSTRAINT ck_asm_session_sequences_state
        CHECK (state IN ('live', 'soft_deleted', 'deleting', 'deleted', 'importing'))
) WITH (fillfactor = 50);

CREATE INDEX ix_asm_session_sequences_active_until
    ON asm_session_sequences (active_until, session_id)
    WHERE active_until IS NOT NULL;

CREATE INDEX ix_asm_session_sequences_tenant_id
    ON asm_session_sequences (tenant_id, active_until, session_id)
    WHERE active_until IS NOT NULL AND tenant_id IS NOT NULL;

CREATE INDEX ix_asm_session_sequences_deleting
    ON asm_session_sequences (session_id) WHERE state = 'deleting';

CREATE TABLE asm_artifacts (
    id VARCHAR(255) COLLATE "C" NOT NULL PRIMARY KEY,
    session_id VARCHAR(255) COLLATE "C",
    run_id VARCHAR(255) COLLATE "C",
    key VARCHAR(255) COLLATE "C" NOT NULL,
    content_type VARCHAR(255) COLLATE "C",
    byte_size BIGINT NOT NULL,
    checksum_sha256 VARCHAR(64) NOT NULL,
    storage_backend VARCHAR(255) COLLATE "C" NOT NULL,
    storage_ref TEXT NOT NULL,
    metadata JSON NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT uq_asm_artifacts_key UNIQUE (key)
);

CREATE INDEX ix_asm_artifacts_session_id
    ON asm_artifacts (session_id, created_at, id) WHERE session_id IS NOT NULL;

CREATE INDEX ix_asm_artifacts_checksum_sha256
    ON asm_artifacts (checksum_sha256);

CREATE INDEX ix_asm_artifacts_deleted_at
    ON asm_artifacts (deleted_at, id) WHERE deleted_at IS NOT NULL;

CREATE TABLE asm_consumers (
    name VARCHAR(255) COLLATE "C" NOT NULL PRIMARY KEY,
    checkpoint TEXT,
    fencing_token BIGINT NOT NULL,
    holder VARCHAR(255) COLLATE "C",
    leased_until TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL
);

CREATE TABLE asm_state_items (
    scope VARCHAR(255) COLLATE "C" NOT NULL,
    key VARCHAR(1024) COLLATE "C" NOT NULL,
    data JSON,
    content BYTEA,
    session_id VARCHAR(255) COLLATE "C",
    revision BIGINT NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    operation_id VARCHAR(255) COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE INDEX ix_asm_state_items_session_id
    ON asm_state_items (session_id, scope, key) WHERE session_id IS NOT NULL;
