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
			HINT = 'Without a time the override begins two minutes after the newest event.';
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
