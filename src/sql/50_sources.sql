/* Sources and their objects. */
CREATE FUNCTION @extschema@.sellometer_add_source(
	name text, url text, server text DEFAULT NULL, archive_url text DEFAULT NULL, enabled boolean DEFAULT true)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_add_source';
COMMENT ON FUNCTION @extschema@.sellometer_add_source(text, text, text, text, boolean) IS
	'Watch s3://bucket/prefix/ or file:///directory/ for objects';

CREATE FUNCTION @extschema@.sellometer_drop_source(name text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM sellometer.sources s WHERE s.name = sellometer_drop_source.name;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('source "%s" does not exist', name),
			HINT = 'The sources are listed in sellometer.sources.';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_drop_source(text) IS
	'Stop watching a source; what it counted stays, and so does its ledger, should it come back';

CREATE FUNCTION @extschema@.sellometer_enable_source(name text, enabled boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE sellometer.sources s SET enabled = sellometer_enable_source.enabled, restored = false,
		last_error = CASE WHEN NOT s.restored THEN s.last_error END,
		last_error_at = CASE WHEN NOT s.restored THEN s.last_error_at END
	WHERE s.name = sellometer_enable_source.name;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('source "%s" does not exist', name),
			HINT = 'The sources are listed in sellometer.sources.';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_enable_source(text, boolean) IS
	'Watch a source again, or leave it alone for a while';

CREATE PROCEDURE sellometer.ingest(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_ingest';
COMMENT ON PROCEDURE sellometer.ingest(text) IS 'What sellometer_ingest() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_ingest(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_ingest';
COMMENT ON PROCEDURE @extschema@.sellometer_ingest(text) IS
	'Load all objects that are pending and live, of one source or of all';

CREATE PROCEDURE sellometer.merge_backlog(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_merge_backlog';
COMMENT ON PROCEDURE sellometer.merge_backlog(text) IS 'What sellometer_merge_backlog() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_merge_backlog(source text DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_merge_backlog';
COMMENT ON PROCEDURE @extschema@.sellometer_merge_backlog(text) IS
	'Merge late objects into all tiers, of one source or of all';

CREATE FUNCTION sellometer.key_is_wanted(key text, include text[], exclude text[])
RETURNS boolean
LANGUAGE c IMMUTABLE
AS 'MODULE_PATHNAME', 'sellometer_key_is_wanted';
COMMENT ON FUNCTION sellometer.key_is_wanted(text, text[], text[]) IS
	'Does a source with these patterns take the key?  In a pattern * stands for any characters, / among them, ? for one, [a-z] for one of several';

REVOKE ALL ON FUNCTION @extschema@.sellometer_add_source(text, text, text, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_drop_source(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_enable_source(text, boolean) FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.ingest(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_ingest(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.merge_backlog(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_merge_backlog(text) FROM PUBLIC;
