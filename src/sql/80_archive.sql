/* The last tier: what was loaded, packed. */
CREATE TABLE sellometer.archives (
	id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	source			text NOT NULL,
	url				text NOT NULL,
	server			text,
	owner			regrole NOT NULL,
	block			text NOT NULL,
	part			integer NOT NULL,
	key				text NOT NULL,
	started_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	archived_at		timestamptz,
	originals_deleted_at	timestamptz,
	objects			bigint[],
	original_bytes	bigint,
	rows			bigint,
	csv_bytes		bigint,
	bytes			bigint,
	checksum		text,
	etag			text,
	first_event		timestamptz,
	last_event		timestamptz,
	row_map			bytea,
	rates			bytea[],
	counted_sources	text[],
	counted_keys	text[],
	held_by			text,
	is_spare		boolean NOT NULL DEFAULT false,
	own_slice		boolean NOT NULL DEFAULT false,
	UNIQUE (url, key)
);
ALTER TABLE sellometer.archives ALTER COLUMN row_map SET STORAGE EXTERNAL;
CREATE INDEX archives_times ON sellometer.archives (last_event, first_event) WHERE archived_at IS NOT NULL;
COMMENT ON TABLE sellometer.archives IS 'Archives: objects of an hour or a day, packed into one by sellometer_archive()';
COMMENT ON COLUMN sellometer.archives.source IS 'whose objects it holds';
COMMENT ON COLUMN sellometer.archives.url IS 'what its key stands behind';
COMMENT ON COLUMN sellometer.archives.server IS 'foreign server that says where S3 is; NULL: the environment does';
COMMENT ON COLUMN sellometer.archives.owner IS 'role whose user mapping and rights count';
COMMENT ON COLUMN sellometer.archives.block IS 'the time of its objects: YYYY-MM-DD-HH or YYYY-MM-DD, in UTC';
COMMENT ON COLUMN sellometer.archives.part IS '0, and from 1 for objects that came later';
COMMENT ON COLUMN sellometer.archives.archived_at IS 'when it was written and verified; NULL: it is being made, or that was broken off';
COMMENT ON COLUMN sellometer.archives.originals_deleted_at IS 'when its objects were deleted from the source';
COMMENT ON COLUMN sellometer.archives.held_by IS 'why its objects are not deleted yet: a node has not loaded them, or can''t be asked';
COMMENT ON COLUMN sellometer.archives.is_spare IS 'an archive is written anew under this key, as somebody is forgotten, and what is left of it, or of the old one, goes';
COMMENT ON COLUMN sellometer.archives.own_slice IS 'its source is read by this node alone, which archives it, whatever its slice';
COMMENT ON COLUMN sellometer.archives.objects IS 'id in sellometer.objects of each object in it';
COMMENT ON COLUMN sellometer.archives.original_bytes IS 'sizes of its objects together';
COMMENT ON COLUMN sellometer.archives.rows IS 'rows, the header not counted';
COMMENT ON COLUMN sellometer.archives.csv_bytes IS 'its size before gzip';
COMMENT ON COLUMN sellometer.archives.bytes IS 'its size';
COMMENT ON COLUMN sellometer.archives.checksum IS 'SHA-256 of the CSV, before gzip';
COMMENT ON COLUMN sellometer.archives.first_event IS 'earliest time of its rows that counted';
COMMENT ON COLUMN sellometer.archives.last_event IS 'latest time of its rows that counted';
COMMENT ON COLUMN sellometer.archives.row_map IS 'of which object each row is, and whether its time counted: see src/pure/rowmap.h';
COMMENT ON COLUMN sellometer.archives.rates IS 'rates in sellometer.objects of each object in it, as it may outlive their rows there; NULL: none was needed';
COMMENT ON COLUMN sellometer.archives.counted_sources IS 'likewise the source that each object in it was of when it was counted';
COMMENT ON COLUMN sellometer.archives.counted_keys IS 'likewise its key';

