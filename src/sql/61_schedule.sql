/* Jobs of pg_cron, which lives in one database of the server: cron.database_name. */
CREATE FUNCTION sellometer.run_in_database(database text, statement text)
RETURNS text
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_run_in_database';
COMMENT ON FUNCTION sellometer.run_in_database(text, text) IS
	'Execute a SELECT in another database, in a transaction of its own, as the current user; gives the first value as text';

CREATE FUNCTION sellometer.cron_database()
RETURNS text
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_cron_database';
COMMENT ON FUNCTION sellometer.cron_database() IS 'The database that pg_cron lives in; NULL if it is not loaded';

CREATE FUNCTION sellometer.in_cron_database(statement text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	cron_database text := sellometer.cron_database();
	result text;
BEGIN
	IF cron_database IS NULL THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'pg_cron is not loaded',
			HINT = format('Install pg_cron, set shared_preload_libraries = ''pg_cron,sellometer'' and '
				'cron.database_name = ''%1$s'', restart the server, and run CREATE EXTENSION pg_cron in database "%1$s".',
				current_database());
	END IF;
	IF cron_database = current_database() THEN
		EXECUTE statement INTO result;
	ELSE
		result := sellometer.run_in_database(cron_database, statement);
	END IF;
	RETURN result;
EXCEPTION WHEN undefined_table OR undefined_function OR invalid_schema_name THEN
	RAISE object_not_in_prerequisite_state USING
		MESSAGE = format('pg_cron is not installed in database "%s"', cron_database),
		DETAIL = format('It said: %s.', SQLERRM),
		HINT = format('Run CREATE EXTENSION pg_cron in database "%s", which cron.database_name names.', cron_database);
END
$$;
COMMENT ON FUNCTION sellometer.in_cron_database(text) IS 'Execute a SELECT in the database that pg_cron lives in';

CREATE FUNCTION sellometer.cron_jobs()
RETURNS TABLE (job text, schedule text, command text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT j.job, j.schedule, format('CALL %I.%I()', n.nspname, p.proname)
	FROM (VALUES
		('sellometer_rollup', 'sellometer_rollup', '*/15 * * * *'),
		('sellometer_prune', 'sellometer_prune', '5 * * * *'),
		('sellometer_backlog', 'sellometer_merge_backlog', '*/10 * * * *'),
		('sellometer_archive', 'sellometer_archive', '35 * * * *'),
		('sellometer_detect', 'sellometer_detect', '* * * * *')
	) AS j (job, procedure, schedule)
	JOIN pg_proc p ON p.proname = j.procedure AND p.prokind = 'p'
	JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = '@extschema@'
$$;
COMMENT ON FUNCTION sellometer.cron_jobs() IS 'What is to be called, and when';

/*
 * A job bears its plain name, unless a job of that name calls into another database: then the database's name is added.
 */
CREATE FUNCTION @extschema@.sellometer_schedule()
RETURNS TABLE (job text, schedule text, command text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here text := current_database();
	wanted json := (SELECT json_agg(j) FROM sellometer.cron_jobs() j);
	call text := CASE WHEN here = sellometer.cron_database()
		THEN 'cron.schedule(name, schedule, command)'
		ELSE format('cron.schedule_in_database(name, schedule, command, %L)', here) END;
	statement text := format('
		WITH wanted AS (
			SELECT * FROM json_to_recordset(%1$L) AS w (job text, schedule text, command text)
		), named AS (
			SELECT w.*, CASE WHEN EXISTS (SELECT FROM cron.job j WHERE j.username = current_user AND
				(j.jobname = w.job AND j.database <> %2$L OR j.jobname = w.job || %3$L AND j.database = %2$L))
				THEN w.job || %3$L ELSE w.job END AS name
			FROM wanted w
		), scheduled AS MATERIALIZED (
			SELECT name AS job, schedule, command, %4$s AS id FROM named
		)
		SELECT json_agg(s) FROM scheduled s', wanted, here, '@' || here, call);
	scheduled json;
BEGIN
	scheduled := sellometer.in_cron_database(statement);
	RETURN QUERY SELECT * FROM json_to_recordset(scheduled) AS r (job text, schedule text, command text);
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_schedule() IS
	'Have pg_cron call rollup, prune, backlog, archive and detect; again: renew the jobs';

CREATE FUNCTION @extschema@.sellometer_unschedule()
RETURNS TABLE (job text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	statement text := format('
		WITH unscheduled AS MATERIALIZED (
			SELECT jobname, cron.unschedule(jobid) AS done FROM cron.job
			WHERE database = %L AND jobname LIKE ''sellometer\_%%'' AND command LIKE ''CALL %%sellometer\_%%''
		)
		SELECT json_agg(jobname) FROM unscheduled', current_database());
	unscheduled json;
BEGIN
	unscheduled := sellometer.in_cron_database(statement);
	RETURN QUERY SELECT * FROM json_array_elements_text(unscheduled);
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_unschedule() IS 'Delete the jobs of pg_cron that call into this database';

/* Loads the library where it is not preloaded: it deletes the jobs when the extension goes. */
CREATE FUNCTION sellometer.before_drop()
RETURNS event_trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_before_drop';
COMMENT ON FUNCTION sellometer.before_drop() IS 'Does nothing but to load the library';
CREATE EVENT TRIGGER sellometer_drop ON ddl_command_start
	WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP OWNED')
	EXECUTE FUNCTION sellometer.before_drop();
COMMENT ON EVENT TRIGGER sellometer_drop IS 'So that jobs of pg_cron go with the extension';

REVOKE ALL ON FUNCTION sellometer.run_in_database(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.in_cron_database(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_schedule() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_unschedule() FROM PUBLIC;
