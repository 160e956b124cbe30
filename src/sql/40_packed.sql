/* Partitions of tiers that are packed: foreign tables, each of which reads the blocks of its companion. */
CREATE FUNCTION sellometer.packed_handler()
RETURNS fdw_handler
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_packed_handler';
COMMENT ON FUNCTION sellometer.packed_handler() IS 'Has packed partitions read';
REVOKE ALL ON FUNCTION sellometer.packed_handler() FROM PUBLIC;

CREATE FUNCTION sellometer.packed_validator(options text[], catalog oid)
RETURNS void
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'sellometer_packed_validator';
COMMENT ON FUNCTION sellometer.packed_validator(text[], oid) IS 'Checks the options of packed partitions';
REVOKE ALL ON FUNCTION sellometer.packed_validator(text[], oid) FROM PUBLIC;

CREATE FOREIGN DATA WRAPPER sellometer_packed HANDLER sellometer.packed_handler VALIDATOR sellometer.packed_validator;
COMMENT ON FOREIGN DATA WRAPPER sellometer_packed IS 'Packed partitions of tiers: rows in blocks, in a table beside';
CREATE SERVER sellometer_packed FOREIGN DATA WRAPPER sellometer_packed;
COMMENT ON SERVER sellometer_packed IS 'This database, with its packed partitions';
