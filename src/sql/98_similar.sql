/* What to offer instead, or beside: for a mail about what was left in a cart. */
CREATE INDEX sold_products_category ON sellometer.sold_products (category, sales DESC);

CREATE FUNCTION sellometer.price_now(product bigint)
RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT price FROM sellometer.offer_history WHERE product_id = product ORDER BY last_seen DESC, price LIMIT 1
$$;
COMMENT ON FUNCTION sellometer.price_now(bigint) IS 'The price at which a product was last put into a cart or sold; NULL: not known';

/*
 * Near is: 0.7 to 1.4 times the price.  The best sellers there come first, then those at 0.35 to 2.8 times, and so on.  Products
 * of which the inventory says that nothing is left are passed over.
 */
CREATE FUNCTION @extschema@.sellometer_similar_products(product_id bigint, n integer DEFAULT 5,
	OUT similar_id bigint, OUT price numeric, OUT sold bigint, OUT category_l3 text, OUT name text, OUT url text, OUT image text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
	WITH this AS (
		SELECT sellometer.price_now($1) AS price, coalesce(
			(SELECT b.category FROM sellometer.sold_products b WHERE b.product_id = $1 ORDER BY b.sales DESC, b.category LIMIT 1),
			(SELECT h.category FROM sellometer.offer_history h WHERE h.product_id = $1 ORDER BY h.last_seen DESC, h.category LIMIT 1)) AS category
	)
	SELECT c.product_id, c.price, c.sales, t.category, coalesce(nullif(btrim(p.name), ''), m.name, k.sku), p.url, p.image
	FROM this t CROSS JOIN LATERAL (
		SELECT b.product_id, b.sales, sellometer.price_now(b.product_id) AS price
		FROM sellometer.sold_products b
		WHERE b.category = t.category AND b.product_id <> $1 AND b.high > 0 AND NOT EXISTS (
			SELECT FROM sellometer.inventory_cover v JOIN sellometer.inventory i ON i.product_id = v.product_id
			WHERE v.product_id = b.product_id AND i.stock <= v.sold)
		ORDER BY b.sales DESC, b.product_id
		LIMIT 100 + 10 * n::bigint) c
	LEFT JOIN sellometer.products p ON p.product_id = c.product_id
	LEFT JOIN sellometer.product_names m ON m.product_id = c.product_id
	LEFT JOIN sellometer.skus k ON k.product_id = c.product_id
	ORDER BY round(abs(ln(greatest(c.price, 0.01) / greatest(t.price, 0.01))) / ln(2.0)), c.sales DESC, c.product_id
	LIMIT n
$$;
COMMENT ON FUNCTION @extschema@.sellometer_similar_products(bigint, integer) IS
	'The best sellers of the same category (level 3) near a product''s price now, the nearest prices first; sold: purchases that sellometer.offer_history holds';

CREATE FUNCTION @extschema@.sellometer_grant_mailer(role regrole)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('GRANT EXECUTE ON FUNCTION %1$s.sellometer_remind, %1$s.sellometer_reminder_still_due,
		%1$s.sellometer_reminders_to_send, %1$s.sellometer_reminder_sending, %1$s.sellometer_reminder_sent,
		%1$s.sellometer_reminder_failed, %1$s.sellometer_similar_products,
		%1$s.sellometer_alerts_sending, %1$s.sellometer_alerts_sent, %1$s.sellometer_alerts_failed TO %2$s', sellometer.functions_schema(), role);
	EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', sellometer.functions_schema(), role);
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_grant_mailer(regrole) IS
	'Let a role call all that sellometer-mailer, or another program that sends reminders and alerts, needs, and nothing else';

REVOKE ALL ON FUNCTION sellometer.price_now(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_similar_products(bigint, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_grant_mailer(regrole) FROM PUBLIC;
