/*
 * How much room will it take?
 *
 * What a tier takes does not follow the number of events: a row is a key, type and interval, however many events it sums up.  So
 *
 *     bytes = intervals kept x (distinct keys and types in an interval, of all five dimensions) x bytes of a row with its index
 *
 * and all three are measured in what is stored.  Other tables grow with events, sessions or files, and so with time.
 */

/* About how long: months have different lengths. */
CREATE FUNCTION sellometer.seconds_of(length interval)
RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (extract(year FROM length) * 12 + extract(month FROM length)) * 2629746
		+ extract(day FROM length) * 86400 + extract(hour FROM length) * 3600 + extract(minute FROM length) * 60 + extract(second FROM length)
$$;
COMMENT ON FUNCTION sellometer.seconds_of(interval) IS 'How long an interval is, with months of the mean length';

/* Rows of a table and its partitions: by what was last counted and how much it has grown since, or counted now. */
CREATE FUNCTION sellometer.size_of(relation regclass, OUT rows numeric, OUT bytes numeric)
RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	n bigint;
BEGIN
	rows := 0;
	bytes := 0;
	FOR p IN SELECT c.oid::regclass AS part, c.relkind, c.reltuples, c.relpages, pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages,
			pg_total_relation_size(CASE c.relkind WHEN 'f' THEN to_regclass(format('sellometer.%I', c.relname || '_z')) ELSE c.oid END) AS bytes,
			(SELECT substr(o, 6)::numeric FROM pg_foreign_table f, unnest(f.ftoptions) o WHERE f.ftrelid = c.oid AND o LIKE 'rows=%') AS packed
			FROM pg_class c WHERE (c.relkind = 'r' OR c.oid IN (SELECT f.ftrelid FROM pg_foreign_table f
				JOIN pg_foreign_server v ON v.oid = f.ftserver WHERE v.srvname = 'sellometer_packed')) AND (c.oid = relation OR c.oid IN (SELECT t.relid FROM pg_partition_tree(relation) t)) LOOP
		IF p.relkind = 'f' THEN
			rows := rows + p.packed;
		ELSIF p.reltuples < 0 OR p.relpages = 0 THEN
			EXECUTE format('SELECT count(*) FROM %s', p.part) INTO n;
			rows := rows + n;
		ELSE
			rows := rows + round((p.reltuples / p.relpages)::numeric * p.pages);
		END IF;
		bytes := bytes + p.bytes;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.size_of(regclass) IS 'How many rows, more or less, and bytes with indexes a table and its partitions have';

