/* How the files of sources are read that have names, numbers and times of their own. */

CREATE VIEW sellometer.formats AS
	SELECT s.name AS source, f.format, f.set_at
	FROM sellometer.sources s LEFT JOIN sellometer.source_formats f ON f.id OPERATOR(pg_catalog.=) s.format_id;
COMMENT ON VIEW sellometer.formats IS 'Each source''s format; NULL: its files have the known columns, and nothing else to be said';

CREATE FUNCTION @extschema@.sellometer_set_format(source text, format jsonb, rows integer DEFAULT 5)
RETURNS TABLE (event_time timestamptz, event_type sellometer.event_type, product_id bigint, category_id bigint,
	category_code text, brand text, category_l1 text, category_l2 text, category_l3 text, price numeric,
	user_id bigint, user_session text, quantity integer, event_id text, product_name text, currency text, sku text)
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_set_format';
COMMENT ON FUNCTION @extschema@.sellometer_set_format(text, jsonb, integer) IS
	'Say how the files of a source that are not loaded yet are to be read (docs/formats.md; NULL: as they are), and show the first rows of one as they would count';
REVOKE ALL ON FUNCTION @extschema@.sellometer_set_format(text, jsonb, integer) FROM PUBLIC;

CREATE FUNCTION sellometer.look_at(url text, server text)
RETURNS TABLE (item text, value text, sure text, detail text)
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_look_at';
COMMENT ON FUNCTION sellometer.look_at(text, text) IS 'What sellometer_sniff() sees, without the call';
REVOKE ALL ON FUNCTION sellometer.look_at(text, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.sellometer_sniff(url text, server text DEFAULT NULL)
RETURNS TABLE (item text, value text, sure text, detail text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	seen record;
	format text;
	source text;
	doubtful boolean := false;
	place text := regexp_replace(sellometer_sniff.url, '[^/]*$', '');
BEGIN
	FOR seen IN SELECT * FROM sellometer.look_at(sellometer_sniff.url, sellometer_sniff.server) LOOP
		IF seen.item = 'format' THEN
			format := seen.value;
		ELSE
			item := seen.item;
			value := seen.value;
			sure := seen.sure;
			detail := seen.detail;
			RETURN NEXT;
			IF seen.sure = 'no' THEN
				doubtful := true;
			END IF;
		END IF;
	END LOOP;
	IF has_table_privilege('sellometer.sources', 'SELECT') THEN
		SELECT s.name INTO source FROM sellometer.sources s
		WHERE starts_with(place, s.url) AND s.server IS NOT DISTINCT FROM sellometer_sniff.server ORDER BY length(s.url) DESC LIMIT 1;
	END IF;
	item := 'call';
	sure := CASE WHEN doubtful THEN 'no' ELSE '' END;
	detail := CASE WHEN doubtful THEN 'first look at what is not sure' ELSE '' END;
	IF source IS NOT NULL AND format = '{}' THEN
		value := format('SELECT * FROM sellometer_set_format(%L, NULL);', source);
	ELSIF source IS NOT NULL THEN
		value := format('SELECT * FROM sellometer_set_format(%L, %L);', source, format);
	ELSIF format = '{}' THEN
		value := format('SELECT sellometer_add_source(%L, %L%s);', 'shop', place, ', server => ' || quote_literal(server));
	ELSE
		value := format('SELECT sellometer_add_source(%L, %L%s, format => %L);', 'shop', place, ', server => ' || quote_literal(server), format);
	END IF;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_sniff(text, text) IS
	'What an object (or, of a url that ends in /, the first one in it) looks like, how sure that is, and the call that has its source read so';
REVOKE ALL ON FUNCTION @extschema@.sellometer_sniff(text, text) FROM PUBLIC;
