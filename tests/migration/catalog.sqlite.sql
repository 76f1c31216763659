-- SQLite keeps sqlite_sequence for good once a table has used AUTOINCREMENT.
SELECT type, name, tbl_name, sql
FROM sqlite_master WHERE name <> 'sqlite_sequence'
ORDER BY type, name;

SELECT master.name, info.*
FROM sqlite_master master, pragma_table_xinfo(master.name) info
WHERE master.type = 'table' AND master.name <> 'sqlite_sequence'
ORDER BY master.name, info.cid;

SELECT master.name, info.*
FROM sqlite_master master, pragma_index_xinfo(master.name) info
WHERE master.type = 'index'
ORDER BY master.name, info.seqno;
