/*
 * Reminders of what was left in carts: for a program that sends mails.
 *
 *   sellometer_detect() --> at most one alert, and one NOTIFY a run     "something is there"
 *   sellometer_remind() --> rows: each person's once, each cart once    "this is it"
 *
 * Who asks sellometer_remind(confirm => true) says what became of each, so that none is lost if it dies meanwhile:
 *
 *   waiting --sellometer_reminder_sending()--> sending --sellometer_reminder_sent()--> sent
 *      ^ \--nothing is left, opted out--> withdrawn      |
 *      \---sellometer_reminder_failed(), or no word for ten minutes--/--for good--> failed
 */
CREATE TABLE sellometer.reminders (
	id				bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id			bigint,
	user_session	text COLLATE "C",
	state			text NOT NULL CHECK (state IN ('given', 'waiting', 'sending', 'sent', 'withdrawn', 'failed')),
	reminded_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	attempts		integer NOT NULL DEFAULT 0,
	next_attempt	timestamptz,
	sending_at		timestamptz,
	sent_at			timestamptz,
	error			text,
	CHECK ((user_id IS NULL) <> (user_session IS NULL))
);
CREATE INDEX reminders_user ON sellometer.reminders (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX reminders_session ON sellometer.reminders (user_session) WHERE user_session IS NOT NULL;
CREATE INDEX reminders_unsent ON sellometer.reminders (next_attempt) WHERE state IN ('waiting', 'sending');
COMMENT ON TABLE sellometer.reminders IS
	'What sellometer_remind() has given out, one row for each person and time; kept as long as carts, and sellometer.reminder_pause';
COMMENT ON COLUMN sellometer.reminders.user_id IS 'whom it is for; NULL: a guest';
COMMENT ON COLUMN sellometer.reminders.user_session IS 'the guest''s session; NULL: a user';
COMMENT ON COLUMN sellometer.reminders.state IS
	'given: nobody says what became of it; waiting: to be sent; sending: it is being sent; sent; withdrawn: there was no reason any more; failed: it could not be sent';
COMMENT ON COLUMN sellometer.reminders.reminded_at IS 'when it was given out, by the wall clock as are all of these times';
COMMENT ON COLUMN sellometer.reminders.attempts IS 'how often it was begun to send it';
COMMENT ON COLUMN sellometer.reminders.next_attempt IS 'waiting: not before; sending: taken for broken off from then on';
COMMENT ON COLUMN sellometer.reminders.sending_at IS 'when it was last begun to send it';
COMMENT ON COLUMN sellometer.reminders.sent_at IS 'when it was sent';
COMMENT ON COLUMN sellometer.reminders.error IS 'why it was not sent';

CREATE TABLE sellometer.reminder_items (
	user_session	text COLLATE "C" NOT NULL,
	product_id		bigint NOT NULL,
	since			timestamptz NOT NULL,
	reminder_id		bigint NOT NULL,
	user_id			bigint,
	PRIMARY KEY (user_session, product_id, since)
);
CREATE INDEX reminder_items_user ON sellometer.reminder_items (user_id, product_id, since) WHERE user_id IS NOT NULL;
CREATE INDEX reminder_items_reminder ON sellometer.reminder_items (reminder_id);
COMMENT ON TABLE sellometer.reminder_items IS 'What reminders are of: what is in here is not given out again; kept as long as carts';
COMMENT ON COLUMN sellometer.reminder_items.user_session IS 'session of the cart';
COMMENT ON COLUMN sellometer.reminder_items.product_id IS 'product';
COMMENT ON COLUMN sellometer.reminder_items.since IS 'when it was last put into the cart: if it is put there again it may be given out again';
COMMENT ON COLUMN sellometer.reminder_items.reminder_id IS 'id of its row of sellometer.reminders';
COMMENT ON COLUMN sellometer.reminder_items.user_id IS 'of the reminder';

CREATE TABLE sellometer.reminder_opt_outs (
	user_id			bigint PRIMARY KEY,
	opted_out_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE sellometer.reminder_opt_outs IS 'Users who want no reminders: yours to fill, or by sellometer_reminder_opt_out()';
COMMENT ON COLUMN sellometer.reminder_opt_outs.user_id IS 'user';
COMMENT ON COLUMN sellometer.reminder_opt_outs.opted_out_at IS 'since when';

/* --- when --- */

CREATE FUNCTION sellometer.reminder_pause()
RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE
RETURN sellometer.setting_length('sellometer.reminder_pause', '1d');
COMMENT ON FUNCTION sellometer.reminder_pause() IS 'The setting sellometer.reminder_pause';

/* Where clocks change, the end is on the new time; and the hour that comes twice is quiet, or not, both times. */
CREATE FUNCTION sellometer.quiet_until(moment timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	hours text := coalesce(current_setting('sellometer.quiet_hours', true), '');
	zone text := sellometer.shop_zone();
	local timestamp;
	from_time time;
	to_time time;
	until timestamp;
BEGIN
	IF hours = '' THEN
		RETURN NULL;
	END IF;
	local := moment AT TIME ZONE zone;
	from_time := split_part(hours, '-', 1)::time;
	to_time := split_part(hours, '-', 2)::time;
	IF (from_time < to_time AND (local::time < from_time OR local::time >= to_time))
		OR (from_time > to_time AND local::time < from_time AND local::time >= to_time) THEN
		RETURN NULL;
	END IF;
	until := local::date + to_time;
	IF until <= local THEN
		until := until + interval '1 day';
	END IF;
	RETURN until AT TIME ZONE zone;
END
$$;
COMMENT ON FUNCTION sellometer.quiet_until(timestamptz) IS
	'Until when a moment''s quiet hours last, by sellometer.quiet_hours and sellometer.timezone; NULL: they are not quiet';

/* Reminders that were sent, or may have been; the next one waits until the pause is over. */
CREATE FUNCTION sellometer.reminder_paused_until(person bigint, guest text)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT max(coalesce(r.sent_at, r.sending_at, r.reminded_at)) + sellometer.reminder_pause()
	FROM sellometer.reminders r
	WHERE (r.user_id = person OR (person IS NULL AND r.user_session = guest)) AND r.state IN ('given', 'sent', 'failed')
$$;
COMMENT ON FUNCTION sellometer.reminder_paused_until(bigint, text) IS
	'When sellometer.reminder_pause after the last reminder to a user, or else a guest''s session, is over; NULL: there was none';

/*
 * Whole persons: a user with all sessions, a guest with one; those who left something first come first.  Two callers at the same time:
 * the second waits for the first to commit, and gets what that has left over.  The row that they wait for is that of the detector.
 */
CREATE FUNCTION @extschema@.sellometer_remind(n integer DEFAULT 100, within interval DEFAULT '24 hours', confirm boolean DEFAULT false,
	OUT user_id bigint, OUT user_session text, OUT product_id bigint, OUT price numeric, OUT since timestamptz, OUT reminder_id bigint)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	present timestamptz := clock_timestamp();
	first timestamptz;
	people record;
BEGIN
	IF sellometer.quiet_until(present) IS NOT NULL THEN
		RETURN;
	END IF;
	PERFORM FROM sellometer.detectors d WHERE d.kind = 'left_in_cart' FOR NO KEY UPDATE;
	-- what is longer than any time that there are carts of is as long
	first := (((SELECT s.head FROM sellometer.state s) - sellometer.cart_timeout()) AT TIME ZONE 'UTC'
		- CASE WHEN within IS NOT NULL THEN greatest(least(within, '1000 years'), '-1000 years') END) AT TIME ZONE 'UTC';
	SELECT * INTO people FROM sellometer.people_to_remind(n, first, present);
	RETURN QUERY
	WITH waiting AS MATERIALIZED (
		SELECT * FROM sellometer.carts_of_people(people.users, people.guests, first)
	), next AS (
		SELECT w.user_id, w.guest, min(w.since) AS since FROM waiting w GROUP BY w.user_id, w.guest
	), given AS (
		INSERT INTO sellometer.reminders AS r (user_id, user_session, state, reminded_at, next_attempt)
		SELECT p.user_id, p.guest, CASE WHEN confirm THEN 'waiting' ELSE 'given' END, present, CASE WHEN confirm THEN present END
		FROM next p ORDER BY p.since, p.user_id, p.guest
		RETURNING r.id, r.user_id, r.user_session
	), items AS (
		INSERT INTO sellometer.reminder_items AS i (reminder_id, user_id, user_session, product_id, since)
		SELECT w.id, w.user_id, w.user_session, w.product_id, w.since
		FROM (SELECT g.id, w.* FROM given g JOIN waiting w ON w.user_id = g.user_id
			UNION ALL SELECT g.id, w.* FROM given g JOIN waiting w ON w.guest = g.user_session) w
		ON CONFLICT DO NOTHING		-- of which there is none, or the transaction sees no more than there was before we waited: an error
		RETURNING i.reminder_id, i.user_session, i.product_id, i.since
	)
	SELECT w.user_id, w.user_session, w.product_id, w.price, w.since, i.reminder_id
	FROM waiting w JOIN items i USING (user_session, product_id, since)
	ORDER BY min(w.since) OVER (PARTITION BY i.reminder_id), i.reminder_id, w.since, w.product_id;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_remind(integer, interval, boolean) IS
	'Whom to remind now: what is left in the carts of up to n users, and of guests by session, each once; left for longer than within: not any more. Nobody who opted out, twice within sellometer.reminder_pause, or in quiet hours. confirm: the caller says what becomes of each';

/* --- on the way --- */

CREATE FUNCTION sellometer.reminder_left(id bigint)
RETURNS SETOF sellometer.own_left_in_cart
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.* FROM sellometer.reminder_items i JOIN sellometer.own_left_in_cart c USING (user_session, product_id, since)
	WHERE i.reminder_id = reminder_left.id AND c.user_id IS NOT DISTINCT FROM i.user_id
$$;
COMMENT ON FUNCTION sellometer.reminder_left(bigint) IS 'What is still left of that which a reminder is of';

CREATE FUNCTION @extschema@.sellometer_reminder_still_due(id bigint, OUT due boolean, OUT reason text, OUT until timestamptz)
RETURNS record
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present timestamptz := clock_timestamp();
	r sellometer.reminders;
BEGIN
	SELECT * INTO r FROM sellometer.reminders x WHERE x.id = sellometer_reminder_still_due.id;
	due := false;
	IF r.id IS NULL THEN
		reason := 'unknown';
	ELSIF r.state IN ('sent', 'withdrawn', 'failed') THEN
		reason := r.state;
	ELSIF EXISTS (SELECT FROM sellometer.reminder_opt_outs o WHERE o.user_id = r.user_id) THEN
		reason := 'opted out';
	ELSIF NOT EXISTS (SELECT FROM sellometer.reminder_left(r.id)) THEN
		reason := 'nothing is left';
	ELSIF r.state = 'sending' AND r.next_attempt > present THEN
		reason := 'being sent';
		until := r.next_attempt;
	ELSIF sellometer.quiet_until(present) IS NOT NULL THEN
		reason := 'quiet hours';
		until := sellometer.quiet_until(present);
	ELSIF r.state <> 'given' AND sellometer.reminder_paused_until(r.user_id, r.user_session) > present THEN
		reason := 'paused';
		until := sellometer.reminder_paused_until(r.user_id, r.user_session);
	ELSE
		due := true;
		reason := 'due';
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_reminder_still_due(bigint) IS
	'Last check before a reminder is sent: is it still to be, or why not: sent, withdrawn, failed, opted out, nothing is left, or not until some time: being sent, quiet hours, paused. It changes nothing';

CREATE FUNCTION @extschema@.sellometer_reminders_to_send(n integer DEFAULT 100)
RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.id FROM sellometer.reminders r
	WHERE r.state IN ('waiting', 'sending') AND r.next_attempt <= clock_timestamp()
	ORDER BY r.next_attempt, r.id LIMIT n
$$;
COMMENT ON FUNCTION @extschema@.sellometer_reminders_to_send(integer) IS
	'Reminders that were given out by sellometer_remind(confirm => true) and wait for sellometer_reminder_sending(), also those whose sending was broken off';

/* The mark before: whoever gets rows is to send them, nobody else does for ten minutes. */
CREATE FUNCTION @extschema@.sellometer_reminder_sending(id bigint,
	OUT user_id bigint, OUT user_session text, OUT product_id bigint, OUT price numeric, OUT since timestamptz, OUT attempt integer,
	OUT name text, OUT url text, OUT image text)
RETURNS SETOF record
LANGUAGE plpgsql SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	judged record;
BEGIN
	PERFORM FROM sellometer.reminders r WHERE r.id = $1 FOR UPDATE;
	EXECUTE format('SELECT * FROM %s.sellometer_reminder_still_due($1)', sellometer.functions_schema()) INTO judged USING $1;
	IF judged.due THEN
		UPDATE sellometer.reminders r SET state = 'sending', attempts = r.attempts + 1, sending_at = clock_timestamp(),
			next_attempt = clock_timestamp() + interval '10 minutes' WHERE r.id = $1 AND r.state IN ('waiting', 'sending');
		RETURN QUERY SELECT l.user_id, l.user_session, l.product_id, l.price, l.since, r.attempts, coalesce(nullif(btrim(p.name), ''), m.name, k.sku), p.url, p.image
		FROM sellometer.reminder_left($1) l LEFT JOIN sellometer.products p USING (product_id)
			LEFT JOIN sellometer.product_names m USING (product_id) LEFT JOIN sellometer.skus k USING (product_id), sellometer.reminders r WHERE r.id = $1 AND r.state = 'sending' ORDER BY l.since, l.product_id;
	ELSIF judged.until IS NOT NULL THEN
		UPDATE sellometer.reminders r SET next_attempt = judged.until WHERE r.id = $1 AND r.state IN ('waiting', 'sending');
	ELSIF judged.reason IN ('opted out', 'nothing is left') THEN
		PERFORM sellometer.withdraw_reminder($1, judged.reason);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_reminder_sending(bigint) IS
	'A reminder is about to be sent: gives what is still left of it, and marks it; no row: it is not to be sent, or not now, see sellometer_reminder_still_due(). Commit before sending';

/* What it is of may be given out again, should it be left again or the user change their mind. */
CREATE FUNCTION sellometer.withdraw_reminder(id bigint, reason text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE sellometer.reminders r SET state = 'withdrawn', next_attempt = NULL, error = reason
	WHERE r.id = withdraw_reminder.id AND r.state IN ('waiting', 'sending');
	IF FOUND THEN
		DELETE FROM sellometer.reminder_items i WHERE i.reminder_id = withdraw_reminder.id;
		PERFORM sellometer.look_again(x.user_id, x.user_session, '-infinity') FROM sellometer.reminders x WHERE x.id = withdraw_reminder.id;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.withdraw_reminder(bigint, text) IS 'A reminder is not to be sent any more';

CREATE FUNCTION @extschema@.sellometer_reminder_sent(id bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE sellometer.reminders r SET state = 'sent', sent_at = clock_timestamp(), next_attempt = NULL, error = NULL
	WHERE r.id = sellometer_reminder_sent.id AND r.state IN ('waiting', 'sending', 'failed');
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_reminder_sent(bigint) IS
	'The mark after: a reminder was sent; false: it was marked so already, or is unknown';

CREATE FUNCTION @extschema@.sellometer_reminder_failed(id bigint, error text, permanent boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	result text;
BEGIN
	UPDATE sellometer.reminders r SET
		state = CASE WHEN permanent OR r.attempts >= 12 THEN 'failed' ELSE 'waiting' END,
		next_attempt = CASE WHEN NOT permanent AND r.attempts < 12 THEN
			clock_timestamp() + interval '1 minute' * least(2 ^ (r.attempts - 1), 120) * (0.75 + random() / 2) END,
		error = left($2, 500)
	WHERE r.id = $1 AND r.state = 'sending'
	RETURNING r.state INTO result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_reminder_failed(bigint, text, boolean) IS
	'A reminder could not be sent: it waits for longer each time, from a minute to two hours, and is failed if that is for good or after 12 attempts; gives its state, NULL: it was not being sent';

CREATE FUNCTION @extschema@.sellometer_reminder_opt_out(user_id bigint, opted_out boolean DEFAULT true)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF $2 THEN
		INSERT INTO sellometer.reminder_opt_outs (user_id) VALUES ($1) ON CONFLICT DO NOTHING;
	ELSE
		DELETE FROM sellometer.reminder_opt_outs o WHERE o.user_id = $1;
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_reminder_opt_out(bigint, boolean) IS
	'No reminders to a user from now on, also none that were given out and not sent yet; false: wanted again';

/* --- no more --- */

/* By event time what is no cart any more; who holds a reminder at this moment keeps it. */
CREATE FUNCTION sellometer.prune_reminders(before timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.withdraw_reminder(r.id, 'expired') FROM sellometer.reminders r
	WHERE r.state IN ('waiting', 'sending') AND NOT EXISTS (SELECT FROM sellometer.reminder_items i WHERE i.reminder_id = r.id AND i.since >= before)
		AND r.id IN (SELECT l.id FROM sellometer.reminders l WHERE l.state IN ('waiting', 'sending') FOR UPDATE SKIP LOCKED);
	DELETE FROM sellometer.reminder_items i WHERE i.since < before;
	-- one row tells as much as all of them
	WITH gone AS (
		DELETE FROM sellometer.cart_changes WHERE ctid IN (SELECT c.ctid FROM sellometer.cart_changes c FOR UPDATE SKIP LOCKED) RETURNING cart_at
	)
	INSERT INTO sellometer.cart_changes SELECT min(cart_at) FROM gone HAVING count(*) > 0;
	DELETE FROM sellometer.reminders r WHERE r.id IN (
		SELECT o.id FROM sellometer.reminders o
		WHERE o.state NOT IN ('waiting', 'sending') AND coalesce(o.sent_at, o.sending_at, o.reminded_at) < now() - sellometer.reminder_pause()
			AND NOT EXISTS (SELECT FROM sellometer.reminder_items i WHERE i.reminder_id = o.id)
		FOR UPDATE SKIP LOCKED);
END
$$;
COMMENT ON FUNCTION sellometer.prune_reminders(timestamptz) IS 'Forget reminders of what was left before that time';

CREATE FUNCTION sellometer.forget_reminders(person bigint, sessions text[])
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
	m bigint;
BEGIN
	DELETE FROM sellometer.reminder_opt_outs o WHERE o.user_id = person;
	GET DIAGNOSTICS n = ROW_COUNT;
	DELETE FROM sellometer.reminder_revisits v WHERE v.user_id = person OR v.user_session = ANY (sessions);
	DELETE FROM sellometer.reminder_items i WHERE i.user_id = person OR i.user_session = ANY (sessions)
		OR i.reminder_id IN (SELECT r.id FROM sellometer.reminders r WHERE r.user_id = person OR r.user_session = ANY (sessions));
	GET DIAGNOSTICS m = ROW_COUNT;
	n := n + m;
	DELETE FROM sellometer.reminders r WHERE r.user_id = person OR r.user_session = ANY (sessions);
	GET DIAGNOSTICS m = ROW_COUNT;
	RETURN n + m;
END
$$;
COMMENT ON FUNCTION sellometer.forget_reminders(bigint, text[]) IS
	'Delete reminders to a user, or to or of these sessions, and that there are to be none; gives how many rows that were';

/* --- that there are some --- */

INSERT INTO sellometer.detectors (kind) VALUES ('left_in_cart');

CREATE FUNCTION sellometer.detect_left_in_cart(head timestamptz)
RETURNS SETOF sellometer.hinted_finding
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	recent timestamptz := head - sellometer.cart_timeout() - interval '1 hour';
	quiet timestamptz := sellometer.quiet_until(clock_timestamp());
	l record;
	w record;
BEGIN
	PERFORM sellometer.fold_user_carts();
	SELECT count(*) AS products, count(DISTINCT c.user_session) AS sessions, sum(c.price) AS worth, max(c.since) AS newest
	INTO l FROM sellometer.own_left_in_cart c WHERE c.since > recent;
	SELECT count(DISTINCT c.user_session) AS sessions, count(DISTINCT c.user_id) + count(DISTINCT c.guest) AS people
	INTO w FROM sellometer.carts_to_remind c WHERE c.since > recent;
	IF w.people > 0 AND quiet IS NULL THEN
		PERFORM pg_notify('sellometer_left_in_cart', json_build_object('sessions', w.sessions, 'people', w.people)::text);
	END IF;
	IF l.products > 0 THEN
		RETURN NEXT ROW('info', 'user_session', 'all', l.newest, l.products, NULL, NULL,
			format('%s%s %s left in %s between %s and %s; %s',
				CASE l.products WHEN 1 THEN '1 product' ELSE to_char(l.products, 'FM999,999,999,990') || ' products' END,
				CASE WHEN l.worth > 0 THEN ' worth ' || sellometer.price_in_words(l.worth) ELSE '' END,
				CASE l.products WHEN 1 THEN 'was' ELSE 'were' END,
				CASE l.sessions WHEN 1 THEN '1 cart' ELSE to_char(l.sessions, 'FM999,999,999,990') || ' carts' END,
				sellometer.shop_time(recent, head), sellometer.shop_time(recent + interval '1 hour', head),
				CASE w.people WHEN 0 THEN 'everybody was reminded, or wants no reminders' WHEN 1 THEN '1 person has had no reminder yet'
					ELSE to_char(w.people, 'FM999,999,999,990') || ' people have had no reminder yet' END),
			CASE WHEN w.people = 0 THEN NULL
				WHEN quiet IS NOT NULL THEN format('Nobody is reminded before %s: sellometer.quiet_hours.', sellometer.shop_time(quiet))
				ELSE 'Does sellometer-mailer run, or what else sends reminders?  It is to call sellometer_remind().' END, NULL)::sellometer.hinted_finding;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.detect_left_in_cart(timestamptz) IS
	'One finding while anything was left in carts within the last hour; NOTIFY sellometer_left_in_cart while some of it has no reminder, but in quiet hours';

REVOKE ALL ON FUNCTION sellometer.quiet_until(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.reminder_paused_until(bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.reminder_left(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.withdraw_reminder(bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.prune_reminders(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.forget_reminders(bigint, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_left_in_cart(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_remind(integer, interval, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_reminder_still_due(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_reminders_to_send(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_reminder_sending(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_reminder_sent(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_reminder_failed(bigint, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_reminder_opt_out(bigint, boolean) FROM PUBLIC;
