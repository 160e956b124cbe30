/*
 * Labels that count instead of those that come: applied while loading (src/dedup/overrides.c), from an event time on, so
 * that rows of a late file count as they would have counted in time.
 */
CREATE TABLE sellometer.category_overrides (
	id			bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	product_id	bigint,
	category_id	bigint,
	code		text,
	since		timestamptz NOT NULL,
	set_by		text NOT NULL DEFAULT SESSION_USER,
	set_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CHECK (pg_catalog.num_nonnulls(product_id, category_id) = 1),
	CHECK (pg_catalog.octet_length(code) <= 300),
	UNIQUE NULLS NOT DISTINCT (product_id, category_id, since)
);
COMMENT ON TABLE sellometer.category_overrides IS
	'Category codes that count instead of those that come: see sellometer_override_category()';
COMMENT ON COLUMN sellometer.category_overrides.product_id IS 'of this product; goes before that of its category_id';
COMMENT ON COLUMN sellometer.category_overrides.category_id IS 'of all products that come with this category_id';
COMMENT ON COLUMN sellometer.category_overrides.code IS 'category_code that counts; NULL: from then on none, so that of the category_id, or what comes';
COMMENT ON COLUMN sellometer.category_overrides.since IS 'for events of this time and later, until the next one';

CREATE FUNCTION @extschema@.sellometer_override_category(code text, category_id bigint DEFAULT NULL, product_id bigint DEFAULT NULL,
	since timestamptz DEFAULT NULL)
RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	soonest timestamptz := (SELECT date_trunc('minute', head, 'UTC') + interval '2 minutes' FROM sellometer.state);
	begin_at timestamptz := coalesce($4, soonest, '-infinity');
BEGIN
	IF num_nonnulls($2, $3) <> 1 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'an override needs either a category_id or a product_id',
			HINT = 'For example: sellometer_override_category(''electronics.smartphone'', category_id => 2053013555631882655).';
	END IF;
	-- words for nothing would be read as no category
	IF btrim($1) IN ('', '-', E'\\N', 'nan', 'NaN', 'n/a', 'N/A', '<NA>', '#N/A', 'undefined')
		OR lower(btrim($1)) IN ('null', 'none', '(null)') OR octet_length($1) > 300 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('"%s" can''t be a category code', left($1, 100)),
			HINT = 'Give levels joined by dots, like electronics.smartphone, at most 300 bytes; NULL: what comes counts again.';
	END IF;
	IF begin_at < soonest THEN
		RAISE NOTICE USING
			MESSAGE = format('events from %s on that are loaded already keep their category', begin_at),
			HINT = 'sellometer_relabel() corrects these too.  Without a time the override begins two minutes after the newest event.';
	END IF;
	DELETE FROM sellometer.category_overrides o
	WHERE o.since = begin_at AND o.category_id IS NOT DISTINCT FROM $2 AND o.product_id IS NOT DISTINCT FROM $3;
	INSERT INTO sellometer.category_overrides (product_id, category_id, code, since) VALUES ($3, $2, $1, begin_at);
	RETURN begin_at;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_override_category(text, bigint, bigint, timestamptz) IS
	'Have events of a category_id, or of a product, count under another category code from a time on; gives the time';

REVOKE ALL ON FUNCTION @extschema@.sellometer_override_category(text, bigint, bigint, timestamptz) FROM PUBLIC;

/* The same of brands. */
CREATE TABLE sellometer.overridden_brands (
	id			bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	product_id	bigint,
	brand		text,
	counts_as	text,
	since		timestamptz NOT NULL,
	set_by		text NOT NULL DEFAULT SESSION_USER,
	set_at		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CHECK (pg_catalog.num_nonnulls(product_id, brand) = 1),
	CHECK (pg_catalog.octet_length(counts_as) <= 300 AND brand <> '' AND counts_as <> ''),
	UNIQUE NULLS NOT DISTINCT (product_id, brand, since)
);
COMMENT ON TABLE sellometer.overridden_brands IS 'Brands that count instead of those that come: see sellometer_override_brand()';
COMMENT ON COLUMN sellometer.overridden_brands.product_id IS 'of this product; goes before that of its brand';
COMMENT ON COLUMN sellometer.overridden_brands.brand IS 'of all products that come with this brand';
COMMENT ON COLUMN sellometer.overridden_brands.counts_as IS 'brand that counts; NULL: from then on none, so that of the brand, or what comes';
COMMENT ON COLUMN sellometer.overridden_brands.since IS 'for events of this time and later, until the next one';

CREATE FUNCTION @extschema@.sellometer_override_brand(counts_as text, brand text DEFAULT NULL, product_id bigint DEFAULT NULL, since timestamptz DEFAULT NULL)
RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	soonest timestamptz := (SELECT date_trunc('minute', head, 'UTC') + interval '2 minutes' FROM sellometer.state);
	begin_at timestamptz := coalesce($4, soonest, '-infinity');
