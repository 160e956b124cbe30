/*
 * One archive for all nodes (99_nodes.sql), in steps that each may be the last one for a while:
 *
 *   slice 0		packs what it has loaded into an archive, and records it in sellometer.archives
 *   the others		have loaded all of its objects: take over the record, and the objects are archived there too
 *   slice 0		finds the record on every other node: deletes the originals
 *
 * So of what can't be loaded any more each node has the record.  One that is set back to an older backup takes over from the others what it
 * lacks (slice 0 from all, the others from slice 0), and what it has not counted yet is counted from the archives, by a replay in the same
 * transaction: archive.c.
 *
 * A source that one node alone reads (own_slice) is archived by that, as in a database without a slice: nobody else knows of it, or need know.
 */

/* Slice 0 archives for all. */
CREATE FUNCTION sellometer.is_archived_here(s sellometer.sources)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT s.archive_url IS NOT NULL AND (s.own_slice OR sellometer.own_slice() !~ '^[1-9]')
$$;
COMMENT ON FUNCTION sellometer.is_archived_here(sellometer.sources) IS 'Is this the node that archives what comes from a source, if it is to be archived?';
REVOKE ALL ON FUNCTION sellometer.is_archived_here(sellometer.sources) FROM PUBLIC;

/* On slice 0: why the originals of an archive must stay; NULL: they may go.  Whoever can't be asked may have something to load. */
CREATE FUNCTION sellometer.awaited_by(archive bigint)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	others integer := nullif(split_part(sellometer.own_slice(), '/', 2), '')::integer - 1;
	n sellometer.nodes;
	o record;
	waiting bigint;
	is_known boolean;
BEGIN
	IF coalesce(others, 0) = 0 OR (SELECT a.own_slice AND NOT EXISTS (SELECT FROM sellometer.objects x WHERE x.id = ANY (a.objects) AND NOT x.own_slice)
			FROM sellometer.archives a WHERE a.id = archive) THEN
		RETURN NULL;
	ELSIF (SELECT count(*) FROM sellometer.nodes x WHERE NOT x.here) <> others THEN
		RETURN format('%s of %s other nodes are known here', (SELECT count(*) FROM sellometer.nodes x WHERE NOT x.here), others);
	END IF;
	SELECT a.source, a.url, a.key, array_agg(x.key) AS keys, array_agg(x.etag) AS etags INTO o
	FROM sellometer.archives a JOIN sellometer.objects x ON x.id = ANY (a.objects) AND x.source = a.source AND x.state = 'archived'
	WHERE a.id = archive GROUP BY a.id;
	FOR n IN SELECT * FROM sellometer.nodes x WHERE NOT x.here ORDER BY x.slice LOOP
		BEGIN
			EXECUTE format('SELECT count(*) FROM unnest($2, $3) k (key, etag) WHERE NOT EXISTS (SELECT FROM (SELECT r.key, r.etag
				FROM sellometer_nodes.%I r WHERE r.source = $1 AND r.key = ANY ($2) AND r.state IN (''done'', ''archived'', ''skipped'') OFFSET 0) r
				WHERE r.key = k.key AND r.etag = k.etag)', 'objects_of_' || n.name) INTO waiting USING o.source, o.keys, o.etags;
			EXECUTE format('SELECT EXISTS (SELECT FROM sellometer_nodes.%I r WHERE r.url = $1 AND r.key = $2 AND r.archived_at IS NOT NULL)',
				'archives_of_' || n.name) INTO is_known USING o.url, o.key;
		EXCEPTION WHEN OTHERS THEN
			RETURN format('node %s can''t be asked: %s', n.name, SQLSTATE);
		END;
		IF waiting > 0 THEN
			RETURN format('node %s has still to load %s of them', n.name, waiting);
		ELSIF NOT is_known AND o.key IS NOT NULL THEN
			RETURN format('node %s has loaded them, and has still to take the archive over, by sellometer_archive() there', n.name);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.awaited_by(bigint) IS
	'Why the objects of an archive must not be deleted yet: another node has not loaded them, does not know the archive, or can''t be asked; NULL: they may be';
