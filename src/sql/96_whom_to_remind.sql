/*
 * Whom to remind: sellometer_remind() looks at what can be due, and at nothing else.
 *
 *   carts by the time of their last cart event -->                      looked_to                 head - sellometer.cart_timeout
 *        too long ago    |  looked_from: each was given out, or its person  |  to be looked at, the oldest     |  not left yet
 *                        |  stands in reminder_revisits                     |  first, until n people are found |
 *
 * looked_to goes back to the earliest time that stands in cart_changes: loading appends one for each batch with carts, and one before all
 * times where rows were taken out.  So it is right whatever comes late, and nobody waits for anybody to write it.
 */
CREATE TABLE sellometer.cart_changes (
	cart_at		timestamptz NOT NULL
);
-- without a key, rows are published whole
ALTER TABLE sellometer.cart_changes REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.cart_changes IS
	'What sellometer_remind() has not heard of yet: one row a batch; -infinity: it looks at all carts again';
COMMENT ON COLUMN sellometer.cart_changes.cart_at IS 'earliest time at which something was put into a cart, of the carts that have changed';

CREATE TABLE sellometer.reminder_progress (
	looked_from	timestamptz NOT NULL,
	looked_to	timestamptz NOT NULL
);
ALTER TABLE sellometer.reminder_progress REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.reminder_progress IS
	'What sellometer_remind() need not look at again: carts of a span of time, but for those of people in sellometer.reminder_revisits; at most one row';
COMMENT ON COLUMN sellometer.reminder_progress.looked_from IS 'begin of the span, by cart_at';
COMMENT ON COLUMN sellometer.reminder_progress.looked_to IS 'its end, which does not belong to it';

CREATE TABLE sellometer.reminder_revisits (
	user_id			bigint,
	user_session	text COLLATE "C",
	told_at			timestamptz NOT NULL
);
CREATE INDEX reminder_revisits_told ON sellometer.reminder_revisits (told_at);
ALTER TABLE sellometer.reminder_revisits REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.reminder_revisits IS
	'People who have left something that sellometer_remind() has looked at and not given out: in sellometer.reminder_pause, who opted out, or whose reminder was withdrawn';
COMMENT ON COLUMN sellometer.reminder_revisits.user_id IS 'user; NULL: a guest';
COMMENT ON COLUMN sellometer.reminder_revisits.user_session IS 'the guest''s session; NULL: a user';
COMMENT ON COLUMN sellometer.reminder_revisits.told_at IS 'when they had their last reminder: they are looked at again when sellometer.reminder_pause after it is over';

/* Appends, as whoever else does: so nobody waits. */
CREATE FUNCTION sellometer.look_again(person bigint, guest text, told timestamptz)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO sellometer.reminder_revisits (user_id, user_session, told_at) VALUES (person, guest, told)
$$;
COMMENT ON FUNCTION sellometer.look_again(bigint, text, timestamptz) IS 'Have sellometer_remind() look at a person''s carts again';

CREATE VIEW sellometer.carts_in_no_reminder AS
	SELECT c.user_id, c.user_session, c.product_id, c.price, c.since,
		CASE WHEN c.user_id IS NULL THEN c.user_session END AS guest
	FROM sellometer.own_left_in_cart c
	WHERE NOT EXISTS (SELECT FROM sellometer.reminder_items i
			WHERE i.user_session = c.user_session AND i.product_id = c.product_id
				-- later, to the guest: of a cart event that was taken out since
				AND (i.since = c.since OR i.since > c.since AND i.user_id IS NULL AND c.user_id IS NULL))
		-- the same product in two sessions of a user is one, since it was last put into a cart
		AND NOT EXISTS (SELECT FROM sellometer.reminder_items i
			WHERE i.user_id = c.user_id AND i.product_id = c.product_id AND i.since >= c.since);
COMMENT ON VIEW sellometer.carts_in_no_reminder IS 'What is left in carts and was in no reminder';
COMMENT ON COLUMN sellometer.carts_in_no_reminder.guest IS 'the session, if there is no user';

CREATE VIEW sellometer.carts_to_remind AS
	SELECT c.* FROM sellometer.carts_in_no_reminder c
	WHERE NOT EXISTS (SELECT FROM sellometer.reminder_opt_outs o WHERE o.user_id = c.user_id);
COMMENT ON VIEW sellometer.carts_to_remind IS
	'What is left in carts and was in no reminder, but of users who want none; to be given out when pause and quiet hours are over';
COMMENT ON COLUMN sellometer.carts_to_remind.guest IS 'the session, if there is no user';

