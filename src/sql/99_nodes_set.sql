/*
 * What is set once and reaches all nodes, and how it shows where they differ.
 *
 *   sellometer_on_nodes(command) --> on each node: BEGIN, sellometer.run_here(command) --> here --> on each node: COMMIT
 *
 * By dblink, as postgres_fdw's transactions have a level at which tiers can't be changed.  What fails on one node is done on none.  Only one that
 * is lost while all commit may be left behind, and then differs in sellometer.set_up.  The role that asks for sums only reads: whoever
 * sets something has user mappings of his own.
 */
CREATE FUNCTION sellometer.run_here(command text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
BEGIN
	PERFORM set_config('search_path', sellometer.functions_schema() || ', pg_temp', true);
	EXECUTE command;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$$;
COMMENT ON FUNCTION sellometer.run_here(text) IS 'Run a command as one would type it, with one''s own rights; gives its number of rows';

/* Connections of this session to nodes, each with a transaction that is not to be. */
CREATE FUNCTION sellometer.hang_up()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	link text := (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'dblink');
BEGIN
	EXECUTE format('SELECT %1$s.dblink_disconnect(c) FROM unnest(%1$s.dblink_get_connections()) c WHERE starts_with(c, $1)', link) USING 'sellometer_node_';
END
$$;
COMMENT ON FUNCTION sellometer.hang_up() IS 'Close connections to nodes, by dblink; what is not committed there is not done';

CREATE FUNCTION @extschema@.sellometer_on_nodes(command text, here boolean DEFAULT true)
RETURNS TABLE (node text, rows bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	link text := (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'dblink');
	servers text[] := ARRAY(SELECT 'sellometer_node_' || n.name FROM sellometer.nodes n WHERE n.asked AND NOT n.here ORDER BY n.slice);
	server text;
	committed integer := 0;
	message text;
BEGIN
	IF NOT sellometer.asks_nodes() THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'this database shows no nodes', HINT = 'Call it in the dashboards'' database of nodes.';
	ELSIF link IS NULL THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'extension dblink is not there', HINT = 'CREATE EXTENSION dblink; it comes with PostgreSQL.';
	END IF;
	PERFORM sellometer.hang_up();
	FOREACH server IN ARRAY servers LOOP
		EXECUTE format('SELECT %s.dblink_connect($1, $1)', link) USING server;
		EXECUTE format('SELECT %s.dblink_exec($1, $2)', link) USING server, 'BEGIN ISOLATION LEVEL READ COMMITTED';
		node := substr(server, 17);
		EXECUTE format('SELECT d.r FROM %s.dblink($1, $2) AS d (r bigint)', link) INTO rows USING server, format('SELECT sellometer.run_here(%L)', $1);
		RETURN NEXT;
	END LOOP;
	server := NULL;
	node := (SELECT n.name FROM sellometer.nodes n WHERE n.here);
	IF here OR node IS NOT NULL THEN
		rows := sellometer.run_here($1);
		RETURN NEXT;
	END IF;
	FOREACH server IN ARRAY servers LOOP
		EXECUTE format('SELECT %s.dblink_exec($1, $2)', link) USING server, 'COMMIT';
		committed := committed + 1;
	END LOOP;
	PERFORM sellometer.hang_up();
EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
	IF link IS NOT NULL THEN
		PERFORM sellometer.hang_up();
	END IF;
	IF server IS NULL THEN
		RAISE;
	END IF;
	RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = format('node %s: %s', substr(server, 17), message),
		DETAIL = CASE committed WHEN 0 THEN 'Nothing was done on any node.' ELSE format('It is done on %s nodes, and not on the others, nor here: see sellometer.health.', committed) END,
		HINT = CASE WHEN SQLSTATE IN ('42501', '42704') THEN
			format('GRANT USAGE ON FOREIGN SERVER %2$I TO %1$I; CREATE USER MAPPING FOR %1$I SERVER %2$I, with a role that may set things there: that of the extension''s owner only reads.', current_user, server)
			ELSE 'Mend it there, and call it again.' END;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_on_nodes(text, boolean) IS
	'In the dashboards'' database of nodes: run a command on all nodes and (here, or as it is one of them) in this database, or nowhere; gives how many rows each has (node NULL: here).  By dblink, and your own user mappings of the servers sellometer_node_…';
REVOKE ALL ON FUNCTION @extschema@.sellometer_on_nodes(text, boolean) FROM PUBLIC;

/* Tables of whose rows the order, and who wrote them when, mean nothing. */
CREATE FUNCTION sellometer.rows_as_text(relation text, columns text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
DECLARE
	digest text;
BEGIN
	EXECUTE format('SELECT count(*) || '' rows, '' || left(md5(string_agg(md5(t::text), '''' ORDER BY md5(t::text))), 8) FROM (SELECT %s FROM sellometer.%I) t', columns, relation)
	INTO digest;
	RETURN digest;
END
$$;
COMMENT ON FUNCTION sellometer.rows_as_text(text, text) IS 'How many rows a table has, and a hash of them; NULL: none';

/*
 * Of stock, which may be of many products: what changes with every count taken.  Left out: what is as large as its machine, and names of
 * products, which are only shown.
 */
CREATE VIEW sellometer.set_up AS
SELECT 'tier ' || t.name AS name, pg_catalog.concat_ws(' ', t.granularity, t.retention, t.zone) AS value FROM sellometer.tiers t
UNION ALL SELECT 'dimension ' || d.name, pg_catalog.concat_ws(' ', d.dimension, d.made_of, d.column_name, d.separator, d.level, d.empty) FROM sellometer.dimensions d
UNION ALL SELECT 'detector ' || d.kind, d.enabled::text FROM sellometer.detectors d
UNION ALL SELECT x.name, sellometer.rows_as_text(x.relation, x.columns) FROM (VALUES
	('overrides of categories', 'category_overrides', 'product_id, category_id, code, since'), ('overrides of brands', 'overridden_brands', 'product_id, brand, counts_as, since'),
	('mutes', 'mutes', 'kind, key, until, dimension'), ('calendar', 'calendar', 'from_time, to_time, factor'), ('currency_rates', 'currency_rates', 'currency, from_time, rate')
	) x (name, relation, columns)
UNION ALL SELECT 'inventory', pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.max(i.as_of), pg_catalog.sum(i.stock)) FROM sellometer.inventory i
-- a hash: a sum of one would tell whose it is
UNION ALL SELECT 'opted out of reminders', pg_catalog.concat_ws(' ', pg_catalog.count(*), pg_catalog.left(pg_catalog.md5(pg_catalog.sum(o.user_id)::text), 8)) FROM sellometer.reminder_opt_outs o
UNION ALL SELECT 'source ' || s.name, CASE WHEN s.own_slice THEN 'what is of its slice alone' ELSE s.url END FROM sellometer.sources s
UNION ALL SELECT 'setting ' || s.name, s.setting FROM pg_catalog.pg_settings s
WHERE s.name LIKE 'sellometer.%' AND s.name <> ALL (ARRAY['sellometer.slice', 'sellometer.database', 'sellometer.alert_link', 'sellometer.batch_bytes', 'sellometer.fill_pages',
	'sellometer.max_connections', 'sellometer.max_parse_workers', 'sellometer.partial_results', 'sellometer.poll_interval', 'sellometer.retry_delay', 'sellometer.stuck_after', 'sellometer.surge_bytes', 'sellometer.work_memory']);
COMMENT ON VIEW sellometer.set_up IS 'How this database is set up, in short: of the dashboards'' database''s nodes all should be set up alike';
COMMENT ON COLUMN sellometer.set_up.name IS 'what is set';
COMMENT ON COLUMN sellometer.set_up.value IS 'how: the value, or how many rows and a hash of them';

/*
 * A node that was set back, or made anew, lacks archives that others know, and with them what was loaded since: its sums are too small.  Slice 0
 * knows of each archive first, and deletes originals when all know it.
 */
CREATE FUNCTION sellometer.lacking_archives(node text, slice integer, archives bigint, known jsonb)
RETURNS TABLE (name text, severity text, since timestamptz, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('node %s', $1), 'critical', NULL::timestamptz, format('lacks at least %s archives that other nodes know: its sums may be too small', x.others - archives),
		'There, before anything else: CALL sellometer_archive()'
	FROM (SELECT max((k->CASE slice WHEN 0 THEN 'archives' ELSE 'without_originals' END)::bigint) AS others FROM jsonb_array_elements(known) k WHERE (k->'slice' = '0') = (slice <> 0)) x
	WHERE x.others > archives
$$;
COMMENT ON FUNCTION sellometer.lacking_archives(text, integer, bigint, jsonb) IS 'A row of sellometer.health for a node that does not know archives that others know';

/* Also of what the dashboards' database itself reads by; a node that can't be asked is told of elsewhere. */
CREATE FUNCTION sellometer.differing_nodes(OUT name text, OUT severity text, OUT since timestamptz, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
#variable_conflict use_variable
DECLARE
	n sellometer.nodes;
	one jsonb;
	found record;
	sets jsonb := '[]';
	known jsonb := '[]';
BEGIN
	FOR n IN SELECT * FROM sellometer.nodes x WHERE x.asked ORDER BY x.slice LOOP
		BEGIN
			EXECUTE format('SELECT * FROM sellometer_nodes.%I', 'as_node_of_' || n.name) INTO found;
			EXECUTE format('SELECT jsonb_object_agg(s.name, coalesce(s.value, ''none'')) FROM sellometer_nodes.%I s', 'set_up_of_' || n.name) INTO one;
			sets := sets || jsonb_build_object('name', n.name, 'set', one);
			known := known || jsonb_build_object('name', n.name, 'slice', n.slice, 'archives', found.archives, 'without_originals', found.without_originals);
			IF found.slice IS DISTINCT FROM n.slice || '/' || n.slices OR found.version IS DISTINCT FROM (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'sellometer') THEN
				name := format('node %s', n.name);
				severity := 'critical';
				detail := format('has slice %s and version %s by now, not %s and %s', found.slice, found.version, n.slice || '/' || n.slices,
					(SELECT e.extversion FROM pg_extension e WHERE e.extname = 'sellometer'));
				hint := 'Set it as it was, or sellometer_drop_node() it and add it anew.';
				RETURN NEXT;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
	RETURN QUERY SELECT l.* FROM jsonb_to_recordset(known) AS k (name text, slice integer, archives bigint), sellometer.lacking_archives(k.name, k.slice, k.archives, known) l;
	sets := sets || jsonb_build_object('name', 'here', 'set', (SELECT jsonb_object_agg(s.name, coalesce(s.value, 'none')) FROM sellometer.set_up s
		WHERE s.name ~ '^(tier|dimension) ' OR s.name IN ('calendar', 'setting sellometer.timezone', 'setting sellometer.currency') OR s.name ~ '^setting sellometer.(volume|shift)_'
			-- of no use where nothing is counted, unless it is the same
			OR s.name IN ('inventory', 'overrides of categories', 'overrides of brands') AND s.value <> '0' AND sellometer.loads_nothing()));
	SELECT string_agg(d.name || ' (' || d.nodes || ')', ', ' ORDER BY d.name) INTO detail FROM (
		SELECT k.name, string_agg(x.v->>'name' || ': ' || coalesce(left(x.v->'set'->>k.name, 60), 'none'), '; ' ORDER BY x.i) AS nodes
		FROM (SELECT DISTINCT jsonb_object_keys(y.v->'set') AS name FROM jsonb_array_elements(sets) y (v)) k, jsonb_array_elements(sets) WITH ORDINALITY x (v, i)
		WHERE x.v->>'name' <> 'here' OR x.v->'set' ? k.name OR k.name ~ '^(tier|dimension) '
		GROUP BY k.name HAVING count(DISTINCT coalesce(x.v->'set'->>k.name, '')) > 1 ORDER BY k.name LIMIT 10) d;
	name := 'nodes alike';
	severity := CASE WHEN detail IS NULL THEN 'ok' ELSE 'warning' END;
	hint := CASE WHEN detail IS NOT NULL THEN 'Set it on all of them: sellometer_on_nodes() does; sellometer.set_up of each has all.' END;
	detail := coalesce('they are not set up alike: ' || detail, 'all that can be asked are set up alike');
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION sellometer.differing_nodes() IS 'Rows of sellometer.health about how nodes are set up, in the dashboards'' database';
