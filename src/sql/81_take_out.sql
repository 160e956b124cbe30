/* What was counted and should not have been, and what was counted and can't be read any more. */
CREATE FUNCTION @extschema@.sellometer_unload(source text, key text)
RETURNS bigint
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_unload';
COMMENT ON FUNCTION @extschema@.sellometer_unload(text, text) IS
	'Take out of all sums what an object has counted, in one transaction; it is skipped from then on.  Gives the number of rows';

CREATE PROCEDURE @extschema@.sellometer_unload_in_steps(source text, key text)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_unload_in_steps';
COMMENT ON PROCEDURE @extschema@.sellometer_unload_in_steps(text, text) IS
	'Likewise, a million rows at a time, each committed: for large objects, so that loading goes on meanwhile';

/*
 * An object is out that had moved the head to some time.  What others have reached is what there is now: what is late or final follows
 * from that.  Behind the last event of all nothing was ever dropped or refused, so from there on everything is kept again, whatever was
 * pruned in the belief that time had gone on.
 */
CREATE FUNCTION sellometer.take_back_head(source text, moved_to timestamptz, lateness interval)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reached timestamptz;
	behind timestamptz;
BEGIN
	UPDATE sellometer.sources s SET head = (SELECT max(o.head) FROM sellometer.objects o WHERE o.source = s.name)
	WHERE s.name = take_back_head.source AND s.head <= moved_to;
	IF EXISTS (SELECT FROM sellometer.state st WHERE st.head > moved_to) THEN
		RETURN;
	END IF;
	SELECT greatest(max(o.head), max(st.forgotten_head)),
		coalesce(greatest(max(o.last_event), max(st.forgotten_until)) + interval '1 microsecond', '-infinity')
	INTO reached, behind FROM sellometer.state st LEFT JOIN sellometer.objects o ON true;
	IF reached >= moved_to THEN
		RETURN;
	END IF;
	INSERT INTO sellometer.cart_changes VALUES ('-infinity');
	UPDATE sellometer.state st SET head = reached, carts_from = least(st.carts_from, behind),
		views_from = CASE WHEN st.views_from IS NOT NULL THEN least(st.views_from, behind) END;
	UPDATE sellometer.tiers t SET kept_from = sellometer.bucket_end(t.granularity, behind, t.zone) WHERE t.kept_from > behind;
	UPDATE sellometer.objects o SET state = 'pending'
	WHERE o.state = 'backlog' AND (o.object_time >= reached - lateness OR reached IS NULL);
	PERFORM sellometer.wake();
END
$$;
COMMENT ON FUNCTION sellometer.take_back_head(text, timestamptz, interval) IS
	'Have the head be where the objects that are still counted have moved it, after one was taken out';

CREATE FUNCTION sellometer.object_problem(object bigint)
RETURNS text
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_object_problem';
COMMENT ON FUNCTION sellometer.object_problem(bigint) IS
	'Why an object, by its id in sellometer.objects, or the archive that it is in, is gone; NULL: it is there';

CREATE FUNCTION sellometer.list(url text, server text)
RETURNS TABLE (key text, size bigint, etag text, last_modified timestamptz)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_list';
COMMENT ON FUNCTION sellometer.list(text, text) IS 'What sellometer_list() is, for the extension''s own functions';

CREATE VIEW sellometer.unreadable_objects AS
SELECT o.source, o.key, o.id,
	CASE WHEN l.id IS NOT NULL THEN 'overwritten before it was archived' ELSE o.error END AS problem,
	greatest(o.rows_total, o.resume_row) AS rows,
	o.first_event,
	o.last_event
FROM sellometer.objects o
LEFT JOIN LATERAL (SELECT l.id FROM sellometer.objects l
	WHERE l.source = o.source AND l.key = o.key AND l.id > o.id AND l.state = 'failed' LIMIT 1) l ON true
WHERE o.id IN (
		SELECT d.id FROM sellometer.objects d WHERE d.state = 'done' AND d.error IS NOT NULL AND NOT d.lost AND d.unloaded_rows = 0
		UNION ALL
		SELECT d.id FROM sellometer.objects f JOIN sellometer.objects d ON d.source = f.source AND d.key = f.key AND d.id < f.id
		WHERE f.state = 'failed' AND (d.state = 'done' OR d.resume_row > 0) AND NOT d.lost);
COMMENT ON VIEW sellometer.unreadable_objects IS
	'Counted objects that were found gone or changed before they were archived, and have not been declared lost';
