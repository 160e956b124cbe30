/*
 * oracle.sql: what the tier tables must hold, in plain SQL over the raw rows.
 *
 *   psql -f oracle.sql                       make the schema (what was there is dropped)
 *   load.py DIRECTORY                        raw text rows into oracle.raw
 *   SELECT oracle.build();                   clean, judge, count
 *   SELECT * FROM oracle.diff('minute');     rows that differ from sellometer's tables: none
 *   SELECT * FROM oracle.diff_carts();       likewise for carts, and what is left in them
 *
 * Written from the description of the data alone and on purpose without a look at how the extension does it.  Works in
 * any database; only the diff functions need the extension.
 *
 * oracle.raw -> event (typed; reason where rejected) -> object_total -> counted (views once) -> <dimension>_<tier>
 *                                                                    -> cart
 */
\set ON_ERROR_STOP on
SET client_min_messages = warning;
-- the diff functions name tables that need not be there yet
SET check_function_bodies = off;
DROP SCHEMA IF EXISTS oracle CASCADE;
CREATE SCHEMA oracle;

-- One row for each row of an object, as text; flaw: what is wrong with the row as a row, else ''.
CREATE UNLOGGED TABLE oracle.raw (
	object			text,
	line			bigint,
	flaw			text,
	event_time		text,
	event_type		text,
	product_id		text,
	category_id		text,
	category_code	text,
	brand			text,
	price			text,
	user_id			text,
	user_session	text,
	quantity		text,
	event_id		text,
	currency		text,
	own				text[] NOT NULL DEFAULT '{}'	-- its keys in dimensions of one's own, '' where it has none
);

-- Dimensions of one's own, and what a test knows of rows that it has made: see oracle.take_known().
CREATE TABLE oracle.own_dimension (n bigint PRIMARY KEY, name text, column_name text, separator text, level integer, empty text, since timestamptz, id bigint);
CREATE UNLOGGED TABLE oracle.known (
	zone			text,
	source			text,
	object			text,
	texts			boolean,		-- products are texts
	line			bigint,
	flaw			text,
	event_time		text,			-- as the clock of the zone has it
	event_type		text,
	product_id		text,
	category_id		text,
	category_code	text,
	brand			text,
	price			text,
	user_id			text,
	user_session	text,
	quantity		text,
	event_id		text,
	currency		text,
	product_name	text,
	channel			text,
	region			text
);

-- The objects; useless: why one can't be used as a whole, else ''.
CREATE UNLOGGED TABLE oracle.object (object text PRIMARY KEY, useless text NOT NULL DEFAULT '');

-- What may be changed before oracle.build().
CREATE TABLE oracle.setting (
	only_row			boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	present				timestamptz NOT NULL DEFAULT now(),
	max_clock_skew		interval NOT NULL DEFAULT '5 minutes',
	max_clock_jump		interval NOT NULL DEFAULT '1 day',
	max_reject_fraction	numeric NOT NULL DEFAULT 0.1,
	min_reject_rows		bigint NOT NULL DEFAULT 100,
	max_key_bytes		integer NOT NULL DEFAULT 1000,
	own_currency		text NOT NULL DEFAULT 'USD'
);
INSERT INTO oracle.setting DEFAULT VALUES;

-- Rates of currencies, as they were at different times, and at which of these an object was loaded, or tried again.
CREATE TABLE oracle.rate (version integer, currency text, from_time timestamptz, rate numeric, PRIMARY KEY (currency, version, from_time));
CREATE TABLE oracle.tried (object text, version integer, PRIMARY KEY (object, version));

CREATE TABLE oracle.tier (name text PRIMARY KEY, granularity interval NOT NULL);
INSERT INTO oracle.tier VALUES ('minute', '1 minute'), ('hour', '1 hour'), ('day', '1 day');