/* What of the carts of these people is to be given out: of a product in several sessions of a user, the last. */
CREATE FUNCTION sellometer.carts_of_people(users bigint[], guests text[], since timestamptz)
RETURNS SETOF sellometer.carts_in_no_reminder
LANGUAGE sql STABLE ROWS 500
SET search_path = pg_catalog, pg_temp
SET jit = off
SET join_collapse_limit = 20
SET from_collapse_limit = 20
AS $$
	WITH theirs AS MATERIALIZED (
		SELECT c.user_session, c.product_id FROM unnest(users) u (user_id) JOIN sellometer.carts c USING (user_id)
		WHERE c.user_id IS NOT NULL AND c.cart_at >= since AND c.cart_at IS NOT NULL AND (c.removed_at IS NULL OR c.cart_at > c.removed_at)
			AND (c.purchased_at IS NULL OR c.cart_at > c.purchased_at)
		UNION ALL
		SELECT c.user_session, c.product_id FROM unnest(guests) g (user_session) JOIN sellometer.carts c USING (user_session) WHERE c.user_id IS NULL
	)
	SELECT DISTINCT ON (c.user_id, c.guest, c.product_id) c.*
	FROM theirs t JOIN sellometer.carts_in_no_reminder c USING (user_session, product_id)
	WHERE c.since >= carts_of_people.since
	ORDER BY c.user_id, c.guest, c.product_id, c.since DESC, c.user_session
$$;
COMMENT ON FUNCTION sellometer.carts_of_people(bigint[], text[], timestamptz) IS 'What these users, and guests'' sessions, left since a time and is in no reminder';

/* Who wants none, has a reminder on the way, or had one within sellometer.reminder_pause is not due. */
CREATE FUNCTION sellometer.judged_people(users bigint[], guests text[], since timestamptz, at_time timestamptz)
RETURNS TABLE (user_id bigint, guest text, since timestamptz, due boolean, told_at timestamptz)
LANGUAGE sql STABLE ROWS 500
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
	WITH people AS MATERIALIZED (
		SELECT c.user_id, c.guest, min(c.since) AS since FROM sellometer.carts_of_people($1, $2, $3) c GROUP BY c.user_id, c.guest
	)
	SELECT p.user_id, p.guest, p.since, NOT coalesce(r.on_the_way, false) AND coalesce(r.told_at + sellometer.reminder_pause() <= $4, true)
		AND NOT EXISTS (SELECT FROM sellometer.reminder_opt_outs o WHERE o.user_id = p.user_id), coalesce(r.told_at, '-infinity')
	FROM people p CROSS JOIN LATERAL (
		SELECT bool_or(x.state IN ('waiting', 'sending')) AS on_the_way, max(coalesce(x.sent_at, x.sending_at, x.reminded_at)) AS told_at
		FROM (SELECT u.* FROM sellometer.reminders u WHERE u.user_id = p.user_id
			UNION ALL SELECT g.* FROM sellometer.reminders g WHERE g.user_session = p.guest) x
		WHERE x.state <> 'withdrawn') r
$$;
COMMENT ON FUNCTION sellometer.judged_people(bigint[], text[], timestamptz, timestamptz) IS
	'Of these users, and guests'' sessions, those who left something since a time that is in no reminder: since when, are they to be reminded now, and when they were last';

