/*
 * What was loaded, counted for good: rows of the ledger go after sellometer.ledger_retention, and what was rejected may be tried anew, but
 * who watches rates needs numbers that only ever grow.  They change in the transactions that they count.
 */
CREATE TABLE sellometer.counters (
	source			text PRIMARY KEY,
	objects			bigint NOT NULL,
	bytes			bigint NOT NULL,
	rows_counted	bigint NOT NULL,
	rows_duplicate	bigint NOT NULL,
	rows_rejected	bigint NOT NULL,
	rows_expired	bigint NOT NULL,
	failed_attempts	bigint NOT NULL
) WITH (fillfactor = 20);
COMMENT ON TABLE sellometer.counters IS 'What was loaded of each source, as numbers that only grow: see sellometer.metrics';
COMMENT ON COLUMN sellometer.counters.source IS 'name of the source';
COMMENT ON COLUMN sellometer.counters.objects IS 'objects loaded to their end';
COMMENT ON COLUMN sellometer.counters.bytes IS 'their size, as they are in the source';
COMMENT ON COLUMN sellometer.counters.rows_counted IS 'rows that came into the sums';
COMMENT ON COLUMN sellometer.counters.rows_duplicate IS 'views of a product that its session had seen already';
COMMENT ON COLUMN sellometer.counters.rows_rejected IS 'rows that could not be used';
COMMENT ON COLUMN sellometer.counters.rows_expired IS 'rows older than the retention of every tier';
COMMENT ON COLUMN sellometer.counters.failed_attempts IS 'attempts to load an object that failed';

CREATE FUNCTION sellometer.count_loaded()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- who may write the ledger alone counts nothing
	IF has_table_privilege('sellometer.counters', 'SELECT') AND has_table_privilege('sellometer.counters', 'INSERT')
			AND has_table_privilege('sellometer.counters', 'UPDATE') THEN
		INSERT INTO sellometer.counters AS c (source, objects, bytes, rows_counted, rows_duplicate, rows_rejected, rows_expired, failed_attempts)
		SELECT n.source, count(*) FILTER (WHERE n.ingested_at <> o.ingested_at OR n.ingested_at IS NOT NULL AND o.ingested_at IS NULL),
			coalesce(sum(n.size) FILTER (WHERE n.ingested_at <> o.ingested_at OR n.ingested_at IS NOT NULL AND o.ingested_at IS NULL), 0),
			sum(greatest(n.rows_counted - o.rows_counted, 0)), sum(greatest(n.rows_duplicate - o.rows_duplicate, 0)),
			sum(greatest(n.rows_rejected - o.rows_rejected, 0)), sum(greatest(n.rows_expired - o.rows_expired, 0)),
			sum(greatest(n.attempts - o.attempts, 0))
		FROM now n JOIN was o ON o.id = n.id
		WHERE n.ingested_at IS DISTINCT FROM o.ingested_at AND n.ingested_at IS NOT NULL OR n.rows_total > o.rows_total
			OR n.rows_counted > o.rows_counted OR n.attempts > o.attempts
		GROUP BY n.source
		ON CONFLICT (source) DO UPDATE SET objects = c.objects + excluded.objects, bytes = c.bytes + excluded.bytes,
			rows_counted = c.rows_counted + excluded.rows_counted, rows_duplicate = c.rows_duplicate + excluded.rows_duplicate,
			rows_rejected = c.rows_rejected + excluded.rows_rejected, rows_expired = c.rows_expired + excluded.rows_expired,
			failed_attempts = c.failed_attempts + excluded.failed_attempts;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.count_loaded() IS 'Count what has been loaded of objects';
REVOKE ALL ON FUNCTION sellometer.count_loaded() FROM PUBLIC;
CREATE TRIGGER count_loaded AFTER UPDATE ON sellometer.objects
	REFERENCING OLD TABLE AS was NEW TABLE AS now FOR EACH STATEMENT EXECUTE FUNCTION sellometer.count_loaded();
