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
COMMENT ON COLUMN sellometer.archives.objects IS 'id in sellometer.objects of each object in it';
COMMENT ON COLUMN sellometer.archives.original_bytes IS 'sizes of its objects together';
COMMENT ON COLUMN sellometer.archives.rows IS 'rows, the header not counted';
COMMENT ON COLUMN sellometer.archives.csv_bytes IS 'its size before gzip';
COMMENT ON COLUMN sellometer.archives.bytes IS 'its size';
COMMENT ON COLUMN sellometer.archives.checksum IS 'SHA-256 of the CSV, before gzip';
COMMENT ON COLUMN sellometer.archives.first_event IS 'earliest time of its rows that counted';
COMMENT ON COLUMN sellometer.archives.last_event IS 'latest time of its rows that counted';
COMMENT ON COLUMN sellometer.archives.row_map IS 'of which object each row is, and whether its time counted: see src/pure/rowmap.h';

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
