/*
 * Carts: what was put into one, and what became of it.
 *
 * A row holds the last time of each type of event of a product in a session: whatever the order in which events come, it is
 * the same in the end.  All else is derived from it when it is read, by the time of the head: so a purchase that comes late
 * takes back that something was left.
 *
 * What a user has bought or taken out in one session is so in all others.  Each event with a user's id says that of the user and
 * the product alone, so that this is another table, and which sessions it concerns is asked when it is read, too.
 */
CREATE TABLE sellometer.carts (
	user_session	text COLLATE "C" NOT NULL,
	product_id		bigint NOT NULL,
	user_id			bigint,
	price			numeric,
	cart_at			timestamptz,
	removed_at		timestamptz,
	purchased_at	timestamptz,
	PRIMARY KEY (user_session, product_id)
);
-- what is still in a cart; at the same time as a removal or a purchase it is not
CREATE INDEX carts_open ON sellometer.carts (cart_at)
	WHERE cart_at IS NOT NULL AND (removed_at IS NULL OR cart_at > removed_at) AND (purchased_at IS NULL OR cart_at > purchased_at);
CREATE INDEX carts_open_user ON sellometer.carts (user_id)
	WHERE user_id IS NOT NULL AND cart_at IS NOT NULL AND (removed_at IS NULL OR cart_at > removed_at) AND (purchased_at IS NULL OR cart_at > purchased_at);
COMMENT ON TABLE sellometer.carts IS
	'Products that a session has put into its cart, taken out or bought, with the last time of each; see the view cart_states';
COMMENT ON COLUMN sellometer.carts.user_session IS 'session; events without one have no cart';
COMMENT ON COLUMN sellometer.carts.product_id IS 'product';
COMMENT ON COLUMN sellometer.carts.user_id IS 'of the last cart event';
COMMENT ON COLUMN sellometer.carts.price IS
	'of the last cart event; of several at the same time the lowest price, then the lowest user_id';
COMMENT ON COLUMN sellometer.carts.cart_at IS 'when it was last put into the cart; NULL: it was bought or taken out only';
COMMENT ON COLUMN sellometer.carts.removed_at IS 'when it was last taken out';
COMMENT ON COLUMN sellometer.carts.purchased_at IS 'when it was last bought';

CREATE TABLE sellometer.user_cart_log (
	user_id			bigint NOT NULL,
	product_id		bigint NOT NULL,
	removed_at		timestamptz,
	purchased_at	timestamptz
);
-- without a key, rows are published whole
ALTER TABLE sellometer.user_cart_log REPLICA IDENTITY FULL;
COMMENT ON TABLE sellometer.user_cart_log IS 'What is not in sellometer.user_carts yet: see sellometer.fold_user_carts()';

CREATE TABLE sellometer.user_carts (
	LIKE sellometer.user_cart_log,
	PRIMARY KEY (user_id, product_id)
);
COMMENT ON TABLE sellometer.user_carts IS
	'When users have last taken a product out of a cart, and last bought it, in whichever session or none: it is in none of their carts since then';
COMMENT ON COLUMN sellometer.user_carts.user_id IS 'user';
COMMENT ON COLUMN sellometer.user_carts.product_id IS 'product';
COMMENT ON COLUMN sellometer.user_carts.removed_at IS 'when it was last taken out; NULL: it was bought only';
COMMENT ON COLUMN sellometer.user_carts.purchased_at IS 'when it was last bought; NULL: it was taken out only';

/* To fold twice at a time is no harm: the second waits for rows that are gone then. */
CREATE FUNCTION sellometer.fold_user_carts()
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
BEGIN
	WITH taken AS (
		DELETE FROM sellometer.user_cart_log RETURNING *
	), folded AS (
		INSERT INTO sellometer.user_carts AS u (user_id, product_id, removed_at, purchased_at)
		SELECT t.user_id, t.product_id, max(t.removed_at), max(t.purchased_at) FROM taken t
		GROUP BY t.user_id, t.product_id ORDER BY t.user_id, t.product_id
		ON CONFLICT (user_id, product_id) DO UPDATE SET removed_at = greatest(u.removed_at, excluded.removed_at),
			purchased_at = greatest(u.purchased_at, excluded.purchased_at)
	)
	SELECT count(*) INTO n FROM taken;
	RETURN n;
END
$$;
COMMENT ON FUNCTION sellometer.fold_user_carts() IS 'Merge sellometer.user_cart_log into sellometer.user_carts; gives how many rows it had';

/* Passes over what somebody else is changing at this moment, and what is in the log still: it is looked at again. */
CREATE FUNCTION sellometer.prune_user_carts(before timestamptz)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM sellometer.user_carts u USING (
		SELECT o.user_id, o.product_id FROM sellometer.user_carts o WHERE greatest(o.removed_at, o.purchased_at) < before FOR UPDATE SKIP LOCKED) o
	WHERE u.user_id = o.user_id AND u.product_id = o.product_id
