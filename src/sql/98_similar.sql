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
 * Near is: 0.7 to 1.4 times the price.  The best sellers there come first, then those at 0.35 to 2.8 times, and so on.  Of nodes
 * each tells its own best sellers, of which as many are looked at as in one database.
 */
CREATE FUNCTION @extschema@.sellometer_similar_products(product_id bigint, n integer DEFAULT 5,
	OUT similar_id bigint, OUT price numeric, OUT sold bigint, OUT category_l3 text, OUT name text, OUT url text, OUT image text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	this_price numeric;
	this_category text;
	candidates text;
BEGIN
	EXECUTE format('SELECT min(x.price), min(x.category) FROM (%s) x', coalesce(sellometer.products_told_by_nodes(ARRAY[$1]), 'SELECT NULL::numeric AS price, NULL AS category'))
	INTO this_price, this_category;
	candidates := (SELECT string_agg(format('SELECT product_id, price, sales, name, url, image FROM %s WHERE product = %L AND of_category = %L AND n = %L',
		r, $1, coalesce(this_category, ''), coalesce($2, 2147483647)), ' UNION ALL ') FROM sellometer.told_relations('told_similar') r);
	RETURN QUERY EXECUTE format('SELECT c.product_id, c.price, c.sales, $4, c.name, c.url, c.image
		FROM (SELECT * FROM (%s) x ORDER BY x.sales DESC, x.product_id LIMIT 100 + 10 * $2::bigint) c
		ORDER BY round(abs(ln(greatest(c.price, 0.01) / greatest($3, 0.01))) / ln(2.0)), c.sales DESC, c.product_id LIMIT $2', candidates)
	USING $1, $2, this_price, this_category;
END
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
