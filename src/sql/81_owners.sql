/*
 * Who a source belongs to is checked, never believed: its owner's rights and credentials are what it is read, archived and
 * deleted with.
 *
 *   owner			the role; 0 once it is gone, for ever: its number may become another role's
 *   owner_name		what it was called, for messages, and to tell in a dump whose owner is but a number whose that was
 *   owner_login	could it log in when it got the source?  Who was let in then, and is not now, is read for no longer
 */
CREATE FUNCTION sellometer.name_of_owner(owner regrole, owner_name name)
RETURNS name
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now_called name := (SELECT r.rolname FROM pg_roles r WHERE r.oid = owner);
BEGIN
	IF now_called IS NULL AND owner_name IS NULL THEN
		RAISE undefined_object USING MESSAGE = format('role with OID %s does not exist', owner::oid);
	END IF;
	RETURN now_called;
END
$$;
COMMENT ON FUNCTION sellometer.name_of_owner(regrole, name) IS
	'What a role is called; NULL if it does not exist, which is an error unless it is known what it was called';

CREATE FUNCTION sellometer.check_owner()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	whose regrole;
	called name := sellometer.name_of_owner(NEW.owner, NEW.owner_name);
BEGIN
	IF TG_OP = 'INSERT' THEN
		-- of a dump: a number that is somebody else's here, or whose role is called otherwise by now
		IF NEW.owner_name <> called OR called IS NULL THEN
			NEW.owner := 0;
		END IF;
		NEW.owner_name := coalesce(NEW.owner_name, called);
	ELSIF NEW.owner <> OLD.owner AND called IS NOT NULL THEN
		NEW.owner_name := called;
	ELSIF NEW.owner_name IS DISTINCT FROM called THEN
		NEW.owner_name := OLD.owner_name;
	END IF;
	IF TG_TABLE_NAME = 'sources' THEN
		IF NEW.owner_login IS NULL OR TG_OP = 'UPDATE' AND NEW.owner <> OLD.owner THEN
			NEW.owner_login := coalesce((SELECT r.rolcanlogin FROM pg_roles r WHERE r.oid = NEW.owner), false);
		ELSIF TG_OP = 'UPDATE' THEN
			NEW.owner_login := OLD.owner_login;
		END IF;
	END IF;
	FOREACH whose IN ARRAY CASE TG_OP WHEN 'UPDATE' THEN ARRAY[OLD.owner, NEW.owner] ELSE ARRAY[NEW.owner] END LOOP
		IF NOT pg_has_role(whose, 'USAGE') THEN
			RAISE insufficient_privilege USING
				MESSAGE = format('permission denied for what belongs to role "%s"', coalesce((SELECT r.rolname FROM pg_roles r WHERE r.oid = whose), NEW.owner_name)),
				DETAIL = 'Its rights and credentials are what a source is read, archived and deleted with.',
				HINT = 'Become that role, or a superuser.';
		END IF;
	END LOOP;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION sellometer.check_owner() IS
	'Have nobody but an owner, or who has his rights, say what belongs to him and where it is';

ALTER TABLE sellometer.sources ADD COLUMN owner_name name NOT NULL, ADD COLUMN owner_login boolean NOT NULL;
COMMENT ON COLUMN sellometer.sources.owner_name IS 'what that role is called; what it was called, if it is gone';
COMMENT ON COLUMN sellometer.sources.owner_login IS
	'could that role log in when it became the owner?  Then the source is no longer read once it must not';
CREATE TRIGGER check_owner
	BEFORE INSERT OR UPDATE OF name, url, server, archive_url, owner, owner_name, owner_login ON sellometer.sources
	FOR EACH ROW EXECUTE FUNCTION sellometer.check_owner();

ALTER TABLE sellometer.archives ADD COLUMN owner_name name NOT NULL;
COMMENT ON COLUMN sellometer.archives.owner_name IS 'what that role is called; what it was called, if it is gone';
CREATE TRIGGER check_owner BEFORE INSERT OR UPDATE OF owner, owner_name ON sellometer.archives
	FOR EACH ROW EXECUTE FUNCTION sellometer.check_owner();

/* What an archive is, and whose originals it lets go, only sellometer_archive() says. */
CREATE FUNCTION sellometer.protect_archives()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT pg_has_role((SELECT e.extowner FROM pg_extension e WHERE e.extname = 'sellometer'), 'USAGE') THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'permission denied to change sellometer.archives',
			HINT = 'sellometer_archive() keeps it.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION sellometer.protect_archives() IS 'Have nobody change what is recorded of archives';
