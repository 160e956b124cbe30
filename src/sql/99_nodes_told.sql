/*
 * Of single products, what a node tells (99_nodes_sums.sql): names, texts, and what else is sold like it.  The same views have it where no other node
 * is asked.  They read with the rights of the extension's owner, so that whoever may read them needs none to history or names.
 */
CREATE FOREIGN TABLE sellometer.product_question (
	products	bigint[] NOT NULL
) SERVER sellometer_question;
COMMENT ON FOREIGN TABLE sellometer.product_question IS 'The row that is asked for: which products others ask a node about';

CREATE VIEW sellometer.told_products AS
SELECT s.products, q.product, (SELECT k.sku FROM sellometer.skus k WHERE k.product_id = q.product) AS sku,
	coalesce((SELECT sellometer.name_in_a_line(p.name) FROM sellometer.products p WHERE p.product_id = q.product),
		(SELECT sellometer.name_in_a_line(n.name) FROM sellometer.product_names n WHERE n.product_id = q.product)) AS name,
	(SELECT sellometer.name_in_a_line(sellometer.category_label(b.category)) FROM sellometer.sold_products b
		WHERE b.product_id = q.product AND b.category <> 'unknown.unknown.unknown' ORDER BY b.sales DESC, b.category LIMIT 1) AS label,
	coalesce((SELECT b.category FROM sellometer.sold_products b WHERE b.product_id = q.product ORDER BY b.sales DESC, b.category LIMIT 1),
		(SELECT h.category FROM sellometer.offer_history h WHERE h.product_id = q.product ORDER BY h.last_seen DESC, h.category LIMIT 1)) AS category,
	(SELECT h.price FROM sellometer.offer_history h WHERE h.product_id = q.product ORDER BY h.last_seen DESC, h.price LIMIT 1) AS price
FROM sellometer.product_question s, pg_catalog.unnest(s.products) q (product);
COMMENT ON VIEW sellometer.told_products IS
	'What this database tells, as a node of others, of products: the text that files know each by, its name, the category that it was sold under most, as a label and whole (else that which it was last put into a cart under), and its price now';

CREATE FOREIGN TABLE sellometer.similar_question (
	product		bigint NOT NULL,
	of_category	text NOT NULL,
	n			integer NOT NULL
) SERVER sellometer_question;
COMMENT ON FOREIGN TABLE sellometer.similar_question IS 'The row that is asked for: a product that others ask a node to tell similar ones of';

/* Of what the inventory says that nothing is left is passed over. */
CREATE VIEW sellometer.told_similar AS
SELECT q.product, q.of_category, q.n, c.product_id, c.price, c.sales, coalesce(nullif(pg_catalog.btrim(p.name), ''), m.name, k.sku) AS name, p.url, p.image
FROM sellometer.similar_question q CROSS JOIN LATERAL (
	SELECT b.product_id, b.sales, (SELECT h.price FROM sellometer.offer_history h WHERE h.product_id = b.product_id ORDER BY h.last_seen DESC, h.price LIMIT 1) AS price
	FROM sellometer.sold_products b
	WHERE b.category = q.of_category AND b.product_id <> q.product AND b.high > 0 AND NOT EXISTS (
		SELECT FROM sellometer.inventory_cover v JOIN sellometer.inventory i ON i.product_id = v.product_id
		WHERE v.product_id = b.product_id AND i.stock <= v.sold)
	ORDER BY b.sales DESC, b.product_id
	LIMIT 100 + 10 * q.n::bigint) c
LEFT JOIN sellometer.products p ON p.product_id = c.product_id
LEFT JOIN sellometer.product_names m ON m.product_id = c.product_id
LEFT JOIN sellometer.skus k ON k.product_id = c.product_id;
COMMENT ON VIEW sellometer.told_similar IS 'What this database tells, as a node of others, of the best sellers of a category beside a product: of these are the n that sellometer_similar_products() gives';

CREATE FUNCTION sellometer.told_relations(relation text)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('sellometer_nodes.%I', relation || '_of_' || n.name) FROM sellometer.nodes n WHERE sellometer.asks_nodes() AND n.name <> ALL (sellometer.left_out())
	UNION ALL SELECT format('sellometer.%I', relation) WHERE NOT sellometer.asks_nodes()
$$;
COMMENT ON FUNCTION sellometer.told_relations(text) IS 'The relations that have what all nodes tell: one of each node, or this database''s own';

CREATE FUNCTION sellometer.products_told_by_nodes(products bigint[])
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT sellometer.asks_nodes() THEN
		RETURN format('SELECT * FROM sellometer.told_products WHERE products = %L', products);
	END IF;
	RETURN (SELECT string_agg(format('SELECT * FROM sellometer_nodes.%I WHERE products = %L', 'told_products_of_' || n.name, p.products), ' UNION ALL ')
		FROM sellometer.nodes n JOIN (SELECT sellometer.slice_of_product(k, x.slices) AS slice, array_agg(k) AS products
			FROM unnest(products) k, (SELECT max(m.slices) AS slices FROM sellometer.nodes m) x WHERE k IS NOT NULL GROUP BY 1) p USING (slice)
		WHERE n.name <> ALL (sellometer.left_out()));
END
$$;
COMMENT ON FUNCTION sellometer.products_told_by_nodes(bigint[]) IS 'SQL for what the nodes that have some products, or this database, tell of these; NULL: none can be asked';

/*
 * Which keys a dimension of one's own has is decided where they are counted, so a node that has as many as it may have counts as other what another
 * node still has as a key.  All keys together are right, other among them; a single one may be a part, and that is said with each call.
 */
CREATE FUNCTION sellometer.tell_full(dimension text)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	nodes text;
BEGIN
	IF NOT EXISTS (SELECT FROM sellometer.dimensions d WHERE d.dimension = $1) OR NOT sellometer.has_nodes_to_ask() OR NOT sellometer.asks_nodes() THEN
		RETURN;
	END IF;
	EXECUTE (SELECT format('SELECT string_agg(x.node, '', '' ORDER BY x.node) FROM (%s) x WHERE %L = ANY (x.full_dimensions)',
		string_agg(format('SELECT %L AS node, full_dimensions FROM sellometer_nodes.%I', n.name, 'as_node_of_' || n.name), ' UNION ALL ' ORDER BY n.slice), dimension)
		FROM sellometer.nodes n WHERE n.name <> ALL (sellometer.left_out())) INTO nodes;
	IF nodes IS NOT NULL THEN
		RAISE WARNING USING MESSAGE = format('dimension "%s" has as many keys as it may have on these nodes: %s', dimension, nodes),
			DETAIL = 'What they count as other may be a key of other nodes, and is missing there: such a key is a part.',
			HINT = 'sellometer_drop_dimension(), then sellometer_add_dimension() with a larger max_keys, on all nodes, and replays, have all of them.';
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.tell_full(text) IS 'A warning if keys of a dimension of one''s own may be parts, as some nodes count further ones as other';

/* What stands in views by a dimension of one's own. */
CREATE FUNCTION sellometer.tell_full_view(
	dimension text, OUT event_time timestamptz, OUT key text, OUT event_type sellometer.event_type, OUT count bigint, OUT gmv numeric)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.tell_full(dimension);
END
$$;
COMMENT ON FUNCTION sellometer.tell_full_view(text) IS 'No rows, and what tell_full() tells';
