/* Keeping the tiers. */
CREATE PROCEDURE sellometer.rollup()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_rollup';
COMMENT ON PROCEDURE sellometer.rollup() IS 'What sellometer_rollup() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_rollup()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_rollup';
COMMENT ON PROCEDURE @extschema@.sellometer_rollup() IS
	'Add up the complete buckets of each tier into those of the tiers that are made of it';

CREATE PROCEDURE sellometer.prune()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_prune';
COMMENT ON PROCEDURE sellometer.prune() IS 'What sellometer_prune() is, for jobs';

CREATE PROCEDURE @extschema@.sellometer_prune()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_prune';
COMMENT ON PROCEDURE @extschema@.sellometer_prune() IS
	'Drop the partitions that are older than their tier keeps, once they are rolled up into all tiers that are made of it';

CREATE FUNCTION @extschema@.sellometer_add_tier(name text, granularity interval, retention interval DEFAULT NULL)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_add_tier';
COMMENT ON FUNCTION @extschema@.sellometer_add_tier(text, interval, interval) IS
	'Add a tier of this granularity, kept for this long behind the head (NULL: for ever); it is added up from the coarsest tier of whose intervals its own consist';

CREATE FUNCTION @extschema@.sellometer_alter_tier(name text, retention interval)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_alter_tier';
COMMENT ON FUNCTION @extschema@.sellometer_alter_tier(text, interval) IS
	'Have a tier be kept for this long behind the head from now on (NULL: for ever); a notice says what the next prune drops, or what is gone already';

CREATE FUNCTION @extschema@.sellometer_drop_tier(name text, discard boolean DEFAULT false)
RETURNS void
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_drop_tier';
COMMENT ON FUNCTION @extschema@.sellometer_drop_tier(text, boolean) IS
	'Drop a tier, its tables, views and rows; discard: also what no finer tier holds';

CREATE FUNCTION @extschema@.sellometer_unpack(partition text)
RETURNS boolean
LANGUAGE c STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_unpack';
COMMENT ON FUNCTION @extschema@.sellometer_unpack(text) IS
	'Make a packed partition a table as any other, so that it can be changed by SQL; false if it was none';

REVOKE ALL ON FUNCTION @extschema@.sellometer_unpack(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_add_tier(text, interval, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_alter_tier(text, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_drop_tier(text, boolean) FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.rollup() FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_rollup() FROM PUBLIC;
REVOKE ALL ON PROCEDURE sellometer.prune() FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_prune() FROM PUBLIC;
