/* Where objects come from. */
CREATE TABLE sellometer.source_formats (
	id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	source			text NOT NULL,
	format			jsonb NOT NULL CHECK (pg_catalog.jsonb_typeof(format) OPERATOR(pg_catalog.=) 'object'),
	set_at			timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE sellometer.source_formats IS
	'Formats that sources have, or had when objects were loaded that can be read again; see docs/formats.md';
COMMENT ON COLUMN sellometer.source_formats.source IS 'the source that it was made for, as it was called then';
COMMENT ON COLUMN sellometer.source_formats.format IS 'as sellometer_set_format() was given it; it never changes';

CREATE TABLE sellometer.sources (
	name			text PRIMARY KEY,
	url				text NOT NULL,
	server			text,
	archive_url		text,
	enabled			boolean NOT NULL DEFAULT true,
	same_content	text NOT NULL DEFAULT 'skip' CHECK (same_content IN ('skip', 'count')),
	owner			regrole NOT NULL DEFAULT CURRENT_USER::pg_catalog.regrole,
	added_at		timestamptz NOT NULL DEFAULT pg_catalog.now(),
	head			timestamptz,
	listed_at		timestamptz,
	list_requests	bigint NOT NULL DEFAULT 0,
	last_error		text,
	last_error_at	timestamptz,
	restored		boolean NOT NULL DEFAULT false,
	include			text[],
	exclude			text[],
	passed_over		jsonb NOT NULL DEFAULT '{}',
	unreadable_entries text[],
	key_offset		interval NOT NULL DEFAULT '0',
	key_offset_seen	interval,
	key_doubt		integer NOT NULL DEFAULT 1,
	unreadable_since timestamptz,
	format_id		bigint,
	own_slice		boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE sellometer.sources IS 'Prefixes of URLs that are watched for objects';
COMMENT ON COLUMN sellometer.sources.url IS 's3://bucket/prefix/ or file:///directory/';
COMMENT ON COLUMN sellometer.sources.enabled IS 'false: left alone for a while';
COMMENT ON COLUMN sellometer.sources.server IS 'foreign server that says where S3 is; NULL: the environment does';
COMMENT ON COLUMN sellometer.sources.archive_url IS 'where sellometer_archive() puts what is packed';
COMMENT ON COLUMN sellometer.sources.owner IS 'role whose user mapping and rights count';
COMMENT ON COLUMN sellometer.sources.same_content IS
	'an object that holds the same as one that is counted already under another name: skip, or count it as well';
COMMENT ON COLUMN sellometer.sources.format_id IS
	'by which format of sellometer.source_formats its objects are read; NULL: they have none of their own';
COMMENT ON COLUMN sellometer.sources.own_slice IS
	'what is there is of the products of this database''s slice (sellometer.slice), and read by no other node: rows of others are rejected, other_slice';
COMMENT ON COLUMN sellometer.sources.head IS 'newest event time that this source has reached';
COMMENT ON COLUMN sellometer.sources.listed_at IS 'when it was last listed whole';
COMMENT ON COLUMN sellometer.sources.list_requests IS 'LIST requests made so far';
COMMENT ON COLUMN sellometer.sources.last_error IS 'why it can''t be listed; NULL: it can';
COMMENT ON COLUMN sellometer.sources.include IS 'patterns of keys: only what one of them matches is loaded; NULL: all.  See sellometer_alter_source()';
COMMENT ON COLUMN sellometer.sources.exclude IS 'patterns of keys that are not loaded';
COMMENT ON COLUMN sellometer.sources.passed_over IS
	'what the last whole listing passed over, by reason: name, link, unreadable, entry, size, pattern, encoding';
COMMENT ON COLUMN sellometer.sources.unreadable_entries IS 'the first ten directories, files and entries of a list that could not be looked at, and why';
COMMENT ON COLUMN sellometer.sources.key_offset IS
	'added to the times in keys, which are hints of when their objects'' rows were: learned from these rows';
COMMENT ON COLUMN sellometer.sources.key_offset_seen IS 'the last key was off by this; if the next one is too, it is the offset';
COMMENT ON COLUMN sellometer.sources.key_doubt IS
	'objects whose keys must fit their rows until keys alone say again which objects are late';
COMMENT ON COLUMN sellometer.sources.unreadable_since IS
	'since when none of its objects that were tried could be read; NULL: they can be';
COMMENT ON COLUMN sellometer.sources.restored IS
	'came with a dump of another database, and is disabled until somebody says that it is to be loaded into this one';

/* Where objects of the ledger were whose source was dropped: a source that is added there again takes them over. */
CREATE TABLE sellometer.former_sources (
	name		text PRIMARY KEY,
	url			text NOT NULL,
	server		text,
	dropped_at	timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE sellometer.former_sources IS 'Sources that were dropped, and whose objects are in the ledger';
COMMENT ON COLUMN sellometer.former_sources.name IS 'what these objects have as their source';
COMMENT ON COLUMN sellometer.former_sources.url IS 'what their keys stand behind';
COMMENT ON COLUMN sellometer.former_sources.server IS 'foreign server that says where S3 is; NULL: the environment does';

/* The ledger.  An object is (source, key, etag); its row commits with what it counted. */
CREATE TABLE sellometer.objects (
	id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	source			text NOT NULL,
	key				text NOT NULL,
	etag			text NOT NULL,
	size			bigint NOT NULL CHECK (size BETWEEN 0 AND 1125899906842624),
	last_modified	timestamptz NOT NULL,
	state			text NOT NULL DEFAULT 'pending'
		CHECK (state IN ('pending', 'backlog', 'done', 'failed', 'skipped', 'archived')),
	object_time		timestamptz,
	head			timestamptz,
	rows_total		bigint NOT NULL DEFAULT 0,
	rows_counted	bigint NOT NULL DEFAULT 0,
	rows_duplicate	bigint NOT NULL DEFAULT 0,
	rows_rejected	bigint NOT NULL DEFAULT 0,
	rows_expired	bigint NOT NULL DEFAULT 0,
	rows_elsewhere	bigint NOT NULL DEFAULT 0,
	first_event		timestamptz,
	last_event		timestamptz,
	resume_row		bigint NOT NULL DEFAULT 0 CHECK (resume_row >= 0),
	time_limit		timestamptz,
	attempts		integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	next_attempt	timestamptz,
	error			text,
	sqlstate		text,
	discovered_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	ingested_at		timestamptz,
	archived_at		timestamptz,
	archive_key		text,
	unloaded_rows	bigint NOT NULL DEFAULT 0 CHECK (unloaded_rows >= 0),
	lost			boolean NOT NULL DEFAULT false,
	checksum		uuid,
	unwanted		boolean NOT NULL DEFAULT false,
	excluded		boolean NOT NULL DEFAULT false,
	rows_ignored	bigint NOT NULL DEFAULT 0 CHECK (rows_ignored >= 0),
	format_id		bigint,
	rates			bytea,
	counted_source	text,
	counted_key		text,
	own_slice		boolean NOT NULL DEFAULT false,
	UNIQUE (source, key, etag),
	-- nothing is lost
	CONSTRAINT rows_add_up CHECK (rows_total = rows_counted + rows_duplicate + rows_rejected + rows_expired + rows_elsewhere
		AND least(rows_counted, rows_duplicate, rows_rejected, rows_expired, rows_elsewhere) >= 0)
);
CREATE INDEX objects_waiting ON sellometer.objects (source, state, object_time, id) WHERE state IN ('pending', 'backlog');
-- what dashboards and alert rules ask of a time, of all sources, without looking at rows
CREATE INDEX objects_loaded ON sellometer.objects (ingested_at) INCLUDE (source, last_modified, rows_total, rows_counted, rows_duplicate, rows_rejected, rows_expired)
	WHERE ingested_at IS NOT NULL;
CREATE INDEX objects_ingested ON sellometer.objects (source, ingested_at) WHERE ingested_at IS NOT NULL;
CREATE INDEX objects_done ON sellometer.objects (source, object_time) WHERE state = 'done';
CREATE INDEX objects_failed ON sellometer.objects (source, key) WHERE state = 'failed';
CREATE INDEX objects_retried ON sellometer.objects (source, key) WHERE state IN ('pending', 'backlog') AND error IS NOT NULL;
CREATE INDEX objects_expired ON sellometer.objects (source, ingested_at) WHERE rows_expired > 0;
CREATE INDEX objects_unreadable ON sellometer.objects (id) WHERE state = 'done' AND error IS NOT NULL;
CREATE INDEX objects_lost ON sellometer.objects (first_event) WHERE lost;
-- whatever goes wrong elsewhere: no key is ever counted with two contents
CREATE UNIQUE INDEX objects_counted ON sellometer.objects (source, key)
	WHERE state IN ('done', 'archived');
-- what an object holds, to know it again whatever it is called: see src/ledger/identity.h
CREATE INDEX objects_content ON sellometer.objects (checksum)
	WHERE rows_total > 0 AND (state IN ('done', 'archived') OR resume_row > 0);
CREATE INDEX objects_copies ON sellometer.objects (checksum) WHERE state = 'skipped' AND checksum IS NOT NULL;
CREATE INDEX objects_unwanted ON sellometer.objects (checksum) WHERE unwanted;
CREATE INDEX objects_excluded ON sellometer.objects (source) WHERE excluded;
CREATE INDEX objects_unread ON sellometer.objects (etag) WHERE unwanted AND checksum IS NULL;
COMMENT ON TABLE sellometer.objects IS 'The ledger: one row for each object ever seen, and what became of its rows';
COMMENT ON COLUMN sellometer.objects.rows_ignored IS 'rows besides of events that the source''s format passes over';
COMMENT ON COLUMN sellometer.objects.format_id IS 'the format of sellometer.source_formats that it was loaded with; NULL: none';
COMMENT ON COLUMN sellometer.objects.rates IS
	'by which rates prices of its rows were converted, whatever sellometer.currency_rates says by now: see src/pure/rates.h; NULL: by none';
COMMENT ON COLUMN sellometer.objects.counted_source IS 'its source when its first rows were counted, for dimensions that are made of that; NULL: as now';
COMMENT ON COLUMN sellometer.objects.counted_key IS 'likewise its key';
COMMENT ON COLUMN sellometer.objects.own_slice IS 'it was loaded from a source that this node alone reads: own_slice of sellometer.sources';
COMMENT ON COLUMN sellometer.objects.key IS 'the object''s name behind the source''s url';
COMMENT ON COLUMN sellometer.objects.etag IS 'says which content it is; of a file: made of inode, size and time';
COMMENT ON COLUMN sellometer.objects.size IS 'bytes';
COMMENT ON COLUMN sellometer.objects.last_modified IS 'when it arrived in the source';
COMMENT ON COLUMN sellometer.objects.state IS
	'pending: waits to be loaded; backlog: late, waits for sellometer_merge_backlog(); done; failed: see error; skipped; archived';
COMMENT ON COLUMN sellometer.objects.object_time IS 'the time that stands in the key, else the median of its rows once known';
COMMENT ON COLUMN sellometer.objects.head IS 'how far it has moved the head: the greatest median time of its parts';
COMMENT ON COLUMN sellometer.objects.rows_total IS 'rows_counted + rows_duplicate + rows_rejected + rows_expired + rows_elsewhere, once done';
COMMENT ON COLUMN sellometer.objects.rows_counted IS 'rows that are in the sums';
COMMENT ON COLUMN sellometer.objects.rows_duplicate IS 'views of a product that its session had seen already, and other events whose id had come already';
COMMENT ON COLUMN sellometer.objects.rows_rejected IS 'rows that could not be used: see sellometer.rejected_rows';
COMMENT ON COLUMN sellometer.objects.rows_expired IS 'rows older than the retention of every tier';
COMMENT ON COLUMN sellometer.objects.rows_elsewhere IS
	'rows that other nodes keep: of products of their slices, and rejected ones, which are for slice 0, but for sku_taken (sellometer.slice); else 0, as of what no other node reads';
COMMENT ON COLUMN sellometer.objects.first_event IS 'earliest time of its rows, of all slices';
COMMENT ON COLUMN sellometer.objects.last_event IS 'latest time of its rows, of all slices';
COMMENT ON COLUMN sellometer.objects.resume_row IS 'rows of a large object that are committed already';
COMMENT ON COLUMN sellometer.objects.time_limit IS
	'while a large object is loaded: its rows later than this are clock jumps, whatever part they are in';
COMMENT ON COLUMN sellometer.objects.attempts IS 'attempts that have failed';
COMMENT ON COLUMN sellometer.objects.next_attempt IS 'not tried again before this time; infinity: given up, until its source is back after a failure';
COMMENT ON COLUMN sellometer.objects.error IS 'why the last attempt failed, or why it is not tried; how its source is reached stands in sellometer.error_details';
COMMENT ON COLUMN sellometer.objects.sqlstate IS 'code of that error';
COMMENT ON COLUMN sellometer.objects.discovered_at IS 'when it was first listed';
COMMENT ON COLUMN sellometer.objects.ingested_at IS 'when the last of it was loaded';
COMMENT ON COLUMN sellometer.objects.unloaded_rows IS 'rows, from its first on, that sellometer_unload() has taken out so far';
COMMENT ON COLUMN sellometer.objects.lost IS 'sellometer_declare_lost(): its rows stay counted as they are, and nobody waits for its bytes';
COMMENT ON COLUMN sellometer.objects.checksum IS
	'of what it holds, unpacked: the same for the same content, whatever it is called; differs from database to database; NULL: not read to its end';
COMMENT ON COLUMN sellometer.objects.unwanted IS
	'somebody has put it aside: what has the same content is not loaded under another name either';
COMMENT ON COLUMN sellometer.objects.excluded IS
	'skipped because include or exclude of its source leave it out: should they not any more, it is loaded';

/* What counted of a large object, part by part: see src/ledger/windows.h. */
CREATE TABLE sellometer.object_parts (
	object_id	bigint NOT NULL,
	from_row	bigint NOT NULL,
	rows		bigint NOT NULL,
	first_event	timestamptz,
	last_event	timestamptz,
	PRIMARY KEY (object_id, from_row)
);
COMMENT ON TABLE sellometer.object_parts IS 'The parts in which large objects were loaded';
COMMENT ON COLUMN sellometer.object_parts.from_row IS 'number of its first row in the object, from 0';
COMMENT ON COLUMN sellometer.object_parts.first_event IS 'earliest time of its rows that counted';
COMMENT ON COLUMN sellometer.object_parts.last_event IS 'latest time of its rows that counted';

/* What did not count of an object, though its other rows did: see src/ledger/refused.h. */
CREATE TABLE sellometer.refused_rows (
	object_id	bigint NOT NULL,
	from_row	bigint NOT NULL,
	rows		bytea NOT NULL,
	PRIMARY KEY (object_id, from_row)
);
COMMENT ON TABLE sellometer.refused_rows IS 'Which rows of loaded objects were rejected or expired, all of them: what sellometer_retry() tries anew';
COMMENT ON COLUMN sellometer.refused_rows.from_row IS 'the rows of the object from this one on, from 0';
COMMENT ON COLUMN sellometer.refused_rows.rows IS 'numbers of rows, from 0, as runs: see src/pure/rowset.h';

/* Without a foreign key: pg_restore -j fills tables of an extension in any order, with foreign keys in place. */
CREATE TABLE sellometer.rejected_rows (
	object_id	bigint NOT NULL,
	source		text NOT NULL,
	key			text NOT NULL,
	line		bigint NOT NULL,
	column_name	text,
	reason		text NOT NULL,
	detail		text,
	raw			text,
	rejected_at	timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX rejected_rows_object ON sellometer.rejected_rows (object_id);
CREATE INDEX rejected_rows_time ON sellometer.rejected_rows (rejected_at);
CREATE INDEX rejected_rows_misplaced ON sellometer.rejected_rows (source, rejected_at) WHERE reason = 'other_slice';
-- without a key, rows are published whole
ALTER TABLE sellometer.rejected_rows REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.rejected_rows IS
	'Rows that could not be used, at most sellometer.max_rejects_kept for each object';
COMMENT ON COLUMN sellometer.rejected_rows.line IS 'line number in the object; the header is line 1';
COMMENT ON COLUMN sellometer.rejected_rows.column_name IS 'column at fault; NULL: the row as a whole';
COMMENT ON COLUMN sellometer.rejected_rows.reason IS
	'bad_time, bad_event_type, bad_product_id, bad_price, bad_category_id, bad_user_id, bad_quantity, bad_encoding, bad_quote, column_count, key_too_long, too_long (a line over 1 MB), no_rate (see sellometer.currency_rates), sku_taken (see sellometer.sku_collisions), other_slice (see own_slice of sellometer.sources), future (see sellometer.max_clock_skew), clock_jump (see sellometer.max_clock_jump)';
COMMENT ON COLUMN sellometer.rejected_rows.detail IS 'what was seen';
COMMENT ON COLUMN sellometer.rejected_rows.raw IS E'up to 1 kB of the line; bytes that are no text are shown as \\xHH';

/* What went wrong on the way to an object, in all words: readers see objects.error, which tells of no server, role or endpoint. */
CREATE TABLE sellometer.error_details (
	object_id	bigint PRIMARY KEY,
	detail		text NOT NULL,
	at			timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE sellometer.error_details IS 'The errors of objects that could not be read, whole: with the words of servers, and what to do; not for readers';
COMMENT ON COLUMN sellometer.error_details.object_id IS 'of sellometer.objects';
COMMENT ON COLUMN sellometer.error_details.detail IS 'what was seen, and what to do';
COMMENT ON COLUMN sellometer.error_details.at IS 'when';

CREATE FUNCTION sellometer.forget_error_detail()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- who may write the ledger alone leaves it there
	IF has_table_privilege('sellometer.error_details', 'DELETE') AND has_table_privilege('sellometer.error_details', 'SELECT') THEN
		DELETE FROM sellometer.error_details e WHERE e.object_id = OLD.id;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.forget_error_detail() IS 'Have the details of an error go with it';
REVOKE ALL ON FUNCTION sellometer.forget_error_detail() FROM PUBLIC;
CREATE TRIGGER forget_error_detail AFTER UPDATE ON sellometer.objects
	FOR EACH ROW WHEN (OLD.error IS NOT NULL AND NEW.error IS NULL) EXECUTE FUNCTION sellometer.forget_error_detail();

CREATE FUNCTION sellometer.forget_rejected_rows()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM sellometer.rejected_rows r USING gone WHERE r.object_id = gone.id;
	DELETE FROM sellometer.refused_rows l USING gone WHERE l.object_id = gone.id;
	DELETE FROM sellometer.error_details e USING gone WHERE e.object_id = gone.id;
	DELETE FROM sellometer.object_parts p USING gone WHERE p.object_id = gone.id;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.forget_rejected_rows() IS 'Have the rejected rows of objects, and which rows were left out, go with them';
REVOKE ALL ON FUNCTION sellometer.forget_rejected_rows() FROM PUBLIC;
CREATE TRIGGER forget_rejected_rows AFTER DELETE ON sellometer.objects
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sellometer.forget_rejected_rows();

/* Counted objects whose rows the ledger does not keep any more: see src/upkeep/ledger_prune.h. */
CREATE TABLE sellometer.forgotten_objects (
	checksum	uuid NOT NULL,
	object_id	bigint NOT NULL,
	source		text NOT NULL,
	key			text NOT NULL,
	last_event	timestamptz NOT NULL,
	PRIMARY KEY (checksum, object_id)
);
COMMENT ON TABLE sellometer.forgotten_objects IS
	'What is known of counted objects after sellometer.ledger_retention: enough not to count the same content again';
COMMENT ON COLUMN sellometer.forgotten_objects.checksum IS 'of what it held, as in sellometer.objects';
COMMENT ON COLUMN sellometer.forgotten_objects.object_id IS 'what it had as its id in sellometer.objects, and has in sellometer.archives';
COMMENT ON COLUMN sellometer.forgotten_objects.source IS 'name of its source';
COMMENT ON COLUMN sellometer.forgotten_objects.key IS 'its name behind the source''s url';
COMMENT ON COLUMN sellometer.forgotten_objects.last_event IS 'latest time of its rows';

/* One row: what all sources have reached together. */
CREATE TABLE sellometer.state (
	only_row		boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	head			timestamptz,
	views_from		timestamptz,
	views_dropped	bigint NOT NULL DEFAULT 0 CHECK (views_dropped >= 0),
	carts_from		timestamptz NOT NULL DEFAULT '-infinity',
	views_epoch		bigint NOT NULL DEFAULT 0,
	views_thinned_at	timestamptz,
	ledger_pruned_at	timestamptz,
	forgotten_head	timestamptz,
	forgotten_until	timestamptz,
	slice			text
);
COMMENT ON TABLE sellometer.state IS 'What loading has reached; one row';
COMMENT ON COLUMN sellometer.state.head IS 'the newest event time that the data has reached: greatest median time of an applied chunk, of objects that were not taken out';
COMMENT ON COLUMN sellometer.state.views_from IS 'views before this time are no longer known one by one';
COMMENT ON COLUMN sellometer.state.views_dropped IS 'number of views that are no longer known one by one';
COMMENT ON COLUMN sellometer.state.carts_from IS 'carts whose last event is before this time are forgotten';
COMMENT ON COLUMN sellometer.state.views_epoch IS 'counts how often entries were taken out of the view log';
COMMENT ON COLUMN sellometer.state.views_thinned_at IS 'when this last took entries of views that had not counted any more; NULL: never';
COMMENT ON COLUMN sellometer.state.ledger_pruned_at IS 'when sellometer_prune() last looked for rows of the ledger that can be forgotten';
COMMENT ON COLUMN sellometer.state.forgotten_head IS 'how far objects that the ledger has forgotten have moved the head';
COMMENT ON COLUMN sellometer.state.forgotten_until IS 'latest time of their rows';
COMMENT ON COLUMN sellometer.state.slice IS 'sellometer.slice when the first object was loaded: what is counted is of these products alone; NULL or empty: of all';
INSERT INTO sellometer.state DEFAULT VALUES;

/* What others go by who have looked before. */
CREATE FUNCTION sellometer.refuse_to_go_back()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE integrity_constraint_violation USING MESSAGE = format('what sellometer.%s has reached never goes back', TG_TABLE_NAME),
		DETAIL = format('Of %s only greater values may follow.', TG_ARGV[0]);
END
$$;
COMMENT ON FUNCTION sellometer.refuse_to_go_back() IS 'Raise that something would go back that never does';
REVOKE ALL ON FUNCTION sellometer.refuse_to_go_back() FROM PUBLIC;
CREATE TRIGGER never_back BEFORE UPDATE ON sellometer.state
	FOR EACH ROW WHEN (NEW.views_epoch < OLD.views_epoch OR NEW.views_dropped < OLD.views_dropped)
	EXECUTE FUNCTION sellometer.refuse_to_go_back('views_epoch and views_dropped');

/* The key of the fingerprints.  Nobody but the owner reads it: who knows it could make sessions collide. */
CREATE TABLE sellometer.secret (
	only_row	boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	hash_key	bytea NOT NULL
);
COMMENT ON TABLE sellometer.secret IS 'Key of the session fingerprints in the view log; one row';
INSERT INTO sellometer.secret (hash_key)
	SELECT pg_catalog.uuid_send(pg_catalog.gen_random_uuid());

/* The truth about which views are counted: see src/pure/viewlog.h for the format of a block. */
CREATE TABLE sellometer.view_log (
	hour		timestamptz NOT NULL,
	seq			bigint NOT NULL,
	views		integer NOT NULL,
	block		bytea NOT NULL
) PARTITION BY RANGE (hour);
ALTER TABLE sellometer.view_log ALTER COLUMN block SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
CREATE SEQUENCE sellometer.view_log_seq_seq OWNED BY NONE;
COMMENT ON TABLE sellometer.view_log IS 'Views that are counted, and other events with ids, packed by batch and hour; only added to, but by replay, replace and unload';
COMMENT ON COLUMN sellometer.view_log.hour IS 'of the event time';
COMMENT ON COLUMN sellometer.view_log.seq IS 'number of the batch that counted them; batches commit in this order';
COMMENT ON COLUMN sellometer.view_log.views IS 'number of entries in the block';
COMMENT ON COLUMN sellometer.view_log.block IS 'fingerprints of sessions and ids, times, products, prices, categories, brands, and pieces';

CREATE TABLE sellometer.tiers (
	name			text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,23}$'),
	position		integer NOT NULL UNIQUE,
	granularity		interval NOT NULL,
	retention		interval,
	partition_width	interval NOT NULL,
	watermark		timestamptz NOT NULL,
	rolling			timestamptz,
	kept_from		timestamptz NOT NULL DEFAULT '-infinity',
	initial			boolean NOT NULL DEFAULT false,
	finer			text,
	filled_at		timestamptz,
	zone			text,
	CHECK ((position = 0) = (finer IS NULL))
);
CREATE TRIGGER never_back BEFORE UPDATE ON sellometer.tiers
	FOR EACH ROW WHEN (NEW.watermark < OLD.watermark)
	EXECUTE FUNCTION sellometer.refuse_to_go_back('watermark');

/* What was moved by an object that is taken out again may go back: there, nothing is missing.  And so may what a replay has filled. */
CREATE FUNCTION sellometer.refuse_to_keep_more()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM sellometer.objects o WHERE o.last_event >= NEW.kept_from) THEN
		RAISE integrity_constraint_violation USING MESSAGE = 'what sellometer.tiers has reached never goes back',
			DETAIL = format('There were events from %s on, so kept_from of tier "%s" can''t be there.', NEW.kept_from, NEW.name);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION sellometer.refuse_to_keep_more() IS 'Raise that a tier would be said to be complete where it isn''t';
REVOKE ALL ON FUNCTION sellometer.refuse_to_keep_more() FROM PUBLIC;
CREATE TRIGGER never_keep_more BEFORE UPDATE ON sellometer.tiers
	FOR EACH ROW WHEN (NEW.kept_from < OLD.kept_from AND NEW.filled_at IS NOT DISTINCT FROM OLD.filled_at)
	EXECUTE FUNCTION sellometer.refuse_to_keep_more();
COMMENT ON TABLE sellometer.tiers IS
	'The tiers, finest first; changed by sellometer_add_tier(), sellometer_alter_tier() and sellometer_drop_tier(), which check what they are told';
COMMENT ON COLUMN sellometer.tiers.zone IS
	'time zone that its days or months are those of: sellometer.timezone as it was when the tier was added; NULL: it is not one of whole days';
COMMENT ON COLUMN sellometer.tiers.filled_at IS 'when sellometer_replay() last had it be complete from an earlier time on';
COMMENT ON COLUMN sellometer.tiers.finer IS 'the tier that it is added up from; NULL: it is the finest';
COMMENT ON COLUMN sellometer.tiers.position IS '0 for the finest, then in order of granularity';
COMMENT ON COLUMN sellometer.tiers.granularity IS 'width of its buckets of time';
COMMENT ON COLUMN sellometer.tiers.retention IS 'how far behind the head rows are kept; NULL: for ever';
COMMENT ON COLUMN sellometer.tiers.partition_width IS 'rows are dropped by so much of time at once';
COMMENT ON COLUMN sellometer.tiers.watermark IS
	'rows before this time are complete and corrected directly; later ones are still only in the finer tier';
COMMENT ON COLUMN sellometer.tiers.rolling IS
	'end of the bucket that is being rolled up now: from the watermark to here changes are noted in rollup_changes';
COMMENT ON COLUMN sellometer.tiers.kept_from IS
	'what is complete: of earlier time some rows were pruned, were too old when they came, or were gone from the finer tier when this one was added; rows that come later and that the retention keeps count nevertheless';
COMMENT ON COLUMN sellometer.tiers.initial IS 'as CREATE EXTENSION made it: gives way to the tiers of a dump';

/* For each bucket of a tier's tables, what each of them sums up to: see totals.c. */
CREATE TABLE sellometer.totals (
	tier		text NOT NULL,
	event_type	sellometer.event_type NOT NULL,
	event_time	timestamptz NOT NULL,
	count		bigint NOT NULL,
	gmv			numeric NOT NULL,
	changes		bigint NOT NULL DEFAULT 1,
	made		bigint NOT NULL DEFAULT pg_catalog.pg_current_xact_id()::text::bigint,
	PRIMARY KEY (tier, event_type, event_time)
);
COMMENT ON TABLE sellometer.totals IS 'Sums over all keys by tier, event type and event time: what sellometer_series() reads without a key';
COMMENT ON COLUMN sellometer.totals.tier IS 'name of the tier';
COMMENT ON COLUMN sellometer.totals.event_time IS 'start of the interval';
COMMENT ON COLUMN sellometer.totals.count IS 'number of events';
COMMENT ON COLUMN sellometer.totals.gmv IS 'sum of the events'' prices, by pieces';
COMMENT ON COLUMN sellometer.totals.event_type IS 'view, cart, remove_from_cart or purchase';
COMMENT ON COLUMN sellometer.totals.changes IS 'how often the bucket has changed since it was made: see sellometer.segments';
COMMENT ON COLUMN sellometer.totals.made IS 'by which transaction it was made: one that is made anew is another';

/* What all that reads over time reads; where nodes are asked, of all of them: see 99_nodes.sql. */
CREATE VIEW sellometer.all_totals AS SELECT t.tier, t.event_type, t.event_time, t.count, t.gmv FROM sellometer.totals t;
COMMENT ON VIEW sellometer.all_totals IS 'sellometer.totals, in the dashboards'' database of nodes those of each node';
CREATE VIEW sellometer.reached AS SELECT s.head FROM sellometer.state s;
COMMENT ON VIEW sellometer.reached IS 'The head, in the dashboards'' database of nodes the least of them';

/*
 * A copy of the tiers' rows that is quick to add up: see segments.h.  What is in the bytes, segment.h tells; they are dense, and to try to
 * compress them would cost more than it saves.
 */
CREATE TABLE sellometer.segments (
	tier		text NOT NULL,
	event_type	sellometer.event_type NOT NULL,
	event_time	timestamptz NOT NULL,
	whole		boolean NOT NULL,
	since		bigint NOT NULL,
	upto		bigint NOT NULL CHECK (upto > since),
	made		bigint NOT NULL,
	product_id	bytea NOT NULL,
	brand		bytea NOT NULL,
	category_l1	bytea NOT NULL,
	category_l2	bytea NOT NULL,
	category_l3	bytea NOT NULL,
	PRIMARY KEY (tier, event_type, event_time, whole, upto) INCLUDE (since, made)
);
ALTER TABLE sellometer.segments ALTER product_id SET STORAGE EXTERNAL, ALTER brand SET STORAGE EXTERNAL, ALTER category_l1 SET STORAGE EXTERNAL,
	ALTER category_l2 SET STORAGE EXTERNAL, ALTER category_l3 SET STORAGE EXTERNAL;
COMMENT ON TABLE sellometer.segments IS 'What was added to the buckets of a tier, by key: the rows once more, as bytes that are quick to add up; what is missing is made anew';
COMMENT ON COLUMN sellometer.segments.tier IS 'name of the tier';
COMMENT ON COLUMN sellometer.segments.event_type IS 'view, cart, remove_from_cart or purchase';
COMMENT ON COLUMN sellometer.segments.event_time IS 'start of the bucket, or of the partition';
COMMENT ON COLUMN sellometer.segments.whole IS 'of all buckets of a partition';
COMMENT ON COLUMN sellometer.segments.since IS 'it has the changes after this one ...';
COMMENT ON COLUMN sellometer.segments.upto IS '... up to this one, as sellometer.totals counts them; whole: 0 up to so many in all';
COMMENT ON COLUMN sellometer.segments.made IS 'of the bucket as this transaction made it; whole: a hash of the times, changes and makers of all its buckets';
COMMENT ON COLUMN sellometer.segments.product_id IS 'count and gmv of each product';
COMMENT ON COLUMN sellometer.segments.brand IS 'likewise of each brand';
COMMENT ON COLUMN sellometer.segments.category_l1 IS 'likewise of each category of one level';
COMMENT ON COLUMN sellometer.segments.category_l2 IS 'of two levels';
COMMENT ON COLUMN sellometer.segments.category_l3 IS 'of three levels';

/* Each dimension of one's own by itself: one may be added, dropped, or be too large, whatever the others are. */
CREATE TABLE sellometer.dimension_segments (
	tier		text NOT NULL,
	event_type	sellometer.event_type NOT NULL,
	event_time	timestamptz NOT NULL,
	whole		boolean NOT NULL,
	dimension_id	bigint NOT NULL,
	since		bigint NOT NULL,
	upto		bigint NOT NULL CHECK (upto > since),
	made		bigint NOT NULL,
	sums		bytea NOT NULL,
	PRIMARY KEY (tier, event_type, event_time, whole, dimension_id, upto) INCLUDE (since, made)
);
ALTER TABLE sellometer.dimension_segments ALTER sums SET STORAGE EXTERNAL;
COMMENT ON TABLE sellometer.dimension_segments IS 'What was added to the buckets of a tier, by key of a dimension of one''s own: see sellometer.segments';
COMMENT ON COLUMN sellometer.dimension_segments.tier IS 'name of the tier';
COMMENT ON COLUMN sellometer.dimension_segments.event_type IS 'view, cart, remove_from_cart or purchase';
COMMENT ON COLUMN sellometer.dimension_segments.event_time IS 'start of the bucket, or of the partition';
COMMENT ON COLUMN sellometer.dimension_segments.whole IS 'of all buckets of a partition';
COMMENT ON COLUMN sellometer.dimension_segments.dimension_id IS 'of sellometer.dimensions';
COMMENT ON COLUMN sellometer.dimension_segments.since IS 'it has the changes after this one ...';
COMMENT ON COLUMN sellometer.dimension_segments.upto IS '... up to this one, as sellometer.totals counts them; whole: 0 up to so many in all';
COMMENT ON COLUMN sellometer.dimension_segments.made IS 'of the bucket as this transaction made it; whole: a hash of the times, changes and makers of all its buckets';
COMMENT ON COLUMN sellometer.dimension_segments.sums IS 'count and gmv of each key';

/*
 * Whatever makes a bucket anew deletes its totals first, and with them go segments, whose changes are counted from 1 again.  No
 * foreign key: see rejected_rows.
 */
CREATE FUNCTION sellometer.forget_segments()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM sellometer.segments s USING gone
	WHERE s.tier = gone.tier AND s.event_type = gone.event_type AND s.event_time = gone.event_time AND NOT s.whole;
	DELETE FROM sellometer.segments s
	USING (SELECT g.tier, g.event_type, min(g.event_time) AS first, max(g.event_time) AS last FROM gone g GROUP BY 1, 2) g, sellometer.tiers t
	WHERE s.tier = g.tier AND s.event_type = g.event_type AND s.whole AND t.name = g.tier AND s.event_time <= g.last
		AND s.event_time >= sellometer.bucket_start(t.partition_width, g.first, t.zone);
	IF EXISTS (SELECT FROM sellometer.dimensions) THEN
		DELETE FROM sellometer.dimension_segments s USING gone
		WHERE s.tier = gone.tier AND s.event_type = gone.event_type AND s.event_time = gone.event_time AND NOT s.whole;
		DELETE FROM sellometer.dimension_segments s
		USING (SELECT g.tier, g.event_type, min(g.event_time) AS first, max(g.event_time) AS last FROM gone g GROUP BY 1, 2) g, sellometer.tiers t
		WHERE s.tier = g.tier AND s.event_type = g.event_type AND s.whole AND t.name = g.tier AND s.event_time <= g.last
			AND s.event_time >= sellometer.bucket_start(t.partition_width, g.first, t.zone);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.forget_segments() IS 'Have segments go with the totals of their bucket';
REVOKE ALL ON FUNCTION sellometer.forget_segments() FROM PUBLIC;
CREATE TRIGGER forget_segments AFTER DELETE ON sellometer.totals
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION sellometer.forget_segments();

/* Not logged: after a crash the rollup that wants to know begins anew. */
CREATE UNLOGGED TABLE sellometer.rollup_changes (
	tier		text NOT NULL,
	dimension	text NOT NULL,
	keys		text[] NOT NULL
);
-- without a key, rows are published whole
ALTER TABLE sellometer.rollup_changes REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.rollup_changes IS
	'Keys that have changed in a bucket while it is being rolled up; the rollup adds these up once more';

CREATE TABLE sellometer.runs (
	id			bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	procedure	text NOT NULL,
	started		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	finished	timestamptz,
	outcome		text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'done', 'failed', 'held', 'died')),
	detail		jsonb
);
COMMENT ON TABLE sellometer.runs IS 'Runs of the procedures that did something; the newest 10,000';
COMMENT ON COLUMN sellometer.runs.procedure IS 'rollup, prune, merge_backlog …';
COMMENT ON COLUMN sellometer.runs.id IS 'ascending in the order in which they began';
COMMENT ON COLUMN sellometer.runs.started IS 'when it found something to do';
COMMENT ON COLUMN sellometer.runs.finished IS 'when it ended; NULL: it is running';
COMMENT ON COLUMN sellometer.runs.outcome IS
	'running; done; failed: detail has the error; held: a surge was on; died: its server process went away';
COMMENT ON COLUMN sellometer.runs.detail IS 'what it did: objects, rows, buckets, partitions, longest wait';