$$;
COMMENT ON FUNCTION sellometer.prune_user_carts(timestamptz) IS 'Forget what users have last bought or taken out before that time';

CREATE FUNCTION sellometer.cart_timeout()
RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE
RETURN sellometer.setting_length('sellometer.cart_timeout', '1h');
COMMENT ON FUNCTION sellometer.cart_timeout() IS 'The setting sellometer.cart_timeout';

CREATE FUNCTION sellometer.cart_retention()
RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE
RETURN sellometer.setting_length('sellometer.cart_retention', '3d');
COMMENT ON FUNCTION sellometer.cart_retention() IS 'The setting sellometer.cart_retention';

CREATE VIEW sellometer.user_cart_times AS
	SELECT * FROM sellometer.user_carts UNION ALL SELECT * FROM sellometer.user_cart_log;
COMMENT ON VIEW sellometer.user_cart_times IS
	'When users have taken products out of carts, and bought them; several rows for one user and product: the latest time counts';

CREATE VIEW sellometer.cart_states AS
	SELECT c.*, CASE
		-- first, as what came later may be known or not
		WHEN c.cart_at < s.head - sellometer.cart_retention() THEN 'expired'
		WHEN greatest(c.purchased_at, u.purchased_at) >= c.cart_at + sellometer.cart_timeout() THEN 'recovered'
		WHEN greatest(c.purchased_at, u.purchased_at) >= c.cart_at THEN 'bought'
		WHEN greatest(c.removed_at, u.removed_at) >= c.cart_at THEN 'removed'
		WHEN c.cart_at > s.head - sellometer.cart_timeout() THEN 'waiting'
		ELSE 'open' END AS state
	FROM sellometer.carts c
	LEFT JOIN (SELECT t.user_id, t.product_id, max(t.removed_at) AS removed_at, max(t.purchased_at) AS purchased_at
		FROM sellometer.user_cart_times t GROUP BY t.user_id, t.product_id) u USING (user_id, product_id), sellometer.state s
	WHERE c.cart_at IS NOT NULL;
COMMENT ON VIEW sellometer.cart_states IS 'What became of each product that was put into a cart';
COMMENT ON COLUMN sellometer.cart_states.state IS
	'waiting: younger than sellometer.cart_timeout; open: left; recovered: bought after it had been left, in this session or another of the user; bought: before that; removed; expired: older than sellometer.cart_retention';

CREATE VIEW sellometer.own_left_in_cart AS
	SELECT c.user_id, c.user_session, c.product_id, c.price, c.cart_at AS since, sellometer.name_or_sku(c.product_id) AS name
	FROM sellometer.carts c, sellometer.state s
	WHERE c.cart_at <= s.head - sellometer.cart_timeout() AND c.cart_at >= s.head - sellometer.cart_retention()
		AND c.cart_at IS NOT NULL AND (c.removed_at IS NULL OR c.cart_at > c.removed_at)
		AND (c.purchased_at IS NULL OR c.cart_at > c.purchased_at)
		AND NOT EXISTS (SELECT FROM sellometer.user_carts u WHERE u.user_id = c.user_id AND u.product_id = c.product_id
			AND greatest(u.removed_at, u.purchased_at) >= c.cart_at)
		-- no row more, but the planner takes them for a thousand more: so it hashes them, whatever it knows of a table that is emptied again
		-- and again, and in one batch, so that whoever wants few carts gets them before all are read
		AND NOT EXISTS (SELECT FROM (SELECT l.user_id, l.product_id, greatest(l.removed_at, l.purchased_at) AS at FROM sellometer.user_cart_log l
				UNION ALL SELECT NULL, NULL, NULL FROM generate_series(1, (SELECT 0))) u
			WHERE u.user_id = c.user_id AND u.product_id = c.product_id AND u.at >= c.cart_at);
COMMENT ON VIEW sellometer.own_left_in_cart IS 'What sellometer.left_in_cart shows, of the products that this database counts';

CREATE VIEW sellometer.left_in_cart AS SELECT * FROM sellometer.own_left_in_cart;
COMMENT ON VIEW sellometer.left_in_cart IS
	'Products that were put into a cart at least sellometer.cart_timeout ago, and neither bought nor taken out since, in that session or another of the same user';
COMMENT ON COLUMN sellometer.left_in_cart.since IS 'when it was last put into the cart, in event time';
COMMENT ON COLUMN sellometer.left_in_cart.name IS 'what the product is called, or the text that files know it by; NULL: not known';

REVOKE ALL ON FUNCTION sellometer.fold_user_carts() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.prune_user_carts(timestamptz) FROM PUBLIC;
