/* Adding and dropping dimensions of one's own. */
CREATE FUNCTION @extschema@.sellometer_add_dimension(
	name text, "column" text DEFAULT NULL, empty text DEFAULT 'unknown', separator text DEFAULT NULL, levels integer DEFAULT 1,
	of text DEFAULT 'column', pattern text DEFAULT NULL)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_add_dimension';
COMMENT ON FUNCTION @extschema@.sellometer_add_dimension(text, text, text, text, integer, text, text) IS
	'Have events be summed up by a column of the files, too (NULL: of the dimension''s name), whole or by the first of its levels that a separator stands between; of => ''source'': by the name of their source; of => ''key'': by the folders name=value of their object''s key, or by what a pattern finds in it.  empty: the key of those without a value';

CREATE FUNCTION @extschema@.sellometer_drop_dimension(name text)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_drop_dimension';
COMMENT ON FUNCTION @extschema@.sellometer_drop_dimension(text) IS 'Drop a dimension of one''s own, its tables, views and rows';

REVOKE ALL ON FUNCTION @extschema@.sellometer_add_dimension(text, text, text, text, integer, text, text) FROM PUBLIC;
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
