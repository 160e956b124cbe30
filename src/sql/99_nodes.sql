/*
 * Nodes: databases that count a slice of the products each (57_slice.sql), and what is asked of all of them; see docs/scaling.md.
 *
 * sellometer_add_node() is called in two kinds of databases:
 *
 *   a node itself            has a slice: it is told of the others, so that sellometer_archive() knows when originals may go
 *   the dashboards' database loads nothing, or is a node that was told of itself, too: its views read from all nodes, by foreign tables
 *
 * A node is asked for what it counts itself, whether it shows other nodes or not: own_realtime_…, own_status and the like are always of the
 * one database.  One that shows all asks itself, too, over a connection as any other.  What loads and keeps house reads tables, and own_….
 *
 * The dashboards' database.  For a node n0 there are, in schema sellometer_nodes,
 *
 *   n0_<relation>			a foreign table
 *   <relation>_of_n0		a view of it: who may read that needs neither rights to the foreign table nor a user mapping, as its owner's count
 *   product_id_<tier>		partitioned by hash of the product, with the nodes' foreign tables as partitions: one product is asked of one node
 *
 * and the views of schema sellometer that all else reads from (all_totals, reached, realtime_…) are made to read from these.  What they were
 * is in sellometer.own_views.
 */
CREATE TABLE sellometer.nodes (
	name		text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]{0,19}$'),
	slice		integer NOT NULL UNIQUE CHECK (slice >= 0),
	slices		integer NOT NULL CHECK (slices > slice),
	asked		boolean NOT NULL,
	here		boolean NOT NULL,
	added_at	timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE sellometer.nodes IS 'Databases that count a slice of the products each: see sellometer_add_node()';
COMMENT ON COLUMN sellometer.nodes.name IS 'what sellometer_add_node() was told to call it; its foreign server is sellometer_node_ and this';
COMMENT ON COLUMN sellometer.nodes.slice IS 'which slice it counts, from 0';
COMMENT ON COLUMN sellometer.nodes.slices IS 'how many slices there are';
COMMENT ON COLUMN sellometer.nodes.asked IS 'this database shows what all nodes have; false: it is a node, and shows its own';
COMMENT ON COLUMN sellometer.nodes.here IS 'it is this database itself';

CREATE TABLE sellometer.own_views (
	name		name PRIMARY KEY,
	definition	text NOT NULL
);
COMMENT ON TABLE sellometer.own_views IS 'What views were that read from all nodes now';

/* What a node says of itself. */
CREATE FUNCTION sellometer.own_slice()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(CASE WHEN s.head IS NOT NULL THEN coalesce(s.slice, '') ELSE (SELECT substr(c, 18) FROM pg_db_role_setting r, unnest(r.setconfig) c
			WHERE r.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND r.setrole = 0
				AND lower(c) LIKE 'sellometer.slice=%') END, current_setting('sellometer.slice', true), '')
	FROM sellometer.state s
$$;
COMMENT ON FUNCTION sellometer.own_slice() IS 'The slice that this database counts, or will count once it loads; empty: all products';

/* One without others ('0/1') counts all, as does one without a slice. */
CREATE FUNCTION sellometer.is_node()
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT split_part(sellometer.own_slice(), '/', 2) NOT IN ('', '1')
$$;
COMMENT ON FUNCTION sellometer.is_node() IS 'Does this database count a slice of the products?';

/* The same of a replica, and of no other database. */
CREATE FUNCTION sellometer.own_identity()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.system_identifier || '/' || d.oid FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION sellometer.own_identity() IS 'What tells this database from all others';

