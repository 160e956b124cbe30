/* Sources and their objects. */
CREATE FUNCTION sellometer.remember_source()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM sellometer.objects o WHERE o.source = OLD.name)
			OR EXISTS (SELECT FROM sellometer.forgotten_objects f WHERE f.source = OLD.name) THEN
		INSERT INTO sellometer.former_sources (name, url, server) VALUES (OLD.name, OLD.url, OLD.server)
		ON CONFLICT (name) DO UPDATE SET url = excluded.url, server = excluded.server, dropped_at = excluded.dropped_at;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.remember_source() IS 'Note where the objects of a source are that is dropped';
CREATE TRIGGER remember AFTER DELETE ON sellometer.sources FOR EACH ROW EXECUTE FUNCTION sellometer.remember_source();

CREATE FUNCTION sellometer.give_objects("from" text, "to" text, without text, "with" text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	given bigint;
BEGIN
	UPDATE sellometer.objects o SET source = "to", key = "with" || substr(o.key, length(without) + 1),
		counted_source = coalesce(o.counted_source, o.source), counted_key = coalesce(o.counted_key, o.key)
	WHERE o.source = "from" AND starts_with(o.key, without)
		AND NOT EXISTS (SELECT FROM sellometer.objects x WHERE x.source = "to" AND x.key = "with" || substr(o.key, length(without) + 1)
			AND (x.etag = o.etag OR x.state IN ('done', 'archived') OR x.resume_row > 0));
	GET DIAGNOSTICS given = ROW_COUNT;
	UPDATE sellometer.rejected_rows r SET source = o.source, key = o.key FROM sellometer.objects o
	WHERE r.source = "from" AND o.id = r.object_id AND o.source = "to";
	UPDATE sellometer.forgotten_objects f SET source = "to", key = "with" || substr(f.key, length(without) + 1)
	WHERE f.source = "from" AND starts_with(f.key, without);
	-- an archive is of a source as long as one of its objects is
	UPDATE sellometer.archives a SET source = "to" WHERE a.source = "from"
		AND a.id NOT IN (SELECT b.id FROM sellometer.archives b CROSS JOIN LATERAL unnest(b.objects) x (id)
			WHERE b.source = "from" AND (x.id IN (SELECT o.id FROM sellometer.objects o WHERE o.source = "from")
				OR x.id IN (SELECT f.object_id FROM sellometer.forgotten_objects f WHERE f.source = "from")));
	RETURN given;
END
$$;
COMMENT ON FUNCTION sellometer.give_objects(text, text, text, text) IS
	'Have the objects of one source whose keys begin so belong to another, with keys that begin otherwise; gives their number';

/*
 * An object is known by its URL, whatever its source is called: the names in the ledger follow, so that nothing is read again, let
 * alone counted.  Places of sources don't overlap, nor do those of former ones: each URL is in the ledger under one name.
 */
CREATE FUNCTION sellometer.adopt_objects(name text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s sellometer.sources;
	f sellometer.former_sources;
	label text;
	adopted bigint := 0;
	other record;
BEGIN
	SELECT * INTO s FROM sellometer.sources x WHERE x.name = adopt_objects.name;
	-- of what other nodes read they keep what is of their slices
	SELECT o.key, o.source, o.own_slice INTO other FROM sellometer.former_sources x JOIN sellometer.objects o ON o.source = x.name AND o.rows_total > 0 AND o.own_slice <> s.own_slice
	WHERE x.server IS NOT DISTINCT FROM s.server AND (starts_with(s.url, x.url) OR starts_with(x.url, s.url)) AND starts_with(x.url || o.key, s.url) LIMIT 1;
	IF FOUND THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('source "%s" would take over objects that were loaded %s own_slice', s.name, CASE WHEN other.own_slice THEN 'with' ELSE 'without' END),
			DETAIL = format('One is "%s" of source "%s", which was dropped.', other.key, other.source), HINT = 'Add it as it was, or put what is to be read otherwise under another prefix.';
	END IF;
	-- the same name at another place: what was there gets a name of its own
	SELECT * INTO f FROM sellometer.former_sources x WHERE x.name = s.name;
	IF FOUND AND (f.url, f.server) IS DISTINCT FROM (s.url, s.server) THEN
		label := format('%s (%s)', f.name, f.url);
		WHILE EXISTS (SELECT FROM sellometer.objects o WHERE o.source = label) OR EXISTS (SELECT FROM sellometer.sources x WHERE x.name = label) LOOP
			label := label || '*';
		END LOOP;
		UPDATE sellometer.former_sources x SET name = label WHERE x.name = f.name;
		PERFORM sellometer.give_objects(f.name, label, '', '');
	ELSIF FOUND THEN
		DELETE FROM sellometer.former_sources x WHERE x.name = s.name;
	END IF;
	FOR f IN SELECT * FROM sellometer.former_sources x WHERE x.server IS NOT DISTINCT FROM s.server
			AND (starts_with(s.url, x.url) OR starts_with(x.url, s.url)) ORDER BY x.name LOOP
		adopted := adopted + sellometer.give_objects(f.name, s.name, substr(s.url, length(f.url) + 1), substr(f.url, length(s.url) + 1));
		DELETE FROM sellometer.former_sources x WHERE x.name = f.name
			AND NOT EXISTS (SELECT FROM sellometer.objects o WHERE o.source = f.name)
			AND NOT EXISTS (SELECT FROM sellometer.forgotten_objects x WHERE x.source = f.name);
	END LOOP;
	RETURN adopted;
END
$$;
COMMENT ON FUNCTION sellometer.adopt_objects(text) IS
	'Have a new source take over the objects in the ledger that are at its URL; gives their number';

CREATE FUNCTION @extschema@.sellometer_add_source(
	name text, url text, server text DEFAULT NULL, archive_url text DEFAULT NULL, enabled boolean DEFAULT true,
	include text[] DEFAULT NULL, exclude text[] DEFAULT NULL, format jsonb DEFAULT NULL, own_slice boolean DEFAULT false)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_add_source';
COMMENT ON FUNCTION @extschema@.sellometer_add_source(text, text, text, text, boolean, text[], text[], jsonb, boolean) IS
	'Watch s3://bucket/prefix/ or file:///directory/ for objects; include, exclude: patterns of keys that are loaded, and that are not; format: how they are to be read, as sellometer_set_format() takes it; own_slice: what is there is of this node''s products alone, and read by no other node ({slice} and {slices} in url and archive_url are its number, and how many there are)';

CREATE FUNCTION @extschema@.sellometer_drop_source(name text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM sellometer.sources s WHERE s.name = sellometer_drop_source.name;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('source "%s" does not exist', name),
			HINT = 'The sources are listed in sellometer.sources.';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_drop_source(text) IS
	'Stop watching a source; what it counted stays, and so does its ledger: a source that is added at its URL, or around it or inside, goes on from there, whatever its name';

CREATE FUNCTION @extschema@.sellometer_alter_source(
	name text, archive_url text DEFAULT NULL, same_content text DEFAULT NULL, server text DEFAULT NULL,
	include text[] DEFAULT NULL, exclude text[] DEFAULT NULL)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_alter_source';
COMMENT ON FUNCTION @extschema@.sellometer_alter_source(text, text, text, text, text[], text[]) IS
	'Change what is given of a source, an empty archive_url or server to none; same_content: skip, or count objects that hold the same as another; include, exclude: patterns of keys, of which an empty array is none: what waits or has failed and is left out by them is skipped, what was so and is not any more waits again, and what is counted stays so';

CREATE FUNCTION @extschema@.sellometer_move_source(name text, url text, archive_url text DEFAULT NULL, server text DEFAULT NULL)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_move_source';
COMMENT ON FUNCTION @extschema@.sellometer_move_source(text, text, text, text) IS
	'Say that all objects of a source are at another URL now, with the same keys: none counts again; archive_url: its archives have moved too, and are here; server: behind another server, empty: behind none';

CREATE FUNCTION @extschema@.sellometer_enable_source(name text, enabled boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE sellometer.sources s SET enabled = sellometer_enable_source.enabled, restored = false,
		last_error = CASE WHEN NOT s.restored THEN s.last_error END,
		last_error_at = CASE WHEN NOT s.restored THEN s.last_error_at END
	WHERE s.name = sellometer_enable_source.name;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('source "%s" does not exist', name),
			HINT = 'The sources are listed in sellometer.sources.';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_enable_source(text, boolean) IS
	'Watch a source again, or leave it alone for a while';

CREATE PROCEDURE sellometer.ingest(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_ingest';
COMMENT ON PROCEDURE sellometer.ingest(text) IS 'What sellometer_ingest() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_ingest(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_ingest';
COMMENT ON PROCEDURE @extschema@.sellometer_ingest(text) IS
	'Load all objects that are pending and live, of one source or of all';

CREATE PROCEDURE sellometer.merge_backlog(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_merge_backlog';
COMMENT ON PROCEDURE sellometer.merge_backlog(text) IS 'What sellometer_merge_backlog() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_merge_backlog(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_merge_backlog';
COMMENT ON PROCEDURE @extschema@.sellometer_merge_backlog(text) IS
	'Merge late objects into all tiers, of one source or of all';

CREATE FUNCTION sellometer.key_is_wanted(key text, include text[], exclude text[])
RETURNS boolean
LANGUAGE c IMMUTABLE
AS 'MODULE_PATHNAME', 'sellometer_key_is_wanted';
COMMENT ON FUNCTION sellometer.key_is_wanted(text, text[], text[]) IS
	'Does a source with these patterns take the key?  In a pattern * stands for any characters, / among them, ? for one, [a-z] for one of several';

/* What another process has in hand just now was picked with the patterns as they were, or will come here by itself. */
CREATE FUNCTION sellometer.apply_patterns(name text, OUT skipped bigint, OUT resumed bigint)
RETURNS record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s sellometer.sources;
BEGIN
	SELECT * INTO s FROM sellometer.sources x WHERE x.name = apply_patterns.name;
	UPDATE sellometer.objects o SET state = 'skipped', excluded = true, next_attempt = NULL, sqlstate = NULL,
		error = 'left out by include or exclude of its source (sellometer_alter_source() changes them)'
	WHERE o.id IN (SELECT x.id FROM sellometer.objects x WHERE x.source = s.name AND x.state IN ('pending', 'backlog', 'failed')
		AND x.resume_row = 0 AND NOT sellometer.key_is_wanted(x.key, s.include, s.exclude) FOR UPDATE SKIP LOCKED);
	GET DIAGNOSTICS skipped = ROW_COUNT;
	WITH wanted AS (
		UPDATE sellometer.objects o SET state = 'pending', excluded = false, attempts = 0, next_attempt = NULL, error = NULL, sqlstate = NULL
		WHERE o.source = s.name AND o.excluded AND sellometer.key_is_wanted(o.key, s.include, s.exclude)
		RETURNING o.id
	), forgotten AS (
		DELETE FROM sellometer.rejected_rows r USING wanted w WHERE r.object_id = w.id
	)
	SELECT count(*) INTO resumed FROM wanted;
	IF resumed > 0 THEN
		PERFORM sellometer.wake();
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.apply_patterns(text) IS
	'Skip what waits or has failed and is left out by include or exclude of its source; have what was so, and is not any more, wait again';

REVOKE ALL ON FUNCTION @extschema@.sellometer_add_source(text, text, text, text, boolean, text[], text[], jsonb, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_drop_source(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_alter_source(text, text, text, text, text[], text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_move_source(text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.remember_source() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.give_objects(text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.adopt_objects(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.apply_patterns(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_enable_source(text, boolean) FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.ingest(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_ingest(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.merge_backlog(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_merge_backlog(text) FROM PUBLIC;
