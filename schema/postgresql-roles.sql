-- Roles of least privilege for a PostgreSQL database that holds the tables of asm_async.
--
--     psql --dbname=DATABASE --file=schema/postgresql-roles.sql
--
-- Run it as a superuser before the first migration, and again after every migration:
-- the first run makes the roles, each run gives them exactly what is written here on the
-- tables there are, and takes back whatever else they had been given on them. All of it
-- is one transaction, so that nobody is refused in between.
--
-- Variables, each with its default, for --set=NAME=VALUE:
--
--     schema      public            where the tables lie; made if it is missing
--     owner       asm_owner         migrates; the tables belong to it
--     writer      asm_writer        records sessions, runs, events; keeps state items
--     reader      asm_reader        reads, searches, follows, exports
--     maintainer  asm_maintainer    executes retention policies, deletes
--
-- None of the roles can log in. Make those who can members of them:
--
--     CREATE ROLE agent LOGIN PASSWORD '...' IN ROLE asm_writer;
--     CREATE ROLE deployer LOGIN PASSWORD '...' IN ROLE asm_owner;
--     ALTER ROLE deployer SET role = asm_owner;
--
-- The last line makes the tables belong to the role, whoever deploys. In another schema
-- than public, each of them also needs:  ALTER ROLE agent SET search_path = SCHEMA;
--
-- What needs no privilege in PostgreSQL cannot be kept from anyone who may connect:
-- advisory locks, LISTEN and NOTIFY. Announcements name sessions, so keep strangers out:
--
--     REVOKE CONNECT, TEMPORARY ON DATABASE ... FROM PUBLIC;

\set ON_ERROR_STOP on
\if :{?schema}
\else
    \set schema public
\endif
\if :{?owner}
\else
    \set owner asm_owner
\endif
\if :{?writer}
\else
    \set writer asm_writer
\endif
\if :{?reader}
\else
    \set reader asm_reader
\endif
\if :{?maintainer}
\else
    \set maintainer asm_maintainer
\endif

BEGIN;

SELECT format('CREATE ROLE %I NOLOGIN', wanted.name)
FROM (VALUES (:'owner'), (:'writer'), (:'reader'), (:'maintainer')) AS wanted (name)
WHERE wanted.name NOT IN (SELECT rolname FROM pg_roles) \gexec

SELECT format('CREATE SCHEMA %I', :'schema')
WHERE to_regnamespace(quote_ident(:'schema')) IS NULL \gexec

GRANT CONNECT ON DATABASE :"DBNAME"
    TO :"owner", :"writer", :"reader", :"maintainer";
GRANT CREATE, USAGE ON SCHEMA :"schema" TO :"owner";
GRANT USAGE ON SCHEMA :"schema" TO :"writer", :"reader", :"maintainer";

SELECT to_regclass(format('%I.asm_alembic_version', :'schema')) IS NOT NULL
    AS is_migrated \gset
\if :is_migrated

SET LOCAL search_path = :"schema";

REVOKE ALL ON
    asm_alembic_version, asm_sessions, asm_session_tags, asm_runs, asm_events,
    asm_session_sequences, asm_run_tombstones, asm_artifacts, asm_consumers,
    asm_state_items, asm_state_items_revision_seq
    FROM PUBLIC, :"writer", :"reader", :"maintainer";

-- Everybody sees whether the schema is the one that the code needs, and all history.
GRANT SELECT ON
    asm_alembic_version, asm_sessions, asm_session_tags, asm_runs, asm_events,
    asm_session_sequences, asm_artifacts, asm_consumers, asm_state_items
    TO :"writer", :"reader", :"maintainer";
GRANT SELECT ON asm_run_tombstones TO :"writer", :"maintainer";

-- An event, once written, is neither changed nor removed. A saved session replaces its
-- tags, which are its own, and a counter is locked in order to be counted up.
GRANT INSERT ON asm_events TO :"writer";
GRANT INSERT, UPDATE ON
    asm_sessions, asm_runs, asm_session_sequences, asm_artifacts, asm_consumers
    TO :"writer";
GRANT INSERT, DELETE ON asm_session_tags TO :"writer";

-- State may be changed and removed; where its revisions come from is counted up.
GRANT INSERT, UPDATE, DELETE ON asm_state_items TO :"writer";
GRANT USAGE ON SEQUENCE asm_state_items_revision_seq TO :"writer";

-- Marking, pruning and removing. Counters stay, and so does what is remembered of runs,
-- so that no number and no revision is used twice.
GRANT UPDATE, DELETE ON asm_sessions TO :"maintainer";
GRANT DELETE ON
    asm_session_tags, asm_runs, asm_events, asm_artifacts, asm_consumers,
    asm_state_items
    TO :"maintainer";
GRANT UPDATE ON asm_session_sequences TO :"maintainer";
GRANT INSERT, DELETE ON asm_run_tombstones TO :"maintainer";

-- What keeps the ids of runs unique where the tables are partitioned (asm db upgrade
-- --partitions): triggers write it with the rights of who saves and removes runs.
SELECT to_regclass('asm_run_ids') IS NOT NULL AS is_partitioned \gset
\if :is_partitioned
REVOKE ALL ON asm_run_ids FROM PUBLIC, :"writer", :"reader", :"maintainer";
GRANT INSERT ON asm_run_ids TO :"writer";
GRANT SELECT, DELETE ON asm_run_ids TO :"maintainer";
\endif

-- The index of what was said, where the owner has built one (asm search index): the
-- writer keeps it up to date; triggers remove what is removed, with the owner's rights.
SELECT to_regclass('asm_text_index') IS NOT NULL AS is_indexed \gset
\if :is_indexed
REVOKE ALL ON asm_text_index, asm_text_rows, asm_text_stale_titles
    FROM PUBLIC, :"writer", :"reader", :"maintainer";
GRANT SELECT ON asm_text_rows TO :"writer", :"reader";
GRANT SELECT ON asm_text_index TO :"writer";
GRANT INSERT, DELETE ON asm_text_rows TO :"writer";
GRANT SELECT, DELETE ON asm_text_stale_titles TO :"writer";
\endif

\endif

COMMIT;
