/* Jobs of pg_cron, which lives in one database of the server: cron.database_name. */
CREATE FUNCTION sellometer.run_in_database(database text, statement text)
RETURNS text
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_run_in_database';
COMMENT ON FUNCTION sellometer.run_in_database(text, text) IS
	'Execute a statement in another database, in a transaction of its own, as the current user; gives the first value of a SELECT as text';

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
	installed text := 'SELECT oid FROM pg_extension WHERE extname = ''pg_cron''';
	result text;
BEGIN
	IF cron_database IS NULL THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'pg_cron is not loaded',
			HINT = format('Install pg_cron, set shared_preload_libraries = ''pg_cron,sellometer'' and '
				'cron.database_name = ''%1$s'', restart the server, and run CREATE EXTENSION pg_cron in database "%1$s".',
				current_database());
	END IF;
	-- anybody could have made a schema cron, with functions of his own in it
	IF cron_database = current_database() THEN
		EXECUTE installed INTO result;
		IF result IS NOT NULL THEN
			EXECUTE statement INTO result;
			RETURN result;
		END IF;
	ELSIF sellometer.run_in_database(cron_database, installed) IS NOT NULL THEN
		RETURN sellometer.run_in_database(cron_database, statement);
	END IF;
	RAISE undefined_object USING MESSAGE = 'extension "pg_cron" does not exist';
EXCEPTION WHEN undefined_object OR undefined_table OR undefined_function OR invalid_schema_name THEN
	RAISE object_not_in_prerequisite_state USING
		MESSAGE = format('pg_cron is not installed in database "%s"', cron_database),
		DETAIL = format('It said: %s.', SQLERRM),
		HINT = format('Run CREATE EXTENSION pg_cron in database "%s", which cron.database_name names.', cron_database);
END
$$;
COMMENT ON FUNCTION sellometer.in_cron_database(text) IS 'Execute a SELECT in the database that pg_cron lives in';

/*
 * Jobs call what is in schema sellometer: who owns the schema that users call functions in can rename it, and put procedures
 * of his own in its place.
 */
CREATE FUNCTION sellometer.cron_jobs()
RETURNS TABLE (job text, schedule text, command text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('sellometer_rollup', '*/15 * * * *', 'CALL sellometer.rollup()'),
		('sellometer_prune', '5 * * * *', 'CALL sellometer.prune()'),
		('sellometer_backlog', '*/10 * * * *', 'CALL sellometer.merge_backlog()'),
		('sellometer_archive', '35 * * * *', 'CALL sellometer.archive()'),
		('sellometer_detect', '* * * * *', 'CALL sellometer.detect()')
$$;
COMMENT ON FUNCTION sellometer.cron_jobs() IS 'What is to be called, and when';

/* The role that jobs run as.  The procedures do what they do with the rights of the extension's owner: to call them is all it takes. */
CREATE FUNCTION sellometer.job_role(role regrole)
RETURNS regrole
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	i_am_superuser boolean := (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user);
BEGIN
	IF role IS NULL AND i_am_superuser THEN
		IF to_regrole('sellometer_jobs') IS NULL THEN
			-- pg_cron, in a transaction of another database, must see it at once
			IF sellometer.cron_database() = current_database() THEN
				CREATE ROLE sellometer_jobs LOGIN;
			ELSE
				PERFORM sellometer.run_in_database(sellometer.cron_database(), 'CREATE ROLE sellometer_jobs LOGIN');
			END IF;
			RAISE NOTICE 'role sellometer_jobs is made, for jobs to run as'
				USING DETAIL = 'It may call the procedures that are scheduled, and nothing else.';
		END IF;
		role := 'sellometer_jobs';
	END IF;
	role := coalesce(role, current_user::regrole);
	IF (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = role) THEN
		RAISE invalid_parameter_value USING MESSAGE = format('jobs must not run as %s, who is a superuser', role),
			HINT = 'Without an argument sellometer_schedule() has them run as role sellometer_jobs, which needs no other rights.';
	ELSIF role <> current_user::regrole AND NOT i_am_superuser THEN
		RAISE insufficient_privilege USING MESSAGE = format('permission denied to schedule jobs of role %s', role),
			HINT = 'A superuser can, or that role itself.';
	END IF;
	IF i_am_superuser THEN
		EXECUTE format('GRANT USAGE ON SCHEMA sellometer TO %s', role);
		EXECUTE format('GRANT EXECUTE ON PROCEDURE sellometer.rollup, sellometer.prune, sellometer.merge_backlog,
			sellometer.archive, sellometer.detect TO %s', role);
	END IF;
	RETURN role;
END
$$;
COMMENT ON FUNCTION sellometer.job_role(regrole) IS 'The role that jobs run as, with the rights that they take; NULL: the usual one';

/*
 * A job bears its plain name, unless a job of that name calls into another database: then the database's name is added.
 */
CREATE FUNCTION @extschema@.sellometer_schedule(role regrole DEFAULT NULL)
RETURNS TABLE (job text, schedule text, command text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here text := current_database();
	wanted json := (SELECT json_agg(j) FROM sellometer.cron_jobs() j);
	runs_as regrole;
	runs_as_name name;
	statement text;
	scheduled json;
BEGIN
	-- is it there?  Before anything is made for it
	PERFORM sellometer.in_cron_database('SELECT 1');
	runs_as := sellometer.job_role(sellometer_schedule.role);
	SELECT r.rolname INTO runs_as_name FROM pg_roles r WHERE r.oid = runs_as;
	statement := format('
		WITH wanted AS (
			SELECT * FROM json_to_recordset(%1$L) AS w (job text, schedule text, command text)
		), named AS (
			SELECT w.*, CASE WHEN EXISTS (SELECT FROM cron.job j WHERE j.username = %4$L AND
				(j.jobname = w.job AND j.database <> %2$L OR j.jobname = w.job || %3$L AND j.database = %2$L))
				THEN w.job || %3$L ELSE w.job END AS name
			FROM wanted w
		), scheduled AS MATERIALIZED (
			SELECT name AS job, schedule, command, cron.schedule_in_database(name, schedule, command, %2$L, %5$s) AS id FROM named
		)
		SELECT json_agg(s) FROM scheduled s', wanted, here, '@' || here, runs_as_name,
		-- naming anybody, even oneself, is for superusers
		CASE WHEN runs_as_name = current_user THEN 'NULL' ELSE quote_literal(runs_as_name) END);
	scheduled := sellometer.in_cron_database(statement);
	RETURN QUERY SELECT * FROM json_to_recordset(scheduled) AS r (job text, schedule text, command text);
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_schedule(regrole) IS
	'Have pg_cron call rollup, prune, backlog, archive and detect as a role that is no superuser (NULL: the caller, or sellometer_jobs for a superuser); again: renew the jobs';

CREATE FUNCTION @extschema@.sellometer_unschedule()
RETURNS TABLE (job text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	statement text := format('
		WITH unscheduled AS MATERIALIZED (
			SELECT jobname, cron.unschedule(jobid) AS done FROM cron.job
			WHERE database = %L AND starts_with(jobname, ''sellometer_'') AND starts_with(command, ''CALL sellometer.'')
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
REVOKE ALL ON FUNCTION sellometer.job_role(regrole) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.in_cron_database(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_schedule(regrole) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_unschedule() FROM PUBLIC;
