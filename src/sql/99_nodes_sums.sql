/*
 * Sums by key of all nodes (99_nodes.sql): each node adds up what it has, as it does for itself, and what they tell is added up here.
 *
 *   product_id       a product is on one node alone: the best n of all are among the best n of each
 *   other keys       each node tells its best, many more than are wanted, and so how much a key that it did not tell can have there at most.
 *                    Which keys may be among the best of all follows from both; of those that some node did not tell it is asked for what it
 *                    has.  Mostly each node tells all that it has
 *   all, or some     are told whole
 *   movers           of products each node tells its own n best, of other keys all, for one that moves here may be where another moves back
 *
 * Rows behind a sum are asked for in the same way.
 *
 * Never the best of the best of each: a key that is nowhere among them may be the best of all.
 */
CREATE FUNCTION sellometer.question_handler()
RETURNS fdw_handler
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_question_handler';
COMMENT ON FUNCTION sellometer.question_handler() IS 'The functions of the foreign data wrapper sellometer_question';
REVOKE ALL ON FUNCTION sellometer.question_handler() FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER sellometer_question HANDLER sellometer.question_handler NO VALIDATOR;
COMMENT ON FOREIGN DATA WRAPPER sellometer_question IS 'Has the row that is asked for';
CREATE SERVER sellometer_question FOREIGN DATA WRAPPER sellometer_question;
COMMENT ON SERVER sellometer_question IS 'This database, as it is asked by others';

CREATE FOREIGN TABLE sellometer.question (
	dimension	text NOT NULL,
	event_type	text NOT NULL,
	range_from	timestamptz NOT NULL,
	range_to	timestamptz NOT NULL,
	among		text[] NOT NULL,
	by			text NOT NULL,
	n			integer NOT NULL
) SERVER sellometer_question;
COMMENT ON FOREIGN TABLE sellometer.question IS 'The row that is asked for: what others ask of a node, as conditions, for arguments of its functions';

