/* From a sum to its rows.  Objects are read with the rights of their sources' owners. */
CREATE FUNCTION sellometer.own_events(dimension text, key text, "from" timestamptz, "to" timestamptz, event_type text)
RETURNS TABLE (event_time timestamptz, type sellometer.event_type, product_id bigint, category_id bigint,
	category_code text, brand text, category_l1 text, category_l2 text, category_l3 text, price numeric,
	user_id bigint, user_session text, quantity integer, event_id text, currency text, verdict text, reason text, detail text,
	source text, object text, archive text, line bigint,
	counted_time timestamptz, counted_object text, counted_line bigint)
LANGUAGE c STABLE SECURITY DEFINER COST 100000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_own_events';
REVOKE ALL ON FUNCTION sellometer.own_events(text, text, timestamptz, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION sellometer.own_events(text, text, timestamptz, timestamptz, text) IS
	'What sellometer_events() gives, of this database alone: for the role by which the dashboards'' database of nodes is to ask for rows';

/* As the extension's owner, for whom EXECUTE is granted to. */
CREATE FUNCTION @extschema@.sellometer_events(dimension text, key text, "from" timestamptz, "to" timestamptz, event_type text DEFAULT NULL)
RETURNS TABLE (event_time timestamptz, type sellometer.event_type, product_id bigint, category_id bigint,
	category_code text, brand text, category_l1 text, category_l2 text, category_l3 text, price numeric,
	user_id bigint, user_session text, quantity integer, event_id text, currency text, verdict text, reason text, detail text,
	source text, object text, archive text, line bigint,
	counted_time timestamptz, counted_object text, counted_line bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 100000
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF sellometer.asks_nodes() THEN
		RETURN QUERY EXECUTE sellometer.events_told_by_nodes($1, $2, $3, $4, $5);
	ELSE
		RETURN QUERY SELECT * FROM sellometer.own_events($1, $2, $3, $4, $5);
	END IF;
END
$$;
REVOKE ALL ON FUNCTION @extschema@.sellometer_events(text, text, timestamptz, timestamptz, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.sellometer_events(text, text, timestamptz, timestamptz, text) IS
	'The rows behind a sum, read again from archives and files: of a dimension''s key (NULL: any), a range and an event type (NULL: any), each with where it stands and its verdict: counted, duplicate, rejected, expired, or unknown';
