/*
 * What products are called, as the user says or, else, as files say; and names for people of whatever is counted.
 *
 *   sellometer.products        the user's: nothing here ever writes to it
 *   sellometer.product_names   from the column product_name of files, written with their rows under the writer's lock
 *
 * What stands in the table comes from a shop's own catalogue, so it is as little believed as what comes from files: whoever shows it escapes it.
 * Links go no further than http and https, so that none of them runs something where it is clicked.
 */
CREATE TABLE sellometer.products (
	product_id	bigint PRIMARY KEY,
	name		text,
	url			text,
	image		text,
	CONSTRAINT products_name_length CHECK (length(name) <= 1000),
	CONSTRAINT products_url_is_http CHECK (length(url) <= 4000 AND url ~* '^https?://[^[:space:][:cntrl:]<>"]+$'),
	CONSTRAINT products_image_is_http CHECK (length(image) <= 4000 AND image ~* '^https?://[^[:space:][:cntrl:]<>"]+$')
);
COMMENT ON TABLE sellometer.products IS 'Yours to fill: what products are called, and where they are shown; see sellometer_key_label()';
COMMENT ON COLUMN sellometer.products.product_id IS 'product';
COMMENT ON COLUMN sellometer.products.name IS 'what it is called, at most 1,000 characters; NULL or blank: as files say';
COMMENT ON COLUMN sellometer.products.url IS 'its page, http:// or https://; NULL: not known';
COMMENT ON COLUMN sellometer.products.image IS 'a picture of it, http:// or https://; NULL: not known';