CREATE VIEW sellometer.told_sums AS
SELECT q.dimension, q.event_type, q.range_from, q.range_to, q.among, q.by, q.n, s.key, s.gmv, s.count
FROM sellometer.question q, LATERAL sellometer.sums(q.dimension, q.event_type, q.range_from, q.range_to, nullif(q.among, '{}'), nullif(q.by, ''), nullif(q.n, -1), true) s;
COMMENT ON VIEW sellometer.told_sums IS 'What this database tells, as a node of others, of the sums of its keys: of those among some, or of all ({}), the n best by gmv or count, or all ('''', -1)';

CREATE VIEW sellometer.told_events AS
SELECT q.dimension, q.event_type, q.range_from, q.range_to, q.among, q.by, q.n, e.*
FROM sellometer.question q, LATERAL sellometer.own_events(nullif(q.dimension, ''), q.among[1], q.range_from, q.range_to, nullif(q.event_type, '')) e;
COMMENT ON VIEW sellometer.told_events IS 'What this database tells, as a node of others, of the rows behind a sum, to those whom this and own_events() are granted to: of one key, or all ({})';

CREATE FUNCTION sellometer.events_told_by_nodes(dimension text, key text, "from" timestamptz, "to" timestamptz, event_type text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	columns text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = 'sellometer.told_events'::regclass AND a.attnum > 7);
BEGIN
	PERFORM sellometer.check_names(coalesce(dimension, 'product_id'), coalesce(event_type, 'view'));
	RETURN (SELECT string_agg(format('SELECT %s FROM sellometer_nodes.%I
			WHERE dimension = %L AND event_type = %L AND range_from = %L AND range_to = %L AND among = %L AND by = %L AND n = -1',
			columns, 'told_events_of_' || x.name, coalesce(dimension, ''), coalesce(event_type, ''), coalesce("from", '-infinity'), coalesce("to", 'infinity'),
			CASE WHEN key IS NULL THEN '{}' ELSE ARRAY[sellometer.check_key(dimension, key)] END, ''), ' UNION ALL ')
		FROM sellometer.nodes x WHERE x.name <> ALL (sellometer.left_out()));
END
$$;
COMMENT ON FUNCTION sellometer.events_told_by_nodes(text, text, timestamptz, timestamptz, text) IS 'SQL for the rows behind a sum of all nodes';

/* SQL for node, key, count and gmv; NULL: nothing is held of the range. */
CREATE FUNCTION sellometer.told_by_nodes(dimension text, event_type text, range_from timestamptz, range_to timestamptz, among text[], by text, n bigint)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
	SELECT string_agg(format('SELECT %s AS node, key, count, gmv FROM sellometer_nodes.%I
			WHERE dimension = %L AND event_type = %L AND range_from = %L AND range_to = %L AND among = %L AND by = %L AND n = %L',
		x.slice, 'told_sums_of_' || x.name, dimension, event_type, p.piece_from, p.piece_to, coalesce(among, '{}'), coalesce(by, ''), coalesce(least(n, 2147483647), -1)), ' UNION ALL ')
	FROM (SELECT min(c.piece_from) AS piece_from, max(c.piece_to) AS piece_to FROM sellometer.pieces(range_from, range_to, NULL) c) p, sellometer.nodes x
	WHERE p.piece_from IS NOT NULL AND x.name <> ALL (sellometer.left_out())
$$;
COMMENT ON FUNCTION sellometer.told_by_nodes(text, text, timestamptz, timestamptz, text[], text, bigint) IS
	'SQL for what nodes tell of the sums of their keys, each its own';

/* Some products are asked of their nodes alone. */
CREATE FUNCTION sellometer.sums_of_nodes(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, keys text[], OUT key text, OUT count bigint, OUT gmv numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
DECLARE
	parts text;
BEGIN
	IF cardinality(keys) = 0 THEN
		RETURN;
	ELSIF dimension = 'product_id' AND keys IS NOT NULL AND cardinality(sellometer.left_out()) = 0 THEN
		SELECT string_agg(format('SELECT product_id AS key, sum(count) AS count, sum(gmv) AS gmv FROM sellometer_nodes.%I
				WHERE event_type = %L AND event_time >= %L AND event_time < %L AND product_id = ANY (%L) GROUP BY 1',
			'product_id_' || p.tier, event_type, p.piece_from, p.piece_to, keys), ' UNION ALL ') INTO parts
		FROM sellometer.pieces(range_from, range_to, NULL) p;
	ELSE
		parts := sellometer.told_by_nodes(dimension, event_type, range_from, range_to, keys, NULL, NULL);
	END IF;
	IF parts IS NOT NULL THEN
		RETURN QUERY EXECUTE format('SELECT key::text, sum(count)::bigint, sum(gmv) FROM (%s) x GROUP BY key', parts);
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.sums_of_nodes(text, text, timestamptz, timestamptz, text[]) IS 'What sums() adds up, of all nodes: in no order';

/*
 * Which of the keys that nodes told may be among the n best, and were not told by some node.  A node that told as many as it was asked for, most,
 * may have more, of each no more than of the last that it told; bound is what a key can have that no node told, NULL: there is none.  Whatever
 * sums are, also less than 0: a key is compared with those of which all is known.
 */
CREATE FUNCTION sellometer.unsure_keys(
	nodes integer[], keys text[], weights numeric[], n integer, most bigint, OUT unsure text[], OUT bound numeric)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH told AS MATERIALIZED (
		SELECT * FROM unnest(nodes, keys, weights) t (node, key, weight)
	), cut AS MATERIALIZED (
		SELECT t.node, greatest(min(t.weight), 0) AS bound FROM told t GROUP BY t.node HAVING count(*) >= most
	), of_all AS MATERIALIZED (
		SELECT count(*) AS nodes, sum(c.bound) AS bound FROM cut c
	), sums AS MATERIALIZED (
		SELECT t.key, sum(t.weight) - coalesce(sum(c.bound), 0) + a.bound AS most, count(c.node) = a.nodes AS sure, sum(t.weight) AS sum
		FROM of_all a CROSS JOIN told t LEFT JOIN cut c USING (node) GROUP BY t.key, a.bound, a.nodes
	)
	SELECT coalesce(array_agg(s.key) FILTER (WHERE NOT s.sure AND s.most >= coalesce(b.nth, s.most)), '{}'), (SELECT a.bound FROM of_all a)
	FROM sums s, (SELECT (SELECT x.sum FROM sums x WHERE x.sure ORDER BY x.sum DESC OFFSET greatest(n, 1) - 1 LIMIT 1) AS nth) b
$$;
COMMENT ON FUNCTION sellometer.unsure_keys(integer[], text[], numeric[], integer, bigint) IS
	'Which keys may be among the n best that some of the nodes did not tell, and how much one may have that none of them told';

/* most: so many does each node tell. */
CREATE FUNCTION sellometer.best_of_nodes(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, by text, n integer, most bigint DEFAULT NULL, OUT key text, OUT count bigint, OUT gmv numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1000
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	told record;
	found record;
	nth numeric;
	parts text;
BEGIN
	most := coalesce(most, CASE dimension WHEN 'product_id' THEN n ELSE greatest(4 * n::bigint, 1000) END);
	parts := sellometer.told_by_nodes(dimension, event_type, range_from, range_to, NULL, by, most);
	IF parts IS NULL OR n = 0 THEN
		RETURN;
	ELSIF dimension = 'product_id' THEN
		RETURN QUERY EXECUTE format('SELECT key, count, gmv FROM (%s) x', parts);
		RETURN;
	END IF;
	EXECUTE format('SELECT array_agg(node) AS nodes, array_agg(key) AS keys, array_agg(count) AS counts, array_agg(gmv) AS gmvs FROM (%s) x', parts) INTO told;
	SELECT * INTO found FROM sellometer.unsure_keys(told.nodes, told.keys, CASE by WHEN 'gmv' THEN told.gmvs ELSE told.counts::numeric[] END, n, most);
	IF found.bound IS NOT NULL THEN
		-- now all that may matter is known whole
		SELECT array_agg(x.key), array_agg(x.count), array_agg(x.gmv) INTO told.keys, told.counts, told.gmvs FROM (
			SELECT t.key, sum(t.count)::bigint AS count, sum(t.gmv) AS gmv FROM unnest(told.keys, told.counts, told.gmvs) t (key, count, gmv)
			WHERE NOT EXISTS (SELECT FROM unnest(found.unsure) u (key) WHERE u.key = t.key) GROUP BY t.key
			UNION ALL SELECT * FROM sellometer.sums_of_nodes(dimension, event_type, range_from, range_to, found.unsure)) x;
		SELECT w INTO nth FROM unnest(CASE by WHEN 'gmv' THEN told.gmvs ELSE told.counts::numeric[] END) w ORDER BY w DESC OFFSET n - 1 LIMIT 1;
		IF nth IS NULL OR found.bound >= nth THEN
			RETURN QUERY SELECT * FROM sellometer.sums_of_nodes(dimension, event_type, range_from, range_to, NULL);
			RETURN;
		END IF;
	END IF;
	RETURN QUERY SELECT t.key, sum(t.count)::bigint, sum(t.gmv) FROM unnest(told.keys, told.counts, told.gmvs) t (key, count, gmv) GROUP BY t.key;
END
$$;
COMMENT ON FUNCTION sellometer.best_of_nodes(text, text, timestamptz, timestamptz, text, integer, bigint) IS
	'The n best keys of all nodes with what all have, in no order, and others that are not: of these perhaps less';

/* --- movers --- */

CREATE FOREIGN TABLE sellometer.comparison (
	dimension		text NOT NULL,
	event_type		text NOT NULL,
	range_from		timestamptz NOT NULL,
	range_to		timestamptz NOT NULL,
	earlier_from	timestamptz NOT NULL,
	earlier_to		timestamptz NOT NULL,
	by				text NOT NULL,
	n				integer NOT NULL
) SERVER sellometer_question;
COMMENT ON FOREIGN TABLE sellometer.comparison IS 'The row that is asked for: two ranges that others ask a node to compare';

CREATE VIEW sellometer.told_movers AS
SELECT q.dimension, q.event_type, q.range_from, q.range_to, q.earlier_from, q.earlier_to, q.by, q.n, m.key, m.count, m.gmv, m.earlier_count, m.earlier_gmv
FROM sellometer.comparison q, LATERAL (
	SELECT x.* FROM sellometer.own_movers(q.dimension, q.event_type, q.range_from, q.range_to, q.earlier_from, q.earlier_to, q.n, q.by) x WHERE q.n >= 0
	UNION ALL
	SELECT x.* FROM sellometer.moved(q.dimension, q.event_type, q.range_from, q.range_to, q.earlier_from, q.earlier_to, q.by) x WHERE q.n < 0) m;
COMMENT ON VIEW sellometer.told_movers IS 'What this database tells, as a node of others, of its keys in two ranges: the n whose gmv or count differs most, or all (-1)';

CREATE FUNCTION sellometer.movers_told_by_nodes(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, earlier_from timestamptz, earlier_to timestamptz, n integer, by text)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
	SELECT string_agg(format('SELECT %s AS node, key, count, gmv, earlier_count, earlier_gmv FROM sellometer_nodes.%I WHERE dimension = %L AND event_type = %L
			AND range_from = %L AND range_to = %L AND earlier_from = %L AND earlier_to = %L AND by = %L AND n = %L',
		x.slice, 'told_movers_of_' || x.name, dimension, event_type, range_from, range_to, earlier_from, earlier_to, by, CASE dimension WHEN 'product_id' THEN n ELSE -1 END), ' UNION ALL ')
	FROM sellometer.nodes x WHERE x.name <> ALL (sellometer.left_out())
$$;
COMMENT ON FUNCTION sellometer.movers_told_by_nodes(text, text, timestamptz, timestamptz, timestamptz, timestamptz, integer, text) IS
	'SQL for what nodes tell of their keys in two ranges, each its own';

CREATE FUNCTION sellometer.movers_of_nodes(
	dimension text, event_type text, range_from timestamptz, range_to timestamptz, earlier_from timestamptz, earlier_to timestamptz, n integer, by text,
	OUT key text, OUT count bigint, OUT gmv numeric, OUT earlier_count bigint, OUT earlier_gmv numeric, OUT difference numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 20
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT z.* FROM (SELECT y.*, %s AS difference FROM (
			SELECT key, sum(count)::bigint AS count, sum(gmv) AS gmv, sum(earlier_count)::bigint AS earlier_count, sum(earlier_gmv) AS earlier_gmv FROM (%s) x GROUP BY key) y) z
			WHERE z.difference <> 0 ORDER BY abs(z.difference) DESC, z.key COLLATE "C" LIMIT %L',
		CASE by WHEN 'gmv' THEN 'y.gmv - y.earlier_gmv' ELSE '(y.count - y.earlier_count)::numeric' END,
		sellometer.movers_told_by_nodes(dimension, event_type, range_from, range_to, earlier_from, earlier_to, n, by), n);
END
$$;
COMMENT ON FUNCTION sellometer.movers_of_nodes(text, text, timestamptz, timestamptz, timestamptz, timestamptz, integer, text) IS
	'What movers() finds, of all nodes';