/* People of the oldest carts from a time on.  So many carts, NULL: all; upto: that of the last. */
CREATE FUNCTION sellometer.people_of_carts(from_time timestamptz, until timestamptz, n bigint,
	OUT users bigint[], OUT guests text[], OUT carts bigint, OUT upto timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET join_collapse_limit = 20
SET from_collapse_limit = 20
AS $$
BEGIN
	-- planned for these times and this number
	EXECUTE format('
		WITH oldest AS MATERIALIZED (
			SELECT c.user_session, c.product_id, c.cart_at FROM sellometer.carts c
			WHERE c.cart_at >= $1 AND c.cart_at <= $2 AND c.cart_at IS NOT NULL AND (c.removed_at IS NULL OR c.cart_at > c.removed_at)
				AND (c.purchased_at IS NULL OR c.cart_at > c.purchased_at)
			ORDER BY c.cart_at LIMIT %s
		), people AS MATERIALIZED (
			SELECT DISTINCT c.user_id, c.guest FROM oldest JOIN sellometer.carts_in_no_reminder c USING (user_session, product_id)
		)
		SELECT (SELECT array_agg(p.user_id) FROM people p WHERE p.user_id IS NOT NULL),
			(SELECT array_agg(p.guest) FROM people p WHERE p.guest IS NOT NULL), count(*), max(o.cart_at) FROM oldest o', coalesce(n::text, 'ALL'))
	INTO users, guests, carts, upto USING from_time, until;
END
$$;
COMMENT ON FUNCTION sellometer.people_of_carts(timestamptz, timestamptz, bigint) IS
	'Users, and guests'' sessions, of the oldest carts of a span of time, of those that are in no reminder; how many carts that were, and the last one''s time';

/* Whoever calls this holds the detector's row, or two would look at the same. */
CREATE FUNCTION sellometer.people_to_remind(n integer, since timestamptz, at_time timestamptz, OUT users bigint[], OUT guests text[])
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	head timestamptz := (SELECT s.head FROM sellometer.state s);
	until timestamptz := head - sellometer.cart_timeout();
	first timestamptz := greatest(since, head - sellometer.cart_retention());
	changed timestamptz;
	again_users bigint[];
	again_guests text[];
	most bigint := n::bigint * 4 + 100;
	progress sellometer.reminder_progress;
	new record;
	judged record;
BEGIN
	IF since > until OR since IS NULL OR head IS NULL THEN
		RETURN;
	END IF;
	-- before carts are read: what changes after that is heard of the next time
	WITH heard AS (DELETE FROM sellometer.cart_changes RETURNING cart_at) SELECT min(h.cart_at) INTO changed FROM heard h;
	WITH over AS (DELETE FROM sellometer.reminder_revisits v WHERE v.told_at <= at_time - sellometer.reminder_pause() RETURNING *)
	SELECT array_agg(DISTINCT o.user_id) FILTER (WHERE o.user_id IS NOT NULL), array_agg(DISTINCT o.user_session) FILTER (WHERE o.user_id IS NULL)
	INTO again_users, again_guests FROM over o;
	SELECT * INTO progress FROM sellometer.reminder_progress;
	IF progress IS NULL OR progress.looked_from > first THEN
		progress.looked_to := first;
	END IF;
	progress.looked_from := first;
	progress.looked_to := greatest(least(progress.looked_to, changed), first);
	LOOP
		SELECT * INTO new FROM sellometer.people_of_carts(progress.looked_to, until, most);
		SELECT array_agg(j.user_id) AS users, array_agg(j.guest) AS guests, array_agg(j.since) AS times, array_agg(j.due) AS due, array_agg(j.told_at) AS told,
			count(*) FILTER (WHERE j.due AND j.since <= new.upto) AS n		-- of others, somebody may have left something before
		INTO judged FROM sellometer.judged_people(
			ARRAY(SELECT unnest(new.users) UNION SELECT unnest(again_users)), ARRAY(SELECT unnest(new.guests) UNION SELECT unnest(again_guests)), first, at_time) j;
		EXIT WHEN judged.n >= n OR most IS NULL OR new.carts < most;
		most := CASE WHEN most < 100000 THEN most * 4 END;
	END LOOP;
	WITH people AS MATERIALIZED (
		SELECT j.user_id, j.guest, j.since, j.due, j.told_at
		FROM unnest(judged.users, judged.guests, judged.times, judged.due, judged.told) j (user_id, guest, since, due, told_at)
	), next AS MATERIALIZED (
		SELECT p.user_id, p.guest FROM people p WHERE p.due ORDER BY p.since, p.user_id, p.guest LIMIT n
	), others AS MATERIALIZED (
		SELECT p.* FROM people p WHERE (p.user_id IS NULL OR p.user_id NOT IN (SELECT x.user_id FROM next x WHERE x.user_id IS NOT NULL))
			AND (p.guest IS NULL OR p.guest NOT IN (SELECT x.guest FROM next x WHERE x.guest IS NOT NULL))
	), kept AS (
		INSERT INTO sellometer.reminder_revisits (user_id, user_session, told_at) SELECT o.user_id, o.guest, o.told_at FROM others o
	)
	SELECT array_agg(x.user_id) FILTER (WHERE x.user_id IS NOT NULL), array_agg(x.guest) FILTER (WHERE x.guest IS NOT NULL) INTO users, guests FROM next x;
	progress.looked_to := CASE WHEN new.carts = most THEN new.upto ELSE until END;
	DELETE FROM sellometer.reminder_progress;
	INSERT INTO sellometer.reminder_progress SELECT progress.*;
END
$$;
COMMENT ON FUNCTION sellometer.people_to_remind(integer, timestamptz, timestamptz) IS
	'n people to whom a reminder is due of what they left since a time, those who left something first; notes up to where it has looked';

REVOKE ALL ON FUNCTION sellometer.look_again(bigint, text, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.carts_of_people(bigint[], text[], timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.judged_people(bigint[], text[], timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.people_of_carts(timestamptz, timestamptz, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.people_to_remind(integer, timestamptz, timestamptz) FROM PUBLIC;
