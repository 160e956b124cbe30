/*
 * Reading over time, from whichever tiers serve best.
 *
 * A range is cut into pieces, each read from one tier: the coarsest whose buckets fit, between what it no longer keeps
 * (its floor) and what is not rolled up into it yet (its watermark); finer tiers give what is left at both ends.
 *
 *     hour          |=====================|
 *     minute    |===|                     |=====|
 *              from              hour's watermark  to
 */

/*
 * The functions from here on that are a single query are PL/pgSQL for the sake of speed: their plans are kept.
 *
 * What each tier is sure to hold.  Rows before head - retention may be dropped at any time, and late ones no longer reach the
 * tier; but what is not rolled up into all tiers that are made of it stays, whole, however old it is.
 */
CREATE FUNCTION sellometer.held(
	own boolean DEFAULT false, OUT tier text, OUT "position" integer, OUT granularity interval, OUT floor timestamptz, OUT watermark timestamptz,
	OUT taken_from timestamptz, OUT zone text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF NOT own AND sellometer.asks_nodes() THEN
		RETURN QUERY SELECT * FROM sellometer.held_of_nodes();
		RETURN;
	END IF;
	RETURN QUERY
	SELECT k.name, k.position, k.granularity, greatest(k.kept_from, k.retained), k.watermark,
		CASE WHEN k.kept_from > k.coarser_from THEN greatest(k.kept_from, k.retained) ELSE k.retained END, k.zone
	FROM (SELECT t.*, least((SELECT min(c.watermark) FROM sellometer.tiers c WHERE c.finer = t.name),
				coalesce(sellometer.bucket_start(t.partition_width, (s.head AT TIME ZONE 'UTC' - t.retention) AT TIME ZONE 'UTC', t.zone),
					'-infinity')) AS retained,
			min(t.kept_from) OVER (ORDER BY t.position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS coarser_from
		FROM sellometer.tiers t, sellometer.state s) k
	ORDER BY k.position;
END
$$;
COMMENT ON FUNCTION sellometer.held(boolean) IS
	'What each tier is sure to hold, finest first: rows from floor on, up to watermark; from taken_from on it may have some; own: here, even if nodes are asked';

CREATE FUNCTION sellometer.kept(
	OUT tier text, OUT "position" integer, OUT granularity interval, OUT floor timestamptz, OUT watermark timestamptz,
	OUT zone text)
RETURNS SETOF record
LANGUAGE sql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT h.tier, h.position, h.granularity, h.floor, h.watermark, h.zone FROM sellometer.held() h ORDER BY h.position
$$;
COMMENT ON FUNCTION sellometer.kept() IS
	'What each tier is sure to hold, finest first: rows from floor on, up to watermark';

/*
 * Weeks and months are both made of days, but neither of the other: what is read from both would overlap, or lack something.  So
 * it is always read from the tiers of one chain, from the finest to one of the coarsest.
 */
CREATE FUNCTION sellometer.chains(OUT coarsest text, OUT tier text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH RECURSIVE chain AS (
		SELECT t.name AS coarsest, t.name, t.finer FROM sellometer.tiers t
		WHERE NOT EXISTS (SELECT FROM sellometer.tiers c WHERE c.finer = t.name)
		UNION ALL
		SELECT c.coarsest, t.name, t.finer FROM chain c JOIN sellometer.tiers t ON t.name = c.finer
	)
	SELECT c.coarsest, c.name FROM chain c;
END
$$;
COMMENT ON FUNCTION sellometer.chains() IS 'The tiers of each chain: one that none is made of, the one that it is made of, and so on';

/*
 * step: use tiers of which it is a multiple, in its zone; NULL: any.  What none of them is sure to hold is read from the coarsest that may have
 * some of it.  Both ends must be starts of buckets of such a tier.  Of several chains: that which holds most of the range, with the
 * widest buckets.
 */
CREATE FUNCTION sellometer.pieces(
	range_from timestamptz, range_to timestamptz, step interval, step_zone text DEFAULT NULL, own boolean DEFAULT false,
	OUT tier text, OUT piece_from timestamptz, OUT piece_to timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH spans AS (
		SELECT c.coarsest, k.tier, k.position,
			greatest(sellometer.bucket_end(k.granularity, range_from, k.zone), k.floor) AS first,
			least(sellometer.bucket_start(k.granularity, range_to, k.zone), k.watermark) AS after,
			greatest(sellometer.bucket_end(k.granularity, range_from, k.zone), k.taken_from) AS taken_first,
			sellometer.bucket_start(k.granularity, least(range_to, min(k.floor) OVER (PARTITION BY c.coarsest)), k.zone) AS taken_after
		FROM sellometer.held(own) k JOIN sellometer.chains() c USING (tier)
		WHERE step IS NULL OR sellometer.is_multiple(step, k.granularity, step_zone, k.zone)
	), nested AS (
		SELECT s.*, min(first) OVER coarser AS coarser_first, max(after) OVER coarser AS coarser_after
		FROM spans s
		WHERE first < after
		WINDOW coarser AS (PARTITION BY coarsest ORDER BY position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
	), taken AS (
		SELECT s.*, max(taken_after) OVER (PARTITION BY coarsest ORDER BY position DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered
		FROM spans s
		WHERE taken_first < taken_after
	), cut AS (
		SELECT n.coarsest, true AS whole, n.position, n.tier, n.first AS piece_from, least(n.after, n.coarser_first) AS piece_to FROM nested n
		WHERE n.coarser_first IS NULL OR n.first < n.coarser_first
		UNION ALL
		SELECT n.coarsest, true, n.position, n.tier, n.coarser_after, n.after FROM nested n WHERE n.after > n.coarser_after
		UNION ALL
		SELECT t.coarsest, false, t.position, t.tier, greatest(t.taken_first, t.covered), t.taken_after FROM taken t
		WHERE t.covered IS NULL OR t.taken_after > t.covered
	)
	SELECT p.tier, p.piece_from, p.piece_to FROM cut p
	WHERE p.coarsest = (SELECT x.coarsest FROM cut x GROUP BY x.coarsest
		ORDER BY min(x.piece_from) FILTER (WHERE x.whole), min(x.piece_from), max(x.piece_to) DESC, max(x.position) DESC, x.coarsest LIMIT 1);
END
$$;
COMMENT ON FUNCTION sellometer.pieces(timestamptz, timestamptz, interval, text, boolean) IS
	'Cut a range into pieces, each to be read from one tier; own: of this database, even if nodes are asked';
