/*
 * The tables and views of a tier.
 *
 * sellometer.<dimension>_<tier>				stored rows, partitioned by time
 * sellometer.own_realtime_<dimension>_<tier>	the same, and above the watermark the finer tier added up
 * sellometer.realtime_<dimension>_<tier>		the same; where nodes are asked, of all of them: see 99_nodes.sql
 * sellometer.<event>_<dimension>_<tier>		the seed's names: one event type of the above
 * sellometer.<event>_<dimension>_rank			the last hour before the head, best first
 */
CREATE FUNCTION sellometer.dimensions()
RETURNS TABLE (dimension text, key_type text, since timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	VALUES ('product_id', 'bigint', timestamptz '-infinity'), ('brand', 'text COLLATE "C"', '-infinity'), ('category_l1', 'text COLLATE "C"', '-infinity'),
		('category_l2', 'text COLLATE "C"', '-infinity'), ('category_l3', 'text COLLATE "C"', '-infinity')
	UNION ALL
	SELECT d.dimension, 'text COLLATE "C"', d.since FROM sellometer.dimensions d
$$;
COMMENT ON FUNCTION sellometer.dimensions() IS 'The dimensions, the types of their keys, and from when on they have keys';

/* Of all dimensions, or of one alone. */
CREATE FUNCTION sellometer.create_tier_tables(tier text, granularity interval, alone text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	d record;
	count_type text := CASE WHEN granularity >= interval '1 day' THEN 'bigint' ELSE 'integer' END;
	columns text;
	t text;
BEGIN
	FOR d IN SELECT * FROM sellometer.dimensions() x WHERE alone IS NULL OR x.dimension = alone LOOP
		t := d.dimension || '_' || tier;
		-- the order that wastes least on alignment
		columns := CASE WHEN d.key_type = 'bigint'
			THEN format('event_time timestamptz NOT NULL, %I %s NOT NULL, event_type sellometer.event_type NOT NULL, count %s NOT NULL',
				d.dimension, d.key_type, count_type)
			ELSE format('event_time timestamptz NOT NULL, event_type sellometer.event_type NOT NULL, count %s NOT NULL, %I %s NOT NULL',
				count_type, d.dimension, d.key_type) END;
		-- each partition has a primary key, made by slm_partition_attach(); the table must not, or pg_dump could not restore it; so
		-- whoever publishes it publishes whole rows
		EXECUTE format('CREATE TABLE sellometer.%I (%s, gmv numeric NOT NULL) PARTITION BY RANGE (event_time)', t, columns);
		-- what might be stored elsewhere has a table for that made with each partition, which would stay empty: see slm_partition_create()
		EXECUTE format('ALTER TABLE sellometer.%I ALTER gmv SET STORAGE PLAIN', t);
		IF d.key_type <> 'bigint' THEN
			EXECUTE format('ALTER TABLE sellometer.%I ALTER %I SET STORAGE PLAIN', t, d.dimension);
		END IF;
		EXECUTE format('GRANT SELECT ON sellometer.%I TO pg_database_owner', t);
		EXECUTE format('ALTER TABLE sellometer.%I REPLICA IDENTITY FULL', t);
		EXECUTE format('COMMENT ON TABLE sellometer.%I IS %L', t,
			format('Sums by %s, event type and %s of event time', d.dimension, tier));
		EXECUTE format('COMMENT ON COLUMN sellometer.%I.gmv IS %L', t, 'sum of the events'' prices, by pieces, always with four decimals');
		EXECUTE format('COMMENT ON COLUMN sellometer.%I.count IS %L', t, 'number of events');
		EXECUTE format('COMMENT ON COLUMN sellometer.%I.event_time IS %L', t, 'start of the interval');
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.create_tier_tables(text, interval, text) IS 'Make the tables of a tier';

/* (Re)make the views of a tier over its tables and the finer tier, which is NULL for the finest. */
CREATE FUNCTION sellometer.create_realtime_views(tier text, granularity interval, zone text, finer text, alone text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	d record;
	body text;
	v text;
BEGIN
	FOR d IN SELECT * FROM sellometer.dimensions() x WHERE alone IS NULL OR x.dimension = alone LOOP
		body := format('SELECT event_time, %1$I, event_type, count::bigint AS count, gmv FROM sellometer.%2$I',
			d.dimension, d.dimension || '_' || tier);
		IF finer IS NOT NULL THEN
			body := format('%1$s WHERE event_time < (SELECT watermark FROM sellometer.tiers WHERE name = %2$L)
				UNION ALL
				SELECT %3$s, %4$I, event_type, sum(count)::bigint, sum(gmv) FROM sellometer.%5$I
				WHERE event_time >= (SELECT watermark FROM sellometer.tiers WHERE name = %2$L)
				GROUP BY 1, 2, 3',
				body, tier, sellometer.bucket_expression(granularity, 'event_time', zone), d.dimension,
				'own_realtime_' || d.dimension || '_' || finer);
		END IF;
		v := 'realtime_' || d.dimension || '_' || tier;
		EXECUTE format('CREATE OR REPLACE VIEW sellometer.%I AS %s', 'own_' || v, body);
		EXECUTE format('COMMENT ON VIEW sellometer.%I IS %L', 'own_' || v,
			format('Events by %s and %s that this database counts, up to the newest', d.dimension, tier));
		EXECUTE format('CREATE OR REPLACE VIEW sellometer.%I AS SELECT * FROM sellometer.%I', v, 'own_' || v);
		EXECUTE format('COMMENT ON VIEW sellometer.%I IS %L', v,
			format('Events by %s and %s, up to the newest', d.dimension, tier));
		IF to_regclass('sellometer.own_views') IS NOT NULL THEN
			DELETE FROM sellometer.own_views o WHERE o.name = v;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.create_realtime_views(text, interval, text, text, text) IS
	'Make the views of a tier that are up to date by what the finer tier has';

CREATE FUNCTION sellometer.create_event_views(tier text, alone text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	d record;
	e text;
	v text;
BEGIN
	FOR d IN SELECT * FROM sellometer.dimensions() x WHERE alone IS NULL OR x.dimension = alone LOOP
		FOREACH e IN ARRAY enum_range(NULL::sellometer.event_type)::text[] LOOP
			v := e || '_' || d.dimension || '_' || tier;
			EXECUTE format('CREATE OR REPLACE VIEW sellometer.%I AS
				SELECT %2$I, event_time, gmv, count, gmv / count AS avg_price FROM sellometer.%3$I WHERE event_type = %4$L',
				v, d.dimension, 'realtime_' || d.dimension || '_' || tier, e);
			EXECUTE format('COMMENT ON VIEW sellometer.%I IS %L', v,
				format('%s events by %s and %s: gmv is the sum of the price of all pieces', e, d.dimension, tier));
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.create_event_views(text, text) IS 'Make the views of a tier by event type';

/* The tables (t) and views (v) of a tier, such that each view comes after what it reads. */
CREATE FUNCTION sellometer.tier_relations(tier text)
RETURNS TABLE (kind "char", name text, dimension text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 't'::"char", d.dimension || '_' || tier, d.dimension FROM sellometer.dimensions() d
	UNION ALL
	SELECT 'v', prefix || d.dimension || '_' || tier, d.dimension FROM unnest(ARRAY['own_realtime_', 'realtime_']) AS prefix, sellometer.dimensions() d
	UNION ALL
	SELECT 'v', event || '_' || d.dimension || '_' || tier, d.dimension
	FROM sellometer.dimensions() d, unnest(enum_range(NULL::sellometer.event_type)::text[]) AS event
$$;
COMMENT ON FUNCTION sellometer.tier_relations(text) IS 'The tables and views of a tier';

/* Those that a tier has by CREATE EXTENSION, if it is one of the default ones. */
CREATE FUNCTION sellometer.default_relations(tier text)
RETURNS TABLE (kind "char", name text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.kind, r.name FROM sellometer.tier_relations(tier) r WHERE r.dimension NOT IN (SELECT d.dimension FROM sellometer.dimensions d)
$$;
COMMENT ON FUNCTION sellometer.default_relations(text) IS 'The tables and views of a tier but for dimensions of one''s own';

CREATE FUNCTION sellometer.dimension_relations(dimension text)
RETURNS TABLE (kind "char", name text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.kind, r.name FROM sellometer.tiers t, sellometer.tier_relations(t.name) r WHERE r.dimension = dimension_relations.dimension
	UNION ALL
	SELECT 'v', event || '_' || dimension_relations.dimension || '_rank' FROM unnest(enum_range(NULL::sellometer.event_type)::text[]) AS event
$$;
COMMENT ON FUNCTION sellometer.dimension_relations(text) IS 'The tables and views of a dimension in all tiers';

CREATE FUNCTION sellometer.create_rank_views(finest text, alone text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	d record;
	e text;
BEGIN
	FOR d IN SELECT * FROM sellometer.dimensions() x WHERE alone IS NULL OR x.dimension = alone LOOP
		FOREACH e IN ARRAY enum_range(NULL::sellometer.event_type)::text[] LOOP
			EXECUTE format('CREATE OR REPLACE VIEW sellometer.%1$I AS
				SELECT %2$I, sum(gmv) AS gmv, sum(count)::bigint AS count, sum(gmv) / sum(count) AS avg_price
				FROM sellometer.%3$I
				WHERE event_type = %4$L AND event_time > (SELECT head - interval ''1 hour'' FROM sellometer.reached)
				GROUP BY 1 ORDER BY sum(gmv) DESC, 1',
				e || '_' || d.dimension || '_rank', d.dimension, 'realtime_' || d.dimension || '_' || finest, e);
			EXECUTE format('COMMENT ON VIEW sellometer.%I IS %L', e || '_' || d.dimension || '_rank',
				format('%s events by %s in the hour before the head, greatest gmv first', e, d.dimension));
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.create_rank_views(text, text) IS 'Make the views of the last hour';

/* The tables and views of a dimension that is new. */
CREATE FUNCTION sellometer.create_dimension(dimension text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT x.name, x.granularity, x.finer, x.position, x.zone FROM sellometer.tiers x ORDER BY x.position LOOP
		PERFORM sellometer.create_tier_tables(t.name, t.granularity, dimension);
		PERFORM sellometer.create_realtime_views(t.name, t.granularity, t.zone, t.finer, dimension);
		PERFORM sellometer.create_event_views(t.name, dimension);
		IF t.position = 0 THEN
			PERFORM sellometer.create_rank_views(t.name, dimension);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.create_dimension(text) IS 'Make the tables and views of a dimension in all tiers';

REVOKE ALL ON FUNCTION sellometer.create_dimension(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.create_tier_tables(text, interval, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.create_realtime_views(text, interval, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.create_event_views(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.create_rank_views(text, text) FROM PUBLIC;

INSERT INTO sellometer.tiers (name, position, granularity, retention, partition_width, watermark, initial, finer) VALUES
	('minute', 0, interval '1 minute', interval '24 hours', interval '1 hour', 'infinity', true, NULL),
	('hour', 1, interval '1 hour', interval '1 month', interval '1 day', '-infinity', true, 'minute');
SELECT sellometer.create_tier_tables('minute', interval '1 minute');
SELECT sellometer.create_tier_tables('hour', interval '1 hour');
SELECT sellometer.create_realtime_views('minute', interval '1 minute', NULL, NULL);
SELECT sellometer.create_realtime_views('hour', interval '1 hour', NULL, 'minute');
SELECT sellometer.create_event_views('minute');
SELECT sellometer.create_event_views('hour');
SELECT sellometer.create_rank_views('minute');