BEGIN
	IF num_nonnulls($2, $3) <> 1 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'an override needs either a brand or a product_id',
			HINT = 'For example: sellometer_override_brand(''samsung'', brand => ''samsumg'').';
	END IF;
	-- words for nothing would be read as no brand
	IF btrim($1) IN ('', '-', E'\\N', 'nan', 'NaN', 'n/a', 'N/A', '<NA>', '#N/A', 'undefined')
		OR lower(btrim($1)) IN ('null', 'none', '(null)') OR octet_length($1) > 300 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('"%s" can''t be a brand', left($1, 100)),
			HINT = 'Give one of at most 300 bytes; NULL: what comes counts again.';
	END IF;
	IF begin_at < soonest THEN
		RAISE NOTICE USING
			MESSAGE = format('events from %s on that are loaded already keep their brand', begin_at),
			HINT = 'sellometer_relabel_brand() corrects these too.  Without a time the override begins two minutes after the newest event.';
	END IF;
	DELETE FROM sellometer.overridden_brands o
	WHERE o.since = begin_at AND o.brand IS NOT DISTINCT FROM btrim($2) AND o.product_id IS NOT DISTINCT FROM $3;
	INSERT INTO sellometer.overridden_brands (product_id, brand, counts_as, since) VALUES ($3, btrim($2), btrim($1), begin_at);
	RETURN begin_at;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_override_brand(text, text, bigint, timestamptz) IS
	'Have events of a brand, or of a product, count under another brand from a time on; gives the time';
REVOKE ALL ON FUNCTION @extschema@.sellometer_override_brand(text, text, bigint, timestamptz) FROM PUBLIC;

/* A replay from here on replaces all buckets that hold events of the time and later, of each tier, and whole days of what offers are kept by. */
CREATE FUNCTION sellometer.whole_buckets_from(since timestamptz)
RETURNS timestamptz
LANGUAGE c STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_whole_buckets_from';
COMMENT ON FUNCTION sellometer.whole_buckets_from(timestamptz) IS 'The earliest begin of a tier''s bucket, or of a day, that holds this time';

CREATE FUNCTION sellometer.warn_of_lost_labels(since timestamptz)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM sellometer.objects o WHERE o.lost AND o.last_event >= since) THEN
		RAISE WARNING 'rows of objects that were declared lost keep their labels, and so do the minutes that they are in';
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.warn_of_lost_labels(timestamptz) IS 'A warning, where rows from a time on can''t be read again';

CREATE FUNCTION sellometer.wait_for_readers(overrides regclass)
RETURNS void
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_wait_for_readers';
COMMENT ON FUNCTION sellometer.wait_for_readers(regclass) IS 'Wait until transactions are over that have read the table so far; keeps nobody from reading it';

/*
 * Override, and the past anew: two transactions.  Batches that are under way have read the overrides as they were: when these are through, what
 * is loaded has the new label already, also while the past is made anew.  It commits, so names are whole, and nothing is set.
 */
CREATE PROCEDURE sellometer.relabel(overrides regclass, override text, label text, what text, product_id bigint, since timestamptz, INOUT events bigint)
LANGUAGE plpgsql
AS $$
BEGIN
	PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
	EXECUTE pg_catalog.format('SELECT %s.%I($1, %L, $2, $3)', sellometer.functions_schema(), override, what) USING label, product_id, since;
	COMMIT;
	PERFORM pg_catalog.set_config('client_min_messages', 'warning', true);
	PERFORM sellometer.wait_for_readers(overrides);
	PERFORM sellometer.warn_of_lost_labels(since);
	EXECUTE pg_catalog.format('SELECT %s.sellometer_replay(NULL::pg_catalog.text, $1, ''infinity''::pg_catalog.timestamptz)', sellometer.functions_schema())
		INTO events USING sellometer.whole_buckets_from(since);
END
$$;
COMMENT ON PROCEDURE sellometer.relabel(regclass, text, text, text, bigint, timestamptz, bigint) IS
	'Call one of the functions that override labels, then make anew what is loaded since; gives the number of events';

CREATE PROCEDURE @extschema@.sellometer_relabel(code text, category_id bigint DEFAULT NULL, product_id bigint DEFAULT NULL,
	since timestamptz DEFAULT '-infinity', INOUT events bigint DEFAULT NULL)
LANGUAGE plpgsql
AS $$
BEGIN
	CALL sellometer.relabel('sellometer.category_overrides', 'sellometer_override_category', $1, $2::pg_catalog.text, $3, $4, events);
END
$$;
COMMENT ON PROCEDURE @extschema@.sellometer_relabel(text, bigint, bigint, timestamptz, bigint) IS
	'Have events of a category_id, or of a product, count under another category code from a time on, those that are loaded already too: sums, history of offers and what is made of it are made anew; gives the number of events';

CREATE PROCEDURE @extschema@.sellometer_relabel_brand(counts_as text, brand text DEFAULT NULL, product_id bigint DEFAULT NULL,
	since timestamptz DEFAULT '-infinity', INOUT events bigint DEFAULT NULL)
LANGUAGE plpgsql
AS $$
BEGIN
	CALL sellometer.relabel('sellometer.overridden_brands', 'sellometer_override_brand', $1, $2, $3, $4, events);
END
$$;
COMMENT ON PROCEDURE @extschema@.sellometer_relabel_brand(text, text, bigint, timestamptz, bigint) IS
	'Have events of a brand, or of a product, count under another brand from a time on, those that are loaded already too, as sellometer_relabel() does; gives the number of events';
REVOKE ALL ON PROCEDURE @extschema@.sellometer_relabel_brand(text, text, bigint, timestamptz, bigint) FROM PUBLIC;

REVOKE ALL ON PROCEDURE sellometer.relabel(regclass, text, text, text, bigint, timestamptz, bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.whole_buckets_from(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.wait_for_readers(regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.warn_of_lost_labels(timestamptz) FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_relabel(text, bigint, bigint, timestamptz, bigint) FROM PUBLIC;
