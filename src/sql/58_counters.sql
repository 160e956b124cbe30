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
COMMENT ON COLUMN sellometer.counters.rows_duplicate IS 'views of a product that its session had seen already, and other events whose id had come already';
COMMENT ON COLUMN sellometer.counters.rows_rejected IS 'rows that could not be used';
COMMENT ON COLUMN sellometer.counters.rows_expired IS 'rows older than the retention of every tier';
COMMENT ON COLUMN sellometer.counters.failed_attempts IS 'attempts to load an object that failed';
