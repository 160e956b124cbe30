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
