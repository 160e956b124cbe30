CREATE FUNCTION store_put(url text, key text, data bytea, server text DEFAULT NULL)
RETURNS text LANGUAGE C AS 'MODULE_PATHNAME';

-- An object, or an error.  Between its first bytes and the others, meanwhile (an SQL command) is run.
CREATE FUNCTION store_get(url text, key text, server text DEFAULT NULL, etag text DEFAULT NULL, "offset" bigint DEFAULT 0,
	meanwhile text DEFAULT NULL)
RETURNS bytea LANGUAGE C AS 'MODULE_PATHNAME';

-- Read all objects under url, so many at the same time, keeping nothing.
CREATE FUNCTION store_read_all(url text, server text DEFAULT NULL, at_once int DEFAULT 16,
	OUT objects bigint, OUT bytes bigint, OUT sum bigint, OUT peak_memory bigint)
LANGUAGE C AS 'MODULE_PATHNAME';

CREATE FUNCTION store_delete(url text, keys text[], server text DEFAULT NULL)
RETURNS void LANGUAGE C AS 'MODULE_PATHNAME';

-- Stream so many bytes into an object; abort instead of finishing if told so.
CREATE FUNCTION store_stream(url text, key text, bytes bigint, server text DEFAULT NULL, abort boolean DEFAULT false)
RETURNS text LANGUAGE C AS 'MODULE_PATHNAME';

CREATE FUNCTION store_abort_uploads(url text, prefix text, before timestamptz, server text DEFAULT NULL)
RETURNS int LANGUAGE C AS 'MODULE_PATHNAME';

-- LIST requests made for the first n keys after start_after.
CREATE FUNCTION store_list(url text, server text DEFAULT NULL, prefix text DEFAULT '', start_after text DEFAULT NULL,
	n int DEFAULT NULL, OUT requests int, OUT keys text[])
LANGUAGE C AS 'MODULE_PATHNAME';

-- By how many bytes a store grows while it is listed so many times.
CREATE FUNCTION store_list_growth(url text, server text DEFAULT NULL, times int DEFAULT 100)
RETURNS bigint LANGUAGE C AS 'MODULE_PATHNAME';

-- The kind of the last error, as SlmStoreErrorKind has it, and what Retry-After asked for.
CREATE FUNCTION store_last_error(OUT kind text, OUT retry_after_ms int)
LANGUAGE C AS 'MODULE_PATHNAME';