REVOKE ALL ON FUNCTION sellometer.awaited_by(bigint) FROM PUBLIC;

/*
 * Take over an archive of another node; false: not yet, or it must not be.  Its objects are those of pg_temp.sellometer_adopted, with what
 * the other node says of them: those that this node has not loaded (it is new, or comes from a backup of before) are taken for loaded, which
 * only a replay makes true.
 */
CREATE FUNCTION sellometer.adopt_archive(node name, archive bigint, OUT adopted boolean, OUT uncounted bigint, OUT first_event timestamptz)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	a record;
	ids bigint[];
	archives_itself boolean := sellometer.own_slice() LIKE '0/%';
BEGIN
	adopted := false;
	EXECUTE format('SELECT * FROM sellometer_nodes.%I r WHERE r.id = $1', 'archives_of_' || node) INTO STRICT a USING archive;
	EXECUTE format('CREATE TEMP TABLE sellometer_adopted ON COMMIT DROP AS SELECT o.ordinality, r.* FROM unnest($1) WITH ORDINALITY o (id, ordinality)
		LEFT JOIN (SELECT * FROM sellometer_nodes.%I x WHERE x.id = ANY ($1)) r USING (id)', 'objects_of_' || node) USING a.objects;
	SELECT count(*) INTO uncounted FROM pg_temp.sellometer_adopted t WHERE t.id IS NOT NULL AND NOT EXISTS (SELECT FROM sellometer.objects o
		WHERE o.source = t.source AND o.key = t.key AND o.etag = t.etag AND o.state IN ('done', 'archived', 'skipped'));
	IF (CASE WHEN archives_itself THEN EXISTS (SELECT FROM pg_temp.sellometer_adopted t JOIN sellometer.objects o USING (source, key, etag)
			WHERE o.state = 'archived')		-- what it has been replaced by since
		-- one that slice 0 has taken over itself is older than its row there: nobody can tell whether originals are left
		ELSE uncounted > 0 AND a.originals_deleted_at IS NULL AND a.started_at <= a.archived_at END) THEN
		DROP TABLE pg_temp.sellometer_adopted;
		RETURN;
	END IF;
	DELETE FROM sellometer.object_parts p USING sellometer.objects o, pg_temp.sellometer_adopted t
	WHERE p.object_id = o.id AND o.source = t.source AND o.key = t.key AND o.etag = t.etag AND o.state IN ('pending', 'backlog', 'failed');
	UPDATE sellometer.objects o SET rows_total = t.rows_total, rows_counted = 0, rows_duplicate = 0, rows_rejected = 0, rows_expired = 0, rows_elsewhere = t.rows_total,
		first_event = t.first_event, last_event = t.last_event, head = t.head, resume_row = 0,
		checksum = t.checksum, counted_source = t.counted_source, counted_key = t.counted_key, ingested_at = clock_timestamp(), error = NULL, sqlstate = NULL, next_attempt = NULL, state = 'done'
	FROM pg_temp.sellometer_adopted t WHERE o.source = t.source AND o.key = t.key AND o.etag = t.etag AND o.state IN ('pending', 'backlog', 'failed');
	INSERT INTO sellometer.objects (source, key, etag, size, last_modified, state, object_time, head, rows_total, rows_elsewhere, first_event, last_event, ingested_at, checksum,
		counted_source, counted_key)
	SELECT t.source, t.key, t.etag, t.size, t.last_modified, 'done', t.object_time, t.head, t.rows_total, t.rows_total, t.first_event, t.last_event, clock_timestamp(), t.checksum,
		t.counted_source, t.counted_key
	FROM pg_temp.sellometer_adopted t WHERE t.id IS NOT NULL AND NOT EXISTS (SELECT FROM sellometer.objects o WHERE o.source = t.source AND o.key = t.key AND o.etag = t.etag);
	UPDATE sellometer.objects o SET state = 'archived', archived_at = clock_timestamp(), archive_key = a.key, error = NULL, sqlstate = NULL, lost = false
	FROM pg_temp.sellometer_adopted t WHERE o.source = t.source AND o.key = t.key AND o.etag = t.etag AND o.state IN ('done', 'archived');
	SELECT array_agg(coalesce(o.id, -t.ordinality) ORDER BY t.ordinality) INTO ids FROM pg_temp.sellometer_adopted t
	LEFT JOIN sellometer.objects o ON o.source = t.source AND o.key = t.key AND o.etag = t.etag;
	DROP TABLE pg_temp.sellometer_adopted;
	-- one of that name that this node was making when the backup was taken
	DELETE FROM sellometer.archives o WHERE o.url = a.url AND o.key = a.key AND o.archived_at IS NULL;
	INSERT INTO sellometer.archives (source, url, server, owner, block, part, key, archived_at, originals_deleted_at, objects, original_bytes, rows, csv_bytes, bytes, checksum, etag,
		first_event, last_event, row_map, rates, counted_sources, counted_keys)
	SELECT a.source, a.url, s.server, s.owner, a.block, a.part, a.key, a.archived_at, CASE WHEN NOT archives_itself THEN clock_timestamp() END, ids, a.original_bytes,
		a.rows, a.csv_bytes, a.bytes, a.checksum, a.etag, a.first_event, a.last_event, a.row_map, a.rates, a.counted_sources, a.counted_keys
	FROM sellometer.sources s WHERE s.name = a.source;
	adopted := true;
	first_event := a.first_event;
END
$$;
COMMENT ON FUNCTION sellometer.adopt_archive(name, bigint) IS
	'Take an archive of another node for one of this node; adopted: was that done; uncounted: so many of its objects were never loaded here';
REVOKE ALL ON FUNCTION sellometer.adopt_archive(name, bigint) FROM PUBLIC;

/*
 * An archive that slice 0 has written anew, as somebody is forgotten, has another name there.  One that slice 0 knows nothing of, as it
 * was set back, is the only record of what is in it.
 */
CREATE FUNCTION sellometer.drop_replaced_archives(node name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	a record;
	is_replaced boolean;
BEGIN
	FOR a IN EXECUTE format('SELECT o.* FROM sellometer.archives o WHERE NOT o.own_slice AND NOT EXISTS (SELECT FROM (SELECT x.url, x.key FROM sellometer_nodes.%I x
			WHERE x.archived_at IS NOT NULL OFFSET 0) x WHERE x.url = o.url AND x.key = o.key)', 'archives_of_' || node) LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM sellometer_nodes.%I x WHERE x.archived_at IS NOT NULL AND x.url = $1 AND x.block = $2 AND x.rows = $3
					AND x.original_bytes = $4 AND (x.first_event, x.last_event) IS NOT DISTINCT FROM ($5, $6))
				OR (SELECT count(*) > 0 AND count(*) = count(r.key) FROM (SELECT o.key, o.etag FROM sellometer.objects o WHERE o.id = ANY ($8)) k
					LEFT JOIN (SELECT x.key, x.etag FROM sellometer_nodes.%I x WHERE x.source = $7 AND x.state = ''archived''
						AND x.key = ANY ((SELECT array_agg(o.key) FROM sellometer.objects o WHERE o.id = ANY ($8))::text[])) r USING (key, etag))',
			'archives_of_' || node, 'objects_of_' || node) INTO is_replaced USING a.url, a.block, a.rows, a.original_bytes, a.first_event, a.last_event, a.source, a.objects;
		IF is_replaced THEN
			DELETE FROM sellometer.archives o WHERE o.id = a.id;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.drop_replaced_archives(name) IS 'Forget archives that slice 0 has others in the place of';
