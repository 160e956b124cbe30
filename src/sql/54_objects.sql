/* Objects one by one, or chosen by a pattern: looked for now, loaded again, put aside. */
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

/* What of it other nodes have counted a node does not know; and all must say the same of another content under its key. */
CREATE FUNCTION sellometer.counted_nothing(o sellometer.objects)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o.rows_counted = 0 AND (o.rows_total = 0 OR o.own_slice OR NOT EXISTS (SELECT FROM sellometer.state s WHERE s.slice LIKE '%/%'))
$$;
COMMENT ON FUNCTION sellometer.counted_nothing(sellometer.objects) IS 'Is it sure that no row of it counts, on no node?  Then a later content makes it give way';
REVOKE ALL ON FUNCTION sellometer.counted_nothing(sellometer.objects) FROM PUBLIC;

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
				AND (x.state IN ('done', 'archived') OR x.resume_row > 0) AND NOT sellometer.counted_nothing(x)) AS changed
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

/* Of rejected rows only slice 0 has the number (but for sku_taken); which they are the others know too, as some may be theirs. */
CREATE FUNCTION sellometer.has_left_out(o sellometer.objects)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o.rows_rejected + o.rows_expired > 0 OR (o.rows_elsewhere > 0 AND EXISTS (SELECT FROM sellometer.state s WHERE s.slice !~ '^0/')
		AND (o.state = 'archived' OR EXISTS (SELECT FROM sellometer.refused_rows r WHERE r.object_id = o.id)))
$$;
COMMENT ON FUNCTION sellometer.has_left_out(sellometer.objects) IS 'Are there rows of it that were rejected or expired, of whatever slice?';
REVOKE ALL ON FUNCTION sellometer.has_left_out(sellometer.objects) FROM PUBLIC;

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
			WHERE x.source = reload_objects.source AND x.state = reload_objects.state AND sellometer.has_left_out(x)
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
		AND (x.state IN ('done', 'archived') OR x.resume_row > 0) AND NOT sellometer.counted_nothing(x) FOR UPDATE;
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
	IF o.state IN ('done', 'archived') AND sellometer.has_left_out(o) THEN
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
		EXECUTE format('SELECT %s.sellometer_unload($1, $2)', sellometer.functions_schema()) USING source, key;
		RETURN 1;
	ELSIF o.resume_row > 0 THEN
		EXECUTE format('SELECT l.meaning FROM %s.sellometer_declare_lost($1, $2, true) l', sellometer.functions_schema()) INTO meaning USING source, key;
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
