/*
 * Times and lengths of time as people read them: in the zone of the shop, by its name, and never with microseconds.
 */
CREATE FUNCTION sellometer.shop_zone()
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(nullif(pg_catalog.current_setting('sellometer.timezone', true), ''), pg_catalog.current_setting('TimeZone'));
COMMENT ON FUNCTION sellometer.shop_zone() IS 'The zone of times in words: sellometer.timezone, or that of the session';

/* Each abbreviation is that of its time: CET and CEST.  Zones that have none are told by how far they are from UTC. */
CREATE FUNCTION sellometer.shop_time(t timestamptz, of timestamptz DEFAULT NULL, precise boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO'
AS $$
DECLARE
	zone text := sellometer.shop_zone();
	before text := current_setting('TimeZone');
	words text;
BEGIN
	PERFORM set_config('TimeZone', zone, true);
	words := to_char(t, CASE WHEN t::date = of::date THEN '' ELSE 'YYYY-MM-DD ' END || CASE WHEN precise THEN 'HH24:MI:SS TZ' ELSE 'HH24:MI TZ' END);
	PERFORM set_config('TimeZone', before, true);
	RETURN regexp_replace(words, ' (?=[+-][0-9:]+$)', ' UTC');
END
$$;
COMMENT ON FUNCTION sellometer.shop_time(timestamptz, timestamptz, boolean) IS
	'A time in words, in the zone of the shop; without the day if another time is of the same; precise: to the second';

CREATE FUNCTION sellometer.moment(t timestamptz)
RETURNS text
LANGUAGE sql STABLE
RETURN sellometer.shop_time(t, pg_catalog.clock_timestamp(), true);
COMMENT ON FUNCTION sellometer.moment(timestamptz) IS 'A time by the clock in words: to the second, with the day if that is not today';

/* As people say it: 3.4 days, 5 hours, 12 minutes. */
CREATE FUNCTION sellometer.in_words(t interval)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN s >= 172800 THEN trim_scale(round(s / 86400, 1)) || ' days'
		WHEN s >= 7200 THEN trim_scale(round(s / 3600, 1)) || ' hours'
		WHEN s >= 59.5 OR s = 0 THEN CASE round(s / 60) WHEN 1 THEN '1 minute' ELSE round(s / 60) || ' minutes' END
		WHEN s < 1.5 THEN '1 second' ELSE round(s) || ' seconds' END
	FROM extract(epoch FROM t) s
$$;
COMMENT ON FUNCTION sellometer.in_words(interval) IS 'A length of time as people say it';
