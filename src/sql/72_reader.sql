/* Roles that can only read, for dashboards. */

/*
 * Not among them: secret, view_log, visit_log, visit_purchases and error_details, columns of sources that say who reaches a bucket, and how, and whatever says which
 * customer did what: carts, and columns of left_in_cart.
 */
CREATE FUNCTION sellometer.readable()
RETURNS SETOF regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid::regclass
	FROM pg_class c
	WHERE c.relnamespace = 'sellometer'::regnamespace AND c.relname IN (
		SELECT unnest(ARRAY['tiers', 'dimensions', 'dimension_keys', 'dimension_limits', 'totals', 'segments', 'dimension_segments', 'state', 'objects', 'rejected_rows', 'runs', 'status', 'own_status', 'progress', 'health', 'own_health', 'lock_holders', 'sold_products', 'products', 'product_names', 'skus', 'sku_collisions',
			'metrics', 'metrics_server', 'metrics_sources', 'metrics_procedures', 'metrics_tiers', 'counters',
			'alerts', 'own_alerts', 'detectors', 'mutes', 'calendar', 'baselines', 'inventory', 'low_inventory', 'own_low_inventory', 'visit_state', 'visit_counts', 'visits_minute', 'visits_hour', 'visits_day', 'category_overrides', 'overridden_brands', 'currency_rates', 'unreadable_objects', 'all_totals', 'reached', 'all_sold_products',
			'nodes', 'nodes_left_out', 'as_node', 'held_now', 'status_now', 'totals_now', 'told_sums', 'told_movers', 'told_products', 'told_similar', 'shift_suspects_now', 'shift_seen_now', 'set_up'])
		UNION ALL
		SELECT kind || d.dimension || '_' || t.name
		FROM sellometer.dimensions() d, sellometer.tiers t, unnest(ARRAY['', 'realtime_', 'own_realtime_']) kind
		UNION ALL
		SELECT e || '_' || d.dimension || '_' || suffix
		FROM sellometer.dimensions() d, unnest(enum_range(NULL::sellometer.event_type)) e,
			(SELECT name FROM sellometer.tiers UNION ALL VALUES ('rank')) s (suffix))
	UNION ALL
	-- what is asked of nodes
	SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'sellometer_nodes' AND c.relkind IN ('v', 'p') AND c.relname NOT LIKE 'told\_events\_of\_%'
$$;
COMMENT ON FUNCTION sellometer.readable() IS 'The tables and views that a reader may read whole';

CREATE FUNCTION sellometer.grant_to_reader(grantee text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('GRANT USAGE ON SCHEMA sellometer, %s TO %s',
		(SELECT e.extnamespace::regnamespace FROM pg_extension e WHERE e.extname = 'sellometer'), grantee);
	IF to_regnamespace('sellometer_nodes') IS NOT NULL THEN
		EXECUTE format('GRANT USAGE ON SCHEMA sellometer_nodes TO %s', grantee);
	END IF;
	EXECUTE format('GRANT SELECT ON %s TO %s', (SELECT string_agg(r::text, ', ') FROM sellometer.readable() r), grantee);
	EXECUTE format('GRANT SELECT (name, url, archive_url, enabled, same_content, added_at, head, listed_at, list_requests,
		last_error_at, unreadable_since, restored, own_slice) ON sellometer.sources TO %s', grantee);
	EXECUTE format('GRANT SELECT (product_id, price, since, name) ON sellometer.left_in_cart, sellometer.own_left_in_cart TO %s', grantee);
END
$$;
COMMENT ON FUNCTION sellometer.grant_to_reader(text) IS 'What sellometer_grant_reader() grants, to a role whose name is quoted';

/* To be called when tables or views have been made; who may read sellometer.tiers may read them too. */
CREATE FUNCTION sellometer.grant_readers()
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT sellometer.grant_to_reader(CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
	FROM pg_class c, aclexplode(c.relacl) a
	WHERE c.oid = 'sellometer.tiers'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
$$;
COMMENT ON FUNCTION sellometer.grant_readers() IS 'Let all readers read the tables and views that there are now';

CREATE FUNCTION @extschema@.sellometer_grant_reader(role regrole, errors boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.grant_to_reader(role::text);
	IF errors THEN
		EXECUTE format('GRANT SELECT (last_error) ON sellometer.sources TO %s', role);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_grant_reader(regrole, boolean) IS
	'Let a role read metrics, ledger and status, also of tiers added later, and nothing else; errors: also why a source can''t be listed, which may name servers and roles';

REVOKE ALL ON FUNCTION sellometer.grant_to_reader(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.grant_readers() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_grant_reader(regrole, boolean) FROM PUBLIC;
