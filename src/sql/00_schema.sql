DO $$
BEGIN
	IF pg_catalog.getdatabaseencoding() NOT IN ('UTF8', 'SQL_ASCII') THEN
		RAISE feature_not_supported USING
			MESSAGE = 'sellometer needs a database whose encoding is UTF8',
			DETAIL = pg_catalog.format('That of "%s" is %s.', pg_catalog.current_database(), pg_catalog.getdatabaseencoding()),
			HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' LOCALE ''C'' TEMPLATE template0 makes one.';
	END IF;
END
$$;

/* Functions live in the extension's schema (default public), tables and views in schema sellometer. */
CREATE SCHEMA sellometer;
COMMENT ON SCHEMA sellometer IS 'Sellometer: sales metrics in tiers, and the ledger of the objects they come from';

CREATE TYPE sellometer.event_type AS ENUM ('view', 'cart', 'remove_from_cart', 'purchase');
COMMENT ON TYPE sellometer.event_type IS 'What a shop event is';

/*
 * A setting that is a length of time, in hours and less: '3d' as an interval is three days, and a day before or after which
 * clocks change is 23 or 25 hours long where the session is.
 */
CREATE FUNCTION sellometer.setting_length(name text, fallback text DEFAULT NULL)
RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.make_interval(secs => extract(epoch FROM
	coalesce(pg_catalog.current_setting(name, fallback IS NOT NULL), fallback)::interval)::float8);
COMMENT ON FUNCTION sellometer.setting_length(text, text) IS
	'A setting as a length of time that is the same in every time zone; fallback: what it is while the library is not loaded';

/*
 * Whoever owns the database may have renamed the schema that functions are in, and put others into one of its old name: what runs with more
 * rights than its caller has asks for them where they are now.
 */
CREATE FUNCTION sellometer.functions_schema()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
RETURN (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'sellometer');
COMMENT ON FUNCTION sellometer.functions_schema() IS 'The schema that the extension''s functions are in, quoted';
