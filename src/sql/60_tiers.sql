/* Keeping the tiers. */
CREATE PROCEDURE sellometer.rollup()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_rollup';
COMMENT ON PROCEDURE sellometer.rollup() IS 'What sellometer_rollup() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_rollup()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_rollup';
COMMENT ON PROCEDURE @extschema@.sellometer_rollup() IS
	'Add up the complete buckets of each tier into the next one';

CREATE PROCEDURE sellometer.prune()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_prune';
COMMENT ON PROCEDURE sellometer.prune() IS 'What sellometer_prune() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_prune()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_prune';
COMMENT ON PROCEDURE @extschema@.sellometer_prune() IS
	'Drop the partitions that are older than their tier keeps, once they are rolled up into the next tier';

CREATE FUNCTION @extschema@.sellometer_add_tier(name text, granularity interval, retention interval DEFAULT NULL)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_add_tier';
COMMENT ON FUNCTION @extschema@.sellometer_add_tier(text, interval, interval) IS
	'Add a tier of this granularity, kept for this long behind the head (NULL: for ever)';

CREATE FUNCTION @extschema@.sellometer_drop_tier(name text)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_drop_tier';
COMMENT ON FUNCTION @extschema@.sellometer_drop_tier(text) IS 'Drop a tier, its tables, views and rows';

REVOKE ALL ON FUNCTION @extschema@.sellometer_add_tier(text, interval, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_drop_tier(text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.rollup() FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_rollup() FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.prune() FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_prune() FROM PUBLIC;
