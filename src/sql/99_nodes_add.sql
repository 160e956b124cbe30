/* Nodes come and go: sellometer_add_node(), sellometer_drop_node(), and what is made anew when tiers and dimensions do (99_nodes.sql). */

/* Never tells a value: one of them is a password. */
CREATE FUNCTION sellometer.connection_options(connection text)
RETURNS TABLE (keyword text, value text)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rest text := btrim(connection);
	m text[];
BEGIN
	WHILE rest <> '' LOOP
		m := regexp_match(rest, '^([a-z_]+)\s*=\s*(?:''((?:[^''\\]|\\.)*)''|((?:[^\s''\\]|\\.)+))(?:\s+(.*))?$');
		IF m IS NULL THEN
			RAISE invalid_parameter_value USING MESSAGE = 'the connection can''t be read',
				HINT = 'Give it as libpq has it: host=db1 port=5432 dbname=shop user=dashboards; values with blanks in single quotes.';
		END IF;
		keyword := m[1];
		value := regexp_replace(coalesce(m[2], m[3]), '\\(.)', '\1', 'g');
		rest := coalesce(m[4], '');
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.connection_options(text) IS 'The keywords and values of a connection string';

CREATE FUNCTION sellometer.make_node_server(node text, connection text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	server name := 'sellometer_node_' || node;
	given text;
	secret text;
BEGIN
	SELECT string_agg(format('%I %L', o.keyword, o.value), ', ') FILTER (WHERE o.keyword NOT IN ('user', 'password', 'sslpassword', 'passfile')),
		string_agg(format('%I %L', o.keyword, o.value), ', ') FILTER (WHERE o.keyword IN ('user', 'password', 'sslpassword', 'passfile'))
	INTO given, secret
	FROM (SELECT * FROM sellometer.connection_options(connection) UNION ALL
		SELECT v.k, v.v FROM (VALUES ('connect_timeout', '10'), ('keepalives_idle', '30'), ('keepalives_interval', '10'), ('keepalives_count', '3'), ('tcp_user_timeout', '60000'), ('options', '-c jit=off'), ('fetch_size', '10000'), ('async_capable', 'true'), ('updatable', 'false'), ('extensions', 'sellometer')) v (k, v)
		WHERE v.k NOT IN (SELECT c.keyword FROM sellometer.connection_options(connection) c)) o;
	EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER postgres_fdw OPTIONS (%s)', server, given);
	EXECUTE format('CREATE USER MAPPING FOR %s SERVER %I%s', (SELECT e.extowner::regrole FROM pg_extension e WHERE e.extname = 'sellometer'), server,
		coalesce(' OPTIONS (' || secret || ')', ''));
EXCEPTION WHEN OTHERS THEN
	-- without its context, which has the command
	RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
END
$$;
COMMENT ON FUNCTION sellometer.make_node_server(text, text) IS 'Make the foreign server of a node, and the user mapping';
REVOKE ALL ON FUNCTION sellometer.make_node_server(text, text) FROM PUBLIC;

/* Is this database one that shows nodes, or a node that shows its own?  An error if it is neither. */
CREATE FUNCTION sellometer.shows_nodes()
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF sellometer.is_node() THEN
		RETURN EXISTS (SELECT FROM sellometer.nodes n WHERE n.here);
	END IF;
	IF EXISTS (SELECT FROM sellometer.sources) OR EXISTS (SELECT FROM sellometer.state s WHERE s.head IS NOT NULL) THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'this database loads all products itself',
			HINT = 'Dashboards of several nodes read from one of these, or from a database that has no sources.';
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION sellometer.shows_nodes() IS 'Is this database one that shows what nodes have (true), or a node that shows its own (false)?';

CREATE FUNCTION sellometer.check_node(node text, slice text, version text, here boolean)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own text := sellometer.own_slice();
	other record;
BEGIN
	IF version IS DISTINCT FROM (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'sellometer') THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('node "%s" has another version of sellometer', node),
			DETAIL = format('It has %s.', coalesce(version, 'none')), HINT = 'ALTER EXTENSION sellometer UPDATE';
	END IF;
	IF coalesce(slice, '') !~ '^[0-9]+/[0-9]+$' THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('node "%s" has no slice: it counts all products', node),
			HINT = 'ALTER DATABASE … SET sellometer.slice = ''0/4'' there, before its first load.';
	END IF;
	SELECT x.name, x.slice || '/' || x.slices AS slice INTO other FROM sellometer.nodes x
	WHERE x.slices <> split_part(check_node.slice, '/', 2)::integer OR x.slice = split_part(check_node.slice, '/', 1)::integer
	UNION ALL SELECT 'this database', own WHERE own <> '' AND NOT here AND (split_part(own, '/', 2) <> split_part(check_node.slice, '/', 2) OR own = check_node.slice);
	IF FOUND THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = format('node "%s" does not go with the others', node),
			DETAIL = format('It has slice %s, and %s has %s.', slice, other.name, other.slice),
			HINT = 'All nodes have different slices of the same number.';
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.check_node(text, text, text, boolean) IS 'An error unless a node can be one of ours; here: it is this database';

CREATE FUNCTION sellometer.meet_node(node text, OUT slice text, OUT version text, OUT here boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT slice, version, identity = sellometer.own_identity() FROM sellometer_nodes.%I', 'as_node_of_' || node) INTO slice, version, here;
EXCEPTION WHEN insufficient_privilege THEN
	RAISE insufficient_privilege USING MESSAGE = format('node "%s" tells the role of the connection nothing: %s', node, SQLERRM), HINT = 'There: SELECT sellometer_grant_reader(''the role'')';
END
$$;
COMMENT ON FUNCTION sellometer.meet_node(text) IS 'What a database that is to be a node says of itself; an error if it can''t be asked';

/* Whatever it is asked from now on, it says so if it is another one by then: asked_as.c. */
CREATE FUNCTION sellometer.ask_as(node text, slice text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	server name := 'sellometer_node_' || node;
	options text := (SELECT o.option_value FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o WHERE s.srvname = server AND o.option_name = 'options');
BEGIN
	EXECUTE format('ALTER SERVER %I OPTIONS (SET options %L)', server, format('%s -c sellometer.asked_as=%s:%s', options, node, slice));
END
$$;
COMMENT ON FUNCTION sellometer.ask_as(text, text) IS 'Have connections to a node say which slice it is taken to have';
REVOKE ALL ON FUNCTION sellometer.ask_as(text, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.sellometer_add_node(name text, connection text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shows boolean := sellometer.shows_nodes();
	found record;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'postgres_fdw') THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'extension postgres_fdw is not there',
			HINT = 'CREATE EXTENSION postgres_fdw; it comes with PostgreSQL.';
	END IF;
	IF sellometer_add_node.name IS NULL OR sellometer_add_node.name !~ '^[a-z][a-z0-9_]{0,19}$' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a node''s name is up to 20 small letters, digits and _, of which the first is a letter';
	END IF;
	IF EXISTS (SELECT FROM sellometer.nodes n WHERE n.name = sellometer_add_node.name) THEN
		RAISE duplicate_object USING MESSAGE = format('there is a node "%s" already', sellometer_add_node.name), HINT = 'sellometer_drop_node() forgets it.';
	END IF;
	-- a dump has what others were asked by, but not that they are: in another database they have to be added anew
	IF NOT EXISTS (SELECT FROM sellometer.nodes) THEN
		PERFORM sellometer.show_own();
	END IF;
	IF EXISTS (SELECT FROM pg_foreign_server s WHERE s.srvname = 'sellometer_node_' || sellometer_add_node.name) THEN
		EXECUTE format('DROP SERVER %I CASCADE', 'sellometer_node_' || sellometer_add_node.name);
	END IF;
	PERFORM sellometer.make_node_server(sellometer_add_node.name, connection);
	PERFORM sellometer.make_foreign(row(sellometer_add_node.name, 0, 1, shows, false, now())::sellometer.nodes, 'as_node');
	found := sellometer.meet_node(sellometer_add_node.name);
	PERFORM sellometer.check_node(sellometer_add_node.name, found.slice, found.version, found.here);
	PERFORM sellometer.ask_as(sellometer_add_node.name, found.slice);
	INSERT INTO sellometer.nodes VALUES (sellometer_add_node.name, split_part(found.slice, '/', 1)::integer, split_part(found.slice, '/', 2)::integer, shows, found.here);
	-- a node that is told of itself shows what all have
	UPDATE sellometer.nodes SET asked = true WHERE found.here;
	PERFORM sellometer.show_nodes();
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_add_node(text, text) IS
	'Know a database that counts a slice of the products, by a connection as libpq has it: in a database that loads nothing, whose views and calls then show what all nodes have together; in another node, so that sellometer_archive() of slice 0 deletes only what all have loaded.  A node that knows itself, too, shows what all have';

CREATE FUNCTION @extschema@.sellometer_drop_node(name text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
BEGIN
	DELETE FROM sellometer.nodes x WHERE x.name = sellometer_drop_node.name;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('there is no node "%s"', sellometer_drop_node.name), HINT = 'They are in sellometer.nodes.';
	END IF;
	UPDATE sellometer.nodes SET asked = false WHERE sellometer.is_node() AND NOT EXISTS (SELECT FROM sellometer.nodes n WHERE n.here);
	PERFORM sellometer.show_nodes();
	EXECUTE format('DROP SERVER IF EXISTS %I CASCADE', 'sellometer_node_' || sellometer_drop_node.name);
END
$$;
COMMENT ON FUNCTION @extschema@.sellometer_drop_node(text) IS 'Know a node no more; what it has is left as it is';

CREATE FUNCTION sellometer.refuse_source()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF sellometer.loads_nothing() THEN
		RAISE object_not_in_prerequisite_state USING MESSAGE = 'this database shows what nodes have, and loads nothing',
			HINT = 'sellometer_add_source() on each node.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION sellometer.refuse_source() IS 'Have nothing loaded into the dashboards'' database of nodes';
CREATE TRIGGER refuse BEFORE INSERT ON sellometer.sources
	FOR EACH ROW EXECUTE FUNCTION sellometer.refuse_source();

REVOKE ALL ON FUNCTION sellometer.refuse_source() FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_add_node(text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.sellometer_drop_node(text) FROM PUBLIC;

/* Tiers and dimensions come and go: what nodes are asked by, too. */
CREATE FUNCTION sellometer.show_nodes_again()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF sellometer.has_nodes_to_ask() THEN
		PERFORM sellometer.show_nodes();
	END IF;
END
$$;
COMMENT ON FUNCTION sellometer.show_nodes_again() IS 'Have nodes be asked for the tiers and dimensions that there are';

CREATE FUNCTION sellometer.show_tiers_of_nodes()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM sellometer.show_nodes_again();
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.show_tiers_of_nodes() IS 'Have nodes be asked for the tiers that there are';
CREATE TRIGGER show_nodes AFTER INSERT OR DELETE ON sellometer.tiers
	FOR EACH STATEMENT EXECUTE FUNCTION sellometer.show_tiers_of_nodes();
REVOKE ALL ON FUNCTION sellometer.show_nodes_again() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.show_tiers_of_nodes() FROM PUBLIC;
