SELECT relname, relkind::text, relpersistence::text, reloptions::text
FROM pg_class
WHERE relnamespace = 'public'::regnamespace
ORDER BY relname;

SELECT
    relname, attnum, attname, format_type(atttypid, atttypmod), attnotnull,
    attidentity::text, attgenerated::text, pg_get_expr(adbin, adrelid), collname,
    attstorage::text
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
LEFT JOIN pg_collation ON pg_collation.oid = attcollation
WHERE relnamespace = 'public'::regnamespace
ORDER BY relname, attnum;

SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace
ORDER BY 1, 2;

SELECT tablename, indexname, indexdef
FROM pg_indexes
WHERE schemaname = 'public'
ORDER BY tablename, indexname;

SELECT sequencename, data_type::text, start_value, increment_by, cycle
FROM pg_sequences
WHERE schemaname = 'public'
ORDER BY sequencename;

SELECT typname
FROM pg_type
WHERE typnamespace = 'public'::regnamespace
ORDER BY typname;

SELECT proname
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
ORDER BY proname;

SELECT tgname
FROM pg_trigger
WHERE NOT tgisinternal
ORDER BY tgname;
