/*
 * Slices: which products a database counts of those that its objects tell of; see docs/scaling.md.
 */
CREATE FUNCTION @extschema@.sellometer_slice_of(product_id bigint, slices integer)
RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_slice_of';
COMMENT ON FUNCTION @extschema@.sellometer_slice_of(bigint, integer) IS
	'Which of so many slices a product is in, from 0: the one whose hash partition of a table it would be in';

/* The same: what the extension's own functions call is in a schema that nobody renames. */
CREATE FUNCTION sellometer.slice_of_product(product_id bigint, slices integer)
RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_slice_of';
COMMENT ON FUNCTION sellometer.slice_of_product(bigint, integer) IS 'What sellometer_slice_of() gives';

/* Below its watermark a tier's view has the rows of its table; where nodes are asked, those of all nodes. */
CREATE FUNCTION sellometer.rows_prefix()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN sellometer.asks_nodes() THEN 'realtime_' ELSE '' END;
END
$$;
COMMENT ON FUNCTION sellometer.rows_prefix() IS 'What the name of a relation with rows of a tier begins with: nothing, or realtime_ where nodes are asked';
