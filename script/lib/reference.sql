-- What script/reference prints.  One statement a part; each returns lines of Markdown.
SET search_path = pg_catalog, public;
SET client_min_messages = warning;

-- Text in a table's cell.
CREATE FUNCTION pg_temp.cell(text) RETURNS text LANGUAGE sql AS $$ SELECT replace(coalesce($1, ''), '|', '\|') $$;

-- Types as people write them.
CREATE FUNCTION pg_temp.type(text) RETURNS text LANGUAGE sql AS $$
	SELECT replace($1, 'timestamp with time zone', 'timestamptz')
$$;

-- A sentence.
CREATE FUNCTION pg_temp.sentence(text) RETURNS text LANGUAGE sql AS $$
	SELECT upper(left($1, 1)) || substr($1, 2) || CASE WHEN $1 ~ '[.?]$' THEN '' ELSE '.' END
$$;

-- Functions in the schema that the user calls them in, in the order in which the install script makes them.
CREATE TEMP VIEW functions AS
SELECT p.oid, p.prokind, p.proname,
	format('%s(%s)', p.proname, regexp_replace(regexp_replace(pg_temp.type(pg_get_function_arguments(p.oid)),
		',? ?(IN)?OUT .*', ''), '\mIN |::\w+', '', 'g')) AS call,
	(SELECT string_agg(format('%s %s', p.proargnames[i], pg_temp.type(format_type(p.proallargtypes[i], NULL))), ', ' ORDER BY i)
		FROM generate_subscripts(p.proargmodes, 1) i WHERE p.proargmodes[i] IN ('o', 't')) AS columns,
	pg_temp.type(pg_get_function_result(p.oid)) AS result, p.proretset,
	obj_description(p.oid, 'pg_proc') AS description,
	EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE') AS for_all,
	CASE WHEN p.prokind = 'a' THEN 'aggregates'
		WHEN p.proname ~ 'source|list$|wake|ingest|retry|skip' THEN 'Sources and loading'
		WHEN p.proname ~ 'detect|mute|override|remind|similar' THEN 'Alerts'
		WHEN p.proname ~ 'csv|category' THEN 'Events'
		WHEN p.proname ~ 'tier|rollup|prune|backlog|schedule|archive|replay' THEN 'Tiers and housekeeping'
		WHEN p.proname ~ 'series|top|report|reader' THEN 'Reading'
		ELSE 'Looking after it' END AS topic
FROM pg_depend d
JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'sellometer')
	AND p.pronamespace = (SELECT extnamespace FROM pg_extension WHERE extname = 'sellometer')
	AND obj_description(p.oid, 'pg_proc') NOT LIKE 'for aggregate%'
	AND p.prorettype NOT IN ('event_trigger'::regtype, 'trigger'::regtype)
	AND p.proname NOT LIKE '%\_validator';

-- Tables and views, without partitions.
CREATE TEMP VIEW relations AS
SELECT c.oid, c.relname, CASE WHEN c.relkind = 'v' THEN 'view' ELSE 'table' END AS kind,
	obj_description(c.oid, 'pg_class') AS description
FROM pg_class c
WHERE c.relnamespace = 'sellometer'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition;

CREATE TEMP VIEW dimension_names AS
SELECT dimension FROM sellometer.dimensions();

-- Those of the tiers: many of the same shape.
CREATE TEMP VIEW shapes AS
SELECT r.oid, r.relname, r.kind, r.description,
	(SELECT replace(r.relname, d.dimension, '<dimension>') FROM dimension_names d
		WHERE r.relname ~ format('(^|_)%s_', d.dimension) LIMIT 1) AS shape
FROM relations r;

