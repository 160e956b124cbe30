/* A person, out of everything: see src/archive/forget.h. */

CREATE TABLE sellometer.forgetting (
	user_id		bigint PRIMARY KEY,
	sessions	text[] NOT NULL
);
COMMENT ON TABLE sellometer.forgetting IS 'What sellometer_forget_user() is to go on with if it was broken off, or could not read all; else empty';
COMMENT ON COLUMN sellometer.forgetting.user_id IS 'the user';
COMMENT ON COLUMN sellometer.forgetting.sessions IS 'sessions that were seen with this id, perhaps in what tells of it no more';

CREATE FUNCTION sellometer.tells_of(words text, user_id bigint, sessions text[])
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT words ~ format('(^|[^[:alnum:]_.])%s([^[:alnum:]_.]|$)', CASE WHEN user_id < 0 THEN format('[-]%s', -(user_id::numeric)) ELSE user_id::text END)
		OR EXISTS (SELECT FROM unnest(sessions) s (session) WHERE length(s.session) >= 8 AND strpos(words, s.session) > 0)
$$;
COMMENT ON FUNCTION sellometer.tells_of(text, bigint, text[]) IS 'Does the id stand in a text as a word, or one of the sessions anywhere?';

CREATE FUNCTION sellometer.forget_person(user_id bigint, sessions text[],
	OUT carts bigint, OUT reminders bigint, OUT rejected_rows bigint, OUT messages bigint)
RETURNS record
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
BEGIN
	DELETE FROM sellometer.carts c WHERE c.user_id = forget_person.user_id OR c.user_session = ANY (sessions);
	GET DIAGNOSTICS carts = ROW_COUNT;
	PERFORM sellometer.fold_user_carts();
	DELETE FROM sellometer.user_carts c WHERE c.user_id = forget_person.user_id;
	reminders := sellometer.forget_reminders(forget_person.user_id, sessions);
	UPDATE sellometer.rejected_rows r SET raw = NULL, detail = NULL
	WHERE sellometer.tells_of(concat_ws(E'\n', r.raw, r.detail), forget_person.user_id, sessions);
	GET DIAGNOSTICS rejected_rows = ROW_COUNT;
	UPDATE sellometer.objects o SET error = 'forgotten' WHERE o.error IS NOT NULL AND sellometer.tells_of(o.error, forget_person.user_id, sessions);
	GET DIAGNOSTICS messages = ROW_COUNT;
	DELETE FROM sellometer.error_details e WHERE sellometer.tells_of(e.detail, forget_person.user_id, sessions);
	GET DIAGNOSTICS n = ROW_COUNT;
	messages := messages + n;
	UPDATE sellometer.runs r SET detail = '{"error": "forgotten"}' WHERE r.detail ? 'error'
		AND sellometer.tells_of(r.detail ->> 'error', forget_person.user_id, sessions);
	GET DIAGNOSTICS n = ROW_COUNT;
	messages := messages + n;
END
$$;
COMMENT ON FUNCTION sellometer.forget_person(bigint, text[]) IS
	'Delete what tells of a user id and of these sessions in the database''s tables; gives how many rows that were';

CREATE FUNCTION sellometer.exchange_archive(archive bigint, spare bigint, csv_bytes bigint, bytes bigint, checksum text, etag text, row_map bytea)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old sellometer.archives;
	new sellometer.archives;
BEGIN
	SELECT * INTO STRICT old FROM sellometer.archives a WHERE a.id = archive AND a.archived_at IS NOT NULL FOR UPDATE;
	SELECT * INTO STRICT new FROM sellometer.archives a WHERE a.id = spare AND a.archived_at IS NULL FOR UPDATE;
	-- no two rows have one key at any time
	UPDATE sellometer.archives a SET key = '' WHERE a.id = spare;
	UPDATE sellometer.archives a SET key = new.key, part = new.part, csv_bytes = exchange_archive.csv_bytes, bytes = exchange_archive.bytes,
		checksum = exchange_archive.checksum, etag = exchange_archive.etag, row_map = exchange_archive.row_map
	WHERE a.id = archive;
	UPDATE sellometer.archives a SET key = old.key, part = old.part WHERE a.id = spare;
	UPDATE sellometer.objects o SET archive_key = new.key WHERE o.id = ANY (old.objects) AND o.archive_key = old.key;
END
$$;
COMMENT ON FUNCTION sellometer.exchange_archive(bigint, bigint, bigint, bigint, text, text, bytea) IS
	'An archive was written anew under the key of a spare one: it has that from now on, and the spare the old one, as an archive that was broken off';

CREATE PROCEDURE @extschema@.sellometer_forget_user(
	user_id bigint, INOUT sessions bigint DEFAULT NULL, INOUT carts bigint DEFAULT NULL, INOUT reminders bigint DEFAULT NULL,
	INOUT rejected_rows bigint DEFAULT NULL, INOUT messages bigint DEFAULT NULL, INOUT archives bigint DEFAULT NULL,
	INOUT archived_rows bigint DEFAULT NULL, INOUT raw_rows bigint DEFAULT NULL, INOUT raw_files text[] DEFAULT NULL,
	INOUT unread text[] DEFAULT NULL)
LANGUAGE c
AS 'MODULE_PATHNAME', 'sellometer_forget_user';
COMMENT ON PROCEDURE @extschema@.sellometer_forget_user(bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, text[], text[]) IS
	'Delete what tells of a user, and of sessions with this id, from tables and archives; sums stay as they are.  Gives what was deleted, and which files of sources have rows of the user: those are left as they are';

REVOKE ALL ON FUNCTION sellometer.tells_of(text, bigint, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.forget_person(bigint, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION sellometer.exchange_archive(bigint, bigint, bigint, bigint, text, text, bytea) FROM PUBLIC;
REVOKE ALL ON PROCEDURE @extschema@.sellometer_forget_user(bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, text[], text[]) FROM PUBLIC;
