/* Adding and dropping dimensions of one's own. */
CREATE FUNCTION @extschema@.sellometer_add_dimension(
	name text, "column" text DEFAULT NULL, empty text DEFAULT 'unknown', separator text DEFAULT NULL, levels integer DEFAULT 1,
	of text DEFAULT 'column', pattern text DEFAULT NULL, max_keys integer DEFAULT NULL, visits boolean DEFAULT false)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_add_dimension';
COMMENT ON FUNCTION @extschema@.sellometer_add_dimension(text, text, text, text, integer, text, text, integer, boolean) IS
	'Have events be summed up by a column of the files, too (NULL: of the dimension''s name), whole or by the first of its levels that a separator stands between; of => ''source'': by the name of their source; of => ''key'': by the folders name=value of their object''s key, or by what a pattern finds in it.  empty: the key of those without a value.  max_keys: it has so many keys, the first that are counted, and further ones are counted as other (NULL: sellometer.max_dimension_keys).  visits: have sessions, buyers and orders be counted by it, too, where they are counted';

CREATE FUNCTION @extschema@.sellometer_drop_dimension(name text)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_drop_dimension';
COMMENT ON FUNCTION @extschema@.sellometer_drop_dimension(text) IS 'Drop a dimension of one''s own, its tables, views and rows';

REVOKE ALL ON FUNCTION @extschema@.sellometer_add_dimension(text, text, text, text, integer, text, text, integer, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_drop_dimension(text) FROM PUBLIC;

CREATE FUNCTION sellometer.bind_dimension(dimension text)
RETURNS void
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_bind_dimension';
COMMENT ON FUNCTION sellometer.bind_dimension(text) IS 'Let the tables and views of a dimension go with the extension';
REVOKE ALL ON FUNCTION sellometer.bind_dimension(text) FROM PUBLIC;

/* sellometer_add_dimension() makes tables and views after it has inserted the row: if some are there, they come from a dump. */
CREATE FUNCTION sellometer.adopt_dimensions()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.bind_dimension(r.dimension)
	FROM restored r
	WHERE EXISTS (SELECT FROM pg_class c WHERE c.relname = 'view_' || r.dimension || '_rank' AND c.relnamespace = 'sellometer'::regnamespace
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass));
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.adopt_dimensions() IS 'Make the dimensions of a dump dimensions as any other';
REVOKE ALL ON FUNCTION sellometer.adopt_dimensions() FROM PUBLIC;
CREATE TRIGGER adopt AFTER INSERT ON sellometer.dimensions
	REFERENCING NEW TABLE AS restored
	FOR EACH STATEMENT EXECUTE FUNCTION sellometer.adopt_dimensions();

CREATE FUNCTION sellometer.sketched_keys(sketch bytea)
RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_sketched_keys';
COMMENT ON FUNCTION sellometer.sketched_keys(bytea) IS 'How many different keys a sketch has seen, to about three in a hundred';

CREATE FUNCTION sellometer.count_other_rows(dimension text)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE (SELECT format('SELECT coalesce(sum(count), 0)::bigint FROM (%s) x', string_agg(format(
			'SELECT count FROM sellometer.%I WHERE %I = ''other'' AND event_time >= %L AND event_time < %L', sellometer.rows_prefix() || dimension || '_' || p.tier, dimension, p.piece_from, p.piece_to),
			' UNION ALL '))
		FROM sellometer.pieces('-infinity', 'infinity', NULL) p) INTO n;
	RETURN coalesce(n, 0);
END
$$;
COMMENT ON FUNCTION sellometer.count_other_rows(text) IS 'How many events, of all that is kept, a dimension counts as other';

CREATE VIEW sellometer.dimension_limits AS
SELECT d.dimension, d.max_keys, k.keys, o.since AS others_since, k.keys + coalesce(sellometer.sketched_keys(o.sketch), 0) AS keys_seen,
	CASE WHEN o.since IS NULL THEN 0 ELSE sellometer.count_other_rows(d.dimension) END AS other_rows
FROM sellometer.dimensions d
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS keys FROM sellometer.dimension_keys x WHERE x.dimension_id = d.id AND NOT x.given) k
LEFT JOIN sellometer.dimension_others o ON o.dimension_id = d.id;
COMMENT ON VIEW sellometer.dimension_limits IS 'How many keys dimensions of one''s own have, and what is counted as other';
COMMENT ON COLUMN sellometer.dimension_limits.max_keys IS 'so many keys it may have';
COMMENT ON COLUMN sellometer.dimension_limits.keys IS 'so many it has';
COMMENT ON COLUMN sellometer.dimension_limits.others_since IS 'when the first of further ones was counted as other; NULL: none was';
COMMENT ON COLUMN sellometer.dimension_limits.keys_seen IS 'how many different keys were met, to about three in a hundred of those that are counted as other';
COMMENT ON COLUMN sellometer.dimension_limits.other_rows IS 'events that are counted as other, of all that is kept; 0: no key had to be';
