/*
 * Buckets of time: fixed lengths that count from Monday 2000-01-03, so that weeks begin on Mondays, or months.  Whole days and months are
 * those of a zone; NULL: of UTC.
 */
CREATE FUNCTION sellometer.bucket_start(granularity interval, t timestamptz, zone text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_bucket_start';
COMMENT ON FUNCTION sellometer.bucket_start(interval, timestamptz, text) IS
	'The start of the bucket that a time is in; whole days and months are those of the zone, NULL: of UTC';

CREATE FUNCTION sellometer.bucket_end(granularity interval, t timestamptz, zone text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_bucket_end';
COMMENT ON FUNCTION sellometer.bucket_end(interval, timestamptz, text) IS
	'The first start of a bucket that is not before a time';

CREATE FUNCTION sellometer.bucket_next(granularity interval, t timestamptz, zone text DEFAULT NULL)
RETURNS timestamptz
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_bucket_next';
COMMENT ON FUNCTION sellometer.bucket_next(interval, timestamptz, text) IS
	'The end of the bucket that a time is in, which is the start of the next';

CREATE FUNCTION sellometer.is_multiple(coarse interval, fine interval, coarse_zone text DEFAULT NULL, fine_zone text DEFAULT NULL)
RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_is_multiple';
COMMENT ON FUNCTION sellometer.is_multiple(interval, interval, text, text) IS
	'Does every bucket of coarse consist of whole buckets of fine?';

/* SQL for the start of the bucket that a time is in.  A number of months must divide a year. */
CREATE FUNCTION sellometer.bucket_expression(granularity interval, expression text, zone text DEFAULT NULL)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN zone <> 'UTC' AND (months > 0 OR extract(epoch FROM granularity) % 86400 = 0)
			THEN format('sellometer.bucket_start(%L::interval, %s, %L)', granularity, expression, zone)
		WHEN months = 0 THEN format('date_bin(%L, %s, ''2000-01-03 00:00:00+00'')', granularity, expression)
		WHEN months = 1 THEN format('date_trunc(''month'', %s, ''UTC'')', expression)
		WHEN months = 3 THEN format('date_trunc(''quarter'', %s, ''UTC'')', expression)
		WHEN months = 12 THEN format('date_trunc(''year'', %s, ''UTC'')', expression)
		ELSE format('make_timestamptz(extract(year FROM %1$s AT TIME ZONE ''UTC'')::integer,
			(extract(month FROM %1$s AT TIME ZONE ''UTC'')::integer - 1) / %2$s * %2$s + 1, 1, 0, 0, 0, ''UTC'')',
			expression, months)
	END
	FROM (SELECT (extract(year FROM granularity) * 12 + extract(month FROM granularity))::integer) AS g (months)
$$;
COMMENT ON FUNCTION sellometer.bucket_expression(interval, text, text) IS
	'SQL expression for the start of the bucket that a time is in';

/*
 * One zone for all: that in which there are tiers already, whatever the setting says by now, or two sessions would see other days.
 */
CREATE FUNCTION sellometer.day_zone()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce((SELECT t.zone FROM sellometer.tiers t WHERE t.zone IS NOT NULL ORDER BY t.position LIMIT 1),
		nullif(current_setting('sellometer.timezone', true), ''), 'UTC');
END
$$;
COMMENT ON FUNCTION sellometer.day_zone() IS
	'The zone of days, weeks and months: that of the tiers of such, or, while there is none, sellometer.timezone; UTC if that is empty';
