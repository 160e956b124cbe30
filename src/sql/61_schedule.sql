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
RETURNS TABLE (job text, schedule text, command text, every interval)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('sellometer_rollup', '*/15 * * * *', 'CALL sellometer.rollup()', interval '15 minutes'),
		('sellometer_prune', '5 * * * *', 'CALL sellometer.prune()', '1 hour'),
		('sellometer_backlog', '*/10 * * * *', 'CALL sellometer.merge_backlog()', '10 minutes'),
		('sellometer_archive', '35 * * * *', 'CALL sellometer.archive()', '1 hour'),
		('sellometer_detect', '* * * * *', 'CALL sellometer.detect()', '1 minute')
$$;
COMMENT ON FUNCTION sellometer.cron_jobs() IS 'What is to be called, and when';

/*
 * As pg_cron has it, in whichever database that is.  The table of its runs has no index by job, and nobody may ever delete from it: only
 * the newest are looked at.
 */
CREATE FUNCTION sellometer.look_at_jobs()
RETURNS TABLE (job text, scheduled boolean, active boolean, last_run timestamptz, status text, message text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found json;
	problem text;
BEGIN
	BEGIN
		found := sellometer.in_cron_database(format('
			SELECT json_agg(s) FROM (
				SELECT j.command, bool_or(j.active) AS active, max(r.start_time) AS last_run,
					(array_agg(r.status ORDER BY r.runid DESC NULLS LAST))[1] AS status,
					(array_agg(left(r.return_message, 500) ORDER BY r.runid DESC NULLS LAST))[1] AS message
				FROM cron.job j
				LEFT JOIN (SELECT * FROM cron.job_run_details ORDER BY runid DESC LIMIT 2000) r
					ON r.jobid = j.jobid AND r.status IN (''succeeded'', ''failed'')
				WHERE j.database = %L AND starts_with(j.command, ''CALL sellometer.'')
				GROUP BY j.command) s', current_database()));
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		problem := SQLERRM;
	END;
	RETURN QUERY
		SELECT c.job, f.command IS NOT NULL, coalesce(f.active, false), f.last_run, f.status, coalesce(problem, f.message)
		FROM sellometer.cron_jobs() c
		LEFT JOIN json_to_recordset(found) AS f (command text, active boolean, last_run timestamptz, status text, message text)
			ON f.command = c.command;
END
$$;
COMMENT ON FUNCTION sellometer.look_at_jobs() IS
	'What pg_cron has of the jobs: are they scheduled and active, and how did the last run end; message: what it said, or why pg_cron can''t be asked';

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

CREATE FUNCTION sellometer.cron_uses_workers()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_cron_uses_workers';
COMMENT ON FUNCTION sellometer.cron_uses_workers() IS
	'Does pg_cron run jobs in background workers (cron.use_background_workers), rather than log in over a connection?';

/*
 * Where pg_cron logs in like any client, it has no password to give: pg_hba.conf must trust it, or the operating system's user who runs the
 * server have a password file, which can't be known.  The first rule that fits counts, of either kind of loopback address.
 */
CREATE FUNCTION sellometer.cron_is_trusted(role name)
RETURNS boolean
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH way (local, addresses) AS (
		SELECT w.* FROM (VALUES (true, NULL), (false, ARRAY['127.0.0.1', '127.0.0.0', '0.0.0.0']), (false, ARRAY['::1', '::'])) w (local, addresses)
		WHERE w.local = (current_setting('cron.host', true) ~ '^(/|$)')
	), rule AS (
		SELECT w.addresses, (SELECT h.auth_method FROM pg_hba_file_rules h
			WHERE h.error IS NULL AND (h.type = 'local') = w.local AND h.type NOT IN ('hostssl', 'hostgssenc')
				AND h.database && ARRAY['all', current_database()::text]
				AND (h.user_name && ARRAY['all', role::text] OR EXISTS (SELECT FROM unnest(h.user_name) u JOIN pg_roles r ON '+' || r.rolname = u
					WHERE pg_has_role(role, r.oid, 'MEMBER')))
				AND (w.local OR h.address = ANY (w.addresses || ARRAY['all', 'samehost', 'samenet', 'localhost']))
			ORDER BY h.line_number LIMIT 1) AS method
		FROM way w
	)
	SELECT coalesce(bool_and(coalesce(method, 'reject') = 'trust'), false) FROM rule
$$;
COMMENT ON FUNCTION sellometer.cron_is_trusted(name) IS 'Does pg_hba.conf let pg_cron log in as a role without a password?';

CREATE FUNCTION sellometer.jobs_cannot_run(role name)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF sellometer.cron_uses_workers() OR has_function_privilege('pg_hba_file_rules()', 'EXECUTE')
			AND sellometer.cron_is_trusted(coalesce(role, 'sellometer_jobs')) THEN
		RETURN NULL;
	END IF;
	RETURN format('Set cron.use_background_workers = on in postgresql.conf and restart the server; or let pg_cron log in as role %I without asking for a password.',
		coalesce(role, 'sellometer_jobs'));
END
$$;
COMMENT ON FUNCTION sellometer.jobs_cannot_run(name) IS
	'What to do so that pg_cron can run jobs of a role (NULL: the usual one); NULL: it can';

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
	hint text;
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
	PERFORM sellometer.wake();	-- to look at them
	hint := sellometer.jobs_cannot_run(runs_as_name);
	IF hint IS NOT NULL THEN
		RAISE WARNING USING MESSAGE = 'pg_cron will probably not be able to run these jobs',
			DETAIL = format('It logs in as role %I over a connection, which pg_hba.conf does not let it do without a password.', runs_as_name),
			HINT = hint;
	END IF;
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

REVOKE ALL ON FUNCTION sellometer.look_at_jobs() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.cron_is_trusted(name) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.jobs_cannot_run(name) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.run_in_database(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.job_role(regrole) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.in_cron_database(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_schedule(regrole) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_unschedule() FROM PUBLIC;
