# What an operator, a reader and any other role of the database can and can't do to the rest: locks, rows that are believed,
# rights that are taken away, what is shown.  See docs/SECURITY.md.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmS3;
use SlmTest;
use Test::More;

my $node = slm_node('positions', conf => "fsync = off\nsellometer.poll_interval = '200ms'\n");
my $dir = slm_directory($node, 'in');
my $objects = 0;

sub value { my ($sql) = @_; return $node->safe_psql('shop', $sql); }

# as($role, $sql): what is said, error or result.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('shop', "SET ROLE $role; $sql", on_error_stop => 0);

	return "$out$err";
}

# One more object in a directory is loaded.
sub loads
{
	my ($to, $source, $name) = @_;
	my $key = sprintf('2019-10-01-00-%02d-1.csv', ++$objects);

	write_object($to, $key, csv(event(product_id => $objects)));
	wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE source = '$source' AND key = '$key' AND state = 'done'");
	pass($name);
	return;
}

value(<<"SQL");
CREATE ROLE anybody LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE operator LOGIN; CREATE ROLE feeder LOGIN; CREATE ROLE caller LOGIN;
SELECT sellometer_grant_reader('reader');
GRANT USAGE ON SCHEMA sellometer TO operator, caller;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA sellometer, public TO operator;
GRANT ALL ON ALL TABLES IN SCHEMA sellometer TO operator;
GRANT pg_read_server_files TO feeder;
SELECT sellometer_add_source('web', 'file://$dir/');
SQL

# --- locks ---

# All numbers that anybody could think of: advisory locks are open to every role.
my $anybody = $node->background_psql('shop', on_error_stop => 0);
$anybody->query_safe('SET ROLE anybody; SELECT count(pg_advisory_lock(1936485632 + c, o)) FROM generate_series(0, 2) c, generate_series(0, 9) o');
$anybody->query_safe(q{SELECT count(pg_advisory_lock(oid::bigint)) FROM pg_extension});
loads($dir, 'web', 'who has no rights keeps nobody from loading with advisory locks');
value("CALL sellometer_$_()") foreach (qw(rollup prune merge_backlog archive detect));
pass('nor from running procedures');
$anybody->quit;
for my $attempt ('SELECT sellometer.hold_loading()', 'BEGIN; LOCK TABLE sellometer.objects IN ACCESS SHARE MODE', 'BEGIN; LOCK TABLE sellometer.tiers',
	'COMMENT ON EXTENSION sellometer IS NULL', 'DROP EXTENSION sellometer', 'ALTER EXTENSION sellometer UPDATE', 'CALL sellometer.rollup()')
{
	like(as('anybody', $attempt), qr/permission denied|must be owner/, "nor by: $attempt");
}
like(as('reader', 'BEGIN; LOCK TABLE sellometer.objects IN ROW EXCLUSIVE MODE'), qr/permission denied/, 'a reader takes no lock that keeps writers waiting');

# Who holds up loading is named.
my $holder = $node->background_psql('shop', on_error_stop => 0);
my $pid = $holder->query_safe('SELECT pg_backend_pid()');
$holder->query_safe("SET application_name = 'update'; BEGIN; SELECT sellometer.hold_loading()");
write_object($dir, '2019-10-01-00-59-1.csv', csv(event()));
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.lock_holders WHERE cardinality(holds_up) > 0});
is(value('SELECT what, pid, role, application, since IS NOT NULL, holds_up = ARRAY[sellometer.worker_pid()], held_up_since >= since FROM sellometer.lock_holders'),
	"writing|$pid|postgres|update|t|t|t", 'it is told who holds up loading, since when, and whom');
like(as('reader', 'SELECT what, role, holds_up FROM sellometer.lock_holders'), qr/^writing\|postgres\|\{\d+\}$/m, 'to readers, too');
$holder->query_safe('COMMIT; BEGIN; LOCK TABLE sellometer.objects IN SHARE MODE');
write_object($dir, '2019-10-01-00-58-1.csv', csv(event()));
wait_until($node, q{SELECT count(*) > 0 FROM sellometer.lock_holders WHERE cardinality(holds_up) > 0 AND what = 'table objects'});
is(value(q{SELECT pid FROM sellometer.lock_holders WHERE what = 'table objects'}), $pid, 'also if it is the lock of a table');
$holder->quit;
loads($dir, 'web', 'then all goes on');

