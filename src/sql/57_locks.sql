/* Who keeps others from their work.  The numbers of the locks are those of src/server/locks.h. */
CREATE FUNCTION sellometer.hold_loading()
RETURNS void
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_hold_loading';
COMMENT ON FUNCTION sellometer.hold_loading() IS
	'Have all that writes metrics wait for the end of this transaction';

CREATE VIEW sellometer.lock_holders AS
WITH name (number, what) AS (
	VALUES (1, 'writing'), (2, 'rows above a watermark'), (3, 'the run of rollup'), (4, 'the run of prune'),
		(5, 'the run of merge_backlog'), (6, 'the run of archive'), (7, 'the run of detect'), (8, 'the run of unload'),
		(9, 'the run of forget_user')
), lock AS (
	SELECT l.pid, l.granted, l.waitstart, n.number, coalesce(n.what, 'table ' || c.relname) AS what
	FROM pg_catalog.pg_locks l
	LEFT JOIN name n ON l.locktype = 'object' AND l.classid = 'pg_catalog.pg_extension'::regclass AND l.objsubid = n.number
		AND l.objid = (SELECT e.oid FROM pg_catalog.pg_extension e WHERE e.extname = 'sellometer')
	LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation AND NOT l.granted
		AND c.relnamespace = (SELECT s.oid FROM pg_catalog.pg_namespace s WHERE s.nspname = 'sellometer')
	WHERE l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
		AND (n.number IS NOT NULL OR c.oid IS NOT NULL)
), waiting AS (
	SELECT b.pid, w.what, pg_catalog.array_agg(DISTINCT w.pid) AS pids, pg_catalog.min(w.waitstart) AS since
	FROM lock w CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.pg_blocking_pids(w.pid)) b (pid)
	WHERE NOT w.granted
	GROUP BY b.pid, w.what
), holder AS (
	SELECT pid, what FROM lock WHERE granted
	UNION
	SELECT pid, what FROM waiting WHERE pid <> 0
)
SELECT h.what,
	h.pid,
	a.usename AS role,
	a.application_name AS application,
	coalesce(p.started, a.xact_start) AS since,
	coalesce(w.pids, '{}') AS holds_up,
	w.since AS held_up_since
FROM holder h
LEFT JOIN waiting w USING (pid, what)
LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
LEFT JOIN sellometer.progress p USING (pid);
COMMENT ON VIEW sellometer.lock_holders IS 'Who has what only one can have at a time, and whom that keeps waiting';
COMMENT ON COLUMN sellometer.lock_holders.what IS
	'writing: all that writes metrics; rows above a watermark; the run of a procedure; table …: another lock on a table, if somebody waits for it';
COMMENT ON COLUMN sellometer.lock_holders.pid IS 'server process';
COMMENT ON COLUMN sellometer.lock_holders.role IS 'who it works for; NULL: a background worker';
COMMENT ON COLUMN sellometer.lock_holders.application IS 'as in pg_stat_activity';
COMMENT ON COLUMN sellometer.lock_holders.since IS
	'when its work or its transaction began; of other roles'' sessions only for who may see that in pg_stat_activity';
COMMENT ON COLUMN sellometer.lock_holders.holds_up IS 'server processes that wait for it';
COMMENT ON COLUMN sellometer.lock_holders.held_up_since IS 'how long the first of them has been waiting';

REVOKE ALL ON FUNCTION sellometer.hold_loading() FROM PUBLIC;