CREATE FUNCTION pg_temp.columns(relation oid) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT * FROM (VALUES ('| column | type | |'), ('|---|---|---|')) v
	UNION ALL
	(SELECT format('| `%s` | %s | %s |', a.attname, pg_temp.type(format_type(a.atttypid, a.atttypmod)),
		pg_temp.cell(col_description(a.attrelid, a.attnum)))
	FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
$$;

SELECT '# Reference

Every function, table, view and setting of Sellometer. Made from the catalog by `script/reference`: what stands here is
what `\df+`, `\d+` and `pg_settings` say. How it all hangs together is told in [internals](internals/README.md).

- [Functions and procedures](#functions-and-procedures)
- [Aggregates](#aggregates)
- [Metrics](#metrics)
- [Ledger, status and other tables](#ledger-status-and-other-tables)
- [Settings](#settings)

## Functions and procedures

They are in the schema that `CREATE EXTENSION` puts them in, by default `public`. Only the owner of the extension may
call them, and those to whom it is granted, but for the ones marked "for all".
';

WITH topics (topic, n) AS (
	VALUES ('Sources and loading', 1), ('Events', 2), ('Tiers and housekeeping', 3), ('Reading', 4), ('Alerts', 5), ('Looking after it', 6))
SELECT format(E'### %s\n', topic) || string_agg(format(E'\n**`%s%s`**%s  \n%s%s\n',
	CASE prokind WHEN 'p' THEN 'CALL ' ELSE '' END, call, CASE WHEN for_all THEN ', for all' ELSE '' END,
	pg_temp.sentence(description),
	CASE WHEN columns IS NOT NULL THEN format(E'  \nReturns %s of `(%s)`.', CASE WHEN proretset THEN 'rows' ELSE 'a row' END, columns)
		WHEN result <> 'void' THEN format(E'  \nReturns `%s`.', result) ELSE '' END), '' ORDER BY oid)
FROM functions JOIN topics USING (topic) WHERE prokind IN ('f', 'p') GROUP BY topic, n ORDER BY n;

SELECT '## Aggregates

All run in parallel.
';
SELECT '| aggregate | |' UNION ALL SELECT '|---|---|';
SELECT format('| `%s → %s` | %s |', call, result, pg_temp.cell(description)) FROM functions WHERE prokind = 'a' ORDER BY oid;

SELECT '
## Metrics

All tables and views below are in schema `sellometer`. `<dimension>` is one of
' || (SELECT string_agg('`' || dimension || '`', ', ') FROM dimension_names) || ';
`<event>` one of ' || (SELECT string_agg('`' || e || '`', ', ') FROM unnest(enum_range(NULL::sellometer.event_type)) e) || ';
tiers are ' || (SELECT string_agg('`' || name || '`', ', ' ORDER BY position) FROM sellometer.tiers) ||
	' at first, and what `sellometer_add_tier()` adds. Here `brand` stands for any dimension,
`purchase` for any event type, and `hour` for any tier.
';
WITH shown (n, relname, more) AS (VALUES
	(1, 'brand_minute', '`sellometer.<dimension>_minute`: stored rows of the finest tier'),
	(2, 'brand_hour', '`sellometer.<dimension>_<tier>`: stored rows of a coarser tier, up to its watermark'),
	(3, 'realtime_brand_hour', '`sellometer.realtime_<dimension>_<tier>`: the same up to the newest event: above the watermark the finer tier is added up'),
	(4, 'purchase_brand_hour', '`sellometer.<event>_<dimension>_<tier>`: one event type of that, with the average price'),
	(5, 'purchase_brand_rank', '`sellometer.<event>_<dimension>_rank`: the hour before the head, greatest gmv first'))
SELECT format(E'### %s\n\n%s\n\n%s\n', s.more, pg_temp.sentence(r.description), (SELECT string_agg(c, E'\n') FROM pg_temp.columns(r.oid) c))
FROM shown s JOIN relations r USING (relname) ORDER BY n;

SELECT '## Ledger, status and other tables
';
SELECT format(E'### `sellometer.%s` (%s)\n\n%s\n\n%s\n', relname, kind, pg_temp.sentence(description),
	(SELECT string_agg(c, E'\n') FROM pg_temp.columns(s.oid) c))
FROM shapes s WHERE shape IS NULL ORDER BY oid;

SELECT '## Settings

Set them in `postgresql.conf` or with `ALTER SYSTEM`, then `SELECT pg_reload_conf()`; those marked "restart" take effect
when the server is started. Only superusers can change them in a session.
';
SELECT '| setting | default | range | |' UNION ALL SELECT '|---|---|---|---|';
SELECT format('| `%s` | `%s`%s | %s | %s%s%s |', name,
	CASE WHEN unit IN ('kB', 'ms', 's', 'min') THEN coalesce(
		(SELECT boot_val::bigint / size || word FROM (VALUES ('kB', 1048576, 'GB'), ('kB', 1024, 'MB'), ('ms', 3600000, 'h'), ('ms', 60000, 'min'),
			('ms', 1000, 's'), ('s', 86400, 'd'), ('s', 3600, 'h'), ('s', 60, 'min')) v (u, size, word)
		WHERE u = unit AND boot_val::bigint > 0 AND boot_val::bigint % size = 0 ORDER BY size DESC LIMIT 1), boot_val || unit) ELSE boot_val END,
	CASE context WHEN 'postmaster' THEN ', restart' ELSE '' END,
	CASE WHEN min_val IS NULL THEN '' ELSE format('%s … %s%s', min_val, max_val, coalesce(' ' || unit, '')) END,
	pg_temp.cell(short_desc), CASE WHEN extra_desc <> '' THEN ' ' ELSE '' END, pg_temp.cell(extra_desc))
FROM pg_settings WHERE name LIKE 'sellometer.%' AND name NOT LIKE 'sellometer.debug%' ORDER BY name;