/* A text without what can't be seen at its ends: white space of any alphabet, byte order marks, zero-width characters, directions. */
CREATE FUNCTION oracle.trimmed(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN ascii(value) BETWEEN 33 AND 126 AND ascii(right(value, 1)) BETWEEN 33 AND 126 THEN value ELSE btrim(value, E' \t\r\n\x0b\f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200c'
	'\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u202f\u205f\u2060\u2066\u2067\u2068\u2069\u3000\ufeff') END;

/* What an optional field holds: '' where it holds a word for nothing. */
CREATE FUNCTION oracle.value_of(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE
	WHEN octet_length(oracle.trimmed(value)) > 9 THEN oracle.trimmed(value)
	WHEN oracle.trimmed(value) COLLATE "C" IN ('-', '\N', 'nan', 'NaN', 'n/a', 'N/A', '#N/A', '<NA>', 'undefined') THEN ''
	WHEN lower(oracle.trimmed(value) COLLATE "C") IN ('null', 'none', '(null)') THEN ''
	ELSE oracle.trimmed(value)
END;

/*
 * A time, or NULL if the text is none.  YYYY-MM-DD HH:MM:SS with or without " UTC", or ISO 8601: T, fraction, Z or an
 * offset.  Without a zone it is UTC.
 */
CREATE FUNCTION oracle.time_of(value text) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
	day text := left(value, 10);
	clock text := substr(value, 12, 8);
	rest text := substr(value, 20);		-- fraction and zone
	fraction text := coalesce(substring(rest FROM '^\.\d+'), '');
	zone text := substr(rest, length(fraction) + 1);
	away interval := interval '0';
	first_of_month date;
BEGIN
	IF day !~ '^\d{4}-(0[1-9]|1[0-2])-\d\d$' OR left(day, 4) = '0000' OR right(day, 2) = '00'
		OR substr(value, 11, 1) NOT IN (' ', 'T') OR clock !~ '^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$'
	THEN
		RETURN NULL;
	END IF;
	IF zone ~ '^[+-](0\d|1[0-5]):?[0-5]\d$' THEN
		away := make_interval(hours => substr(zone, 2, 2)::int, mins => right(zone, 2)::int);
		IF left(zone, 1) = '-' THEN
			away := -away;
		END IF;
	ELSIF zone NOT IN ('', ' UTC', 'Z') THEN
		RETURN NULL;
	END IF;
	first_of_month := (left(day, 8) || '01')::date;
	IF first_of_month + right(day, 2)::int - 1 >= first_of_month + interval '1 month' THEN
		RETURN NULL;
	END IF;
	RETURN (day || ' ' || clock || left(fraction, 7))::timestamp AT TIME ZONE 'UTC' - away;
END
$$;

-- A bigint, or NULL if the text is none.  Whole numbers may have decimals, all of them zero.
CREATE FUNCTION oracle.bigint_of(value text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
	WHEN value ~ '^\d{1,18}$' THEN value::bigint
	WHEN value ~ '^[+-]?\d{1,60}(\.0*)?$' THEN
		CASE WHEN value::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN value::numeric::bigint END
END;

/* The number of a product that is a text. */
CREATE FUNCTION oracle.sku_number(value text) RETURNS numeric
LANGUAGE sql STABLE
RETURN CASE WHEN value ~ '^(0|[1-9]\d{0,17})$' THEN value::numeric
	ELSE -1 - (('x' || left(encode(sha256(convert_to(value, getdatabaseencoding())), 'hex'), 16))::bit(64)::bigint >> 1 & 9223372036854775807) END;

/* Which key a value is in a dimension of one's own: its first levels, cut to what a key may have. */
CREATE FUNCTION oracle.own_key(value text, separator text, level integer, empty text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(nullif(left(CASE WHEN level = 0 THEN v ELSE array_to_string((string_to_array(v, separator))[:level], separator) END, 1000), ''), empty)
	FROM (SELECT oracle.value_of(coalesce(value, '')) AS v) x);

/* What a key counts as in a dimension of one's own: which ones are admitted is up to who counts first, but not how many. */
CREATE FUNCTION oracle.counts_as(key text, id bigint) RETURNS text
LANGUAGE sql AS $$
	SELECT CASE WHEN key IS NOT NULL AND EXISTS (SELECT FROM sellometer.dimension_others x WHERE x.dimension_id = counts_as.id)
		AND NOT EXISTS (SELECT FROM sellometer.dimension_keys k WHERE k.dimension_id = counts_as.id AND k.key = counts_as.key) THEN 'other' ELSE key END
$$;

/* Likewise of a row's keys in all dimensions. */
CREATE FUNCTION oracle.counted_keys(own text[]) RETURNS text[]
LANGUAGE sql AS $$
	SELECT array_agg(coalesce(oracle.counts_as(nullif(own[d.n], ''), d.id), '') ORDER BY d.n) FROM oracle.own_dimension d
$$;

/* The dimensions of one's own that the database has. */
CREATE FUNCTION oracle.know_own() RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.own_dimension
	SELECT row_number() OVER (ORDER BY id), dimension, CASE made_of WHEN 'column' THEN lower(column_name) END, separator, level, empty, since, id FROM sellometer.dimensions
$$;

/* Rows of oracle.known as rows of a file without a format; a product that is a text is its number, and the brand where there is none. */
CREATE FUNCTION oracle.take_known() RETURNS void
LANGUAGE sql AS $$
	INSERT INTO oracle.raw
	SELECT object, line, flaw, to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), event_type, CASE WHEN texts THEN oracle.sku_number(oracle.value_of(product_id))::text ELSE product_id END,
		category_id, category_code, CASE WHEN texts AND oracle.value_of(brand) = '' THEN oracle.value_of(product_id) ELSE brand END, price, user_id, user_session, quantity, event_id, currency,
		ARRAY(SELECT CASE WHEN t < d.since THEN '' WHEN d.column_name IS NULL THEN source ELSE oracle.own_key(columns ->> d.column_name, d.separator, d.level, d.empty) END
			FROM oracle.own_dimension d ORDER BY n)
	FROM (SELECT k.*, k.event_time::timestamp AT TIME ZONE k.zone AS t, to_jsonb(k) AS columns FROM oracle.known k) x
$$;

/* Pieces, or NULL if the text is no number of pieces.  Empty is one. */
CREATE FUNCTION oracle.quantity_of(value text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value = '' THEN 1 WHEN value ~ '^[+]?\d{1,60}(\.0*)?$' AND value::numeric BETWEEN 1 AND 100000 THEN value::numeric::integer END;

/*
 * A price, or NULL if the text is none: four decimals, and what floating point leaves behind them; an exponent must be negative.
 */
CREATE FUNCTION oracle.price_of(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value ~* '^[+-]?((\d{1,60}\.?\d*|\.\d+)(e-\d{1,3})?|0+\.?0*e\+\d{1,3})$' THEN
	CASE WHEN abs(value::numeric - round(value::numeric, 4)) < 0.000001 AND round(value::numeric, 4) >= 0
		AND round(value::numeric, 4) < 1000000000000 THEN round(value::numeric, 4) END
END;

/*
 * The levels of a category as an array: trimmed, lower-cased, empty ones left out; the category_id where there is no
 * code; unknown where there is neither.
 */
CREATE FUNCTION oracle.levels_of(category_code text, category_id bigint) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(
	nullif(ARRAY(
		SELECT oracle.trimmed(level)
		FROM unnest(string_to_array(lower(oracle.value_of(category_code) COLLATE "C"), '.')) WITH ORDINALITY AS l(level, i)
		WHERE oracle.trimmed(level) <> ''
		ORDER BY i), '{}'),
	ARRAY[coalesce(category_id::text, 'unknown')]);

/*
 * Typed rows.  Few texts come again and again, so times, categories and prices are understood once each.
 */
CREATE FUNCTION oracle.build_event() RETURNS void
LANGUAGE plpgsql SET work_mem = '512MB' SET client_min_messages = warning AS $$
BEGIN
	DROP TABLE IF EXISTS oracle.event, oracle.time_text, oracle.price_text, oracle.category;
	ANALYZE oracle.raw, oracle.object, oracle.setting;
	CREATE UNLOGGED TABLE oracle.time_text AS
		SELECT event_time, oracle.time_of(oracle.trimmed(event_time)) AS t FROM (SELECT DISTINCT event_time FROM oracle.raw) d;
	CREATE UNLOGGED TABLE oracle.price_text AS
		SELECT price, oracle.price_of(oracle.trimmed(price)) AS value FROM (SELECT DISTINCT price FROM oracle.raw) d;
	CREATE UNLOGGED TABLE oracle.category AS
		SELECT category_code, category_id, id_value, l1,
			l1 || '.' || coalesce(levels[2], l1) AS l2,
			l1 || '.' || coalesce(levels[2], l1) || '.' || coalesce(levels[3], levels[2], l1) AS l3,
			octet_length(array_to_string(levels, '.')) AS code_bytes
		FROM (SELECT *, levels[1] AS l1
			FROM (SELECT *, oracle.levels_of(category_code, id_value) AS levels
				FROM (SELECT category_code, category_id, oracle.bigint_of(oracle.value_of(category_id)) AS id_value
					FROM (SELECT DISTINCT category_code, category_id FROM oracle.raw) a) b) c) d;
	ANALYZE oracle.time_text, oracle.price_text, oracle.category;

	CREATE UNLOGGED TABLE oracle.event AS
	SELECT object, line, t, event_type, product_id, price,
		CASE WHEN brand = '' THEN product_id::text ELSE brand END AS brand, l1, l2, l3, own, user_session, user_id,
		CASE WHEN event_type = 'view' THEN 1 ELSE pieces END AS quantity, CASE WHEN event_type = 'view' THEN '' ELSE event_id END AS event_id, currency,
		CASE
			WHEN flaw <> '' THEN flaw
			WHEN t IS NULL THEN 'bad_time'
			WHEN event_type NOT IN ('view', 'cart', 'remove_from_cart', 'purchase') THEN 'bad_event_type'
			WHEN product_id IS NULL THEN 'bad_product_id'
			WHEN price IS NULL THEN 'bad_price'
			WHEN category_id_text <> '' AND category_id IS NULL THEN 'bad_category_id'
			WHEN user_id_text <> '' AND user_id IS NULL THEN 'bad_user_id'
			WHEN t <= present + max_clock_skew AND event_type <> 'view' AND pieces IS NULL THEN 'bad_quantity'
			WHEN octet_length(brand) > max_key_bytes OR octet_length(l3) > max_key_bytes OR code_bytes > max_key_bytes
				THEN 'key_too_long'
			WHEN t > present + max_clock_skew THEN 'future'
		END AS reason
	FROM (
		SELECT r.object, r.line, r.flaw, tt.t, lower(r.type COLLATE "C") AS event_type,
			oracle.bigint_of(r.product) AS product_id, pt.value AS price, r.brand_value AS brand, r.session AS user_session,
			c.l1, c.l2, c.l3, r.own, c.code_bytes, c.id_value AS category_id, r.category_id_text,
			r.user_id_text, oracle.bigint_of(r.user_id_text) AS user_id, oracle.quantity_of(r.quantity) AS pieces, r.event_id, r.currency
		-- most values are plain ones, for which the functions need not be called; apart, so that bigint_of() is given a column
		FROM (SELECT object, line, flaw, event_time, price, category_code, category_id, own,
				CASE WHEN event_type IN ('view', 'cart', 'purchase') THEN event_type ELSE oracle.trimmed(event_type) END AS type,
				CASE WHEN product_id ~ '^[0-9]+$' THEN product_id ELSE oracle.trimmed(product_id) END AS product,
				CASE WHEN octet_length(brand) > 9 AND ascii(brand) BETWEEN 33 AND 126 AND ascii(right(brand, 1)) BETWEEN 33 AND 126 THEN brand
					WHEN brand <> '' THEN oracle.value_of(brand) ELSE '' END AS brand_value,
				CASE WHEN octet_length(user_session) > 9 AND ascii(user_session) BETWEEN 33 AND 126 AND ascii(right(user_session, 1)) BETWEEN 33 AND 126 THEN user_session
					WHEN user_session <> '' THEN oracle.value_of(user_session) ELSE '' END AS session,
				CASE WHEN category_id ~ '^[0-9]+$' THEN category_id WHEN category_id <> '' THEN oracle.value_of(category_id) ELSE '' END AS category_id_text,
				CASE WHEN user_id ~ '^[0-9]+$' THEN user_id WHEN user_id <> '' THEN oracle.value_of(user_id) ELSE '' END AS user_id_text,
				CASE WHEN quantity <> '' THEN oracle.value_of(quantity) ELSE '' END AS quantity,
				CASE WHEN event_id <> '' THEN oracle.value_of(event_id) ELSE '' END AS event_id,
				CASE WHEN currency <> '' THEN upper(oracle.value_of(currency) COLLATE "C") ELSE '' END AS currency
			FROM oracle.raw OFFSET 0) r
		JOIN oracle.time_text tt USING (event_time)
		JOIN oracle.price_text pt USING (price)
		JOIN oracle.category c ON c.category_code = r.category_code AND c.category_id = r.category_id
		-- of an object that is useless as a whole nothing is counted
		WHERE NOT EXISTS (SELECT FROM oracle.object o WHERE o.object = r.object AND o.useless <> '')
	) typed, oracle.setting;
	ANALYZE oracle.event;
END
$$;

/* Prices of other currencies, by the rate of the first time that the object was tried when there was one. */
CREATE FUNCTION oracle.convert_prices() RETURNS void
LANGUAGE plpgsql SET work_mem = '512MB' AS $$
BEGIN
	UPDATE oracle.event e SET price = c.price, reason = CASE WHEN c.price IS NULL THEN 'no_rate' WHEN c.price >= 1000000000000 THEN 'bad_price' ELSE e.reason END
	FROM (SELECT x.object, x.line, round(x.price * (SELECT r.rate FROM oracle.tried v, LATERAL (SELECT s.rate FROM oracle.rate s
			WHERE s.version = v.version AND s.currency = x.currency AND s.from_time <= x.t ORDER BY s.from_time DESC LIMIT 1) r
			WHERE v.object = x.object ORDER BY v.version LIMIT 1), 4) AS price
		FROM oracle.event x WHERE x.currency NOT IN ('', (SELECT own_currency FROM oracle.setting)) AND (x.reason IS NULL OR x.reason = 'key_too_long')) c
	WHERE e.object = c.object AND e.line = c.line;
END
$$;

/*
 * Few rows behind a gap of more than max_clock_jump, and more than twice what is usual amid the rows of their object; then what
 * each object comes to.
 */
CREATE FUNCTION oracle.judge_objects() RETURNS void
LANGUAGE plpgsql SET work_mem = '512MB' SET client_min_messages = warning AS $$
BEGIN
	UPDATE oracle.event e SET reason = 'clock_jump'
	FROM (SELECT object, min(t) AS last
		FROM (SELECT *, max(gap) FILTER (WHERE before > few AND n - before > few) OVER (PARTITION BY object) AS usual
			FROM (SELECT object, t, count(*) OVER (PARTITION BY object) AS n, row_number() OVER w AS before, lead(t) OVER w - t AS gap, few
				FROM oracle.event
				JOIN (SELECT object, greatest(count(*) / 100, least(count(*) / 10, 100), (count(*) >= 5)::integer) AS few
					FROM oracle.event GROUP BY object) f USING (object)
				WHERE reason IS NULL OR reason = 'key_too_long'
				WINDOW w AS (PARTITION BY object ORDER BY t)) g
			WHERE gap > (SELECT max_clock_jump FROM oracle.setting)) u
		WHERE n - before <= least(few, before) AND (usual IS NULL OR gap > 2 * usual)
		GROUP BY object) j
	WHERE e.object = j.object AND e.reason IS NULL AND e.t > j.last;

	DROP TABLE IF EXISTS oracle.object_total;
	CREATE UNLOGGED TABLE oracle.object_total AS
	SELECT o.object, o.useless <> '' OR coalesce(too_bad, false) AS failed, coalesce(rows_total, 0) AS rows_total,
		coalesce(rows_rejected, 0) AS rows_rejected
	FROM oracle.object o
	LEFT JOIN (SELECT object, rows_total, rows_rejected,
			rows_rejected = rows_total OR (rows_total >= min_reject_rows AND rows_rejected > max_reject_fraction * rows_total) AS too_bad
		FROM (SELECT object, count(*) AS rows_total, count(reason) AS rows_rejected
			FROM oracle.event GROUP BY object) e, oracle.setting) t USING (object);
	ANALYZE oracle.object_total;
END
$$;

/* The rows that count: of a session's views of a product the first, of the other events of an id, product and type the first, everything else. */
CREATE FUNCTION oracle.build_counted() RETURNS void
LANGUAGE plpgsql SET work_mem = '512MB' SET client_min_messages = warning AS $$
BEGIN
	DROP TABLE IF EXISTS oracle.counted;
	CREATE UNLOGGED TABLE oracle.counted AS
	WITH usable AS NOT MATERIALIZED (
		SELECT e.* FROM oracle.event e JOIN oracle.object_total o USING (object)
		WHERE e.reason IS NULL AND NOT o.failed)
	SELECT t, event_type, product_id, brand, l1, l2, l3, own, price, quantity, false AS of_session FROM usable
	WHERE CASE WHEN event_type = 'view' THEN user_session = '' ELSE event_id = '' END
	UNION ALL
	(SELECT DISTINCT ON (user_session COLLATE "C", product_id)
		t, event_type, product_id, brand, l1, l2, l3, own, price, quantity, true FROM usable
	WHERE event_type = 'view' AND user_session <> ''
	ORDER BY user_session COLLATE "C", product_id, t, price, l3 COLLATE "C", brand COLLATE "C", own COLLATE "C")
	UNION ALL
	(SELECT DISTINCT ON (event_id COLLATE "C", product_id, event_type)
		t, event_type, product_id, brand, l1, l2, l3, own, price, quantity, false FROM usable
	WHERE event_id <> ''
	ORDER BY event_id COLLATE "C", product_id, event_type, t, price, l3 COLLATE "C", brand COLLATE "C", own COLLATE "C", quantity);
	ANALYZE oracle.counted;
END
$$;

/* Are there events with ids? */
CREATE FUNCTION oracle.has_ids() RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM oracle.raw WHERE event_id <> '')
$$;

/* What a session last did with a product: put it into the cart (at which price, as which user), took it out, bought it. */
CREATE FUNCTION oracle.build_cart() RETURNS void
LANGUAGE plpgsql SET work_mem = '512MB' SET client_min_messages = warning AS $$
BEGIN
	DROP TABLE IF EXISTS oracle.cart;
	CREATE UNLOGGED TABLE oracle.cart AS
	WITH usable AS MATERIALIZED (
		SELECT e.* FROM oracle.event e JOIN oracle.object_total o USING (object)
		WHERE e.reason IS NULL AND NOT o.failed AND event_type <> 'view'
			AND user_session <> '' AND octet_length(user_session) <= (SELECT max_key_bytes FROM oracle.setting)),
	last_cart AS (
		SELECT DISTINCT ON (user_session COLLATE "C", product_id) user_session, product_id, user_id, price, t
		FROM usable WHERE event_type = 'cart'
		ORDER BY user_session COLLATE "C", product_id, t DESC, price, user_id NULLS LAST)
	SELECT user_session, product_id, c.user_id, c.price, c.t AS cart_at, l.removed_at, l.purchased_at
	FROM (SELECT user_session, product_id, max(t) FILTER (WHERE event_type = 'remove_from_cart') AS removed_at,
			max(t) FILTER (WHERE event_type = 'purchase') AS purchased_at
		FROM usable GROUP BY 1, 2) l
	LEFT JOIN last_cart c USING (user_session, product_id);
	ANALYZE oracle.cart;
	-- what a user has bought or taken out, in whichever session or none, one row an event
	DROP TABLE IF EXISTS oracle.taken;
	CREATE UNLOGGED TABLE oracle.taken AS
	SELECT e.user_id, e.product_id, e.event_type, e.t FROM oracle.event e JOIN oracle.object_total o USING (object)
	WHERE e.reason IS NULL AND NOT o.failed AND event_type IN ('remove_from_cart', 'purchase') AND user_id IS NOT NULL;
	CREATE INDEX ON oracle.taken (user_id, product_id);
	ANALYZE oracle.taken;
END
$$;

/*
 * The last start of a day, week, month … of a zone that is not after a time: when its clock shows the first midnight, the last time if it does so
 * twice.
 */
CREATE FUNCTION oracle.local_start(unit text, width interval, t timestamptz, zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
	SELECT max(x.start) FROM generate_series(-1, 1) i,
		LATERAL (SELECT (date_trunc(unit, t AT TIME ZONE zone) + i * width) AT TIME ZONE zone AS start) x
	WHERE x.start <= t
$$;

/* Which interval a row's time is in: weeks, months and so on as date_trunc() has them. */
CREATE FUNCTION oracle.bucket(granularity interval, zone text DEFAULT 'UTC') RETURNS text
LANGUAGE sql AS $$
	SELECT CASE WHEN unit IS NULL OR unit = 'day' AND zone = 'UTC' THEN format('date_bin(%L, t, ''2000-01-03 00:00:00+00'')', granularity)
		WHEN zone = 'UTC' THEN format('date_trunc(%L, t, ''UTC'')', unit)
		ELSE format('oracle.local_start(%L, %L, t, %L)', unit, granularity, zone) END
	FROM (SELECT CASE granularity WHEN '1 day' THEN 'day' WHEN '7 days' THEN 'week' WHEN '1 month' THEN 'month' WHEN '3 months' THEN 'quarter' WHEN '1 year' THEN 'year' END) u (unit)
$$;

/* The tables of a tier: five, and those of dimensions of one's own. */
CREATE FUNCTION oracle.build_tier(tier text, granularity interval, zone text DEFAULT 'UTC') RETURNS void
LANGUAGE plpgsql SET work_mem = '512MB' SET client_min_messages = warning AS $$
DECLARE
	dimension text;
	key text;
BEGIN
	FOR dimension, key IN VALUES ('product_id', 'product_id'), ('brand', 'brand COLLATE "C"'),
		('category_l1', 'l1 COLLATE "C"'), ('category_l2', 'l2 COLLATE "C"'), ('category_l3', 'l3 COLLATE "C"')
		UNION ALL SELECT name, format('oracle.counts_as(nullif(own[%s], ''''), %s) COLLATE "C"', n, id) FROM oracle.own_dimension
	LOOP
		EXECUTE format('DROP TABLE IF EXISTS oracle.%I', dimension || '_' || tier);
		EXECUTE format('CREATE UNLOGGED TABLE oracle.%1$I AS
			SELECT %2$s AS event_time, %3$s AS %4$I, event_type,
				sum(quantity)::bigint AS count, sum(price * quantity)::numeric(60, 4) AS gmv
			FROM oracle.counted WHERE %3$s IS NOT NULL GROUP BY 1, 2, 3',
			dimension || '_' || tier, oracle.bucket(granularity, coalesce(zone, 'UTC')), key, dimension);
		EXECUTE format('ANALYZE oracle.%I', dimension || '_' || tier);
	END LOOP;
END
$$;

/* Everything, from oracle.raw to the tiers of oracle.tier; returns the rows that came, were rejected, are counted. */
CREATE FUNCTION oracle.build(OUT rows_total bigint, OUT rows_rejected bigint, OUT rows_counted bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM oracle.build_event();
	PERFORM oracle.convert_prices();
	PERFORM oracle.judge_objects();
	PERFORM oracle.build_counted();
	PERFORM oracle.build_cart();
	PERFORM oracle.build_tier(name, granularity) FROM oracle.tier;
	SELECT count(*), count(e.reason) INTO rows_total, rows_rejected
	FROM oracle.event e JOIN oracle.object_total o USING (object) WHERE NOT o.failed;
	SELECT count(*) INTO rows_counted FROM oracle.counted;
END
$$;

/*
 * Rows in which a tier, or its totals, differ from sellometer's, in a range of time; none if all is well.  side: missing
 * (only the oracle has it) or unexpected (only sellometer has it).  gmv as text: it has four decimals, however the sum
 * came about.  realtime: compare the view that also holds what is not yet rolled up.
 */
CREATE FUNCTION oracle.diff(tier text, from_time timestamptz DEFAULT '-infinity',
	to_time timestamptz DEFAULT 'infinity', realtime boolean DEFAULT false)
RETURNS TABLE (dimension text, side text, key text, event_time timestamptz, event_type text, count bigint, gmv text)
LANGUAGE plpgsql SET work_mem = '512MB' SET client_min_messages = warning AS $$
BEGIN
	FOREACH dimension IN ARRAY ARRAY['product_id', 'brand', 'category_l1', 'category_l2', 'category_l3'] || ARRAY(SELECT name FROM oracle.own_dimension ORDER BY n) LOOP
		RETURN QUERY EXECUTE format('
			WITH expected AS NOT MATERIALIZED (
				SELECT event_time, %1$I AS key, event_type, count, gmv::text FROM oracle.%2$I
				WHERE event_time >= $1 AND event_time < $2),
			actual AS NOT MATERIALIZED (
				SELECT event_time, %1$I AS key, event_type::text, count::bigint, gmv::text FROM sellometer.%3$I
				WHERE event_time >= $1 AND event_time < $2)
			SELECT %1$L, side, key::text, event_time, event_type, count, gmv
			FROM (SELECT ''missing'' AS side, * FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM actual) m
				UNION ALL
				SELECT ''unexpected'', * FROM (SELECT * FROM actual EXCEPT ALL SELECT * FROM expected) u) d
			ORDER BY event_time, key, event_type, side',
			dimension, dimension || '_' || tier,
			CASE WHEN realtime THEN 'realtime_' ELSE '' END || dimension || '_' || tier)
		USING from_time, to_time;
	END LOOP;
	IF NOT realtime THEN
		RETURN QUERY EXECUTE format('
			WITH expected AS (
				SELECT event_time, event_type, sum(count)::bigint AS count, sum(gmv)::text AS gmv FROM oracle.%I
				WHERE event_time >= $1 AND event_time < $2 GROUP BY 1, 2),
			actual AS (
				SELECT event_time, event_type::text, count, gmv::text FROM sellometer.totals
				WHERE tier = %L AND event_time >= $1 AND event_time < $2)
			SELECT ''totals'', side, NULL, event_time, event_type, count, gmv
			FROM (SELECT ''missing'' AS side, * FROM (TABLE expected EXCEPT ALL TABLE actual) m
				UNION ALL
				SELECT ''unexpected'', * FROM (TABLE actual EXCEPT ALL TABLE expected) u) d
			ORDER BY event_time, event_type, side', 'brand_' || tier, tier)
		USING from_time, to_time;
	END IF;
END
$$;

/*
 * Carts that differ from sellometer.carts, as far as they are kept: times before kept count as none.  And, as left, rows in
 * which sellometer.left_in_cart differs: what was put into a cart `timeout` before the head or earlier, and nothing since, nor did
 * the same user buy or take it out in another session.  As user: what differs in sellometer.user_cart_times.
 */
CREATE FUNCTION oracle.diff_carts(kept interval DEFAULT '3 days', timeout interval DEFAULT '1 hour')
RETURNS TABLE (side text, what text, user_session text, product_id bigint, user_id bigint, price numeric, cart_at timestamptz,
	removed_at timestamptz, purchased_at timestamptz)
LANGUAGE sql SET work_mem = '512MB' AS $$
	WITH span AS MATERIALIZED (
		SELECT head - kept AS first, head - timeout AS until FROM sellometer.state),
	both_sides AS (
		SELECT 'missing' AS side, c.* FROM oracle.cart c
		UNION ALL
		SELECT 'unexpected', c.user_session, c.product_id, c.user_id, c.price, c.cart_at, c.removed_at, c.purchased_at
		FROM sellometer.carts c),
	kept_parts AS MATERIALIZED (
		SELECT side, 'cart' AS what, c.user_session, product_id, CASE WHEN cart_at >= first THEN user_id END AS user_id,
			CASE WHEN cart_at >= first THEN price END AS price, CASE WHEN cart_at >= first THEN cart_at END AS cart_at,
			CASE WHEN removed_at >= first THEN removed_at END AS removed_at,
			CASE WHEN purchased_at >= first THEN purchased_at END AS purchased_at
		FROM both_sides c, span
		WHERE cart_at >= first OR removed_at >= first OR purchased_at >= first),
	left_parts AS (
		SELECT side, 'left', k.user_session, product_id, user_id, price, cart_at, NULL::timestamptz, NULL::timestamptz
		FROM kept_parts k, span
		WHERE side = 'missing' AND cart_at <= until AND removed_at >= cart_at IS NOT TRUE AND purchased_at >= cart_at IS NOT TRUE
			AND NOT EXISTS (SELECT FROM oracle.taken t WHERE t.user_id = k.user_id AND t.product_id = k.product_id AND t.t >= k.cart_at)
		UNION ALL
		SELECT 'unexpected', 'left', v.user_session, v.product_id, v.user_id, v.price, v.since, NULL, NULL
		FROM sellometer.left_in_cart v),
	users AS (
		SELECT 'missing' AS side, user_id, product_id, max(t) FILTER (WHERE event_type = 'remove_from_cart') AS removed_at,
			max(t) FILTER (WHERE event_type = 'purchase') AS purchased_at FROM oracle.taken GROUP BY 2, 3
		UNION ALL
		SELECT 'unexpected', u.user_id, u.product_id, max(u.removed_at), max(u.purchased_at) FROM sellometer.user_cart_times u GROUP BY 2, 3),
	user_parts AS (
		SELECT side, 'user', NULL, u.product_id, u.user_id, NULL::numeric, NULL::timestamptz,
			CASE WHEN u.removed_at >= first THEN u.removed_at END, CASE WHEN u.purchased_at >= first THEN u.purchased_at END
		FROM users u, span WHERE u.removed_at >= first OR u.purchased_at >= first),
	parts AS (SELECT * FROM kept_parts UNION ALL SELECT * FROM left_parts UNION ALL SELECT * FROM user_parts)
	SELECT max(side), what, user_session, product_id, user_id, price, cart_at, removed_at, purchased_at FROM parts
	GROUP BY what, user_session, product_id, user_id, price, cart_at, removed_at, purchased_at
	HAVING count(*) FILTER (WHERE side = 'missing') <> count(*) FILTER (WHERE side = 'unexpected')
$$;

/*
 * Objects whose ledger row differs: state, rows in all, rows rejected.  Then the sums: rows counted and duplicate must
 * agree over all objects (which object a view is counted for depends on the order they came in).  Objects of several
 * sources are told apart by key alone.
 */
CREATE FUNCTION oracle.diff_objects()
RETURNS TABLE (object text, what text, expected text, actual text)
LANGUAGE sql AS $$
	WITH both_sides AS (
		SELECT coalesce(o.object, s.key) AS object,
			CASE WHEN o.failed THEN 'failed' WHEN o.object IS NOT NULL THEN 'done' END AS state,
			CASE WHEN NOT o.failed THEN o.rows_total END AS rows_total,
			CASE WHEN NOT o.failed THEN o.rows_rejected END AS rows_rejected,
			CASE s.state WHEN 'archived' THEN 'done' ELSE s.state END AS s_state,
			CASE WHEN s.state <> 'failed' THEN s.rows_total END AS s_total,
			CASE WHEN s.state <> 'failed' THEN s.rows_rejected END AS s_rejected
		FROM oracle.object_total o FULL JOIN sellometer.objects s ON s.key = o.object)
	SELECT object, what, expected, actual
	FROM both_sides, LATERAL (VALUES ('state', state, s_state), ('rows_total', rows_total::text, s_total::text),
		('rows_rejected', rows_rejected::text, s_rejected::text)) v(what, expected, actual)
	WHERE expected IS DISTINCT FROM actual
	UNION ALL
	SELECT NULL, what, expected::text, actual::text
	FROM (SELECT sum(rows_counted) AS counted, sum(rows_duplicate) AS duplicate FROM sellometer.objects) s,
		(SELECT count(*) AS counted FROM oracle.counted) c,
		(SELECT sum(rows_total - rows_rejected) AS good FROM oracle.object_total WHERE NOT failed) g,
		LATERAL (VALUES ('rows_counted', c.counted, s.counted), ('rows_duplicate', g.good - c.counted, s.duplicate))
			v(what, expected, actual)
	WHERE expected IS DISTINCT FROM actual
$$;

/*
 * Rejected rows that differ in object, line or reason.  Of an object that has more than `kept` of them (the setting
 * sellometer.max_rejects_kept) only some are there: their number must be `kept`.
 */
CREATE FUNCTION oracle.diff_rejects(kept integer DEFAULT 100)
RETURNS TABLE (side text, object text, line bigint, reason text)
LANGUAGE sql AS $$
	WITH expected AS (
		SELECT e.object, e.line, e.reason FROM oracle.event e JOIN oracle.object_total o USING (object)
		WHERE e.reason IS NOT NULL AND NOT o.failed),
	actual AS (
		SELECT r.key, r.line, r.reason FROM sellometer.rejected_rows r
		WHERE NOT EXISTS (SELECT FROM oracle.object_total o WHERE o.object = r.key AND o.failed))
	SELECT 'missing', * FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM actual) m
	WHERE (SELECT rows_rejected FROM oracle.object_total o WHERE o.object = m.object) <= kept
	UNION ALL
	SELECT 'unexpected', * FROM (SELECT * FROM actual EXCEPT ALL SELECT * FROM expected) u
	UNION ALL
	SELECT format('%s kept', n), key, NULL, NULL
	FROM (SELECT key, count(*) AS n FROM actual GROUP BY key) a JOIN oracle.object_total o ON o.object = a.key
	WHERE o.rows_rejected > kept AND n <> kept
$$;

/*
 * Days, products, prices and categories at which sellometer.offer_history, with what is not folded into it yet, differs:
 * all events but views with a session, by number, first and last minute, and brand in the last.  Where there are ids, a repetition that
 * counted once may be earlier than the first or later than the last, and have had another brand.
 */
CREATE FUNCTION oracle.diff_offers()
RETURNS TABLE (side text, day date, product_id bigint, event_type text, price numeric, category text, count bigint,
	first_seen timestamptz, last_seen timestamptz, brand text)
LANGUAGE sql AS $$
	WITH expected AS (
		SELECT (t AT TIME ZONE 'UTC')::date, product_id, event_type, price, l3, sum(quantity)::bigint,
			date_bin('1 minute', min(t), '2000-01-03 00:00:00+00'), date_bin('1 minute', max(t), '2000-01-03 00:00:00+00'),
			(array_agg(brand ORDER BY date_bin('1 minute', t, '2000-01-03 00:00:00+00') DESC, brand COLLATE "C" DESC))[1]
		FROM oracle.counted WHERE NOT of_session
		GROUP BY 1, 2, 3, 4, 5),
	summed AS (
		SELECT day, product_id, event_type::text, price, category, sum(count)::bigint, min(first_seen), max(last_seen),
			(array_agg(brand ORDER BY last_seen DESC, brand COLLATE "C" DESC))[1]
		FROM (TABLE sellometer.offer_history UNION ALL TABLE sellometer.offer_log) u (day, product_id, event_type, count, first_seen, last_seen, price, category, brand)
		GROUP BY 1, 2, 3, 4, 5
		HAVING sum(count) <> 0),
	actual AS (
		SELECT s.day, s.product_id, s.event_type, s.price, s.category, s.count,
			CASE WHEN (SELECT oracle.has_ids()) THEN greatest(s.first_seen, e.first_seen) ELSE s.first_seen END,
			CASE WHEN (SELECT oracle.has_ids()) THEN least(s.last_seen, e.last_seen) ELSE s.last_seen END,
			CASE WHEN (SELECT oracle.has_ids()) THEN coalesce(e.brand, s.brand) ELSE s.brand END
		FROM summed s (day, product_id, event_type, price, category, count, first_seen, last_seen, brand)
		LEFT JOIN expected e (day, product_id, event_type, price, category, count, first_seen, last_seen, brand) USING (day, product_id, event_type, price, category))
	SELECT 'missing', * FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM actual) m
	UNION ALL
	SELECT 'unexpected', * FROM (SELECT * FROM actual EXCEPT ALL SELECT * FROM expected) u
$$;

/*
 * What is worked out of offers once they are folded: sellometer.sold_products, and sellometer.recent_sales for the last day.
 */
CREATE FUNCTION oracle.diff_sold()
RETURNS TABLE (side text, what text, product_id bigint, minute timestamptz, price numeric, category text, count bigint, low numeric, high numeric, brand text, last_sold timestamptz)
LANGUAGE sql AS $$
	WITH sold AS (
		SELECT * FROM oracle.counted WHERE event_type = 'purchase'),
	expected AS (
		SELECT 'product', product_id, NULL::timestamptz, NULL::numeric, l3, sum(quantity)::bigint, min(price), max(price),
			(array_agg(brand ORDER BY date_bin('1 minute', t, '2000-01-03 00:00:00+00') DESC, brand COLLATE "C" DESC))[1],
			date_bin('1 minute', max(t), '2000-01-03 00:00:00+00')
		FROM sold GROUP BY product_id, l3
		UNION ALL
		SELECT 'minute', product_id, date_bin('1 minute', t, '2000-01-03 00:00:00+00'), price, l3, sum(quantity)::bigint, NULL, NULL, NULL, NULL
		FROM sold, sellometer.state WHERE t >= head - interval '1 day' GROUP BY 1, 2, 3, 4, 5
		UNION ALL
		SELECT 'several', product_id, NULL, NULL, NULL, count(DISTINCT l3), NULL, NULL, NULL, NULL FROM sold GROUP BY product_id HAVING count(DISTINCT l3) > 1),
	actual AS (
		SELECT 'product', s.product_id, NULL::timestamptz, NULL::numeric, s.category, s.sales, s.low, s.high,
			CASE WHEN (SELECT oracle.has_ids()) THEN coalesce(e.brand, s.brand) ELSE s.brand END,
			CASE WHEN (SELECT oracle.has_ids()) THEN least(s.last_sold, e.last_sold) ELSE s.last_sold END
		FROM sellometer.sold_products s
		LEFT JOIN expected e (what, product_id, minute, price, category, sales, low, high, brand, last_sold) ON (e.what, e.product_id, e.category) = ('product', s.product_id, s.category)
		UNION ALL
		SELECT 'minute', product_id, minute, price, category, count, NULL, NULL, NULL, NULL FROM sellometer.recent_sales, sellometer.state
		WHERE minute >= head - interval '1 day'
		UNION ALL
		SELECT 'several', product_id, NULL, NULL, NULL, count(*), NULL, NULL, NULL, NULL FROM sellometer.sold_products WHERE has_others GROUP BY product_id)
	SELECT 'missing', * FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM actual) m
	UNION ALL
	SELECT 'unexpected', * FROM (SELECT * FROM actual EXCEPT ALL SELECT * FROM expected) u
$$;

/* Views of the last minutes as sellometer.recent_views() sees them: of each session the first of each product, price and category. */
CREATE FUNCTION oracle.diff_listings()
RETURNS TABLE (side text, product_id bigint, category text, price numeric, views bigint, first_seen timestamptz, last_seen timestamptz)
LANGUAGE sql AS $$
	WITH span AS MATERIALIZED (
		SELECT head - interval '30 minutes' AS f, head + interval '10 minutes' AS t FROM sellometer.state),
	firsts AS (
		SELECT product_id, l3, price, min(t) AS t FROM oracle.event e JOIN oracle.object_total o USING (object)
		WHERE e.reason IS NULL AND NOT o.failed AND event_type = 'view' AND user_session <> ''
		GROUP BY user_session COLLATE "C", product_id, l3, price),
	expected AS (
		SELECT product_id, l3, price, count(*), min(v.t), max(v.t) FROM firsts v, span WHERE v.t >= span.f AND v.t < span.t GROUP BY 1, 2, 3),
	actual AS (
		SELECT r.product_id, r.category, r.price, sum(r.views)::bigint, min(r.first_seen), max(r.last_seen)
		FROM span, sellometer.recent_views(span.f, span.t) r GROUP BY 1, 2, 3)
	SELECT 'missing', * FROM (SELECT * FROM expected EXCEPT ALL SELECT * FROM actual) m
	UNION ALL
	SELECT 'unexpected', * FROM (SELECT * FROM actual EXCEPT ALL SELECT * FROM expected) u
$$;

/*
 * Counts of sessions, buyers and orders that differ from the rows, of what is counted and kept; with a dimension that is made of a part of the object's key, those of its
 * keys too.
 */
CREATE FUNCTION oracle.diff_visits(order_window interval, days_of text, by text DEFAULT NULL, pattern text DEFAULT NULL)
RETURNS TABLE (key integer, tier text, event_time timestamptz, sessions bigint, actual_sessions bigint, buyers bigint, actual_buyers bigint, orders bigint, actual_orders bigint)
LANGUAGE sql AS $$
	WITH e AS MATERIALIZED (
		SELECT n.key, e.user_session AS s, e.t, e.event_type::text AS type FROM oracle.event e JOIN oracle.object_total o USING (object), sellometer.visit_state v,
			LATERAL (SELECT 0 AS key WHERE e.t >= v.counted_from
				UNION ALL
				SELECT k.number FROM sellometer.dimensions d JOIN sellometer.dimension_keys k ON k.dimension_id = d.id
				WHERE d.dimension = by AND e.t >= d.visits_from AND k.key = oracle.counts_as(coalesce(substring(e.object FROM pattern), d.empty), d.id)) n
		WHERE e.reason IS NULL AND NOT o.failed AND e.user_session <> ''
	), bought AS MATERIALIZED (
		SELECT DISTINCT key, s, t FROM e WHERE type = 'purchase'
	), started AS (
		SELECT b.* FROM bought b WHERE NOT EXISTS (SELECT FROM bought q WHERE q.key = b.key AND q.s = b.s AND q.t < b.t AND q.t > b.t - order_window)
	), happened AS (
		SELECT 'session' AS what, key, s, t FROM e UNION ALL SELECT 'buyer', key, s, t FROM bought UNION ALL SELECT 'order', key, s, t FROM started
	), expected AS (
		SELECT key, tier, event_time, count(DISTINCT s) FILTER (WHERE what = 'session') AS sessions, count(DISTINCT s) FILTER (WHERE what = 'buyer') AS buyers,
			count(*) FILTER (WHERE what = 'order') AS orders
		FROM happened, LATERAL (VALUES ('minute', date_trunc('minute', t, 'UTC')), ('hour', date_trunc('hour', t, 'UTC')), ('day', oracle.local_start('day', '1 day', t, days_of))) p (tier, event_time)
		GROUP BY 1, 2, 3
	), floors AS (
		SELECT tier, coalesce((SELECT max(k.floor) FROM sellometer.kept() k WHERE k.tier = p.tier), '-infinity') AS floor FROM (VALUES ('minute'), ('hour'), ('day')) p (tier)
	)
	SELECT key, tier, event_time, e.sessions, c.sessions, e.buyers, c.buyers, e.orders, c.orders
	FROM (SELECT x.* FROM expected x JOIN floors f USING (tier) WHERE event_time >= floor) e
	FULL JOIN (SELECT x.* FROM sellometer.visit_counts x JOIN floors f USING (tier) WHERE event_time >= floor AND (x.key = 0 OR by IS NOT NULL)) c USING (key, tier, event_time)
	WHERE (e.sessions, e.buyers, e.orders) IS DISTINCT FROM (c.sessions, c.buyers, c.orders)
	ORDER BY 1, 2, 3
$$;

/* Have raw rows say what overrides of categories and brands have them count as. */
CREATE FUNCTION oracle.relabel() RETURNS void
LANGUAGE sql AS $$
	UPDATE oracle.raw r SET category_code = coalesce(
		(SELECT coalesce(code, '') FROM (SELECT code FROM sellometer.category_overrides c
			WHERE c.since <= oracle.time_of(r.event_time) AND c.product_id = oracle.bigint_of(r.product_id) ORDER BY since DESC LIMIT 1) o WHERE code IS NOT NULL),
		(SELECT code FROM sellometer.category_overrides c
			WHERE c.since <= oracle.time_of(r.event_time) AND c.category_id = oracle.bigint_of(r.category_id) ORDER BY since DESC LIMIT 1),
		r.category_code),
		brand = coalesce(
		(SELECT counts_as FROM (SELECT counts_as FROM sellometer.overridden_brands c
			WHERE c.since <= oracle.time_of(r.event_time) AND c.product_id = oracle.bigint_of(r.product_id) ORDER BY since DESC LIMIT 1) o WHERE counts_as IS NOT NULL),
		(SELECT counts_as FROM sellometer.overridden_brands c
			WHERE c.since <= oracle.time_of(r.event_time) AND c.brand = oracle.value_of(r.brand) ORDER BY since DESC LIMIT 1),
		r.brand)
$$;