COMMENT ON COLUMN sellometer.unreadable_objects.source IS 'name of the source';
COMMENT ON COLUMN sellometer.unreadable_objects.key IS 'the object''s name behind the source''s url';
COMMENT ON COLUMN sellometer.unreadable_objects.id IS 'of its row in sellometer.objects';
COMMENT ON COLUMN sellometer.unreadable_objects.problem IS 'why it can''t be read';
COMMENT ON COLUMN sellometer.unreadable_objects.rows IS 'rows of it that were loaded';
COMMENT ON COLUMN sellometer.unreadable_objects.first_event IS 'earliest time of its rows';
COMMENT ON COLUMN sellometer.unreadable_objects.last_event IS 'latest time of its rows';

CREATE FUNCTION @extschema@.sellometer_declare_lost(source text, key text, lost boolean DEFAULT true,
	OUT rows bigint, OUT first_event timestamptz, OUT last_event timestamptz, OUT meaning text)
RETURNS record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o sellometer.objects;
	problem text;
BEGIN
	SELECT * INTO o FROM sellometer.objects x
	WHERE x.source = sellometer_declare_lost.source AND x.key = sellometer_declare_lost.key
		AND (x.state IN ('done', 'archived') OR x.resume_row > 0) FOR UPDATE;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('nothing of an object "%s" of source "%s" is counted', key, source),
			HINT = sellometer.where_objects_are(source, key);
	END IF;
	problem := sellometer.object_problem(o.id);
	IF lost AND problem IS NULL THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('object "%s" is not lost: it can be read', key);
	ELSIF NOT lost AND problem IS NOT NULL THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('object "%s" can''t be read', key), DETAIL = problem;
	END IF;
	UPDATE sellometer.objects x SET lost = sellometer_declare_lost.lost,
		state = CASE WHEN x.state IN ('done', 'archived') OR NOT sellometer_declare_lost.lost THEN x.state ELSE 'skipped' END
	WHERE x.id = o.id;
	rows := greatest(o.rows_total, o.resume_row);
	first_event := o.first_event;
	last_event := o.last_event;
	meaning := CASE WHEN lost
		THEN format('%s rows stay counted as they are; replay leaves alone the minutes from %s to %s, and coarser buckets that they are in; '
			'replace and unload of others go on, and say what may not be exact', rows, sellometer.shop_time(o.first_event), sellometer.shop_time(o.last_event))
		ELSE 'it is read again where it is needed' END;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_declare_lost(text, text, boolean) IS
	'Have the rows of a counted object that is gone or changed stay as they are, and go on without it; says what that means';

/*
 * How many of these carts an object whose bytes are gone may tell something of: it has rows from first to last.  Events that are no views
 * are in a tier by product; what is left there without those that are the caller's own, and those that other carts show, may be its.
 */
CREATE FUNCTION sellometer.carts_shared(sessions text[], products bigint[], own_minutes timestamptz[], own_products bigint[],
	own_counts bigint[], first timestamptz, last timestamptz, users bigint[], user_products bigint[])
RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	n bigint;
BEGIN
	SELECT x.name, sellometer.bucket_start(x.granularity, first, x.zone) AS from_time,
		sellometer.bucket_end(x.granularity, last + interval '1 microsecond', x.zone) AS to_time INTO t FROM sellometer.tiers x
	WHERE x.kept_from <= sellometer.bucket_start(x.granularity, first, x.zone) AND x.watermark > last
	ORDER BY x.position LIMIT 1;
	IF NOT FOUND THEN
		RETURN greatest(
			(SELECT count(*) FROM unnest(sessions, products) u (user_session, product_id)
			JOIN sellometer.carts c USING (user_session, product_id) WHERE greatest(c.cart_at, c.removed_at, c.purchased_at) >= first),
			(SELECT count(*) FROM unnest(users, user_products) u (user_id, product_id) WHERE EXISTS (SELECT FROM sellometer.user_cart_times c
				WHERE c.user_id = u.user_id AND c.product_id = u.product_id AND greatest(c.removed_at, c.purchased_at) >= first)));
	END IF;
	EXECUTE format('WITH keys AS MATERIALIZED (
			SELECT * FROM unnest($1, $2) u (user_session, product_id)
		), ours AS MATERIALIZED (
			SELECT ''session'' AS whose, k.product_id FROM keys k JOIN sellometer.carts c USING (user_session, product_id)
			WHERE greatest(c.cart_at, c.removed_at, c.purchased_at) >= $6
			UNION ALL
			SELECT ''user'', u.product_id FROM unnest($9, $10) u (user_id, product_id) WHERE EXISTS (SELECT FROM sellometer.user_cart_times c
				WHERE c.user_id = u.user_id AND c.product_id = u.product_id AND greatest(c.removed_at, c.purchased_at) >= $6)
		), there AS MATERIALIZED (
			SELECT product_id, sum(count) AS n FROM sellometer.%I
			WHERE event_time >= $7 AND event_time < $8 AND event_type <> ''view'' AND product_id IN (SELECT product_id FROM ours) GROUP BY 1
		), own AS (
			SELECT u.product_id, sum(u.n) AS n FROM unnest($3, $4, $5) u (minute, product_id, n)
			WHERE u.minute >= $7 AND u.minute < $8 GROUP BY 1
		), others AS (
			SELECT c.product_id, sum((c.cart_at >= $7 AND c.cart_at < $8)::integer) AS carts,
				sum((c.removed_at >= $7 AND c.removed_at < $8)::integer) AS removals,
				sum((c.purchased_at >= $7 AND c.purchased_at < $8)::integer) AS purchases
			FROM sellometer.carts c WHERE c.product_id IN (SELECT product_id FROM there)
				AND NOT EXISTS (SELECT FROM keys k WHERE (k.user_session, k.product_id) = (c.user_session, c.product_id))
			GROUP BY 1
		)
		SELECT greatest(count(*) FILTER (WHERE whose = ''session''), count(*) FILTER (WHERE whose = ''user''))
		FROM ours JOIN there USING (product_id) LEFT JOIN own USING (product_id) LEFT JOIN others USING (product_id)
		WHERE there.n > coalesce(own.n, 0) + coalesce(others.carts, 0) + coalesce(others.removals, 0) + coalesce(others.purchases, 0)',
		'product_id_' || t.name) INTO n USING sessions, products, own_minutes, own_products, own_counts, first, t.from_time, t.to_time,
		users, user_products;
	RETURN n;