CREATE VIEW sellometer.as_node AS
SELECT sellometer.own_slice() AS slice, s.head, (SELECT x.extversion FROM pg_catalog.pg_extension x WHERE x.extname = 'sellometer') AS version,
	sellometer.own_identity() AS identity,
	ARRAY(SELECT d.dimension::text FROM sellometer.dimension_others o JOIN sellometer.dimensions d ON d.id = o.dimension_id) AS full_dimensions,
	(SELECT pg_catalog.count(*) FROM sellometer.archives a WHERE NOT a.own_slice AND a.archived_at IS NOT NULL) AS archives,
	(SELECT pg_catalog.count(*) FROM sellometer.archives a WHERE NOT a.own_slice AND a.originals_deleted_at IS NOT NULL) AS without_originals
FROM sellometer.state s;
COMMENT ON VIEW sellometer.as_node IS 'What this database says of itself where it is a node of others';

CREATE VIEW sellometer.held_now AS SELECT h.*, sellometer.own_slice() AS slice FROM sellometer.held(true) h;
COMMENT ON VIEW sellometer.held_now IS 'What each tier of this database is sure to hold, and which slice it counts, as a node of others';

CREATE VIEW sellometer.status_now AS
SELECT s.*, x.own_slice FROM sellometer.own_status s JOIN sellometer.sources x ON x.name = s.source;
COMMENT ON VIEW sellometer.status_now IS 'How each source is doing here, as a node of others';

/* As own_realtime_…, of all keys: one node has rolled up what another has only in finer tiers. */
CREATE VIEW sellometer.totals_now AS
WITH RECURSIVE finer (tier, granularity, zone, read_from, since) AS (
	SELECT c.name, c.granularity, c.zone, c.finer, c.watermark FROM sellometer.tiers c WHERE c.finer IS NOT NULL
	UNION ALL
	SELECT f.tier, f.granularity, f.zone, t.finer, t.watermark FROM finer f JOIN sellometer.tiers t ON t.name = f.read_from WHERE t.finer IS NOT NULL
)
SELECT t.tier, t.event_type, t.event_time, t.count, t.gmv FROM sellometer.totals t
UNION ALL
SELECT f.tier, t.event_type, sellometer.bucket_start(f.granularity, t.event_time, f.zone), pg_catalog.sum(t.count)::bigint, pg_catalog.sum(t.gmv)
FROM finer f JOIN sellometer.totals t ON t.tier = f.read_from AND t.event_time >= f.since GROUP BY 1, 2, 3;
COMMENT ON VIEW sellometer.totals_now IS 'What sellometer.totals has here, of each tier up to the newest event, as a node of others';

/* --- the dashboards' database --- */

CREATE FUNCTION sellometer.foreign_columns(relation regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
		CASE WHEN a.attcollation <> 0 AND a.attcollation <> t.typcollation THEN format(' COLLATE %s', a.attcollation::regcollation) ELSE '' END), ', ' ORDER BY a.attnum)
	FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION sellometer.foreign_columns(regclass) IS 'Columns of a foreign table that is to be like a relation';

/* The relations of a node that are asked. */
CREATE FUNCTION sellometer.asked_relations()
RETURNS SETOF name
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT unnest(ARRAY['as_node', 'held_now', 'totals_now', 'told_sums', 'told_movers', 'told_events', 'told_products', 'told_similar', 'sold_products', 'objects', 'own_alerts', 'shift_suspects_now', 'shift_seen_now', 'set_up', 'own_health', 'status_now', 'own_left_in_cart', 'own_low_inventory'])
	UNION ALL
	SELECT 'own_realtime_' || d.dimension || '_' || t.name FROM sellometer.dimensions() d, sellometer.tiers t
$$;
COMMENT ON FUNCTION sellometer.asked_relations() IS 'The relations of nodes that the dashboards'' database reads';

