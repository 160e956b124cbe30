CREATE FUNCTION @extschema@.sellometer_s3_validator(options text[], catalog oid)
RETURNS void
LANGUAGE C STRICT
AS 'MODULE_PATHNAME', 'sellometer_s3_validator';
COMMENT ON FUNCTION @extschema@.sellometer_s3_validator(text[], oid) IS
'Checks the options of servers and user mappings of foreign data wrapper sellometer_s3';

CREATE FOREIGN DATA WRAPPER sellometer_s3 NO HANDLER VALIDATOR @extschema@.sellometer_s3_validator;
COMMENT ON FOREIGN DATA WRAPPER sellometer_s3 IS
'S3 services: a server says where (endpoint, region, url_style, ca_file, connect_timeout, stall_timeout, retry_timeout, min_rate), a user mapping who (access_key_id, secret_access_key, session_token)';

CREATE FUNCTION @extschema@.sellometer_list(url text, server text DEFAULT NULL)
RETURNS TABLE (key text, size bigint, etag text, last_modified timestamptz)
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'sellometer_list';
REVOKE ALL ON FUNCTION @extschema@.sellometer_list(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @extschema@.sellometer_list(text, text) IS
'Objects whose URL begins with url (s3://bucket/prefix/ or file:///directory/), with keys relative to it; keys that are not valid text, and directories that can''t be read, are left out with a warning';

CREATE FUNCTION sellometer.shown(value text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_shown';
COMMENT ON FUNCTION sellometer.shown(text) IS
	'Text from outside, fit for a terminal or a page: control characters and marks that turn the direction of writing become \xHH';
