/*
 * Reminders of what was left in carts: for a program that sends mails.
 *
 *   sellometer_detect() --> at most one alert, and one NOTIFY a run     "something is there"
 *   sellometer_remind() --> rows, each cart once                        "this is it"
 */
CREATE TABLE sellometer.reminders (
	user_session	text COLLATE "C" NOT NULL,
	product_id		bigint NOT NULL,
	since			timestamptz NOT NULL,
	reminded_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (user_session, product_id, since)
);
COMMENT ON TABLE sellometer.reminders IS 'What sellometer_remind() has given out; kept as long as carts';
COMMENT ON COLUMN sellometer.reminders.user_session IS 'session';
COMMENT ON COLUMN sellometer.reminders.product_id IS 'product';
COMMENT ON COLUMN sellometer.reminders.since IS 'when it was last put into the cart: if it is put there again it may be given out again';
COMMENT ON COLUMN sellometer.reminders.reminded_at IS 'when it was given out, by the wall clock';

/*
 * Whole sessions, those that were left first come first.  Two callers at the same time: the second waits for the first to
 * commit, and gets what that has left over.
 */
CREATE FUNCTION @extschema@.sellometer_remind(n integer DEFAULT 100, within interval DEFAULT '24 hours',
	OUT user_id bigint, OUT user_session text, OUT product_id bigint, OUT price numeric, OUT since timestamptz)
RETURNS SETOF record
LANGUAGE sql SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
	WITH waiting AS MATERIALIZED (
		SELECT c.user_id, c.user_session, c.product_id, c.price, c.since
		FROM sellometer.left_in_cart c
		-- what is longer than any time that there are carts of is as long
		WHERE c.since >= (((SELECT head FROM sellometer.state) - sellometer.cart_timeout()) AT TIME ZONE 'UTC'
				- CASE WHEN within IS NOT NULL THEN greatest(least(within, '1000 years'), '-1000 years') END) AT TIME ZONE 'UTC'
			AND NOT EXISTS (SELECT FROM sellometer.reminders r
				WHERE r.user_session = c.user_session AND r.product_id = c.product_id AND r.since = c.since)
	), sessions AS (
		SELECT w.user_session FROM waiting w GROUP BY w.user_session ORDER BY min(w.since), w.user_session LIMIT n
	), given AS (
		INSERT INTO sellometer.reminders (user_session, product_id, since)
		SELECT w.user_session, w.product_id, w.since FROM waiting w JOIN sessions USING (user_session)
		ON CONFLICT DO NOTHING
		RETURNING reminders.user_session, reminders.product_id, reminders.since
	)
	SELECT w.user_id, w.user_session, w.product_id, w.price, w.since
	FROM waiting w JOIN given g USING (user_session, product_id, since)
	ORDER BY min(w.since) OVER (PARTITION BY w.user_session), w.user_session, w.since, w.product_id
$$;
COMMENT ON FUNCTION @extschema@.sellometer_remind(integer, interval) IS
	'Whom to remind now: what is left in the carts of up to n sessions, each once; left for longer than within: not any more';

INSERT INTO sellometer.detectors (kind) VALUES ('left_in_cart');

CREATE FUNCTION sellometer.detect_left_in_cart(head timestamptz)
RETURNS SETOF sellometer.finding
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	l record;
BEGIN
	SELECT count(*) AS products, count(DISTINCT c.user_session) AS sessions, sum(c.price) AS worth, max(c.since) AS newest,
		count(DISTINCT c.user_session) FILTER (WHERE NOT EXISTS (SELECT FROM sellometer.reminders r
			WHERE r.user_session = c.user_session AND r.product_id = c.product_id AND r.since = c.since)) AS waiting
	INTO l
	FROM sellometer.left_in_cart c
	WHERE c.since > detect_left_in_cart.head - sellometer.cart_timeout() - interval '1 hour';
	IF l.waiting > 0 THEN
		PERFORM pg_notify('sellometer_left_in_cart', json_build_object('sessions', l.waiting)::text);
	END IF;
	IF l.products > 0 THEN
		RETURN NEXT ROW('info', 'user_session', 'all', l.newest, l.products, NULL, NULL,
			format('within an hour %s worth %s %s left in %s; %s without a reminder',
				CASE l.products WHEN 1 THEN '1 product' ELSE l.products || ' products' END, l.worth,
				CASE l.products WHEN 1 THEN 'was' ELSE 'were' END,
				CASE l.sessions WHEN 1 THEN '1 cart' ELSE l.sessions || ' carts' END, l.waiting))::sellometer.finding;
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.detect_left_in_cart(timestamptz) IS
	'One finding while anything was left in carts within the last hour; NOTIFY sellometer_left_in_cart while some of it has no reminder';

REVOKE ALL ON FUNCTION @extschema@.sellometer_remind(integer, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.detect_left_in_cart(timestamptz) FROM PUBLIC;
