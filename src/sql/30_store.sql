CREATE FUNCTION sellometer_list(url text, server text DEFAULT NULL)
RETURNS TABLE (key text, size bigint, etag text, last_modified timestamptz)
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'sellometer_list';
REVOKE ALL ON FUNCTION sellometer_list(text, text) FROM PUBLIC;
COMMENT ON FUNCTION sellometer_list(text, text) IS
'Objects whose URL begins with url (s3://bucket/prefix/ or file:///directory/), with keys relative to it; keys that are not valid text are left out with a warning';
