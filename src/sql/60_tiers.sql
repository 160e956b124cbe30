/* Keeping the tiers. */
CREATE PROCEDURE @extschema@.sellometer_rollup()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_rollup';
COMMENT ON PROCEDURE @extschema@.sellometer_rollup() IS
	'Add up the complete buckets of each tier into the next one';

CREATE PROCEDURE @extschema@.sellometer_prune()
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_prune';
COMMENT ON PROCEDURE @extschema@.sellometer_prune() IS
	'Drop the partitions that are older than their tier keeps, once they are rolled up into the next tier';

REVOKE ALL ON PROCEDURE @extschema@.sellometer_rollup() FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_prune() FROM PUBLIC;