CREATE PROCEDURE sellometer.archive(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_archive';
COMMENT ON PROCEDURE sellometer.archive(text) IS 'What sellometer_archive() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_archive(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_archive';
COMMENT ON PROCEDURE @extschema@.sellometer_archive(text) IS
	'Pack the loaded objects of each finished hour or day into one, verify it, and delete them; of one source or of all';

CREATE FUNCTION @extschema@.sellometer_replay(source text, "from" timestamptz, "to" timestamptz)
RETURNS bigint
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_replay';
COMMENT ON FUNCTION @extschema@.sellometer_replay(text, timestamptz, timestamptz) IS
	'Make the tiers of a range anew from archives and remaining objects of all sources, if this source has rows in it (NULL: any); gives the number of events';

REVOKE ALL ON FUNCTION @extschema@.sellometer_replay(text, timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.archive(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_archive(text) FROM PUBLIC;

/*
 * What the ledger need not keep: see src/upkeep/ledger_prune.h.  Here it is not known yet what is still listed.
 */
CREATE VIEW sellometer.ended_objects AS
SELECT o.id, o.source, o.key, o.head, greatest(o.discovered_at, o.ingested_at, o.archived_at) AS ended_at,
	CASE WHEN o.state = 'done' AND o.rows_counted + o.rows_duplicate + o.rows_elsewhere > 0 THEN coalesce(o.last_event, 'infinity') END AS needed_until
FROM sellometer.objects o
WHERE o.unloaded_rows = 0 AND NOT o.lost AND NOT o.unwanted
	AND CASE o.state
		WHEN 'archived' THEN o.checksum IS NOT NULL OR o.rows_counted + o.rows_duplicate + o.rows_elsewhere = 0
		WHEN 'done' THEN true
		WHEN 'skipped' THEN o.archive_key IS NULL AND o.resume_row = 0
		ELSE false END;
COMMENT ON VIEW sellometer.ended_objects IS
	'Rows of the ledger that tell nothing that is needed, should their objects be gone from the source, once no tier keeps needed_until';
COMMENT ON COLUMN sellometer.ended_objects.ended_at IS 'when it was last dealt with';
COMMENT ON COLUMN sellometer.ended_objects.needed_until IS 'time of its latest row; NULL: whatever tiers keep, it is not needed';

CREATE FUNCTION sellometer.forgettable(source text, before timestamptz, floor timestamptz, n bigint)
RETURNS TABLE (id bigint, key text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o.id, o.key FROM sellometer.ended_objects o
	WHERE o.source = forgettable.source AND o.ended_at < before AND (o.needed_until IS NULL OR o.needed_until < floor)
		-- says how far its source is
		AND (o.head IS NULL OR o.head < (SELECT s.head FROM sellometer.sources s WHERE s.name = forgettable.source))
		-- its original is still to be deleted
		AND o.id NOT IN (SELECT unnest(a.objects) FROM sellometer.archives a WHERE a.originals_deleted_at IS NULL AND a.objects IS NOT NULL)
	LIMIT n
$$;
COMMENT ON FUNCTION sellometer.forgettable(text, timestamptz, timestamptz, bigint) IS
	'Rows of the ledger, of a source and at most n, that need not be kept unless their objects are still listed';

CREATE FUNCTION sellometer.forget_objects(ids bigint[], before timestamptz, floor timestamptz)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	g record;
BEGIN
	WITH gone AS (
		-- whoever has one of them in hand may be waiting for us: it is left for the next time
		DELETE FROM sellometer.objects o WHERE o.id IN (SELECT x.id FROM sellometer.ended_objects x
			WHERE x.id = ANY (ids) AND x.ended_at < before AND (x.needed_until IS NULL OR x.needed_until < floor) FOR UPDATE SKIP LOCKED) RETURNING o.*
	), remembered AS (
		INSERT INTO sellometer.forgotten_objects (checksum, object_id, source, key, last_event)
		SELECT x.checksum, x.id, x.source, x.key, x.last_event FROM gone x
		WHERE x.state IN ('done', 'archived') AND x.rows_counted + x.rows_duplicate + x.rows_elsewhere > 0 AND x.last_event >= floor
	)
	-- of rows that were too old nobody knows of when they were
	SELECT count(*) AS n, max(x.head) AS head,
		max(coalesce(x.last_event, CASE WHEN x.rows_expired + x.rows_elsewhere > 0 THEN '-infinity'::timestamptz END)) AS until INTO g FROM gone x;
	IF g.head IS NOT NULL OR g.until IS NOT NULL THEN
		UPDATE sellometer.state st SET forgotten_head = greatest(st.forgotten_head, g.head), forgotten_until = greatest(st.forgotten_until, g.until)
		WHERE st.forgotten_head IS DISTINCT FROM greatest(st.forgotten_head, g.head)
			OR st.forgotten_until IS DISTINCT FROM greatest(st.forgotten_until, g.until);
	END IF;
	RETURN g.n;
END
$$;
COMMENT ON FUNCTION sellometer.forget_objects(bigint[], timestamptz, timestamptz) IS
	'Take rows out of the ledger, of sellometer.ended_objects, and remember their contents; gives their number';

REVOKE ALL ON FUNCTION sellometer.forgettable(text, timestamptz, timestamptz, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.forget_objects(bigint[], timestamptz, timestamptz) FROM PUBLIC;
