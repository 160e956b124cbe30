/* Events from CSV, cleaned as they are when they are loaded. */

CREATE FUNCTION @extschema@.sellometer_parse_csv(data text)
RETURNS TABLE (event_time timestamptz, event_type sellometer.event_type, product_id bigint, category_id bigint,
	category_code text, brand text, category_l1 text, category_l2 text, category_l3 text, price numeric,
	user_id bigint, user_session text, quantity integer, event_id text, product_name text, currency text, sku text)
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', 'sellometer_parse_csv_text';
COMMENT ON FUNCTION @extschema@.sellometer_parse_csv(text) IS
	'the cleaned events of CSV text; rejected rows are left out with one warning that counts them';

CREATE FUNCTION @extschema@.sellometer_parse_csv(data bytea)
RETURNS TABLE (event_time timestamptz, event_type sellometer.event_type, product_id bigint, category_id bigint,
	category_code text, brand text, category_l1 text, category_l2 text, category_l3 text, price numeric,
	user_id bigint, user_session text, quantity integer, event_id text, product_name text, currency text, sku text)
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10000
AS 'MODULE_PATHNAME', 'sellometer_parse_csv_bytea';
COMMENT ON FUNCTION @extschema@.sellometer_parse_csv(bytea) IS
	'the cleaned events of CSV (UTF-8, plain or packed); rejected rows are left out with one warning that counts them';

CREATE FUNCTION @extschema@.sellometer_category_levels(code text,
	OUT category_l1 text, OUT category_l2 text, OUT category_l3 text)
LANGUAGE c IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_category_levels(text) IS
	'the keys of a category: lower-cased, trimmed, filled to three levels with the last one; unknown if it is empty';
