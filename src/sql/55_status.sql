/* Objects one by one, and operations at a glance. */
CREATE FUNCTION sellometer.wake()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_wake';
COMMENT ON FUNCTION sellometer.wake() IS 'What sellometer_wake() is, for the extension''s own functions';

CREATE FUNCTION @extschema@.sellometer_wake()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_wake';
COMMENT ON FUNCTION @extschema@.sellometer_wake() IS
	'Have the worker look at the sources now; false if none runs for this database';

CREATE FUNCTION sellometer.replace_object(old bigint, new bigint)
RETURNS void
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_replace_object';
COMMENT ON FUNCTION sellometer.replace_object(bigint, bigint) IS
	'Take out what an archived object counted, and count the object that came in its place; both by id in sellometer.objects';

CREATE FUNCTION sellometer.reload_object(object bigint)
RETURNS bigint
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_reload_object';
COMMENT ON FUNCTION sellometer.reload_object(bigint) IS
	'Count those rows of a loaded object that were rejected or expired and can be used now; returns their number';

CREATE FUNCTION sellometer.where_objects_are(source text, key text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN EXISTS (SELECT FROM sellometer.forgotten_objects f WHERE f.source = where_objects_are.source AND f.key = where_objects_are.key)
		THEN 'It was counted, which stays so; its row has left the ledger after sellometer.ledger_retention.'
		ELSE 'The objects are listed in sellometer.objects.' END
$$;
COMMENT ON FUNCTION sellometer.where_objects_are(text, text) IS 'The hint of an error about an object that is not in the ledger';

CREATE FUNCTION sellometer.check_pattern(pattern text, of text)
RETURNS void
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_check_pattern';
COMMENT ON FUNCTION sellometer.check_pattern(text, text) IS 'An error that says what is wrong, if this can''t be a pattern of keys';

/* What sellometer_retry() and sellometer_skip() are told of many objects, and whether that can be. */
CREATE FUNCTION sellometer.check_choice(call text, source text, key text, pattern text, state text, states text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF key IS NOT NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a key stands for one object, and a pattern and a state for many',
			HINT = 'Give the key, or the others.';
	ELSIF pattern IS NULL AND state IS NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = format('%s() needs a key, a pattern or a state', call),
			HINT = 'With pattern => ''*'' it is about all that has failed or waits.';
	ELSIF NOT state = ANY (states) THEN
		RAISE invalid_parameter_value USING MESSAGE = format('%s() has nothing to do with objects of state "%s"', call, state),
			HINT = format('State is one of %s.', array_to_string(states, ', '));
	ELSIF NOT EXISTS (SELECT FROM sellometer.sources s WHERE s.name = source) AND NOT EXISTS (SELECT FROM sellometer.objects o WHERE o.source = check_choice.source) THEN
		RAISE undefined_object USING MESSAGE = format('source "%s" does not exist', source),
			HINT = 'The sources are listed in sellometer.sources.';
	END IF;
	PERFORM sellometer.check_pattern(pattern, call || '()');
END
$$;
COMMENT ON FUNCTION sellometer.check_choice(text, text, text, text, text, text[]) IS
	'An error that says what is wrong, unless a pattern, a state or both choose objects of a source';

CREATE FUNCTION sellometer.passed_over(objects bigint, why text, hint text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF objects > 0 THEN
		RAISE NOTICE USING MESSAGE = format('%s %s passed over: %s', objects, CASE objects WHEN 1 THEN 'object is' ELSE 'objects are' END, why), HINT = hint;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.passed_over(bigint, text, text) IS 'Tell how many of the chosen objects were left as they are, and why';

/* What another process has in hand just now is being tried anyway. */
CREATE FUNCTION sellometer.retry_objects(source text, pattern text, state text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	chosen record;
	retried bigint;
BEGIN
	WITH chosen AS MATERIALIZED (
		SELECT o.id, o.state, o.key, o.checksum, o.resume_row FROM sellometer.objects o
		WHERE o.source = retry_objects.source
			AND CASE WHEN retry_objects.state IS NULL THEN o.state = 'failed' OR o.state IN ('pending', 'backlog') AND o.error IS NOT NULL
				ELSE o.state = retry_objects.state END
			AND (pattern IS NULL OR sellometer.key_is_wanted(o.key, ARRAY[pattern], NULL))
			-- of several with one key it is the last one that can be loaded
			AND NOT EXISTS (SELECT FROM sellometer.objects x WHERE x.source = o.source AND x.key = o.key AND x.id > o.id)
		FOR UPDATE SKIP LOCKED
	), judged AS MATERIALIZED (
		SELECT c.*, c.resume_row = 0 AND EXISTS (SELECT FROM sellometer.sources s
				WHERE s.name = retry_objects.source AND NOT sellometer.key_is_wanted(c.key, s.include, s.exclude)) AS excluded,
			EXISTS (SELECT FROM sellometer.objects x WHERE x.source = retry_objects.source AND x.key = c.key AND x.id <> c.id
				AND (x.state IN ('done', 'archived') OR x.resume_row > 0) AND x.rows_counted > 0) AS changed
		FROM chosen c
	), retried AS (
		UPDATE sellometer.objects o SET state = CASE WHEN o.state = 'backlog' THEN 'backlog' ELSE 'pending' END,
			attempts = 0, next_attempt = NULL, error = NULL, sqlstate = NULL, unwanted = false, excluded = false
		FROM judged j WHERE o.id = j.id AND NOT j.excluded AND NOT j.changed AND o.unloaded_rows = 0
		RETURNING o.id, j.checksum, j.resume_row
	), wanted AS (
		-- what has the same content, and was put aside, would have it skipped
		UPDATE sellometer.objects x SET unwanted = false FROM retried r
		WHERE x.unwanted AND x.checksum = r.checksum AND NOT EXISTS (SELECT FROM retried y WHERE y.id = x.id)
	), forgotten AS (
		DELETE FROM sellometer.rejected_rows d USING retried r WHERE d.object_id = r.id AND r.resume_row = 0
	)
	SELECT (SELECT count(*) FROM retried) AS retried, count(*) FILTER (WHERE j.excluded) AS excluded,
		count(*) FILTER (WHERE j.changed AND NOT j.excluded) AS changed INTO chosen FROM judged j;
	PERFORM sellometer.passed_over(chosen.excluded, format('include or exclude of source "%s" leaves them out', source),
		'sellometer_alter_source() changes these; then they are loaded.');
	PERFORM sellometer.passed_over(chosen.changed, 'they were loaded with another content before, which is counted',
		'What can be done about each is in its error in sellometer.objects.');
	IF chosen.retried > 0 THEN
		PERFORM sellometer.wake();
	END IF;
	RETURN chosen.retried;
END
$$;
COMMENT ON FUNCTION sellometer.retry_objects(text, text, text) IS
	'Have many objects loaded that have failed, were skipped or wait for their next attempt; gives their number';

CREATE FUNCTION sellometer.reload_objects(source text, pattern text, state text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o record;
	reloaded bigint := 0;
	unreadable bigint := 0;
	message text;
BEGIN
	FOR o IN SELECT x.id FROM sellometer.objects x
			WHERE x.source = reload_objects.source AND x.state = reload_objects.state AND x.rows_rejected + x.rows_expired > 0
				AND x.unloaded_rows = 0 AND (pattern IS NULL OR sellometer.key_is_wanted(x.key, ARRAY[pattern], NULL))
			ORDER BY x.id LOOP
		BEGIN
			PERFORM FROM sellometer.objects x WHERE x.id = o.id AND x.state = reload_objects.state FOR UPDATE;
			IF FOUND THEN
				reloaded := reloaded + (sellometer.reload_object(o.id) > 0)::integer;
			END IF;
		EXCEPTION WHEN object_not_in_prerequisite_state OR undefined_file OR data_exception OR connection_exception THEN
			message := coalesce(message, SQLERRM);
			unreadable := unreadable + 1;
		END;
	END LOOP;
	PERFORM sellometer.passed_over(unreadable, message, 'That is said of the first of them.');
	RETURN reloaded;
END
$$;
COMMENT ON FUNCTION sellometer.reload_objects(text, text, text) IS
	'Count of many loaded objects those rows that were rejected or expired and can be used now; gives the number of objects of which some were';

CREATE FUNCTION @extschema@.sellometer_retry(source text, key text DEFAULT NULL, replace boolean DEFAULT false,
	pattern text DEFAULT NULL, state text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o sellometer.objects;
	old bigint;
	taken bigint;
BEGIN
	IF key IS NULL OR pattern IS NOT NULL OR state IS NOT NULL THEN
		PERFORM sellometer.check_choice('sellometer_retry', source, key, pattern, state,
			ARRAY['pending', 'backlog', 'failed', 'skipped', 'done', 'archived']);
		IF sellometer_retry.replace THEN
			RAISE invalid_parameter_value USING MESSAGE = 'replace is for one object at a time',
				HINT = 'Give its key.';
		END IF;
		RETURN CASE WHEN state IN ('done', 'archived') THEN sellometer.reload_objects(source, pattern, state)
			ELSE sellometer.retry_objects(source, pattern, state) END;
	END IF;
	SELECT * INTO o FROM sellometer.objects x
	WHERE x.source = sellometer_retry.source AND x.key = sellometer_retry.key
	ORDER BY x.id DESC LIMIT 1 FOR UPDATE;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('source "%s" has no object "%s"', source, key),
			HINT = sellometer.where_objects_are(source, key);
	END IF;
	IF o.state NOT IN ('done', 'archived') AND o.resume_row = 0 AND EXISTS (SELECT FROM sellometer.sources s
			WHERE s.name = o.source AND NOT sellometer.key_is_wanted(o.key, s.include, s.exclude)) THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('object "%s" is left out by include or exclude of source "%s"', key, source),
			HINT = 'sellometer_alter_source() changes them; then it is loaded.';
	END IF;
	SELECT x.id INTO old FROM sellometer.objects x WHERE x.source = o.source AND x.key = o.key AND x.id <> o.id
		AND (x.state IN ('done', 'archived') OR x.resume_row > 0) AND x.rows_counted > 0 FOR UPDATE;
	IF FOUND AND sellometer_retry.replace THEN
		PERFORM sellometer.replace_object(old, o.id);
		RETURN 1;
	ELSIF FOUND THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('object "%s" was loaded with another content before', key),
			DETAIL = 'Its first content is counted.',
			HINT = CASE WHEN EXISTS (SELECT FROM sellometer.objects x WHERE x.id = old AND x.state = 'archived' AND NOT x.lost)
				THEN 'sellometer_retry() with replace => true exchanges the one for the other, sellometer_skip() puts the changed object aside.'
				ELSE 'Nobody can read that any more to take it out.  sellometer_skip() puts the changed object aside.' END;
	END IF;
	IF o.unloaded_rows > 0 THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('object "%s" is being unloaded', key),
			HINT = 'sellometer_unload() goes on with it.';
	END IF;
	IF o.state IN ('done', 'archived') AND o.rows_rejected + o.rows_expired > 0 THEN
		taken := sellometer.reload_object(o.id);
		IF taken < o.rows_rejected + o.rows_expired THEN
			RAISE NOTICE USING MESSAGE = format('%s of %s rows that were rejected or expired are still so',
				o.rows_rejected + o.rows_expired - taken, o.rows_rejected + o.rows_expired),
				HINT = 'See sellometer.rejected_rows, and retention in sellometer.tiers.';
		END IF;
		RETURN 1;
	ELSIF o.state IN ('done', 'archived') THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('object "%s" is %s already', key, o.state);
	END IF;
	UPDATE sellometer.objects x SET state = CASE WHEN o.state = 'backlog' THEN 'backlog' ELSE 'pending' END,
		attempts = 0, next_attempt = NULL, error = NULL, sqlstate = NULL
	WHERE x.id = o.id;
	UPDATE sellometer.objects x SET unwanted = false WHERE x.unwanted AND (x.id = o.id OR x.checksum = o.checksum);
	DELETE FROM sellometer.rejected_rows WHERE object_id = o.id AND o.resume_row = 0;
	PERFORM sellometer.wake();
	RETURN 1;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_retry(text, text, boolean, text, text) IS
	'Have an object loaded that has failed or was skipped, or that waits for its next attempt; of one that is loaded, those rows that were rejected or expired and can be used now; replace: instead of the content that was loaded under its key before.  Instead of a key, a pattern of keys, a state or both: all such objects (without a state, what has failed or waits for its next attempt).  Gives the number of objects';

CREATE FUNCTION @extschema@.sellometer_skip(source text, key text DEFAULT NULL, pattern text DEFAULT NULL, state text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o sellometer.objects;
	skipped bigint;
	meaning text;
BEGIN
	IF key IS NULL OR pattern IS NOT NULL OR state IS NOT NULL THEN
		PERFORM sellometer.check_choice('sellometer_skip', source, key, pattern, state, ARRAY['pending', 'backlog', 'failed', 'skipped']);
		-- what another process has in hand just now is counted by it, or is left for the next call
		UPDATE sellometer.objects x SET state = 'skipped', next_attempt = NULL, unwanted = x.sqlstate IS DISTINCT FROM '58P01',
			excluded = false, error = CASE WHEN NOT x.excluded THEN x.error END
		WHERE x.id IN (SELECT y.id FROM sellometer.objects y WHERE y.source = sellometer_skip.source AND y.resume_row = 0
			AND CASE WHEN sellometer_skip.state IS NULL THEN y.state IN ('pending', 'backlog', 'failed') ELSE y.state = sellometer_skip.state END
			AND (pattern IS NULL OR sellometer.key_is_wanted(y.key, ARRAY[pattern], NULL))
			AND NOT EXISTS (SELECT FROM sellometer.objects z WHERE z.source = y.source AND z.key = y.key AND z.id > y.id)
			FOR UPDATE SKIP LOCKED);
		GET DIAGNOSTICS skipped = ROW_COUNT;
		RETURN skipped;
	END IF;
	SELECT * INTO o FROM sellometer.objects x
	WHERE x.source = sellometer_skip.source AND x.key = sellometer_skip.key
	ORDER BY x.id DESC LIMIT 1 FOR UPDATE;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('source "%s" has no object "%s"', source, key),
			HINT = sellometer.where_objects_are(source, key);
	END IF;
	IF o.state IN ('done', 'archived') THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('object "%s" is counted already', key),
			DETAIL = format('Its state is %s, %s rows of it are loaded.', o.state, o.rows_total),
			HINT = 'sellometer_unload() takes out what it counted.';
	ELSIF o.resume_row > 0 AND sellometer.object_problem(o.id) IS NULL THEN
		PERFORM @extschema@.sellometer_unload(source, key);
		RETURN 1;
	ELSIF o.resume_row > 0 THEN
		SELECT l.meaning INTO meaning FROM @extschema@.sellometer_declare_lost(source, key) l;
		RAISE NOTICE USING MESSAGE = format('object "%s" can''t be read any more: what is counted of it stays', key), DETAIL = meaning;
		RETURN 1;
	END IF;
	-- one that is gone may just have got another name
	UPDATE sellometer.objects x SET state = 'skipped', next_attempt = NULL, unwanted = o.sqlstate IS DISTINCT FROM '58P01',
		excluded = false, error = CASE WHEN NOT o.excluded THEN o.error END WHERE x.id = o.id;
	RETURN 1;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_skip(text, text, text, text) IS
	'Never load this object; what is loaded of one that is not loaded whole is taken out, or stays, if it can''t be read any more.  Or, by a pattern of keys, a state or both, these (without a state, all that have failed or wait), but for those of which something is loaded.  Gives the number of objects';

CREATE FUNCTION sellometer.progress_entries(
	OUT pid integer, OUT task text, OUT phase text, OUT objects_done bigint, OUT objects_total bigint,
	OUT bytes_done bigint, OUT bytes_total bigint, OUT rows_done bigint, OUT started timestamptz,
	OUT estimated_finish timestamptz)
RETURNS SETOF record
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_progress_entries';
COMMENT ON FUNCTION sellometer.progress_entries() IS 'What the view sellometer.progress shows';

CREATE FUNCTION sellometer.in_surge()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_in_surge';
COMMENT ON FUNCTION sellometer.in_surge() IS 'Is a surge on in this database?';

CREATE FUNCTION sellometer.worker_pid()
RETURNS integer
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_worker_pid';
COMMENT ON FUNCTION sellometer.worker_pid() IS 'Process of the worker that loads into this database; NULL if none runs';

CREATE FUNCTION sellometer.is_configured()
RETURNS boolean
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_is_configured';
COMMENT ON FUNCTION sellometer.is_configured() IS 'Does sellometer.database name this database?';

CREATE VIEW sellometer.progress AS SELECT * FROM sellometer.progress_entries();
COMMENT ON VIEW sellometer.progress IS 'Work under way, by server process';
COMMENT ON COLUMN sellometer.progress.pid IS 'server process';
COMMENT ON COLUMN sellometer.progress.task IS 'load, merge_backlog, rollup, prune, archive, replay, replace, unload or detect';
COMMENT ON COLUMN sellometer.progress.phase IS 'what of the task is being done: the bucket that is rolled up, the kind of alert …';
COMMENT ON COLUMN sellometer.progress.objects_done IS 'objects that are through, since it started';
COMMENT ON COLUMN sellometer.progress.objects_total IS 'done and waiting, as far as known';
COMMENT ON COLUMN sellometer.progress.bytes_done IS 'size of those that are through, as they are in the source, and what is read of a large one';
COMMENT ON COLUMN sellometer.progress.bytes_total IS 'size of those done and waiting, as far as known';
COMMENT ON COLUMN sellometer.progress.rows_done IS 'rows read from them';
COMMENT ON COLUMN sellometer.progress.started IS 'when the work began';
COMMENT ON COLUMN sellometer.progress.estimated_finish IS 'if it goes on as fast as so far; NULL: too early to say';

CREATE VIEW sellometer.status AS
SELECT s.name AS source,
	s.enabled,
	s.head,
	pg_catalog.clock_timestamp() - s.head AS event_lag,
	CASE WHEN p.oldest IS NULL THEN l.lag ELSE greatest(l.lag, pg_catalog.clock_timestamp() - p.oldest) END AS arrival_lag,
	p.objects AS pending_objects,
	p.bytes AS pending_bytes,
	p.oldest AS pending_oldest,
	b.objects AS backlog_objects,
	b.bytes AS backlog_bytes,
	f.objects AS failed_objects,
	sellometer.in_surge() AS surge,
	r.rows_per_second,
	s.list_requests,
	s.listed_at,
	st.head AS head_of_all,
	st.views_from,
	st.views_dropped,
	sellometer.worker_pid() AS worker_pid,
	s.passed_over,
	s.unreadable_entries,
	-- it may tell of servers, roles and credentials
	coalesce(CASE WHEN s.last_error IS NULL OR pg_catalog.has_column_privilege('sellometer.sources', 'last_error', 'SELECT') THEN s.last_error
		ELSE 'it can''t be listed: why is in sellometer.sources, for who may read last_error there' END, e.error, t.error) AS last_error,
	coalesce(s.last_error_at, e.at, t.at) AS last_error_at,
	s.key_offset
FROM sellometer.sources s
CROSS JOIN sellometer.state st
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS objects, least(coalesce(pg_catalog.sum(size), 0), 4611686018427387904)::bigint AS bytes,
	pg_catalog.min(last_modified) AS oldest FROM sellometer.objects WHERE source = s.name AND state = 'pending') p
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS objects, least(coalesce(pg_catalog.sum(size), 0), 4611686018427387904)::bigint AS bytes
	FROM sellometer.objects WHERE source = s.name AND state = 'backlog') b
CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS objects FROM sellometer.objects WHERE source = s.name AND state = 'failed') f
LEFT JOIN LATERAL (SELECT ingested_at - last_modified AS lag FROM sellometer.objects
	WHERE source = s.name AND ingested_at IS NOT NULL ORDER BY ingested_at DESC LIMIT 1) l ON true
CROSS JOIN LATERAL (SELECT coalesce(pg_catalog.sum(rows_total), 0)::float8 / 60 AS rows_per_second FROM sellometer.objects
	WHERE source = s.name AND ingested_at > pg_catalog.clock_timestamp() - interval '1 minute') r
LEFT JOIN LATERAL (SELECT sellometer.shown(o.key || ': ' || o.error) AS error, o.discovered_at AS at FROM sellometer.objects o
	WHERE o.source = s.name AND o.state = 'failed' ORDER BY o.id DESC LIMIT 1) e ON true
LEFT JOIN LATERAL (SELECT sellometer.shown(o.key || ': ' || o.error) AS error, o.discovered_at AS at FROM sellometer.objects o
	WHERE o.source = s.name AND o.state IN ('pending', 'backlog') AND o.error IS NOT NULL ORDER BY o.id DESC LIMIT 1) t ON true;
COMMENT ON VIEW sellometer.status IS 'How each source is doing';
COMMENT ON COLUMN sellometer.status.source IS 'name of the source';
COMMENT ON COLUMN sellometer.status.enabled IS 'false: the source is left alone, see sellometer_enable_source()';
COMMENT ON COLUMN sellometer.status.head IS 'newest event time that this source has reached';
COMMENT ON COLUMN sellometer.status.event_lag IS 'how far the head is behind the clock';
COMMENT ON COLUMN sellometer.status.arrival_lag IS
	'from an object''s arrival in the source to its commit: the last one''s, or the age of the oldest that waits';
COMMENT ON COLUMN sellometer.status.pending_objects IS 'objects that wait to be loaded';
COMMENT ON COLUMN sellometer.status.pending_bytes IS 'their size';
COMMENT ON COLUMN sellometer.status.pending_oldest IS 'arrival of the oldest object that waits';
COMMENT ON COLUMN sellometer.status.backlog_objects IS 'late objects, which wait for sellometer_merge_backlog()';
COMMENT ON COLUMN sellometer.status.backlog_bytes IS 'their size';
COMMENT ON COLUMN sellometer.status.failed_objects IS 'see error in sellometer.objects';
COMMENT ON COLUMN sellometer.status.surge IS 'live loading gets everything, housekeeping waits';
COMMENT ON COLUMN sellometer.status.rows_per_second IS 'mean of the last minute';
COMMENT ON COLUMN sellometer.status.list_requests IS 'LIST requests made so far';
COMMENT ON COLUMN sellometer.status.listed_at IS 'when it was last listed whole; brought up to date each minute';
COMMENT ON COLUMN sellometer.status.head_of_all IS 'newest event time that all sources together have reached';
COMMENT ON COLUMN sellometer.status.views_from IS 'views before this time are no longer known one by one; NULL: all are';
COMMENT ON COLUMN sellometer.status.views_dropped IS 'number of views that are no longer known one by one';
COMMENT ON COLUMN sellometer.status.worker_pid IS 'process that loads; NULL: none runs';
COMMENT ON COLUMN sellometer.status.passed_over IS
	'what the last whole listing passed over, by reason: name (of a temporary file), link, unreadable, entry (of a list, without what an object has), size, pattern (of the source), encoding (no UTF-8)';
COMMENT ON COLUMN sellometer.status.unreadable_entries IS 'the first ten directories, files and entries of a list that could not be looked at, and why';
COMMENT ON COLUMN sellometer.status.last_error IS 'why the source can''t be listed, else the error of the last failed object, else of the last that is tried again';
COMMENT ON COLUMN sellometer.status.last_error_at IS 'when that was; of an object: when it was first listed';
COMMENT ON COLUMN sellometer.status.key_offset IS
	'added to the times in its keys, as the rows say: not zero if keys are in local time, for example';

CREATE FUNCTION sellometer.check_url(url text, server text)
RETURNS void
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_check_url';
COMMENT ON FUNCTION sellometer.check_url(text, text) IS 'An error that says what is wrong, if a URL can''t be listed';

/* The jobs, as pg_cron has them now. */
CREATE FUNCTION sellometer.check_jobs()
RETURNS TABLE (name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	problem text;
BEGIN
	BEGIN
		PERFORM sellometer.in_cron_database('SELECT 1');
	EXCEPTION WHEN OTHERS THEN
		problem := SQLERRM;
	END;
	RETURN QUERY SELECT 'pg_cron', problem IS NULL, coalesce(problem, 'installed and preloaded'),
		CASE WHEN problem IS NOT NULL THEN 'Without pg_cron nothing calls rollup, prune and backlog: install it, or CALL them from elsewhere.' END;
	IF problem IS NOT NULL THEN
		RETURN QUERY SELECT h.name, h.severity IN ('ok', 'info'), h.detail, h.hint FROM sellometer.health_jobs h;
		RETURN;
	END IF;
	RETURN QUERY
		SELECT replace(j.job, 'sellometer_', 'job '),
			j.scheduled AND j.active AND j.status IS DISTINCT FROM 'failed' OR NOT j.scheduled AND h.severity = 'ok',
			CASE WHEN NOT j.scheduled THEN h.detail ELSE concat_ws(', ', 'scheduled', CASE WHEN NOT j.active THEN 'not active' END,
				coalesce(format('last run at %s', j.last_run), 'has not run yet'), j.status, nullif(rtrim(j.message, E'\n'), '')) END,
			CASE WHEN NOT j.scheduled THEN h.hint
				WHEN NOT j.active THEN 'SELECT sellometer_schedule() renews the jobs.'
				WHEN j.status = 'failed' THEN coalesce(sellometer.jobs_cannot_run(NULL), 'See cron.job_run_details.') END
		FROM sellometer.look_at_jobs() j
		JOIN sellometer.health_jobs h ON h.name = replace(j.job, 'sellometer_', 'job ');
END
$$;
COMMENT ON FUNCTION sellometer.check_jobs() IS 'Is each job scheduled and active, and how did its last run end?  As sellometer_check() has it';

/* One invariant or precondition a row. */
CREATE FUNCTION @extschema@.sellometer_check()
RETURNS TABLE (name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	t record;
	d record;
	n bigint;
	head timestamptz := (SELECT st.head FROM sellometer.state st);
	message text;
	message_hint text;
	gone bigint[] := '{}';
BEGIN
	-- what is cheap; what is said of a source is tried below
	RETURN QUERY SELECT h.name, h.severity IN ('ok', 'info'), h.detail, h.hint FROM sellometer.health h
		WHERE h.name NOT LIKE 'job %' AND h.name NOT IN (SELECT 'source ' || sellometer.shown(x.name) FROM sellometer.sources x WHERE x.enabled OR x.restored);
	RETURN QUERY SELECT * FROM sellometer.check_jobs();

	FOR s IN SELECT * FROM sellometer.sources x WHERE x.enabled OR x.restored ORDER BY x.name LOOP
		name := 'source ' || s.name;
		IF s.restored THEN
			ok := false;
			detail := 'came with a dump of another database, and waits';
			hint := format('SELECT sellometer_enable_source(%L, true) has it loaded into this database.', s.name);
			RETURN NEXT;
			CONTINUE;
		END IF;
		detail := sellometer.owner_trouble(s.owner, s.owner_name, s.owner_login);
		hint := 'sellometer_drop_source(), and sellometer_add_source() as another role: the ledger is kept.';
		ok := detail IS NULL;
		IF NOT ok THEN
			RETURN NEXT;
			CONTINUE;
		END IF;
		detail := s.url || ' can be listed';
		hint := NULL;
		BEGIN
			PERFORM sellometer.check_url(s.url, s.server);
			gone := gone || ARRAY(SELECT o.id FROM sellometer.objects o WHERE o.source = s.name AND o.state IN ('pending', 'backlog', 'done', 'skipped')
				AND NOT EXISTS (SELECT FROM sellometer.list(s.url, s.server) l WHERE l.key = o.key AND l.etag = o.etag));
			IF s.unreadable_entries IS NOT NULL THEN
				ok := false;
				detail := format('%s can be listed, but for: %s', s.url, array_to_string(s.unreadable_entries, '; '));
				hint := 'What lies there is not loaded: let the server read it, or leave it out: sellometer_alter_source() with exclude.';
			END IF;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, message_hint = PG_EXCEPTION_HINT;
			ok := false;
			detail := message;
			hint := nullif(message_hint, '');
		END;
		RETURN NEXT;
	END LOOP;

	name := 'ledger';
	SELECT count(*) INTO n FROM sellometer.objects o
	WHERE o.rows_total <> o.rows_counted + o.rows_duplicate + o.rows_rejected + o.rows_expired;
	ok := n = 0;
	detail := CASE WHEN ok THEN 'rows of each object add up' ELSE format('rows of %s objects do not add up', n) END;
	hint := CASE WHEN NOT ok THEN 'This is a bug: please report it.' END;
	RETURN NEXT;

	name := 'failed objects';
	SELECT count(*) INTO n FROM sellometer.objects o WHERE o.state = 'failed';
	ok := n = 0;
	detail := format('%s objects have failed', n);
	hint := CASE WHEN NOT ok THEN 'See error in sellometer.objects; then sellometer_retry() or sellometer_skip().' END;
	RETURN NEXT;

	-- of those: what is counted, and of which no copy is there that bears another name
	gone := ARRAY(SELECT o.id FROM sellometer.objects o JOIN unnest(gone) g (id) USING (id)
		WHERE (o.state = 'done' OR o.resume_row > 0) AND o.rows_total > 0
		AND NOT EXISTS (SELECT FROM sellometer.objects c WHERE c.checksum = o.checksum AND c.state = 'skipped' AND NOT c.unwanted
			AND NOT EXISTS (SELECT FROM unnest(gone) x (id) WHERE x.id = c.id)));

	name := 'unreadable objects';
	SELECT count(*), string_agg(u.named, ', ' ORDER BY u.id) FILTER (WHERE u.nth <= 10) INTO n, message
	FROM (SELECT x.id, x.source || '/' || x.key AS named, row_number() OVER (ORDER BY x.id) AS nth FROM sellometer.objects x
		WHERE NOT x.lost AND (x.id = ANY (gone) OR x.id IN (SELECT r.id FROM sellometer.unreadable_objects r))) u;
	ok := n = 0;
	detail := CASE WHEN ok THEN 'no counted object is known to be gone or changed before it was archived'
		ELSE format('%s counted objects were gone or changed before they were archived: %s%s', n, message, CASE WHEN n > 10 THEN ', …' ELSE '' END) END;
	hint := CASE WHEN NOT ok THEN 'What they counted stays.  sellometer_declare_lost() has replay and replace go on without them.' END;
	RETURN NEXT;

	-- every tier holds the same counts in each dimension, and in its totals; beyond the watermark a rollup may have begun
	FOR t IN SELECT * FROM sellometer.tiers x ORDER BY x.position LOOP
		name := format('dimensions of tier %s', t.name);
		n := 0;
		FOR d IN SELECT * FROM sellometer.dimensions() LOOP
			EXECUTE format('SELECT $1 + count(*) FROM
				(SELECT event_time, event_type, sum(count) AS count, sum(gmv) AS gmv, min(count) AS least
					FROM sellometer.%I WHERE event_time < $2 GROUP BY 1, 2) a
				FULL JOIN (SELECT event_time, event_type, count, gmv FROM sellometer.totals WHERE tier = %L) b
					USING (event_time, event_type)
				WHERE a.count IS DISTINCT FROM b.count OR a.gmv IS DISTINCT FROM b.gmv OR a.least < 1',
				d.dimension || '_' || t.name, t.name) INTO n USING n, t.watermark;
		END LOOP;
		ok := n = 0;
		detail := CASE WHEN ok THEN 'all dimensions have the same sums'
			ELSE format('%s sums by time and event type differ', n) END;
		hint := CASE WHEN NOT ok THEN 'This is a bug: please report it.' END;
		RETURN NEXT;
	END LOOP;

	-- invariant 4: the rows of a coarse bucket are the sum of the finer ones, wherever both are kept whole
	FOR t IN SELECT c.name, c.granularity, f.name AS finer,
				sellometer.bucket_end(c.granularity, greatest(c.kept_from, k.floor)) AS kept_from,
				least(c.watermark, sellometer.bucket_start(c.granularity, f.watermark)) AS watermark
			FROM sellometer.tiers c JOIN sellometer.tiers f ON f.name = c.finer
			JOIN sellometer.kept() k ON k.tier = f.name ORDER BY c.position LOOP
		name := format('tier %s is the sum of %s', t.name, t.finer);
		n := 0;
		FOR d IN SELECT * FROM sellometer.dimensions() LOOP
			EXECUTE format('WITH fine AS (SELECT %1$s AS event_time, %2$I, event_type, sum(count) AS count, sum(gmv) AS gmv
					FROM sellometer.%3$I WHERE event_time >= $3 AND event_time < $2 GROUP BY 1, 2, 3),
				coarse AS (SELECT event_time, %2$I, event_type, count, gmv FROM sellometer.%4$I
					WHERE event_time >= $3 AND event_time < $2)
				SELECT $1 + count(*) FROM fine f
				FULL JOIN coarse c USING (event_time, %2$I, event_type)
				WHERE f.count IS DISTINCT FROM c.count OR f.gmv IS DISTINCT FROM c.gmv',
				sellometer.bucket_expression(t.granularity, 'event_time'), d.dimension,
				d.dimension || '_' || t.finer, d.dimension || '_' || t.name) INTO n USING n, t.watermark, t.kept_from;
		END LOOP;
		ok := n = 0;
		detail := CASE WHEN n > 0 THEN format('%s rows differ', n)
			WHEN t.watermark = '-infinity' THEN 'nothing to compare: nothing is rolled up yet'
			WHEN t.watermark <= t.kept_from THEN 'nothing to compare: no time is kept whole in both'
			ELSE format('equal from %s to %s', CASE WHEN isfinite(t.kept_from) THEN t.kept_from::text ELSE 'the beginning' END, t.watermark) END;
		hint := CASE WHEN NOT ok THEN 'This is a bug: please report it.' END;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_check() IS
	'Is all set up, and do the invariants hold?  Reads all tiers: takes a while on much data';

REVOKE ALL ON FUNCTION sellometer.wake() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_wake() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.replace_object(bigint, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.reload_object(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.where_objects_are(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.check_pattern(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.check_choice(text, text, text, text, text, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.passed_over(bigint, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.retry_objects(text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.reload_objects(text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_retry(text, text, boolean, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_skip(text, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.check_url(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.check_jobs() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_check() FROM PUBLIC;