CREATE FUNCTION sellometer.tier_capacity(days numeric,
	OUT name text, OUT intervals bigint, OUT rows bigint, OUT bytes bigint, OUT rows_an_interval numeric, OUT intervals_expected bigint, OUT bytes_expected bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	s record;
	width numeric;				-- of an interval, in seconds
	kept numeric;				-- seconds, at most
	bytes_a_row numeric := 100;	-- until rows of some tier say
	rows_that_say numeric;		-- as many rows of the tier itself count as much as what is known from finer ones
	first timestamptz;
BEGIN
	FOR t IN SELECT x.*, least(x.watermark, st.head) AS upto,
			(SELECT max(sellometer.seconds_of(c.granularity)) FROM sellometer.tiers c WHERE c.finer = x.name) AS needed
			FROM sellometer.tiers x, sellometer.state st ORDER BY x.position LOOP
		width := sellometer.seconds_of(t.granularity);
		SELECT sum(z.rows) AS rows, sum(z.bytes) AS bytes INTO s
		FROM sellometer.dimensions() d, sellometer.size_of(('sellometer.' || quote_ident(d.dimension || '_' || t.name))::regclass) z;
		SELECT min(x.event_time) INTO first FROM sellometer.totals x
		WHERE x.tier = t.name AND x.event_type = ANY (enum_range(NULL::sellometer.event_type));
		name := t.name;
		intervals := coalesce(ceil(extract(epoch FROM t.upto - first) / width), 0);
		rows := s.rows;
		bytes := s.bytes;
		IF intervals > 0 AND s.rows > 0 THEN
			rows_an_interval := round(s.rows / intervals, 1);
			-- tables grow by steps that are large for small ones: few rows say little, and the finer tier's, which are alike, more
			bytes_a_row := (s.bytes + coalesce(bytes_a_row * rows_that_say, 0)) / (s.rows + coalesce(rows_that_say, 0));
			rows_that_say := 20000;
		ELSE
			-- none is whole yet: as many as there are in the one that has begun
			SELECT sum(sellometer.rows_begun(d.dimension, t.name)) INTO rows_an_interval FROM sellometer.dimensions() d;
		END IF;
		-- whole partitions go, and none that is not rolled up
		kept := greatest(sellometer.seconds_of(t.retention), t.needed) + sellometer.seconds_of(t.partition_width);
		intervals_expected := greatest(ceil(least(intervals + days * 86400 / width, CASE WHEN t.retention IS NOT NULL THEN kept / width END)), 0);
		bytes_expected := round(rows_an_interval * intervals_expected * bytes_a_row);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.tier_capacity(numeric) IS 'What sellometer_capacity() says of the tiers';

CREATE FUNCTION sellometer.rows_begun(dimension text, tier text)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM sellometer.%I WHERE event_time = (SELECT max(sellometer.bucket_start(t.granularity, s.head, t.zone))
		FROM sellometer.tiers t, sellometer.state s WHERE t.name = %L)', 'own_realtime_' || dimension || '_' || tier, tier) INTO n;
	RETURN n;
END
$$;
COMMENT ON FUNCTION sellometer.rows_begun(text, text) IS 'How many rows a tier would have of the interval that the head is in';

CREATE FUNCTION @extschema@.sellometer_capacity(days numeric DEFAULT 30,
	OUT name text, OUT intervals bigint, OUT rows bigint, OUT bytes bigint, OUT rows_an_interval numeric, OUT intervals_expected bigint, OUT bytes_expected bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
DECLARE
	reached numeric;			-- days from the first event to the head
	o record;
	z record;
BEGIN
	IF days IS NULL OR days NOT BETWEEN 0 AND 36500 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'days must be a number from 0 to 36500',
			DETAIL = format('It is %s.', coalesce(days::text, 'NULL'));
	END IF;
	RETURN QUERY SELECT * FROM sellometer.tier_capacity(days);
	SELECT extract(epoch FROM st.head - (SELECT min(x.event_time) FROM sellometer.totals x WHERE x.event_type = ANY (enum_range(NULL::sellometer.event_type)))) / 86400
	INTO reached FROM sellometer.state st;
	FOR o IN SELECT * FROM (VALUES ('view_log', 'sellometer.view_log_retention', '31d'), ('carts', 'sellometer.cart_retention', '3d'), ('user_carts', 'sellometer.cart_retention', '3d'),
			('offer_history', 'sellometer.offer_retention', '30d'), ('objects', NULL, NULL)) v (relation, setting, usual) LOOP
		SELECT * INTO z FROM sellometer.size_of(('sellometer.' || o.relation)::regclass);
		name := o.relation;
		intervals := NULL;
		rows := z.rows;
		bytes := z.bytes;
		rows_an_interval := NULL;
		intervals_expected := NULL;
		bytes_expected := CASE WHEN reached > 0 THEN round(z.bytes / least(reached, k.kept) * least(reached + days, k.kept)) ELSE z.bytes END
		FROM (SELECT CASE WHEN o.setting IS NOT NULL THEN sellometer.seconds_of(sellometer.setting_length(o.setting, o.usual)) / 86400 + 1 END AS kept) k;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_capacity(numeric) IS
	'What each tier, and the tables that grow with time, take now, and what they will take after so many days more like those that are stored: intervals held and to be held, rows an interval (distinct keys and event types, of all five dimensions), bytes with indexes';

REVOKE ALL ON FUNCTION sellometer.size_of(regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.tier_capacity(numeric) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.rows_begun(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_capacity(numeric) FROM PUBLIC;