END
$$;
COMMENT ON FUNCTION sellometer.carts_shared(text[], bigint[], timestamptz[], bigint[], bigint[], timestamptz, timestamptz, bigint[], bigint[]) IS
	'How many of these carts, of sessions or of users, may also be told of by an object that can''t be read, with rows in a span of time';

/*
 * As sellometer.forget_offers(), where some objects that may be in these rows can't be read: accounted for are the events given, by minute;
 * the rest stays.  When it was first and last seen is known only as well as the span of those objects.
 */
CREATE FUNCTION sellometer.forget_offers_but(minutes timestamptz[], products bigint[], event_types text[], prices numeric[],
	categories text[], counts bigint[], first timestamptz, last timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.fold_offers();
	WITH events AS MATERIALIZED (
		SELECT u.product_id, (u.minute AT TIME ZONE 'UTC')::date AS day, u.minute, u.event_type, u.price, u.category, sum(u.n) AS n
		FROM unnest(minutes, products, event_types::sellometer.event_type[], prices, categories, counts)
			u (minute, product_id, event_type, price, category, n)
		GROUP BY 1, 2, 3, 4, 5, 6
	), days AS MATERIALIZED (
		SELECT product_id, day, event_type, price, category, sum(n) AS n FROM events GROUP BY 1, 2, 3, 4, 5
	), kept AS (
		UPDATE sellometer.offer_history h SET count = h.count - d.n, first_seen = least(greatest(h.first_seen, first), h.last_seen),
			last_seen = greatest(least(h.last_seen, last), h.first_seen)
		FROM days d WHERE (h.product_id, h.day, h.event_type, h.price, h.category) = (d.product_id, d.day, d.event_type, d.price, d.category)
			AND h.count > d.n
	), gone AS (
		DELETE FROM sellometer.offer_history h USING days d
		WHERE (h.product_id, h.day, h.event_type, h.price, h.category) = (d.product_id, d.day, d.event_type, d.price, d.category)
			AND h.count <= d.n
	), sales AS MATERIALIZED (
		SELECT product_id, minute, price, category, n FROM events WHERE event_type = 'purchase'
	), kept_sales AS (
		UPDATE sellometer.recent_sales r SET count = r.count - s.n FROM sales s
		WHERE (r.product_id, r.minute, r.price, r.category) = (s.product_id, s.minute, s.price, s.category) AND r.count > s.n
	)
	DELETE FROM sellometer.recent_sales r USING sales s
	WHERE (r.product_id, r.minute, r.price, r.category) = (s.product_id, s.minute, s.price, s.category) AND r.count <= s.n;
	PERFORM sellometer.count_sold(products);
END
$$;
COMMENT ON FUNCTION sellometer.forget_offers_but(timestamptz[], bigint[], text[], numeric[], text[], bigint[], timestamptz, timestamptz) IS
	'Take these events out of rows of offers, of which some may hold more';

REVOKE ALL ON FUNCTION @extschema@.sellometer_unload(text, text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_unload_in_steps(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_declare_lost(text, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.take_back_head(text, timestamptz, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.list(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.object_problem(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.carts_shared(text[], bigint[], timestamptz[], bigint[], bigint[], timestamptz, timestamptz, bigint[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.forget_offers_but(timestamptz[], bigint[], text[], numeric[], text[], bigint[], timestamptz, timestamptz) FROM PUBLIC;