REVOKE ALL ON FUNCTION sellometer.drop_replaced_archives(name) FROM PUBLIC;

/* Those that this node does not know, by the node that does. */
CREATE FUNCTION sellometer.unknown_archives(source text, node name)
RETURNS TABLE (id bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT r.id FROM (SELECT x.id, x.source, x.url, x.key, x.block, x.rows, x.original_bytes, x.first_event, x.last_event
			FROM sellometer_nodes.%I x WHERE x.archived_at IS NOT NULL AND NOT x.own_slice) r
			JOIN sellometer.sources s ON s.name = r.source AND NOT s.own_slice AND ($1 IS NULL OR s.name = $1)
			WHERE NOT EXISTS (SELECT FROM sellometer.archives o WHERE o.archived_at IS NOT NULL AND o.url = r.url AND (o.key = r.key
				OR ($2 AND (o.block, o.rows, o.original_bytes, o.first_event, o.last_event) IS NOT DISTINCT FROM (r.block, r.rows, r.original_bytes, r.first_event, r.last_event))))
			ORDER BY r.id', 'archives_of_' || node) USING source, sellometer.own_slice() LIKE '0/%';
END
$$;
COMMENT ON FUNCTION sellometer.unknown_archives(text, name) IS 'Archives that a node has, and this one has not';
REVOKE ALL ON FUNCTION sellometer.unknown_archives(text, name) FROM PUBLIC;

CREATE FUNCTION sellometer.adopt_archives(source text, OUT adopted bigint, OUT uncounted bigint, OUT count_from timestamptz)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	archives_itself boolean := sellometer.own_slice() LIKE '0/%';
	n name;
	unknown bigint[];
	i bigint;
	a record;
BEGIN
	adopted := 0;
	uncounted := 0;
	IF NOT EXISTS (SELECT FROM sellometer.sources s WHERE NOT s.own_slice AND s.name = coalesce(adopt_archives.source, s.name)) THEN
		RETURN;
	ELSIF NOT archives_itself AND NOT EXISTS (SELECT FROM sellometer.nodes x WHERE x.slice = 0) THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the node that archives is not known here',
			DETAIL = 'That of slice 0 archives for all.', HINT = 'sellometer_add_node() it, by a role that may read sellometer.archives there.';
	END IF;
	FOR n IN SELECT x.name FROM sellometer.nodes x WHERE NOT x.here AND (archives_itself OR x.slice = 0) ORDER BY x.slice LOOP
		BEGIN
			IF NOT archives_itself THEN
				PERFORM sellometer.drop_replaced_archives(n);
			END IF;
			unknown := ARRAY(SELECT u.id FROM sellometer.unknown_archives(source, n) u);
		EXCEPTION WHEN OTHERS THEN
			-- slice 0 goes on with what it knows: what a node that can't be asked may have to load stays
			IF NOT archives_itself THEN
				RAISE;
			END IF;
			CONTINUE;
		END;
		FOREACH i IN ARRAY unknown LOOP
			a := sellometer.adopt_archive(n, i);
			adopted := adopted + a.adopted::integer;
			IF a.adopted AND a.uncounted > 0 THEN
				uncounted := uncounted + a.uncounted;
				count_from := least(count_from, a.first_event);
			END IF;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.adopt_archives(text) IS
	'Take the archives of other nodes for those of this node too: how many, how many of their objects were never loaded here, and the time of the first row of these';
REVOKE ALL ON FUNCTION sellometer.adopt_archives(text) FROM PUBLIC;

/* Under the writer's lock, before a replay: the data has got as far as what was taken over tells. */
CREATE FUNCTION sellometer.advance_adopted()
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE sellometer.sources s SET head = greatest(s.head, o.head)
	FROM (SELECT x.source, max(x.head) AS head FROM sellometer.objects x WHERE x.state = 'archived' GROUP BY 1) o WHERE o.source = s.name;
	UPDATE sellometer.state s SET slice = CASE WHEN s.head IS NULL THEN sellometer.own_slice() ELSE s.slice END,
		head = greatest(s.head, (SELECT max(x.head) FROM sellometer.objects x WHERE x.state = 'archived'));
$$;
COMMENT ON FUNCTION sellometer.advance_adopted() IS 'Move the head to where archives that were taken over have got';
REVOKE ALL ON FUNCTION sellometer.advance_adopted() FROM PUBLIC;