# --- procedures: to call them is all it takes ---

value('GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA sellometer TO caller');
for my $procedure (qw(ingest merge_backlog rollup prune archive detect))
{
	is(as('caller', "CALL sellometer.$procedure(); SELECT current_user") =~ s/^.*NOTICE.*\n?//gmr, 'caller', "who may call it needs no other right: $procedure");
}
like(as('caller', q{CALL sellometer.ingest(); SELECT sellometer_drop_source('web')}), qr/permission denied/, 'and gets none for what follows');
like(as('caller', q{DO $$ BEGIN BEGIN CALL sellometer.rollup(); EXCEPTION WHEN OTHERS THEN NULL; END; DELETE FROM sellometer.sources; END $$}),
	qr/permission denied/, 'nor after a call that failed');
like(as('caller', q{CALL sellometer.ingest('none'); SELECT * FROM sellometer.secret}), qr/does not exist.*permission denied/s, 'nor after an error');

# --- what an operator may write is not believed ---

my $etc = slm_directory($node, 'etc');
write_object($etc, 'secret.csv', csv(event()));
for my $sql ("INSERT INTO sellometer.sources (name, url, owner) VALUES ('x', 'file://$etc/', 'postgres')",
	"UPDATE sellometer.sources SET url = 'file://$etc/'", "UPDATE sellometer.sources SET owner = 'operator'", "UPDATE sellometer.sources SET server = 's'",
	"UPDATE sellometer.sources SET archive_url = 'file://$etc/'", "UPDATE sellometer.sources SET name = 'y'", "UPDATE sellometer.sources SET owner_login = false",
	"INSERT INTO sellometer.archives (source, url, owner, block, part, key) VALUES ('web', 'file://$etc/', 'operator', 'b', 1, 'secret.csv')",
	"UPDATE sellometer.archives SET key = 'x'", 'DELETE FROM sellometer.archives')
{
	like(as('operator', $sql), qr/permission denied (for what belongs to role "postgres"|to change sellometer.archives)/, "an operator is refused: $sql");
}
is(value('SELECT name, url, owner FROM sellometer.sources'), "web|file://$dir/|postgres", 'nothing has changed');
is(as('operator', "UPDATE sellometer.sources SET enabled = false; UPDATE sellometer.sources SET enabled = true"), '', 'he may do what changes nobody\'s rights');
as('operator', "INSERT INTO sellometer.sources (name, url) VALUES ('own', 'file://$etc/')");
wait_until($node, q{SELECT last_error ~ 'permission denied to read files' FROM sellometer.sources WHERE name = 'own'});
is(value(q{SELECT owner, (SELECT count(*) FROM sellometer.objects WHERE source = 'own') FROM sellometer.sources WHERE name = 'own'}), 'operator|0',
	'a source of his own is read with his own rights');
value(q{SELECT sellometer_drop_source('own')});

# Code of his in what others run.
value('GRANT CREATE ON SCHEMA sellometer, public TO operator');
for my $sql ('CREATE TRIGGER t BEFORE INSERT ON sellometer.objects FOR EACH ROW EXECUTE FUNCTION public.evil()',
	'CREATE TRIGGER t AFTER UPDATE ON sellometer.state EXECUTE FUNCTION public.evil()',
	'CREATE FUNCTION sellometer.html(value varchar) RETURNS text LANGUAGE sql AS $$ SELECT $1 $$',
	'ALTER FUNCTION public.html(varchar) SET SCHEMA sellometer', 'CREATE OPERATOR sellometer.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq)',
	'CREATE VIEW sellometer.v AS SELECT 1', 'CREATE DOMAIN sellometer.text AS text')
{
	like(as('operator', 'CREATE OR REPLACE FUNCTION public.evil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
		CREATE OR REPLACE FUNCTION public.html(varchar) RETURNS text LANGUAGE sql AS $$ SELECT $1 $$;' . $sql),
		qr/permission denied to have/, "an operator is refused: $sql");
}
is(as('operator', 'CREATE TABLE public.t (x int); CREATE TRIGGER t BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.evil(); DROP TABLE public.t'), '',
	'elsewhere he does as he likes');

# --- rights count at each use ---

my $fed = slm_directory($node, 'fed');
my $error = q{SELECT coalesce((SELECT last_error FROM sellometer.sources WHERE name = 'fed'), '')};
value('GRANT USAGE ON SCHEMA sellometer TO feeder; GRANT EXECUTE ON FUNCTION sellometer_add_source TO feeder; GRANT INSERT, SELECT ON sellometer.sources TO feeder');
is(as('feeder', "SELECT sellometer_add_source('fed', 'file://$fed/')"), '', 'who may read files adds a source');
loads($fed, 'fed', 'it is loaded');
value('REVOKE pg_read_server_files FROM feeder');
wait_until($node, "$error ~ 'permission denied to read files of the server'");
write_object($fed, '2019-10-01-00-57-1.csv', csv(event()));
loads($dir, 'web', 'others go on when a right is revoked');
is(value(q{SELECT count(*) FROM sellometer.objects WHERE source = 'fed' AND key ~ '57'}), 0, '... and nothing more is read with it');
value('CREATE ROLE files; GRANT pg_read_server_files TO files; GRANT files TO feeder');
loads($fed, 'fed', 'rights that come by another role count');
value('REVOKE files FROM feeder');
wait_until($node, "$error ~ 'permission denied to read files of the server'");
value('GRANT pg_read_server_files TO feeder; ALTER ROLE feeder RENAME TO fred');
loads($fed, 'fed', 'a role may be renamed');
is(value(q{SELECT owner, owner_name FROM sellometer.sources WHERE name = 'fed'}), 'fred|fred', '... and is known by its name');
value('ALTER ROLE fred NOLOGIN');
wait_until($node, "$error ~ 'role \"fred\" may not log in any more'");
is(value(q{SELECT ok, detail FROM sellometer_check() WHERE name = 'source fed'}), 'f|role "fred" may not log in any more, whom the source belongs to', 'sellometer_check() says so');
value('ALTER ROLE fred LOGIN');
loads($fed, 'fed', 'who is let in again is read again');
my $oid = value(q{SELECT 'fred'::regrole::oid});
value('DROP OWNED BY fred; DROP ROLE fred');
wait_until($node, "$error ~ 'role \"fred\" does not exist any more'");
is(value(q{SELECT owner, owner_name FROM sellometer.sources WHERE name = 'fed'}), '-|fred', 'a source whose owner is gone is nobody\'s');
value('CREATE ROLE fred LOGIN; GRANT pg_read_server_files TO fred');
loads($dir, 'web', 'another role of that name');
like(value($error), qr/role "fred" does not exist any more/, '... does not get it');
# As a dump has it, of a server where the role was gone already: a number, which is somebody's here.
value(qq{INSERT INTO sellometer.sources (name, url, owner, owner_name, owner_login, added_at) VALUES ('old', 'file://$fed/x/', 'operator'::regrole::oid, 'gone', true, '2020-01-01')});
is(value(q{SELECT owner, owner_name FROM sellometer.sources WHERE name = 'old'}), '-|gone', 'a number in a dump is not taken for whoever has it here');

# --- what is shown ---

$node->safe_psql('shop', q{CREATE SERVER inner_server FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint 'http://127.0.0.1:9', region 'here', retry_timeout '1');
	INSERT INTO sellometer.sources (name, url, server) VALUES ('bucket', 's3://shelf/', 'inner_server')});
wait_until($node, q{SELECT last_error IS NOT NULL FROM sellometer.sources WHERE name = 'bucket'});
my $inner = qr/inner_server|127\.0\.0\.1|postgres|fred|pg_read_server_files/;
like(value(q{SELECT string_agg(last_error, ' ') FROM sellometer.status}), $inner, 'an owner is told what is wrong with credentials');
is(as('reader', q{SELECT last_error FROM sellometer.status WHERE source = 'bucket'}), "it can't be listed: why is in sellometer.sources, for who may read last_error there",
	'a reader only that something is');
unlike(as('reader', 'SELECT s FROM sellometer.status s; SELECT sellometer_report()'), $inner, '... in the report, too');
like(as('reader', 'SELECT last_error FROM sellometer.sources'), qr/permission denied/, '... and not in the table');

# A terminal would obey U+009B, U+202E and the like.
my $evil = "a\xc2\x9b31mb\xe2\x80\xaec\xd8\x9cd\xe2\x81\xa6e\x1b[0m";
my $shown = 'a\xC2\x9B31mb\xE2\x80\xAEc\xD8\x9Cd\xE2\x81\xA6e\x1B[0m';
my $unseen = qr/\xc2\x9b|\xe2\x80\xae|\xd8\x9c|\xe2\x81\xa6|\x1b/;
write_object($dir, "$evil.csv", "event_time,$evil\n");
write_object($dir, '2019-10-01-00-59-9.csv', csv(event(event_time => '2019-10-01 00:59:00', event_type => 'purchase', brand => $evil, price => 900), event(price => $evil)));
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.objects WHERE state = 'failed'});
wait_until($node, q{SELECT count(*) > 0 FROM sellometer.rejected_rows});
like(value(q{SELECT last_error FROM sellometer.status WHERE source = 'web'}), qr/^\Q$shown\E\.csv: /, 'in status such characters are escaped');
unlike(value(q{SELECT last_error FROM sellometer.status; SELECT error FROM sellometer.objects; SELECT detail, raw FROM sellometer.rejected_rows}), $unseen, '... in errors, and rows that could not be used');
like(value('SELECT sellometer_report()'), qr/\Q$shown\E/, 'in the report');
unlike(value('SELECT sellometer_report()'), $unseen, '... none is left there');
unlike(slurp_file($node->logfile) =~ s/^.*statement: .*$//gmr, $unseen, '... nor in the log');

# --- what costs time ---

for my $sql (q{SELECT count(*) FROM sellometer.axis_times('4713-01-01 BC', '294276-12-31')}, q{SELECT count(*) FROM sellometer.axis_times('-infinity', 'infinity')},
	q{SELECT count(*) FROM sellometer.report_hours('4713-01-01 BC', '294276-12-31')},
	q{SELECT count(*) FROM sellometer_series('brand', 'view', NULL, '-infinity', 'infinity', '1 minute')})
{
	unlike(as('reader', "SET statement_timeout = '10s'; $sql"), qr/statement timeout/, "a reader can't burn time by: $sql");
}
for my $values (q{(1, 1, '4713-01-01 BC', '1 day')}, q{(1, 1, 'infinity', '1 day')}, q{(1, 1, '2019-10-01', '178000000 years')}, q{(1, 1, '2019-10-01', '-1 day')})
{
	like(as('operator', "INSERT INTO sellometer.inventory VALUES $values"), qr/violates check constraint/, "no such stock: $values");
}
# --- what a reader is told of the way to a bucket: nothing, in any relation ---

my $fake = SlmS3->fake;
my ($port) = $fake->{endpoint} =~ /:(\d+)$/;
my $hidden = qr/secret_server|secret_keeper|evil\.example|127\.0\.0\.1|:$port|AKIATEST|user mapping of/;

# All columns of all relations that a reader can read but lock_holders, which says who holds up loading.
sub readable_text
{
	my $relations = as('reader', q{SELECT format('%I.%I', n.nspname, c.relname) || ' ' || string_agg(format('%I', a.attname), ', ')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE n.nspname = 'sellometer' AND c.relkind IN ('r', 'v', 'p', 'm', 'S') AND c.relname <> 'lock_holders'
			AND has_column_privilege(c.oid, a.attnum, 'SELECT') GROUP BY n.nspname, c.relname});
	my $text = as('reader', 'SELECT sellometer_report()');
	my %read;

	for my $line (split(/\n/, $relations))
	{
		my ($relation, $columns) = split(/ /, $line, 2);

		$read{$relation} = as('reader', "SELECT $columns FROM $relation");
		$text .= "$read{$relation}\n";
	}
	unlike($text, qr/ERROR: /, 'a reader reads ' . scalar(keys %read) . ' relations');
	cmp_ok(scalar(keys %read), '>', 60, '... all of them');
	return $text;
}

value(<<"SQL");
CREATE ROLE secret_keeper LOGIN;
CREATE SERVER secret_server FOREIGN DATA WRAPPER sellometer_s3 OPTIONS (endpoint '$fake->{endpoint}', region 'here', retry_timeout '1');
CREATE USER MAPPING FOR secret_keeper SERVER secret_server OPTIONS (access_key_id '$fake->{access_key}', secret_access_key '$fake->{secret_key}');
GRANT USAGE ON FOREIGN SERVER secret_server TO secret_keeper;
GRANT USAGE ON SCHEMA sellometer TO secret_keeper;
GRANT EXECUTE ON FUNCTION sellometer_add_source TO secret_keeper;
GRANT INSERT, SELECT ON sellometer.sources TO secret_keeper;
SQL
$fake->put('shelf/in/2019-10-01-01-10-1.csv', csv(event(event_time => '2019-10-01 01:10:00', product_id => 1004)));
is(as('secret_keeper', q{SELECT sellometer_add_source('closed', 's3://shelf/in/', 'secret_server', 's3://shelf/archive/')}), '', 'a source in a bucket');
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.objects WHERE source = 'closed' AND state = 'done'});
$fake->control(refuse_reads => 'AccessDenied', refuse_words => 'secret_keeper may not read from evil.example');
$fake->put('shelf/in/2019-10-01-01-10-2.csv', csv(event(event_time => '2019-10-01 01:10:00', product_id => 1005)));
wait_until($node, q{SELECT count(*) = 1 FROM sellometer.error_details});
like(value('SELECT detail FROM sellometer.error_details'), qr/secret_keeper may not read from evil\.example.*user mapping of role "secret_keeper" on server "secret_server"/,
	'who may read the details of errors is told all');
