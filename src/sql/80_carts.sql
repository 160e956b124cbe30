/*
 * Carts: what was put into one, and what became of it.
 *
 * A row holds the last time of each type of event of a product in a session: whatever the order in which events come, it is
 * the same in the end.  All else is derived from it when it is read, by the time of the head: so a purchase that comes late
 * takes back that something was left.
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

CREATE VIEW sellometer.cart_states AS
	SELECT c.*, CASE
		-- first, as what came later may be known or not
		WHEN c.cart_at < s.head - sellometer.cart_retention() THEN 'expired'
		WHEN c.purchased_at >= c.cart_at + sellometer.cart_timeout() THEN 'recovered'
		WHEN c.purchased_at >= c.cart_at THEN 'bought'
		WHEN c.removed_at >= c.cart_at THEN 'removed'
		WHEN c.cart_at > s.head - sellometer.cart_timeout() THEN 'waiting'
		ELSE 'open' END AS state
	FROM sellometer.carts c, sellometer.state s
	WHERE c.cart_at IS NOT NULL;
COMMENT ON VIEW sellometer.cart_states IS 'What became of each product that was put into a cart';
COMMENT ON COLUMN sellometer.cart_states.state IS
	'waiting: younger than sellometer.cart_timeout; open: left; recovered: bought after it had been left; bought: before that; removed; expired: older than sellometer.cart_retention';

CREATE VIEW sellometer.left_in_cart AS
	SELECT c.user_id, c.user_session, c.product_id, c.price, c.cart_at AS since
	FROM sellometer.carts c, sellometer.state s
	WHERE c.cart_at <= s.head - sellometer.cart_timeout() AND c.cart_at >= s.head - sellometer.cart_retention()
		AND c.cart_at IS NOT NULL AND (c.removed_at IS NULL OR c.cart_at > c.removed_at)
		AND (c.purchased_at IS NULL OR c.cart_at > c.purchased_at);
COMMENT ON VIEW sellometer.left_in_cart IS
	'Products that were put into a cart at least sellometer.cart_timeout ago, and neither bought nor taken out since';
COMMENT ON COLUMN sellometer.left_in_cart.since IS 'when it was last put into the cart, in event time';
