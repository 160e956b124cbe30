/*
 * Slices: which products a database counts of those that its objects tell of; see docs/scaling.md.
 */
CREATE FUNCTION @extschema@.sellometer_slice_of(product_id bigint, slices integer)
RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_slice_of';
COMMENT ON FUNCTION @extschema@.sellometer_slice_of(bigint, integer) IS
	'Which of so many slices a product is in, from 0: the one whose hash partition of a table it would be in';