CREATE TRIGGER protect_archives BEFORE INSERT OR UPDATE OR DELETE ON sellometer.archives
	FOR EACH STATEMENT EXECUTE FUNCTION sellometer.protect_archives();

/* What is wrong with the owner of a source now; NULL: nothing. */
CREATE FUNCTION sellometer.owner_trouble(owner regrole, owner_name name, owner_login boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN r.oid IS NULL THEN format('role "%s" does not exist any more, whom the source belonged to', owner_name)
		WHEN owner_login AND NOT r.rolcanlogin THEN format('role "%s" may not log in any more, whom the source belongs to', r.rolname) END
	FROM (SELECT) one LEFT JOIN pg_roles r ON r.oid = owner
$$;
COMMENT ON FUNCTION sellometer.owner_trouble(regrole, name, boolean) IS 'Why the rights of a source''s owner count no longer; NULL: they do';

/* When roles have changed: whose role is gone belongs to nobody from then on, whatever gets its number. */
CREATE FUNCTION sellometer.note_owners()
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE sellometer.sources s SET owner = coalesce(r.oid, 0), owner_name = coalesce(r.rolname, x.owner_name)
	FROM sellometer.sources x LEFT JOIN pg_roles r ON r.oid = x.owner
	WHERE x.name = s.name AND x.owner <> 0 AND (r.oid IS NULL OR r.rolname <> x.owner_name);
	UPDATE sellometer.archives a SET owner = coalesce(r.oid, 0), owner_name = coalesce(r.rolname, x.owner_name)
	FROM (SELECT DISTINCT owner, owner_name FROM sellometer.archives) x LEFT JOIN pg_roles r ON r.oid = x.owner
	WHERE x.owner = a.owner AND x.owner_name = a.owner_name AND x.owner <> 0 AND (r.oid IS NULL OR r.rolname <> x.owner_name)
$$;
COMMENT ON FUNCTION sellometer.note_owners() IS 'Note of each owner that its role is gone, or has another name';

/*
 * Rights to tables and to the schema are given to operators.  A trigger would run with the rights of whoever loads, a function
 * in the schema be called instead of one that is meant: that takes more.
 */
CREATE FUNCTION sellometer.guard()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made record;
BEGIN
	IF pg_has_role((SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = 'sellometer'), 'USAGE') THEN
		RETURN;
	END IF;
	FOR made IN SELECT c.object_type, c.object_identity FROM pg_event_trigger_ddl_commands() c
			LEFT JOIN pg_trigger t ON c.classid = 'pg_trigger'::regclass AND t.oid = c.objid
			LEFT JOIN pg_class r ON r.oid = t.tgrelid
			WHERE c.schema_name = 'sellometer' OR r.relnamespace = 'sellometer'::regnamespace LOOP
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied to have %s %s in schema sellometer', made.object_type, made.object_identity),
			HINT = 'Only the owner of the extension can: it would be used with that role''s rights.';
	END LOOP;
END
$$;
COMMENT ON FUNCTION sellometer.guard() IS 'Have nobody lay something into schema sellometer, or a trigger on a table there';
CREATE EVENT TRIGGER sellometer_guard ON ddl_command_end
	WHEN TAG IN ('CREATE TRIGGER', 'CREATE FUNCTION', 'CREATE PROCEDURE', 'CREATE AGGREGATE', 'CREATE OPERATOR', 'CREATE TYPE', 'CREATE DOMAIN',
		'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE VIEW', 'CREATE MATERIALIZED VIEW', 'CREATE FOREIGN TABLE', 'CREATE SEQUENCE',
		'ALTER FUNCTION', 'ALTER PROCEDURE', 'ALTER ROUTINE', 'ALTER AGGREGATE', 'ALTER OPERATOR', 'ALTER TYPE', 'ALTER DOMAIN',
		'ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE', 'ALTER SEQUENCE', 'CREATE COLLATION', 'ALTER COLLATION')
	EXECUTE FUNCTION sellometer.guard();
COMMENT ON EVENT TRIGGER sellometer_guard IS 'So that what operators may write never runs with the rights of others';

REVOKE ALL ON FUNCTION sellometer.check_owner() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.protect_archives() FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.note_owners() FROM PUBLIC;