/* Most rows change once an hour, in place. */
CREATE TABLE sellometer.product_names (
	product_id	bigint PRIMARY KEY,
	name		text COLLATE "C" NOT NULL,
	hour		timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE sellometer.product_names IS 'What files call products, in their column product_name: the name of the latest hour that has one';
COMMENT ON COLUMN sellometer.product_names.product_id IS 'product';
COMMENT ON COLUMN sellometer.product_names.name IS 'of several within the hour the first in the order of bytes; cut at 1,000 bytes';
COMMENT ON COLUMN sellometer.product_names.hour IS 'the hour of the latest event that has a name, UTC';

/*
 * Products that are known by texts.  The number is made of the text, so this only says which text it was; whoever loads writes it, in the
 * transaction of the rows.
 */
CREATE TABLE sellometer.skus (
	product_id	bigint PRIMARY KEY,
	sku			text COLLATE "C" NOT NULL UNIQUE
);
COMMENT ON TABLE sellometer.skus IS 'The texts that files know products by, and their numbers: see sellometer_product_id()';
COMMENT ON COLUMN sellometer.skus.product_id IS 'product, below 0: made of the text alone';
COMMENT ON COLUMN sellometer.skus.sku IS 'the text, trimmed';

CREATE TABLE sellometer.sku_collisions (
	sku			text COLLATE "C" PRIMARY KEY,
	product_id	bigint NOT NULL,
	noticed_at	timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sellometer.sku_collisions IS 'Texts whose rows are rejected (sku_taken), as another text has their number; of a million texts one is here with a chance of one in 18 million';
COMMENT ON COLUMN sellometer.sku_collisions.sku IS 'the text';
COMMENT ON COLUMN sellometer.sku_collisions.product_id IS 'its number, which in sellometer.skus another one has';

CREATE FUNCTION @extschema@.sellometer_product_id(sku text)
RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_product_id';
COMMENT ON FUNCTION @extschema@.sellometer_product_id(text) IS
	'The product_id of a text: the number that it is, if it is written like one, else one below 0 that is made of it, loaded or not: -1 - (the first 63 bits of the SHA-256 of its UTF-8)';

/* The same: what the extension's own functions call is in a schema that nobody renames. */
CREATE FUNCTION sellometer.product_of_text(sku text)
RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_product_id';
COMMENT ON FUNCTION sellometer.product_of_text(text) IS 'What sellometer_product_id() gives';

CREATE FUNCTION @extschema@.sellometer_sku(product_id bigint)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN product_id >= 0 THEN product_id::text ELSE nullif(sellometer.shown_key('product_id', product_id::text, sellometer.told_names('product_id', ARRAY[product_id::text])), product_id::text) END;
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_sku(bigint) IS 'What files know a product by: the text of sellometer.skus, or the number; NULL: no file has had such a product';

/* Keys are texts that people type, and read; what tables hold are numbers.  A text that is both a number and a SKU (007) is the SKU. */
CREATE FUNCTION sellometer.stored_key(dimension text, key text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dimension = 'product_id' AND key !~ '^(0|[1-9][0-9]*)$' AND has_table_privilege('sellometer.skus', 'SELECT') THEN
		IF sellometer.has_nodes_to_ask() THEN
			-- the node that such a product would be on
			RETURN coalesce(CASE WHEN octet_length(btrim(key)) BETWEEN 1 AND 200 THEN
				(SELECT p::text FROM sellometer.product_of_text(btrim(key)) p WHERE sellometer.told_names(dimension, ARRAY[p::text]) -> p::text ->> 'sku' = btrim(key)) END, key);
		END IF;
		RETURN coalesce((SELECT s.product_id::text FROM sellometer.skus s WHERE s.sku = btrim(key)), key);
	END IF;
	RETURN key;
END
$$;
COMMENT ON FUNCTION sellometer.stored_key(text, text) IS 'A key that may be a SKU as tables have it: its number';

CREATE FUNCTION sellometer.stored_keys(dimension text, keys text[])
RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN dimension = 'product_id' THEN ARRAY(SELECT sellometer.stored_key(dimension, k) FROM unnest(keys) WITH ORDINALITY u (k, n) ORDER BY n) ELSE keys END
$$;
COMMENT ON FUNCTION sellometer.stored_keys(text, text[]) IS 'Keys as tables have them';

/* In the dashboards' database of nodes, one question for all keys. */
CREATE FUNCTION sellometer.told_names(dimension text, keys text[])
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	names jsonb;
	parts text;
BEGIN
	IF dimension <> 'product_id' OR keys IS NULL OR NOT sellometer.has_nodes_to_ask() THEN
		RETURN NULL;
	END IF;
	parts := sellometer.products_told_by_nodes(ARRAY(SELECT CASE WHEN k::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN k::bigint END
		FROM unnest(keys) k WHERE k ~ '^-?[0-9]{1,19}$'));
	IF parts IS NOT NULL THEN
		EXECUTE format('SELECT jsonb_object_agg(product, jsonb_build_object(''sku'', sku, ''name'', name, ''label'', label)) FROM (%s) x', parts) INTO names;
	END IF;
	RETURN coalesce(names, '{}');
END
$$;
COMMENT ON FUNCTION sellometer.told_names(text, text[]) IS 'What nodes say of these products: an object of key to sku, name and label; NULL: no nodes are asked, or these are no products';

/* told: what nodes say of names, by told_names(); NULL: what this database has itself. */
CREATE FUNCTION sellometer.shown_key(dimension text, key text, told jsonb DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dimension = 'product_id' AND key ~ '^-[0-9]{1,19}$' AND has_table_privilege('sellometer.skus', 'SELECT') THEN
		RETURN coalesce(CASE WHEN told IS NOT NULL THEN told -> key ->> 'sku'
			ELSE (SELECT s.sku FROM sellometer.skus s WHERE s.product_id = CASE WHEN key::numeric >= -9223372036854775808 THEN key::bigint END) END, key);
	END IF;
	RETURN key;
END
$$;
COMMENT ON FUNCTION sellometer.shown_key(text, text, jsonb) IS 'A key as files have it: of a product that is known by a text, that; told: as nodes say';

/* A category without the levels that are only filled up: "a.b.b" is a.b, and an id that stands for all three levels stands once. */
CREATE FUNCTION sellometer.category_label(category text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sellometer_category_label';
COMMENT ON FUNCTION sellometer.category_label(text) IS 'A category without the levels that only repeat the one before';

/* Of a name what fits into a line of text, whatever stands in it. */
CREATE FUNCTION sellometer.name_in_a_line(name text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n text := nullif(btrim(regexp_replace(name, '[[:space:]]+', ' ', 'g')), '');
BEGIN
	RETURN sellometer.shown(CASE WHEN length(n) <= 200 THEN n ELSE left(n, 199) || '~' END);
END
$$;
COMMENT ON FUNCTION sellometer.name_in_a_line(text) IS 'A name without line breaks, of 200 characters at most; NULL of a blank one';

/*
 * Beside a key that is shown as it is.  What others call is in this schema: whoever owns the database may put something of his own in the place of
 * what is in another.
 */
CREATE FUNCTION sellometer.given_name(dimension text, key text, told jsonb DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
BEGIN
	IF dimension = 'product_id' AND has_table_privilege('sellometer.products', 'SELECT') THEN
		SELECT sellometer.name_in_a_line(p.name) INTO name FROM sellometer.products p WHERE p.product_id = $2::bigint;
	END IF;
	IF dimension = 'product_id' AND name IS NULL AND has_table_privilege('sellometer.product_names', 'SELECT') THEN
		IF told IS NOT NULL THEN
			RETURN told -> key ->> 'name';
		END IF;
		SELECT sellometer.name_in_a_line(n.name) INTO name FROM sellometer.product_names n WHERE n.product_id = $2::bigint;
	END IF;
	RETURN name;
END
$$;
COMMENT ON FUNCTION sellometer.given_name(text, text, jsonb) IS 'What sellometer_product_name() gives, of a key that is a product; NULL of all others; told: as nodes say, where sellometer.products here does not';

CREATE FUNCTION @extschema@.sellometer_product_name(product_id bigint)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN sellometer.given_name('product_id', product_id::text, sellometer.told_names('product_id', ARRAY[product_id::text]));
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_product_name(bigint) IS
	'What a product is called, in a line: as sellometer.products says, else as files say (sellometer.product_names); NULL: neither does';

CREATE FUNCTION sellometer.name_or_sku(product_id bigint)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text := sellometer.given_name('product_id', product_id::text);
BEGIN
	IF name IS NULL AND product_id < 0 AND has_table_privilege('sellometer.skus', 'SELECT') THEN
		name := sellometer.name_in_a_line((SELECT s.sku FROM sellometer.skus s WHERE s.product_id = $1));
	END IF;
	RETURN name;
END
$$;
COMMENT ON FUNCTION sellometer.name_or_sku(bigint) IS 'What sellometer_product_name() gives, by what this database has itself, else the text that files know the product by; NULL: neither is known';

CREATE FUNCTION sellometer.product_name(product_id bigint, told jsonb DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text := sellometer.given_name('product_id', product_id::text, told);
BEGIN
	IF name IS NULL AND has_table_privilege('sellometer.sold_products', 'SELECT') THEN
		IF told IS NOT NULL THEN
			RETURN told -> product_id::text ->> 'label';
		END IF;
		SELECT sellometer.name_in_a_line(sellometer.category_label(s.category)) INTO name FROM sellometer.sold_products s
		WHERE s.product_id = $1 AND s.category <> 'unknown.unknown.unknown' ORDER BY s.sales DESC, s.category LIMIT 1;
	END IF;
	RETURN name;
END
$$;
COMMENT ON FUNCTION sellometer.product_name(bigint, jsonb) IS
	'What is known of a product''s name, in a line: as sellometer_product_name(), else the category that it was sold under most; NULL: neither; told: as nodes say';

/* Keys of alerts are text, and need not be ids. */
CREATE FUNCTION sellometer.key_name(dimension text, key text, told jsonb DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF dimension = 'product_id' AND key ~ '^-?[0-9]{1,19}$' THEN
		RETURN CASE WHEN key::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN sellometer.product_name(key::bigint, told) END;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.key_name(text, text, jsonb) IS 'What sellometer.product_name() gives, of a key that is a product; NULL of all others';

CREATE FUNCTION sellometer.any_key_label(dimension text, key text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k text;
	told jsonb;
BEGIN
	IF dimension LIKE 'category\_l_' THEN
		RETURN sellometer.category_label(key);
	END IF;
	k := sellometer.stored_key(dimension, key);
	told := sellometer.told_names(dimension, ARRAY[k]);
	RETURN sellometer.shown_key(dimension, k, told) || coalesce(' (' || sellometer.key_name(dimension, k, told) || ')', '');
END
$$;
COMMENT ON FUNCTION sellometer.any_key_label(text, text) IS 'What sellometer_key_label() gives, of whatever key, looked up in SQL';

/* Of a product that is a number, and has a plain name, the same much sooner: src/sql/label_calls.c. */
CREATE FUNCTION sellometer.key_label(dimension text, key text)
RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_key_label';
COMMENT ON FUNCTION sellometer.key_label(text, text) IS 'What sellometer_key_label() is, for the extension''s own functions';

CREATE FUNCTION @extschema@.sellometer_key_label(dimension text, key text)
RETURNS text
LANGUAGE c STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'sellometer_key_label';
COMMENT ON FUNCTION @extschema@.sellometer_key_label(text, text) IS
	'A key as people know it: of categories the levels that are no repetition, of a product its id and its name in sellometer.products, or the category that it was sold under most';