/* Views of this schema, and what they are where all nodes are asked: of each node a part (%n its view, %l its name), and what is made of all parts (%a). */
CREATE FUNCTION sellometer.asked_views()
RETURNS TABLE (name text, relation text, part text, whole text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('health', NULL, NULL, 'SELECT * FROM sellometer.own_health WHERE name NOT IN (''sources'', ''worker'') OR sellometer.is_node() UNION ALL SELECT * FROM sellometer.node_health() UNION ALL SELECT * FROM sellometer.differing_nodes()'),
		('reached', 'as_node', 'SELECT head FROM %n WHERE sellometer.is_asked(%l)', 'SELECT CASE WHEN count(head) = count(*) THEN min(head) END AS head FROM (%a) a'),
		('all_totals', 'totals_now', 'SELECT tier, event_type, event_time, count, gmv FROM %n WHERE sellometer.is_asked(%l)', '%a'),
		('all_sold_products', 'sold_products', 'SELECT * FROM %n WHERE sellometer.is_asked(%l)', '%a'),
		('alerts', 'own_alerts', 'SELECT a.*, %l AS node FROM %n a WHERE sellometer.is_asked(%l) AND a.kind NOT IN (SELECT d.kind FROM sellometer.detectors d WHERE d.of_all)',
			'SELECT a.*, NULL::text AS node FROM sellometer.own_alerts a WHERE a.kind IN (SELECT d.kind FROM sellometer.detectors d WHERE d.of_all)
				OR NOT EXISTS (SELECT FROM sellometer.nodes n WHERE n.here) UNION ALL %a'),
		('left_in_cart', 'own_left_in_cart', 'SELECT * FROM %n WHERE sellometer.is_asked(%l)', '%a'),
		('low_inventory', 'own_low_inventory', 'SELECT * FROM %n WHERE sellometer.is_asked(%l)', '%a ORDER BY cover, product_id'),
		-- what nodes read of the same prefix is the same; of a prefix each, all of it together
		('status', 'status_now', 'SELECT * FROM %n WHERE sellometer.is_asked(%l)', 'SELECT source, bool_and(enabled) AS enabled, min(head) AS head, max(event_lag) AS event_lag, max(arrival_lag) AS arrival_lag,
			(coalesce(max(pending_objects) FILTER (WHERE NOT own_slice), 0) + coalesce(sum(pending_objects) FILTER (WHERE own_slice), 0))::bigint AS pending_objects, (coalesce(max(pending_bytes) FILTER (WHERE NOT own_slice), 0) + coalesce(sum(pending_bytes) FILTER (WHERE own_slice), 0))::bigint AS pending_bytes, min(pending_oldest) AS pending_oldest,
			(coalesce(max(backlog_objects) FILTER (WHERE NOT own_slice), 0) + coalesce(sum(backlog_objects) FILTER (WHERE own_slice), 0))::bigint AS backlog_objects, (coalesce(max(backlog_bytes) FILTER (WHERE NOT own_slice), 0) + coalesce(sum(backlog_bytes) FILTER (WHERE own_slice), 0))::bigint AS backlog_bytes,
			(coalesce(max(failed_objects) FILTER (WHERE NOT own_slice), 0) + coalesce(sum(failed_objects) FILTER (WHERE own_slice), 0))::bigint AS failed_objects, bool_or(surge) AS surge,
			CASE WHEN bool_and(own_slice) THEN sum(rows_per_second) ELSE min(rows_per_second) END AS rows_per_second, sum(list_requests)::bigint AS list_requests, min(listed_at) AS listed_at, min(head_of_all) AS head_of_all,
			max(views_from) AS views_from, sum(views_dropped)::bigint AS views_dropped, min(worker_pid) AS worker_pid,
			(array_agg(passed_over))[1] AS passed_over, min(unreadable_entries) AS unreadable_entries,
			max(last_error) AS last_error, max(last_error_at) AS last_error_at, max(key_offset) AS key_offset FROM (%a) a GROUP BY source')
	UNION ALL
	SELECT format('realtime_%s_%s', d.dimension, t.name), format('own_realtime_%s_%s', d.dimension, t.name), format('SELECT event_time, %I, event_type, count, gmv FROM %%n WHERE sellometer.is_asked(%%l)', d.dimension),
		CASE WHEN d.dimension = 'product_id' THEN format('SELECT event_time, product_id, event_type, count, gmv FROM sellometer_nodes.%I WHERE sellometer.are_all_asked()
			UNION ALL SELECT * FROM (%%a) a WHERE NOT sellometer.are_all_asked()', 'product_id_' || t.name)
		ELSE format('SELECT event_time, %1$I, event_type, sum(count)::bigint AS count, sum(gmv) AS gmv FROM (%2$s%%a) a GROUP BY event_time, %1$I, event_type', d.dimension,
			CASE WHEN d.dimension IN (SELECT o.dimension FROM sellometer.dimensions o) THEN format('SELECT event_time, key COLLATE "C" AS %1$I, event_type, count, gmv FROM sellometer.tell_full_view(%1$L) UNION ALL ', d.dimension) END) END
	FROM sellometer.dimensions() d, sellometer.tiers t
$$;
COMMENT ON FUNCTION sellometer.asked_views() IS 'Views that read from all nodes in the dashboards'' database, and how';

/*
 * As the catalog tells: whoever loads, or reads names, need not be able to read which nodes there are.  Archives are asked for by nodes alone.
 */
CREATE FUNCTION sellometer.has_nodes_to_ask()
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- asked for each name that is shown
	IF to_regnamespace('sellometer_nodes') IS NULL THEN
		RETURN false;
	END IF;
	RETURN EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = to_regnamespace('sellometer_nodes') AND c.relname LIKE 'held\_now\_of\_%');
END
$$;
COMMENT ON FUNCTION sellometer.has_nodes_to_ask() IS 'Is this a database that shows what nodes have?  Also for who can''t read which';

CREATE FUNCTION sellometer.loads_nothing()
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT sellometer.has_nodes_to_ask() AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = to_regnamespace('sellometer_nodes') AND c.relname LIKE 'archives\_of\_%')
$$;
COMMENT ON FUNCTION sellometer.loads_nothing() IS 'Is this a database that shows what nodes have, and is none itself?';

CREATE FUNCTION sellometer.asks_nodes()
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
	slices integer;
BEGIN
	IF NOT EXISTS (SELECT FROM sellometer.nodes x WHERE x.asked) THEN
		RETURN false;
	END IF;
	SELECT count(*), max(x.slices) INTO n, slices FROM sellometer.nodes x;
	IF n < slices THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('%s of %s nodes are known here: sums would be too small', n, slices),
			HINT = 'sellometer_add_node() the others.';
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION sellometer.asks_nodes() IS 'Is this a database that shows what all nodes have?  An error if it does not know all of them';

/* What stands in a view for nodes that are not known: whoever reads it gets an error, whatever is asked. */
CREATE FUNCTION sellometer.refuse_incomplete()
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.asks_nodes();
END
$$;
COMMENT ON FUNCTION sellometer.refuse_incomplete() IS 'No rows; an error if not all nodes are known';

/*
 * With sellometer.partial_results, nodes that can't be asked are left out: asked_calls.c.  Where it stands in a query, is_asked() decides
 * before that is planned; where a function asks for the sake of its own query, by left_out().
 */
CREATE FUNCTION sellometer.is_asked(node text)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_is_asked';
COMMENT ON FUNCTION sellometer.is_asked(text) IS 'Is a node asked?  With sellometer.partial_results only if it can be; the same for a whole transaction';

CREATE FUNCTION sellometer.are_all_asked()
RETURNS boolean
LANGUAGE c IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_are_all_asked';
COMMENT ON FUNCTION sellometer.are_all_asked() IS 'Is no node left out?';

CREATE FUNCTION sellometer.left_out()
RETURNS text[]
LANGUAGE c STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_left_out';
COMMENT ON FUNCTION sellometer.left_out() IS 'The nodes that are left out';

CREATE FUNCTION sellometer.unreachable_nodes(OUT name text)
RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tried bigint := 0;
	lost bigint := 0;
BEGIN
	FOR name IN SELECT x.name FROM sellometer.nodes x WHERE x.asked ORDER BY x.slice LOOP
		tried := tried + 1;
		BEGIN
			EXECUTE format('SELECT FROM sellometer_nodes.%I', name || '_as_node');
		EXCEPTION WHEN OTHERS THEN
			lost := lost + 1;
			RETURN NEXT;
		END;
	END LOOP;
	IF lost = tried AND tried > 0 THEN
		RAISE connection_exception USING MESSAGE = 'no node can be asked', HINT = 'sellometer.health says why.';
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.unreachable_nodes() IS 'The nodes that can''t be asked; an error if that is all of them';

CREATE VIEW sellometer.nodes_left_out AS
SELECT n.name AS node, n.slice, n.slices FROM sellometer.nodes n WHERE n.name = ANY (sellometer.left_out());
COMMENT ON VIEW sellometer.nodes_left_out IS 'Nodes without which all that this session asks for is shown: those that can''t be asked, with sellometer.partial_results; no row: results are whole';
COMMENT ON COLUMN sellometer.nodes_left_out.node IS 'its name';
COMMENT ON COLUMN sellometer.nodes_left_out.slice IS 'which slice of the products is missing, from 0';
COMMENT ON COLUMN sellometer.nodes_left_out.slices IS 'how many slices there are';

CREATE FUNCTION sellometer.rows_of_nodes(relation text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('SELECT * FROM sellometer_nodes.%I', relation || '_of_' || n.name), ' UNION ALL ') FROM sellometer.nodes n
	WHERE n.name <> ALL (sellometer.left_out())
$$;
COMMENT ON FUNCTION sellometer.rows_of_nodes(text) IS 'SQL for the rows that a relation has on all nodes';

/* Whoever asks what there is finds out, too, if a node has become another one: its sums would count twice, or be missing. */
CREATE FUNCTION sellometer.is_same_slice(node text, known text, slice text)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF slice IS DISTINCT FROM known THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('node "%s" has slice %s by now, not %s', node, coalesce(nullif(slice, ''), 'none'), known),
			HINT = 'Set it as it was, or sellometer_drop_node() it and add it anew.';
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION sellometer.is_same_slice(text, text, text) IS 'True; an error if a node does not count the slice that is known';

/*
 * What all nodes are sure to hold of each tier.  Up to where a tier is rolled up is where the last of them has got to; but what another no longer has
 * in the finer tier is read from this one, to which each node adds what it has not rolled up.
 */
CREATE FUNCTION sellometer.held_of_nodes(
	OUT tier text, OUT "position" integer, OUT granularity interval, OUT floor timestamptz, OUT watermark timestamptz, OUT taken_from timestamptz,
	OUT zone text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE (SELECT format('
			WITH together AS (
				SELECT h.tier, t.position, t.granularity, max(h.floor) AS floor, min(h.watermark) AS watermark, max(h.taken_from) AS taken_from, t.zone, t.finer FROM (%s) h
				JOIN sellometer.tiers t ON t.name = h.tier AND t.granularity = h.granularity AND t.zone IS NOT DISTINCT FROM h.zone
				WHERE sellometer.is_same_slice(h.node, h.known, h.slice)
				GROUP BY h.tier, t.position, t.granularity, t.zone, t.finer HAVING count(*) = %s)
			SELECT t.tier, t.position, t.granularity, t.floor, greatest(t.watermark, sellometer.bucket_end(t.granularity, f.floor, t.zone)), t.taken_from, t.zone
			FROM together t LEFT JOIN together f ON f.tier = t.finer ORDER BY 2',
			string_agg(format('SELECT %L AS node, %L AS known, * FROM sellometer_nodes.%I', n.name, n.slice || '/' || n.slices, 'held_now_of_' || n.name), ' UNION ALL '), count(*))
		FROM sellometer.nodes n WHERE n.name <> ALL (sellometer.left_out()));
END
$$;
COMMENT ON FUNCTION sellometer.held_of_nodes() IS 'What all nodes are sure to hold of each tier, finest first: as held()';

/* How the nodes are; one that can't be asked is not well. */
CREATE FUNCTION sellometer.node_health(OUT name text, OUT severity text, OUT since timestamptz, OUT detail text, OUT hint text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n sellometer.nodes;
	is_another boolean;
BEGIN
	FOR n IN SELECT * FROM sellometer.nodes x WHERE x.asked ORDER BY x.slice LOOP
		BEGIN
			-- what is to be told of this database itself stands there already
			RETURN QUERY EXECUTE format('SELECT %L || h.name, h.severity, h.since, h.detail, h.hint FROM sellometer_nodes.%I h WHERE NOT %L',
				format('node %s: ', n.name), 'own_health_of_' || n.name, n.here);
		EXCEPTION WHEN OTHERS THEN
			name := format('node %s', n.name);
			severity := 'critical';
			is_another := SQLSTATE = '55000' AND SQLERRM LIKE 'node "%" has slice %';
			detail := format('%s, %s', CASE WHEN is_another THEN regexp_replace(SQLERRM, '^node "[^"]*" ', '') ELSE format('can''t be asked (%s)', SQLSTATE) END, CASE WHEN current_setting('sellometer.partial_results', true)::boolean
				THEN 'and is left out of all that is shown here' ELSE 'so what all nodes have together can''t be asked' END);
			hint := CASE WHEN is_another THEN 'Set it as it was, or sellometer_drop_node() it and add it anew.'
				ELSE format('Does its server run?  SELECT * FROM sellometer_nodes.%I says what is wrong.', 'own_health_of_' || n.name) END;
			RETURN NEXT;
		END;
	END LOOP;
	SELECT 'nodes', 'critical', NULL, format('%s of %s are known here', count(*), max(x.slices)), 'sellometer_add_node() the others.'
	INTO name, severity, since, detail, hint FROM sellometer.nodes x WHERE x.asked HAVING count(*) < max(x.slices);
	IF FOUND THEN
		RETURN NEXT;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.node_health() IS 'Rows of sellometer.health about nodes, in the dashboards'' database';

/* Whoever owns the extension owns it too: its rights and its user mapping count. */
CREATE FUNCTION sellometer.make_foreign(node sellometer.nodes, relation name, of_parent name DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner text := (SELECT e.extowner::regrole FROM pg_extension e WHERE e.extname = 'sellometer');
	there name := node.name || '_' || relation;
	view name := relation || '_of_' || node.name;
BEGIN
	EXECUTE format('CREATE FOREIGN TABLE sellometer_nodes.%I %s SERVER %I OPTIONS (schema_name ''sellometer'', table_name %L)', there,
		CASE WHEN of_parent IS NULL THEN format('(%s)', sellometer.foreign_columns(format('sellometer.%I', relation)::regclass))
			ELSE format('PARTITION OF sellometer_nodes.%I FOR VALUES WITH (MODULUS %s, REMAINDER %s)', of_parent, node.slices, node.slice) END,
		'sellometer_node_' || node.name, relation);
	EXECUTE format('CREATE VIEW sellometer_nodes.%I AS SELECT * FROM sellometer_nodes.%I', view, there);
	EXECUTE format('ALTER FOREIGN TABLE sellometer_nodes.%I OWNER TO %s', there, owner);
	EXECUTE format('ALTER VIEW sellometer_nodes.%I OWNER TO %s', view, owner);
END
$$;
COMMENT ON FUNCTION sellometer.make_foreign(sellometer.nodes, name, name) IS 'Make the foreign table of a node''s relation, and the view of it';
REVOKE ALL ON FUNCTION sellometer.make_foreign(sellometer.nodes, name, name) FROM PUBLIC;

/* The views as they are where no other node is asked. */
CREATE FUNCTION sellometer.show_own()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	v sellometer.own_views;
BEGIN
	FOR v IN DELETE FROM sellometer.own_views RETURNING * LOOP
		IF to_regclass(format('sellometer.%I', v.name)) IS NOT NULL THEN
			EXECUTE format('CREATE OR REPLACE VIEW sellometer.%I AS %s', v.name, v.definition);
		END IF;
	END LOOP;
	DROP SCHEMA IF EXISTS sellometer_nodes CASCADE;
	EXECUTE format('CREATE SCHEMA sellometer_nodes AUTHORIZATION %s', (SELECT e.extowner::regrole FROM pg_extension e WHERE e.extname = 'sellometer'));
END
$$;
COMMENT ON FUNCTION sellometer.show_own() IS 'Have views read what this database has itself';
REVOKE ALL ON FUNCTION sellometer.show_own() FROM PUBLIC;

CREATE FUNCTION sellometer.show_nodes()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	complete boolean := (SELECT count(*) = max(x.slices) FROM sellometer.nodes x);
	owner text := (SELECT e.extowner::regrole FROM pg_extension e WHERE e.extname = 'sellometer');
	n sellometer.nodes;
	r record;
BEGIN
	PERFORM sellometer.show_own();
	FOR r IN SELECT t.name AS tier FROM sellometer.tiers t WHERE complete LOOP
		EXECUTE format('CREATE TABLE sellometer_nodes.%I (%s) PARTITION BY HASH (product_id)', 'product_id_' || r.tier,
			sellometer.foreign_columns(format('sellometer.%I', 'realtime_product_id_' || r.tier)::regclass));
		EXECUTE format('ALTER TABLE sellometer_nodes.%I OWNER TO %s', 'product_id_' || r.tier, owner);
	END LOOP;
	FOR n IN SELECT * FROM sellometer.nodes LOOP
		PERFORM sellometer.make_foreign(n, x, CASE WHEN complete AND x LIKE 'own\_realtime\_product\_id\_%' THEN replace(x, 'own_realtime_', '') END)
		FROM (SELECT a FROM sellometer.asked_relations() a WHERE n.asked UNION SELECT unnest(ARRAY['as_node', 'objects', 'archives']) WHERE sellometer.is_node()) a (x);
	END LOOP;
	IF EXISTS (SELECT FROM sellometer.nodes x WHERE x.asked) THEN
		INSERT INTO sellometer.own_views SELECT v.name, rtrim(pg_get_viewdef(format('sellometer.%I', v.name)::regclass), ';') FROM sellometer.asked_views() v;
		FOR r IN SELECT v.name, CASE WHEN complete OR v.part IS NULL THEN replace(v.whole, '%a', coalesce(
				(SELECT string_agg(replace(replace(v.part, '%l', quote_literal(x.name)), '%n', format('sellometer_nodes.%I', coalesce(v.relation, '') || '_of_' || x.name)), ' UNION ALL ') FROM sellometer.nodes x), ''))
				-- first, so that it is also read by who wants only one row
				ELSE format('SELECT * FROM sellometer.refuse_incomplete() AS r (%s) UNION ALL SELECT * FROM (%s) o',
					sellometer.foreign_columns(format('sellometer.%I', v.name)::regclass), o.definition) END AS definition
			FROM sellometer.asked_views() v
			JOIN sellometer.own_views o USING (name) LOOP
			EXECUTE format('CREATE OR REPLACE VIEW sellometer.%I AS %s', r.name, r.definition);
		END LOOP;
	END IF;
	PERFORM sellometer.grant_readers();
END
$$;
COMMENT ON FUNCTION sellometer.show_nodes() IS 'Make what nodes are asked by, and have views of the dashboards'' database read from all of them';
REVOKE ALL ON FUNCTION sellometer.show_nodes() FROM PUBLIC;