is(value(q{SELECT error FROM sellometer.objects WHERE key = '2019-10-01-01-10-2.csv'}),
	'could not read "s3://shelf/in/2019-10-01-01-10-2.csv": access denied (more is in sellometer.error_details)', '... in the ledger stands what and where it is');
unlike(readable_text(), $hidden, 'nothing more is shown to readers');
like(as('reader', 'SELECT * FROM sellometer.error_details'), qr/permission denied/, '... who don\'t see the details');
$fake->control(refuse_reads => '');
wait_until($node, q{SELECT count(*) = 0 FROM sellometer.objects WHERE source = 'closed' AND state <> 'done'});
is(value('SELECT count(*) FROM sellometer.error_details'), '0', 'they go once the object is loaded');

# A run that fails, and every other way in which a source can't be reached.
write_object($dir, '2019-10-01-05-00-1.csv', csv(event(event_time => '2019-10-01 05:00:00', product_id => 77)));
wait_until($node, q{SELECT head = '2019-10-01 05:00:00' FROM sellometer.state});
$fake->control(refuse_reads => 'AccessDenied');
$node->psql('shop', 'CALL sellometer_archive()');
like(value(q{SELECT outcome, detail ->> 'error' FROM sellometer.runs WHERE procedure = 'archive'}), qr/^failed\|.*access denied$/, 'what a run fails of is told');
unlike(readable_text(), $hidden, '... to readers no more than that');
for my $break ('DROP USER MAPPING FOR secret_keeper SERVER secret_server', 'REVOKE USAGE ON FOREIGN SERVER secret_server FROM secret_keeper',
	'ALTER ROLE secret_keeper NOLOGIN', 'ALTER SERVER secret_server RENAME TO secret_server_2')
{
	value($break);
	wait_until($node, q{SELECT count(*) = 1 FROM sellometer.sources WHERE name = 'closed' AND last_error ~ 'secret_(keeper|server)'});
	$node->psql('shop', 'CALL sellometer_archive()');
	unlike(readable_text(), $hidden, "nor if a source can't be reached: $break");
}
$node->stop;
done_testing();
