/* The C aggregates.  All are parallel safe: transition, combine, serialize and deserialize around one internal state. */

/* sellometer_gmv(price) */

CREATE FUNCTION @extschema@.sellometer_gmv_transition(internal, numeric) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_gmv_transition(internal, numeric) IS 'for aggregate sellometer_gmv';

CREATE FUNCTION @extschema@.sellometer_gmv_inverse(internal, numeric) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_gmv_inverse(internal, numeric) IS 'for aggregate sellometer_gmv';

CREATE FUNCTION @extschema@.sellometer_gmv_final(internal) RETURNS numeric
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_gmv_final(internal) IS 'for aggregate sellometer_gmv';

CREATE FUNCTION @extschema@.sellometer_sum_combine(internal, internal) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_sum_combine(internal, internal) IS
	'for aggregates sellometer_gmv and sellometer_avg_price';

CREATE FUNCTION @extschema@.sellometer_sum_serialize(internal) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_sum_serialize(internal) IS
	'for aggregates sellometer_gmv and sellometer_avg_price';

CREATE FUNCTION @extschema@.sellometer_sum_deserialize(bytea, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_sum_deserialize(bytea, internal) IS
	'for aggregates sellometer_gmv and sellometer_avg_price';

CREATE AGGREGATE @extschema@.sellometer_gmv(price numeric) (
	SFUNC = @extschema@.sellometer_gmv_transition, STYPE = internal, SSPACE = 64,
	FINALFUNC = @extschema@.sellometer_gmv_final,
	COMBINEFUNC = @extschema@.sellometer_sum_combine,
	SERIALFUNC = @extschema@.sellometer_sum_serialize, DESERIALFUNC = @extschema@.sellometer_sum_deserialize,
	MSFUNC = @extschema@.sellometer_gmv_transition, MINVFUNC = @extschema@.sellometer_gmv_inverse, MSTYPE = internal, MSSPACE = 64,
	MFINALFUNC = @extschema@.sellometer_gmv_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.sellometer_gmv(numeric) IS
	'gross merchandise value: the exact sum of prices, with 2 decimals where it is whole cents; NULL for no rows';

/*
 * Who owns the user's schema can rename it, and lay other functions into one of its name: what the extension calls itself,
 * by name, is in schema sellometer.
 */
CREATE AGGREGATE sellometer.gmv(price numeric) (
	SFUNC = @extschema@.sellometer_gmv_transition, STYPE = internal, SSPACE = 64,
	FINALFUNC = @extschema@.sellometer_gmv_final,
	COMBINEFUNC = @extschema@.sellometer_sum_combine,
	SERIALFUNC = @extschema@.sellometer_sum_serialize, DESERIALFUNC = @extschema@.sellometer_sum_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sellometer.gmv(numeric) IS 'What sellometer_gmv() is, for the extension''s own queries';

/* sellometer_avg_price(gmv, count) */

CREATE FUNCTION @extschema@.sellometer_avg_price_transition(internal, numeric, bigint) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_avg_price_transition(internal, numeric, bigint) IS 'for aggregate sellometer_avg_price';

CREATE FUNCTION @extschema@.sellometer_avg_price_inverse(internal, numeric, bigint) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_avg_price_inverse(internal, numeric, bigint) IS 'for aggregate sellometer_avg_price';

CREATE FUNCTION @extschema@.sellometer_avg_price_final(internal) RETURNS numeric
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_avg_price_final(internal) IS 'for aggregate sellometer_avg_price';

CREATE AGGREGATE @extschema@.sellometer_avg_price(gmv numeric, count bigint) (
	SFUNC = @extschema@.sellometer_avg_price_transition, STYPE = internal, SSPACE = 64,
	FINALFUNC = @extschema@.sellometer_avg_price_final,
	COMBINEFUNC = @extschema@.sellometer_sum_combine,
	SERIALFUNC = @extschema@.sellometer_sum_serialize, DESERIALFUNC = @extschema@.sellometer_sum_deserialize,
	MSFUNC = @extschema@.sellometer_avg_price_transition, MINVFUNC = @extschema@.sellometer_avg_price_inverse, MSTYPE = internal, MSSPACE = 64,
	MFINALFUNC = @extschema@.sellometer_avg_price_final,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.sellometer_avg_price(numeric, bigint) IS
	'the average price over rows that hold sums already: sum(gmv) / sum(count); NULL where the counts add up to 0';

/* sellometer_top_n(key, weight, n) */

CREATE FUNCTION @extschema@.sellometer_top_n_transition(internal, text, numeric, integer) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_top_n_transition(internal, text, numeric, integer) IS 'for aggregate sellometer_top_n';

CREATE FUNCTION @extschema@.sellometer_top_n_combine(internal, internal) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_top_n_combine(internal, internal) IS 'for aggregate sellometer_top_n';

CREATE FUNCTION @extschema@.sellometer_top_n_serialize(internal) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_top_n_serialize(internal) IS 'for aggregate sellometer_top_n';

CREATE FUNCTION @extschema@.sellometer_top_n_deserialize(bytea, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_top_n_deserialize(bytea, internal) IS 'for aggregate sellometer_top_n';

CREATE FUNCTION @extschema@.sellometer_top_n_final(internal) RETURNS jsonb
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_top_n_final(internal) IS 'for aggregate sellometer_top_n';

CREATE AGGREGATE @extschema@.sellometer_top_n(key text, weight numeric, n integer) (
	SFUNC = @extschema@.sellometer_top_n_transition, STYPE = internal, SSPACE = 16384,
	FINALFUNC = @extschema@.sellometer_top_n_final,
	COMBINEFUNC = @extschema@.sellometer_top_n_combine,
	SERIALFUNC = @extschema@.sellometer_top_n_serialize, DESERIALFUNC = @extschema@.sellometer_top_n_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.sellometer_top_n(text, numeric, integer) IS
	'the n keys of the greatest total weight, as [{"key":…,"weight":…}, …], in bounded memory: exact up to 16384 (or 16 n) different keys; beyond, each weight is at most "error" too large';

/* sellometer_price_baseline(price) */

CREATE TYPE sellometer.price_baseline AS (median numeric, mad numeric, n bigint);
COMMENT ON TYPE sellometer.price_baseline IS 'what a price usually is: median, median absolute deviation from it, and the number of prices seen';

CREATE FUNCTION @extschema@.sellometer_price_baseline_transition(internal, numeric) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_price_baseline_transition(internal, numeric) IS 'for aggregate sellometer_price_baseline';

CREATE FUNCTION @extschema@.sellometer_price_baseline_combine(internal, internal) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_price_baseline_combine(internal, internal) IS 'for aggregate sellometer_price_baseline';

CREATE FUNCTION @extschema@.sellometer_price_baseline_serialize(internal) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_price_baseline_serialize(internal) IS 'for aggregate sellometer_price_baseline';

CREATE FUNCTION @extschema@.sellometer_price_baseline_deserialize(bytea, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_price_baseline_deserialize(bytea, internal) IS 'for aggregate sellometer_price_baseline';

CREATE FUNCTION @extschema@.sellometer_price_baseline_final(internal) RETURNS sellometer.price_baseline
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_price_baseline_final(internal) IS 'for aggregate sellometer_price_baseline';

CREATE AGGREGATE @extschema@.sellometer_price_baseline(price numeric) (
	SFUNC = @extschema@.sellometer_price_baseline_transition, STYPE = internal, SSPACE = 1024,
	FINALFUNC = @extschema@.sellometer_price_baseline_final,
	COMBINEFUNC = @extschema@.sellometer_price_baseline_combine,
	SERIALFUNC = @extschema@.sellometer_price_baseline_serialize, DESERIALFUNC = @extschema@.sellometer_price_baseline_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.sellometer_price_baseline(numeric) IS
	'exact median and median absolute deviation of prices, and their number, for up to 500000 different prices; NULL for no rows';

/* sellometer_unique_views(session, product_id) */

CREATE FUNCTION @extschema@.sellometer_unique_views_transition(internal, text, bigint) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_unique_views_transition(internal, text, bigint) IS 'for aggregate sellometer_unique_views';

CREATE FUNCTION @extschema@.sellometer_unique_views_combine(internal, internal) RETURNS internal
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_unique_views_combine(internal, internal) IS 'for aggregate sellometer_unique_views';

CREATE FUNCTION @extschema@.sellometer_unique_views_serialize(internal) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_unique_views_serialize(internal) IS 'for aggregate sellometer_unique_views';

CREATE FUNCTION @extschema@.sellometer_unique_views_deserialize(bytea, internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_unique_views_deserialize(bytea, internal) IS 'for aggregate sellometer_unique_views';

CREATE FUNCTION @extschema@.sellometer_unique_views_final(internal) RETURNS bigint
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.sellometer_unique_views_final(internal) IS 'for aggregate sellometer_unique_views';

CREATE AGGREGATE @extschema@.sellometer_unique_views(session text, product_id bigint) (
	SFUNC = @extschema@.sellometer_unique_views_transition, STYPE = internal, SSPACE = 4096,
	FINALFUNC = @extschema@.sellometer_unique_views_final,
	COMBINEFUNC = @extschema@.sellometer_unique_views_combine,
	SERIALFUNC = @extschema@.sellometer_unique_views_serialize, DESERIALFUNC = @extschema@.sellometer_unique_views_deserialize,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE @extschema@.sellometer_unique_views(text, bigint) IS
	'views of products, each counted once a session; those without a session (NULL or empty) are all counted';
