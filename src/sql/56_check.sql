/* Is all as it should be? */
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
				coalesce(format('last run at %s', sellometer.moment(j.last_run)), 'has not run yet'), j.status, nullif(rtrim(j.message, E'\n'), '')) END,
			CASE WHEN NOT j.scheduled THEN h.hint
				WHEN NOT j.active THEN 'SELECT sellometer_schedule() renews the jobs.'
				WHEN j.status = 'failed' THEN coalesce(sellometer.jobs_cannot_run(NULL), 'See cron.job_run_details.') END
		FROM sellometer.look_at_jobs() j
		JOIN sellometer.health_jobs h ON h.name = replace(j.job, 'sellometer_', 'job ');
END
$$;
COMMENT ON FUNCTION sellometer.check_jobs() IS 'Is each job scheduled and active, and how did its last run end?  As sellometer_check() has it';

/* One invariant or precondition a row. */
/* Keys whose sums over all that is kept differ by segments and by rows. */
CREATE FUNCTION sellometer.count_wrong_segments()
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	n bigint := 0;
	t record;
BEGIN
	FOR t IN SELECT d.dimension, e AS event_type, string_agg(format('SELECT %I::text AS key, count, gmv FROM sellometer.%I
				WHERE event_type = %L AND event_time >= %L AND event_time < %L', d.dimension, d.dimension || '_' || p.tier, e, p.piece_from, p.piece_to),
			' UNION ALL ') AS rows_sql
			FROM sellometer.dimensions() d, unnest(enum_range(NULL::sellometer.event_type)) e, sellometer.pieces('-infinity', 'infinity', NULL, own => true) p GROUP BY 1, 2 LOOP
		EXECUTE format('SELECT $1 + count(*) FROM (SELECT key, sum(count) AS count, sum(gmv) AS gmv FROM (%s) x GROUP BY 1) a
			FULL JOIN sellometer.sums(%L, %L, ''-infinity'', ''infinity'', NULL, NULL, NULL, true) b ON b.key = a.key
			WHERE a.count IS DISTINCT FROM b.count OR a.gmv IS DISTINCT FROM b.gmv', t.rows_sql, t.dimension, t.event_type) INTO n USING n;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION sellometer.count_wrong_segments() IS 'How many keys have other sums by segments than by rows';
REVOKE ALL ON FUNCTION sellometer.count_wrong_segments() FROM PUBLIC;

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
				-- NOT IN, as that is looked up in a hash table, however few objects the planner thinks there are
				AND (o.key, o.etag) NOT IN (SELECT l.key, l.etag FROM sellometer.list(s.url, s.server) l WHERE l.key IS NOT NULL AND l.etag IS NOT NULL));
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
	WHERE o.rows_total <> o.rows_counted + o.rows_duplicate + o.rows_rejected + o.rows_expired + o.rows_elsewhere;
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
		WHERE NOT x.lost AND (x.id IN (SELECT unnest(gone)) OR x.id IN (SELECT r.id FROM sellometer.unreadable_objects r))) u;
	ok := n = 0;
	detail := CASE WHEN ok THEN 'no counted object is known to be gone or changed before it was archived'
		ELSE format('%s counted objects were gone or changed before they were archived: %s%s', n, message, CASE WHEN n > 10 THEN ', …' ELSE '' END) END;
	hint := CASE WHEN NOT ok THEN 'What they counted stays.  sellometer_declare_lost() has replay and replace go on without them.' END;
	RETURN NEXT;

	-- every tier holds the same counts in each dimension, and in its totals; beyond the watermark a rollup may have begun, and before
	-- a dimension of one's own was added it has no more
	FOR t IN SELECT * FROM sellometer.tiers x ORDER BY x.position LOOP
		name := format('dimensions of tier %s', t.name);
		n := 0;
		FOR d IN SELECT * FROM sellometer.dimensions() LOOP
			EXECUTE format('SELECT $1 + count(*) FROM
				(SELECT event_time, event_type, sum(count) AS count, sum(gmv) AS gmv, min(count) AS least
					FROM sellometer.%I WHERE event_time < $2 GROUP BY 1, 2) a
				FULL JOIN (SELECT event_time, event_type, count, gmv FROM sellometer.totals WHERE tier = %L) b
					USING (event_time, event_type)
				WHERE (a.count IS DISTINCT FROM b.count OR a.gmv IS DISTINCT FROM b.gmv OR a.least < 1) AND event_time >= $3
					OR a.least < 1 OR a.count > b.count OR a.gmv > b.gmv OR b.count IS NULL',
				d.dimension || '_' || t.name, t.name) INTO n USING n, t.watermark, d.since;
		END LOOP;
		ok := n = 0;
		detail := CASE WHEN ok THEN 'all dimensions have the same sums'
			ELSE format('%s sums by time and event type differ', n) END;
		hint := CASE WHEN NOT ok THEN 'This is a bug: please report it.' END;
		RETURN NEXT;
	END LOOP;

	-- no other keys of one's own than were admitted
	IF EXISTS (SELECT FROM sellometer.dimensions) THEN
		name := 'keys of own dimensions';
		SELECT count(*) INTO n FROM sellometer.dimensions x
		WHERE (SELECT count(*) FROM sellometer.dimension_keys k WHERE k.dimension_id = x.id AND NOT k.given) > x.max_keys;
		FOR t IN SELECT x.id, x.dimension, y.name FROM sellometer.dimensions x, sellometer.tiers y LOOP
			EXECUTE format('SELECT $1 + count(*) FROM (SELECT DISTINCT %1$I AS key FROM sellometer.%2$I) r
				WHERE NOT EXISTS (SELECT FROM sellometer.dimension_keys k WHERE k.dimension_id = $2 AND k.key = r.key)', t.dimension, t.dimension || '_' || t.name) INTO n USING n, t.id;
		END LOOP;
		ok := n = 0;
		detail := CASE WHEN ok THEN 'tables have the keys that were admitted, and no more of these than there may be' ELSE format('tables have %s keys that were not admitted, or too many were', n) END;
		hint := CASE WHEN NOT ok THEN 'This is a bug: please report it.' END;
		RETURN NEXT;
	END IF;

	-- what is added up quickly is what the rows add up to, key by key
	name := 'segments';
	-- once more if something differs: what the tiers keep may have changed between the statements
	FOR i IN 1 .. 3 LOOP
		n := sellometer.count_wrong_segments();
		EXIT WHEN n = 0;
	END LOOP;
	ok := n = 0;
	detail := CASE WHEN ok THEN 'segments have what the rows of the tiers have' ELSE format('sums of %s keys differ from those of their rows', n) END;
	hint := CASE WHEN NOT ok THEN 'This is a bug: please report it.  DELETE FROM sellometer.segments, likewise from sellometer.dimension_segments, and CALL sellometer_rollup() make them anew.' END;
	RETURN NEXT;

	-- sessions, buyers and orders are what is known of sessions
	IF EXISTS (SELECT FROM sellometer.visit_state) THEN
		name := 'visits';
		FOR i IN 1 .. 3 LOOP
			n := sellometer.wrong_visits();
			EXIT WHEN n = 0;
		END LOOP;
		ok := n = 0;
		detail := CASE WHEN ok THEN 'counts of sessions, buyers and orders are those of what is known of sessions' ELSE format('%s counts of sessions, buyers and orders differ', n) END;
		hint := CASE WHEN NOT ok THEN 'This is a bug: please report it.' END;
		RETURN NEXT;
	END IF;

	-- days that others would expect to be other days
	IF EXISTS (SELECT FROM sellometer.tiers x WHERE x.zone IS NOT NULL) THEN
		name := 'time zone of days';
		message := coalesce(nullif(current_setting('sellometer.timezone', true), ''), 'UTC');
		ok := lower(message) = lower(sellometer.day_zone());
		detail := CASE WHEN ok THEN format('days, weeks and months are those of %s', sellometer.day_zone())
			ELSE format('sellometer.timezone is %s, and tiers have days of %s', message, sellometer.day_zone()) END;
		hint := CASE WHEN NOT ok THEN 'The tiers stay as they are.  Set it back, or drop tiers of days, weeks and months and add them again.' END;
		RETURN NEXT;
	END IF;

	-- invariant 4: the rows of a coarse bucket are the sum of the finer ones, wherever both are kept whole
	FOR t IN SELECT c.name, c.granularity, c.zone, f.name AS finer,
				sellometer.bucket_end(c.granularity, greatest(c.kept_from, k.floor), c.zone) AS kept_from,
				least(c.watermark, sellometer.bucket_start(c.granularity, f.watermark, c.zone)) AS watermark
			FROM sellometer.tiers c JOIN sellometer.tiers f ON f.name = c.finer
			JOIN sellometer.held(true) k ON k.tier = f.name ORDER BY c.position LOOP
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
				sellometer.bucket_expression(t.granularity, 'event_time', t.zone), d.dimension,
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
