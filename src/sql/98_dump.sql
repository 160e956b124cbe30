/*
 * pg_dump and restore.
 *
 * A dump has the rows of the extension's tables, but not their definitions: CREATE EXTENSION makes them again, with the rows
 * that it makes in each database.  Partitions and added tiers are not members of the extension, so the dump has all of
 * them, definitions too.  When such a dump is restored, in whichever order and way:
 *
 *   - rows that CREATE EXTENSION made give way to those of the dump
 *   - views of tiers are made to read from the tiers that there are now, and added tiers go with the extension again
 *   - sources are disabled: loading must not begin halfway through, and two databases must not load and archive one
 *     bucket because somebody tried out a backup
 */
CREATE FUNCTION sellometer.replace_only_row()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('DELETE FROM sellometer.%I', TG_TABLE_NAME);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION sellometer.replace_only_row() IS 'Have the only row of a table give way to that of a dump';
CREATE TRIGGER restore BEFORE INSERT ON sellometer.state
	FOR EACH ROW EXECUTE FUNCTION sellometer.replace_only_row();
CREATE TRIGGER restore BEFORE INSERT ON sellometer.secret
	FOR EACH ROW EXECUTE FUNCTION sellometer.replace_only_row();

CREATE FUNCTION sellometer.replace_detector()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE sellometer.detectors d SET enabled = NEW.enabled WHERE d.kind = NEW.kind;
	RETURN CASE WHEN NOT FOUND THEN NEW END;
END
$$;
COMMENT ON FUNCTION sellometer.replace_detector() IS 'Have a detector that is there be enabled or not as in a dump';
CREATE TRIGGER restore BEFORE INSERT ON sellometer.detectors
	FOR EACH ROW EXECUTE FUNCTION sellometer.replace_detector();

/* Each dump has a tier at position 0, and nothing else ever adds one there. */
CREATE FUNCTION sellometer.replace_initial_tiers()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM sellometer.tiers t
	WHERE t.initial AND (NEW.position = 0 OR t.name = NEW.name OR t.position = NEW.position);
	NEW.initial := false;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION sellometer.replace_initial_tiers() IS
	'Have the tiers that CREATE EXTENSION made give way to those of a dump';
CREATE TRIGGER restore BEFORE INSERT ON sellometer.tiers
	FOR EACH ROW EXECUTE FUNCTION sellometer.replace_initial_tiers();

CREATE FUNCTION sellometer.bind_tier(tier text)
RETURNS void
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_bind_tier';
COMMENT ON FUNCTION sellometer.bind_tier(text) IS 'Let the tables and views of an added tier go with the extension';

CREATE FUNCTION sellometer.bind_packed()
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_bind_packed';
COMMENT ON FUNCTION sellometer.bind_packed() IS 'Let the blocks of packed partitions go with these';
REVOKE ALL ON FUNCTION sellometer.bind_packed() FROM PUBLIC;

/* sellometer_add_tier() binds a tier before it inserts its row: one that is not bound, or a member, comes from a dump. */
CREATE FUNCTION sellometer.adopt_tiers()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	unbound text[];
BEGIN
	PERFORM sellometer.bind_packed();
	SELECT array_agg(r.name) FILTER (WHERE d.deptype IS NULL) INTO unbound
	FROM restored r
	JOIN pg_class c ON c.relname = 'category_l1_' || r.name AND c.relnamespace = 'sellometer'::regnamespace
	LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
		AND d.refclassid = 'pg_extension'::regclass
	WHERE d.deptype IS DISTINCT FROM 'a'
	HAVING count(*) > 0;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	FOR t IN SELECT x.name, x.granularity, x.zone, x.finer FROM sellometer.tiers x ORDER BY x.position LOOP
		PERFORM sellometer.create_realtime_views(t.name, t.granularity, t.zone, t.finer);
		IF t.name = ANY (unbound) THEN
			PERFORM sellometer.bind_tier(t.name);
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.adopt_tiers() IS 'Make the tiers of a dump tiers as any other';
CREATE TRIGGER adopt AFTER INSERT ON sellometer.tiers
	REFERENCING NEW TABLE AS restored
	FOR EACH STATEMENT EXECUTE FUNCTION sellometer.adopt_tiers();

/* A source that is added is added now. */
CREATE FUNCTION sellometer.disable_restored_source()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NEW.added_at <> now() AND NEW.enabled THEN
		NEW.enabled := false;
		NEW.restored := true;
		NEW.last_error := 'restored from a dump: sellometer_enable_source() has it loaded into this database';
		NEW.last_error_at := now();
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION sellometer.disable_restored_source() IS 'Have a source of a dump wait until somebody says that it is wanted here';
CREATE TRIGGER restore BEFORE INSERT ON sellometer.sources
	FOR EACH ROW EXECUTE FUNCTION sellometer.disable_restored_source();

CREATE FUNCTION sellometer.resume_restored_sources(source text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	names text;
BEGIN
	WITH resumed AS (
		UPDATE sellometer.sources s SET enabled = true, restored = false, last_error = NULL, last_error_at = NULL
		WHERE s.restored AND (source IS NULL OR s.name = source) RETURNING s.name
	)
	SELECT string_agg(r.name, ', ' ORDER BY r.name) INTO names FROM resumed r;
	IF names IS NOT NULL THEN
		RAISE NOTICE 'restored sources are loaded into this database from now on: %', names;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.resume_restored_sources(text) IS
	'Enable a source that was disabled by a restore, or all of them';
REVOKE ALL ON FUNCTION sellometer.replace_only_row() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.replace_detector() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.replace_initial_tiers() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.bind_tier(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.adopt_tiers() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.disable_restored_source() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.resume_restored_sources(text) FROM PUBLIC;

/* All tables that hold something, whichever of the files before made them; partitions come by themselves.  Segments are made anew. */
DO $$
DECLARE
	relation regclass;
BEGIN
	FOR relation IN SELECT c.oid FROM pg_catalog.pg_class c
			WHERE c.relnamespace OPERATOR(pg_catalog.=) 'sellometer'::pg_catalog.regnamespace
				AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,S}') AND c.relpersistence OPERATOR(pg_catalog.=) 'p'
				AND c.relname OPERATOR(pg_catalog.<>) ALL ('{segments,dimension_segments}') LOOP
		PERFORM pg_catalog.pg_extension_config_dump(relation, '');
	END LOOP;
END
$$;

/* Whoever owns the database can dump it: all of its tables and sequences are locked and read for that. */
GRANT USAGE ON SCHEMA sellometer TO pg_database_owner;
GRANT SELECT ON ALL TABLES IN SCHEMA sellometer TO pg_database_owner;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA sellometer TO pg_database_owner;
