CREATE FUNCTION @extschema@.sellometer_read_csv(url text, server text DEFAULT NULL, format jsonb DEFAULT NULL)
RETURNS TABLE (event_time timestamptz, event_type sellometer.event_type, product_id bigint, category_id bigint,
	category_code text, brand text, category_l1 text, category_l2 text, category_l3 text, price numeric,
	user_id bigint, user_session text, quantity integer, event_id text, product_name text, currency text, sku text)
LANGUAGE c VOLATILE PARALLEL RESTRICTED COST 100000
AS 'MODULE_PATHNAME';
REVOKE ALL ON FUNCTION @extschema@.sellometer_read_csv(text, text, jsonb) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.sellometer_read_csv(text, text, jsonb) IS
	'the cleaned events of an object or file (s3://bucket/key or file:///path; CSV, plain or packed; format: as sellometer_set_format() takes it), streamed; rejected rows are left out with one warning that counts them';
